"""Tables that a device looks up: 8-bit functions, int16 curves, softmax exponentials."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgesdk_converters.lower import fixed_point as fp

_SOFTMAX_BITS = 5


def _radius(integer_bits: int, left_shift: int) -> int:
    """Largest |q| whose rescaled value stays inside the argument (CalculateInputRadius)."""
    largest = ((1 << integer_bits) - 1) * (1 << (31 - integer_bits))
    return math.floor(largest / 2.0**left_shift)


def _arguments(scale: float, zero_point: int) -> NDArray[np.float32]:
    q = np.arange(-128, 128) - zero_point
    real: NDArray[np.float32] = np.float32(scale) * q.astype(np.float32)
    return real


def _quantised(value: NDArray[np.float32], scale: float, zero_point: int) -> NDArray[np.int8]:
    scaled = (value * np.float32(1.0 / scale)).astype(np.float64)
    rounded = np.trunc(scaled + np.copysign(0.5, scaled)) + zero_point
    table: NDArray[np.float64] = np.clip(rounded, -128, 127)
    return table.astype(np.int8)


def logistic_s8(scale: float, zero_point: int) -> NDArray[np.int8]:
    """int8 logistic with output scale 1/256 and zero point -128, in TFLite's float32 steps.

    exp is evaluated in float64 and rounded once, so that no machine's libm shows.
    """
    x = _arguments(scale, zero_point).astype(np.float64)
    one = np.float32(1.0)
    with np.errstate(over="ignore"):  # exp of a large argument: the quotient is 0
        power = np.exp(-x).astype(np.float32)
    return _quantised(one / (one + power), 2.0**-8, -128)


def tanh_s8(scale: float, zero_point: int) -> NDArray[np.int8]:
    """int8 tanh with output scale 1/128 and zero point 0; as logistic_s8."""
    x = _arguments(scale, zero_point).astype(np.float64)
    return _quantised(np.tanh(x).astype(np.float32), 2.0**-7, 0)


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
    """TFLite's table for int16 curves: logistic(i / 24) as Q0.16, i = 0 .. 255.

    Its entries lie above the curve by half of what linear interpolation between them would miss,
    h^2 / 16 times the second derivative; the last one is 1.
    """
    y = 1.0 / (1.0 + np.exp(-np.arange(256) / 24.0))
    lift = y * (1.0 - y) * (2.0 * y - 1.0) / (24.0**2 * 16.0)
    table: NDArray[np.float64] = np.rint(65536.0 * (y + lift))
    table[255] = 65535
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


def log_softmax_scale(scale: float) -> tuple[int, int, int]:
    """Multiplier and shift from an input's difference to Q5.26, and the largest difference that may
    give more than -128: TFLite drops those beyond its radius, and 16 is beyond the output.
    """
    real = min(scale * (1 << (31 - _SOFTMAX_BITS)), (1 << 31) - 1.0)
    multiplier, shift = fp.quantise_multiplier(real)
    reach = min(_radius(_SOFTMAX_BITS, shift), 255)
    while -fp.rescale(-reach, multiplier, shift) >= 1 << 30:
        reach -= 1
    return multiplier, shift, reach


def leaky_8(factors: tuple[float, float], zero_points: tuple[int, int]) -> list[int]:
    """int8 leaky rectifier: factors[0] for q >= zero_points[0], factors[1] below."""
    pairs = [fp.quantise_multiplier(factor) for factor in factors]
    values = []
    for q in range(-128, 128):
        x = q - zero_points[0]
        values.append(fp.rescale(x, *pairs[0 if x >= 0 else 1]) + zero_points[1])
    return [max(-128, min(127, v)) for v in values]


def absolute_8(factor: float | None, zero_points: tuple[int, int]) -> list[int]:
    """int8 absolute value; `factor` is None where input and output share a scale."""
    pair = None if factor is None else fp.quantise_multiplier(factor)
    values = []
    for q in range(-128, 128):
        x = abs(q - zero_points[0])
        values.append((x if pair is None else fp.rescale(x, *pair)) + zero_points[1])
    return [max(-128, min(127, v)) for v in values]


def _half_multiplier(real: float) -> tuple[int, int]:
    """A factor as a Q0.15 multiplier and an exponent (DownScaleInt32ToInt16Multiplier)."""
    multiplier, exponent = fp.quantise_multiplier(real)
    if multiplier >= (1 << 31) - 1 - (1 << 15):
        return 32767, exponent
    return (multiplier + (1 << 15)) >> 16, exponent


def _saturate_16(x: int) -> int:
    return max(-32768, min(32767, x))


def _high_mul_16(a: int, b: int, rounded: bool) -> int:
    """a * b / 2^15 of int16, truncated towards zero, after adding a half where `rounded`."""
    product = a * b + ((1 << 14) if a * b >= 0 else 1 - (1 << 14)) * rounded
    return _saturate_16(abs(product) // (1 << 15) * (1 if product >= 0 else -1))


def hard_swish_8(scales: tuple[float, float], zero_points: tuple[int, int]) -> list[int]:
    """int8 x * relu6(x + 3) / 6 in the 16-bit steps of TFLite's HardSwish."""
    fine = np.float32(1.0 / 128.0) * np.float32(scales[0])
    out_multiplier, out_exponent = _half_multiplier(float(fine / np.float32(scales[1])))
    gate_step = np.float32(3.0) / np.float32(32768.0)
    multiplier, exponent = _half_multiplier(float(fine / gate_step))
    values = []
    for q in range(-128, 128):
        x = (q - zero_points[0]) << 7
        gate = _saturate_16(x << (exponent - 1)) if exponent > 0 else x
        gate = _high_mul_16(gate, multiplier, rounded=True)
        if exponent > 0:
            gate = _saturate_16(gate << 1)
        gate = (fp.rounding_shift(gate, max(-exponent, 0)) + (1 << 15)) >> 1
        y = _high_mul_16(gate, _high_mul_16(x, out_multiplier, rounded=True), rounded=False)
        y = fp.rounding_shift(y, max(-out_exponent, 0)) + zero_points[1]
        values.append(max(-128, min(127, y)))
    return values


def real_s8(
    function: Callable[[float], float], source: tuple[float, int], result: tuple[float, int]
) -> NDArray[np.int8]:
    """int8 table of a real function by TFLite's float32 steps (LUTPopulate).

    The function is evaluated in float64 and rounded once, so that no machine's libm shows.
    """
    real = [function(float(x)) for x in _arguments(*source)]
    with np.errstate(over="ignore"):  # beyond float32: the table saturates
        return _quantised(np.array(real).astype(np.float32), *result)


def _interpolated_s16(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]], low: float, high: float
) -> NDArray[np.int16]:
    """513 points of a function as Q0.15, lowered by half of what interpolation adds between them.

    The steps are those of TFLite's generator (LUTPopulate for int16).
    """
    step = (high - low) / 512.0
    points = low + step * np.arange(513)
    values = _nearest(function(points) * 32768.0)
    between = _nearest((values[:-1] + function(points[1:]) * 32768.0) / 2.0)
    exact = _nearest(function(points[:-1] + step / 2.0) * 32768.0)
    values[:-1] -= _nearest((between - exact) / 2.0)
    return np.clip(values, -32768, 32767).astype(np.int16)


def _nearest(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded to integers, halves away from zero."""
    nearest: NDArray[np.float64] = np.trunc(x + np.copysign(0.5, x))
    return nearest


def exp_s16() -> NDArray[np.int16]:
    """exp over -10 .. 0."""
    return _interpolated_s16(np.exp, -10.0, 0.0)


def reciprocal_s16() -> NDArray[np.int16]:
    """1 / (1 + x) over 0 .. 1."""
    return _interpolated_s16(lambda x: 1.0 / (1.0 + x), 0.0, 1.0)
