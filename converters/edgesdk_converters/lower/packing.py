"""Packed int8 matrices for one class of cores (docs/image.md, "Packed matrices").

A matrix is cut into tiles of the shape that a core takes in one pass. Zero tiles and small sets of
distinct values are found in the weights themselves, so that any int8 graph is packed alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from edgesdk.bundle.layout import align
from edgesdk.errors import ConvertError
from numpy.typing import NDArray

CORES = ("ref", "dsp", "mve")
PREFERENCES = ("fast", "small", "dense")
CONV_GROUP = 4  # pixels that share a pass over dense weights (EDGE_CONV_GROUP)
_MAX_PALETTE = 32
_PAIR_ORDER = (0, 2, 1, 3)  # SXTB16 takes bytes 0 and 2, then 1 and 3
_PLAIN_COST = 5.0  # instructions per weight of the plain kernels


@dataclass(frozen=True)
class Shape:
    """A tile and what it costs a core, in instructions, as the bench counts them."""

    code: int  # `variant` of the records
    rows: int
    columns: int
    cost: tuple[float, ...]  # of a dense tile by bits per index; the first is of int8 weights
    index_cost: float  # more where tiles are scattered
    shared_cost: float  # of a dense int8 tile where four vectors share a pass


_SHAPES = {
    "dsp": Shape(1, 4, 4, (20.0, 42.0, 38.0, 66.0, 43.0, 70.0), 3.0, 13.5),
    "mve": Shape(2, 8, 16, (19.0, 54.0, 54.0, 98.0, 37.0, 98.0), 3.0, 15.0),
}


@dataclass(frozen=True)
class Packing:
    """For which core, and what to prefer: "fast", "small", or "dense" (never sparse or palette)."""

    core: str = "ref"
    prefer: str = "fast"

    def __post_init__(self) -> None:
        for value, known in ((self.core, CORES), (self.prefer, PREFERENCES)):
            if value not in known:
                raise ConvertError(
                    f"packing: {value!r} is none of {', '.join(known)}; correct the recipe"
                )

    @property
    def shape(self) -> Shape | None:
        """The core's tile; None where matrices stay plain."""
        return _SHAPES.get(self.core)


@dataclass(frozen=True)
class Packed:
    """A packed matrix and what packing found."""

    data: bytes
    form: str  # "dense", "sparse", "palette", "sparse palette"
    bits: int  # per palette index, 0 for int8 weights
    tiles: int
    stored: int
    cost: float  # estimated instructions of a product


def core_of(isa: tuple[str, ...]) -> str:
    """The class of a board's core, from its instruction set extensions."""
    return next((core for core in ("mve", "dsp") if core in isa), "ref")


def pack(weights: NDArray[np.int8], packing: Packing, vectors: int = 1) -> Packed | None:
    """`weights` [rows, depth] in the form that `packing` prefers; None where plain is better.

    `vectors` is how many products a run takes: the pixels of a convolution.
    """
    shape = packing.shape
    if shape is None:
        return None
    if vectors >= CONV_GROUP:
        shape = replace(shape, cost=(shape.shared_cost, *shape.cost[1:]))
    forms = list(_forms(weights, shape, packing.prefer != "dense"))
    if packing.prefer == "small":
        best = min(forms, key=lambda form: (len(form.data), form.cost))
    else:
        best = min(forms, key=lambda form: (form.cost, len(form.data)))
    return best if best.cost < _PLAIN_COST * weights.size else None


def padded_rows(bias: NDArray[np.int32], packing: Packing) -> NDArray[np.int32]:
    """A bias with zeros up to whole panels."""
    shape = packing.shape
    assert shape is not None
    return np.pad(bias, (0, -len(bias) % shape.rows))


def scratch_bytes(packing: Packing, depth: int) -> int:
    """Arena bytes for a core's copy of its input (edge_matrix_scratch)."""
    if packing.core == "dsp":
        return align(2 * (depth + -depth % 4))
    return align(depth) if depth % 16 else 0


def window_bytes(packing: Packing, depth: int, pixels: int) -> int:
    """Arena bytes for the windows of a convolution (edge_conv_scratch)."""
    group = CONV_GROUP if pixels >= CONV_GROUP else 1
    if packing.core == "dsp":
        return align(2 * group * (depth + -depth % 4)) + align(depth) + 16
    return group * align(depth) + 16


def _tiles(weights: NDArray[np.int8], shape: Shape) -> NDArray[np.int8]:
    """[panels, chunks, rows, columns], padded with zeros."""
    rows, depth = weights.shape
    full = np.pad(weights, ((0, -rows % shape.rows), (0, -depth % shape.columns)))
    cut = full.reshape(-1, shape.rows, full.shape[1] // shape.columns, shape.columns)
    return np.ascontiguousarray(cut.transpose(0, 2, 1, 3))


def _forms(weights: NDArray[np.int8], shape: Shape, compressed: bool) -> Iterator[Packed]:
    tiles = _tiles(weights, shape)
    panels, chunks = tiles.shape[:2]
    flat = tiles.reshape(panels * chunks, shape.rows, shape.columns)
    kept = np.asarray(tiles.any(axis=(2, 3)))
    for sparse in (False, True) if compressed and not kept.all() else (False,):
        stored = flat[kept.reshape(-1)] if sparse else flat
        values = np.unique(stored) if len(stored) else np.zeros(1, np.int8)
        choices = [0]
        if compressed and len(values) <= _MAX_PALETTE:
            choices.append(max(1, (len(values) - 1).bit_length()))
        for bits in choices:
            head = np.array([shape.code, bits, sparse, 0], np.uint8).tobytes()
            head += np.array([*weights.shape, len(stored)], "<u4").tobytes()
            parts = [head, _palette(values, bits, shape), _index(kept) if sparse else b""]
            parts.append(_indexed(stored, values, bits) if bits else _bytes(stored, shape))
            cost = len(stored) * (shape.cost[bits] + shape.index_cost * sparse) + 20.0 * panels
            name = " ".join(w for w, on in (("sparse", sparse), ("palette", bits)) if on)
            yield Packed(b"".join(parts), name or "dense", bits, len(flat), len(stored), cost)


def _padded(data: bytes) -> bytes:
    return data.ljust(align(len(data)), b"\0")


def _index(kept: NDArray[np.bool_]) -> bytes:
    """Where each panel's tiles start, then the column of every tile, in tiles."""
    starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype("<u4")
    columns = np.nonzero(kept)[1].astype("<u2")
    return _padded(starts.tobytes()) + _padded(columns.tobytes())


def _bytes(stored: NDArray[np.int8], shape: Shape) -> bytes:
    ordered = stored[:, :, list(_PAIR_ORDER)] if shape.columns == 4 else stored
    return np.ascontiguousarray(ordered).tobytes()


def _widths(bits: int) -> list[int]:
    """Pieces of an index: 3 bits are stored as 2 + 1, 5 as 4 + 1."""
    return [width for width in (4, 2, 1) if bits & width]


def _palette(values: NDArray[np.int8], bits: int, shape: Shape) -> bytes:
    """int8 by index; for 4x4 tiles int16 pairs by pair of indices, as they stand in a tile."""
    if not bits:
        return b""
    table = np.zeros(1 << bits, np.int16)
    table[: len(values)] = values
    if shape.columns != 4:
        return _padded(table.astype(np.int8).tobytes())
    low = _widths(bits)[0]
    mask = (1 << low) - 1
    first, second = (i.reshape(-1) for i in np.meshgrid(*[np.arange(1 << bits)] * 2, indexing="ij"))
    at = (first & mask) | (second & mask) << low
    at |= (first >> low) << 2 * low | (second >> low) << 2 * low + 1
    pairs = np.zeros((1 << 2 * bits, 2), "<i2")
    pairs[at, 0], pairs[at, 1] = table[first], table[second]
    return _padded(pairs.tobytes())


def _indexed(stored: NDArray[np.int8], values: NDArray[np.int8], bits: int) -> bytes:
    """Palette indices of whole tiles, piece by piece."""
    count, rows, columns = stored.shape
    index = np.searchsorted(values, stored).astype(np.uint8)
    pieces = []
    for width in _widths(bits):
        part = (index & ((1 << width) - 1)).reshape(count, rows * columns)
        index >>= width
        lanes = 8 // width
        if columns == 4:  # neighbours share a byte
            grouped = part.reshape(count, rows * columns // lanes, lanes)
        else:  # rows share a byte
            grouped = part.reshape(count, rows // lanes, lanes, columns).swapaxes(2, 3)
        shifted = grouped << (np.arange(lanes, dtype=np.uint8) * np.uint8(width))
        size = rows * columns // lanes
        pieces.append(np.bitwise_or.reduce(shifted, axis=-1).reshape(count, size))
    joined: NDArray[np.uint8] = np.concatenate(pieces, axis=1)
    return joined.tobytes()
