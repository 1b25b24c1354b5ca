"""From observed values to scales and zero points."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgesdk_converters.graph import Array
from edgesdk_converters.tflite.model import Quantisation

# How a range is chosen from what was seen: all of it, all but 1 in 10,000 at either end, or the
# range whose int8 grid has the least squared error on the sample.
METHODS = ("minmax", "percentile", "mse")
_TAIL_PERCENT = 0.01
_SAMPLE = 1 << 15
_SHRINK_STEPS = np.linspace(1.0, 0.5, 26)
_SMALLEST_RANGE = 1e-6


@dataclass
class Range:
    """Extremes of a value over the calibration data and an even sample of it."""

    low: float = 0.0
    high: float = 0.0
    pieces: list[NDArray[np.float32]] = field(default_factory=list)
    kept: int = 0
    every: int = 1
    seen: int = 0

    def observe(self, value: Array) -> None:
        """Take one value in; the sample thins itself once it is full."""
        self.low = min(self.low, float(value.min()))
        self.high = max(self.high, float(value.max()))
        self.seen += 1
        if self.seen % self.every:
            return
        self.pieces.append(np.asarray(value, np.float32).reshape(-1).copy())
        self.kept += value.size
        if self.kept > _SAMPLE and len(self.pieces) > 1:
            self.pieces = self.pieces[1::2]
            self.kept = sum(piece.size for piece in self.pieces)
            self.every *= 2

    def sample(self) -> NDArray[np.float32]:
        """The kept values in one row."""
        return np.concatenate(self.pieces) if self.pieces else np.zeros(1, np.float32)


def merge(ranges: Iterable[Range]) -> Range:
    """One range over several values that must share a scale."""
    result = Range()
    for item in ranges:
        result.low, result.high = min(result.low, item.low), max(result.high, item.high)
        result.pieces = result.pieces + item.pieces
    return result


def clipped(seen: Range, largest: float) -> Range:
    """The part of a range within +-largest."""
    pieces = [np.clip(piece, -largest, largest) for piece in seen.pieces]
    return Range(max(seen.low, -largest), min(seen.high, largest), pieces)


def int8_quantisation(seen: Range, method: str) -> Quantisation:
    """Asymmetric int8 with real 0 exactly representable."""
    low, high = seen.low, seen.high
    if method == "percentile":
        sample = seen.sample()
        low = min(0.0, float(np.percentile(sample, _TAIL_PERCENT)))
        high = max(0.0, float(np.percentile(sample, 100 - _TAIL_PERCENT)))
    elif method == "mse":
        low, high = _least_error(seen)
    return asymmetric(low, high)


def asymmetric(low: float, high: float) -> Quantisation:
    """int8 over [low, high], widened to hold 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(high - low, _SMALLEST_RANGE) / 255.0
    zero = int(np.clip(np.round(-128.0 - low / scale), -128, 127))
    return Quantisation.single(float(np.float32(scale)), zero)


def symmetric(quantisation: Quantisation) -> Quantisation:
    """int8 with zero at 0 over the range of another int8 quantisation."""
    scale, zero = float(quantisation.scale[0]), int(quantisation.zero_point[0])
    return Quantisation.single(scale * max(127 - zero, zero + 128) / 127.0)


def _least_error(seen: Range) -> tuple[float, float]:
    sample = seen.sample()
    best, chosen = np.inf, (seen.low, seen.high)
    for shrink in _SHRINK_STEPS:
        low, high = seen.low * shrink, seen.high * shrink
        grid = asymmetric(low, high)
        error = float(np.square(dequantise(quantise(sample, grid, "int8"), grid) - sample).sum())
        if error < best:
            best, chosen = error, (low, high)
    return chosen


def int16_quantisation(seen: Range) -> Quantisation:
    """Symmetric int16 with the smallest power-of-two scale that holds the range."""
    largest = max(-seen.low, seen.high, _SMALLEST_RANGE)
    return Quantisation.single(power_of_two_scale(largest))


def cell_quantisation(seen: Range) -> Quantisation:
    """int16 for an LSTM's cell: as int16_quantisation, but a cell beyond 64 saturates.

    TFLite's reference kernel takes the tanh of a cell with at most 6 integer bits (scale 2^-9).
    """
    largest = max(-seen.low, seen.high, _SMALLEST_RANGE)
    return Quantisation.single(min(power_of_two_scale(largest), 2.0**-9))


def power_of_two_scale(largest: float) -> float:
    """2^k with 32767 * 2^k >= largest, k as small as possible."""
    return float(2.0 ** np.ceil(np.log2(largest / 32767.0)))


def symmetric_weights(weight: Array, axis: int | None = None) -> tuple[Array, Quantisation]:
    """int8 weights in [-127, 127], per tensor or per index of `axis`."""
    if axis is None:
        largest = np.array([np.abs(weight).max()], np.float64)
    else:
        others = tuple(i for i in range(weight.ndim) if i != axis)
        largest = np.abs(weight).max(axis=others).astype(np.float64)
    scale = (np.maximum(largest, _SMALLEST_RANGE) / 127.0).astype(np.float32)
    shape = [1] * weight.ndim
    if axis is not None:
        shape[axis] = -1
    q = np.clip(np.round(weight / scale.reshape(shape)), -127, 127).astype(np.int8)
    return q, Quantisation(scale, np.zeros(scale.size, np.int64), axis or 0)


def quantise(value: Array, quantisation: Quantisation, dtype: str) -> Array:
    """Integers of a per-tensor quantisation, rounded to nearest and saturated."""
    info = np.iinfo(dtype)
    q = np.round(value / np.float64(quantisation.scale[0])) + quantisation.zero_point[0]
    result: Array = np.clip(q, info.min, info.max).astype(dtype)
    return result


def dequantise(value: Array, quantisation: Quantisation) -> NDArray[np.float64]:
    """Reals of a per-tensor quantisation."""
    offset = value.astype(np.float64) - float(quantisation.zero_point[0])
    return np.asarray(offset * np.float64(quantisation.scale[0]))
