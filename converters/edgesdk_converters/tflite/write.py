"""Write values as a standard .tflite file; equal values give equal bytes."""

from collections.abc import Callable, Sequence
from typing import Any

import flatbuffers
import numpy as np
import tflite
from edgesdk.errors import ConvertError

from edgesdk_converters.tflite.model import (
    DTYPES,
    Graph,
    Model,
    Operator,
    OptionValue,
    Quantisation,
    Tensor,
)
from edgesdk_converters.tflite.read import option_fields, option_key

_TYPE_NUMBERS = {name: number for number, name in DTYPES.items()} | {"resource": 13}
_DATA_ALIGNMENT = 16
_LAST_SHORT_CODE = 126  # codes above have no place in the deprecated byte


def write_tflite(model: Model) -> bytes:
    """The file; read_tflite gives the same model back."""
    return _Writer(model).file()


class _Writer:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.builder = flatbuffers.Builder(1 << 16)
        self.buffers: list[int] = [self._buffer(None)]  # buffer 0 is empty by convention
        self.codes: list[tuple[str, int]] = []

    def file(self) -> bytes:
        graphs = [self._graph(graph) for graph in self.model.graphs]
        codes = [self._code(name, version) for name, version in self.codes]
        b = self.builder
        description = b.CreateString(self.model.description)
        graph_vector, code_vector = self._offsets(graphs), self._offsets(codes)
        buffer_vector = self._offsets(self.buffers)
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, self.model.version)
        tflite.ModelAddOperatorCodes(b, code_vector)
        tflite.ModelAddSubgraphs(b, graph_vector)
        tflite.ModelAddDescription(b, description)
        tflite.ModelAddBuffers(b, buffer_vector)
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        return bytes(b.Output())

    def _offsets(self, offsets: Sequence[int]) -> int:
        return self._vector(offsets, 4, self.builder.PrependUOffsetTRelative)

    def _vector(self, values: Sequence[Any], item_bytes: int, prepend: Callable[..., None]) -> int:
        self.builder.StartVector(item_bytes, len(values), item_bytes)
        for value in reversed(values):
            prepend(value)
        return int(self.builder.EndVector())

    def _ints(self, values: Sequence[int]) -> int:
        return self._vector(values, 4, self.builder.PrependInt32)

    def _buffer(self, data: Any) -> int:
        b = self.builder
        if data is None:
            tflite.BufferStart(b)
            return int(tflite.BufferEnd(b))
        raw = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        b.StartVector(1, raw.size, _DATA_ALIGNMENT)
        b.head = b.head - raw.size
        b.Bytes[b.head : b.head + raw.size] = raw.tobytes()
        vector = b.EndVector()
        tflite.BufferStart(b)
        tflite.BufferAddData(b, vector)
        return int(tflite.BufferEnd(b))

    def _graph(self, graph: Graph) -> int:
        tensors = self._offsets([self._tensor(t) for t in graph.tensors])
        operators = self._offsets([self._operator(o) for o in graph.operators])
        inputs, outputs = self._ints(graph.inputs), self._ints(graph.outputs)
        b = self.builder
        name = b.CreateString(graph.name)
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors)
        tflite.SubGraphAddInputs(b, inputs)
        tflite.SubGraphAddOutputs(b, outputs)
        tflite.SubGraphAddOperators(b, operators)
        tflite.SubGraphAddName(b, name)
        return int(tflite.SubGraphEnd(b))

    def _tensor(self, tensor: Tensor) -> int:
        b = self.builder
        buffer = 0
        if tensor.data is not None:
            buffer = len(self.buffers)
            self.buffers.append(self._buffer(tensor.data))
        name, shape = b.CreateString(tensor.name), self._ints(tensor.shape)
        quantisation = None
        if tensor.quantisation is not None:
            quantisation = self._quantisation(tensor.quantisation)
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, _TYPE_NUMBERS[tensor.dtype])
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddName(b, name)
        if quantisation is not None:
            tflite.TensorAddQuantization(b, quantisation)
        tflite.TensorAddIsVariable(b, tensor.variable)
        return int(tflite.TensorEnd(b))

    def _quantisation(self, quantisation: Quantisation) -> int:
        b = self.builder
        scales = self._vector(quantisation.scale.tolist(), 4, b.PrependFloat32)
        zeros = self._vector(quantisation.zero_point.tolist(), 8, b.PrependInt64)
        tflite.QuantizationParametersStart(b)
        tflite.QuantizationParametersAddScale(b, scales)
        tflite.QuantizationParametersAddZeroPoint(b, zeros)
        tflite.QuantizationParametersAddQuantizedDimension(b, quantisation.axis)
        return int(tflite.QuantizationParametersEnd(b))

    def _operator(self, operator: Operator) -> int:
        key = (operator.code, operator.version)
        if key not in self.codes:
            self.codes.append(key)
        b = self.builder
        inputs, outputs = self._ints(operator.inputs), self._ints(operator.outputs)
        intermediates = self._ints(operator.intermediates) if operator.intermediates else None
        options = None
        if operator.options_type != "NONE":
            options = self._options(operator.options_type, operator.options)
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, self.codes.index(key))
        tflite.OperatorAddInputs(b, inputs)
        tflite.OperatorAddOutputs(b, outputs)
        if options is not None:
            kind = getattr(tflite.BuiltinOptions, operator.options_type)
            tflite.OperatorAddBuiltinOptionsType(b, kind)
            tflite.OperatorAddBuiltinOptions(b, options)
        if intermediates is not None:
            tflite.OperatorAddIntermediates(b, intermediates)
        return int(tflite.OperatorEnd(b))

    def _options(self, name: str, values: dict[str, OptionValue]) -> int:
        unknown = set(values) - {option_key(field) for field, _ in option_fields(name)}
        if unknown:
            raise ConvertError(f"{name} has no fields {sorted(unknown)}; use the schema's names")
        fields: dict[str, Any] = {}
        for field, kind in option_fields(name):
            value = values.get(option_key(field))
            if kind == "vector" and isinstance(value, list):
                fields[field] = self._ints([int(v) for v in value])
            elif isinstance(value, str):
                fields[field] = self.builder.CreateString(value)
            elif value is not None:
                fields[field] = value
        b = self.builder
        getattr(tflite, f"{name}Start")(b)
        for field, value in fields.items():
            getattr(tflite, f"{name}Add{field}")(b, value)
        return int(getattr(tflite, f"{name}End")(b))

    def _code(self, name: str, version: int) -> int:
        b = self.builder
        number = getattr(tflite.BuiltinOperator, name)
        tflite.OperatorCodeStart(b)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(number, _LAST_SHORT_CODE + 1))
        tflite.OperatorCodeAddVersion(b, version)
        tflite.OperatorCodeAddBuiltinCode(b, number)
        return int(tflite.OperatorCodeEnd(b))
