"""PL011: Arm DDI 0183, chapter 3."""

from uart_model import UartModel

RECEIVED, WAITING, OVERRUN = 1 << 4, 1 << 6, 1 << 10  # of RIS, MASK and ICR
RXFE, TXFF = 1 << 4, 1 << 5
FIFO = 16
ON = 0x301  # UARTEN, TXE, RXE


class Pl011(UartModel):
    """A FIFO on either side; an interrupt at a level, and one where fewer bytes wait for long."""

    HOLDS = FIFO

    def __init__(self, clock_hz: int) -> None:
        super().__init__(clock_hz)
        self.control = self.line = self.mask = self.raw = self.shifting = 0
        self.divisor = [0, 0]  # whole, 64ths
        self.taken: tuple[int, ...] = (0, 0)  # with the line register
        self.fifo: list[int] = []

    def arrive(self, byte: int) -> None:
        if self.control != ON:
            return
        if len(self.fifo) == FIFO:
            self.raw |= OVERRUN  # the byte in the shift register is lost
            return
        self.fifo.append(byte)
        self.raw |= RECEIVED if len(self.fifo) == FIFO // 8 else 0

    def pending(self) -> bool:
        """Long after the last byte: what is left in the FIFO has waited for 32 bits."""
        self.raw |= WAITING if self.fifo else 0
        return bool(self.raw & self.mask)

    def baud(self) -> float:
        whole, parts = self.taken
        valid = self.control == ON and self.line == 0x70 and whole
        return self.clock_hz / (16 * (whole + parts / 64)) if valid else 0.0

    def read(self, offset: int, width: int) -> int:
        if offset == 0x00:
            byte = self.fifo.pop(0)
            self.raw &= ~(0 if self.fifo else RECEIVED | WAITING)
            return byte
        if offset == 0x18:
            self.shifting -= 1 if self.shifting else 0
            return (0 if self.fifo else RXFE) | (TXFF if self.shifting else 0)
        return {0x3C: self.raw}[offset]

    def write(self, offset: int, width: int, value: int) -> None:
        if offset == 0x00:
            assert self.control == ON and not self.shifting, "its FIFO is full: the byte is lost"
            self.sent.append(value)
            self.shifting = self.WAIT
        elif offset in (0x24, 0x28):
            assert self.control == 0 and value < (1 << 16 if offset == 0x24 else 64)
            self.divisor[(offset - 0x24) // 4] = value
        elif offset == 0x2C:
            self.line, self.taken = value, tuple(self.divisor)
        elif offset == 0x30:
            self.control = value
        elif offset == 0x38:
            self.mask = value
        elif offset == 0x44:
            self.raw &= ~value
        else:
            assert (offset, value) == (0x34, 0), "IFLS: an eighth on the receive side"
