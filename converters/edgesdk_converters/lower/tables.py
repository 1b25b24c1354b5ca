"""Tables that a device looks up: 8-bit functions, int16 curves, softmax exponentials."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgesdk_converters.lower import fixed_point as fp

_CURVE_BITS = 4  # integer bits of the argument of int8 logistic and tanh
_SOFTMAX_BITS = 5


def _radius(integer_bits: int, left_shift: int) -> int:
    """Largest |q| whose rescaled value stays inside the argument (CalculateInputRadius)."""
    largest = ((1 << integer_bits) - 1) * (1 << (31 - integer_bits))
    return math.floor(largest / 2.0**left_shift)


def _curve_table(
    scale: float, zero_point: int, curve: Callable[[int, int], int], unit: int, low: int, add: int
) -> NDArray[np.int8]:
    """Table of `curve`: `unit` bits of its Q0.31 result are dropped, saturating at low and 127."""
    multiplier, shift = fp.quantise_multiplier(scale * (1 << (31 - _CURVE_BITS)))
    radius = _radius(_CURVE_BITS, shift)
    table = np.zeros(256, np.int8)
    for q in range(-128, 128):
        x = q - zero_point
        if x <= -radius:
            value = low
        elif x >= radius:
            value = 127
        else:
            argument = fp.rescale(x, multiplier, shift)
            value = fp.rounding_shift(curve(argument, _CURVE_BITS), unit) + add
        table[q + 128] = max(-128, min(127, value))
    return table


def logistic_s8(scale: float, zero_point: int) -> NDArray[np.int8]:
    """int8 logistic with output scale 1/256 and zero point -128, as TFLite's reference kernel."""
    return _curve_table(scale, zero_point, fp.logistic, 31 - 8, -128, -128)


def tanh_s8(scale: float, zero_point: int) -> NDArray[np.int8]:
    """int8 tanh with output scale 1/128 and zero point 0, as TFLite's reference kernel."""
    return _curve_table(scale, zero_point, fp.tanh, 31 - 7, -128, 0)


def affine_8(
    real_multiplier: float,
    in_range: tuple[int, int],
    zero_points: tuple[int, int],
    clamp: tuple[int, int],
) -> list[int]:
    """clamp(rescale(q - zero_points[0]) + zero_points[1]) for every q of in_range."""
    multiplier, shift = fp.quantise_multiplier(real_multiplier)
    values = (
        fp.rescale(q - zero_points[0], multiplier, shift) + zero_points[1]
        for q in range(in_range[0], in_range[1] + 1)
    )
    return [max(clamp[0], min(clamp[1], v)) for v in values]


def logistic_u16() -> NDArray[np.uint16]:
    """TFLite's table for int16 curves: logistic(i / 24) as Q0.16, i = 0 .. 255."""
    x = np.arange(256, dtype=np.float64) / 24.0
    table: NDArray[np.float64] = np.minimum(np.rint(65536.0 / (1.0 + np.exp(-x))), 65535)
    return table.astype(np.uint16)


def curve_scale_s16(scale: float, shifts: tuple[int, ...]) -> tuple[int, int]:
    """Multiplier and right shift that bring an int16 input to units of 1 / (3 * 4096).

    Scales 2^-12 * 2^k with k in `shifts` are exact; others get a 15-bit multiplier.
    """
    mantissa, exponent = math.frexp(scale)
    power = exponent - 1 + 12
    if mantissa == 0.5 and power in shifts:
        return 3 << power, 0
    multiplier, left_shift = scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and left_shift <= 30:
        multiplier *= 2.0
        left_shift += 1
    return int(multiplier), left_shift


def softmax_exp(scale: float, beta: float) -> NDArray[np.int32]:
    """i32[256]: exp(-d * scale * beta) as Q0.31 for d = 0 .. 255; 0 where TFLite drops the term."""
    real = min(beta * scale * (1 << (31 - _SOFTMAX_BITS)), (1 << 31) - 1.0)
    multiplier, shift = fp.quantise_multiplier(real)
    farthest = _radius(_SOFTMAX_BITS, shift)
    table = np.zeros(256, np.int32)
    for d in range(min(farthest, 255) + 1):
        table[d] = fp.exp_negative(fp.rescale(-d, multiplier, shift), _SOFTMAX_BITS)
    return table
