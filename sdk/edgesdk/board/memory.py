"""The memories of a board: its [[memory]] tables."""

from dataclasses import dataclass

from edgesdk.toml_table import Table, did_you_mean

KINDS = ("ram", "flash")
ROLES = ("code", "data", "stack", "workspace", "model", "mailbox")


@dataclass(frozen=True)
class Memory:
    """One region; `base` is None where the operating system chooses (the host)."""

    name: str
    kind: str  # ram, or flash, which the firmware does not write
    base: int | None
    size_bytes: int
    holds: tuple[str, ...]
    npu_base: int | None  # where the NPU sees it, if elsewhere than the processor
    source: str

    @property
    def end(self) -> int:
        """First address behind the region."""
        return (self.base or 0) + self.size_bytes


def read_memory(table: Table) -> Memory:
    """One [[memory]] table."""
    memory = Memory(
        name=table.take("name", str),
        kind=table.choice("kind", KINDS) if "kind" in table.values else KINDS[0],
        base=table.maybe("base", int),
        size_bytes=table.positive("size_bytes"),
        holds=table.texts("holds"),
        npu_base=table.maybe("npu_base", int),
        source=table.text("source"),
    )
    for role in memory.holds:
        if role not in ROLES:
            table.fault(
                "holds",
                f"holds {role!r} is none of {', '.join(ROLES)}{did_you_mean(role, ROLES)}",
            )
    table.finish()
    return memory
