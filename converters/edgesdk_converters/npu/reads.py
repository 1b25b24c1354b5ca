"""Which constants the operations of a command stream read."""

from collections.abc import Iterator, Sequence

from edgesdk.npu.accelerators import accelerator_of
from edgesdk.npu.payload import read_payload
from edgesdk.npu.stream import Operation, operations

from edgesdk_converters.npu.table import Stretch

_CONSTANTS = 0  # the region of weights, scales and tables in Vela's streams
_WEIGHTED = ("CONV", "DEPTHWISE")
_OPERANDS = {"WEIGHT": "WEIGHT_REGION", "WEIGHT1": "WEIGHT_REGION"}
_OPERANDS |= {"SCALE": "SCALE_REGION", "SCALE1": "SCALE_REGION"}


def constant_reads(payloads: Sequence[bytes], source: str) -> Iterator[Stretch]:
    """Weights, scales and transfers of every stream; `source` names the file in errors.

    Raises:
        NpuError: a payload is none, or its stream cannot be read.
    """
    for number, data in enumerate(payloads):
        payload = read_payload(data, source)
        product = accelerator_of(payload.config, source).product
        for operation in operations(payload.words, product, source):
            for start, size in _constants(operation):
                yield Stretch(number, 4 * operation.at, start, start + size)


def _constants(operation: Operation) -> Iterator[tuple[int, int]]:
    """Where it reads constants, and how many bytes."""
    name, found = operation.command.name, operation.registers
    if name in _WEIGHTED:
        for operand, region in _OPERANDS.items():
            if found[region] == _CONSTANTS:
                yield _number(found[f"{operand}_BASE"]), _number(found[f"{operand}_LENGTH"])
    elif name == "DMA_START" and found["DMA0_SRC_REGION"] == _CONSTANTS:
        yield _number(found["DMA0_SRC"]), _number(found["DMA0_LEN"])


def _number(value: int | tuple[int, int]) -> int:
    assert isinstance(value, int)
    return value
