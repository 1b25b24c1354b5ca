"""What an operator's lowering sees: tensors of the .tflite graph and their memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from edgesdk.errors import ConvertError
from numpy.typing import NDArray

from edgesdk_converters.lower import fixed_point as fp
from edgesdk_converters.lower.arena import Buffer
from edgesdk_converters.lower.builder import Builder, Draft, View
from edgesdk_converters.lower.packing import Packed, Packing
from edgesdk_converters.tflite.model import Graph, Operator, Tensor

RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
_RELU, _RELU_N1_TO_1, _RELU6 = 1, 2, 3
_UNCOVERED = (
    "Replace it in the model by covered operators (docs/operators.md), or quantise the model fully."
)


@dataclass
class Variable:
    """A resource variable: its start value, its place in the state block, its value by now.

    `tensor` holds that value where it is not in its place yet.
    """

    name: str
    start: NDArray[np.generic]
    place: View
    value: View
    tensor: int | None = None


@dataclass
class States:
    """What lives between runs.

    `pairs` are the tensors of explicit states and of their next values; `handles` maps tensors to
    names of resource variables, `starts` and `variables` those names to what they start with and
    where they are.
    """

    pairs: dict[int, int] = field(default_factory=dict)
    handles: dict[int, str] = field(default_factory=dict)
    starts: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)


@dataclass
class NpuArena:
    """The memory that Vela laid out: one buffer, and the places in it of the tensors of `graph`.

    `variables` are those that its operators keep, by place; `last` is the index of the last such
    operator, `read` has the tensors that they read.
    """

    buffer: Buffer
    places: dict[int, int]
    last: int
    read: frozenset[int]
    variables: dict[int, View] = field(default_factory=dict)

    def view(self, index: int, tensor: Tensor) -> View:
        """The place of a tensor that has one."""
        return View(size_bytes(tensor), self.buffer, self.places[index])


@dataclass
class Context:
    """One graph being lowered; `views` maps a tensor's index to its memory.

    `others` are the file's further subgraphs; `npu` is there where Vela compiled some operators.
    """

    graph: Graph
    source: str
    packing: Packing = field(default_factory=Packing)
    others: tuple[Graph, ...] = ()
    states: States = field(default_factory=States)
    builder: Builder = field(default_factory=Builder)
    views: dict[int, View] = field(default_factory=dict)
    npu: NpuArena | None = None

    def refuse(self, operator: Operator, reason: str, remedy: str = _UNCOVERED) -> NoReturn:
        """Stop with the operator's name, its output tensor, the reason and a way out."""
        named = (*operator.outputs, *operator.inputs)
        name = self.graph.tensors[named[0]].name if named else "-"
        said = f"{reason}. {remedy}" if remedy else reason
        raise ConvertError(f"{self.source}: {operator.code} (tensor '{name}'): {said}")

    def tensor(self, operator: Operator, position: int, output: bool = False) -> Tensor:
        """Input (or output) `position` of an operator, which must be there."""
        indices = operator.outputs if output else operator.inputs
        if position >= len(indices) or indices[position] < 0:
            self.refuse(operator, f"input {position} is missing")
        return self.graph.tensors[indices[position]]

    def has(self, operator: Operator, position: int) -> bool:
        """Whether an optional input is given."""
        return position < len(operator.inputs) and operator.inputs[position] >= 0

    def data(self, operator: Operator, position: int) -> NDArray[np.generic]:
        """Constant input `position`."""
        tensor = self.tensor(operator, position)
        if tensor.data is None:
            self.refuse(operator, f"input '{tensor.name}' is not a constant")
        return tensor.data

    def view(self, operator: Operator, position: int) -> View:
        """Memory of input `position`."""
        tensor = self.tensor(operator, position)
        index = operator.inputs[position]
        if index not in self.views:
            if tensor.data is None:
                self.refuse(operator, f"input '{tensor.name}' is never written")
            self.views[index] = self.builder.constant(tensor.data)
        return self.views[index]

    def out(self, operator: Operator, position: int = 0) -> View:
        """New memory for output `position`, where the NPU reads it if that is free already."""
        tensor = self.tensor(operator, position, output=True)
        view = self._placed(operator, operator.outputs[position], tensor)
        if view is None:
            view = self.builder.buffer(tensor.name, size_bytes(tensor))
        self.alias(operator, view, position)
        return view

    def _placed(self, operator: Operator, index: int, tensor: Tensor) -> View | None:
        """The place of an output that the NPU reads, unless the operator's inputs reach into it."""
        if self.npu is None or index not in self.npu.read or index not in self.npu.places:
            return None
        view = self.npu.view(index, tensor)
        inputs = (self.views[i] for i in operator.inputs if i in self.views)
        return None if any(view.overlaps(it) for it in inputs) else view

    def out_in_place(self, operator: Operator, *positions: int) -> View:
        """As `out`, noting which inputs an elementwise operator may overwrite."""
        view = self.out(operator)
        self.builder.in_place[len(self.builder.steps)] = [self.view(operator, p) for p in positions]
        return view

    def alias(self, operator: Operator, view: View, position: int = 0) -> None:
        """Let output `position` be the memory `view`."""
        tensor = self.tensor(operator, position, output=True)
        index = operator.outputs[position]
        if index in self.views or tensor.data is not None or index in operator.inputs:
            self.refuse(
                operator,
                f"it writes '{tensor.name}', which has a value already or is its own input",
                "The file contradicts itself; export it again.",
            )
        self.views[index] = view

    def types(self, operator: Operator, *allowed: str) -> str:
        """The type that the first input and the output share, one of `allowed`."""
        source, result = self.tensor(operator, 0), self.tensor(operator, 0, output=True)
        if source.dtype not in allowed or result.dtype != source.dtype:
            types = f"{source.dtype} to {result.dtype}"
            self.refuse(operator, f"{types} is not covered (only {', '.join(allowed)})")
        return source.dtype

    def quantised(self, operator: Operator, tensor: Tensor) -> tuple[float, int]:
        """Scale and zero point of a tensor quantised as a whole."""
        q = tensor.quantisation
        if q is None or not q.per_tensor:
            self.refuse(operator, f"'{tensor.name}' is not quantised per tensor")
        if not q.scale[0] > 0:
            self.refuse(operator, f"'{tensor.name}' has scale {q.scale[0]}")
        low, high = RANGES.get(tensor.dtype, (-(1 << 31), (1 << 31) - 1))
        if not low <= q.zero_point[0] <= high or (tensor.dtype == "int16" and q.zero_point[0]):
            self.refuse(operator, f"'{tensor.name}' has zero point {q.zero_point[0]}")
        return float(q.scale[0]), int(q.zero_point[0])

    def output_range(self, operator: Operator) -> tuple[int, int, int]:
        """Zero point and activation range of the output (CalculateActivationRangeQuantized)."""
        tensor = self.tensor(operator, 0, output=True)
        scale, zero_point = self.quantised(operator, tensor)
        low, high = RANGES[tensor.dtype]
        activation = operator.options.get("fused_activation_function", 0)
        bounds = {
            0: (None, None),
            _RELU: (0.0, None),
            _RELU_N1_TO_1: (-1.0, 1.0),
            _RELU6: (0.0, 6.0),
        }
        if not isinstance(activation, int) or activation not in bounds:
            self.refuse(operator, f"fused activation {activation} is not covered")
        real_low, real_high = bounds[activation]
        step = np.float32(scale)
        if real_low is not None:
            low = max(low, zero_point + fp.round_away(float(np.float32(real_low) / step)))
        if real_high is not None:
            high = min(high, zero_point + fp.round_away(float(np.float32(real_high) / step)))
        return zero_point, low, high

    def rescaling(self, operator: Operator, real: float, sum_bits: int = 32) -> tuple[int, int]:
        """Multiplier and shift of a factor, refused where the device cannot shift so far."""
        largest = 7 if sum_bits == 64 else 30
        if not math.isfinite(real) or real >= 2.0**largest:
            self.refuse(
                operator,
                f"its scales ask for a factor of {real:.3g} from sum to output",
                "Calibrate the model again; the output's scale is far too small.",
            )
        return fp.quantise_multiplier(real)

    def gives(self, operator: Operator, shape: Sequence[int], position: int = 0) -> None:
        """Refuse unless output `position` has the shape that the operator computes."""
        tensor = self.tensor(operator, position, output=True)
        if tuple(shape) != tensor.shape:
            self.refuse(
                operator,
                f"it computes {list(shape)}, the output is {list(tensor.shape)}",
                "The file contradicts itself; export it again.",
            )

    def same_quantisation(self, operator: Operator, tensors: Sequence[Tensor]) -> None:
        """Refuse unless all tensors share type, scale and zero point with the output."""
        result = self.tensor(operator, 0, output=True)
        for tensor in tensors:
            if tensor.dtype != result.dtype or not _same(tensor, result):
                self.refuse(
                    operator,
                    f"'{tensor.name}' and '{result.name}' differ in type or quantisation",
                    "Give both the same scale and zero point.",
                )

    def axis(self, operator: Operator, value: int, rank: int) -> int:
        """`value` as an index from 0, refused when outside."""
        if not -rank <= value < rank:
            self.refuse(operator, f"axis {value} of a tensor with {rank} dimensions")
        return value % rank

    def emit(
        self,
        operator: Operator,
        op: str,
        out: View,
        values: dict[str, Draft],
        position: int | None = 0,
        extra_writes: Sequence[View] = (),
        packed: tuple[Packed, ...] = (),
    ) -> None:
        """Append a plan operator that completes output `position` of `operator`.

        `position` is None where further plan operators are needed for that. `packed` are the
        operator's matrices where they are packed.
        """
        tensor = self.tensor(operator, position or 0, output=True)
        index = None if position is None else operator.outputs[position]
        shape = self.packing.shape
        variant = shape.code if packed and shape is not None else 0
        self.builder.emit(op, out, tensor.dtype, index, extra_writes, values, variant, packed)


def size_bytes(tensor: Tensor) -> int:
    """Bytes of a tensor's values."""
    return elements(tensor) * np.dtype(tensor.dtype).itemsize


def elements(tensor: Tensor) -> int:
    """Number of values."""
    return int(np.prod(tensor.shape, dtype=np.int64))


def _same(a: Tensor, b: Tensor) -> bool:
    if a.quantisation is None or b.quantisation is None:
        return a.quantisation is b.quantisation
    return bool(
        np.array_equal(a.quantisation.scale, b.quantisation.scale)
        and np.array_equal(a.quantisation.zero_point, b.quantisation.zero_point)
    )
