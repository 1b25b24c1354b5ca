"""What a recogniser says of its bias tables, in the core and behind a link."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["tables", "attention"]


@dataclass(frozen=True)
class StoredTable:
    """A table that a recogniser can use; `in_room`: it arrived after the image.

    `nodes` of an attention table are its rows, the one for no phrase among them.
    """

    name: str
    active: bool
    in_room: bool
    nodes: int
    phrases: int
    size_bytes: int
    crc: int
    kind: Kind = "tables"


@dataclass(frozen=True)
class StoredTables:
    """All tables of a recogniser, and its room for those that arrive."""

    room_bytes: int
    used_bytes: int
    tables: tuple[StoredTable, ...]


def encode_names(names: Iterable[str]) -> bytes:
    """Names of tables as the core and the link take them: each behind its length."""
    encoded = [name.encode() for name in names]
    return b"".join(struct.pack("<B", len(name) & 0xFF) + name for name in encoded)
