"""What must hold among the facts of a board, as a list of checks."""

import itertools
import tomllib
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

from edgesdk.board.cache import check_caches
from edgesdk.board.facts import CORES, Board
from edgesdk.board.flash import check_flash
from edgesdk.board.memory import ROLES
from edgesdk.board.npu import Surroundings, check_npu
from edgesdk.board.riscv import check_riscv
from edgesdk.board.setup import c_path, check_counter, check_uart
from edgesdk.resources import resource_dir
from edgesdk.toml_table import did_you_mean

EMULATED = {"emulated": "qemu", "host": "process"}  # tiers that run here, and how
LEAST_PAYLOAD = 512  # bytes: a text of 255 behind any message's fields, as app/session.h has it


def _check_name_matches_file(board: Board) -> Iterator[str]:
    if board.name != board.path.stem:
        yield f"name = {board.name!r} differs from the file's name; make them equal"


def _check_port(board: Board) -> Iterator[str]:
    ports = resource_dir("firmware_templates") / "ports"
    path = ports / board.port / "port.toml"
    if not path.is_file():
        known = ", ".join(sorted(entry.parent.name for entry in ports.glob("*/port.toml")))
        yield f"port = {board.port!r} is no folder of firmware_templates/ports ({known})"
        return
    port = tomllib.loads(path.read_text(encoding="utf-8"))
    for table in port["needs"]:
        if getattr(board, table) is None:
            yield f"port {board.port!r} needs a [{table}] table; add it (docs/porting.md)"
    if board.npu is not None and board.npu.attachment not in port.get("npu_sources", {}):
        yield (
            f"port {board.port!r} has no [npu_sources] for attachment {board.npu.attachment!r}; "
            "add them to its port.toml (docs/porting.md)"
        )
    yield from _check_drivers(board, port)
    if board.link.default not in port["links"]:
        offered = ", ".join(port["links"])
        yield f"[link] default = {board.link.default!r} is no link of port {board.port} ({offered})"


def _check_drivers(board: Board, port: dict[str, Any]) -> Iterator[str]:
    owned: dict[str, Path] = {}
    for table, driver in board.drivers.items():
        offered = port.get(table, {})
        what = table.removesuffix("_sources")
        own = c_path(driver, board.path)
        if own is not None and not own.is_file():
            yield f"[{what}] {driver!r} is no file beside the board file; correct the path"
        if own is not None and owned.setdefault(own.name, own.resolve()) != own.resolve():
            yield f"[{what}] {driver!r}: another driver's file has this name too; rename one"
        if own is None and driver not in offered:
            yield (
                f"[{what}] {driver!r} is none of port {board.port!r} ({', '.join(offered)})"
                f"{did_you_mean(driver, tuple(offered), 'name one, or a C file of your own')}"
            )


def _check_isa_fits_core(board: Board) -> Iterator[str]:
    extra = set(board.cpu.isa) - CORES[board.cpu.core].isa
    if extra:
        yield f"[cpu] isa {sorted(extra)} is not offered by {board.cpu.core}"


def _check_clock(board: Board) -> Iterator[str]:
    clock = board.cpu.clock_hz
    if clock is None and not board.is_host:
        yield "[cpu] clock_hz is missing; only the host has none"
    if clock is not None and not 0 < clock < 1 << 32:
        yield f"[cpu] clock_hz = {clock} must lie in 1..{(1 << 32) - 1}"


def _check_every_role_has_one_home(board: Board) -> Iterator[str]:
    needed = ["workspace", "model"]
    if not board.is_host:
        needed += ["code", "data", "stack"]
    if board.link.default == "mailbox":
        needed.append("mailbox")
    for role in ROLES:
        homes = [memory.name for memory in board.memories if role in memory.holds]
        if len(homes) > 1 or (role in needed and not homes):
            found = " and ".join(homes) or "no memory"
            yield f"{role!r} is held by {found}; exactly one memory must hold it"


def _check_memories_do_not_overlap(board: Board) -> Iterator[str]:
    placed = sorted(
        ((m.base, m) for m in board.memories if m.base is not None), key=lambda pair: pair[0]
    )
    for (_, low), (base, high) in itertools.pairwise(placed):
        if low.end > base:
            yield (
                f"memory {low.name!r} (0x{low.base:08X}..0x{low.end - 1:08X}) overlaps "
                f"{high.name!r} at 0x{base:08X}; fix base or size_bytes"
            )


def _check_addresses(board: Board) -> Iterator[str]:
    for memory in board.memories:
        if not board.is_host and memory.base is None:
            yield f"memory {memory.name!r} has no base; only the host's may lack it"
        if memory.base is not None and (memory.base % 16 or memory.base < 0):
            yield f"memory {memory.name!r} base 0x{memory.base:X} is no multiple of 16"
        if memory.end > 1 << 32:
            yield f"memory {memory.name!r} ends beyond 32 bits; fix base or size_bytes"


def _check_stack(board: Board) -> Iterator[str]:
    if board.stack_bytes % 16 or board.stack_bytes < 4096:
        yield f"[stack] size_bytes = {board.stack_bytes} must be a multiple of 16, at least 4096"
    if board.has_role("stack") and board.stack_bytes > board.memory("stack").size_bytes:
        memory = board.memory("stack")
        yield (
            f"[stack] size_bytes = {board.stack_bytes} exceeds memory {memory.name!r} of "
            f"{memory.size_bytes} bytes; make the stack smaller or move it to a larger memory"
        )


def _check_link(board: Board) -> Iterator[str]:
    payload = board.link.payload_bytes
    if not LEAST_PAYLOAD <= payload <= 65536:
        yield f"[link] payload_bytes = {payload} must lie in {LEAST_PAYLOAD}..65536"
        return
    rings = {}
    if board.has_role("mailbox"):
        size = board.memory("mailbox").size_bytes
        if size & (size - 1):
            yield f"the mailbox's size_bytes = {size} must be a power of two"
        rings["mailbox"] = size // 4
    if board.uart is not None:
        rings["uart"] = board.uart.receive_bytes
        yield from check_uart(board.uart)
    encoded = 2 * (payload + 6) + 2
    for kind, size in rings.items():
        if size < encoded:
            yield f"the {kind} buffers {size} bytes, one frame may take {encoded}; enlarge it"
    if board.link.default == "uart" and board.uart is None:
        yield '[link] default = "uart" needs a [uart] table'


def _check_counter(board: Board) -> Iterator[str]:
    if board.counter is not None:
        yield from check_counter(board.counter)


def _check_caches(board: Board) -> Iterator[str]:
    yield from check_caches(board.cpu.core, board.cpu.caches, board.memories)


def _check_flash_is_only_read(board: Board) -> Iterator[str]:
    written = {"data", "stack", "workspace", "mailbox"}
    for memory in board.memories:
        if memory.kind == "flash" and written & set(memory.holds):
            found = ", ".join(sorted(written & set(memory.holds)))
            yield f"memory {memory.name!r} is flash, which cannot hold {found}; move it to RAM"


def _check_tier(board: Board) -> Iterator[str]:
    emulator = None if board.emulator is None else board.emulator.kind
    if EMULATED.get(board.tier) != emulator:
        yield (
            f"tier = {board.tier!r} and [emulator] disagree: emulated has one of kind qemu, host "
            "of kind process, builds and hardware none"
        )
    if (board.tier == "host") != board.is_host:
        yield f"tier = {board.tier!r} and [cpu] core = {board.cpu.core!r} disagree; correct one"
    if (board.tier == "hardware") != bool(board.reports):
        yield (
            'tier = "hardware" and reports go together: where somebody tells of a run on the '
            'board, as https://...; a board that nobody has told of is "builds"'
        )
    for report in board.reports:
        if not report.startswith("https://"):
            yield f"reports: {report!r} is no https address; link the report"


def _check_emulator(board: Board) -> Iterator[str]:
    emulator, counter = board.emulator, board.counter
    if emulator is None and counter is not None and counter.kind != "cycles":
        yield '[counter] kind = "instructions" is for emulated boards; hardware counts "cycles"'
    if emulator is None or emulator.kind != "qemu":
        return
    if emulator.serial < 0:
        yield f"[emulator] serial = {emulator.serial} must be at least 0; correct it"
    if emulator.machine is None:
        yield "[emulator] of kind qemu needs a machine"
    if counter is None or counter.kind != "instructions":
        yield '[emulator] of kind qemu needs a [counter] with kind = "instructions"'
    if (emulator.ram_base is None) != (emulator.ram_bytes is None):
        yield "[emulator] ram_base and ram_bytes go together; add the other one"
    elif board.has_role("mailbox"):
        mailbox = board.memory("mailbox")
        start, size = emulator.ram_base, emulator.ram_bytes
        if start is None or size is None:
            yield "the mailbox needs RAM that a file can back: [emulator] ram_base and ram_bytes"
        elif not start <= (mailbox.base or 0) <= mailbox.end <= start + size:
            yield "the mailbox lies outside the RAM that a file backs; move it"


def _check_riscv(board: Board) -> Iterator[str]:
    yield from check_riscv(board.riscv, board.architecture, board.cpu.clock_hz)


def _check_npu(board: Board) -> Iterator[str]:
    emulator, uart = board.emulator, board.uart
    if board.npu is None:
        return
    ram = None
    if emulator is not None and emulator.ram_base is not None and emulator.ram_bytes is not None:
        ram = range(emulator.ram_base, emulator.ram_base + emulator.ram_bytes)
    yield from check_npu(
        board.npu,
        Surroundings(
            emulator=None if emulator is None else emulator.kind,
            ram=ram,
            memories=board.memories,
            uart_base=None if uart is None else uart.base,
            uart_interrupt=None if uart is None else uart.interrupt,
        ),
    )


def _check_flash(board: Board) -> Iterator[str]:
    yield from check_flash(board.flash, board.memories, emulated=board.emulator is not None)


# Each check with the keys of the file that it looks at.
CHECKS: dict[Callable[[Board], Iterator[str]], frozenset[str]] = {
    _check_name_matches_file: frozenset({"name"}),
    _check_port: frozenset({"port", "link", "npu", "uart", "counter", "boot", "riscv"}),
    _check_isa_fits_core: frozenset({"cpu"}),
    _check_clock: frozenset({"cpu"}),
    _check_every_role_has_one_home: frozenset({"memory", "cpu", "link"}),
    _check_addresses: frozenset({"memory", "cpu"}),
    _check_memories_do_not_overlap: frozenset({"memory"}),
    _check_stack: frozenset({"stack", "memory"}),
    _check_link: frozenset({"link", "memory", "uart"}),
    _check_counter: frozenset({"counter"}),
    _check_caches: frozenset({"cpu", "memory"}),
    _check_flash_is_only_read: frozenset({"memory"}),
    _check_tier: frozenset({"tier", "emulator", "cpu", "reports"}),
    _check_emulator: frozenset({"emulator", "counter", "memory"}),
    _check_riscv: frozenset({"riscv", "cpu"}),
    _check_npu: frozenset({"npu", "emulator", "memory", "uart"}),
    _check_flash: frozenset({"flash", "emulator", "memory"}),
}


def validate(board: Board, unread: Set[str] = frozenset()) -> list[str]:
    """All that is wrong with a board, one sentence each; looks at no key of `unread`."""
    checks = [check for check, keys in CHECKS.items() if not keys & unread]
    return [f"{board.path.name}: {problem}" for check in checks for problem in check(board)]
