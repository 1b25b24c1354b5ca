"""Packed depthwise convolutions against TFLite's reference kernels, on the plain C of this
machine; and the layout that docs/image.md describes."""

from dataclasses import replace

import numpy as np
import pytest
from depthwise_cases import VALID, Case, cases, depthwise
from edgesdk.core.graph import Graph as CoreGraph
from edgesdk.errors import BundleError
from edgesdk_converters.lower import lower_graph
from edgesdk_converters.lower.depthwise import pack_depthwise
from edgesdk_converters.lower.packing import Packing
from single_op import Net, interpreter, random_inputs, run_oracle

pytestmark = pytest.mark.needs_cc
CORES = ["dsp", "mve"]
VARIANTS = {"dsp": 1, "mve": 2}


def _agrees(data: bytes, core: str, rng: np.random.Generator) -> int:
    """Same bits from the oracle and the plain C; the operator's variant."""
    oracle, plan = interpreter(data), lower_graph(data, packing=Packing(core)).plan
    device = CoreGraph(plan.encode())
    for run in range(3):
        inputs = random_inputs(oracle, rng, extreme=run == 2)
        np.testing.assert_array_equal(run_oracle(oracle, inputs)[0], device.run(*inputs)[0])
    return plan.records[0].variant


@pytest.mark.parametrize("core", CORES)
def test_every_shape_equals_the_reference(core: str) -> None:
    rng = np.random.default_rng(1)
    packed = [_agrees(depthwise(rng, case), core, rng) for case in cases(100)]
    assert set(packed) == {VARIANTS[core]}


@pytest.mark.parametrize("core", CORES)
def test_what_the_fast_kernels_cannot_hold_stays_plain(core: str) -> None:
    """Factors of 1/2 and more, sums of 2^30 and more, and two weights of -128 on end."""
    rng = np.random.default_rng(2)
    weights = rng.integers(-127, 128, (1, 3, 3, 5)).astype(np.int8)
    scales = np.array([[1 << 30, -8]] * 5, np.int32)
    bias, packing = np.zeros(5, np.int32), Packing(core)

    def packed(weights: np.ndarray, bias: np.ndarray, scales: np.ndarray) -> bool:
        return pack_depthwise(weights, bias, scales, 3, packing) is not None

    assert packed(weights, bias, scales)
    for shift in (-22, -1, -23, 0, 4):
        scales[3, 1] = shift
        assert packed(weights, bias, scales) == (-22 <= shift <= -1)
    scales[3, 1] = -8
    for value in (2**30 - 9 * 16384 - 1, 2**30 - 9 * 16384, -(2**31)):
        bias[2] = value
        assert packed(weights, bias, scales) == (value == 2**30 - 9 * 16384 - 1)
    bias[2] = 0
    weights[0, 1, :2, 4] = -128
    assert packed(weights, bias, scales) == (core == "dsp")
    assert pack_depthwise(weights, bias, scales, 3, Packing("ref")) is None


@pytest.mark.parametrize("core", CORES)
def test_limits_of_multipliers_and_weights(core: str) -> None:
    """Every weight at -128 or 127, the scale just below 1/2 or far below it."""
    rng = np.random.default_rng(3)
    for factor in (0.4999, 0.5001, 3.0, 2.0**-20, 2.0**-23):
        net = Net()
        x = net.input((1, 4, 5, 19), "int8", 0.5, -128)
        weights = rng.choice(np.array([-128, 127], np.int8), (1, 3, 2, 19))
        bias = rng.integers(-(2**31), 2**31, 19) if factor < 0.1 else np.zeros(19)
        inputs = [x, net.constant(weights, 0.5), net.constant(bias.astype(np.int32), 0.25)]
        y = net.tensor("y", (1, 4, 5, 19), "int8", 0.25 / factor, 127)
        net.op("DEPTHWISE_CONV_2D", inputs, [y], "DepthwiseConv2DOptions", 3,
               padding=0, stride_h=1, stride_w=1, depth_multiplier=1)  # fmt: skip
        _agrees(net.file(y), core, rng)


@pytest.mark.parametrize("core", CORES)
def test_layout_is_the_documented_one(core: str) -> None:
    rng = np.random.default_rng(4)
    lanes, group = (4, 1) if core == "dsp" else (16, 3)
    weights = rng.integers(-127, 128, (1, 2, 3, 5)).astype(np.int8)
    bias = rng.integers(-9999, 9999, 5).astype(np.int32)
    scales = np.stack([rng.integers(1 << 30, 2**31 - 1, 5), rng.integers(-9, 0, 5)], 1)
    packed = pack_depthwise(weights, bias, scales.astype(np.int32), -7, Packing(core))
    assert packed is not None
    size = len(packed.data) // packed.tiles
    for channel in range(5 * group):
        block, k = divmod(channel, lanes)
        at = lanes // 4 * (0, 2, 1, 3)[k % 4] + k // 4
        data = packed.data[block * size : (block + 1) * size]
        words = np.frombuffer(data, "<i4", lanes * (4 if core == "dsp" else 3)).reshape(-1, lanes)
        taps = np.frombuffer(data, "<i2" if core == "dsp" else np.int8, offset=words.nbytes)
        taps = taps.reshape(6, lanes)[:, at if core == "dsp" else k]
        c, twice = channel % 5, 2 if core == "dsp" else 1
        shift = int(scales[c, 1])
        expected = [twice * bias[c], scales[c, 0], shift]
        if core == "dsp":
            expected[2:] = [2 ** (-shift - 1) - 7 * 2**-shift, -shift]
        assert words[:, at].tolist() == expected
        np.testing.assert_array_equal(taps, twice * weights.reshape(6, 5)[:, c].astype(int))


@pytest.mark.parametrize(
    ("core", "offset", "value"),
    [
        ("dsp", 0, 1),  # an odd doubled bias
        ("dsp", 3, 0x80),  # a bias whose sums wrap
        ("dsp", 19, 0x80),  # a negative multiplier
        ("dsp", 32, 1),  # a rounding that is not of its shift
        ("dsp", 48, 0),  # a shift of 0
        ("dsp", 48, 40),
        ("dsp", 64, 1),  # an odd doubled weight
        ("dsp", 65, 0x7F),  # a weight beyond int8
        ("mve", 3, 0x7F),
        ("mve", 67, 0x80),
        ("mve", 128, 1),
        ("mve", 131, 0x80),
    ],
)
def test_damaged_blocks_are_refused(core: str, offset: int, value: int) -> None:
    rng = np.random.default_rng(5)
    case = Case(20, (3, 3), (6, 6), padding=VALID)
    plan = lower_graph(depthwise(rng, case), packing=Packing(core)).plan
    CoreGraph(plan.encode())
    damaged = bytearray(plan.constants)
    damaged[plan.records[0].refs()["weights"].offset + offset] = value
    with pytest.raises(BundleError, match="inconsistent"):
        CoreGraph(replace(plan, constants=bytes(damaged)).encode())
