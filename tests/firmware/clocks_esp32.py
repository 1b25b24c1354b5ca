"""Clocks of the ESP32-C3 (its technical reference manual 1.3, chapter 6), which its ROM starts."""

from setup_registers import Clocks, Registers, Tree

SYSTEM, RTC, TIMG0, IO_MUX = 0x600C_0000, 0x6000_8000, 0x6001_F000, 0x6000_9000
CRYSTAL_HZ = 40_000_000


def _clocks(registers: Registers) -> Clocks:
    """Table 6.2-2: CPUPERIOD_SEL 0 and 1 are 80 and 160 MHz of a PLL of 480; a UART takes XTAL."""
    assert registers.field(RTC, 6, 1) == registers.field(RTC, 8, 1) == 0, "the PLL's buses"
    assert registers.field(RTC, 10, 1) == 0, "the PLL has no power"
    assert registers.field(SYSTEM + 0x58, 10, 2) == 1, "SOC_CLK_SEL: not the PLL"
    assert registers.field(SYSTEM + 0x08, 2, 1) == 1, "PLL_FREQ_SEL: 320 MHz"
    period = registers.field(SYSTEM + 0x08, 0, 2)
    return Clocks(cpu_hz={0: 80_000_000, 1: 160_000_000}[period], uart_hz=CRYSTAL_HZ)


def _uart(registers: Registers) -> None:
    """UART 0 with its memory and the system timer runs; its pins; no watchdog bites."""
    for bit in (2, 24, 29):
        assert registers.field(SYSTEM + 0x10, bit, 1) == 1, "PERIP_CLK_EN0"
        assert registers.field(SYSTEM + 0x18, bit, 1) == 0, "PERIP_RST_EN0"
    for pin in (20, 21):
        assert registers.field(IO_MUX + 4 + 4 * pin, 12, 3) == 0, "MCU_SEL: U0RXD, U0TXD"
    assert registers.field(IO_MUX + 4 + 4 * 20, 9, 1) == 1, "FUN_IE of U0RXD"
    handed_over = 1 << 22  # WDT_CONF_UPDATE_EN, without which TIMG0 keeps what it had
    for watchdog, off in ((RTC + 0x90, 0), (TIMG0 + 0x48, handed_over)):
        assert registers.field(watchdog, 0, 32) == off, "on, in flash boot at least"
    assert registers.field(RTC + 0xAC, 31, 1) == 1, "the super watchdog does not feed itself"
    for lock in (RTC + 0xA8, RTC + 0xB0, TIMG0 + 0x64):
        assert registers.field(lock, 0, 32) == 0, "left open"


# As the ROM leaves what matters here: watchdogs on, from the crystal, UART 0 on.
ESP32 = {
    "esp32-c3-devkit": Tree(
        clocks=_clocks,
        uart=_uart,
        reset={
            **{RTC: 0x1C00_A540, SYSTEM + 0x08: 0xC, SYSTEM + 0x10: 0xF9C1_E06F},
            **{RTC + 0x90: 0x8001_3214, TIMG0 + 0x48: 0x8004_C000},
            **{IO_MUX + 0x54: 0x0B00, IO_MUX + 0x58: 0x0800},
        },
        ready=None,
        switch=None,
    )
}
