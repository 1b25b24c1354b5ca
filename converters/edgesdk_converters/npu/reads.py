"""Which constants the operations of a command stream read."""

from collections.abc import Iterator, Sequence

from edgesdk.npu.accelerators import accelerator_of
from edgesdk.npu.operands import Range, per_core, transfer
from edgesdk.npu.payload import read_payload
from edgesdk.npu.stream import Operation, operations

from edgesdk_converters.npu.table import Stretch

_CONSTANTS = 0  # the region of weights, scales and tables in Vela's streams
_WEIGHTED = ("CONV", "DEPTHWISE")


def constant_reads(payloads: Sequence[bytes], source: str) -> Iterator[Stretch]:
    """Weights, scales and transfers of every stream; `source` names the file in errors.

    Raises:
        NpuError: a payload is none, or its stream cannot be read.
    """
    for number, data in enumerate(payloads):
        payload = read_payload(data, source)
        product = accelerator_of(payload.config, source).product
        for operation in operations(payload.words, product, source):
            for read in _constants(operation):
                end = read.address + read.size_bytes
                yield Stretch(number, 4 * operation.at, read.address, end)


def _constants(operation: Operation) -> Iterator[Range]:
    """Where it reads constants, and how many bytes."""
    name = operation.command.name
    found: list[Range] = []
    if name in _WEIGHTED:
        found = [*per_core(operation, "WEIGHT"), *per_core(operation, "SCALE")]
    elif name == "DMA_START":
        found = [transfer(operation)[0]]
    return (read for read in found if read.region == _CONSTANTS)
