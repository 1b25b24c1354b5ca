"""Memory use of a board, as JSON values and as a table; shared by convert and flash."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from edgesdk.board import Board
from edgesdk.bundle import Bundle
from edgesdk.errors import FitError
from edgesdk.fit import MemoryUse, check_fit, peak_of


def check_board_fits(board: Board, bundle: Bundle, uses: Sequence[MemoryUse]) -> None:
    """Refuse what does not fit, with the whole table for --json.

    Raises:
        FitError: as check_fit; `details` has board, memory and peak.
    """
    try:
        check_fit(board, bundle, uses)
    except FitError as error:
        error.details = fit_details(board, bundle, uses)
        raise


def fit_details(board: Board, bundle: Bundle, uses: Sequence[MemoryUse]) -> dict[str, object]:
    """What the JSON object of a refusal has besides its sentence."""
    return {"board": board.name, "memory": memory_document(uses), "peak": peak_of(bundle)}


def memory_document(uses: Sequence[MemoryUse]) -> list[dict[str, Any]]:
    """The uses as JSON values."""
    return [
        {
            "memory": use.memory,
            "size_bytes": use.size_bytes,
            "used_bytes": use.used_bytes,
            "parts": [{"name": name, "size_bytes": size} for name, size in use.parts],
        }
        for use in uses
    ]


def memory_table(uses: Sequence[MemoryUse]) -> Table:
    """One row per memory: size, use, share, and what it is spent on."""
    table = Table("memory", box=None, pad_edge=False)
    for column in ("bytes", "used", "share"):
        table.add_column(column, justify="right")
    table.add_column("by")
    for use in uses:
        share = 100.0 * use.used_bytes / use.size_bytes
        parts = ", ".join(f"{name} {size:,}" for name, size in use.parts)
        table.add_row(
            use.memory, f"{use.size_bytes:,}", f"{use.used_bytes:,}", f"{share:.1f} %", parts
        )
    return table
