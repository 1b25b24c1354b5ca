"""A .tflite file as plain values: what the reader gives and the writer takes."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# TensorType of the schema -> numpy's name. Others (string, resource, ...) keep the schema's name in
# lower case and never carry data here.
DTYPES = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    9: "int8",
    15: "uint16",
    16: "uint32",
}

OptionValue = bool | int | float | str | list[int] | list[float]


@dataclass(frozen=True)
class Quantisation:
    """real = scale * (q - zero_point); one pair, or one per index of dimension `axis`."""

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int = 0

    @classmethod
    def single(cls, scale: float, zero_point: int = 0) -> "Quantisation":
        """Per-tensor quantisation."""
        return cls(np.array([scale], np.float32), np.array([zero_point], np.int64))

    @property
    def per_tensor(self) -> bool:
        """Whether one pair serves the whole tensor."""
        return self.scale.size == 1


@dataclass(frozen=True)
class Tensor:
    """One tensor: `dtype` is numpy's name, or the schema's in lower case ("resource").

    `data` is None unless it is a constant; `variable` tensors live between invokes.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    quantisation: Quantisation | None = None
    data: NDArray[np.generic] | None = None
    variable: bool = False


@dataclass(frozen=True)
class Operator:
    """One operator; indices point into `Graph.tensors`, -1 marks an omitted input.

    `code` is the builtin operator's name as in the schema (FULLY_CONNECTED), or CUSTOM:name.
    `options` has the schema's field names (fused_activation_function, stride_w, new_shape).
    """

    code: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    intermediates: tuple[int, ...] = ()
    options_type: str = "NONE"
    options: dict[str, OptionValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """One subgraph, operators in execution order.

    `places` are byte offsets of its tensors in one arena, -1 for those outside, where the file was
    planned by a compiler such as Vela; else empty.
    """

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class Model:
    """A whole file; graphs[0] is the one that runs."""

    graphs: tuple[Graph, ...]
    description: str = ""
    version: int = 3
