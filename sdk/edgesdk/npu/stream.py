"""Reads Ethos-U command streams: operations, and what each found in the registers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesdk.errors import NpuError
from edgesdk.npu.commands import COMMANDS, PAYLOAD, Command, Form

Value = int | tuple[int, int]
"""Of a register; a scale is its multiplier and its shift."""

_FIRST: dict[Form, Value] = {"count": 1, "scale": (0, 0)}
RESET: Mapping[str, Value] = {
    command.name: _FIRST.get(command.form, 0)
    for command in COMMANDS.values()
    if command.form != "operation"
}
"""Registers before the first command."""


@dataclass(frozen=True)
class Write:
    """A register that the stream sets; `at` is the index of the command's first word."""

    at: int
    command: Command
    value: Value


@dataclass(frozen=True)
class Operation:
    """A command that does something, with the writes since the one before it.

    `registers` has every register by its name, with the value that the operation finds there.
    """

    index: int
    at: int
    command: Command
    param: int
    writes: tuple[Write, ...]
    registers: Mapping[str, Value]

    def number(self, name: str) -> int:
        """A register that is no scale."""
        value = self.registers[name]
        assert isinstance(value, int)
        return value

    def scale(self, name: str) -> tuple[int, int]:
        """Multiplier and shift of OFM_SCALE, OPA_SCALE or OPB_SCALE."""
        value = self.registers[name]
        assert isinstance(value, tuple)
        return value


def read_stream(
    words: Sequence[int] | NDArray[np.uint32], product: str, source: str = "command stream"
) -> list[Operation]:
    """The operations up to STOP, for a product, "u55" or "u65"; `source` names it in errors.

    Raises:
        NpuError: a command that the product has not, a value with bits that its register has
            not, or no STOP.
    """
    return list(operations(words, product, source))


def operations(
    words: Sequence[int] | NDArray[np.uint32], product: str, source: str = "command stream"
) -> Iterator[Operation]:
    """As `read_stream`, one by one: what comes before a defect is still seen."""
    registers = dict(RESET)
    writes: list[Write] = []
    at = index = 0
    while at < len(words):
        code, param = int(words[at]) & 0xFFFF, int(words[at]) >> 16
        command = COMMANDS.get(code)
        if command is None or (product == "u55" and not command.u55):
            word, npu = f"{int(words[at]):#010x}", product.upper()
            raise _bad(source, at, f"{word} is no command of an Ethos-{npu}")
        if at + command.words > len(words):
            raise _bad(source, at, f"{command.name} ends before its second word")
        second = int(words[at + 1]) if code & PAYLOAD else 0
        value = _value(command, param, second, product)
        if value is None:
            raise _bad(source, at, f"{command.name} has no bits for {param:#06x}")
        if command.form == "operation":
            yield Operation(index, at, command, param, tuple(writes), dict(registers))
            if command.name == "STOP":
                return
            writes, index = [], index + 1
        else:
            registers[command.name] = value
            writes.append(Write(at, command, value))
        at += command.words
    raise _bad(source, at, "no STOP")


def _value(command: Command, param: int, second: int, product: str) -> Value | None:
    """A register's value; None where the parameter has bits that it has not."""
    bits = 40 if product == "u65" else 32
    wide = param << 32 | second
    if command.form == "stride":
        negative = wide >> (bits - 1) & 1
        whole = wide >> bits == 0 or (negative and param in (0xFFFF, (1 << bits - 24) - 1))
        low = wide & ((1 << bits) - 1)
        return (low - (negative << bits)) if whole else None
    if param & ~command.mask:
        return None
    if command.form == "address":
        return wide if wide < 1 << bits else None
    if command.form == "scale":
        return second, param
    return second if command.form == "length" else param + (command.form == "count")


def _bad(source: str, at: int, why: str) -> NpuError:
    return NpuError(f"{source}: word {at}: {why}; compile the graph again with Vela")
