"""Images and lowered graphs, executed by the C kernels."""

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesdk.core.library import (
    SpanStruct,
    TensorStruct,
    address,
    aligned_copy,
    aligned_zeros,
    load_library,
)
from edgesdk.core.npu import EmulatedNpu, emulated_npu
from edgesdk.errors import BundleError, NpuError

_DTYPES: dict[int, type[np.generic]] = {
    1: np.int8,
    2: np.uint8,
    3: np.int16,
    4: np.int32,
    5: np.int64,
}


def tag_value(tag: str) -> int:
    """A section tag of four ASCII characters as the number in the table."""
    return int.from_bytes(tag.encode("ascii"), "little")


class Image:
    """An image that the core has checked: header, table, checksums."""

    def __init__(self, data: bytes) -> None:
        self._library = load_library()
        self._data = aligned_copy(data)
        self._struct = self._library.struct("image")
        self._library.check(
            "image", "edge_image_open", self.address, address(self._data), len(data)
        )

    @property
    def address(self) -> int:
        """Of the edge_image_t; valid as long as this object."""
        return address(self._struct)

    @property
    def memory(self) -> npt.NDArray[np.uint8]:
        """Its bytes, where they lie; not to be written."""
        return _read_only(self._data)

    def find(self, tag: str) -> bytes:
        """Content of a section.

        Raises:
            BundleError: the image lacks it.
        """
        span = SpanStruct()
        self._library.check(
            f"section {tag}",
            "edge_image_find",
            self.address,
            tag_value(tag),
            ctypes.addressof(span),
        )
        return ctypes.string_at(span.data, span.size)


@dataclass(frozen=True)
class TensorInfo:
    """Type, shape and quantisation of an input or output."""

    dtype: type[np.generic]
    shape: tuple[int, ...]
    scale: float
    zero_point: int


class Graph:
    """A graph section with its own arena and state; not for use by two threads at once.

    Steps for an NPU run on an emulated one, `npu`, of the kind that they were compiled for.
    """

    def __init__(self, section: bytes) -> None:
        self._library = load_library()
        self._section = aligned_copy(section)
        self._struct = self._library.struct("graph")
        self._at = address(self._struct)
        self._library.check(
            "graph", "edge_graph_open", self._at, address(self._section), len(section)
        )
        sizes = (ctypes.c_uint32 * 5)()
        self._library.call("edge_binding_graph", self._at, ctypes.addressof(sizes))
        self.op_count, inputs, outputs, self.arena_bytes, self.state_bytes = map(int, sizes)
        self._arena = aligned_zeros(self.arena_bytes)
        self._state = aligned_zeros(self.state_bytes)
        self._library.check(
            "graph", "edge_graph_bind", self._at, address(self._arena), address(self._state)
        )
        self.npu = self._attach()
        self.inputs = tuple(_info(self._tensor("input", i)) for i in range(inputs))
        self.outputs = tuple(_info(self._tensor("output", i)) for i in range(outputs))

    def _attach(self) -> EmulatedNpu | None:
        memory = _read_only(self._section), self._arena
        npu = emulated_npu("edge_binding_graph_npu", self._at, memory)
        if npu is not None:
            self._library.check("graph", "edge_graph_attach", self._at, npu.seam)
        return npu

    def _tensor(self, kind: str, index: int) -> TensorStruct:
        tensor = TensorStruct()
        self._library.check(
            f"{kind} {index}", f"edge_graph_{kind}", self._at, index, ctypes.addressof(tensor)
        )
        return tensor

    @property
    def state(self) -> bytes:
        """The state block; assign to restore one."""
        return self._state[: self.state_bytes].tobytes()

    @state.setter
    def state(self, value: bytes) -> None:
        if len(value) != self.state_bytes:
            raise BundleError(f"state: {len(value)} bytes given, the graph has {self.state_bytes}")
        self._state[: self.state_bytes] = np.frombuffer(value, np.uint8)

    def reset(self) -> None:
        """Set the state block to its start value."""
        self._library.call("edge_graph_reset", self._at)

    def write(self, index: int, values: npt.NDArray[Any]) -> None:
        """Set input `index`; shape and type must be its own.

        Raises:
            BundleError: they are not.
        """
        info = self.inputs[index]
        if values.dtype != info.dtype or values.shape != info.shape:
            raise BundleError(
                f"input {index}: {values.dtype}{list(values.shape)} given, "
                f"the graph takes {np.dtype(info.dtype)}{list(info.shape)}"
            )
        content = np.ascontiguousarray(values)
        ctypes.memmove(self._tensor("input", index).data, address(content), content.nbytes)

    def read(self, index: int) -> npt.NDArray[Any]:
        """A copy of output `index`, valid after `invoke`."""
        return _values(self._tensor("output", index))

    def invoke(self, stop: int | None = None) -> None:
        """Run all operators, or the first `stop`.

        Raises:
            NpuError: the emulated NPU stopped with a fault.
            BundleError: another step failed.
        """
        count = self.op_count if stop is None else stop
        try:
            self._library.check("graph", "edge_graph_invoke_until", self._at, count)
        except BundleError as error:
            if self.npu is not None and self.npu.fault is not None:
                raise NpuError(f"{error}: {self.npu.explain()}") from error
            raise

    def run(self, *inputs: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Write all inputs, invoke, read all outputs."""
        for index, values in enumerate(inputs):
            self.write(index, values)
        self.invoke()
        return [self.read(index) for index in range(len(self.outputs))]

    def op(self, index: int) -> tuple[int, npt.NDArray[Any]]:
        """Code and output of operator `index`, valid right after `invoke(index + 1)`."""
        tensor = TensorStruct()
        code = ctypes.c_uint32()
        self._library.check(
            f"operator {index}",
            "edge_graph_op",
            self._at,
            index,
            ctypes.addressof(tensor),
            ctypes.addressof(code),
        )
        return int(code.value), _values(tensor)


def _info(tensor: TensorStruct) -> TensorInfo:
    shape = tuple(int(dim) for dim in tensor.dims[: tensor.rank])
    return TensorInfo(_DTYPES[tensor.dtype], shape, float(tensor.scale), int(tensor.zero_point))


def _read_only(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    view = array.view()
    view.flags.writeable = False
    return view


def _values(tensor: TensorStruct) -> npt.NDArray[Any]:
    dtype = _DTYPES[tensor.dtype]
    values = np.frombuffer(ctypes.string_at(tensor.data, tensor.bytes), dtype)
    shape = tuple(int(dim) for dim in tensor.dims[: tensor.rank])
    return values.reshape(shape) if int(np.prod(shape)) == values.size else values
