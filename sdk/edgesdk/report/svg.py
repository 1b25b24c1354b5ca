"""What all plots of reports share: colours, faint axes, and the way to an inline <svg>."""

import io
from html import escape
from typing import Literal

import matplotlib

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Legible on light and on dark ground, and apart for colour-blind readers.
COLORS = ("#3d7edb", "#e0853b", "#2a9d82", "#a56cc9", "#d4566f", "#8a8f3a", "#5fa8c9", "#9c6b4e")
INK = "#010203"  # stands for the page's text colour until the SVG is written


def quiet(axes: Axes, grid: Literal["x", "y", "both"] = "x") -> None:
    """No frame, no ticks, faint lines to read values by."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=9, colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(axis=grid, color=INK, alpha=0.14, linewidth=0.7)
    axes.set_axisbelow(True)


def plain(text: str) -> str:
    """The text with nothing in it read as a formula."""
    return text.replace("$", r"\$")


def to_svg(figure: Figure, name: str) -> str:
    """The figure as an <svg> element; `name` keeps its ids apart from other plots'."""
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(name)}" ', 1)
