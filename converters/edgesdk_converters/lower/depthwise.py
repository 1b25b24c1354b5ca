"""Packed depthwise convolutions (docs/image.md, "Packed depthwise convolutions").

Channels are cut into blocks of as many lanes as a core takes in a pass; a block holds all that its
outputs need.
"""

import numpy as np
from edgesdk.bundle.layout import align
from numpy.typing import NDArray

from edgesdk_converters.lower.packing import Packed, Packing

_LANES = {"dsp": 4, "mve": 16}
_STRIP_BYTES = 8192  # EDGE_STRIP_BYTES
_SHIFTS = (-22, -1)  # EDGE_DEPTHWISE_LEAST_SHIFT
_MOST_SUM = 1 << 30
_MOST_COLUMNS = 1 << 20


def pack_depthwise(
    weights: NDArray[np.int8],
    bias: NDArray[np.int32],
    scales: NDArray[np.int32],
    zero_point: int,
    packing: Packing,
) -> Packed | None:
    """Blocks for the core; None where it has no such kernel or its sums could overflow.

    `weights` are [1, height, width, channels], `bias` has the input's zero point folded in,
    `scales` are {multiplier, shift} of each channel, `zero_point` is the output's.
    """
    lanes = _LANES.get(packing.core)
    taps = weights.reshape(-1, weights.shape[-1])
    if lanes is None or not _fits(taps, bias, scales, packing.core):
        return None
    count = -(-taps.shape[1] // lanes)
    group = _group(packing, taps.shape[1])
    taps, bias, scales = np.tile(taps, group), np.tile(bias, group), np.tile(scales, (group, 1))
    missing = count * lanes - taps.shape[1]
    order = _lane_order(lanes)
    cut = np.pad(taps, ((0, 0), (0, missing))).reshape(-1, count, lanes)
    rows = [
        np.pad(bias, (0, missing)),
        np.pad(scales[:, 0], (0, missing)),
        np.pad(scales[:, 1], (0, missing), constant_values=-1),
    ]
    sums, multiplier, shift = (row.reshape(count, lanes)[:, order].astype("<i4") for row in rows)
    blocks = []
    for b in range(count):
        if packing.core == "mve":
            parts = [sums[b], multiplier[b], shift[b], cut[:, b]]
        else:
            rounding = (1 << (-shift[b] - 1)) + zero_point * (1 << -shift[b])
            twice = 2 * cut[:, b, order].astype("<i2")
            parts = [2 * sums[b], multiplier[b], rounding.astype("<i4"), -shift[b], twice]
        blocks.append(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))
    return Packed(b"".join(blocks), "depthwise", 0, count, count, 0.0)


def _group(packing: Packing, channels: int) -> int:
    """Neighbouring outputs that share a block of lanes."""
    return 16 // channels if packing.core == "mve" and channels <= 8 else 1


def _lane_order(lanes: int) -> NDArray[np.int64]:
    """Channels of a block in the order in which their parameters stand (edge_lane_at)."""
    return np.arange(lanes).reshape(-1, 4)[:, [0, 2, 1, 3]].T.reshape(-1)


def _fits(
    taps: NDArray[np.int8], bias: NDArray[np.int32], scales: NDArray[np.int32], core: str
) -> bool:
    """Whether the fast kernels' sums and roundings are exact."""
    limit = _MOST_SUM - taps.shape[0] * 128 * 128
    if np.abs(bias.astype(np.int64)).max() >= limit:
        return False
    if scales[:, 1].min() < _SHIFTS[0] or scales[:, 1].max() > _SHIFTS[1]:
        return False
    low = taps == -128
    return core != "mve" or not bool((low[1:] & low[:-1]).any())


def strip_bytes(
    packing: Packing, window: dict[str, int], dilation: tuple[int, int], channels: int
) -> int | None:
    """Arena bytes for a strip of the padded image (edge_strips_of); None where it is too wide."""
    group = _group(packing, channels)
    start = (window["out_w"] - 1) // group * group * window["stride_w"]
    columns = start + (window["kernel_w"] - 1) * dilation[1] + 1
    reach = (window["kernel_h"] - 1) * dilation[0] + 1
    if columns + group * window["stride_w"] > _MOST_COLUMNS:
        return None
    pitch = columns * (16 if packing.core == "mve" else 8)
    rows = (window["out_h"] - 1) * window["stride_h"] + reach
    return align(max(reach, min(rows, _STRIP_BYTES // pitch)) * pitch)
