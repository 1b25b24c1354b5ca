"""Plots of a report as inline SVG; text and axes take the page's own colour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from edgesdk.fit import WHOLE_PARTS, MemoryUse
from edgesdk.report.records import OperatorCost, StageCost
from edgesdk.report.svg import COLORS, INK, quiet, to_svg
from edgesdk.report.trade_off import Curves

_MOST_OPERATORS = 20


def _figure(rows: int) -> tuple[Figure, Axes]:
    """A figure for `rows` horizontal bars."""
    figure = Figure(figsize=(8.2, 0.62 + 0.29 * rows), layout="constrained")
    axes = figure.subplots()
    quiet(axes)
    axes.margins(y=0.02)
    return figure, axes


def _label_bars(axes: Axes, values: Sequence[float], total: float) -> None:
    """Write each bar's value and share behind its end."""
    number = EngFormatter(places=1, sep="\N{THIN SPACE}")
    widest = max(values, default=0.0) or 1.0
    for row, value in enumerate(values):
        share = 100.0 * value / total if total else 0.0
        axes.text(
            value + widest * 0.008,
            row,
            f"{number(value)} · {share:.1f} %",
            va="center",
            fontsize=8.5,
            color=INK,
        )
    axes.set_xlim(0, widest * 1.17)
    axes.xaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))


def plot_stages(stages: Sequence[StageCost], audio_s: float, unit: str) -> str:
    """Bars: cost of each stage per second of audio."""
    values = [stage.cost / audio_s for stage in stages]
    figure, axes = _figure(len(stages))
    axes.barh(range(len(stages)), values, height=0.66, color=COLORS[0])
    axes.set_yticks(range(len(stages)), [stage.stage for stage in stages])
    axes.invert_yaxis()
    axes.set_xlabel(f"{unit} per second of audio", fontsize=9)
    _label_bars(axes, values, sum(values))
    return to_svg(figure, "Cost of each stage")


def plot_operators(operators: Sequence[OperatorCost], audio_s: float, unit: str) -> str:
    """Bars: the costliest operators, coloured by graph, per second of audio."""
    shown = sorted(operators, key=lambda entry: -entry.cost)[:_MOST_OPERATORS]
    graphs = list(dict.fromkeys(entry.graph for entry in operators))
    values = [entry.cost / audio_s for entry in shown]
    figure, axes = _figure(len(shown) + 1)
    for place, graph in enumerate(graphs):
        rows = [row for row, entry in enumerate(shown) if entry.graph == graph]
        heights = [values[row] for row in rows]
        axes.barh(rows, heights, height=0.66, color=COLORS[place % len(COLORS)], label=graph)
    names = [f"{entry.place}  {entry.operator}" for entry in shown]
    axes.set_yticks(range(len(shown)), names)
    axes.invert_yaxis()
    axes.set_xlabel(f"{unit} per second of audio", fontsize=9)
    total = sum(entry.cost for entry in operators) / audio_s
    _label_bars(axes, values, total)
    axes.legend(frameon=False, labelcolor=INK, fontsize=9, loc="lower right")
    return to_svg(figure, "Cost of each operator")


def _kinds(use: MemoryUse) -> dict[str, int]:
    """Bytes of a memory by what a reader tells apart; the workspace's buffers are one kind."""
    kinds: dict[str, int] = {}
    for part, size in use.parts:
        kind = part if part in WHOLE_PARTS else "workspace"
        kinds[kind] = kinds.get(kind, 0) + size
    return kinds


def plot_memory(memory: Sequence[MemoryUse]) -> str:
    """Stacked bars: what each memory of the board holds, in per cent of its size."""
    return plot_memory_rows([(use.memory, use) for use in memory], "Use of each memory")


def plot_memory_rows(rows: Sequence[tuple[str, MemoryUse]], name: str) -> str:
    """Stacked bars: what memories hold, in per cent of their size, a named row for each."""
    figure, axes = _figure(len(rows) + 2)
    kinds = list(dict.fromkeys(kind for _, use in rows for kind in _kinds(use)))
    for row, (_, use) in enumerate(rows):
        left = 0.0
        for kind, size in _kinds(use).items():
            width = 100.0 * size / use.size_bytes
            axes.barh(row, width, left=left, height=0.6, color=COLORS[kinds.index(kind)])
            left += width
        axes.barh(row, 100.0 - left, left=left, height=0.6, color=INK, alpha=0.08)
    for place, kind in enumerate(kinds):
        axes.barh(0, 0, color=COLORS[place], label=kind)
    names = [f"{label}  {use.used_bytes:,} of {use.size_bytes:,} B" for label, use in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("per cent of the memory", fontsize=9)
    figure.legend(
        frameon=False, labelcolor=INK, fontsize=9, loc="outside upper right", ncols=len(kinds)
    )
    return to_svg(figure, name)


@dataclass(frozen=True)
class FrontPoint:
    """A named point: its costs, one per panel (None where unknown), and its height."""

    name: str
    costs: tuple[float | None, ...]
    height: float


def plot_front(lines: Mapping[str, Sequence[FrontPoint]], x: Sequence[str], y: str) -> str:
    """Points of each line, joined and named, in a panel per cost; `x` and `y` label the axes."""
    figure = Figure(figsize=(5.0 + 4.4 * (len(x) - 1), 3.9), layout="constrained")
    panels = figure.subplots(1, len(x), sharey=True, squeeze=False)[0]
    for panel, (axes, label) in enumerate(zip(panels, x, strict=True)):
        quiet(axes)
        axes.grid(axis="y", color=INK, alpha=0.14, linewidth=0.7)
        for place, (name, points) in enumerate(lines.items()):
            _plot_line(axes, panel, points, COLORS[place % len(COLORS)], name)
        axes.set_xlabel(label, fontsize=9)
        axes.xaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
        axes.margins(x=0.08, y=0.1)
    panels[0].set_ylabel(y, fontsize=9, color=INK)
    names = panels[0].get_legend_handles_labels()
    figure.legend(
        *names, frameon=False, labelcolor=INK, fontsize=9, loc="outside upper right", ncols=4
    )
    return to_svg(figure, f"{y} against {' and '.join(x)}")


def _plot_line(axes: Axes, panel: int, points: Sequence[FrontPoint], color: str, name: str) -> None:
    """One line of a panel, in the given order; points without the panel's cost are left out."""
    known = [(it.costs[panel], it) for it in points]
    shown = [(cost, it) for cost, it in known if cost is not None]
    along, up = [cost for cost, _ in shown], [it.height for _, it in shown]
    axes.plot(along, up, marker="o", markersize=4.5, linewidth=1.3, color=color, label=name)
    for cost, it in shown:
        axes.annotate(
            it.name,
            (cost, it.height),
            (4, 4),
            textcoords="offset points",
            fontsize=8,
            color=color,
        )


def plot_trade_off(curves: Curves) -> str:
    """A line per end-pointer: streams cut off early, up to a half, against median latency."""
    lines = {
        name: [
            FrontPoint(
                f"{it.threshold:.2g}" if at % 2 == 0 else "", (it.median_ms,), it.cut_off_pct
            )
            for at, it in enumerate(it for it in points if it.cut_off_pct <= 50)
        ]
        for name, points in curves.items()
    }
    return plot_front(
        lines, ["median latency after the end of speech, ms"], "streams cut off early, %"
    )
