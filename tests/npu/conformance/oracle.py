"""Reference kernels: TFLM's are the semantics that streams of Vela 5.2.0 are compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgesdk_converters.tflite.model import Graph
from edgesdk_converters.tflite.read import read_tflite
from tflite_micro.python.tflite_micro import runtime
from tflite_runtime.interpreter import Interpreter, OpResolverType

from conformance.build import Array
from conformance.case import Case, vector

_ARENA_BYTES = 16 << 20


@dataclass(frozen=True)
class Run:
    """Inputs and outputs of every invoke, from the first state on."""

    kind: str
    inputs: tuple[tuple[Array, ...], ...]
    outputs: tuple[tuple[Array, ...], ...]


class Reference(Protocol):
    """An interpreter with its states."""

    def invoke(self, inputs: Sequence[Array]) -> list[Array]: ...


class Tflm:
    """tflite-micro, whose Python package holds the reference kernels."""

    def __init__(self, data: bytes, graph: Graph) -> None:
        self.graph = graph
        self.interpreter = runtime.Interpreter.from_bytes(data, arena_size=_ARENA_BYTES)

    def invoke(self, inputs: Sequence[Array]) -> list[Array]:
        """Outputs in the graph's shapes; TFLM makes a scalar of [1]."""
        for k, value in enumerate(inputs):
            self.interpreter.set_input(value, k)
        self.interpreter.invoke()
        return [
            self.interpreter.get_output(k).reshape(self.graph.tensors[index].shape).copy()
            for k, index in enumerate(self.graph.outputs)
        ]


class Tflite:
    """TensorFlow Lite 2.14 with its reference kernels, which round as TFLM's do."""

    def __init__(self, data: bytes, graph: Graph) -> None:
        self.interpreter = Interpreter(
            model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
        )
        self.interpreter.allocate_tensors()

    def invoke(self, inputs: Sequence[Array]) -> list[Array]:
        """Outputs in the graph's order."""
        for detail, value in zip(self.interpreter.get_input_details(), inputs, strict=True):
            self.interpreter.set_tensor(detail["index"], value)
        self.interpreter.invoke()
        details = self.interpreter.get_output_details()
        return [self.interpreter.get_tensor(detail["index"]).copy() for detail in details]


def run_reference(case: Case, data: bytes) -> list[Run]:
    """What the reference kernels make of the graph `data`, one run per kind of vector."""
    graph = read_tflite(data).graphs[0]
    make = Tflm if case.reference == "tflm" else Tflite
    return [_run(case, graph, make(data, graph), kind) for kind in case.kinds]


def _run(case: Case, graph: Graph, reference: Reference, kind: str) -> Run:
    inputs: list[tuple[Array, ...]] = []
    outputs: list[tuple[Array, ...]] = []
    for step in range(case.steps):
        values = []
        for k, index in enumerate(graph.inputs):
            tensor = graph.tensors[index]
            zero = int(tensor.quantisation.zero_point[0]) if tensor.quantisation else 0
            name = f"{case.name}/{k}"
            values.append(vector(name, kind, step, tensor.shape, tensor.dtype, zero))
        if step:
            for source, target in case.loop:
                values[target] = outputs[-1][source]
        inputs.append(tuple(values))
        outputs.append(tuple(reference.invoke(values)))
    return Run(kind, tuple(inputs), tuple(outputs))
