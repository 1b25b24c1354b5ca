"""Clock trees of Raspberry Pi: RP2040 data sheet 2.14 to 2.19, RP2350 data sheet 7.5, 8 and 9."""

from collections.abc import Callable
from dataclasses import dataclass

from setup_registers import Clocks, Registers, Tree

CRYSTAL = 12_000_000  # of Pico and Pico 2
PULLED_UP, PULLED_DOWN = 0b10, 0b01  # PUE, PDE of a pad


@dataclass(frozen=True)
class _Chip:
    """Bases of its blocks, bits of RESET, and the most that its processor runs at."""

    clocks: int
    pll: int
    xosc: int
    resets: int
    pins: int
    pads: int
    reset_pll: int
    reset_uart: tuple[int, ...]  # with IO_BANK0 and PADS_BANK0
    most_hz: int


RP2040 = _Chip(
    *(0x4000_8000, 0x4002_8000, 0x4002_4000, 0x4000_C000, 0x4001_4000, 0x4001_C000),
    reset_pll=12,
    reset_uart=(22, 5, 8),
    most_hz=133_000_000,
)
RP2350 = _Chip(
    *(0x4001_0000, 0x4005_0000, 0x4004_8000, 0x4002_0000, 0x4002_8000, 0x4003_8000),
    reset_pll=14,
    reset_uart=(26, 6, 9),
    most_hz=150_000_000,
)


def _clocks(chip: _Chip) -> Callable[[Registers], Clocks]:
    """PLL_SYS of the crystal, clk_sys of it, clk_peri of that."""

    def decode(registers: Registers) -> Clocks:
        field = registers.field
        assert field(chip.xosc, 0, 24) == 0xFABAA0, "enabled, 1 to 15 MHz"
        assert field(chip.clocks + 0x30, 0, 2) == 2, "clk_ref: the crystal"
        assert field(chip.resets, chip.reset_pll, 1) == 0
        assert all(field(chip.pll + 4, bit, 1) == 0 for bit in (0, 3, 5)), "PD, POSTDIVPD, VCOPD"
        reference, feedback = CRYSTAL // field(chip.pll, 0, 6), field(chip.pll + 8, 0, 12)
        assert reference >= 5_000_000
        assert 16 <= feedback <= 320
        assert 750_000_000 <= reference * feedback <= 1_600_000_000
        first, second = field(chip.pll + 0xC, 16, 3), field(chip.pll + 0xC, 12, 3)
        assert first >= second, "less power than the other way round"
        assert (field(chip.clocks + 0x3C, 0, 1), field(chip.clocks + 0x3C, 5, 3)) == (1, 0)
        system = reference * feedback // (first * second)
        assert system <= chip.most_hz
        assert field(chip.clocks + 0x48, 5, 3) == 0, "clk_peri: clk_sys"
        return Clocks(cpu_hz=system, uart_hz=system)

    return decode


def _uart(chip: _Chip) -> Callable[[Registers], None]:
    """UART0, the second function of GPIO0 and GPIO1."""

    def check(registers: Registers) -> None:
        field = registers.field
        assert field(chip.clocks + 0x48, 11, 1) == 1, "clk_peri: ENABLE"
        assert all(field(chip.resets, bit, 1) == 0 for bit in chip.reset_uart)
        for pin, pull in ((0, PULLED_DOWN), (1, PULLED_UP)):
            assert field(chip.pins + 8 * pin + 4, 0, 5) == 2
            pad = chip.pads + 4 + 4 * pin
            assert field(pad, 6, 3) == 1, "IE; not OD, not ISO"
            assert field(pad, 2, 2) == pull

    return check


def _pico(registers: Registers) -> None:
    """The timer as counter: a microsecond of clk_ref."""
    _uart(RP2040)(registers)
    assert registers.field(0x4000_C000, 21, 1) == 0, "TIMER"
    assert registers.field(0x4005_802C, 0, 9) == CRYSTAL // 1_000_000
    assert registers.field(0x4005_802C, 9, 1) == 1


def _tree(chip: _Chip, uart: Callable[[Registers], None], resets: int, pad: int) -> Tree:
    return Tree(
        _clocks(chip),
        uart,
        reset={
            chip.resets: resets,
            chip.pll: 1,
            chip.pll + 4: 0x2D,
            chip.pll + 0xC: 0x7_7000,
            **{chip.pads + 4 + 4 * pin: pad for pin in (0, 1)},
        },
        ready=(chip.pll, 1 << 31),
        switch=(chip.clocks + 0x3C, 1),
    )


RASPBERRY = {
    "pico": _tree(RP2040, _pico, resets=0x01FF_FFFF, pad=0x56),
    "pico2": _tree(RP2350, _uart(RP2350), resets=0x1FFF_FFFF, pad=0x116),
}
