"""A plan under construction: buffers, constants, operator records with unresolved references."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from edgesdk.bundle.layout import align
from edgesdk.bundle.plan import OPERATORS, Fill, Plan, Port, Record, Ref, Value
from numpy.typing import NDArray

from edgesdk_converters.lower.arena import Buffer, Peak, peak, place
from edgesdk_converters.lower.packing import Packed


@dataclass(frozen=True)
class View:
    """A tensor's memory: in a buffer at an offset, or a constant."""

    size_bytes: int
    buffer: Buffer | None = None
    offset: int = 0
    constant: bytes | None = None

    @property
    def whole(self) -> bool:
        """Whether it covers its buffer exactly."""
        return (
            self.buffer is not None
            and self.offset == 0
            and (self.size_bytes == self.buffer.size_bytes)
        )

    def overlaps(self, other: "View") -> bool:
        """Whether both share bytes of one buffer."""
        apart = (
            self.offset + self.size_bytes <= other.offset
            or other.offset + other.size_bytes <= self.offset
        )
        return self.buffer is not None and self.buffer is other.buffer and not apart


Draft = int | tuple[int, ...] | View | None | tuple[View, ...]


@dataclass
class Step:
    """One plan operator; `label` and `tensor` say where it came from."""

    op: str
    out: View
    dtype: str
    values: dict[str, Draft]
    operator: int
    code: str
    tensor: int | None
    variant: int = 0
    packed: tuple[Packed, ...] = ()


@dataclass
class Builder:
    """Collects steps, then resolves memory."""

    steps: list[Step] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    fills: list[tuple[Buffer, NDArray[np.generic]]] = field(default_factory=list)
    in_place: dict[int, list[View]] = field(default_factory=dict)
    operator: int = -1
    code: str = ""

    def buffer(self, name: str, size_bytes: int, space: str = "arena") -> View:
        """A new buffer as a view of all of it."""
        buffer = Buffer(name, size_bytes, space, [], [])
        self.buffers.append(buffer)
        return View(size_bytes, buffer)

    def state(self, name: str, start: NDArray[np.generic]) -> View:
        """A part of the state block with its start value."""
        view = self.buffer(name, start.nbytes, "state")
        assert view.buffer is not None
        self.fills.append((view.buffer, start.reshape(-1)))
        return view

    def constant(self, array: NDArray[np.generic]) -> View:
        """A constant; equal ones are stored once."""
        data = np.ascontiguousarray(array).tobytes()
        return View(len(data), constant=data)

    def emit(
        self,
        op: str,
        out: View,
        dtype: str,
        tensor: int | None,
        extra_writes: Sequence[View],
        values: dict[str, Draft],
        variant: int = 0,
        packed: tuple[Packed, ...] = (),
    ) -> None:
        """Append an operator. Views among `values` are read; `extra_writes` are written too."""
        index = len(self.steps)
        for view in _views(values):
            if view.buffer is not None:
                view.buffer.readers.append(index)
        for view in (out, *extra_writes):
            if view.buffer is not None:
                view.buffer.writers.append(index)
        step = Step(op, out, dtype, values, self.operator, self.code, tensor, variant, packed)
        self.steps.append(step)

    def replace_buffer(self, old: Buffer, new: Buffer) -> None:
        """Let `new` take over everything that `old` held (same size)."""
        new.writers += old.writers
        new.readers += old.readers
        self.buffers.remove(old)
        for step in self.steps:
            step.out = _moved(step.out, old, new)
            step.values = {name: _moved_draft(v, old, new) for name, v in step.values.items()}
        for candidates in self.in_place.values():
            candidates[:] = [_moved(view, old, new) for view in candidates]

    def work_in_place(self, kept: Sequence[Buffer], views: dict[int, View]) -> None:
        """Let elementwise steps overwrite an operand that nobody needs afterwards.

        `kept` are the outputs' buffers; `views` follow where memory moves.
        """
        for index, candidates in self.in_place.items():
            for view in candidates:
                out, old = self.steps[index].out.buffer, view.buffer
                if out is None or old is None or not view.whole or old is out:
                    continue
                if out.pinned or old.pinned:
                    continue
                same = old.space == out.space == "arena" and old.size_bytes == out.size_bytes
                if same and old.last == index and old not in kept:
                    self.replace_buffer(out, old)
                    for tensor, used in views.items():
                        views[tensor] = _moved(used, out, old)
                    break

    def finish(
        self, inputs: list[tuple[View, Port]], outputs: list[tuple[View, Port]]
    ) -> tuple[Plan, Peak]:
        """Place all buffers and resolve all references."""
        states = [b for b in self.buffers if b.space == "state"]
        arena = [b for b in self.buffers if b.space == "arena"]
        state_bytes = 0
        for buffer in states:
            buffer.offset = state_bytes
            state_bytes += align(buffer.size_bytes)
        arena_bytes = place(arena)
        pool = _Pool()
        records = tuple(self._record(step, pool) for step in self.steps)
        plan = Plan(
            records,
            tuple(replace(port, ref=pool.ref(view)) for view, port in inputs),
            tuple(replace(port, ref=pool.ref(view)) for view, port in outputs),
            tuple(f for buffer, start in self.fills for f in _fills(buffer.offset, start)),
            pool.data,
            arena_bytes,
            state_bytes,
        )
        return plan, peak(arena, len(self.steps))

    def _record(self, step: Step, pool: "_Pool") -> Record:
        values: dict[str, Value] = {}
        for f in OPERATORS[step.op].fields:
            draft = step.values[f.name]
            if f.kind != "ref":
                assert not isinstance(draft, View) and draft is not None
                values[f.name] = draft  # type: ignore[assignment]
            elif isinstance(draft, tuple):
                values[f.name] = tuple(pool.word(v) for v in draft)  # type: ignore[arg-type]
            else:
                values[f.name] = pool.word(draft)  # type: ignore[arg-type]
        out = step.out
        return Record(step.op, pool.ref(out), out.size_bytes, step.dtype, values, step.variant)


class _Pool:
    """Constants, each stored once at a multiple of 16 bytes."""

    def __init__(self) -> None:
        self.data = b""
        self._offsets: dict[bytes, int] = {}

    def ref(self, view: View) -> Ref:
        if view.constant is None:
            assert view.buffer is not None
            return Ref(view.buffer.space, view.buffer.offset + view.offset)
        if view.constant not in self._offsets:
            self._offsets[view.constant] = len(self.data)
            self.data += view.constant.ljust(align(len(view.constant)), b"\0")
        return Ref("const", self._offsets[view.constant])

    def word(self, view: View | None) -> int:
        return 0 if view is None else self.ref(view).encode()


def _views(values: dict[str, Draft]) -> list[View]:
    found: list[View] = []
    for value in values.values():
        items = value if isinstance(value, tuple) else (value,)
        found += [v for v in items if isinstance(v, View)]
    return found


def _moved(view: View, old: Buffer, new: Buffer) -> View:
    return replace(view, buffer=new) if view.buffer is old else view


def _moved_draft(draft: Draft, old: Buffer, new: Buffer) -> Draft:
    if isinstance(draft, View):
        return _moved(draft, old, new)
    if isinstance(draft, tuple):
        return tuple(_moved(d, old, new) if isinstance(d, View) else d for d in draft)  # type: ignore[return-value]
    return draft


def _fills(offset: int, start: NDArray[np.generic]) -> list[Fill]:
    """Runs of equal elements; zeros need none, the block is cleared first."""
    width = start.itemsize
    values = start.astype(np.int64)
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return [
        Fill(offset + a * width, b - a, width, int(values[a]))
        for a, b in pairwise(edges)
        if b > a and values[a] != 0
    ]
