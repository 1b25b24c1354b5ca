"""A .tflite graph under construction: its tensors and operators, and the file they make."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
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

Array = NDArray[Any]

_LIMITS = {"int8": 127, "int16": 32767}
# Standard deviation of inputs over the whole type.
SPREAD = {"int8": 74.0, "int16": 18919.0}


@dataclass(frozen=True)
class Value:
    """A tensor of the graph: real = scale * (q - zero)."""

    index: int
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero: int

    @property
    def spread(self) -> float:
        """Standard deviation of the reals that the tests put here."""
        return self.scale * SPREAD[self.dtype]


@dataclass
class Sketch:
    """Tensors and operators so far; `rng` draws weights."""

    name: str
    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(zlib.crc32(self.name.encode()))

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str,
        scale: float,
        zero: int = 0,
        variable: bool = False,
    ) -> Value:
        """A new tensor, int16 always with zero point 0."""
        zero = 0 if dtype == "int16" else zero
        scale = float(np.float32(scale))
        name = f"t{len(self.tensors)}"
        quantisation = Quantisation.single(scale, zero)
        self.tensors.append(Tensor(name, dtype, tuple(shape), quantisation, None, variable))
        return Value(len(self.tensors) - 1, tuple(shape), dtype, scale, zero)

    def input(
        self, shape: Sequence[int], dtype: str = "int8", scale: float = 0.05, zero: int = 3
    ) -> Value:
        """A graph input; int16 has 1/100 of `scale`."""
        scale = scale / 100 if dtype == "int16" else scale
        value = self.tensor(shape, dtype, scale, zero)
        self.inputs.append(value.index)
        return value

    def constant(self, data: Array, quantisation: Quantisation | None = None) -> int:
        """Index of a constant."""
        name = f"t{len(self.tensors)}"
        self.tensors.append(Tensor(name, data.dtype.name, data.shape, quantisation, data))
        return len(self.tensors) - 1

    def fixed(self, shape: Sequence[int], dtype: str, scale: float, zero: int = 0) -> Value:
        """A constant feature map with random values."""
        zero = 0 if dtype == "int16" else zero
        scale = float(np.float32(scale))
        top = _LIMITS[dtype]
        data = self.rng.integers(-top, top + 1, tuple(shape)).astype(dtype)
        index = self.constant(data, Quantisation.single(scale, zero))
        return Value(index, tuple(shape), dtype, scale, zero)

    def op(
        self,
        code: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options_type: str = "NONE",
        intermediates: Sequence[int] = (),
        version: int = 1,
        **options: OptionValue,
    ) -> None:
        """Append an operator."""
        self.operators.append(
            Operator(
                code,
                version,
                tuple(inputs),
                tuple(outputs),
                tuple(intermediates),
                options_type,
                options,
            )
        )

    def file(self, outputs: Sequence[Value]) -> bytes:
        """The .tflite file."""
        indices = tuple(value.index for value in outputs)
        graph = Graph(
            self.name, tuple(self.tensors), tuple(self.operators), tuple(self.inputs), indices
        )
        return write_tflite(Model((graph,)))
