"""Graphs whose weights have zero tiles, few distinct values, or both; and what packing made of
them."""

from collections.abc import Iterator

import numpy as np
from edgesdk_converters.lower import lower_graph
from edgesdk_converters.lower.packing import Packing
from numpy.typing import NDArray
from single_op import Net
from test_lower_lstm import draw, layer

TILES = {"dsp": (4, 4), "mve": (8, 16)}
KINDS = ("dense", "sparse", "palette", "sparse palette")
KEPT = 0.3  # of the tiles, where some are zero


def shaped(
    rng: np.random.Generator, shape: tuple[int, int], kind: str, core: str
) -> NDArray[np.int8]:
    """Random weights [rows, depth] of a kind."""
    values = np.arange(-128, 128)
    if "palette" in kind:
        values = rng.choice(values, int(rng.integers(2, 33)), replace=False)
        values[0] = 0
    weights = rng.choice(values, shape).astype(np.int8)
    if "sparse" in kind:
        height, width = TILES[core]
        tiles = rng.random((-(-shape[0] // height), -(-shape[1] // width))) < KEPT
        mask = np.repeat(np.repeat(tiles, height, 0), width, 1)[: shape[0], : shape[1]]
        weights *= mask
    return weights


def fully_connected(
    rng: np.random.Generator, weights: NDArray[np.int8], batches: int, per_row: bool = False
) -> bytes:
    """Scales follow the spread of the sums, so that outputs rarely saturate."""
    net = Net()
    rows, depth = weights.shape
    x = net.input((batches, depth), "int8", 0.05, int(rng.integers(-60, 60)))
    bias = rng.integers(-2000, 2000, rows).astype(np.int32)
    unit = np.float32(0.01)
    if per_row:
        scales = rng.uniform(0.005, 0.01, rows).astype(np.float32)
        w = net.channels(weights, scales, 0)
        b = net.channels(bias, scales * np.float32(0.05), 0)
    else:
        w = net.constant(weights, float(unit))
        b = net.constant(bias, float(unit * np.float32(0.05)))
    spread = max(1.0, float(weights.astype(float).std())) * depth**0.5 * 75
    scale = float(np.float32(0.05 * 0.01 * spread / 40))
    y = net.tensor("y", (batches, rows), "int8", scale, int(rng.integers(-40, 40)))
    net.op("FULLY_CONNECTED", [x, w, b], [y], "FullyConnectedOptions", 4)
    return net.file(y)


def lstm(rng: np.random.Generator, inputs: int, cells: int, kind: str, core: str) -> bytes:
    """One layer, two steps."""
    w = draw(rng, inputs, cells)
    for matrix in (*w.input, *w.recurrent):
        matrix[:] = shaped(rng, matrix.shape, kind, core)
    return layer(w, 2)


def _extent(size: int, kernel: int, dilation: int, stride: int, same: bool) -> int:
    return -(-size // stride) if same else (size - (kernel - 1) * dilation - 1) // stride + 1


def convolution(rng: np.random.Generator, case: int, sizes: tuple[int, int], core: str) -> bytes:
    """Input and output channels as given; windows, images, scales and forms vary with the case.

    Among them are windows of one pixel, images of one row, groups, channels of zeros whose bias is
    near 2^30, and factors too large for the fast path.
    """
    channels, rows = sizes
    kernel = (1, 1) if case % 3 == 0 else tuple(int(k) for k in rng.integers(1, 6, 2))
    stride = (1, 1) if case % 6 == 0 else tuple(int(k) for k in rng.integers(1, 4, 2))
    dilation = (2, 3) if case % 5 == 0 else (1, 1)
    if case % 7 == 0:  # one dimension
        kernel, dilation = (1, kernel[1]), (1, dilation[1])
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [max(int(rng.integers(1, 9)), r) for r in reach]
    if case % 7 == 0:
        size[0] = 1
    same = case % 2 == 0
    out = [_extent(*axis, same) for axis in zip(size, kernel, dilation, stride, strict=True)]
    groups = 2 if case % 11 == 0 and channels % 2 == rows % 2 == 0 else 1
    depth = kernel[0] * kernel[1] * (channels // groups)
    weights = shaped(rng, (rows, depth), KINDS[case % 4], core)
    bias = rng.integers(-2000, 2000, rows).astype(np.int32)
    spread = max(1.0, float(weights.astype(float).std())) * depth**0.5 * 75
    scales = (rng.uniform(0.005, 0.01, rows) if case % 2 else np.full(rows, 0.01)).astype(
        np.float32
    )
    scale = float(np.float32(0.05 * 0.01 * spread / 40))
    if case % 13 == 0:
        scale = float(np.float32(0.05 * 0.01 * rng.choice([0.7, 1.5, 3.0, 5.0])))
    if case % 4 == 1:  # dead channels
        weights[::3] = 0
        scales[::3] = np.float32(1e-9)
        bias[::3] = (1 << 30) - 77
    net = Net()
    x = net.input((1, *size, channels), "int8", 0.05, int(rng.integers(-60, 60)))
    shape = (rows, *kernel, channels // groups)
    w = net.channels(weights.reshape(shape), scales, 0)
    b = net.channels(bias, scales * np.float32(0.05), 0)
    y = net.tensor("y", (1, *out, rows), "int8", scale, int(rng.integers(-40, 40)))
    net.op(
        "CONV_2D", [x, w, b], [y], "Conv2DOptions", 3,
        padding=0 if same else 1, stride_h=stride[0], stride_w=stride[1],
        dilation_h_factor=dilation[0], dilation_w_factor=dilation[1],
        fused_activation_function=case % 5 if case % 5 in (1, 3) else 0,
    )  # fmt: skip
    return net.file(y)


def sizes(count: int) -> Iterator[tuple[int, int]]:
    """Depths and rows: every number from 1 to 80 as either."""
    for case in range(count):
        yield case % 80 + 1, (case * 37 + 11) % 80 + 1


def forms(data: bytes, packing: Packing) -> list[tuple[str, int]]:
    """Form and bits of every matrix of a graph."""
    ops = lower_graph(data, packing=packing).debug["ops"]
    return [(w["form"], w["bits"]) for op in ops for w in op["weights"]]
