"""Why a device started: the payload of BOOT."""

from dataclasses import dataclass

from edgesdk.link.payload import Cursor

RISCV_FAULT = 0x10000  # edge/port.h: EDGE_FAULT_RISCV; the rest of `kind` is mcause
TRAPS = {
    0: "misaligned instruction",
    1: "instruction access fault",
    2: "illegal instruction",
    3: "breakpoint",
    4: "misaligned load",
    5: "load access fault",
    6: "misaligned store",
    7: "store access fault",
}


@dataclass(frozen=True)
class Boot:
    """Why a device started: 0 power, 1 requested, 2 fault with its registers."""

    cause: int
    kind: int
    pc: int
    lr: int
    sp: int
    xpsr: int
    cfsr: int
    hfsr: int
    address: int

    @property
    def faulted(self) -> bool:
        """Whether a fault was the cause."""
        return self.cause == 2

    def describe(self) -> str:
        """One line for people."""
        if not self.faulted:
            return "power-on" if self.cause == 0 else "restart on request"
        if self.kind >= RISCV_FAULT:
            cause = self.kind - RISCV_FAULT
            return (
                f"fault: {TRAPS.get(cause, f'mcause {cause}')} at pc 0x{self.pc:08x}, "
                f"ra 0x{self.lr:08x}, sp 0x{self.sp:08x}, mstatus 0x{self.xpsr:08x}, "
                f"mtval 0x{self.address:08x}"
            )
        if self.pc == 0 and self.cfsr == 0:
            return f"fault: signal {self.kind}, address 0x{self.address:08x}"
        names = {3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault"}
        return (
            f"fault: {names.get(self.kind, f'exception {self.kind}')} at pc 0x{self.pc:08x}, "
            f"lr 0x{self.lr:08x}, sp 0x{self.sp:08x}, CFSR 0x{self.cfsr:08x}, "
            f"HFSR 0x{self.hfsr:08x}, address 0x{self.address:08x}"
        )


def take_boot(cursor: Cursor) -> Boot:
    """What BOOT says, within another payload."""
    return Boot(*cursor.numbers("9I"))


def read_boot(payload: bytes) -> Boot:
    """Payload of BOOT."""
    cursor = Cursor(payload, "BOOT")
    boot = take_boot(cursor)
    cursor.end()
    return boot
