"""Outputs of a single graph, from a laptop or from a device, in the same words."""

from typing import Any

from rich.console import RenderableType
from rich.table import Table

from edgesdk.cli.terminal import Terminal
from edgesdk.emulate import GraphRun


def graph_views(run: GraphRun) -> list[RenderableType]:
    """The first values of every output at every step, and what computed them."""
    table = Table("step", "output", "values", box=None, pad_edge=False)
    for step, outputs in enumerate(run.outputs):
        for index, values in enumerate(outputs):
            flat = values.reshape(-1).tolist()
            shown = " ".join(map(str, flat[:16])) + (" ..." if len(flat) > 16 else "")
            table.add_row(str(step), str(index), shown)
    return [table, f"{run.engine}: {run.caveat}" if run.caveat else run.engine]


def graph_document(run: GraphRun) -> dict[str, Any]:
    """Schema edgesdk.graph-run."""
    return {"schema": "edgesdk.graph-run", "version": 1, **run.document()}


def show_graph(term: Terminal, run: GraphRun) -> None:
    """Print a laptop's run."""
    term.result(graph_document(run), *graph_views(run))
