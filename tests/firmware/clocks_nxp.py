"""Clock trees of NXP and Alif: IMXRT1060RM chapters CCM and CCM Analog, IMX93RM chapter CCM with
Linux clk-imx93.c, and Alif's DFP; what feeds them is on the kits."""

from setup_registers import Clocks, Registers, Tree

CRYSTAL = 24_000_000
CCM, ANALOG, DCDC, IOMUXC = 0x400F_C000, 0x400D_8000, 0x4008_0000, 0x401F_8000
CCM93, IOMUXC93 = 0x4445_0000, 0x443C_0000
# SYS_PLL1's PFDs as U-Boot sets them: what the first three of a root's four inputs get.
SLOW = (CRYSTAL, 500_000_000, 400_000_000)  # PFDs halved
FAST = (CRYSTAL, 1_000_000_000, 800_000_000)


def imxrt1060(registers: Registers) -> Clocks:
    """PLL1, ARM_PODF, AHB_PODF; more than 528 MHz needs 1.25 V at least, IPG 150 MHz at most."""
    divider = registers.field(ANALOG, 0, 7)
    assert registers.field(ANALOG, 12, 5) == 0b00010, "ENABLE; not bypassed, not powered down"
    assert 54 <= divider <= 108
    assert registers.field(CCM + 0x18, 18, 2) == 3, "PRE_PERIPH_CLK: PLL1"
    assert registers.field(CCM + 0x14, 25, 1) == 0, "PERIPH_CLK: PRE_PERIPH_CLK"
    pll = CRYSTAL * divider // 2
    cpu = pll // (registers.field(CCM + 0x10, 0, 3) + 1) // (registers.field(CCM + 0x14, 10, 3) + 1)
    assert 800 + 25 * registers.field(DCDC + 0xC, 0, 5) >= 1250, "mV"
    assert cpu // (registers.field(CCM + 0x14, 8, 2) + 1) <= 150_000_000
    assert registers.field(CCM + 0x54, 0, 2) == 0, "CLPCR: in WFI too, or SysTick would stop"
    assert registers.field(CCM + 0x24, 6, 1) == 1, "UART_CLK_SEL: crystal"
    return Clocks(cpu_hz=cpu, uart_hz=CRYSTAL // (registers.field(CCM + 0x24, 0, 6) + 1))


def imxrt1060_uart(registers: Registers) -> None:
    """LPUART1 on GPIO_AD_B0_12 and _13, the third of the tables' functions."""
    assert registers.field(CCM + 0x78, 2, 2) == registers.field(CCM + 0x7C, 24, 2) == 3
    for pin in (12, 13):
        assert registers.field(IOMUXC + 0xBC + 4 * pin, 0, 5) == 2, "mux of GPIO_AD_B0"
        assert registers.field(IOMUXC + 0x2AC + 4 * pin, 0, 17) == 0x10B0


def _root(registers: Registers, number: int, inputs: tuple[int, ...]) -> int:
    at = CCM93 + 0x80 * number
    assert registers.field(at, 24, 1) == 0, "not OFF"
    return inputs[registers.field(at, 8, 2)] // (registers.field(at, 0, 8) + 1)


def imx93(registers: Registers) -> Clocks:
    """The NPU's root is the board file's core_clock; 250 MHz is the most of the M33."""
    assert _root(registers, 68, FAST) == 1_000_000_000
    assert _root(registers, 67, SLOW) <= 500_000_000
    cpu = _root(registers, 3, SLOW)
    assert cpu <= 250_000_000
    return Clocks(cpu_hz=cpu, uart_hz=_root(registers, 26, SLOW))


def imx93_uart(registers: Registers) -> None:
    """LPUART2 on pads UART2_RXD and _TXD, their first function and the LPUART's second choice."""
    assert registers.field(CCM93 + 0x8D40, 0, 1) == 1
    for pad in (0x188, 0x18C):
        assert registers.field(IOMUXC93 + pad, 0, 3) == 0
        assert registers.field(IOMUXC93 + pad + 0x1B0, 0, 13) == 0x31E
    assert registers.field(IOMUXC93 + 0x464, 0, 2) == registers.field(IOMUXC93 + 0x468, 0, 2) == 1


def alif_e7(registers: Registers) -> Clocks:
    """The secure enclave starts the core; the UART chooses between 38.4 and 100 MHz."""
    chosen = registers.field(0x4902_F008, 8 + 2, 1)
    assert registers.field(0x400F_0010, 0, 1) == 1, "the NPU has a clock"
    return Clocks(cpu_hz=400_000_000, uart_hz=(38_400_000, 100_000_000)[chosen])


def alif_e7_uart(registers: Registers) -> None:
    """UART2 on P1_0, an input, and P1_1; their registers are no code."""
    assert registers.field(0x4902_F000, 30, 2) == 3
    assert registers.field(0x4902_F008, 2, 1) == 1
    assert registers.field(0x1A60_3000 + 32 * 1 + 4 * 0, 0, 24) == 0x1_0001
    assert registers.field(0x1A60_3000 + 32 * 1 + 4 * 1, 0, 24) == 1
    low, high = registers.field(0xE000_ED9C, 5, 27) << 5, registers.field(0xE000_EDA0, 5, 27) << 5
    assert low <= 0x1A60_3000 <= high
    assert registers.field(0xE000_ED9C, 0, 1) == 1, "never executed"
    assert registers.field(0xE000_EDC0, 4, 4) == 0, "attribute 0 is a device's"


NXP = {
    "imxrt1060-evk": Tree(
        imxrt1060,
        imxrt1060_uart,
        # As the boot ROM may leave them: PLL1 of 1056 MHz, powered down.
        reset={
            ANALOG: 0x1_3042,
            CCM + 0x10: 1,
            CCM + 0x14: 0xA_8300,
            CCM + 0x18: 0x2DAE_8304,
            CCM + 0x54: 0x79,
        },
        ready=(ANALOG, 1 << 31),
        switch=(CCM + 0x14, 1 << 25),
    ),
    "imx93-evk-m33": Tree(imx93, imx93_uart, reset={}, ready=None, switch=None),
    "alif-e7-devkit": Tree(alif_e7, alif_e7_uart, reset={}, ready=None, switch=None),
}
