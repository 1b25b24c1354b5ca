"""The emulator's reader of compressed weights against Vela's encoder, in order and in value."""

import random
from collections.abc import Iterator

import numpy as np
import pytest
from emulator_in_c import BlockStruct, OrderStruct, WeightStream
from ethosu import mlw_codec
from numpy.typing import NDArray

pytestmark = pytest.mark.needs_cc

LENGTHS = (1, 2, 7, 11, 12, 13, 63, 64, 65, 1000, 1025, 32768, 32769, 70001)


def _kinds(rng: np.random.Generator, count: int) -> Iterator[NDArray[np.int64]]:
    """Uniform and skewed values, sparse ones, and palettes around the 32 that one can have."""
    yield rng.integers(-255, 256, count)
    bell = np.rint(rng.normal(0, 25, count)).astype(np.int64).clip(-127, 127)
    yield bell
    for zeros in (0.5, 0.75, 0.99, 1.0):
        yield np.where(rng.random(count) < zeros, 0, bell)
    for clusters in (1, 2, 5, 16, 31, 32, 33, 64):
        palette = rng.choice(np.arange(-127, 128), clusters, replace=False)
        yield palette[rng.integers(0, clusters, count)]
        yield np.where(rng.random(count) < 0.8, 0, palette[rng.integers(0, clusters, count)])


@pytest.mark.parametrize("count", LENGTHS)
def test_stream_of_any_kind_then_gives_the_weights(count: int) -> None:
    rng = np.random.default_rng(count)
    for number, weights in enumerate(_kinds(rng, count)):
        stream = bytes(mlw_codec.encode(weights.tolist()))
        decoded = WeightStream(stream).plain(count)
        assert decoded is not None, (count, number)
        np.testing.assert_array_equal(decoded, weights, err_msg=f"{count} {number}")


def test_stream_with_slices_of_several_kinds_then_gives_the_weights() -> None:
    rng = np.random.default_rng(5)
    parts = [part for count in (3000, 40000) for part in _kinds(rng, count)]
    weights = np.concatenate(parts)
    decoded = WeightStream(bytes(mlw_codec.encode(weights.tolist()))).plain(len(weights))
    np.testing.assert_array_equal(decoded, weights)


def test_stream_when_shorter_than_asked_then_fails() -> None:
    stream = bytes(mlw_codec.encode([3, 0, 0, -5] * 50))
    padding = len(mlw_codec.decode(bytearray(stream)))
    assert WeightStream(stream).plain(padding) is not None
    assert WeightStream(stream).plain(padding + 64) is None
    assert WeightStream(b"").plain(1) is None


def test_stream_when_damaged_then_stays_in_its_buffers() -> None:
    rng = np.random.default_rng(1)
    chance = random.Random(2)
    good = [bytes(mlw_codec.encode(w.tolist())) for w in _kinds(rng, 500)]
    for _ in range(3000):
        stream = bytearray(chance.choice(good))
        for _ in range(chance.randrange(1, 4)):
            stream[chance.randrange(len(stream))] = chance.randrange(256)
        decoded = WeightStream(bytes(stream[: chance.randrange(1, len(stream) + 1)])).plain(500)
        assert decoded is None or np.abs(decoded).max() <= 300


ORDERS = [
    # inputs, outputs, height, width, block depth, depthwise, part kernel, bits
    (8, 8, 1, 1, 8, False, False, 8),
    (1, 1, 1, 1, 8, False, False, 8),
    (3, 5, 3, 3, 8, False, True, 8),
    (33, 17, 3, 2, 16, False, False, 8),
    (40, 24, 1, 5, 8, False, False, 16),
    (20, 9, 3, 3, 16, False, True, 16),
    (17, 33, 9, 10, 32, False, False, 8),
    (5, 12, 11, 9, 8, False, True, 8),
    (1, 21, 3, 3, 16, True, False, 8),
    (1, 40, 15, 1, 8, True, False, 16),
    (64, 48, 1, 1, 24, False, False, 8),
]
UBLOCKS = {"ethos-u55-32": (8, 4), "others": (8, 8)}


@pytest.mark.parametrize("dilation", [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("ublocks", UBLOCKS.values(), ids=UBLOCKS)
@pytest.mark.parametrize("case", ORDERS, ids=str)
def test_weights_in_the_order_of_an_operation_then_return_to_their_places(
    case: tuple[int, int, int, int, int, bool, bool, int],
    ublocks: tuple[int, int],
    dilation: tuple[int, int],
) -> None:
    inputs, outputs, height, width, depth, depthwise, part, bits = case
    rng = np.random.default_rng(inputs * outputs)
    weights = rng.integers(-128, 128, (outputs, height, width, inputs))
    sub = 8 // dilation[0], 8 // dilation[1]
    stream, _ = mlw_codec.reorder_encode(
        *ublocks, weights.astype(np.int16), depth, depthwise, part, bits, *sub
    )
    ifm_block = 16 if part or bits == 16 else 32
    rounded = 4 if depthwise else (2 if bits == 16 else 4) if part else 1
    order = OrderStruct(
        *(height, width, inputs, ublocks[1], ublocks[0], ifm_block, rounded, *sub),
        depthwise,
        part,
    )
    found = WeightStream(bytes(stream))
    row = height * width * inputs
    for first in range(0, outputs, depth):
        count = min(depth, outputs - first)
        block = found.block(order, BlockStruct(count, 0, count), (row, inputs), count * row)
        assert block is not None
        expected = weights[first : first + count].reshape(-1)
        np.testing.assert_array_equal(block, expected, err_msg=f"channel {first}")


def test_part_of_a_block_then_leaves_the_other_channels_out() -> None:
    weights = np.random.default_rng(3).integers(-128, 128, (16, 3, 3, 12))
    stream, _ = mlw_codec.reorder_encode(8, 8, weights.astype(np.int16), 16, 0, 0, 8, 8, 8)
    order = OrderStruct(3, 3, 12, 8, 8, 32, 1, 8, 8, False, False)
    part = WeightStream(bytes(stream)).block(order, BlockStruct(16, 5, 6), (112, 12), 6 * 112)
    assert part is not None
    rows = part.reshape(6, 112)
    np.testing.assert_array_equal(rows[:, :108].reshape(6, 3, 3, 12), weights[5:11])
    assert (rows[:, 108:] == 9999).all()
