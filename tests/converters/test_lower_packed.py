"""Packed weights against TFLite's reference kernels, on the plain C of this machine."""

from collections import Counter

import numpy as np
import pytest
from edgesdk.bundle.plan import constant
from edgesdk.core.graph import Graph as CoreGraph
from edgesdk.errors import ConvertError
from edgesdk_converters.lower import lower_graph
from edgesdk_converters.lower.packing import Packing, core_of, pack
from numpy.typing import NDArray
from single_op import interpreter, random_inputs, run_oracle
from weight_forms import KINDS, TILES, convolution, forms, fully_connected, lstm, shaped, sizes

pytestmark = pytest.mark.needs_cc
CORES = sorted(TILES)
PREFERENCES = ["fast", "small", "dense"]


def _agrees(data: bytes, packing: Packing, rng: np.random.Generator) -> list[tuple[str, int]]:
    oracle = interpreter(data)
    device = CoreGraph(lower_graph(data, packing=packing).plan.encode())
    for run in range(3):
        inputs = random_inputs(oracle, rng, extreme=run == 2)
        for expected, found in zip(run_oracle(oracle, inputs), device.run(*inputs), strict=True):
            np.testing.assert_array_equal(expected, found)
    return forms(data, packing)


@pytest.mark.parametrize("prefer", PREFERENCES)
@pytest.mark.parametrize("core", CORES)
def test_fully_connected(core: str, prefer: str) -> None:
    rng = np.random.default_rng(1)
    packing, seen = Packing(core, prefer), Counter[str]()
    for case, (depth, rows) in enumerate(sizes(160)):
        weights = shaped(rng, (rows, depth), KINDS[case % 4], core)
        data = fully_connected(rng, weights, case % 3 + 1)
        seen.update(form for form, _ in _agrees(data, packing, rng))
    assert set(seen) == ({"dense"} if prefer == "dense" else set(seen) | {"dense", "sparse"})
    assert prefer != "small" or {"palette", "sparse palette"} <= set(seen)


@pytest.mark.parametrize("prefer", PREFERENCES)
@pytest.mark.parametrize("core", CORES)
def test_lstm(core: str, prefer: str) -> None:
    rng = np.random.default_rng(2)
    for case, (inputs, cells) in enumerate(sizes(24)):
        data = lstm(rng, inputs, cells * (1 + case % 2 * 2), KINDS[case % 4], core)
        _agrees(data, Packing(core, prefer), rng)


@pytest.mark.parametrize("prefer", PREFERENCES)
@pytest.mark.parametrize("core", CORES)
def test_convolution(core: str, prefer: str) -> None:
    rng = np.random.default_rng(7)
    packing, seen = Packing(core, prefer), Counter[str]()
    for case, channels in enumerate(sizes(80)):
        data = convolution(rng, case, channels, core)
        seen.update(form for form, _ in _agrees(data, packing, rng))
    assert set(seen) == ({"dense"} if prefer == "dense" else set(seen) | {"dense", "sparse"})
    assert prefer != "small" or {"palette", "sparse palette"} <= set(seen)


def test_channels_of_zeros_keep_their_output_and_get_a_plain_factor() -> None:
    """Their bias and factor are their own in the file, and the same for all in the plan."""
    rng = np.random.default_rng(8)
    for case in (1, 5, 9):  # see convolution: every third channel
        data = convolution(rng, case, (5, 12), "mve")
        _agrees(data, Packing("mve", "dense"), rng)
        plan = lower_graph(data, packing=Packing("mve", "dense")).plan
        refs = plan.records[0].refs()
        scales = constant(plan, refs["scales"], "<i4", (12, 2))
        bias = constant(plan, refs["bias"], "<i4", (12,))
        assert (scales[::3] == (1 << 30, -2)).all() and (abs(bias[::3]) <= 2048).all()


@pytest.mark.parametrize("bits", range(1, 6))
@pytest.mark.parametrize("core", CORES)
def test_every_number_of_palette_bits(core: str, bits: int) -> None:
    rng = np.random.default_rng(bits)
    for count in {2 ** (bits - 1) + 1, 2**bits}:
        values = np.linspace(-128, 127, count).astype(np.int8)
        weights = rng.choice(values, (96, 160))
        found = _agrees(fully_connected(rng, weights, 1), Packing(core, "small"), rng)
        assert found == [("palette", bits)]


def test_zero_matrices_store_no_tile() -> None:
    rng = np.random.default_rng(3)
    for core in CORES:
        data = fully_connected(rng, np.zeros((40, 48), np.int8), 1)
        _agrees(data, Packing(core, "fast"), rng)
        (weights,) = lower_graph(data, packing=Packing(core)).debug["ops"][0]["weights"]
        assert weights["stored"] == 0 and weights["form"] == "sparse"


def _decoded(data: bytes, core: str) -> NDArray[np.int8]:
    """Weights of an unpalettised matrix, read by the page that describes it."""
    height, width = TILES[core]
    rows, depth, stored = np.frombuffer(data, "<u4", 3, 4).tolist()
    panels, chunks = -(-rows // height), -(-depth // width)
    at, starts, columns = 16, np.arange(panels + 1) * chunks, np.tile(np.arange(chunks), panels)
    if data[2]:
        starts = np.frombuffer(data, "<u4", panels + 1, at)
        at += -(-4 * (panels + 1) // 16) * 16
        columns = np.frombuffer(data, "<u2", stored, at)
        at += -(-2 * stored // 16) * 16
    full = np.zeros((panels * height, chunks * width), np.int8)
    for panel in range(panels):
        for tile in range(starts[panel], starts[panel + 1]):
            content = np.frombuffer(data, np.int8, height * width, at + tile * height * width)
            content = content.reshape(height, width)
            if core == "dsp":
                content = content[:, [0, 2, 1, 3]]
            top, left = panel * height, columns[tile] * width
            full[top : top + height, left : left + width] = content
    return full[:rows, :depth]


@pytest.mark.parametrize("core", CORES)
def test_layout_is_the_documented_one(core: str) -> None:
    rng = np.random.default_rng(4)
    for kind in ("dense", "sparse"):
        weights = shaped(rng, (45, 70), kind, core)
        packed = pack(weights, Packing(core, "fast"))
        assert packed is not None and packed.form == kind
        np.testing.assert_array_equal(_decoded(packed.data, core), weights)


@pytest.mark.parametrize("core", CORES)
def test_bits_per_weight_of_blocks_and_four_bits(core: str) -> None:
    """75 % of the tiles zero, 16 values: at most 1.7 bits a weight with the index."""
    rng = np.random.default_rng(5)
    height, width = TILES[core]
    kept = np.zeros(640 * 640 // (height * width), bool)
    kept[rng.permutation(kept.size)[: kept.size // 4]] = True
    mask = np.kron(kept.reshape(640 // height, -1), np.ones((height, width), bool))
    weights = rng.choice(np.linspace(-120, 120, 16).astype(np.int8), (640, 640)) * mask
    packed = pack(weights.astype(np.int8), Packing(core, "small"))
    assert packed is not None and packed.form == "sparse palette" and packed.bits == 4
    assert 8 * len(packed.data) / weights.size <= 1.7


def test_a_few_weights_stay_plain() -> None:
    rng = np.random.default_rng(6)
    data = fully_connected(rng, shaped(rng, (1, 4), "dense", "mve"), 1)
    assert forms(data, Packing("mve")) == []
    assert lower_graph(data, packing=Packing("mve")).plan.records[0].variant == 0


def test_cores_and_choices() -> None:
    assert core_of(("dsp", "fp32", "mve")) == "mve"
    assert core_of(("dsp",)) == "dsp" and core_of(()) == "ref"
    with pytest.raises(ConvertError, match="'neon' is none of ref, dsp, mve"):
        Packing("neon")
