"""Plots of a report as inline SVG; text and axes take the page's own colour."""

import io
from collections.abc import Mapping, Sequence

import matplotlib

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from edgesdk.fit import WHOLE_PARTS, MemoryUse
from edgesdk.report.records import OperatorCost, StageCost

# Legible on light and on dark ground, and apart for colour-blind readers.
COLORS = ("#3d7edb", "#e0853b", "#2a9d82", "#a56cc9", "#d4566f", "#8a8f3a", "#5fa8c9", "#9c6b4e")
_INK = "#010203"  # stands for the page's text colour until the SVG is written
_MOST_OPERATORS = 20


def _figure(rows: int) -> tuple[Figure, Axes]:
    """A figure for `rows` horizontal bars."""
    figure = Figure(figsize=(8.2, 0.62 + 0.29 * rows), layout="constrained")
    axes = figure.subplots()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=9, colors=_INK)
    axes.xaxis.label.set_color(_INK)
    axes.grid(axis="x", color=_INK, alpha=0.14, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.margins(y=0.02)
    return figure, axes


def _svg(figure: Figure, name: str) -> str:
    """The figure as an <svg> element; `name` keeps its ids apart from other plots'."""
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)


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
            color=_INK,
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
    return _svg(figure, "Cost of each stage")


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
    axes.legend(frameon=False, labelcolor=_INK, fontsize=9, loc="lower right")
    return _svg(figure, "Cost of each operator")


def _kinds(use: MemoryUse) -> dict[str, int]:
    """Bytes of a memory by what a reader tells apart; the workspace's buffers are one kind."""
    kinds: dict[str, int] = {}
    for part, size in use.parts:
        kind = part if part in WHOLE_PARTS else "workspace"
        kinds[kind] = kinds.get(kind, 0) + size
    return kinds


def plot_memory(memory: Sequence[MemoryUse]) -> str:
    """Stacked bars: what each memory of the board holds, in per cent of its size."""
    figure, axes = _figure(len(memory) + 2)
    kinds = list(dict.fromkeys(kind for use in memory for kind in _kinds(use)))
    for row, use in enumerate(memory):
        left = 0.0
        for kind, size in _kinds(use).items():
            width = 100.0 * size / use.size_bytes
            axes.barh(row, width, left=left, height=0.6, color=COLORS[kinds.index(kind)])
            left += width
        axes.barh(row, 100.0 - left, left=left, height=0.6, color=_INK, alpha=0.08)
    for place, kind in enumerate(kinds):
        axes.barh(0, 0, color=COLORS[place], label=kind)
    names = [f"{use.memory}  {use.used_bytes:,} of {use.size_bytes:,} B" for use in memory]
    axes.set_yticks(range(len(memory)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("per cent of the memory", fontsize=9)
    figure.legend(
        frameon=False, labelcolor=_INK, fontsize=9, loc="outside upper right", ncols=len(kinds)
    )
    return _svg(figure, "Use of each memory")


def plot_front(lines: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> str:
    """Points (x, y) of each line, joined and named; `x` and `y` label the axes."""
    figure, axes = _figure(11)
    axes.grid(axis="y", color=_INK, alpha=0.14, linewidth=0.7)
    for place, (name, points) in enumerate(lines.items()):
        along, up = zip(*sorted(points), strict=True)
        axes.plot(along, up, marker="o", color=COLORS[place % len(COLORS)], label=name)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9, color=_INK)
    axes.xaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
    axes.legend(frameon=False, labelcolor=_INK, fontsize=9)
    return _svg(figure, f"{y} against {x}")
