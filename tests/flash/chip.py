"""A chip behind a debug port, simulated: real flash tools run their loaders on it and write it.

The core is Unicorn's Cortex-M4, which executes the tools' own flash loaders; around it are as much
of ADIv5 (Arm IHI 0031), of the core's debug registers (Arm DDI 0403) and of the nRF52840's flash
controller (Nordic nRF52840 PS, NVMC and FICR) as the tools touch. It has never seen hardware.
"""

import struct
from dataclasses import dataclass, field

from unicorn import (
    UC_ARCH_ARM,
    UC_HOOK_INTR,
    UC_MODE_MCLASS,
    UC_MODE_THUMB,
    Uc,
    UcError,
)
from unicorn.arm_const import (
    UC_ARM_REG_LR,
    UC_ARM_REG_PC,
    UC_ARM_REG_R0,
    UC_ARM_REG_SP,
    UC_ARM_REG_XPSR,
    UC_CPU_ARM_CORTEX_M4,
)

FLASH_BYTES, PAGE_BYTES = 0x10_0000, 0x1000
RAM, RAM_BYTES = 0x2000_0000, 0x4_0000
FICR, UICR, INFO_BYTES = 0x1000_0000, 0x1000_1000, 0x2000
NVMC = 0x4001_E000
PERIPHERALS, PERIPHERAL_BYTES = 0x4000_0000, 0x4_0000
SLICE, LONG_SLICE = 5_000, 2_000_000  # instructions at an access of the debugger; where it waits
DHCSR = 0xE000_EDF0
BREAKPOINT = 7  # Unicorn's number for BKPT
DPIDR, JTAG_IDCODE, AHB_AP, CTRL_AP = 0x2BA0_1477, 0x4BA0_0477, 0x2477_0011, 0x0288_0000
FACTS = {0x10: 4096, 0x14: 256, 0x100: 0x52840, 0x104: 0x4141_4430, 0x108: 0x2004, 0x10C: 256}
FACTS |= {0x110: 1024}
ROM_TABLE = 0xE00F_F000
ROM_ENTRIES = {0x0: 0xFFF0_F003}  # the core's own registers at 0xE000E000
COMPONENTS = {  # base: class, part
    ROM_TABLE: (0x1, 0x4C4),
    0xE000_E000: (0xE, 0x00C),
}
PENDING_RESET = 0x0004
HALT, RUN_MASKED = 0x3, 0x1


@dataclass
class Core:
    """Registers by DCRSR's numbers; 20 holds CONTROL, FAULTMASK, BASEPRI, PRIMASK."""

    registers: dict[int, int] = field(default_factory=dict)
    halted: bool = False
    debug: bool = False
    vector_catch: bool = False
    was_reset: bool = False


class Chip:
    """Memory, core and flash; `resets` counts, `log` has what the flash controller was told."""

    def __init__(self) -> None:
        """Fresh from the factory: all flash erased."""
        self.flash = bytearray(b"\xff" * FLASH_BYTES)
        self.info = bytearray(b"\xff" * INFO_BYTES)
        for offset, value in FACTS.items():
            self.info[offset : offset + 4] = struct.pack("<I", value)
        self.core = Core()
        self.resets = 0
        self.erased_pages = 0
        self.erased_chip = 0
        self.locked = False  # access port protection
        self.stuck_bits: dict[int, int] = {}  # flash addresses that do not take what is written
        self.deaf = False  # no supply: nobody answers
        self._write_enabled = self._erase_enabled = False
        self._transfer = 0
        self._plain: dict[int, int] = {}
        self._uc = self._make_core()

    def _make_core(self) -> Uc:
        uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M4)
        uc.mem_map(RAM, RAM_BYTES)
        uc.mmio_map(0, FLASH_BYTES, self._read_flash, None, self._write_flash, None)
        uc.mmio_map(FICR, INFO_BYTES, self._read_info, None, self._write_info, None)
        uc.mmio_map(
            PERIPHERALS, PERIPHERAL_BYTES, self._read_peripheral, None, self._write_peripheral, None
        )
        uc.hook_add(UC_HOOK_INTR, self._interrupt)
        return uc

    # Flash and its controller

    def _read_flash(self, _: Uc, offset: int, size: int, __: object) -> int:
        return int.from_bytes(self.flash[offset : offset + size], "little")

    def _write_flash(self, _: Uc, offset: int, size: int, value: int, __: object) -> None:
        self._program(self.flash, offset, size, value)

    def _read_info(self, _: Uc, offset: int, size: int, __: object) -> int:
        return int.from_bytes(self.info[offset : offset + size], "little")

    def _write_info(self, _: Uc, offset: int, size: int, value: int, __: object) -> None:
        self._program(self.info, offset, size, value)

    def _program(self, into: bytearray, offset: int, size: int, value: int) -> None:
        """Flash only clears bits, and only where writing is enabled."""
        if not self._write_enabled:
            return
        for index, byte in enumerate(value.to_bytes(size, "little")):
            at = offset + index
            into[at] &= byte
            if into is self.flash:
                into[at] |= self.stuck_bits.get(at, 0)

    def _read_peripheral(self, _: Uc, offset: int, size: int, __: object) -> int:
        return self._peripheral(PERIPHERALS + offset)

    def _write_peripheral(self, _: Uc, offset: int, size: int, value: int, __: object) -> None:
        self._control(PERIPHERALS + offset, value)

    def _peripheral(self, address: int) -> int:
        if address in (NVMC + 0x400, NVMC + 0x408):  # READY, READYNEXT
            return 1
        if address == NVMC + 0x504:
            return self._write_enabled | self._erase_enabled << 1
        return 0

    def _control(self, address: int, value: int) -> None:
        if address == NVMC + 0x504:
            self._write_enabled, self._erase_enabled = bool(value & 1), bool(value & 2)
        elif address == NVMC + 0x508 and self._erase_enabled and value < FLASH_BYTES:
            self.flash[value : value + PAGE_BYTES] = b"\xff" * PAGE_BYTES
            self.erased_pages += 1
        elif address == NVMC + 0x50C and self._erase_enabled and value & 1:
            self.flash[:] = b"\xff" * FLASH_BYTES
            self.erased_chip += 1

    # The core

    def _interrupt(self, uc: Uc, number: int, _: object) -> None:
        if number == BREAKPOINT:
            self.core.halted = True
        uc.emu_stop()

    def _run(self, instructions: int) -> None:
        """Let a running core do a slice of its work."""
        core, uc = self.core, self._uc
        if core.halted:
            return
        registers = core.registers
        for number in range(13):
            uc.reg_write(UC_ARM_REG_R0 + number, registers.get(number, 0))
        uc.reg_write(UC_ARM_REG_SP, registers.get(13, 0))
        uc.reg_write(UC_ARM_REG_LR, registers.get(14, 0))
        uc.reg_write(UC_ARM_REG_XPSR, registers.get(16, 0x0100_0000))
        try:
            uc.emu_start(registers.get(15, 0) | 1, 0xFFFF_FFFE, count=instructions)
        except UcError:  # an application that runs from flash, of which nothing is simulated
            return
        for number in range(13):
            registers[number] = uc.reg_read(UC_ARM_REG_R0 + number)
        registers[13], registers[14] = uc.reg_read(UC_ARM_REG_SP), uc.reg_read(UC_ARM_REG_LR)
        registers[15] = uc.reg_read(UC_ARM_REG_PC) & ~1
        registers[16] = uc.reg_read(UC_ARM_REG_XPSR) | 0x0100_0000

    def reset(self) -> None:
        """Start the core anew; it halts at once where the debugger catches the reset."""
        self.resets += 1
        stack, entry = struct.unpack_from("<II", self.flash)
        self._write_enabled = self._erase_enabled = False
        self.core.registers = {13: stack, 15: entry & ~1, 16: 0x0100_0000, 14: 0xFFFF_FFFF}
        self.core.was_reset = True
        self.core.halted = self.core.debug and self.core.vector_catch

    # The bus, as the debugger sees it

    def read(self, address: int, size: int) -> int:
        """A value of `size` bytes."""
        self._run(LONG_SLICE if address == DHCSR else SLICE)
        if address < FLASH_BYTES:
            return int.from_bytes(self.flash[address : address + size], "little")
        if RAM <= address < RAM + RAM_BYTES:
            return int.from_bytes(self._uc.mem_read(address, size), "little")
        if FICR <= address < FICR + INFO_BYTES:
            return int.from_bytes(self.info[address - FICR : address - FICR + size], "little")
        if PERIPHERALS <= address < PERIPHERALS + PERIPHERAL_BYTES:
            return self._peripheral(address)
        word = self._system(address & ~3)
        return word >> 8 * (address & 3) & (1 << 8 * size) - 1

    def write(self, address: int, size: int, value: int) -> None:
        """Write a value of `size` bytes."""
        if address < FLASH_BYTES:
            self._program(self.flash, address, size, value)
        elif RAM <= address < RAM + RAM_BYTES:
            self._uc.mem_write(address, value.to_bytes(size, "little"))
        elif FICR <= address < FICR + INFO_BYTES:
            self._program(self.info, address - FICR, size, value)
        elif PERIPHERALS <= address < PERIPHERALS + PERIPHERAL_BYTES:
            self._control(address, value)
        else:
            self._write_system(address, value)

    def _system(self, address: int) -> int:
        base, offset = address & ~0xFFF, address & 0xFFF
        if offset >= 0xFD0 and base in COMPONENTS:
            return _identity(*COMPONENTS[base], offset)
        if base == ROM_TABLE:
            return ROM_ENTRIES.get(offset, 1 if offset == 0xFCC else 0)
        core = self.core
        if address == 0xE000_ED00:  # CPUID: Cortex-M4 r0p1
            return 0x410F_C241
        if address == DHCSR:
            reset, core.was_reset = core.was_reset, False
            return 1 << 16 | core.halted << 17 | reset << 25 | core.halted << 1 | core.debug
        if address == 0xE000_EDF8:
            return self._transfer
        if address == 0xE000_ED30:  # DFSR
            return 0x2 if core.halted else 0
        return self._plain.get(address, 0)

    def _write_system(self, address: int, value: int) -> None:
        core = self.core
        if address == DHCSR and value >> 16 == 0xA05F:
            core.debug = bool(value & 1)
            core.halted = core.debug and bool(value & 2)
            self._uc.ctl_flush_tb()  # the debugger may have put other code into RAM
        elif address == 0xE000_EDF4:  # DCRSR
            number = value & 0x7F
            if value >> 16 & 1:
                core.registers[number] = self._transfer
            else:
                self._transfer = core.registers.get(number, 0)
        elif address == 0xE000_EDF8:
            self._transfer = value
        elif address == 0xE000_EDFC:
            core.vector_catch = bool(value & 1)
            self._plain[address] = value
        elif address == 0xE000_ED0C and value & PENDING_RESET:
            self.reset()
        elif address not in (0xE000_ED30, 0xE000_ED0C):
            self._plain[address] = value


def _identity(kind: int, part: int, offset: int) -> int:
    """Peripheral and component identification registers of Arm's parts."""
    peripheral = (part & 0xFF, 0xB0 | part >> 8, 0x0B, 0x00)
    words = {0xFD0: 0x04, 0xFF0: 0x0D, 0xFF4: kind << 4, 0xFF8: 0x05, 0xFFC: 0xB1}
    words |= {0xFE0 + 4 * index: value for index, value in enumerate(peripheral)}
    return words.get(offset, 0)


class DebugPort:
    """ADIv5: a debug port with two access ports, the bus and Nordic's control port."""

    def __init__(self, chip: Chip) -> None:
        """Of one chip."""
        self.chip = chip
        self._select = self._control = 0
        self._csw, self._tar = 0x2300_0040, 0
        self._erasing = 0

    def read_dp(self, address: int) -> int:
        """DPIDR, CTRL/STAT or RDBUFF."""
        if address == 0:
            return DPIDR
        if address == 4 and not self._select & 0xF:
            return self._control & 0x5555_5555 | (self._control & 0x5400_0000) << 1
        return 0

    def write_dp(self, address: int, value: int) -> None:
        """CTRL/STAT or SELECT."""
        if address == 4:
            self._control = value
        elif address == 8:
            self._select = value

    def read_ap(self, address: int) -> int:
        """A register of the access port that SELECT names."""
        port, register = self._select >> 24, self._select & 0xF0 | address & 0xC
        if port == 0:
            return self._read_bus(register)
        if port == 1:
            return {0x8: 0, 0xC: int(not self.chip.locked), 0xFC: CTRL_AP}.get(register, 0)
        return 0

    def write_ap(self, address: int, value: int) -> None:
        """A register of the access port that SELECT names."""
        port, register = self._select >> 24, self._select & 0xF0 | address & 0xC
        if port == 0 and not self.chip.locked:
            self._write_bus(register, value)
        elif port == 1 and register == 0x4 and value == 1:
            self.chip.locked = False
            self.chip.erased_chip += 1
            self.chip.flash[:] = b"\xff" * FLASH_BYTES

    def _read_bus(self, register: int) -> int:
        if register == 0xFC:
            return AHB_AP
        if self.chip.locked:
            return 0
        if register in (0xC, 0x10, 0x14, 0x18, 0x1C):
            return self._access(register, None)
        return {0x0: self._csw, 0x4: self._tar, 0xF8: ROM_TABLE | 3}.get(register, 0)

    def _write_bus(self, register: int, value: int) -> None:
        if register == 0x0:
            self._csw = value & ~0xE0 | 0x40  # no packed transfers
        elif register == 0x4:
            self._tar = value
        elif register in (0xC, 0x10, 0x14, 0x18, 0x1C):
            self._access(register, value)

    def _access(self, register: int, value: int | None) -> int:
        """DRW at TAR, or one of the four words around TAR."""
        size = 1 << (self._csw & 7)
        address = self._tar if register == 0xC else self._tar & ~0xF | register & 0xC
        lane = 8 * (address & 3)
        found = 0
        if value is None:
            found = self.chip.read(address, size) << lane
        else:
            self.chip.write(address, size, value >> lane & (1 << 8 * size) - 1)
        if register == 0xC and self._csw >> 4 & 1:
            low = self._tar + size & 0xFFF  # a Cortex-M4's counts within 4 KiB
            self._tar = self._tar & ~0xFFF | low
        return found
