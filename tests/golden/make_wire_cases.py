"""Writes wire_cases.json: streams, and what any decoder must make of them (docs/protocol.md).

The frames are made here by the plainest code, byte by byte; the expectations are stated by hand.
"""

import json
import zlib
from pathlib import Path

LIMIT = 16  # longest payload of the decoders under test


def frame(kind: int, seq: int, payload: bytes, *, spoil: int = 0) -> bytes:
    """A frame without flags; `spoil` is xored into its checksum."""
    body = bytes([kind, seq]) + payload
    body += (zlib.crc32(body) ^ spoil).to_bytes(4, "little")
    out = []
    for byte in body:
        out += [0x7D, byte ^ 0x20] if byte in (0x7D, 0x7E) else [byte]
    return bytes(out)


def whole(kind: int, seq: int, payload: bytes, *, spoil: int = 0) -> bytes:
    """A frame with flags."""
    return b"\x7e" + frame(kind, seq, payload, spoil=spoil) + b"\x7e"


def got(kind: int, seq: int, payload: bytes) -> list[object]:
    """The event of a good frame."""
    return ["frame", kind, seq, payload.hex()]


def text(data: bytes) -> list[object]:
    """The event of console text."""
    return ["console", data.hex()]


def bad(status: str) -> list[object]:
    """The event of a damaged frame."""
    return ["damage", status]


PING = whole(2, 7, b"abc")
PING_GOT = got(2, 7, b"abc")
BIAS_PIECE = (0x7E7D).to_bytes(4, "little") + b"BIAT\x7e"
RESULTS = (9).to_bytes(4, "little") + (0).to_bytes(4, "little") + b"\x7d\x7e"
ALL_ESCAPED = b"\x7e\x7d" * 8

CASES: list[tuple[str, bytes, list[list[object]]]] = [
    ("one frame", PING, [PING_GOT]),
    ("no payload", whole(1, 0, b""), [got(1, 0, b"")]),
    ("two frames", PING + whole(2, 8, b""), [PING_GOT, got(2, 8, b"")]),
    ("every byte of the payload escaped", whole(2, 1, ALL_ESCAPED), [got(2, 1, ALL_ESCAPED)]),
    ("type and seq escaped", whole(0x7E, 0x7D, b"x"), [got(0x7E, 0x7D, b"x")]),
    ("names of bias tables", whole(0x43, 4, b"\x02ab\x01c"), [got(0x43, 4, b"\x02ab\x01c")]),
    ("a piece of a bias table", whole(0x41, 5, BIAS_PIECE), [got(0x41, 5, BIAS_PIECE)]),
    ("an utterance's results", whole(0xC4, 6, RESULTS), [got(0xC4, 6, RESULTS)]),
    ("START with end points", whole(0x20, 7, b"\x0d\0\0\0"), [got(0x20, 7, b"\x0d\0\0\0")]),
    ("longest payload", whole(2, 1, bytes(LIMIT)), [got(2, 1, bytes(LIMIT))]),
    ("one byte too long", whole(2, 1, bytes(LIMIT + 1)) + PING, [bad("TOO_LONG"), PING_GOT]),
    ("far too long", b"\x7e" + b"z" * 500 + b"\x7e" + PING, [bad("TOO_LONG"), PING_GOT]),
    ("console text only", b"boot\r\n", [text(b"boot\r\n")]),
    (
        "text around frames",
        b"hi " + PING + b"}yo" + PING + b"!",
        [text(b"hi "), PING_GOT, text(b"}yo"), PING_GOT, text(b"!")],
    ),
    ("flags only", b"\x7e\x7e\x7e\x7e", []),
    ("idle flags before a frame", b"\x7e\x7e\x7e" + PING, [PING_GOT]),
    ("wrong checksum", whole(2, 7, b"abc", spoil=1) + PING, [bad("BAD_CRC"), PING_GOT]),
    ("too short", b"\x7e12345\x7e" + PING, [bad("BAD_FRAME"), PING_GOT]),
    ("ends in an escape", b"\x7e" + frame(2, 7, b"") + b"\x7d\x7e", [bad("BAD_FRAME")]),
    ("escape alone", b"\x7e\x7d\x7e", [bad("BAD_FRAME")]),
    ("escaped escape", b"\x7e\x7d\x7d\x7d\x7d\x7e", [bad("BAD_FRAME")]),
    ("cut off, then a whole one", b"\x7e\x02\x07ab" + PING, [bad("BAD_FRAME"), PING_GOT]),
    ("text where a frame was cut off", b"\x7ereset!\r\n" + PING, [bad("BAD_CRC"), PING_GOT]),
    (
        "opening flag lost",
        PING[1:] + PING + PING,
        [text(PING[1:-1]), PING_GOT, PING_GOT],
    ),
    (
        "closing flag lost: the next frame is taken for text, the one after is whole",
        PING[:-1] + PING + PING,
        [PING_GOT, text(PING[1:-1]), PING_GOT],
    ),
    ("never closed", b"\x7e\x02\x07abc", []),
    ("nothing", b"", []),
]


def main() -> None:
    """Write the table beside this file."""
    cases = [
        {"name": name, "payload_max": LIMIT, "stream": stream.hex(), "events": events}
        for name, stream, events in CASES
    ]
    path = Path(__file__).with_name("wire_cases.json")
    path.write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
