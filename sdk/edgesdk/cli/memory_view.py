"""Memory use of a board, as JSON values and as a table; shared by convert and flash."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from edgesdk.fit import MemoryUse


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
