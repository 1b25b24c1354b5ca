"""The NPU of a board: its [npu] table, read strictly, and the checks on it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgesdk.board.memory import Memory
from edgesdk.board.setup import INTERRUPTS
from edgesdk.npu.accelerators import ACCELERATORS
from edgesdk.toml_table import Table

ATTACHMENTS = ("registers", "emulator")
MEMORY_AREAS = ("Sram", "Dram", "OnChipFlash", "OffChipFlash")  # what Vela calls kinds of memory
MEMORY_PORTS = ("Axi0", "Axi1")
PAGE_BYTES = 0x2000  # of an emulated NPU behind shared RAM: registers, then the queue of writes
PAGE_ALIGNMENT = 0x1000  # bytes: what a mapping starts at
LONGEST_LIMIT_MS = 30_000  # a host waits a minute for an answer
NON_CACHEABLE = 2  # normal memory, neither cached nor buffered (axi_mem_encoding_type)


@dataclass(frozen=True)
class Doorbell:
    """A spare CMSDK UART between firmware and the emulated NPU; `serial` is its place in QEMU."""

    base: int
    interrupt: int
    serial: int
    source: str


@dataclass(frozen=True)
class Npu:
    """The NPU; `system` and `memory_mode` are Vela's sections, key by key as it spells them."""

    accelerator: str
    attachment: str
    base: int | None
    interrupt: int | None
    limit_ms: int
    doorbell: Doorbell | None
    system: Mapping[str, str | int | float]
    memory_mode: Mapping[str, str | int]
    source: str


@dataclass(frozen=True)
class Surroundings:
    """What the NPU's checks need to know of its board."""

    emulator: str | None  # kind; None for hardware
    ram: range | None  # addresses that a file backs
    memories: Sequence[Memory]
    uart_base: int | None
    uart_interrupt: int | None


def read_npu(table: Table) -> Npu:
    """The [npu] table of a board file.

    Raises:
        BoardError: a key is missing, unknown, or of the wrong type.
    """
    npu = Npu(
        accelerator=table.choice("accelerator", tuple(ACCELERATORS)),
        attachment=table.choice("attachment", ATTACHMENTS),
        base=table.maybe("base", int),
        interrupt=table.maybe("interrupt", int),
        limit_ms=_limit(table),
        doorbell=table.optional("doorbell", _read_doorbell),
        system=_read_system(table.table("system")),
        memory_mode=_read_memory_mode(table.table("memory_mode")),
        source=table.text("source"),
    )
    table.finish()
    return npu


def _limit(table: Table) -> int:
    limit = table.positive("limit_ms")
    if limit > LONGEST_LIMIT_MS:
        table.fault(
            "limit_ms",
            f"limit_ms = {limit} must be {LONGEST_LIMIT_MS} at most, or the host gives up before "
            "the device does; make it smaller",
        )
    return limit


def _read_doorbell(table: Table) -> Doorbell:
    doorbell = Doorbell(
        base=table.positive("base"),
        interrupt=table.take("interrupt", int),
        serial=table.positive("serial"),
        source=table.text("source"),
    )
    table.finish()
    return doorbell


def _read_system(table: Table) -> dict[str, str | int | float]:
    """Vela's [System_Config]: a clock, what lies behind both ports, and how fast that is."""
    system: dict[str, str | int | float] = {"core_clock": table.number("core_clock")}
    for port in ("axi0_port", "axi1_port"):
        system[port] = table.choice(port, MEMORY_AREAS)
    for area in dict.fromkeys((str(system["axi0_port"]), str(system["axi1_port"]))):
        system[f"{area}_clock_scale"] = table.number(f"{area}_clock_scale")
        system[f"{area}_burst_length"] = table.positive(f"{area}_burst_length")
        for key in ("read_latency", "write_latency"):
            system[f"{area}_{key}"] = _not_negative(table, table.take(f"{area}_{key}", int), key)
        for key in ("ports_used", "max_reads", "max_writes"):
            value = table.maybe(f"{area}_{key}", int)
            if value is not None:
                system[f"{area}_{key}"] = _not_negative(table, value, key)
    table.finish()
    return system


def _read_memory_mode(table: Table) -> dict[str, str | int]:
    """Vela's [Memory_Mode]: behind which port constants, arena and cache lie."""
    keys = ("const_mem_area", "arena_mem_area", "cache_mem_area")
    mode: dict[str, str | int] = {key: table.choice(key, MEMORY_PORTS) for key in keys}
    size = table.maybe("arena_cache_size", int)
    if size is not None:
        mode["arena_cache_size"] = _not_negative(table, size, "arena_cache_size")
    table.finish()
    return mode


def _not_negative(table: Table, value: int, key: str) -> int:
    if value < 0:
        table.fault(key, f"{key} = {value} must not be negative; correct it")
    return value


def _check_attachment(npu: Npu, around: Surroundings) -> str | None:
    if npu.attachment == "registers":
        if around.emulator is not None:
            return '[npu] attachment = "registers" needs hardware; an emulated board has "emulator"'
        if npu.base is None:
            return '[npu] attachment = "registers" needs base, the address of the registers'
        if npu.doorbell is not None:
            return '[npu.doorbell] is for attachment = "emulator" only; remove it'
        return None
    if around.emulator is None:
        return '[npu] attachment = "emulator" needs an emulated board; hardware has "registers"'
    if npu.interrupt is not None:
        return '[npu] interrupt is for attachment = "registers" only; remove it'
    if around.emulator == "process" and (npu.base is not None or npu.doorbell is not None):
        return "[npu] of a process is linked in: remove base and [npu.doorbell]"
    if around.emulator == "qemu" and (npu.base is None or npu.doorbell is None):
        return "[npu] behind QEMU needs base, a page of shared RAM, and a [npu.doorbell]"
    return None


def _check_interrupts(npu: Npu, around: Surroundings) -> str | None:
    doorbell = npu.doorbell
    line = npu.interrupt if doorbell is None else doorbell.interrupt
    if line is not None and line not in INTERRUPTS:
        return f"[npu] interrupt = {line} must lie in 0..{INTERRUPTS.stop - 1}"
    if line is not None and line == around.uart_interrupt:
        return f"[npu] interrupt = {line} is the [uart]'s; choose the NPU's own"
    if doorbell is not None and doorbell.base == around.uart_base:
        return f"[npu.doorbell] base = 0x{doorbell.base:08X} is the [uart]'s; choose another UART"
    return None


def _check_registers(npu: Npu, around: Surroundings) -> str | None:
    """Where the registers lie: nowhere near a memory, and in shared RAM if they are emulated."""
    if npu.base is None:
        return None
    if npu.base <= 0 or npu.base % PAGE_ALIGNMENT or npu.base + PAGE_BYTES > 1 << 32:
        return f"[npu] base = 0x{npu.base:X} is no address of 32 bits and multiple of 4096"
    for memory in around.memories:
        if memory.base is None:
            continue
        if npu.base < memory.end and memory.base < npu.base + PAGE_BYTES:
            return f"[npu] base = 0x{npu.base:08X} lies in memory {memory.name!r}; move one of them"
    if around.emulator != "qemu" or around.ram is None:
        return None
    if not around.ram.start <= npu.base <= npu.base + PAGE_BYTES <= around.ram.stop:
        return f"[npu] base = 0x{npu.base:08X} lies outside the RAM that a file backs; move it"
    for memory in around.memories:
        if not {"model", "workspace"} & set(memory.holds):
            continue
        start = memory.base or 0
        if not around.ram.start <= start <= memory.end <= around.ram.stop:
            return (
                f"memory {memory.name!r} lies outside the RAM that a file backs, where the "
                "emulated NPU cannot reach it; move it"
            )
    return None


def _check_memory_mode(npu: Npu, around: Surroundings) -> str | None:
    """What Vela demands of the memories behind the ports."""
    del around
    mode = npu.memory_mode
    ports = [mode[key] for key in ("const_mem_area", "arena_mem_area", "cache_mem_area")]
    const, arena, cache = (str(npu.system[f"{str(port).lower()}_port"]) for port in ports)
    if cache != "Sram":
        return f"[npu.memory_mode] cache_mem_area is {cache}; Vela wants it in Sram"
    if arena not in ("Sram", "Dram"):
        return f"[npu.memory_mode] arena_mem_area is {arena}; Vela wants it in Sram or Dram"
    if const == "Sram" and len(set(ports)) > 1:
        return "[npu.memory_mode] const_mem_area is Sram; Vela wants it there only with all else"
    if ports[1] != ports[2] and not mode.get("arena_cache_size"):
        return "[npu.memory_mode] a cache apart from the arena needs arena_cache_size, in bytes"
    return None


CHECKS: tuple[Callable[[Npu, Surroundings], str | None], ...] = (
    _check_attachment,
    _check_interrupts,
    _check_registers,
    _check_memory_mode,
)


def check_npu(npu: Npu, around: Surroundings) -> list[str]:
    """All that is wrong with an NPU on its board, one sentence each; empty where nothing is."""
    found = (check(npu, around) for check in CHECKS)
    return [problem for problem in found if problem is not None]


def axi_registers(npu: Npu) -> dict[str, int]:
    """How the NPU uses its two AXI ports, by macros: what QCONFIG, REGIONCFG and AXI_LIMITs get.

    Limits 0 and 1 belong to port 0, 2 and 3 to port 1 (Vela 5.2.0, ethos_u55_regs.py). Streams and
    constants (region 0) lie where const_mem_area says, scratch (1) and fast scratch (2) likewise.
    """
    areas = ("const_mem_area", "arena_mem_area", "cache_mem_area")
    const, arena, cache = (2 * MEMORY_PORTS.index(str(npu.memory_mode[area])) for area in areas)
    registers = {
        "EDGE_NPU_QUEUE_CONFIG": const,
        "EDGE_NPU_REGION_CONFIG": const | arena << 2 | cache << 4,
    }
    for limit in range(4):
        area = npu.system[f"axi{limit // 2}_port"]
        reads, writes = (int(npu.system.get(f"{area}_{k}", 1)) for k in ("max_reads", "max_writes"))
        beats = min(int(npu.system[f"{area}_burst_length"]).bit_length() - 7, 2)
        registers[f"EDGE_NPU_AXI_LIMIT{limit}"] = (
            max(beats, 0) | NON_CACHEABLE << 4 | max(reads - 1, 0) << 16 | max(writes - 1, 0) << 24
        )
    return registers
