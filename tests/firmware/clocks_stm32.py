"""Clock trees of STM32, from the reference manuals: RM0090 (F4), RM0410 (F7), RM0351 (L4), RM0433
(H7), and what the kits of ST feed them with."""

from setup_registers import Clocks, Registers, Tree

HSE = 8_000_000  # UM1472: crystal; UM1974, UM2407: of the ST-LINK
HSI16 = 16_000_000
AHB = {**dict.fromkeys(range(8), 1), 8: 2, 9: 4, 10: 8, 11: 16, 12: 64, 13: 128, 14: 256, 15: 512}
APB = {**dict.fromkeys(range(4), 1), 4: 2, 5: 4, 6: 8, 7: 16}


def _alternate(registers: Registers, port: int, pins: tuple[int, ...], function: int) -> None:
    """Pins of a GPIO port are driven by that alternate function."""
    for pin in pins:
        assert registers.field(port, 2 * pin, 2) == 2, f"MODER of pin {pin}"
        assert registers.field(port + 0x20 + pin // 8 * 4, pin % 8 * 4, 4) == function


def _awake(registers: Registers, dbgmcu: int = 0xE004_2000) -> None:
    """DBGMCU_CR of a DBGMCU: without DBG_SLEEP probes do not find the core while it rests."""
    assert registers.field(dbgmcu + 4, 0, 1) == 1, "DBG_SLEEP"


def _f4_pll(registers: Registers, rcc: int) -> int:
    """RM0090 section 7.3.2, RM0410 section 5.3.2."""
    m, n, p = (registers.field(rcc + 4, *at) for at in ((0, 6), (6, 9), (16, 2)))
    assert registers.field(rcc + 4, 22, 1) == 1, "of HSE"
    assert registers.field(rcc, 16, 1) == registers.field(rcc, 24, 1) == 1, "HSEON, PLLON"
    assert 1_000_000 <= HSE / m <= 2_000_000
    assert 100_000_000 <= HSE / m * n <= 432_000_000
    return HSE // m * n // (2 * p + 2)


def _f4_bus(registers: Registers, rcc: int) -> Clocks:
    """RM0090 section 7.3.3: PLL as system clock, AHB, APB1."""
    assert registers.field(rcc + 8, 0, 2) == 2
    hclk = _f4_pll(registers, rcc) // AHB[registers.field(rcc + 8, 4, 4)]
    apb1 = hclk // APB[registers.field(rcc + 8, 10, 3)]
    apb2 = hclk // APB[registers.field(rcc + 8, 13, 3)]
    assert apb1 <= 54_000_000
    assert apb2 <= 108_000_000
    return Clocks(cpu_hz=hclk, uart_hz=apb1)


def f407(registers: Registers) -> Clocks:
    """RM0090: 30 MHz a wait state at 2.7 V and above, scale 1 above 144 MHz."""
    clocks = _f4_bus(registers, 0x4002_3800)
    assert registers.field(0x4002_3C00, 0, 3) == (clocks.cpu_hz - 1) // 30_000_000
    assert registers.field(0x4000_7000, 14, 1) == 1
    assert clocks.uart_hz <= 42_000_000
    return clocks


def f407_uart(registers: Registers) -> None:
    """USART2 on PA2 and PA3; the memory of the stack stays on."""
    assert registers.field(0x4002_3830, 0, 1) == 1, "GPIOA"
    assert registers.field(0x4002_3830, 20, 1) == 1, "core-coupled memory"
    assert registers.field(0x4002_3840, 17, 1) == 1, "USART2"
    _alternate(registers, 0x4002_0000, (2, 3), 7)
    _awake(registers)


def f767(registers: Registers) -> Clocks:
    """RM0410: 30 MHz a wait state at 2.7 V and above, over-drive above 180 MHz."""
    clocks = _f4_bus(registers, 0x4002_3800)
    assert registers.field(0x4002_3800, 18, 1) == 1, "HSE is a clock and no crystal"
    assert registers.field(0x4002_3C00, 0, 4) == (clocks.cpu_hz - 1) // 30_000_000
    assert registers.field(0x4000_7000, 14, 2) == 3
    assert registers.field(0x4000_7000, 16, 2) == 3
    return clocks


def f767_uart(registers: Registers) -> None:
    """USART3 on PD8 and PD9."""
    assert registers.field(0x4002_3890, 4, 2) == 0, "USART3 of APB1"
    assert registers.field(0x4002_3830, 3, 1) == 1, "GPIOD"
    assert registers.field(0x4002_3840, 18, 1) == 1, "USART3"
    _alternate(registers, 0x4002_0C00, (8, 9), 7)
    _awake(registers)


def l476(registers: Registers) -> Clocks:
    """RM0351: 16 MHz a wait state in range 1."""
    rcc = 0x4002_1000
    m, n, r = (registers.field(rcc + 0xC, *at) for at in ((4, 3), (8, 7), (25, 2)))
    assert registers.field(rcc + 0xC, 0, 2) == 2, "of HSI16"
    assert registers.field(rcc + 0xC, 24, 1) == 1, "output R"
    assert registers.field(rcc, 8, 1) == registers.field(rcc, 24, 1) == 1, "HSION, PLLON"
    assert 4_000_000 <= HSI16 / (m + 1) <= 16_000_000
    assert 64_000_000 <= HSI16 / (m + 1) * n <= 344_000_000
    assert registers.field(rcc + 8, 0, 2) == 3
    hclk = HSI16 // (m + 1) * n // (2 * r + 2) // AHB[registers.field(rcc + 8, 4, 4)]
    assert registers.field(0x4002_2000, 0, 3) == (hclk - 1) // 16_000_000
    assert registers.field(0x4000_7000, 9, 2) == 1
    return Clocks(cpu_hz=hclk, uart_hz=hclk // APB[registers.field(rcc + 8, 8, 3)])


def l476_uart(registers: Registers) -> None:
    """USART2 on PA2 and PA3."""
    rcc = 0x4002_1000
    assert registers.field(rcc + 0x88, 2, 2) == 0, "USART2 of APB1"
    assert registers.field(rcc + 0x4C, 0, 1) == 1, "GPIOA"
    assert registers.field(rcc + 0x58, 17, 1) == 1, "USART2"
    _alternate(registers, 0x4800_0000, (2, 3), 7)
    _awake(registers)


def h743(registers: Registers) -> Clocks:
    """RM0433: scale 0 above 400 MHz, flash on AXI with 4 wait states from 225 to 240 MHz."""
    rcc, pwr = 0x5802_4400, 0x5802_4800
    m, n, p = (registers.field(rcc + at, *of) for at, of in _H743_PLL)
    reference = HSE / m
    assert registers.field(rcc + 0x28, 0, 2) == 2, "of HSE"
    assert registers.field(rcc, 16, 3) == 5, "HSEON, HSEBYP"
    assert registers.field(rcc, 24, 1) == 1, "PLL1ON"
    assert registers.field(rcc + 0x2C, 16, 1) == 1, "output P"
    assert registers.field(rcc + 0x2C, 1, 1) == 0, "wide VCO"
    low, high = ((1, 2), (2, 4), (4, 8), (8, 16))[registers.field(rcc + 0x2C, 2, 2)]
    assert low * 1e6 <= reference <= high * 1e6
    assert reference >= 2e6
    assert 192e6 <= reference * (n + 1) <= 960e6
    assert p % 2 == 1, "an odd divisor of P is reserved"
    assert registers.field(rcc + 0x10, 0, 3) == 3
    system = int(reference * (n + 1)) // (p + 1)
    cpu = system // AHB[registers.field(rcc + 0x18, 8, 4)]
    axi = cpu // AHB[registers.field(rcc + 0x18, 0, 4)]
    assert axi <= 240_000_000
    assert all(axi // APB[registers.field(rcc + at, 4, 3)] <= 120_000_000 for at in _H743_APB)
    assert axi // APB[registers.field(rcc + 0x1C, 8, 3)] <= 120_000_000
    assert (registers.field(pwr + 0xC, 0, 2), registers.field(pwr + 0x18, 14, 2)) == (2, 3)
    assert registers.field(0x5800_042C, 0, 1) == 1, "over-drive"
    assert registers.field(0x5200_2000, 0, 6) == 0x24
    assert axi > 225_000_000
    return Clocks(cpu_hz=cpu, uart_hz=axi // APB[registers.field(rcc + 0x1C, 4, 3)])


def h743_uart(registers: Registers) -> None:
    """USART3 on PD8 and PD9."""
    rcc = 0x5802_4400
    assert registers.field(rcc + 0x54, 0, 3) == 0, "USART3 of APB1"
    assert registers.field(rcc + 0xE0, 3, 1) == 1, "GPIOD"
    assert registers.field(rcc + 0xE8, 18, 1) == 1, "USART3"
    _alternate(registers, 0x5802_0C00, (8, 9), 7)
    _awake(registers, 0x5C00_1000)


_H743_PLL = ((0x28, (4, 6)), (0x30, (0, 9)), (0x30, (9, 7)))
_H743_APB = (0x18, 0x1C, 0x20)

_PLL_READY = 1 << 25  # of RCC_CR in all four

STM32 = {
    "stm32f4-discovery": Tree(
        f407,
        f407_uart,
        reset={0x4002_3804: 0x2400_3010, 0x4002_3830: 0x10_0000, 0x4000_7000: 0x4000},
        ready=(0x4002_3800, _PLL_READY),
        switch=(0x4002_3808, 0x3),
    ),
    "nucleo-f767zi": Tree(
        f767,
        f767_uart,
        reset={0x4002_3804: 0x2400_3010, 0x4002_3830: 0x10_0000, 0x4000_7000: 0xC000},
        ready=(0x4002_3800, _PLL_READY),
        switch=(0x4002_3808, 0x3),
    ),
    "nucleo-l476rg": Tree(
        l476,
        l476_uart,
        reset={0x4002_100C: 0x1000, 0x4000_7000: 0x200, 0x4002_2000: 0x600},
        ready=(0x4002_1000, _PLL_READY),
        switch=(0x4002_1008, 0x3),
    ),
    "nucleo-h743zi2": Tree(
        h743,
        h743_uart,
        reset={
            0x5802_4428: 0x0202_0200,
            0x5802_442C: 0x01FF_0000,
            0x5802_4430: 0x0101_0280,
            0x5802_480C: 0x6,
            0x5802_4818: 0x4000,
            0x5200_2000: 0x37,
        },
        ready=(0x5802_4400, _PLL_READY),
        switch=(0x5802_4410, 0x7),
    ),
}
