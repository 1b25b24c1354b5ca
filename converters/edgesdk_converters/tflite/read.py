"""Read a .tflite file into values, refusing what is malformed in one line."""

import re
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tflite
from edgesdk.errors import ConvertError
from numpy.typing import NDArray

from edgesdk_converters.tflite.model import (
    DTYPES,
    Graph,
    Model,
    Operator,
    OptionValue,
    Quantisation,
    Tensor,
)

_MAX_BYTES = 1 << 31
_PLAN = "OfflineMemoryAllocation"
_PLAN_WORDS = 3  # version, number of subgraphs, number of tensors in all of them
# What flatbuffers raises on offsets and lengths that leave the file.
_MALFORMED = (
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    OverflowError,
    AttributeError,
    MemoryError,
)


def _names(enum: Any) -> dict[int, str]:
    """Number -> name of a schema enumeration."""
    return {v: k for k, v in vars(enum).items() if not k.startswith("_") and isinstance(v, int)}


_BUILTINS = _names(tflite.BuiltinOperator)
_TENSOR_TYPES = _names(tflite.TensorType)
_OPTION_TYPES = _names(tflite.BuiltinOptions)


def read_tflite(data: bytes, source: str = "model.tflite") -> Model:
    """The model in `data`; `source` names it in errors.

    Raises:
        ConvertError: not a .tflite file, or truncated or damaged.
    """
    if len(data) < 16 or data[4:8] != b"TFL3":
        raise ConvertError(
            f"{source}: not a .tflite file (no TFL3 mark at byte 4); give a TensorFlow Lite model"
        )
    if len(data) >= _MAX_BYTES:
        raise ConvertError(f"{source}: {len(data)} bytes is too large for a .tflite file")
    try:
        return _Reader(data).model()
    except ConvertError as err:
        raise ConvertError(f"{source}: {err}; the file is damaged, export it again") from None
    except _MALFORMED as err:
        raise ConvertError(
            f"{source}: truncated or damaged ({type(err).__name__} while reading its tables); "
            "export or copy it again"
        ) from None


class _Reader:
    """One pass over the file's tables."""

    def __init__(self, data: bytes) -> None:
        self.bytes = data
        self.root = tflite.Model.GetRootAs(data, 0)

    def model(self) -> Model:
        version = self.root.Version()
        if version != 3:
            raise ConvertError(f"schema version {version} instead of 3")
        codes = [
            self._code(self.root.OperatorCodes(i))
            for i in range(self._count(self.root.OperatorCodesLength(), "operator codes"))
        ]
        graphs = tuple(
            self._graph(self.root.Subgraphs(i), codes)
            for i in range(self._count(self.root.SubgraphsLength(), "subgraphs"))
        )
        if not graphs:
            raise ConvertError("no subgraph")
        return Model(self._placed(graphs), _text(self.root.Description()), version)

    def _placed(self, graphs: tuple[Graph, ...]) -> tuple[Graph, ...]:
        """The graphs with the places of their tensors, where metadata has a memory plan."""
        count = self._count(self.root.MetadataLength(), "metadata")
        entries = [self.root.Metadata(i) for i in range(count)]
        plans = [entry.Buffer() for entry in entries if _text(entry.Name()) == _PLAN]
        if not plans:
            return graphs
        if not 0 <= plans[0] < self.root.BuffersLength():
            raise ConvertError(f"{_PLAN} names buffer {plans[0]} of {self.root.BuffersLength()}")
        data = np.asarray(_vector(self.root.Buffers(plans[0]).DataAsNumpy()), np.uint8).tobytes()
        places = np.frombuffer(data, "<i4")[_PLAN_WORDS:].tolist()
        tensors = sum(len(graph.tensors) for graph in graphs)
        if len(places) != tensors or data[:4] != bytes(4) or min(places, default=0) < -1:
            raise ConvertError(f"{_PLAN} does not fit the file's {tensors} tensors")
        placed = []
        for graph in graphs:
            own, places = places[: len(graph.tensors)], places[len(graph.tensors) :]
            placed.append(replace(graph, places=tuple(own)))
        return tuple(placed)

    def _count(self, length: int, what: str) -> int:
        if length > len(self.bytes) // 4:
            raise ConvertError(f"{length} {what} in {len(self.bytes)} bytes")
        return length

    def _code(self, entry: Any) -> tuple[str, int]:
        number = max(entry.BuiltinCode(), entry.DeprecatedBuiltinCode())
        if number not in _BUILTINS:
            raise ConvertError(f"unknown builtin operator {number}")
        name = _BUILTINS[number]
        if name == "CUSTOM":
            name = f"CUSTOM:{_text(entry.CustomCode())}"
        return name, entry.Version()

    def _graph(self, entry: Any, codes: list[tuple[str, int]]) -> Graph:
        tensors = tuple(
            self._tensor(entry.Tensors(i), i)
            for i in range(self._count(entry.TensorsLength(), "tensors"))
        )
        count = len(tensors)
        operators = tuple(
            self._operator(entry.Operators(i), i, codes, count)
            for i in range(self._count(entry.OperatorsLength(), "operators"))
        )
        inputs = _indices(entry.InputsAsNumpy(), count, "graph inputs")
        outputs = _indices(entry.OutputsAsNumpy(), count, "graph outputs")
        return Graph(_text(entry.Name()), tensors, operators, inputs, outputs)

    def _tensor(self, entry: Any, index: int) -> Tensor:
        where = f"tensor {index}"
        if entry.Type() not in _TENSOR_TYPES:
            raise ConvertError(f"{where} has unknown type {entry.Type()}")
        dtype = DTYPES.get(entry.Type(), _TENSOR_TYPES[entry.Type()].lower())
        item_bytes = np.dtype(dtype).itemsize if entry.Type() in DTYPES else 1
        shape = tuple(int(d) for d in _vector(entry.ShapeAsNumpy()))
        elements = 1
        for dim in shape:
            elements *= dim
            if dim < 0 or elements * item_bytes >= _MAX_BYTES:
                raise ConvertError(f"{where} has shape {shape}")
        if entry.Sparsity() is not None:
            raise ConvertError(f"{where} is stored sparse, which edgesdk does not read")
        data = None
        if entry.Type() in DTYPES:
            data = self._constant(entry.Buffer(), np.dtype(dtype), shape, where)
        quantisation = _quantisation(entry.Quantization(), shape, where)
        name = _text(entry.Name())
        return Tensor(name, dtype, shape, quantisation, data, bool(entry.IsVariable()))

    def _constant(
        self, buffer: int, dtype: np.dtype[Any], shape: tuple[int, ...], where: str
    ) -> NDArray[np.generic] | None:
        if not 0 <= buffer < self.root.BuffersLength():
            raise ConvertError(f"{where} names buffer {buffer} of {self.root.BuffersLength()}")
        entry = self.root.Buffers(buffer)
        if entry.Offset() > 1:
            raise ConvertError(f"{where} keeps its data outside the file's tables")
        raw = np.asarray(_vector(entry.DataAsNumpy()), np.uint8)
        if raw.size == 0:
            return None
        expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if raw.size != expected:
            raise ConvertError(f"{where} has {raw.size} bytes of data where {expected} belong")
        array = raw.tobytes()
        return np.frombuffer(array, dtype).reshape(shape)

    def _operator(
        self, entry: Any, index: int, codes: list[tuple[str, int]], tensors: int
    ) -> Operator:
        where = f"operator {index}"
        opcode = entry.OpcodeIndex()
        if not 0 <= opcode < len(codes):
            raise ConvertError(f"{where} has code {opcode} of {len(codes)}")
        code, version = codes[opcode]
        options_type, options = self._options(entry, where)
        return Operator(
            code=code,
            version=version,
            inputs=_indices(entry.InputsAsNumpy(), tensors, f"{where} inputs", omitted=True),
            outputs=_indices(entry.OutputsAsNumpy(), tensors, f"{where} outputs"),
            intermediates=_indices(entry.IntermediatesAsNumpy(), tensors, f"{where} intermediates"),
            options_type=options_type,
            options=options,
        )

    def _options(self, entry: Any, where: str) -> tuple[str, dict[str, OptionValue]]:
        number = entry.BuiltinOptionsType()
        if number not in _OPTION_TYPES:
            raise ConvertError(f"{where} has unknown options {number}")
        name = _OPTION_TYPES[number]
        table = entry.BuiltinOptions()
        if name == "NONE" or table is None:
            return "NONE", {}
        options = getattr(tflite, name)()
        options.Init(table.Bytes, table.Pos)
        return name, {
            option_key(field): _option(options, field, kind) for field, kind in option_fields(name)
        }


def option_fields(options_type: str) -> list[tuple[str, str]]:
    """Fields of a builtin options table in schema order: [(CamelCase name, scalar | vector)]."""
    methods = [
        name
        for name, value in vars(getattr(tflite, options_type)).items()
        if callable(value) and not name.startswith("_") and name != "Init"
    ]
    vectors = {name[: -len("AsNumpy")] for name in methods if name.endswith("AsNumpy")}
    derived = {v + suffix for v in vectors for suffix in ("AsNumpy", "Length", "IsNone")}
    return [
        (name, "vector" if name in vectors else "scalar") for name in methods if name not in derived
    ]


def _option(options: Any, field: str, kind: str) -> OptionValue:
    if kind == "vector":
        return [v.item() for v in np.asarray(_vector(getattr(options, f"{field}AsNumpy")()))]
    value = getattr(options, field)()
    if value is None or isinstance(value, bytes):
        return _text(value)
    if isinstance(value, bool | int | float):
        return value
    raise ConvertError(f"option {field} has no plain value")


def option_key(name: str) -> str:
    """Key of a schema field in `Operator.options`: FusedActivation -> fused_activation."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw.decode("utf-8")


def _vector(value: Any) -> Any:
    """A flatbuffers vector; the schema code gives 0 for an absent one."""
    return [] if isinstance(value, int) else value


def _indices(value: Any, count: int, where: str, omitted: bool = False) -> tuple[int, ...]:
    result = tuple(int(i) for i in _vector(value))
    lowest = -1 if omitted else 0
    for index in result:
        if not lowest <= index < count:
            raise ConvertError(f"{where} name tensor {index} of {count}")
    return result


def _quantisation(entry: Any, shape: Sequence[int], where: str) -> Quantisation | None:
    if entry is None or entry.ScaleLength() == 0:
        return None
    scale = np.array(_vector(entry.ScaleAsNumpy()), np.float32)
    zero_point = np.array(_vector(entry.ZeroPointAsNumpy()), np.int64)
    axis = entry.QuantizedDimension()
    if zero_point.size == 0:
        zero_point = np.zeros(scale.size, np.int64)
    if zero_point.size == 1:
        zero_point = np.repeat(zero_point, scale.size)
    fits = scale.size == 1 or (0 <= axis < len(shape) and scale.size == shape[axis])
    if zero_point.size != scale.size or not fits:
        raise ConvertError(f"{where} has {scale.size} scales and {zero_point.size} zero points")
    if not np.all(np.isfinite(scale)) or np.any(scale < 0):
        raise ConvertError(f"{where} has a scale that is no positive number")
    if np.any(np.abs(zero_point) > 65535):
        raise ConvertError(f"{where} has a zero point beyond 16 bits")
    return Quantisation(scale, zero_point, axis)
