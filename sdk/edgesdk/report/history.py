"""Many runs as one HTML page that opens anywhere: tables and plots, by what can be compared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from edgesdk.report.compare import compare, conditions
from edgesdk.report.history_plots import Plot, Series, history_plots
from edgesdk.report.metrics import COST, Metric, metrics_of
from edgesdk.report.page import make_environment
from edgesdk.report.policy import Policy
from edgesdk.report.read import Run

COLUMNS = (
    *("word error rate", COST, "real-time factor"),
    *("NPU cycles", "NPU read on AXI port 1"),
    *("arena", "stack high-water", "image", "firmware"),
)


@dataclass(frozen=True)
class Row:
    """A run in a table; `regressions` against the last sound run before it, None without one."""

    name: str
    created: str
    commit: str
    bundle: str
    firmware: str
    correct: bool | None
    values: Sequence[float | int | None]
    regressions: Sequence[str] | None


@dataclass(frozen=True)
class Group:
    """Runs that can be compared, oldest first."""

    title: str
    about: str
    units: str
    columns: Sequence[str]
    rows: Sequence[Row]
    plots: Sequence[Plot]


def group_runs(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs whose figures can be compared, together; oldest first, in groups and of groups."""
    groups: dict[tuple[object, ...], list[Run]] = {}
    for run in sorted(runs, key=_made):
        groups.setdefault(conditions(run), []).append(run)
    return list(groups.values())


def _made(run: Run) -> tuple[float, str]:
    """When a run was made; runs of one second stand by the names of their folders."""
    return datetime.fromisoformat(run.manifest.created).timestamp(), run.name


def run_labels(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its folder's, or with the folder around it where several share one."""
    names = [run.name for run in runs]
    paths = [run.folder.resolve() for run in runs]
    longer = [f"{path.parent.name}/{path.name}" for path in paths]
    return [
        name if names.count(name) == 1 else f"{at + 1} {long}" if longer.count(long) > 1 else long
        for at, (name, long) in enumerate(zip(names, longer, strict=True))
    ]


def render_history(runs: Sequence[Run], policy: Policy) -> str:
    """The HTML page of at least one run; `policy` says what is called worse."""
    made = sorted(runs, key=_made)
    groups = [_group(number, it, policy) for number, it in enumerate(group_runs(runs), 1)]
    return (
        make_environment()
        .get_template("history.html.j2")
        .render(
            runs=len(runs),
            first=made[0].manifest.created,
            last=made[-1].manifest.created,
            groups=groups,
            policy=policy.name,
        )
    )


def _group(number: int, runs: Sequence[Run], policy: Policy) -> Group:
    first, last = runs[0].manifest, runs[-1]
    labels = run_labels(runs)
    found = [metrics_of(run.report) for run in runs]
    columns = [name for name in COLUMNS if any(name in metrics for metrics in found)]
    clock = "no clock" if first.clock == "none" else f"counting {first.clock}"
    seconds = sum(clip.audio_s for clip in last.report.clips)
    about = (
        f"Board {first.board.name} ({first.board.tier}), {clock}; {first.bundle.kind}; "
        f"{len(first.clips)} clips, {seconds:.2f} s of audio."
    )
    return Group(
        title=str(last.report.board.get("title", first.board.name)),
        about=about,
        units=_units(columns, found),
        columns=columns,
        rows=list(_rows(runs, labels, columns, policy)),
        plots=list(history_plots(Series(runs, labels, f"group {number}"))),
    )


def _units(columns: Sequence[str], found: Sequence[dict[str, Metric]]) -> str:
    """Unit and fidelity of each column, in a sentence; what an estimate assumes."""
    said = []
    for name in columns:
        metric = next(metrics[name] for metrics in found if name in metrics)
        unit = f"{metric.unit}, " if metric.unit else ""
        assumed = f" ({metric.note})" if metric.fidelity == "estimate" and metric.note else ""
        said.append(f"{name}: {unit}{metric.fidelity}{assumed}")
    return f"{'; '.join(said)}." if said else ""


def _rows(
    runs: Sequence[Run], labels: Sequence[str], columns: Sequence[str], policy: Policy
) -> Iterator[Row]:
    before: Run | None = None
    for run, label in zip(runs, labels, strict=True):
        metrics = metrics_of(run.report)
        values = [metrics[name].value if name in metrics else None for name in columns]
        git = run.manifest.git
        yield Row(
            name=label,
            created=run.manifest.created,
            commit="" if git is None else git.commit[:10] + (" +" if git.changed else ""),
            bundle=run.manifest.bundle.digest[:10],
            firmware=run.manifest.firmware.id[:10],
            correct=run.report.correct,
            values=values,
            regressions=None if before is None else compare(before, run, policy).regressions,
        )
        if run.report.correct is not False:  # one that failed is nothing to hold the next to
            before = run
