"""Frames of the link, the Python side of runtime/src/wire.c (docs/protocol.md)."""

import struct
import zlib
from dataclasses import dataclass

from edgesdk.link.status import Status

FLAG = 0x7E
ESCAPE = 0x7D
TOGGLE = 0x20
OVERHEAD = 6  # type, seq, CRC-32


@dataclass(frozen=True)
class Frame:
    """A frame that arrived whole."""

    type: int
    seq: int
    payload: bytes


@dataclass(frozen=True)
class Console:
    """Bytes that came outside frames."""

    data: bytes


@dataclass(frozen=True)
class Damage:
    """A frame that was dropped, and why: BAD_FRAME, BAD_CRC or TOO_LONG."""

    status: Status


Event = Frame | Console | Damage


def encode(kind: int, seq: int, payload: bytes = b"") -> bytes:
    """One frame, flags included."""
    body = bytes((kind, seq)) + payload
    body += struct.pack("<I", zlib.crc32(body))
    return b"\x7e" + body.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e") + b"\x7e"


def _unescape(data: bytes) -> bytes:
    """Undo escapes; `data` does not end inside one."""
    first, *rest = data.split(b"\x7d")
    out = bytearray(first)
    pending = False  # the byte after an escape may itself be 0x7D
    for part in rest:
        if pending:
            out.append(ESCAPE ^ TOGGLE)
            out += part
            pending = False
        elif part:
            out.append(part[0] ^ TOGGLE)
            out += part[1:]
        else:
            pending = True
    return bytes(out)


def _ends_escaped(data: bytes) -> bool:
    return (len(data) - len(data.rstrip(b"\x7d"))) % 2 == 1


class Decoder:
    """Streaming decoder: any pieces in, the same events as edge_decoder_feed out."""

    def __init__(self, payload_max: int) -> None:
        """Accept payloads of at most `payload_max` bytes."""
        self._capacity = payload_max + OVERHEAD
        self._inside = False
        self._body = bytearray()

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes; what they complete, in order."""
        events: list[Event] = []
        while data:
            before, flag, data = data.partition(b"\x7e")
            if not self._inside:
                if before:
                    events.append(Console(before))
                self._inside = bool(flag)
                continue
            self._body += before
            if flag and self._body:
                events.append(self._end())
            # A body twice as long as allowed cannot become valid: do not hoard it.
            del self._body[2 * self._capacity + 2 :]
        return events

    def _end(self) -> Event:
        raw, self._body = bytes(self._body), bytearray()
        body = _unescape(raw)
        if len(body) > self._capacity:
            return Damage(Status.TOO_LONG)
        if _ends_escaped(raw) or len(body) < OVERHEAD:
            return Damage(Status.BAD_FRAME)
        if zlib.crc32(body[:-4]) != struct.unpack("<I", body[-4:])[0]:
            return Damage(Status.BAD_CRC)
        self._inside = False
        return Frame(body[0], body[1], body[2:-4])
