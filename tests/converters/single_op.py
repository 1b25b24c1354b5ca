"""Small integer .tflite graphs made by hand, run by the reference interpreter and by the C core."""

from dataclasses import dataclass, field

import numpy as np
from edgesdk.core.graph import Graph as CoreGraph
from edgesdk_converters.lower import lower_graph
from edgesdk_converters.tflite.model import (
    Graph,
    Model,
    Operator,
    OptionValue,
    Quantisation,
    Tensor,
)
from edgesdk_converters.tflite.write import write_tflite
from numpy.typing import NDArray
from tflite_runtime.interpreter import Interpreter, OpResolverType

Array = NDArray[np.generic]
RANGES = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}


@dataclass
class Net:
    """A graph under construction; methods return tensor indices."""

    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)

    def tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: str = "int8",
        scale: float | None = None,
        zero_point: int = 0,
        data: Array | None = None,
        variable: bool = False,
    ) -> int:
        q = None if scale is None else Quantisation.single(scale, zero_point)
        self.tensors.append(Tensor(name, dtype, shape, q, data, variable))
        return len(self.tensors) - 1

    def input(
        self,
        shape: tuple[int, ...],
        dtype: str = "int8",
        scale: float | None = None,
        zero_point: int = 0,
        name: str = "",
    ) -> int:
        index = self.tensor(name or f"in{len(self.inputs)}", shape, dtype, scale, zero_point)
        self.inputs.append(index)
        return index

    def constant(self, data: Array, scale: float | None = None, zero_point: int = 0) -> int:
        name = f"const{len(self.tensors)}"
        return self.tensor(name, data.shape, data.dtype.name, scale, zero_point, data)

    def channels(self, data: Array, scales: NDArray[np.float32], axis: int) -> int:
        """A constant quantised per channel."""
        q = Quantisation(scales, np.zeros(scales.size, np.int64), axis)
        self.tensors.append(
            Tensor(f"const{len(self.tensors)}", data.dtype.name, data.shape, q, data)
        )
        return len(self.tensors) - 1

    def op(
        self,
        code: str,
        inputs: list[int],
        outputs: list[int],
        options_type: str = "NONE",
        version: int = 2,
        intermediates: tuple[int, ...] = (),
        **options: OptionValue,
    ) -> None:
        self.operators.append(
            Operator(
                code, version, tuple(inputs), tuple(outputs), intermediates, options_type, options
            )
        )

    def file(self, *outputs: int) -> bytes:
        graph = Graph(
            "main", tuple(self.tensors), tuple(self.operators), tuple(self.inputs), outputs
        )
        return write_tflite(Model((graph,)))


def interpreter(data: bytes) -> Interpreter:
    """TFLite's reference kernels: the oracle."""
    oracle = Interpreter(
        model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    oracle.allocate_tensors()
    return oracle


def run_oracle(oracle: Interpreter, inputs: list[Array]) -> list[Array]:
    """Outputs in the model's order."""
    for detail, value in zip(oracle.get_input_details(), inputs, strict=True):
        oracle.set_tensor(detail["index"], value)
    oracle.invoke()
    return [oracle.get_tensor(d["index"]).copy() for d in oracle.get_output_details()]


def random_inputs(
    oracle: Interpreter, rng: np.random.Generator, extreme: bool = False
) -> list[Array]:
    """Values over the whole type, or only its two ends."""
    values = []
    for detail in oracle.get_input_details():
        low, high = RANGES[np.dtype(detail["dtype"]).name]
        if extreme:
            value = rng.choice([low, high], detail["shape"])
        else:
            value = rng.integers(low, high + 1, detail["shape"])
        values.append(value.astype(detail["dtype"]))
    return values


def core(data: bytes) -> CoreGraph:
    """The same file, lowered, on the C kernels."""
    return CoreGraph(lower_graph(data).plan.encode())


def check_agreement(data: bytes, rng: np.random.Generator, runs: int = 4) -> float:
    """Same bits from oracle and core on random inputs and extremes; the part not at a limit."""
    oracle, device = interpreter(data), core(data)
    inside = total = 0
    for run in range(runs):
        inputs = random_inputs(oracle, rng, extreme=run == runs - 1)
        expected, found = run_oracle(oracle, inputs), device.run(*inputs)
        for a, b in zip(expected, found, strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape
            np.testing.assert_array_equal(a, b)
            low, high = RANGES[a.dtype.name]
            if run < runs - 1:
                inside += int(((a > low) & (a < high)).sum())
                total += a.size
    return inside / total
