"""The emulated Ethos-U55 and U65 of the C core, and its seam to graphs."""

import ctypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgesdk.core.library import address, aligned_zeros, load_library
from edgesdk.errors import NpuError
from edgesdk.npu.accelerators import ACCELERATORS, Accelerator, accelerator_of

WORK_BYTES = 8 << 20


@dataclass(frozen=True)
class Fault:
    """Why a job failed: `at` is the offending word of its stream, `address` lies in `region`.

    `other` is the word of the operation that it collides with; `at` where it is alone.
    """

    text: str
    at: int
    region: int
    address: int
    other: int


@dataclass(frozen=True)
class Counts:
    """What the driver summed over jobs: cycles (none here) and the PMU's events."""

    cycles: int
    jobs: int
    events: tuple[int, int, int, int]


class EmulatedNpu:
    """Registers, memory and faults of one NPU; not for use by two threads at once."""

    def __init__(
        self, accelerator: str | Accelerator, work_bytes: int = WORK_BYTES, *, strict: bool = True
    ) -> None:
        """Room of `work_bytes` for decoded weights: less of it makes large layers slower.

        Not `strict`: jobs end well that lack waits, loaded tables or alignment.

        Raises:
            NpuError: there is no such accelerator.
        """
        self.accelerator = _known(accelerator)
        self._library = load_library()
        self._work = aligned_zeros(work_bytes)
        self._struct = aligned_zeros(self._library.call("edge_binding_npu_bytes"))
        self._at = address(self._struct)
        status = self._library.call(
            "edge_binding_npu_open",
            self._at,
            self.accelerator.config,
            address(self._work),
            work_bytes,
        )
        if status != 0:
            raise NpuError(f"{self.accelerator.name}: the emulator has no such configuration")
        self._library.call("edge_binding_npu_strict", self._at, strict)
        self._device: int = self._library.call("edge_binding_npu_device", self._at)
        self._mapped: list[NDArray[Any]] = []

    @property
    def seam(self) -> int:
        """Of the edge_npu_t that a graph attaches to; valid as long as this object."""
        return int(self._library.call("edge_binding_npu_seam", self._at))

    def read(self, offset: int) -> int:
        """A register by its byte offset."""
        return int(self._library.call("edge_ethosu_read", self._device, offset))

    def write(self, offset: int, value: int) -> None:
        """Set a register; CMD 1 runs the job to its end."""
        self._library.call("edge_ethosu_write", self._device, offset, value)

    def map(self, arrays: Iterable[NDArray[Any]]) -> list[int]:
        """Make these arrays the NPU's only memory, read-only where they are; their addresses.

        Raises:
            NpuError: an array is not contiguous, or there are too many, or too large ones.
        """
        self._library.call("edge_binding_npu_unmap", self._at)
        self._mapped = list(arrays)
        for array in self._mapped:
            if not array.flags.c_contiguous:
                raise NpuError("memory of an NPU: not contiguous; give it np.ascontiguousarray(x)")
            place = address(array), array.nbytes, array.flags.writeable
            if self._library.call("edge_ethosu_map", self._device, *place) != 0:
                raise NpuError("memory of an NPU: more than 8 arrays or 4 GB; give it fewer")
        return [
            int(self._library.call("edge_binding_npu_address", self._at, i))
            for i in range(len(self._mapped))
        ]

    def place(self, windows: Mapping[int, NDArray[Any]]) -> None:
        """Make these arrays the NPU's only memory, each at the address that is its key.

        Raises:
            NpuError: there are too many, or they end beyond 32 bits.
        """
        self.map(())
        self._mapped = list(windows.values())
        for base, array in windows.items():
            window = base, address(array), array.nbytes, array.flags.writeable
            if self._library.call("edge_ethosu_place", self._device, *window) != 0:
                raise NpuError(f"memory of an NPU at {base:#x}: beyond 32 bits, or the ninth")

    def _report(self) -> list[int]:
        out = (ctypes.c_uint64 * 6)()
        self._library.call("edge_binding_npu_fault", self._at, ctypes.addressof(out))
        return list(out)

    @property
    def fault(self) -> Fault | None:
        """Of the last job; None where it ended well."""
        kind, at, region, offset, _, other = self._report()
        if kind == 0:
            return None
        text = self._library.call("edge_ethosu_fault_text", kind).decode()
        return Fault(text, at, region, offset, other)

    @property
    def overflows(self) -> int:
        """32-bit accumulators that did not hold their sum, since the NPU was made."""
        return self._report()[4]

    @property
    def counts(self) -> Counts:
        """Sums of the driver, over graphs that were attached to this NPU."""
        out = (ctypes.c_uint64 * 6)()
        self._library.call("edge_binding_npu_counts", self._at, ctypes.addressof(out))
        return Counts(out[0], out[1], (out[2], out[3], out[4], out[5]))

    def explain(self, command: str = "") -> str:
        """The fault of the last job as one line; `command` is what its word says."""
        fault = self.fault
        if fault is None:
            return f"{self.accelerator.name}: no fault"
        where = f"word {fault.at}{f' ({command})' if command else ''}"
        where += f" against word {fault.other}" if fault.other != fault.at else ""
        return (
            f"{self.accelerator.name}: {where}: {fault.text} (region {fault.region}, "
            f"offset {fault.address:#x}); {_next_step(fault)}"
        )


def emulated_npu(find: str, of: int, memory: Iterable[NDArray[Any]]) -> EmulatedNpu | None:
    """An NPU for what the core's function `find` finds at `of`, a graph or a recogniser.

    It reaches `memory` only; None where nothing there is for an NPU.

    Raises:
        NpuError: it was compiled for an NPU that the emulator is not.
    """
    config = ctypes.c_uint32()
    if not load_library().call(find, of, ctypes.addressof(config)):
        return None
    npu = EmulatedNpu(accelerator_of(config.value))
    npu.map(memory)
    return npu


def _next_step(fault: Fault) -> str:
    if "work memory" in fault.text:
        return "split the graph, or give the emulator more work memory (work_bytes)"
    return "compile the graph again for this accelerator"


def _known(accelerator: str | Accelerator) -> Accelerator:
    if isinstance(accelerator, Accelerator):
        return accelerator
    if accelerator not in ACCELERATORS:
        raise NpuError(f"{accelerator}: no accelerator; known are {', '.join(ACCELERATORS)}")
    return ACCELERATORS[accelerator]
