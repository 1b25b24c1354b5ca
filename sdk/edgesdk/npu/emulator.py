"""An emulated Ethos-U55 or U65 that runs command streams on arrays.

Equal to the semantics of TFLM's reference kernels for the streams that Vela 5.2.0 emits; a
functional emulator has no cycles. edgesdk.core.Graph attaches one by itself.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesdk.core.npu import Counts, EmulatedNpu, Fault
from edgesdk.errors import NpuError
from edgesdk.npu.stream import operations

__all__ = ["Counts", "Fault", "Npu"]

_STATUS, _CMD, _RESET, _QBASE, _QSIZE, _BASEP = 0x04, 0x08, 0x0C, 0x10, 0x20, 0x80
_END, _RUN, _CLEAR_IRQ = 1 << 5, 1, 2


class Npu(EmulatedNpu):
    """One emulated NPU; not for use by two threads at once."""

    def run(self, words: NDArray[np.uint32], regions: Sequence[NDArray[Any] | None]) -> None:
        """Run a command stream from its first word to STOP, on the memory of its regions.

        A region is a contiguous array, only read where it is not writeable; an array may serve
        for more than one. Vela's are 0 weights, 1 scratch, 2 fast scratch.

        Raises:
            NpuError: the stream does what the NPU cannot; names the command.
        """
        words = np.array(words, np.uint32)
        given = {id(region): region for region in regions if region is not None and region.size}
        places = dict(zip(["stream", *given], self.map([words, *given.values()]), strict=True))
        self.write(_RESET, 0)
        self._write_wide(_QBASE, places["stream"])
        self.write(_QSIZE, words.nbytes)
        for i, region in enumerate(regions):
            self._write_wide(_BASEP + 8 * i, places.get(id(region), 0))
        self.write(_CMD, _RUN)
        ended = self.read(_STATUS) & _END
        self.write(_CMD, _CLEAR_IRQ)
        if not ended:
            raise NpuError(self.explain(self._command(words)))

    def _write_wide(self, offset: int, value: int) -> None:
        self.write(offset, value & 0xFFFFFFFF)
        self.write(offset + 4, value >> 32)

    def _command(self, words: NDArray[np.uint32]) -> str:
        """The operation that the fault names; empty where its word is none."""
        at = -1 if self.fault is None else self.fault.at
        try:
            for operation in operations(words, self.accelerator.product):
                if operation.at == at:
                    name = f"{operation.command.name} {operation.param}"
                    return f"{name}, operation {operation.index}"
        except NpuError:
            pass
        return ""
