"""16550A (TI PC16550D, SLLS597E) with registers of bytes, and Synopsys' DW_apb_uart of words."""

from uart_model import UartModel

DLAB, DR, OE, THRE, TEMT = 0x80, 0x01, 0x02, 0x20, 0x40
NONE, DATA, LINE, BUSY, TIMEOUT = 1, 4, 6, 7, 12  # interrupt ids


class Ns16550(UartModel):
    """Registers a byte apart, FIFOs of 16 bytes."""

    HOLDS = 16
    STRIDE = 1

    def __init__(self, clock_hz: int) -> None:
        super().__init__(clock_hz)
        self.ier = self.lcr = self.mcr = self.divisor = self.errors = self.shifting = 0
        self.fifo: list[int] = []

    def _register(self, offset: int, width: int) -> int:
        assert width == self.STRIDE, f"an access of {width} bytes"
        assert offset % self.STRIDE == 0, f"offset 0x{offset:X}"
        return offset // self.STRIDE

    def arrive(self, byte: int) -> None:
        if len(self.fifo) < self.HOLDS:
            self.fifo.append(byte)
        else:
            self.errors |= OE

    def pending(self) -> bool:
        return self.interrupt() != NONE

    def interrupt(self) -> int:
        return DATA if self.fifo and self.ier & 1 else NONE

    def baud(self) -> float:
        return self.clock_hz / (16 * self.divisor) if self.divisor and self.lcr == 3 else 0.0

    def read(self, offset: int, width: int) -> int:
        register = self._register(offset, width)
        if register == 0 and not self.lcr & DLAB:
            return self.fifo.pop(0) if self.fifo else 0
        if register == 5:
            self.shifting = max(0, self.shifting - 1)
            state = (DR if self.fifo else 0) | self.errors | (0 if self.shifting else THRE | TEMT)
            self.errors = 0
            return state
        return {2: 0xC0 | self.interrupt(), 3: self.lcr}[register]

    def write(self, offset: int, width: int, value: int) -> None:
        register = self._register(offset, width)
        latched = bool(self.lcr & DLAB)
        if register in (0, 1) and latched:
            shift = 8 * register
            self.divisor = self.divisor & ~(0xFF << shift) | value << shift
        elif register == 0:
            if self.shifting:
                self.sent.pop()
            self.sent.append(value)
            self.shifting = self.WAIT
        elif register == 1:
            assert value & ~1 == 0, f"IER 0x{value:X}"
            self.ier = value
        elif register == 2:
            assert value & 1, "FIFOs off"
            if value & 2:
                self.fifo.clear()
        elif register == 3:
            self.set_line(value)
        else:
            assert register == 4, f"register {register}"
            assert value & 0x10 == 0, "loops back"
            self.mcr = value

    def set_line(self, value: int) -> None:
        self.lcr = value


class DwApb(Ns16550):
    """Registers a word apart; LCR and the divisor can be written only while the UART is idle.

    `coming` are bytes on the wire: each keeps it busy, until the FIFO is emptied and read.
    """

    STRIDE = 4

    def __init__(self, clock_hz: int) -> None:
        super().__init__(clock_hz)
        self.coming: list[int] = []
        self.refused = False  # a write of LCR, which makes an interrupt until USR is read
        self.stuck = False  # the timeout of an empty FIFO, until RBR is read

    def interrupt(self) -> int:
        if self.fifo and self.ier & 1:
            return DATA
        return TIMEOUT if self.stuck else BUSY if self.refused else NONE

    def set_line(self, value: int) -> None:
        if self.coming or self.fifo:
            self.refused = True
            self.fifo += [self.coming.pop(0)] if self.coming else []
        else:
            self.lcr = value

    def read(self, offset: int, width: int) -> int:
        if offset == 31 * self.STRIDE:
            self.refused = False
            return int(bool(self.fifo))
        if offset == 0:
            self.stuck = False
        return super().read(offset, width)
