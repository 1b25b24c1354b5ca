"""UART of nRF51 and nRF52 (nRF51 Reference Manual 3.0, 29), UARTE of nRF52 and nRF53 (their PS)."""

import ctypes

from uart_model import UartModel

START_RECEIVE, START_SEND = 0x000, 0x008
RXDRDY, ENDRX, TXDRDY, ENDTX, ERROR = 0x108, 0x110, 0x11C, 0x120, 0x124
INTENSET, ERRORSRC, ENABLE, BAUDRATE, CONFIG = 0x304, 0x480, 0x500, 0x524, 0x56C
OVERRUN = 1
PLACES = {0x534: "to", 0x538: "to_bytes", 0x544: "from", 0x548: "from_bytes"}  # of the DMA


class _Nordic(UartModel):
    """Tasks, events that stay until 0 is written, and a receiver's buffer of HOLDS bytes."""

    ON: int  # of ENABLE
    SENT: int  # the event of a byte that has left
    EVENTS: tuple[int, ...]

    def __init__(self, clock_hz: int) -> None:
        super().__init__(clock_hz)
        self.registers = dict.fromkeys((INTENSET, ERRORSRC, ENABLE, BAUDRATE), 0)
        self.events = dict.fromkeys(self.EVENTS, 0)
        self.receives = self.sends = False
        self.shifting = 0
        self.fifo: list[int] = []

    def arrive(self, byte: int) -> None:
        if self.registers[ENABLE] != self.ON or not self.receives:
            return
        if self.held() == self.HOLDS:
            self.registers[ERRORSRC] |= OVERRUN
            self.events[ERROR] = 1
        else:
            self.fifo.append(byte)
            self.move()

    def held(self) -> int:
        """Bytes that nobody has read."""
        return len(self.fifo)

    def move(self) -> None:
        """A byte has come into the buffer."""
        raise NotImplementedError

    def pending(self) -> bool:
        enabled = self.registers[INTENSET]
        return any(
            self.events[event] and enabled >> ((event - 0x100) // 4) & 1 for event in self.EVENTS
        )

    def baud(self) -> float:
        on = self.registers[ENABLE] == self.ON and self.receives
        return self.registers[BAUDRATE] * self.clock_hz / (1 << 32) if on else 0.0

    def read(self, offset: int, width: int) -> int:
        if offset == self.SENT and self.shifting:
            self.shifting -= 1
            self.events[self.SENT] |= not self.shifting
        return self.events[offset] if offset in self.events else self.registers[offset]

    def write(self, offset: int, width: int, value: int) -> None:
        if offset in self.events:
            assert value == 0, "an event is only cleared"
            self.events[offset] = 0
        elif offset == ERRORSRC:
            self.registers[ERRORSRC] &= ~value
        elif offset == CONFIG:
            assert value == 0, "neither parity nor flow control"
        else:
            assert offset in self.registers, f"offset 0x{offset:X}"
            self.registers[offset] = value

    def send(self, byte: int) -> None:
        assert self.registers[ENABLE] == self.ON
        if self.shifting:
            self.sent.pop()
        self.sent.append(byte)
        self.shifting = self.WAIT


class Nrf(_Nordic):
    """RXDRDY whenever a byte of the six moves to where RXD reads it."""

    ON, SENT, HOLDS = 4, TXDRDY, 6
    EVENTS = (RXDRDY, TXDRDY, ERROR)

    def move(self) -> None:
        self.events[RXDRDY] |= len(self.fifo) == 1

    def read(self, offset: int, width: int) -> int:
        if offset != 0x518:
            return super().read(offset, width)
        byte = self.fifo.pop(0)
        self.events[RXDRDY] |= bool(self.fifo)
        return byte

    def write(self, offset: int, width: int, value: int) -> None:
        if offset == START_RECEIVE:
            self.receives = True
        elif offset == START_SEND:
            self.sends = True
        elif offset == 0x51C:
            assert self.sends
            self.send(value)
        else:
            super().write(offset, width, value)


class NrfDma(_Nordic):
    """One transfer from STARTRX to ENDRX; what comes between two waits, four bytes at most."""

    ON, SENT, HOLDS = 8, ENDTX, 5
    EVENTS = (ENDRX, ENDTX, ERROR)

    def __init__(self, clock_hz: int) -> None:
        super().__init__(clock_hz)
        self.places = dict.fromkeys(PLACES.values(), 0)
        self.started = False  # a transfer that waits for its byte

    def held(self) -> int:
        return len(self.fifo) + self.events[ENDRX]

    def memory(self, low: int) -> "ctypes.c_uint8":
        """The byte at an address whose upper half the driver's registers have no room for."""
        return ctypes.c_uint8.from_address(self.anchor & ~0xFFFF_FFFF | low)

    def move(self) -> None:
        if self.started and self.fifo:
            assert self.places["to_bytes"] == 1
            self.memory(self.places["to"]).value = self.fifo.pop(0)
            self.events[ENDRX], self.started = 1, False

    def write(self, offset: int, width: int, value: int) -> None:
        if offset in PLACES:
            self.places[PLACES[offset]] = value
        elif offset == START_RECEIVE:
            assert self.registers[ENABLE] == self.ON
            self.receives = self.started = True
            self.move()
        elif offset == START_SEND:
            assert self.places["from_bytes"] == 1
            self.send(self.memory(self.places["from"]).value)
        else:
            super().write(offset, width, value)
