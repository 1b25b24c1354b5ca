"""How far the integer graphs are from the float ones, on whole streamed utterances."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgesdk_converters.execute import Stream
from edgesdk_converters.graph import Array, Graph
from edgesdk_converters.quantise.ranges import dequantise, quantise
from edgesdk_converters.tflite.model import Quantisation


class Runner(Protocol):
    """An integer graph that keeps its state between steps."""

    def reset(self) -> None:
        """Back to the start state."""

    def step(self, *inputs: Array) -> tuple[Array, ...]:
        """Real outputs of one step from real inputs."""


def open_interpreter(data: bytes) -> Any:
    """tflite-runtime on its reference kernels (double rounding), or None where not installed."""
    try:
        from tflite_runtime.interpreter import Interpreter, OpResolverType
    except ImportError:
        return None
    interpreter = Interpreter(
        model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    return interpreter


class TfliteStream:
    """A .tflite graph stepped with its states: variables inside, `state.*` inputs outside."""

    def __init__(self, interpreter: Any) -> None:
        self.interpreter = interpreter
        details = interpreter.get_input_details()
        self.mains = [d for d in details if not d["name"].startswith("state.")]
        self.state_inputs = [d for d in details if d["name"].startswith("state.")]
        outputs = interpreter.get_output_details()
        self.outputs = outputs[: len(outputs) - len(self.state_inputs)]
        self.state_outputs = outputs[len(self.outputs) :]
        self.states: list[Array] = []
        self.reset()

    def reset(self) -> None:
        """Back to the start state: quantised zeros."""
        self.interpreter.reset_all_variables()
        self.states = [
            np.full(d["shape"], d["quantization"][1], d["dtype"]) for d in self.state_inputs
        ]

    def step_raw(self, *inputs: Array) -> tuple[Array, ...]:
        """Integer outputs of one step from integer inputs."""
        for detail, value in zip(self.mains, inputs, strict=True):
            self.interpreter.set_tensor(detail["index"], value.astype(detail["dtype"]))
        for detail, value in zip(self.state_inputs, self.states, strict=True):
            self.interpreter.set_tensor(detail["index"], value)
        self.interpreter.invoke()
        self.states = [self.interpreter.get_tensor(d["index"]) for d in self.state_outputs]
        return tuple(self.interpreter.get_tensor(d["index"]) for d in self.outputs)

    def step(self, *inputs: Array) -> tuple[Array, ...]:
        """Real outputs of one step from real inputs (token indices pass as they are)."""
        raw = []
        for detail, value in zip(self.mains, inputs, strict=True):
            if detail["dtype"] == np.int32:
                raw.append(value)
            else:
                raw.append(quantise(value, _of(detail), np.dtype(detail["dtype"]).name))
        results = self.step_raw(*raw)
        return tuple(
            dequantise(value, _of(d)).astype(np.float32)
            for value, d in zip(results, self.outputs, strict=True)
        )


def _of(detail: Any) -> Quantisation:
    return Quantisation.single(*detail["quantization"])


def sqnr_db(reference: NDArray[Any], measured: NDArray[Any]) -> float:
    """Signal to quantisation noise, 10 log10(sum r^2 / sum (r - m)^2); inf where equal."""
    noise = float(np.square(reference.astype(np.float64) - measured).sum())
    signal = float(np.square(reference.astype(np.float64)).sum())
    if noise == 0.0:
        return float("inf")
    return float(10.0 * np.log10(max(signal, 1e-30) / noise))


def measure(
    graph: Graph,
    runner: Runner,
    sequences: Sequence[Sequence[tuple[Array, ...]]],
    floors: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """SQNR in dB of each output over `sequences` of step inputs; each starts from reset.

    Values of an output below its floor count as the floor, on both sides.
    """
    floors = floors or {}
    reference = Stream(graph)
    expected: list[tuple[Array, ...]] = []
    measured: list[tuple[Array, ...]] = []
    for steps in sequences:
        reference.reset()
        runner.reset()
        for inputs in steps:
            expected.append(reference.step(*inputs))
            measured.append(runner.step(*inputs))
    result = {}
    for i, name in enumerate(graph.outputs):
        floor = floors.get(name, -np.inf)
        result[name] = sqnr_db(
            np.maximum(np.concatenate([e[i].reshape(-1) for e in expected]), floor),
            np.maximum(np.concatenate([m[i].reshape(-1) for m in measured]), floor),
        )
    return result
