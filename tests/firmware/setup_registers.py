"""The registers that a board's [setup] leaves behind, and the clocks that they mean."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edgesdk.board.setup import Step


@dataclass(frozen=True)
class Clocks:
    """What the processor runs at, and what the UART's divider divides, in Hz."""

    cpu_hz: int
    uart_hz: int


class Registers:
    """Registers by address: values after reset, then whatever is written."""

    def __init__(self, reset: dict[int, int]) -> None:
        self._values = dict(reset)

    def do(self, steps: Iterable[Step]) -> None:
        """Write as the steps say; a wait is for the hardware."""
        for step in steps:
            if step.action in ("write", "change"):
                kept = self._values.get(step.address, 0) & ~step.mask
                self._values[step.address] = kept | step.value

    def field(self, address: int, low: int, width: int) -> int:
        """A field of `width` bits that begins with bit `low`."""
        return self._values.get(address, 0) >> low & ((1 << width) - 1)


@dataclass(frozen=True)
class Tree:
    """A chip's clocks: how its manual decodes the registers, and when they are switched.

    `clocks` also asserts what the manual asks for at that speed: wait states, voltage, limits of
    buses and PLL. `uart` asserts that the UART has its clock and its pins. `ready` and `switch`
    are None where something else starts the processor.
    """

    clocks: Callable[[Registers], Clocks]
    uart: Callable[[Registers], None]
    reset: dict[int, int]  # registers that are not 0 after reset
    ready: tuple[int, int] | None  # register and bits that are waited for before
    switch: tuple[int, int] | None  # register and bits, last, put the processor on the fast clock
