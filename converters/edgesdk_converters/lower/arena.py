"""Placing buffers with known lifetimes in one arena."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgesdk.bundle.layout import align


@dataclass
class Buffer:
    """Memory that operators share; `space` is "arena" or "state".

    `writers` and `readers` are indices of plan operators. Graph inputs are written at -1, graph
    outputs are read behind the last operator. `pinned` ones hold several tensors at places that are
    fixed, so that none is merged with another buffer.
    """

    name: str
    size_bytes: int
    space: str
    writers: list[int]
    readers: list[int]
    offset: int = -1
    pinned: bool = False

    @property
    def first(self) -> int:
        """Where its content begins to matter."""
        return min(self.writers + self.readers, default=0)

    @property
    def last(self) -> int:
        """Where its content is used for the last time."""
        return max(self.writers + self.readers, default=0)


def place(buffers: Sequence[Buffer]) -> int:
    """Give every buffer an offset so that no two alive at once overlap; returns the arena's bytes.

    Greedy in two orders, of which the one that needs less is taken: by size and by start of life.
    """
    by_size = sorted(buffers, key=lambda b: (-b.size_bytes, b.first, b.name))
    by_start = sorted(buffers, key=lambda b: (b.first, -b.size_bytes, b.name))
    best = min((by_size, by_start), key=_place_in)
    return _place_in(best)


def _place_in(order: Sequence[Buffer]) -> int:
    """Each buffer at the lowest offset that is free in its lifetime; returns the arena's bytes."""
    placed: list[Buffer] = []
    for buffer in order:
        busy = sorted(
            (p.offset, p.offset + align(p.size_bytes))
            for p in placed
            if p.first <= buffer.last and buffer.first <= p.last
        )
        offset = 0
        for start, end in busy:
            if offset + align(buffer.size_bytes) <= start:
                break
            offset = max(offset, end)
        buffer.offset = offset
        placed.append(buffer)
    return max((b.offset + align(b.size_bytes) for b in placed), default=0)


@dataclass(frozen=True)
class Peak:
    """The plan operator at which most of the arena is in use, largest tensors first."""

    op: int
    size_bytes: int
    tensors: tuple[tuple[str, int], ...]


def peak(buffers: Sequence[Buffer], op_count: int) -> Peak:
    """Where the arena is fullest, by bytes in use."""
    best = Peak(0, 0, ())
    for op in range(op_count):
        alive = [b for b in buffers if b.first <= op <= b.last]
        total = sum(align(b.size_bytes) for b in alive)
        if total > best.size_bytes:
            alive.sort(key=lambda b: -b.size_bytes)
            best = Peak(op, total, tuple((b.name, b.size_bytes) for b in alive))
    return best
