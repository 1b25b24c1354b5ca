"""The bias tables of a device, over its link."""

import struct
import zlib
from collections.abc import Iterable

from edgesdk.biasing.stored import Kind, StoredTable, StoredTables, encode_names
from edgesdk.link.channel import Channel, RefusedError
from edgesdk.link.messages import Message
from edgesdk.link.payload import Cursor
from edgesdk.link.status import Status

ACTIVE, IN_ROOM, ROWS = 1, 2, 4


def read_bias_tables(payload: bytes) -> tuple[int, StoredTables]:
    """Payload of BIAS_TABLES: how many tables there are, and those of this answer."""
    cursor = Cursor(payload, "BIAS_TABLES")
    room, used, total = cursor.numbers("IIB")
    tables: list[StoredTable] = []
    while cursor.at < len(payload):
        flags, *facts = cursor.numbers("B4I")
        name = cursor.text()
        kind: Kind = "attention" if flags & ROWS else "tables"
        active, in_room = bool(flags & ACTIVE), bool(flags & IN_ROOM)
        nodes, phrases, size, crc = facts
        tables.append(StoredTable(name, active, in_room, nodes, phrases, size, crc, kind))
    return total, StoredTables(room, used, tuple(tables))


class DeviceTables:
    """A device's bias tables; what changes them is refused during an utterance."""

    def __init__(self, channel: Channel, payload_max: int) -> None:
        self._channel = channel
        self._step = payload_max - 4

    def _request(self, message: Message, payload: bytes = b"") -> None:
        """Ask for a change; a refusal says what is there."""
        try:
            self._channel.request(message, payload)
        except RefusedError as error:
            if error.code not in (Status.NO_MEMORY, Status.BAD_ARGUMENT):
                raise
            stored = self.stored
            names = ", ".join(dict.fromkeys(table.name for table in stored.tables)) or "none"
            there = f"its tables are {names}, {stored.used_bytes} of {stored.room_bytes} bytes used"
            if error.code == Status.NO_MEMORY:
                step = f"{there}, and an old table stays until the new one is whole: clear some"
            else:
                step = f"{there}; name each once, and four of a kind at most"
            raise RefusedError(self._channel.where, message.name, error.code, step) from None

    def load(self, data: bytes) -> None:
        """Send a table; it takes the place of the one with its name.

        Raises:
            RefusedError: no room, damaged, or for other tokens: the old one stays as it was.
        """
        channel = self._channel
        self._request(Message.BIAS_BEGIN, struct.pack("<II", len(data), zlib.crc32(data)))
        for offset in range(0, len(data), self._step):
            part = struct.pack("<I", offset) + data[offset : offset + self._step]
            channel.post(Message.BIAS_DATA, part, Message.STATUS)
        channel.drain()
        self._request(Message.BIAS_END)

    def use(self, names: Iterable[str]) -> None:
        """Make exactly these tables active, from the next utterance on.

        Raises:
            RefusedError: a name is unknown or comes twice, or they are more than four.
        """
        self._request(Message.BIAS_USE, encode_names(names))

    def clear(self, name: str = "") -> None:
        """Forget one table that was sent, or all of them.

        Raises:
            RefusedError: no such table was sent.
        """
        self._request(Message.BIAS_CLEAR, name.encode())

    @property
    def stored(self) -> StoredTables:
        """What is there."""
        tables: list[StoredTable] = []
        while True:
            payload = bytes([len(tables)])
            total, part = self._channel.ask(
                Message.BIAS_LIST, payload, Message.BIAS_TABLES, read_bias_tables
            )
            tables += part.tables
            if len(tables) >= total or not part.tables:
                return StoredTables(part.room_bytes, part.used_bytes, tuple(tables))
