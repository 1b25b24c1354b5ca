"""What compression did to each matrix, as a table."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from edgesdk.bundle.plan import NPU_FORM


def tensor_table(graphs: Mapping[str, Any]) -> Table | None:
    """One row per int8 matrix and a sum; None where there is none."""
    tensors = [(role, it) for role, graph in graphs.items() for it in graph["tensors"]]
    if not tensors:
        return None
    table = Table("matrix", "shape", box=None, pad_edge=False)
    for column in ("zeros", "zero blocks", "values"):
        table.add_column(column, justify="right")
    table.add_column("in the image")
    for column in ("bits per weight", "bytes", "SQNR dB"):
        table.add_column(column, justify="right")
    for role, it in tensors:
        rows, columns = it["shape"]
        table.add_row(
            f"{role} {_short(it['name'])}",
            f"{rows}x{columns}",
            f"{it['zeros'] / (rows * columns):.0%}",
            f"{it['zero_blocks']} of {it['blocks']}",
            str(it["distinct"]),
            it["form"],
            *_change(it["bits_before"], it["bits_after"], it["bytes_before"], it["bytes_after"])
            if it["form"] != NPU_FORM
            else (f"{it['bits_before']:.1f}", f"{it['bytes_before']:,}"),
            "" if it["sqnr_db"] is None else f"{it['sqnr_db']:.1f}",
        )
    before, after, weights, zeros = (
        sum(values)
        for values in zip(
            *(
                (it["bytes_before"], it["bytes_after"], _weights(it), it["zeros"])
                for _, it in tensors
            ),
            strict=True,
        )
    )
    sums = (f"{8 * before / weights:.1f}", f"{before:,}")
    if all(it["form"] != NPU_FORM for _, it in tensors):
        sums = _change(8 * before / weights, 8 * after / weights, before, after)
    table.add_row("all of them", "", f"{zeros / weights:.0%}", "", "", "", *sums, "")
    return table


def _change(bits: float, bits_after: float, size: int, size_after: int) -> tuple[str, str]:
    return f"{bits:.1f} -> {bits_after:.2f}", f"{size:,} -> {size_after:,}"


def found_by_values(graphs: Mapping[str, Any]) -> bool:
    """Whether lowering found zero blocks or few values that nobody asked for."""
    forms = (it["form"] for graph in graphs.values() for it in graph["tensors"])
    return any("sparse" in form or "palette" in form for form in forms)


def _weights(tensor: Mapping[str, Any]) -> int:
    rows, columns = tensor["shape"]
    return int(rows * columns)


def _short(name: str) -> str:
    """The end of a tensor's name, which tells it apart in a narrow table."""
    return "/".join(part for part in name.split("/") if part)[-34:]
