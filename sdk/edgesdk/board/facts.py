"""What a board file says, read strictly: facts about hardware, in tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesdk.board.flash import Flash, read_flash
from edgesdk.board.memory import Memory, read_memory
from edgesdk.board.npu import Npu, read_npu
from edgesdk.board.riscv import Riscv, read_riscv
from edgesdk.board.setup import (
    Boot,
    Counter,
    Emulator,
    Setup,
    Uart,
    read_boot,
    read_counter,
    read_emulator,
    read_setup,
    read_uart,
)
from edgesdk.errors import BoardError
from edgesdk.toml_table import Table
from edgesdk.toolchain import TOOLCHAINS, Toolchain

SCHEMA = 1
TIERS = ("hardware", "builds", "emulated", "host")
COMPILERS = ("gcc", "clang")
LINKS = ("mailbox", "uart", "stdio")


@dataclass(frozen=True)
class Core:
    """A kind of processor: its architecture, and what a chip may add to the least of it."""

    architecture: str
    isa: frozenset[str] = frozenset()


CORES = {
    "cortex-m0": Core("arm"),
    "cortex-m0plus": Core("arm"),
    "cortex-m3": Core("arm"),
    "cortex-m4": Core("arm", frozenset({"dsp", "fp32"})),
    "cortex-m7": Core("arm", frozenset({"dsp", "fp32", "fp64"})),
    "cortex-m33": Core("arm", frozenset({"dsp", "fp32"})),
    "cortex-m55": Core("arm", frozenset({"dsp", "fp32", "fp64", "mve"})),
    "cortex-m85": Core("arm", frozenset({"dsp", "fp32", "fp64", "mve"})),
    "rv32imc": Core("riscv"),
    "rv32imac": Core("riscv"),
    "rv32imafc": Core("riscv", frozenset({"fp32"})),
    "host": Core("host"),
}


@dataclass(frozen=True)
class Cpu:
    """The processor; `clock_hz` is None where it means nothing (the host)."""

    core: str
    isa: tuple[str, ...]
    caches: tuple[str, ...]  # that the port turns on
    clock_hz: int | None
    source: str


@dataclass(frozen=True)
class Compiler:
    """Default compiler (gcc or clang) and the flags that both take."""

    default: str
    optimise: tuple[str, ...]
    target: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Link:
    """How the host talks to the firmware; payload_bytes is the longest in either direction."""

    default: str
    payload_bytes: int


@dataclass(frozen=True)
class Board:
    """All facts of one board file."""

    name: str
    title: str
    tier: str
    reports: tuple[str, ...]  # where somebody tells of a run on the hardware
    port: str
    source: str
    cpu: Cpu
    compiler: Compiler
    memories: tuple[Memory, ...]
    stack_bytes: int
    link: Link
    uart: Uart | None
    counter: Counter | None
    boot: Boot | None
    setup: Setup | None
    riscv: Riscv | None
    emulator: Emulator | None
    npu: Npu | None
    flash: Flash | None
    path: Path

    @property
    def architecture(self) -> str:
        """arm, riscv or host."""
        return CORES[self.cpu.core].architecture

    @property
    def toolchain(self) -> Toolchain:
        """What makes and emulates its firmware."""
        return TOOLCHAINS[self.architecture]

    @property
    def is_host(self) -> bool:
        """Whether its firmware is a process of this computer."""
        return self.architecture == "host"

    @property
    def drivers(self) -> dict[str, str]:
        """Drivers that the board names, by the table of the port that lists them."""
        named = {
            "uart_sources": self.uart and self.uart.driver,
            "counter_sources": self.counter and self.counter.driver,
            "boot_sources": self.boot and self.boot.header,
            "riscv_sources": self.riscv and self.riscv.interrupts,
        }
        return {table: driver for table, driver in named.items() if driver}

    def memory(self, role: str) -> Memory:
        """The region that holds `role`.

        Raises:
            BoardError: none does.
        """
        for memory in self.memories:
            if role in memory.holds:
                return memory
        raise BoardError(
            f"{self.path.name}: no [[memory]] holds {role!r}; add it to one region's holds"
        )

    def ram_offset(self, address: int | None) -> int:
        """Where an address of an emulated board lies in the file that backs its RAM."""
        assert self.emulator is not None and self.emulator.ram_base is not None
        return (address or 0) - self.emulator.ram_base

    def has_role(self, role: str) -> bool:
        """Whether a region holds `role`."""
        return any(role in memory.holds for memory in self.memories)


def _read_cpu(table: Table) -> Cpu:
    cpu = Cpu(
        core=table.choice("core", tuple(CORES)),
        isa=table.texts("isa"),
        caches=table.texts("caches", ()),
        clock_hz=table.maybe("clock_hz", int),
        source=table.text("source"),
    )
    table.finish()
    return cpu


def _read_compiler(table: Table) -> Compiler:
    compiler = Compiler(
        default=table.choice("default", COMPILERS),
        optimise=table.texts("optimise"),
        target=table.texts("target"),
        source=table.text("source"),
    )
    table.finish()
    return compiler


def _read_link(table: Table) -> Link:
    link = Link(table.choice("default", LINKS), table.positive("payload_bytes"))
    table.finish()
    return link


def read_board(
    values: dict[str, Any], path: Path, faults: list[tuple[str, str]] | None = None
) -> Board:
    """The board of a file's values; unchecked where its facts contradict each other.

    Raises:
        BoardError: a key is missing, unknown, or of the wrong type, and `faults` takes none.
    """
    top = Table(values, path.name, faults=faults)
    schema = top.take("schema", int)
    if not faults and schema != SCHEMA:
        raise BoardError(f"{path.name}: schema = {schema}, this edgesdk reads {SCHEMA}; update it")
    stack = top.table("stack")
    board = Board(
        name=top.text("name"),
        title=top.text("title"),
        tier=top.choice("tier", TIERS),
        reports=top.texts("reports", ()),
        port=top.take("port", str),
        source=top.text("source"),
        cpu=_read_cpu(top.table("cpu")),
        compiler=_read_compiler(top.table("compiler")),
        memories=tuple(read_memory(table) for table in top.tables("memory")),
        stack_bytes=stack.positive("size_bytes"),
        link=_read_link(top.table("link")),
        uart=top.optional("uart", read_uart),
        counter=top.optional("counter", read_counter),
        boot=top.optional("boot", read_boot),
        setup=top.optional("setup", read_setup),
        riscv=top.optional("riscv", read_riscv),
        emulator=top.optional("emulator", read_emulator),
        npu=top.optional("npu", read_npu),
        flash=top.optional("flash", read_flash),
        path=path,
    )
    stack.finish()
    top.finish()
    return board
