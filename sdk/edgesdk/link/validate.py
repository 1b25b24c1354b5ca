"""Feeds a bundle's stored samples to a device; on a difference, finds the operator that parts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesdk.bundle import Bundle
from edgesdk.emulate import (
    GraphSamples,
    Step,
    judge_of,
    op_outputs,
    plan_outputs,
    read_samples,
)
from edgesdk.errors import WireError
from edgesdk.link.device import Device
from edgesdk.link.messages import GraphId, TensorKind

Array = npt.NDArray[Any]
Progress = Callable[[str, int, int], None]

GRAPH_IDS = {
    "encoder": GraphId.ENCODER,
    "predictor": GraphId.PREDICTOR,
    "joiner": GraphId.JOINER,
    "adapter": GraphId.ADAPTER,
    "net": GraphId.SINGLE,
}


@dataclass(frozen=True)
class Difference:
    """The first value that parts. `op` is None where only an output could be compared."""

    role: str
    step: int
    op: int | None
    operator: str
    tensor: str
    element: int
    device: int
    laptop: int

    def sentence(self) -> str:
        """The difference in words."""
        place = f"output {self.tensor}" if self.op is None else f"operator {self.op}"
        return (
            f"{self.role}, step {self.step}: {place} ({self.operator}, tensor {self.tensor!r}) "
            f"parts at element {self.element}: device {self.device}, laptop {self.laptop}"
        )


@dataclass(frozen=True)
class Validation:
    """What was compared; equal where `difference` is None."""

    steps: Mapping[str, int]  # by role
    values: int
    difference: Difference | None

    @property
    def equal(self) -> bool:
        """Whether every output of every sample agrees."""
        return self.difference is None

    def document(self) -> dict[str, Any]:
        """Plain JSON values."""
        difference = None if self.difference is None else asdict(self.difference)
        return {
            "equal": self.equal,
            "steps": dict(self.steps),
            "values": self.values,
            "difference": difference,
        }


def validate(device: Device, bundle: Bundle, progress: Progress | None = None) -> Validation:
    """Compare the device's graphs with the samples in `bundle`, step by step from the start state.

    `progress` receives role, steps done, steps in all. Stops at the first difference.

    Raises:
        BundleError: the bundle has no samples.
        WireError: the device runs another bundle.
    """
    device.check_bundle(bundle.digest)
    done: dict[str, int] = {}
    values = 0
    for role, samples in read_samples(bundle).items():
        device.graph_reset(GRAPH_IDS[role])
        done[role] = 0
        for index, step in enumerate(samples.steps):
            outputs = _run(device, role, step)
            done[role] += 1
            values += sum(output.size for output in outputs)
            if _first_difference(outputs, step.outputs) is not None:
                return Validation(done, values, locate(device, bundle, samples, index))
            if progress is not None:
                progress(role, index + 1, len(samples.steps))
    return Validation(done, values, None)


def _write(device: Device, role: str, step: Step) -> None:
    for index, values in enumerate(step.inputs):
        device.graph_write(GRAPH_IDS[role], index, np.ascontiguousarray(values).tobytes())


def _run(device: Device, role: str, step: Step) -> list[Array]:
    graph = GRAPH_IDS[role]
    _write(device, role, step)
    device.graph_run(graph)
    return [device.graph_read(graph, TensorKind.OUTPUT, i) for i in range(len(step.outputs))]


def _first_difference(
    got: Sequence[Array], expected: Sequence[Array]
) -> tuple[int, int, int, int] | None:
    """Output, element, device's value, laptop's value."""
    for index, (left, right) in enumerate(zip(got, expected, strict=True)):
        found = _parting(left, right)
        if found is not None:
            return index, *found
    return None


def _parting(device: Array, laptop: Array) -> tuple[int, int, int] | None:
    """Element and both values where two arrays part, or None."""
    left, right = device.reshape(-1), laptop.reshape(-1)
    if left.size != right.size:
        raise WireError(
            f"the device has {left.size} values where the laptop has {right.size}; "
            "flash the bundle again"
        )
    different = np.flatnonzero(left != right)
    if different.size == 0:
        return None
    element = int(different[0])
    return element, int(left[element]), int(right[element])


def locate(device: Device, bundle: Bundle, samples: GraphSamples, index: int) -> Difference:
    """The first operator whose output parts at step `index`.

    Operators run one more at a time, each time from the start state through all steps before.
    """
    role = samples.role
    for number, op, laptop in _laptop(bundle, samples, index):
        device_values = _op_output(device, samples, index, number)
        if device_values.dtype != laptop.dtype:
            continue  # a step whose result is not the tensor itself
        found = _parting(device_values, laptop)
        if found is not None:
            tensor = op["tensor"] or op["tflite_op"]  # a copy completes no tensor
            return Difference(role, index, number, op["op"], tensor, *found)
    return _output_difference(device, bundle, samples, index)


def _laptop(
    bundle: Bundle, samples: GraphSamples, index: int
) -> Iterator[tuple[int, dict[str, Any], Array]]:
    """Number, names and the judge's output of the operators of one step."""
    role, step = samples.role, samples.steps[index]
    source, earlier = f"{bundle.source}: {role}", [s.inputs for s in samples.steps[:index]]
    operators = enumerate(bundle.debug[role]["ops"])
    if judge_of(bundle) == "core":
        found = plan_outputs(bundle, role, step.inputs, earlier)
        yield from ((number, op, found[number]) for number, op in operators)
        return
    expected = op_outputs(bundle.tflite(role), step.inputs, step.state, source, earlier)
    for number, op in operators:
        if op["tensor_index"] in expected:  # else a step inside one TFLite operator
            yield number, op, expected[op["tensor_index"]]


def _op_output(device: Device, samples: GraphSamples, index: int, number: int) -> Array:
    graph = GRAPH_IDS[samples.role]
    device.graph_reset(graph)
    for step in samples.steps[:index]:
        _write(device, samples.role, step)
        device.graph_run(graph)
    _write(device, samples.role, samples.steps[index])
    device.graph_run(graph, number + 1)
    return device.graph_read(graph, TensorKind.OPERATOR, number)


def _output_difference(
    device: Device, bundle: Bundle, samples: GraphSamples, index: int
) -> Difference:
    """Every named operator agrees, so an output is all that can be named."""
    role = samples.role
    device.graph_reset(GRAPH_IDS[role])
    outputs: list[Array] = []
    for step in samples.steps[: index + 1]:
        outputs = _run(device, role, step)
    found = _first_difference(outputs, samples.steps[index].outputs)
    if found is None:
        raise WireError(
            f"{role}, step {index}: the device gave two different results for the same step; "
            "report it with this line"
        )
    output, *rest = found
    name = bundle.debug[role]["outputs"][output]
    return Difference(role, index, None, "no operator in between parts", name, *rest)
