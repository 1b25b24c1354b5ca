"""The driver payload that Vela writes: what a command stream was compiled for, and the stream.

Words, little-endian: the mark COP1, then actions, each one word with its number in the low byte:
1 configuration (two words follow, CONFIG and ID), 2 command stream (its length in words in bits
8 to 31, the high byte first), 5 nothing. Source: driver_actions.py of Vela 5.2.0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesdk.errors import NpuError

MARK = b"COP1"
_CONFIGURE, _STREAM, _NOTHING = 1, 2, 5


@dataclass(frozen=True)
class Payload:
    """`config` and `id` are the NPU's registers of those names; `words` is the stream, u32."""

    config: int
    id: int
    words: NDArray[np.uint32]


def read_payload(data: bytes, source: str = "payload") -> Payload:
    """The one configuration and the one command stream in `data`; `source` names it in errors.

    Raises:
        NpuError: it is no payload, a damaged one, or one with actions of another kind.
    """
    if data[:4] != MARK or len(data) % 4:
        raise _bad(source, f"no COP1 payload ({len(data)} bytes)")
    words = np.frombuffer(data, "<u4").astype(np.uint32)
    configured: tuple[int, ...] | None = None
    stream: NDArray[np.uint32] | None = None
    at = 1
    while at < len(words):
        word = int(words[at])
        action, size = word & 0xFF, 0
        if action == _CONFIGURE and configured is None:
            size = 2
            configured = tuple(map(int, words[at + 1 : at + 1 + size]))
        elif action == _STREAM and stream is None:
            size = (word >> 8 & 0xFF) << 16 | word >> 16
            stream = words[at + 1 : at + 1 + size]
        elif action != _NOTHING:
            raise _bad(source, f"action {action} at word {at} is unknown or comes twice")
        at += 1 + size
    if at != len(words):
        raise _bad(source, f"ends {at - len(words)} words before its last action does")
    if configured is None or stream is None:
        raise _bad(source, "no configuration" if configured is None else "no command stream")
    return Payload(configured[0], configured[1], stream)


def _bad(source: str, why: str) -> NpuError:
    return NpuError(f"{source}: {why}; compile the graph again with Vela")
