"""Two runs side by side: whether they can be compared, and every figure with its limit."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from edgesdk.errors import EdgeError
from edgesdk.report.metrics import NAMES, Metric, metrics_of
from edgesdk.report.policy import Limit, Policy
from edgesdk.report.read import Run

SCHEMA, VERSION = "edgesdk.compare", 1
AGREEMENT = "device == laptop"
ROUNDING = 1e-12  # of a figure: what binary fractions may add to a difference

# "missing" and "new": only A, or only B, has the figure; "changed" and "same" know no limit.
Verdict = Literal["regression", "within", "better", "same", "changed", "missing", "new"]


class IncomparableError(EdgeError):
    """Two runs whose figures say nothing about each other."""

    exit_code = 6

    def __init__(self, a: Run, b: Run, reasons: Sequence[str]) -> None:
        """`reasons`: each difference in a few words."""
        super().__init__(
            f"{a.folder} and {b.folder} cannot be compared: {'; '.join(reasons)}; "
            "make both runs under the same conditions"
        )
        self.details = {"reasons": list(reasons)}


@dataclass(frozen=True)
class Delta:
    """One figure of both runs; None where a run lacks it; `limit` in words, "" without one."""

    name: str
    unit: str
    fidelity: str
    a: float | int | str | None
    b: float | int | str | None
    change: float | None
    change_pct: float | None
    limit: str
    verdict: Verdict

    @property
    def regressed(self) -> bool:
        """Whether B is worse than the limit allows."""
        return self.verdict == "regression"


@dataclass(frozen=True)
class Fact:
    """Something that both runs say of themselves, and say differently."""

    name: str
    a: str
    b: str


@dataclass(frozen=True)
class Comparison:
    """Two runs that can be compared: facts that differ, and every figure of either."""

    a: Run
    b: Run
    policy: str
    differs: Sequence[Fact]
    deltas: Sequence[Delta]
    absent: Sequence[str]  # the policy limits them, and neither run has them

    @property
    def regressions(self) -> tuple[str, ...]:
        """Names of the figures that are worse than the policy allows."""
        return tuple(delta.name for delta in self.deltas if delta.regressed)

    def document(self) -> dict[str, Any]:
        """Plain JSON values, with schema name and version."""
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "a": _side(self.a),
            "b": _side(self.b),
            "policy": self.policy,
            "differs": [asdict(fact) for fact in self.differs],
            "metrics": [asdict(delta) for delta in self.deltas],
            "absent": list(self.absent),
            "regressions": list(self.regressions),
        }


def _side(run: Run) -> dict[str, Any]:
    manifest = asdict(run.manifest)
    return {
        "folder": str(run.folder),
        **{key: manifest[key] for key in ("created", "board", "bundle", "firmware", "clock")},
        "commit": None if run.manifest.git is None else run.manifest.git.commit,
    }


def conditions(run: Run) -> tuple[object, ...]:
    """What has to be equal for two runs' figures to say something about each other."""
    made = run.manifest
    board = (made.board.name, made.board.tier, made.board.core, made.board.clock_hz)
    return (*board, made.bundle.kind, made.clock, _heard(run))


def _heard(run: Run) -> tuple[tuple[object, ...], ...]:
    """Every clip with its samples and what is known of it, in no order."""
    pairs = zip(run.manifest.clips, run.report.clips, strict=True)
    known = [(it.clip, it.sha256, said.reference, said.end_s) for it, said in pairs]
    return tuple(sorted(known, key=repr))


def incomparable(a: Run, b: Run) -> list[str]:
    """Why two runs cannot be compared, one reason each; empty where they can."""
    reasons = []
    one, other = a.manifest, b.manifest
    pairs = (
        ("board", one.board.name, other.board.name),
        ("tier of the board", one.board.tier, other.board.tier),
        ("core", one.board.core, other.board.core),
        ("clock of the board", _hertz(one.board.clock_hz), _hertz(other.board.clock_hz)),
        ("kind of bundle", one.bundle.kind, other.bundle.kind),
        ("kind of clock", one.clock, other.clock),
    )
    reasons += [f"{name} {ours} against {theirs}" for name, ours, theirs in pairs if ours != theirs]
    if _heard(a) != _heard(b):
        reasons.append(f"clips: {_clip_reason(a, b)}")
    if a.report.correct is False:
        reasons.append(f"in {a.name}, device and laptop differ, so there is nothing to hold to")
    return reasons


def _hertz(clock_hz: int | None) -> str:
    return "unknown" if clock_hz is None else f"{clock_hz:,} Hz"


def _clip_reason(a: Run, b: Run) -> str:
    ours, theirs = (sorted(it.clip for it in run.manifest.clips) for run in (a, b))
    if ours != theirs:
        for run, names, others in ((a, ours, theirs), (b, theirs, ours)):
            alone = [name for name in names if name not in others]
            if alone:
                more = f" and {len(alone) - 1} more" if len(alone) > 1 else ""
                return f"{alone[0]}{more} only in {run.name}"
        return f"{len(ours)} against {len(theirs)}"
    parted = next(x for x, y in zip(_heard(a), _heard(b), strict=True) if x != y)
    samples = {(it.clip, it.sha256) for it in b.manifest.clips}
    if (parted[0], parted[1]) not in samples:
        return f"{parted[0]} has other samples"
    return f"{parted[0]} has another expected text or end of speech"


def compare(a: Run, b: Run, policy: Policy) -> Comparison:
    """B against A, which came before.

    Raises:
        IncomparableError: the figures of one say nothing about the other's.
    """
    reasons = incomparable(a, b)
    if reasons:
        raise IncomparableError(a, b, reasons)
    deltas = tuple(_deltas(a, b, policy))
    absent = [name for name in policy.metrics if name not in {delta.name for delta in deltas}]
    return Comparison(a, b, policy.name, tuple(_differing(a, b)), deltas, absent)


def _differing(a: Run, b: Run) -> Iterator[Fact]:
    ours, theirs = _facts(a), _facts(b)
    for name in dict.fromkeys((*ours, *theirs)):
        one, other = ours.get(name, "none"), theirs.get(name, "none")
        if one != other:
            yield Fact(name, one, other)


def _facts(run: Run) -> dict[str, str]:
    made = run.manifest
    git = made.git
    facts = {
        "bundle": f"{made.bundle.name} {made.bundle.digest}".strip(),
        "firmware": made.firmware.id,
        "firmware file": (made.firmware.sha256 or "unknown")[:16],
        "board file": made.board.sha256[:16],
        "end points": made.choices.endpoint,
        **{f"phrases {name}": digest[:16] for name, digest in made.choices.bias.items()},
        "commit": "none" if git is None else git.commit[:12] + (" changed" if git.changed else ""),
        "computer": f"{made.host.name}, {made.host.system} {made.host.machine}",
        "python": made.host.python,
    }
    return facts | {name: it for name, it in made.tools.items() if name not in facts}


def _deltas(a: Run, b: Run, policy: Policy) -> Iterator[Delta]:
    yield _agreement(a, b)
    ours, theirs = metrics_of(a.report), metrics_of(b.report)
    for name in (name for name in NAMES if name in ours or name in theirs):
        yield _delta(ours.get(name), theirs.get(name), policy.metrics.get(name))


def _agreement(a: Run, b: Run) -> Delta:
    """Whether the device still does what the laptop does; no policy allows less."""
    words = {True: "yes", False: "no", None: "not compared"}
    ours, theirs = a.report.correct, b.report.correct
    verdict: Verdict = "same" if ours == theirs else "better" if theirs else "regression"
    one, other = words[ours], words[theirs]
    return Delta(AGREEMENT, "", "functional", one, other, None, None, "the same", verdict)


def _delta(a: Metric | None, b: Metric | None, limit: Limit | None) -> Delta:
    known = a or b
    assert known is not None
    text = "" if limit is None else limit.sentence(known.unit)
    change = None if a is None or b is None else b.value - a.value
    return Delta(
        name=known.name,
        unit=known.unit,
        fidelity=known.fidelity,
        a=None if a is None else a.value,
        b=None if b is None else b.value,
        change=change,
        change_pct=100 * change / abs(a.value) if a and a.value and change is not None else None,
        limit=text,
        verdict=_verdict(a, b, limit),
    )


def _verdict(a: Metric | None, b: Metric | None, limit: Limit | None) -> Verdict:
    if a is None:
        return "new"
    if b is None:
        return "regression" if limit is not None and limit.missing == "regression" else "missing"
    if a.value == b.value:
        return "same"
    if limit is None:
        return "changed"
    if limit.better == "same":
        return "regression"
    worse = b.value - a.value if limit.better == "lower" else a.value - b.value
    if worse <= 0:
        return "better"
    return "regression" if worse > limit.slack(a.value) + ROUNDING * abs(a.value) else "within"
