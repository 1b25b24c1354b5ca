"""Clocks of Nordic: nRF52840 Product Specification 1.7, nRF5340 Product Specification 1.3.1."""

from setup_registers import Clocks, Registers, Tree

UART_HZ = 16_000_000  # of what BAUDRATE is a part of
OUTPUT, INPUT_PULLED_UP = 0x3, 0xC  # PIN_CNF


def _pins(registers: Registers, uart: int, port: int, pins: tuple[int, int]) -> None:
    """TXD and RXD of a UART on two pins of a port, whose PIN_CNF[0] is at `port`."""
    for pin, select, configuration in zip(
        pins, (0x50C, 0x514), (OUTPUT, INPUT_PULLED_UP), strict=True
    ):
        assert registers.field(uart + select, 0, 32) == pin
        assert registers.field(port + 4 * pin, 0, 32) == configuration


def nrf52840(registers: Registers) -> Clocks:
    """64 MHz always; of the crystal once HFCLKSTART has been asked for."""
    assert registers.field(0x4000_0000, 0, 1) == 1
    assert registers.field(0x4000_0558, 0, 8) == 0x5A, "debug port: SwDisable"
    return Clocks(cpu_hz=64_000_000, uart_hz=UART_HZ)


def nrf52840_uart(registers: Registers) -> None:
    """UART0 on P0.06 and P0.08."""
    _pins(registers, 0x4000_2000, 0x5000_0700, (6, 8))


def nrf5340(registers: Registers) -> Clocks:
    """HFCLKCTRL halves 128 MHz or leaves them; of the crystal by HFCLKSRC."""
    assert registers.field(0x5000_5514, 0, 1) == 1
    assert registers.field(0x5000_5000, 0, 1) == 1
    for protection in (0x540, 0x548):  # debug port, of all and of the secure side
        assert registers.field(0x5000_6000 + protection + 4, 0, 32) == 0x50FA_50FA
    return Clocks(cpu_hz=128_000_000 >> registers.field(0x5000_5558, 0, 2), uart_hz=UART_HZ)


def nrf5340_uart(registers: Registers) -> None:
    """UARTE0 on P0.20 and P0.22, both of the application core (MCUSEL 0)."""
    _pins(registers, 0x5000_8000, 0x5084_2700, (20, 22))


NORDIC = {
    "nrf52840dk": Tree(nrf52840, nrf52840_uart, reset={}, ready=None, switch=None),
    "nrf5340dk": Tree(nrf5340, nrf5340_uart, reset={0x5000_5558: 1}, ready=None, switch=None),
}
