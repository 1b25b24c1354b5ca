"""What an NPU's compiler made of each graph, as tables."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table


def npu_views(npu: Mapping[str, Any]) -> Iterator[RenderableType]:
    """The operators of every graph, and a line for each graph; `npu` as in the bundle's meta."""
    for role, graph in npu["graphs"].items():
        yield _operators(role, graph["operators"])
        yield ""
    yield _graphs(npu["graphs"])
    clock = float(npu["system"]["core_clock"]) / 1e6
    yield (
        f"{npu['accelerator']} at {clock:g} MHz; * Vela's estimate for the board file's memories, "
        "no measurement"
    )


def _operators(role: str, operators: list[Mapping[str, Any]]) -> Table:
    table = Table(role, "operator", "tensor", "runs on", box=None, pad_edge=False)
    table.add_column("cycles*", justify="right")
    table.add_column("bound by")
    table.add_column("stored", justify="right")
    table.add_column("why not on the NPU")
    for row in operators:
        on_npu = row["target"] == "NPU"
        table.add_row(
            str(row["index"]),
            row["operator"],
            _short(row["tensor"]),
            row["target"],
            f"{row['cycles']:,}" if on_npu else "",
            row["bound_by"],
            f"{row['stored_bytes']:,}" if row["stored_bytes"] else "",
            row["reason"],
        )
    return table


def _graphs(graphs: Mapping[str, Any]) -> Table:
    table = Table("graph", box=None, pad_edge=False)
    for column in ("on NPU", "on CPU", "cycles*", "int8 weights", "stored", "ratio"):
        table.add_column(column, justify="right")
    for column in ("all constants", "commands"):
        table.add_column(column, justify="right")
    for role, graph in graphs.items():
        targets = [row["target"] for row in graph["operators"]]
        table.add_row(
            role,
            str(targets.count("NPU")),
            str(targets.count("CPU")),
            f"{graph['cycles_estimate']:,}",
            f"{graph['weight_bytes']:,}",
            f"{graph['stored_weight_bytes']:,}",
            f"{graph['ratio']:.3f}",
            f"{graph['constant_bytes']:,}",
            f"{graph['stream_bytes']:,}",
        )
    return table


def _short(name: str) -> str:
    """The end of a tensor's name, which tells it apart in a narrow table."""
    return name.split(";")[-1][-24:]
