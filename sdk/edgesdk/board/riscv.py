"""What a RISC-V board tells of itself beyond its core: interrupts, timer, restart ([riscv])."""

from collections.abc import Iterator
from dataclasses import dataclass

from edgesdk.toml_table import Table

PLIC = "plic"  # the driver of interrupts that wants addresses


@dataclass(frozen=True)
class Riscv:
    """How interrupts come, what ticks, how it starts again, and where loads find its code.

    `timer_hz` is the rate of the timer that ends a rest. Without `restart` the firmware starts
    again by a jump; without `constants` loads find the code's memory where instructions do.
    """

    interrupts: str
    plic: int | None
    context: int | None
    clint: int | None
    timer_hz: int
    restart: int | None
    restart_bits: int | None
    constants: int | None
    source: str


def read_riscv(table: Table) -> Riscv:
    """The [riscv] table."""
    riscv = Riscv(
        interrupts=table.text("interrupts"),
        plic=table.maybe("plic", int),
        context=table.maybe("context", int),
        clint=table.maybe("clint", int),
        timer_hz=table.positive("timer_hz"),
        restart=table.maybe("restart", int),
        restart_bits=table.maybe("restart_bits", int),
        constants=table.maybe("constants", int),
        source=table.text("source"),
    )
    table.finish()
    return riscv


def check_riscv(riscv: Riscv | None, architecture: str, clock_hz: int | None) -> Iterator[str]:
    """All that is wrong with the table, one sentence each."""
    if riscv is None:
        return
    if architecture != "riscv":
        yield "[riscv] is for a core of that architecture; remove it or correct [cpu] core"
    for key in ("plic", "context", "clint"):
        if riscv.interrupts == PLIC and getattr(riscv, key) is None:
            yield f'[riscv] {key} is missing, which interrupts = "{PLIC}" needs; add it'
    if (riscv.restart is None) != (riscv.restart_bits is None):
        yield "[riscv] restart and restart_bits go together; add the other one"
    if clock_hz is not None and not 1000 <= riscv.timer_hz <= clock_hz:
        yield f"[riscv] timer_hz = {riscv.timer_hz} must lie in 1000..{clock_hz}, [cpu] clock_hz"
    if riscv.context is not None and not 0 <= riscv.context < 15872:
        yield f"[riscv] context = {riscv.context} must lie in 0..15871, contexts of a PLIC"
    for key in ("plic", "clint", "restart", "constants"):
        address = getattr(riscv, key)
        if address is not None and (address % 4 or not 0 <= address < 1 << 32):
            yield f"[riscv] {key} = 0x{address:X} is no address of a 32-bit register; correct it"


def riscv_macros(riscv: Riscv | None) -> dict[str, str]:
    """What ports/riscv needs."""
    if riscv is None:
        return {}
    values = {
        "EDGE_PLIC_BASE": riscv.plic,
        "EDGE_PLIC_CONTEXT": riscv.context,
        "EDGE_CLINT_BASE": riscv.clint,
        "EDGE_RESTART_ADDRESS": riscv.restart,
        "EDGE_RESTART_BITS": riscv.restart_bits,
    }
    macros = {name: f"0x{value:08X}u" for name, value in values.items() if value is not None}
    return {**macros, "EDGE_TIMER_HZ": f"{riscv.timer_hz}u"}
