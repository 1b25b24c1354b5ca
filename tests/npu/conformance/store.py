"""The stored streams: made from the reference and from Vela, checked without either."""

from dataclasses import dataclass
from pathlib import Path

from conformance.case import KINDS
from conformance.catalogue import catalogue
from conformance.compare import compare, compiled_once
from conformance.compile import TARGETS, Refusal
from conformance.emulate import numbers_only
from conformance.explain import EXPLAINED
from conformance.goldens import Golden, load, save
from conformance.oracle import run_reference
from conformance.sweep import CACHE, versions

GOLDENS = Path(__file__).resolve().parents[1] / "goldens.xz"
# What there is silicon of, and streams for two cores from the other generator.
STORED = (
    ("ethos-u55-64", "regor"),
    ("ethos-u55-128", "regor"),
    ("ethos-u55-256", "regor"),
    ("ethos-u65-256", "regor"),
    ("ethos-u65-512", "legacy"),
)
_KINDS = KINDS[:4]


@dataclass(frozen=True)
class Checked:
    """What running the stored streams found; one line per stream that is not as stored."""

    streams: int
    values: int
    lines: tuple[str, ...]


def make_goldens(path: Path) -> list[Golden]:
    """Compile, run the reference, write; a difference without a known cause is an error."""
    goldens = []
    for case in catalogue().values():
        data = case.file()
        runs = tuple(run for run in run_reference(case, data) if run.kind in _KINDS)
        for accelerator, generator in STORED:
            try:
                compiled = compiled_once(data, TARGETS[accelerator], generator, CACHE)
            except Refusal:
                continue
            outcome = compare(case.name, runs, compiled, generator, numbers_only)
            known = outcome.state == "equal" or (case.name, generator) in EXPLAINED
            if not known:
                raise ValueError(f"{case.name} {accelerator} {generator}: {outcome.state}")
            goldens.append(Golden(case.name, generator, compiled, runs, outcome.different))
    save(goldens, versions(), path)
    return goldens


def check_goldens(path: Path, match: str = "") -> Checked:
    """The emulator over every stored stream whose graph has `match` in its name."""
    goldens, _ = load(path)
    values, lines = 0, []
    chosen = [golden for golden in goldens if match in golden.graph]
    for golden in chosen:
        outcome = compare(
            golden.graph, golden.runs, golden.compiled, golden.generator, numbers_only
        )
        values += outcome.values
        if outcome.state == "failed" or outcome.different != golden.apart:
            lines.append(
                f"{golden.graph} {golden.compiled.accelerator} {golden.generator}: "
                f"{outcome.state}, {outcome.different} values differ where {golden.apart} are "
                f"known to {outcome.text}"
            )
    return Checked(len(chosen), values, tuple(lines))
