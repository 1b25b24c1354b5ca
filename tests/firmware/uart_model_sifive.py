"""SiFive's UART (FE310-G002 manual, chapter 18): FIFOs of 8 bytes, a full one drops silently."""

from uart_model import UartModel

TXDATA, RXDATA, TXCTRL, RXCTRL, IE, DIV = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x18
FLAG = 1 << 31  # full, of txdata; empty, of rxdata


class Sifive(UartModel):
    """A word each; the receive interrupt asks while more bytes wait than its watermark, of 0."""

    HOLDS = 8
    TELLS_LOST = False

    def __init__(self, clock_hz: int) -> None:
        super().__init__(clock_hz)
        self.registers = {TXCTRL: 0, RXCTRL: 0, IE: 0, DIV: 0}
        self.fifo: list[int] = []
        self.waiting = 0  # bytes in the transmitter's FIFO

    def arrive(self, byte: int) -> None:
        if self.registers[RXCTRL] & 1 and len(self.fifo) < self.HOLDS:
            self.fifo.append(byte)

    def pending(self) -> bool:
        return bool(self.registers[IE] & 2 and len(self.fifo) > self.registers[RXCTRL] >> 16)

    def baud(self) -> float:
        on = self.registers[TXCTRL] & self.registers[RXCTRL] & 1
        return self.clock_hz / (self.registers[DIV] + 1) if on else 0.0

    def read(self, offset: int, width: int) -> int:
        assert width == 4
        if offset == TXDATA:
            self.waiting -= bool(self.waiting)
            return FLAG if self.waiting >= self.HOLDS else 0
        if offset == RXDATA:
            return self.fifo.pop(0) if self.fifo else FLAG
        return self.registers[offset]

    def write(self, offset: int, width: int, value: int) -> None:
        assert width == 4
        if offset == TXDATA:
            if self.waiting < self.HOLDS:
                self.sent.append(value)
                self.waiting += 2  # the line is slower than the loop that sends
            return
        assert offset != RXDATA
        assert offset != TXCTRL or value & ~1 == 0, "two stop bits, or a watermark"
        self.registers[offset] = value
