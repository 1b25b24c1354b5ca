"""USARTs of STM32: RM0090 chapter 30 (F4) and RM0410 chapter 34 (F7; L4 and H7 without FIFOs)."""

from uart_model import UartModel

ORE, RXNE, TC, TXE = 1 << 3, 1 << 5, 1 << 6, 1 << 7
RE, TE, RXNEIE = 1 << 2, 1 << 3, 1 << 5


class _Usart(UartModel):
    """What both kinds share: data register and shift register on either side."""

    UE: int  # bit of CR1

    def __init__(self, clock_hz: int) -> None:
        super().__init__(clock_hz)
        self.flags = TXE | TC
        self.data = self.brr = self.cr1 = self.shifting = 0

    def enabled(self, bits: int) -> bool:
        return self.cr1 & (self.UE | bits) == self.UE | bits

    def arrive(self, byte: int) -> None:
        if not self.enabled(RE):
            return
        if self.flags & RXNE:
            self.flags |= ORE  # the data register keeps the byte before; this one is lost
        else:
            self.data = byte
            self.flags |= RXNE

    def pending(self) -> bool:
        return self.enabled(RXNEIE) and bool(self.flags & (RXNE | ORE))

    def baud(self) -> float:
        """BRR is mantissa and sixteenths of a divisor of 16 samples a bit: clock / BRR."""
        valid = 16 <= self.brr < 1 << 16
        return self.clock_hz / self.brr if valid and self.enabled(RE | TE) else 0.0

    def state(self) -> int:
        if self.shifting:
            self.shifting -= 1
            self.flags |= 0 if self.shifting else TXE | TC
        return self.flags

    def take(self) -> int:
        self.flags &= ~RXNE
        return self.data

    def give(self, byte: int) -> None:
        if not self.enabled(TE):
            return
        if self.shifting:
            self.sent.pop()
        self.sent.append(byte)
        self.flags &= ~(TXE | TC)
        self.shifting = self.WAIT

    def configure(self, value: int) -> None:
        assert value & ~(self.UE | RE | TE | RXNEIE) == 0, f"CR1 0x{value:X} is not 8N1, 16 samples"
        self.cr1 = value


class Stm32V1(_Usart):
    """SR, DR, BRR, CR1; reading SR and then DR clears ORE."""

    UE = 1 << 13

    def __init__(self, clock_hz: int) -> None:
        super().__init__(clock_hz)
        self.seen_overrun = False

    def read(self, offset: int, width: int) -> int:
        if offset == 0x00:
            state = self.state()
            self.seen_overrun = bool(state & ORE)
            return state
        if offset == 0x04:
            self.flags &= ~(ORE if self.seen_overrun else 0)
            return self.take()
        return {0x08: self.brr, 0x0C: self.cr1}[offset]

    def write(self, offset: int, width: int, value: int) -> None:
        if offset == 0x04:
            self.give(value & 0xFF)
        elif offset == 0x08:
            self.brr = value
        else:
            assert offset == 0x0C, f"offset 0x{offset:X}"
            self.configure(value)


class Stm32V2(_Usart):
    """CR1, BRR, ISR, ICR, RDR, TDR; ORE stays until ICR clears it, BRR only while it is off."""

    UE = 1 << 0

    def read(self, offset: int, width: int) -> int:
        if offset == 0x1C:
            return self.state()
        if offset == 0x24:
            return self.take()
        return {0x00: self.cr1, 0x0C: self.brr, 0x28: 0}[offset]

    def write(self, offset: int, width: int, value: int) -> None:
        if offset == 0x00:
            self.configure(value)
        elif offset == 0x0C:
            assert not self.enabled(0), "BRR can only be written while the USART is off"
            self.brr = value
        elif offset == 0x20:
            self.flags &= ~(value & ORE)
        else:
            assert offset == 0x28, f"offset 0x{offset:X}"
            self.give(value & 0xFF)
