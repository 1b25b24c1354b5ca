"""A compiled graph on an emulator: regions, states and vectors in, outputs out."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from edgesdk.npu.emulator import Npu

from conformance.build import Array
from conformance.compile import Compiled, Place

_FILL = 0xA5  # what memory holds that nobody has written


class Machine(Protocol):
    """An NPU: `run` executes commands over regions, uint8 arrays, which it changes."""

    def run(self, words: Array, regions: Sequence[Array | None]) -> None: ...


def numbers_only(accelerator: str) -> Npu:
    """An NPU that forgives what test_npu_hazards.py looks for."""
    return Npu(accelerator, strict=False)


class Job:
    """One compiled graph with its memory; states stay between invokes."""

    def __init__(self, compiled: Compiled, machine: Machine) -> None:
        self.compiled, self.machine = compiled, machine
        self.weights = _aligned(compiled.weights.size)
        self.weights[:] = compiled.weights
        self.scratch = _aligned(max(compiled.scratch_bytes, 16))
        self.fast = _aligned(compiled.fast_bytes) if compiled.fast_bytes else self.scratch
        self.reset()

    def reset(self) -> None:
        """States at their zero points, everything else unknown."""
        self.scratch[:] = _FILL
        self.fast[:] = _FILL
        for place in self.compiled.variables:
            self._write(place, np.full(place.shape, place.zero, place.dtype))

    def invoke(self, inputs: Sequence[Array]) -> list[Array]:
        """One run of the stream."""
        for place, value in zip(self.compiled.inputs, inputs, strict=True):
            self._write(place, value)
        self.machine.run(self.compiled.words, [self.weights, self.scratch, self.fast])
        return [self._read(place) for place in self.compiled.outputs]

    def _write(self, place: Place, value: Array) -> None:
        raw = np.ascontiguousarray(value).astype(place.dtype).view(np.uint8).ravel()
        self.scratch[place.offset : place.offset + place.bytes] = raw

    def _read(self, place: Place) -> Array:
        raw = self.scratch[place.offset : place.offset + place.bytes]
        return raw.view(place.dtype).reshape(place.shape).copy()


def _aligned(count: int) -> Array:
    """uint8[count] at a multiple of 16 bytes, filled."""
    raw = np.full(count + 16, _FILL, np.uint8)
    start = -raw.ctypes.data % 16
    return raw[start : start + count]
