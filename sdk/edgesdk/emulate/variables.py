"""Finds the variable tensors of a .tflite file: the states that an interpreter keeps itself.

The interpreter does not tell them apart, so the flatbuffer is read; the slots are those of
tensorflow/lite/schema/schema.fbs (Model.subgraphs, SubGraph.tensors, Tensor.is_variable).
"""

import struct

from edgesdk.errors import BundleError

_IDENTIFIER = b"TFL3"
_MODEL_SUBGRAPHS = 2
_SUBGRAPH_TENSORS = 0
_TENSOR_IS_VARIABLE = 5


def _u32(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _field(data: bytes, table: int, slot: int) -> int | None:
    """Where a table's field lies, or None where it has its default."""
    vtable = table - int(struct.unpack_from("<i", data, table)[0])
    entry = 4 + 2 * slot
    if vtable < 0 or entry + 2 > struct.unpack_from("<H", data, vtable)[0]:
        return None
    offset = int(struct.unpack_from("<H", data, vtable + entry)[0])
    return table + offset if offset else None


def _tables(data: bytes, table: int, slot: int) -> list[int]:
    """Where the tables of a vector field lie."""
    at = _field(data, table, slot)
    if at is None:
        return []
    start = at + _u32(data, at)
    count = _u32(data, start)
    if count > len(data) // 4:
        raise struct.error("more tables than bytes")
    places = range(start + 4, start + 4 + 4 * count, 4)
    return [place + _u32(data, place) for place in places]


def variable_tensors(model: bytes, source: str) -> tuple[int, ...]:
    """Indices of the variable tensors of the first subgraph.

    Raises:
        BundleError: `model` is no .tflite file; `source` names it.
    """
    if model[4:8] != _IDENTIFIER:
        raise BundleError(f"{source}: not a .tflite file (no TFL3 mark); convert the model again")
    try:
        subgraphs = _tables(model, _u32(model, 0), _MODEL_SUBGRAPHS)
        tensors = _tables(model, subgraphs[0], _SUBGRAPH_TENSORS)
        marks = [_field(model, tensor, _TENSOR_IS_VARIABLE) for tensor in tensors]
        return tuple(i for i, mark in enumerate(marks) if mark is not None and model[mark])
    except (struct.error, IndexError) as error:
        raise BundleError(f"{source}: damaged .tflite file ({error})") from error
