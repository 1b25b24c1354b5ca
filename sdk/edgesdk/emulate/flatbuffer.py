"""What the interpreter does not tell about a .tflite file, read from the flatbuffer itself.

The slots are those of tensorflow/lite/schema/schema.fbs; the first subgraph is meant throughout.
"""

import struct
from collections.abc import Callable, Sequence
from typing import TypeVar

from edgesdk.errors import BundleError

_IDENTIFIER = b"TFL3"
_MODEL_OPERATOR_CODES = 1
_MODEL_SUBGRAPHS = 2
_OPERATOR_CODE_CUSTOM = 1
_SUBGRAPH_TENSORS = 0
_SUBGRAPH_OUTPUTS = 2
_SUBGRAPH_OPERATORS = 3
_TENSOR_TYPE = 1
_TENSOR_IS_VARIABLE = 5
_RESOURCE = 13
_OPERATOR_OUTPUTS = 2

_T = TypeVar("_T")


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


def _vector(data: bytes, table: int, slot: int) -> tuple[int, int]:
    """Where the elements of a vector field of 4-byte elements lie, and how many there are."""
    at = _field(data, table, slot)
    if at is None:
        return 0, 0
    start = at + _u32(data, at)
    count = _u32(data, start)
    if start + 4 + 4 * count > len(data):
        raise struct.error("a vector reaches behind the file")
    return start + 4, count


def _tables(data: bytes, table: int, slot: int) -> list[int]:
    """Where the tables of a vector field lie."""
    start, count = _vector(data, table, slot)
    places = range(start, start + 4 * count, 4)
    return [place + _u32(data, place) for place in places]


def _string(data: bytes, at: int) -> str:
    start = at + _u32(data, at)
    return data[start + 4 : start + 4 + _u32(data, start)].decode("utf-8", "replace")


def _subgraph(data: bytes) -> int:
    return _tables(data, _u32(data, 0), _MODEL_SUBGRAPHS)[0]


def _reading(model: bytes, source: str, read: Callable[[], _T]) -> _T:
    if model[4:8] != _IDENTIFIER:
        raise BundleError(f"{source}: not a .tflite file (no TFL3 mark); convert the model again")
    try:
        return read()
    except (struct.error, IndexError) as error:
        raise BundleError(
            f"{source}: a damaged .tflite file, or cut short; copy it or convert the model again"
        ) from error


def variable_tensors(model: bytes, source: str) -> tuple[int, ...]:
    """Indices of the variable tensors: states that an interpreter keeps itself.

    Raises:
        BundleError: `model` is no .tflite file; `source` names it.
    """

    def read() -> tuple[int, ...]:
        tensors = _tables(model, _subgraph(model), _SUBGRAPH_TENSORS)
        marks = [_field(model, tensor, _TENSOR_IS_VARIABLE) for tensor in tensors]
        return tuple(i for i, mark in enumerate(marks) if mark is not None and model[mark])

    return _reading(model, source, read)


def has_resources(model: bytes, source: str) -> bool:
    """Whether the graph keeps resource variables, which an interpreter neither shows nor resets.

    Raises:
        BundleError: `model` is no .tflite file; `source` names it.
    """

    def read() -> bool:
        tensors = _tables(model, _subgraph(model), _SUBGRAPH_TENSORS)
        marks = [_field(model, tensor, _TENSOR_TYPE) for tensor in tensors]
        return any(mark is not None and model[mark] == _RESOURCE for mark in marks)

    return _reading(model, source, read)


def custom_operators(model: bytes, source: str) -> tuple[str, ...]:
    """Names of the custom operators that the file's graphs may use.

    Raises:
        BundleError: `model` is no .tflite file; `source` names it.
    """

    def read() -> tuple[str, ...]:
        codes = _tables(model, _u32(model, 0), _MODEL_OPERATOR_CODES)
        fields = [_field(model, code, _OPERATOR_CODE_CUSTOM) for code in codes]
        return tuple(_string(model, field) for field in fields if field is not None)

    return _reading(model, source, read)


def operator_outputs(model: bytes, source: str) -> tuple[int, ...]:
    """Indices of the tensors that operators write, in the order of the operators."""

    def read() -> tuple[int, ...]:
        found: list[int] = []
        for operator in _tables(model, _subgraph(model), _SUBGRAPH_OPERATORS):
            start, count = _vector(model, operator, _OPERATOR_OUTPUTS)
            found += struct.unpack_from(f"<{count}i", model, start)
        return tuple(dict.fromkeys(i for i in found if i >= 0))

    return _reading(model, source, read)


def with_outputs(model: bytes, outputs: Sequence[int], source: str) -> bytes:
    """The file with `outputs` as the graph's outputs: a new vector at its end."""

    def read() -> bytes:
        field = _field(model, _subgraph(model), _SUBGRAPH_OUTPUTS)
        if field is None:
            raise IndexError("the graph has no outputs")
        changed = bytearray(model) + bytes(-len(model) % 4)
        struct.pack_into("<I", changed, field, len(changed) - field)
        return bytes(changed) + struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs)

    return _reading(model, source, read)
