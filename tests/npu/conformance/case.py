"""What a graph of the suite is, and the vectors it runs on."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from conformance.build import Array, Builder, Value

Build = Callable[[Builder], Sequence[Value]]
KINDS = ("random", "extreme", "near", "ramp", "low", "high")


@dataclass(frozen=True)
class Case:
    """A graph; `loop` feeds output k of one invoke to input j of the next as pairs (k, j).

    `reference` is tflm, or tflite (2.14, reference kernels) for the few forms that TFLM lacks.
    """

    name: str
    build: Build
    steps: int = 1
    loop: tuple[tuple[int, int], ...] = ()
    kinds: tuple[str, ...] = KINDS
    reference: str = "tflm"

    def file(self) -> bytes:
        """The .tflite file."""
        builder = Builder(self.name)
        return builder.file(self.build(builder))


def vector(name: str, kind: str, step: int, shape: Sequence[int], dtype: str, zero: int) -> Array:
    """Input values; the same for equal arguments.

    `kind`: random, random-1, ... over the type, extreme (either end), near (a few steps around
    the zero point), ramp (all values in order), low and high (one end everywhere).
    """
    rng = np.random.default_rng(zlib.crc32(f"{name}/{kind}/{step}".encode()))
    info = np.iinfo(dtype)
    if kind.startswith("random"):
        value = rng.integers(info.min, info.max + 1, shape)
    elif kind == "extreme":
        value = rng.choice([info.min, info.max], shape)
    elif kind == "near":
        value = np.clip(zero + rng.integers(-3, 4, shape), info.min, info.max)
    elif kind == "ramp":
        count = int(np.prod(shape))
        span = (np.arange(count) + 37 * step) % max(count, 1)
        value = (info.min + span * (int(info.max) - info.min) // max(count - 1, 1)).reshape(shape)
    else:
        value = np.full(shape, info.min if kind == "low" else info.max)
    return np.asarray(value).astype(dtype)
