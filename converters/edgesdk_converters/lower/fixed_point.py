"""TFLite's fixed-point arithmetic on Python integers, for tables made at convert time.

Names follow what the functions compute; the semantics are those of the reference kernels and of the
gemmlowp fixed-point library that they use, with 32-bit raw values.
"""

import math

_MAX = (1 << 31) - 1
_MIN = -(1 << 31)
# exp(-2^k) for k = -2 .. 4 as Q0.31
_EXP_FACTORS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_EIGHTH = 1895147668  # exp(-1/8)
_THIRD = 715827883


def round_away(x: float) -> int:
    """The nearest integer, halves away from zero (TfLiteRound)."""
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def quantise_multiplier(real: float) -> tuple[int, int]:
    """Q0.31 multiplier and power-of-two exponent of a positive factor (QuantizeMultiplier)."""
    if real == 0:
        return 0, 0
    mantissa, shift = math.frexp(real)
    multiplier = round_away(mantissa * (1 << 31))
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def _saturate(x: int) -> int:
    return max(_MIN, min(_MAX, x))


def _wrap(x: int) -> int:
    return (x + (1 << 31)) % (1 << 32) - (1 << 31)


def doubling_high_mul(a: int, b: int) -> int:
    """round(a * b / 2^31), saturated."""
    return _saturate((a * b + (1 << 30)) >> 31)


def rounding_shift(x: int, exponent: int) -> int:
    """x / 2^exponent, halves away from zero."""
    half = (1 << exponent) >> 1
    return (x + half) >> exponent if x >= 0 else -((-x + half) >> exponent)


def rescale(x: int, multiplier: int, shift: int) -> int:
    """x * multiplier / 2^31 * 2^shift, rounded twice (MultiplyByQuantizedMultiplier)."""
    high = doubling_high_mul(_wrap(x << max(shift, 0)), multiplier)
    return rounding_shift(high, max(-shift, 0))


def _scale_up(x: int, exponent: int) -> int:
    return _saturate(x << exponent)


def _exp_near_zero(a: int) -> int:
    """exp of Q0.31 in [-1/4, 0)."""
    x = a + (1 << 28)
    x2 = doubling_high_mul(x, x)
    x3 = doubling_high_mul(x2, x)
    x4 = doubling_high_mul(x2, x2)
    series = doubling_high_mul(rounding_shift(x4, 2) + x3, _THIRD) + x2
    return _EXP_EIGHTH + doubling_high_mul(_EXP_EIGHTH, x + rounding_shift(series, 1))


def exp_negative(a: int, integer_bits: int) -> int:
    """exp of a <= 0 with `integer_bits` (at most 5) integer bits, as Q0.31."""
    if a == 0:
        return _MAX
    fraction = 31 - integer_bits
    quarter = 1 << (fraction - 2)
    part = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(_scale_up(part, integer_bits))
    remainder = part - a
    for k, factor in enumerate(_EXP_FACTORS[: integer_bits + 2]):
        if remainder & (quarter << k):
            result = doubling_high_mul(result, factor)
    return result
