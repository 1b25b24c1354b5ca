"""Plots over runs that can be compared, oldest on the left, as inline SVG."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from edgesdk.report.metrics import clip_costs, final_delays_ms, metrics_of
from edgesdk.report.plots import plot_memory_rows
from edgesdk.report.read import Run
from edgesdk.report.records import Report
from edgesdk.report.svg import COLORS, INK, plain, quiet, to_svg

Plot = tuple[str, str, str]  # title, explanation, <svg>

MOST_LABELS = 14  # runs that are named below a plot; of more, every second, third, ...
MOST_SIDE_BY_SIDE = 4  # runs whose operators and memories are shown side by side
MOST_OPERATORS = 14
LONGEST_LABEL = 18
SIZES = ("arena", "workspace", "stack high-water", "image", "firmware")
_FACES = {"linewidth": 1.2, "color": INK}


@dataclass(frozen=True)
class Series:
    """Runs that can be compared, oldest first, each with what it is called in plots."""

    runs: Sequence[Run]
    labels: Sequence[str]
    name: str

    @property
    def reports(self) -> tuple[Report, ...]:
        """What the runs found."""
        return tuple(run.report for run in self.runs)

    @property
    def unit(self) -> str:
        """Unit of all costs; "" where the runs have none."""
        return next((it.cost_unit for it in self.reports if it.stages), "")


def history_plots(series: Series) -> Iterator[Plot]:
    """All plots that the runs have figures for."""
    unit = series.unit
    if unit:
        yield (
            "Cost of a second of audio, by clip",
            "A dot for each clip; the box holds the middle half of them, the line is the median, "
            "the whiskers reach from the 5th to the 95th percentile.",
            _plot_spread(series, clip_costs, f"{unit} per second of audio"),
        )
        yield "Where the work goes", "", _plot_stages(series)
    trends = ("word error rate", "real-time factor")
    if any(name in metrics_of(it) for it in series.reports for name in trends):
        yield "Word errors and real time", "", _plot_trends(series, trends)
    if any(final_delays_ms(report) for report in series.reports):
        yield (
            "Final end points",
            "After the end of speech, by clip; clips that were cut off are left out.",
            _plot_spread(series, final_delays_ms, "ms of audio"),
        )
    last = f"The last {MOST_SIDE_BY_SIDE} runs." if len(series.runs) > MOST_SIDE_BY_SIDE else ""
    if any(report.operators for report in series.reports[-MOST_SIDE_BY_SIDE:]):
        yield "Operators", last, _plot_operators(series)
    if any(report.memory for report in series.reports[-MOST_SIDE_BY_SIDE:]):
        yield "Memory of the board", last, _plot_memory(series)
    if len(series.runs) > 1 and any(_sizes(report) for report in series.reports):
        yield "Sizes", "In per cent of the first run that has the figure.", _plot_sizes(series)


def short_label(text: str) -> str:
    """The text as a label: not too long, and nothing in it read as a formula."""
    return plain(text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…")


def _figure(series: Series, panels: int = 1, height: float = 3.3) -> tuple[Figure, list[Axes]]:
    """Panels side by side with the runs along x."""
    figure = Figure(figsize=(8.2, height), layout="constrained")
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    for panel in axes:
        quiet(panel, "y")
        _name_runs(panel, series, MOST_LABELS // panels)
    return figure, axes


def _name_runs(axes: Axes, series: Series, most: int) -> None:
    count = len(series.labels)
    step = -(-count // most)
    named = range((count - 1) % step, count, step)  # the last run has its name
    labels = [short_label(series.labels[at]) for at in named]
    crowded = sum(map(len, labels)) > 6 * most
    axes.set_xticks(
        list(named), labels, rotation=30 if crowded else 0, ha="right" if crowded else "center"
    )
    axes.set_xlim(-0.6, count - 0.4)


def _name(series: Series, what: str) -> str:
    return f"{what}, {series.name}"


def _plot_spread(series: Series, values_of: Callable[[Report], list[float]], unit: str) -> str:
    """A box and the single values of each run."""
    figure, (axes,) = _figure(series)
    for at, report in enumerate(series.reports):
        values = values_of(report)
        if not values:
            continue
        axes.boxplot(
            values,
            positions=[at],
            widths=0.5,
            whis=(5, 95),
            showfliers=False,
            manage_ticks=False,
            boxprops=_FACES,
            whiskerprops=_FACES,
            capprops=_FACES,
            medianprops={"linewidth": 2.0, "color": COLORS[1]},
        )
        spread = [at + 0.3 * ((index + 0.5) / len(values) - 0.5) for index in range(len(values))]
        axes.plot(spread, values, ".", markersize=5, alpha=0.7, color=COLORS[0])
    axes.set_ylabel(unit, fontsize=9)
    axes.yaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
    return to_svg(figure, _name(series, unit))


def _plot_stages(series: Series) -> str:
    """Stacked bars: the cost of each stage per second of audio."""
    figure, (axes,) = _figure(series)
    stages = list(dict.fromkeys(it.stage for report in series.reports for it in report.stages))
    bottom = [0.0] * len(series.runs)
    for place, stage in enumerate(stages):
        heights = [_stage_cost(report, stage) for report in series.reports]
        color = COLORS[place % len(COLORS)]
        axes.bar(range(len(heights)), heights, 0.6, bottom=bottom, color=color, label=stage)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_ylabel(f"{series.unit} per second of audio", fontsize=9)
    axes.yaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
    _legend(figure, len(stages))
    return to_svg(figure, _name(series, "Cost of each stage"))


def _seconds(report: Report) -> float:
    return sum(clip.processed_s for clip in report.clips)


def _stage_cost(report: Report, stage: str) -> float:
    cost = sum(it.cost for it in report.stages if it.stage == stage)
    return cost / _seconds(report) if cost else 0.0


def _legend(figure: Figure, columns: int) -> None:
    options = {"frameon": False, "labelcolor": INK, "fontsize": 9, "ncols": min(columns, 6)}
    figure.legend(loc="outside upper right", **options)


def _plot_trends(series: Series, names: Sequence[str]) -> str:
    """A panel per figure, with a line over the runs that have it."""
    found = [metrics_of(report) for report in series.reports]
    shown = [name for name in names if any(name in metrics for metrics in found)]
    figure, panels = _figure(series, len(shown), height=2.7)
    for place, (axes, name) in enumerate(zip(panels, shown, strict=True)):
        points = [(at, metrics[name]) for at, metrics in enumerate(found) if name in metrics]
        values = [metric.value for _, metric in points]
        color = COLORS[place]
        along = [at for at, _ in points]
        axes.plot(along, values, marker="o", markersize=5, color=color, clip_on=False)
        kinds = sorted({metric.fidelity for _, metric in points} - {"functional"})
        unit = points[0][1].unit
        said = ", ".join([*([unit] if unit else []), *kinds])
        axes.set_title(f"{name} ({said})" if said else name, fontsize=9.5, color=INK)
        axes.set_ylim(0, 1.15 * max(values) or 1.0)
    return to_svg(figure, _name(series, " and ".join(shown)))


def _operator_costs(report: Report) -> dict[str, float]:
    """Cost of each operator per second of audio, by what it is called."""
    costs: dict[str, float] = {}
    seconds = _seconds(report)
    for entry in report.operators:
        name = plain(f"{entry.place}  {entry.operator}")
        costs[name] = costs.get(name, 0.0) + entry.cost / seconds if seconds else 0.0
    return costs


def _plot_operators(series: Series) -> str:
    """Bars: the costliest operators, side by side for the last runs."""
    shown = range(len(series.runs))[-MOST_SIDE_BY_SIDE:]
    costs = {at: _operator_costs(series.reports[at]) for at in shown}
    highest: dict[str, float] = {}
    for of_run in costs.values():
        for name, cost in of_run.items():
            highest[name] = max(highest.get(name, 0.0), cost)
    names = sorted(highest, key=lambda name: -highest[name])[:MOST_OPERATORS]
    thick = 0.8 / len(costs)
    rows = len(names) * max(0.3, 0.11 * len(costs) + 0.1)
    figure = Figure(figsize=(8.2, 0.9 + rows), layout="constrained")
    axes = figure.subplots()
    quiet(axes)
    for place, (at, of_run) in enumerate(costs.items()):
        along = [row + (place - (len(costs) - 1) / 2) * thick for row in range(len(names))]
        values = [of_run.get(name, 0.0) for name in names]
        label = short_label(series.labels[at])
        axes.barh(along, values, height=0.9 * thick, color=COLORS[place], label=label)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(f"{series.unit} per second of audio", fontsize=9)
    axes.xaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
    _legend(figure, len(costs))
    return to_svg(figure, _name(series, "Cost of each operator"))


def _plot_memory(series: Series) -> str:
    """Each memory of the board, a row for each of the last runs, or one where they are alike."""
    shown = range(len(series.runs))[-MOST_SIDE_BY_SIDE:]
    uses = [
        (short_label(series.labels[at]), it) for at in shown for it in series.reports[at].memory
    ]
    rows = []
    for memory in dict.fromkeys(use.memory for _, use in uses):
        held = [(label, use) for label, use in uses if use.memory == memory]
        if len(held) == len(shown) > 1 and all(use == held[0][1] for _, use in held):
            held = [("all alike", held[0][1])]
        rows += [(f"{plain(memory)}, {label}", use) for label, use in held]
    return plot_memory_rows(rows, _name(series, "Use of each memory"))


def _sizes(report: Report) -> Mapping[str, float]:
    found = metrics_of(report)
    return {name: found[name].value for name in SIZES if name in found}


def _plot_sizes(series: Series) -> str:
    """Lines: bytes of memory in per cent of those of the first run that has the figure."""
    figure, (axes,) = _figure(series)
    found = [_sizes(report) for report in series.reports]
    names = [name for name in SIZES if any(sizes.get(name) for sizes in found)]
    for place, name in enumerate(names):
        known = [(at, sizes[name]) for at, sizes in enumerate(found) if sizes.get(name)]
        along, up = [at for at, _ in known], [100.0 * size / known[0][1] for _, size in known]
        color = COLORS[place]
        axes.plot(along, up, marker="o", markersize=4.5, linewidth=1.3, color=color, label=name)
    axes.set_ylabel("per cent of the first run", fontsize=9)
    _legend(figure, len(names))
    return to_svg(figure, _name(series, "Sizes"))
