"""LPUART of NXP with FIFOs of 4 bytes: IMXRT1060RM, chapter LPUART (IMX93RM: deeper FIFOs)."""

from collections import deque

from uart_model import UartModel

OVERRUN, RECEIVED, SENT, CAN_SEND = 1 << 19, 1 << 21, 1 << 22, 1 << 23
RE, TE, RIE, ORIE = 1 << 18, 1 << 19, 1 << 21, 1 << 27
RXFE, TXFE, RXFLUSH, TXFLUSH = 1 << 3, 1 << 7, 1 << 14, 1 << 15
GLOBAL, BAUD, STAT, CTRL, DATA, FIFO, WATER = 0x08, 0x10, 0x14, 0x18, 0x1C, 0x28, 0x2C


class Lpuart(UartModel):
    """An overrun keeps what is in the FIFO and loses all that comes until it is cleared."""

    HOLDS = 4

    def __init__(self, clock_hz: int) -> None:
        super().__init__(clock_hz)
        self.values = {BAUD: 0x0F000004, CTRL: 0, FIFO: 0, WATER: 0}
        self.received: deque[int] = deque()
        self.overrun = self.in_reset = False
        self.shifting = 0

    def read(self, offset: int, width: int) -> int:
        assert width == 4, "32-bit registers"
        if offset == STAT:
            return self._state()
        if offset == DATA:
            assert self.received, "an empty FIFO was read"
            return self.received.popleft()
        return self.values[offset]

    def _state(self) -> int:
        self.shifting -= self.shifting > 0
        found = 0 if self.shifting else CAN_SEND | SENT
        found |= RECEIVED if self.received else 0
        return found | (OVERRUN if self.overrun else 0)

    def write(self, offset: int, width: int, value: int) -> None:
        assert width == 4, "32-bit registers"
        if offset == GLOBAL:
            assert value in (0, 2), "only RST is there"
            self.in_reset = value == 2
            self.values |= {BAUD: 0x0F000004, CTRL: 0, FIFO: 0, WATER: 0}
            self.received.clear()
            return
        assert not self.in_reset, "it is still held in reset"
        if offset == STAT:
            assert value == OVERRUN, "other bits of STAT invert lines or clear other flags"
            self.overrun = False
        elif offset == DATA:
            self._give(value)
        else:
            self._configure(offset, value)

    def _give(self, value: int) -> None:
        assert value < 256, "bits above the byte are commands"
        if self.shifting:
            self.sent.pop()
        self.sent.append(value)
        self.shifting = self.WAIT

    def _configure(self, offset: int, value: int) -> None:
        off = self.values[CTRL] & (RE | TE) == 0
        if offset == FIFO:
            assert off, "FIFOs are turned on while both directions are off"
            assert value & ~(RXFE | TXFE | RXFLUSH | TXFLUSH) == 0, f"FIFO 0x{value:X}"
            value &= RXFE | TXFE
        elif offset == BAUD:
            assert off, "the divisor is set while both directions are off"
            assert value & ~0x1F001FFF == 0, f"BAUD 0x{value:X} is not one stop bit, no matches"
        elif offset == CTRL:
            assert value & ~(RE | TE | RIE | ORIE) == 0, f"CTRL 0x{value:X} is not 8N1"
        else:
            assert offset == WATER and value == 0, f"offset 0x{offset:X}"
        self.values[offset] = value

    def arrive(self, byte: int) -> None:
        if not self.values[CTRL] & RE or self.overrun:
            return
        if len(self.received) == (self.HOLDS if self.values[FIFO] & RXFE else 1):
            self.overrun = True
        else:
            self.received.append(byte)

    def pending(self) -> bool:
        control = self.values[CTRL]
        return bool(control & RIE and self.received) or bool(control & ORIE and self.overrun)

    def baud(self) -> float:
        samples, divisor = (self.values[BAUD] >> 24 & 31) + 1, self.values[BAUD] & 0x1FFF
        on = self.values[CTRL] & (RE | TE) == RE | TE
        valid = on and 8 <= samples <= 32 and divisor > 0  # fewer need BOTHEDGE
        return self.clock_hz / (samples * divisor) if valid else 0.0
