"""The int8 matrices of an emitted graph: palettes put into them, and what compression made of them.

Tensor names are the emitter's: node/weight, and node/gate_weight, node/gate_recurrent of an LSTM.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from edgesdk.bundle.plan import NPU_FORM, NPU_OPERATOR
from numpy.typing import NDArray

from edgesdk_converters.compress.feedback import Grid, place
from edgesdk_converters.compress.layers import (
    LSTM_GATES,
    Floats,
    Moments,
    Product,
    weights_of,
)
from edgesdk_converters.compress.options import Compression
from edgesdk_converters.compress.palette import palettised_rows
from edgesdk_converters.compress.pattern import Pattern, zero_blocks
from edgesdk_converters.graph import Graph
from edgesdk_converters.tflite.model import Graph as TfliteGraph
from edgesdk_converters.tflite.model import Tensor

_INT32_MAX = 2**31 - 1
_MATRICES = {  # where operators of TFLite have matrices
    "FULLY_CONNECTED": (1,),
    "CONV_2D": (1,),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": range(1, 9),
}
Found = Sequence[tuple[Product, Moments]]


@dataclass(frozen=True)
class TensorReport:
    """One int8 matrix of a .tflite and how the image holds it: plain until lowering packs it.

    The SQNR is that of its products against the dense float weights; None of given weights.
    """

    name: str
    shape: tuple[int, int]
    zeros: int
    blocks: int
    zero_blocks: int
    distinct: int
    form: str
    bits_before: float
    bits_after: float
    bytes_before: int
    bytes_after: int
    sqnr_db: float | None

    def packed(self, form: str, size: int) -> "TensorReport":
        """As the image holds it, in `size` bytes."""
        bits = 8.0 * size / self.bytes_before
        return replace(self, form=form, bits_after=bits, bytes_after=size)


def with_packing(
    tensors: Sequence[TensorReport], debug: Mapping[str, Any]
) -> tuple[TensorReport, ...]:
    """The reports with what lowering packed, by a graph's part of section `dbug`.

    Of graphs with steps for an NPU it is not known which stream holds which matrix.
    """
    if any(op["op"] == NPU_OPERATOR for op in debug["ops"]):
        return tuple(replace(tensor, form=NPU_FORM) for tensor in tensors)
    packed = {it["tensor"]: it for op in debug["ops"] for it in op["weights"]}
    return tuple(
        tensor.packed(packed[tensor.name]["form"], packed[tensor.name]["bytes"])
        if tensor.name in packed
        else tensor
        for tensor in tensors
    )


@dataclass(frozen=True)
class _Piece:
    """One matrix of a product: its tensors, its rows and columns there."""

    weight: str
    bias: str
    rows: slice
    columns: slice


def _pieces(product: Product) -> Iterator[_Piece]:
    top = 0
    for number, height in enumerate(product.cuts):
        left = 0
        for name, width in zip(product.params, product.widths, strict=True):
            gate = f"{LSTM_GATES[number]}_" if len(product.params) > 1 else ""
            yield _Piece(
                f"{product.node}/{gate}{name}",
                f"{product.node}/{gate}bias",
                slice(top, top + height),
                slice(left, left + width),
            )
            left += width
        top += height


def _data(tensor: Tensor) -> NDArray[np.int8]:
    assert tensor.data is not None
    return np.asarray(tensor.data, np.int8)


def _scale(tensor: Tensor) -> float:
    assert tensor.quantisation is not None
    return float(tensor.quantisation.scale[0])


def palettise(
    integer: TfliteGraph, graph: Graph, found: Found, options: Compression
) -> TfliteGraph:
    """`integer`, emitted from `graph`, with few values per matrix and biases that correct it."""
    if not options.palette:
        return integer
    tensors = {tensor.name: tensor for tensor in integer.tensors}
    for product, moments in found:
        weight, _ = weights_of(graph, product)
        pieces = list(_pieces(product))
        made = _with_palettes(
            weight, [tensors[it.weight] for it in pieces], moments, options, product
        )
        for piece, new in zip(pieces, made, strict=True):
            old = tensors[piece.weight]
            tensors[piece.weight] = replace(old, data=new)
            change = new.astype(np.float64) - _data(old)
            moved = change @ moments.means[piece.columns] * _scale(old)
            tensors[piece.bias] = _shifted(tensors[piece.bias], -moved)
    return replace(integer, tensors=tuple(tensors[tensor.name] for tensor in integer.tensors))


def _with_palettes(
    weight: Floats,
    matrices: Sequence[Tensor],
    moments: Moments,
    options: Compression,
    product: Product,
) -> list[NDArray[np.int8]]:
    """The int8 matrices of a product [rows, columns] with few values each.

    The values are k-means of each matrix, weighted by the power of its inputs; which of them a
    weight takes is chosen for all sides of the product together.
    """
    zeros, sides = weight == 0.0, len(product.widths)
    values = np.zeros((len(weight), sides, options.palette))
    scales = np.zeros((len(weight), sides))
    for number, (piece, tensor) in enumerate(zip(_pieces(product), matrices, strict=True)):
        near = palettised_rows(
            _data(tensor),
            zeros[piece.rows, piece.columns],
            moments.power[piece.columns],
            options.palette,
            options.palette_rows,
        )
        side, step = number % sides, options.palette_rows or len(near)
        scales[piece.rows, side] = _scale(tensor)
        for at in range(0, len(near), step):
            palette = np.unique(near[at : at + step])
            rows = slice(piece.rows.start + at, piece.rows.start + min(at + step, len(near)))
            values[rows, side] = np.pad(palette, (0, options.palette - len(palette)), mode="edge")
    side_of = np.repeat(np.arange(sides), product.widths)
    index = place(weight, zeros, moments.gram, Grid(values * scales[:, :, None], side_of))
    chosen = values[np.arange(len(weight))[:, None], side_of[None, :], index]
    joined = np.where(zeros, 0, chosen).astype(np.int8)
    return [joined[piece.rows, piece.columns] for piece in _pieces(product)]


def _shifted(bias: Tensor, by: Floats) -> Tensor:
    """A bias moved by reals."""
    assert bias.data is not None
    limit = _INT32_MAX if bias.dtype == "int32" else 2 * 2**46
    ticks = bias.data.astype(np.float64) + by / _scale(bias)
    held = np.clip(np.round(ticks), -limit, limit).astype(bias.data.dtype)
    return replace(bias, data=np.asarray(held))


def tensor_reports(
    integer: TfliteGraph, dense: Graph, found: Found, options: Compression
) -> Iterator[TensorReport]:
    """What became of each matrix of `dense`; `found` are its products and what goes in."""
    tensors: Mapping[str, Tensor] = {tensor.name: tensor for tensor in integer.tensors}
    for product, moments in found:
        weight, _ = weights_of(dense, product)
        for piece in _pieces(product):
            tensor = tensors[piece.weight]
            q = _data(tensor)
            wanted = weight[piece.rows, piece.columns]
            gram = moments.gram[piece.columns, piece.columns]
            noise = _product_sqnr(wanted, q * _scale(tensor), gram)
            yield _plain_report(piece.weight, q, options.pattern, noise)


def given_reports(integer: TfliteGraph, pattern: Pattern) -> Iterator[TensorReport]:
    """The int8 matrices [out, in] of a graph that others quantised, which nothing changed."""
    indices = dict.fromkeys(
        operator.inputs[position]
        for operator in integer.operators
        for position in _MATRICES.get(operator.code, ())
    )
    for index in indices:
        tensor = integer.tensors[index]
        if tensor.dtype != "int8" or tensor.data is None:
            continue
        matrix = _data(tensor).reshape(tensor.shape[0], -1)
        yield _plain_report(tensor.name, matrix, pattern, None)


def _plain_report(
    name: str, matrix: NDArray[np.int8], pattern: Pattern, sqnr_db: float | None
) -> TensorReport:
    empty, blocks = zero_blocks(matrix, pattern)
    return TensorReport(
        name=name,
        shape=(matrix.shape[0], matrix.shape[1]),
        zeros=int((matrix == 0).sum()),
        blocks=blocks,
        zero_blocks=empty,
        distinct=len(np.unique(matrix)),
        form="plain",
        bits_before=8.0,
        bits_after=8.0,
        bytes_before=matrix.size,
        bytes_after=matrix.size,
        sqnr_db=sqnr_db,
    )


def _product_sqnr(wanted: Floats, made: Floats, gram: Floats) -> float:
    """Signal to noise in dB of X @ made.T against X @ wanted.T, where gram is X.T @ X."""
    lost = made - wanted
    signal = float(np.sum((wanted @ gram) * wanted))
    noise = float(np.sum((lost @ gram) * lost))
    if noise <= 0.0:
        return float("inf")
    return float(10.0 * np.log10(max(signal, 1e-30) / noise))
