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


def sizes(count: int) -> Iterator[tuple[int, int]]:
    """Depths and rows: every number from 1 to 80 as either."""
    for case in range(count):
        yield case % 80 + 1, (case * 37 + 11) % 80 + 1


def forms(data: bytes, packing: Packing) -> list[tuple[str, int]]:
    """Form and bits of every matrix of a graph."""
    ops = lower_graph(data, packing=packing).debug["ops"]
    return [(w["form"], w["bits"]) for op in ops for w in op["weights"]]
