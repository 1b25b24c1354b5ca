"""TFLite tensors and operators collected one by one, with casts where the plan asks for them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import tflite
from edgesdk.errors import ConvertError

from edgesdk_converters.graph import Array, Graph
from edgesdk_converters.quantise.plan import Spec, same
from edgesdk_converters.quantise.ranges import dequantise
from edgesdk_converters.quantise.ranges import power_of_two_scale as pot_scale
from edgesdk_converters.tflite.model import Operator, OptionValue, Quantisation, Tensor

# (operator, type of its first input) -> version, as TFLite's own converter writes it.
VERSIONS = {
    ("FULLY_CONNECTED", "int8"): 4,
    ("FULLY_CONNECTED", "int16"): 7,
    ("CONV_2D", "int8"): 3,
    ("DEPTHWISE_CONV_2D", "int8"): 3,
    ("ADD", "int8"): 2,
    ("ADD", "int16"): 4,
    ("SUB", "int8"): 2,
    ("SUB", "int16"): 5,
    ("MUL", "int8"): 2,
    ("MUL", "int16"): 4,
    ("BATCH_MATMUL", "int8"): 2,
    ("SOFTMAX", "int8"): 2,
    ("SOFTMAX", "int16"): 3,
    ("LOGISTIC", "int8"): 2,
    ("LOGISTIC", "int16"): 3,
    ("TANH", "int8"): 2,
    ("TANH", "int16"): 3,
    ("RELU", "int8"): 2,
    ("CONCATENATION", "int8"): 2,
    ("CONCATENATION", "int16"): 3,
    ("SLICE", "int8"): 2,
    ("SLICE", "int16"): 4,
    ("TRANSPOSE", "int8"): 2,
    ("TRANSPOSE", "int16"): 4,
    ("PAD", "int8"): 2,
    ("GATHER", "int8"): 2,
    ("QUANTIZE", "int8"): 2,
    ("QUANTIZE", "int16"): 2,
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", "int8"): 1,
}


@dataclass
class Emitter:
    """Tensors and operators so far; values of the float graph are looked up by name."""

    graph: Graph
    specs: Mapping[str, Spec]
    seen_cells: Mapping[str, Quantisation]
    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)
    widened: dict[str, int] = field(default_factory=dict)

    def tensor(
        self,
        name: str,
        spec: Spec,
        shape: Sequence[int],
        variable: bool = False,
    ) -> int:
        """Index of a new tensor."""
        self.tensors.append(
            Tensor(name, spec.dtype, tuple(shape), spec.quantisation, None, variable)
        )
        return len(self.tensors) - 1

    def constant(self, name: str, data: Array, quantisation: Quantisation | None = None) -> int:
        """Index of a new constant."""
        self.tensors.append(
            Tensor(name, data.dtype.name, data.shape, quantisation, np.ascontiguousarray(data))
        )
        return len(self.tensors) - 1

    def value(self, name: str) -> int:
        """Index of the tensor of a graph value, made on first use."""
        if name not in self.index:
            self.index[name] = self.tensor(name, self.specs[name], self.graph.shapes[name])
        return self.index[name]

    def op(
        self,
        code: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options_type: str = "NONE",
        options: Mapping[str, OptionValue] | None = None,
        intermediates: Sequence[int] = (),
    ) -> None:
        """Append an operator."""
        version = VERSIONS.get((code, self.tensors[inputs[0]].dtype), 1)
        self.operators.append(
            Operator(
                code,
                version,
                tuple(inputs),
                tuple(outputs),
                tuple(intermediates),
                options_type,
                dict(options or {}),
            )
        )

    def quantisation(self, index: int) -> Quantisation:
        """Quantisation of a tensor that has one."""
        quantisation = self.tensors[index].quantisation
        if quantisation is None:
            raise ConvertError(
                f"{self.graph.name}: {self.tensors[index].name} holds indices where reals belong"
            )
        return quantisation

    def read(self, name: str, wide: bool) -> int:
        """A value as int8 or int16; int8 widens exactly, its zero point being 0."""
        index = self.value(name)
        spec = self.specs[name]
        if wide == (spec.dtype == "int16"):
            return index
        if not wide:
            raise ConvertError(f"{self.graph.name}: {name} is int16 where int8 is read")
        if name not in self.widened:
            result = self.tensor(
                f"{name}.wide", Spec("int16", spec.quantisation), self.graph.shapes[name]
            )
            options: dict[str, OptionValue] = {
                "in_data_type": tflite.TensorType.INT8,
                "out_data_type": tflite.TensorType.INT16,
            }
            self.op("CAST", [index], [result], "CastOptions", options)
            self.widened[name] = result
        return self.widened[name]

    @contextmanager
    def result(self, name: str, wide: bool, own: Quantisation | None = None) -> Iterator[int]:
        """Tensor to compute `name` into; QUANTIZE follows where the plan wants another form.

        `own` is the quantisation that the operator prescribes.
        """
        spec = self.specs[name]
        computed = "int16" if wide else "int8"
        if own is None and computed != spec.dtype:
            low, high = (float(v) for v in dequantise(np.array([-128, 127]), spec.quantisation))
            own = Quantisation.single(pot_scale(max(-low, high)))
        made = Spec(computed, own or spec.quantisation)
        if same(made, spec):
            yield self.value(name)
            return
        raw = self.tensor(f"{name}.raw", made, self.graph.shapes[name])
        yield raw
        self.op("QUANTIZE", [raw], [self.value(name)], "QuantizeOptions")

    def wide(self, *names: str) -> bool:
        """Whether one of the values is int16, so that the operator works in int16."""
        return any(name in self.specs and self.specs[name].dtype == "int16" for name in names)
