"""UART of the ESP32-C3 (its technical reference manual, chapter 26): FIFOs of 128 bytes."""

from uart_model import UartModel

FULL, OVERFLOW, TIMEOUT = 1 << 0, 1 << 4, 1 << 8
FIFO, INT_ST, INT_ENA, INT_CLR, CLKDIV, STATUS = 0x00, 0x08, 0x0C, 0x10, 0x14, 0x1C
CONF0, CONF1, CLK_CONF, ID = 0x20, 0x24, 0x78, 0x80


class Esp32C3(UartModel):
    """Configuration counts once ID.UPDATE has taken it over, which lasts a while."""

    HOLDS = 128

    def __init__(self, clock_hz: int) -> None:
        super().__init__(clock_hz)
        self.registers = {
            **{INT_ENA: 0, CLKDIV: 0x2B6, CONF0: 0x1000001C, CONF1: 0xC060},
            **{CLK_CONF: 0x03701000, ID: 0x40000500},
        }
        self.taken_over: dict[int, int] = {}
        self.raw = self.updating = self.sending = 0
        self.fifo: list[int] = []

    def _full(self) -> bool:
        return len(self.fifo) >= max(1, self.registers[CONF1] & 0x1FF)

    def arrive(self, byte: int) -> None:
        if len(self.fifo) < self.HOLDS:
            self.fifo.append(byte)
        else:
            self.raw |= OVERFLOW
        self.raw |= FULL if self._full() else 0

    def pending(self) -> bool:
        return bool(self.raw & self.registers[INT_ENA])

    def baud(self) -> float:
        """From the crystal, undivided; the divisor has sixteenths."""
        if self.taken_over.get(CLK_CONF) != 0x03700000:
            return 0.0
        divisor = self.taken_over[CLKDIV]
        return self.clock_hz / ((divisor & 0xFFF) + (divisor >> 20) / 16)

    def read(self, offset: int, width: int) -> int:
        assert width == 4
        if offset == FIFO:
            return self.fifo.pop(0)  # of an empty one nothing is told
        if offset == INT_ST:
            return self.raw & self.registers[INT_ENA]
        if offset == STATUS:
            self.sending -= bool(self.sending)
            return self.sending << 16 | len(self.fifo)
        if offset == ID and self.updating:
            self.updating -= 1
            if not self.updating:
                self.registers[ID] &= ~(1 << 31)
                self.taken_over = dict(self.registers)
        return self.registers[offset]

    def write(self, offset: int, width: int, value: int) -> None:
        assert width == 4
        if offset == FIFO:
            if self.sending < self.HOLDS:
                self.sent.append(value)
                self.sending += 2  # the line is slower than the loop that sends
        elif offset == INT_CLR:
            self.raw &= ~value
            self.raw |= FULL if self._full() else 0  # follows the FIFO
        else:
            assert offset in self.registers, f"offset 0x{offset:X}"
            self.registers[offset] = value
            if offset == CONF0 and value & 1 << 17:
                self.fifo.clear()
            if offset == ID and value >> 31:
                assert not value >> 30 & 1, "registers follow by themselves, whatever the clock"
                self.updating = self.WAIT
