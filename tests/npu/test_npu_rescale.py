"""The emulator's fixed-point arithmetic and native curves against plain Python."""

import random

import numpy as np
import obvious_npu
import pytest
from edgesdk.core.library import address
from edgesdk_converters.lower.tables import logistic_u16
from emulator_in_c import curve, emulator, rescale
from obvious_npu import DOUBLE, NATURAL, TRUNCATE

pytestmark = pytest.mark.needs_cc

EDGES = (0, 1, 2, 3, 1 << 15, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, (1 << 39) - 1, 1 << 39)
PRODUCTS = (((1 << 31) - 1) ** 2, (1 << 61) + 1, 1 << 62)  # of 32-bit factors


def _saturated(v: int) -> int:
    return max(-(1 << 31), min((1 << 31) - 1, v))


@pytest.mark.parametrize("rounding", [DOUBLE, TRUNCATE, NATURAL])
@pytest.mark.parametrize("lift", [0, 15, 20])
def test_rescale_then_equals_whole_numbers(rounding: int, lift: int) -> None:
    chance = random.Random(rounding * 100 + lift)
    values = [sign * v for v in EDGES + PRODUCTS for sign in (1, -1)]
    values += [chance.randrange(-(1 << bits), 1 << bits) for bits in range(1, 41) for _ in "123"]
    multipliers = [0, 1, 2, 0x7FFF, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]
    multipliers += [chance.randrange(1 << 30, 1 << 31) for _ in range(4)]
    for v in values:
        for multiplier in multipliers:
            for shift in (0, 1, 8, 15, 16, 30, 31, 32, 33, 40, 44, 62, 63):
                expected = _saturated(obvious_npu.rescale(v, (multiplier, shift), rounding, lift))
                found = _saturated(rescale(v, multiplier, shift, rounding, lift))
                assert found == expected, (v, multiplier, shift)


def test_double_rounding_then_equals_the_doubling_high_multiplication() -> None:
    """TFLite's two steps: round(v * m / 2^31), then a shift that rounds halves away from zero."""
    chance = random.Random(7)
    for _ in range(20000):
        v = chance.randrange(-(1 << 20), 1 << 20)
        multiplier, shift = chance.randrange(1 << 30, 1 << 31), chance.randrange(32, 50)
        high = (v * multiplier + (1 << 30)) >> 31
        exponent = shift - 31
        half = (1 << (exponent - 1)) - (1 if high < 0 else 0)
        expected = (high + half) >> exponent
        assert rescale(v, multiplier, shift, DOUBLE) == expected, (v, multiplier, shift)


def test_curve_then_is_the_table_of_the_cpu_kernels() -> None:
    np.testing.assert_array_equal(curve(), logistic_u16())


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_native_curves_then_follow_the_table(name: str) -> None:
    table = logistic_u16()
    bits, far, result = (9, 0x7FFF << 10, 10) if name == "sigmoid" else (8, 0xFFFF << 8, 8)
    for x in [*range(-140000, 140000, 37), -(1 << 40), 1 << 40]:
        index, between = abs(x) >> bits, abs(x) & ((1 << bits) - 1)
        y = far
        if index < 255:
            low, high = int(table[index]), int(table[index + 1])
            y = (low << bits) + between * (high - low)
        half = 1 << (result - 1)
        if name == "sigmoid":
            expected = (y + half) >> 10 if x >= 0 else ((1 << 25) - y + half - 1) >> 10
        else:
            expected = (y - (1 << 23) + half if x >= 0 else -y + (1 << 23) + half - 1) >> 8
        assert getattr(emulator(), f"edge_emu_{name}")(address(curve()), x) == expected
