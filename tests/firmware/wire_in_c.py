"""The C frame codec through ctypes, with the events of edgesdk.link.frames."""

import ctypes

from edgesdk.core.compile import compiled_core
from edgesdk.link.frames import OVERHEAD, Console, Damage, Event, Frame
from edgesdk.link.status import Status

MORE, FRAME, CONSOLE, ERROR = range(4)


class _DecoderStruct(ctypes.Structure):
    _fields_ = (
        ("buffer", ctypes.c_void_p),
        ("capacity", ctypes.c_uint32),
        ("used", ctypes.c_uint32),
        ("inside", ctypes.c_uint8),
        ("escaped", ctypes.c_uint8),
        ("too_long", ctypes.c_uint8),
        ("type", ctypes.c_uint8),
        ("seq", ctypes.c_uint8),
        ("payload", ctypes.c_void_p),
        ("payload_bytes", ctypes.c_uint32),
        ("error", ctypes.c_int),
    )


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(compiled_core()))
    library.edge_decoder_init.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)
    return library


class CDecoder:
    """edge_decoder_t with the interface of frames.Decoder."""

    def __init__(self, payload_max: int) -> None:
        self._library = _library()
        self._struct = _DecoderStruct()
        self._buffer = ctypes.create_string_buffer(payload_max + OVERHEAD)
        self._library.edge_decoder_init(
            ctypes.byref(self._struct), self._buffer, payload_max + OVERHEAD
        )

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        taken = ctypes.c_uint32()
        while data:
            kind = self._library.edge_decoder_feed(
                ctypes.byref(self._struct), data, len(data), ctypes.byref(taken)
            )
            assert 1 <= taken.value <= len(data)
            used, data = data[: taken.value], data[taken.value :]
            if kind == FRAME:
                events.append(self._frame())
            elif kind == CONSOLE:
                events.append(Console(used))
            elif kind == ERROR:
                events.append(Damage(_status(self._struct.error)))
        return events

    def _frame(self) -> Frame:
        struct = self._struct
        payload = ctypes.string_at(struct.payload, struct.payload_bytes)
        return Frame(struct.type, struct.seq, payload)


def _status(code: int) -> Status:
    return next(status for status in Status if status == code)


def c_encode(kind: int, seq: int, payload: bytes, capacity: int) -> tuple[int, bytes]:
    """Status and the bytes that edge_frame_encode wrote; a guard behind them must survive."""
    out = ctypes.create_string_buffer(b"\xa5" * (capacity + 8), capacity + 8)
    size = ctypes.c_uint32()
    status = _library().edge_frame_encode(
        ctypes.c_uint8(kind),
        ctypes.c_uint8(seq),
        payload,
        len(payload),
        out,
        capacity,
        ctypes.byref(size),
    )
    assert out.raw[capacity:] == b"\xa5" * 8
    return status, out.raw[: min(size.value, capacity)]
