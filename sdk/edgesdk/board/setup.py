"""How a board starts and speaks: its [uart], [counter], [boot], [setup] and [emulator] tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from edgesdk.toml_table import Table

EMULATORS = ("qemu", "process")
COUNTERS = ("instructions", "cycles")
DRIVER = "register"  # of a counter where the board names none
INTERRUPTS = range(480)  # lines of a processor; Arm DDI 0553: 480 at most
WIDTHS = (8, 16, 32)
STRIDES = (1, 4)  # of a UART's registers, in bytes
FINEST = 1 << 8  # a tick is a multiple of 1/256 ns at the finest
ACTIONS = ("write", "set", "clear", "change", "wait", "pairs")  # of a step


@dataclass(frozen=True)
class Uart:
    """A UART: its driver, registers, receive interrupt, speed, size of its receive ring."""

    driver: str
    base: int
    stride: int | None  # bytes from one register to the next, where chips differ
    interrupt: int
    clock_hz: int
    baud: int
    receive_bytes: int
    source: str


@dataclass(frozen=True)
class Counter:
    """A 32-bit up-counter.

    Instructions (of an emulator) = ticks * tick_ns >> icount_shift; cycles = ticks *
    cycles_per_tick.
    """

    driver: str
    kind: str
    address: int | None
    tick_ns: Fraction | None
    icount_shift: int | None
    cycles_per_tick: int
    operators: int | None  # that a profile has room for, 8 bytes each; None: app/session.h's
    source: str


@dataclass(frozen=True)
class Emulator:
    """How to run the board without hardware; RAM of a QEMU machine that a file can back."""

    kind: str
    machine: str | None
    cpu: str | None
    options: tuple[str, ...]
    serial: int  # the board's UART among QEMU's
    ram_base: int | None
    ram_bytes: int | None
    source: str


@dataclass(frozen=True)
class Step:
    """One access at start-up; `action` is write, change, wait, or pairs, which `mask` counts."""

    action: str
    width: int
    address: int
    mask: int
    value: int
    why: str


@dataclass(frozen=True)
class Setup:
    """Register accesses that are done first of all after reset, in order."""

    steps: tuple[Step, ...]
    source: str


@dataclass(frozen=True)
class Boot:
    """What a boot ROM wants before the vectors."""

    header: str
    source: str


def read_uart(table: Table) -> Uart:
    """The [uart] table."""
    uart = Uart(
        driver=table.text("driver"),
        base=table.positive("base"),
        stride=table.maybe("stride", int),
        interrupt=table.take("interrupt", int),
        clock_hz=table.positive("clock_hz"),
        baud=table.positive("baud"),
        receive_bytes=table.positive("receive_bytes"),
        source=table.text("source"),
    )
    table.finish()
    return uart


def read_counter(table: Table) -> Counter:
    """The [counter] table: what an instruction or a tick takes, by what it counts."""
    driver = table.maybe_text("driver")
    driver = DRIVER if driver is None else driver  # "" where its fault was noted
    kind = table.choice("kind", COUNTERS)
    emulated = kind == "instructions"
    counter = Counter(
        driver=driver,
        kind=kind,
        address=table.positive("address") if driver == DRIVER else table.maybe("address", int),
        tick_ns=Fraction(table.number("tick_ns")) if emulated else None,
        icount_shift=table.take("icount_shift", int) if emulated else None,
        cycles_per_tick=1 if emulated else table.maybe_positive("cycles_per_tick") or 1,
        operators=table.maybe_positive("operators"),
        source=table.text("source"),
    )
    table.finish()
    return counter


def read_emulator(table: Table) -> Emulator:
    """The [emulator] table."""
    emulator = Emulator(
        kind=table.choice("kind", EMULATORS),
        machine=table.maybe("machine", str),
        cpu=table.maybe("cpu", str),
        options=table.texts("options", ()),
        serial=table.maybe("serial", int) or 0,
        ram_base=table.maybe("ram_base", int),
        ram_bytes=table.maybe("ram_bytes", int),
        source=table.text("source"),
    )
    table.finish()
    return emulator


def read_boot(table: Table) -> Boot:
    """The [boot] table."""
    boot = Boot(header=table.text("header"), source=table.text("source"))
    table.finish()
    return boot


def read_setup(table: Table) -> Setup:
    """The [setup] table."""
    setup = Setup(
        steps=tuple(step for inner in table.tables("steps") for step in _read_step(inner)),
        source=table.text("source"),
    )
    table.finish()
    return setup


def _read_step(table: Table) -> Iterator[Step]:
    """One access; none where its fault was noted."""
    actions = [name for name in ACTIONS if name in table.values]
    if len(actions) != 1:
        table.fault(
            "setup", "a step has one of write, set, clear, change, wait and pairs; correct it"
        )
        return
    if actions == ["pairs"]:
        yield from _read_pairs(table)
        return
    action = actions[0]
    address = table.take(action, int)
    width = table.maybe_positive("width") or 32
    bits = table.take("bits", int) if action != "write" else None
    value = table.take("value", int) if action in ("write", "change") else None
    if action == "wait":
        value = table.maybe("value", int)
        value = bits if value is None else value
    why = table.text("why")
    table.finish()
    full = (1 << min(width, max(WIDTHS))) - 1
    mask = full if bits is None else bits
    value = {"set": mask, "clear": 0}.get(action, value or 0)
    if width not in WIDTHS or address % (width // 8) or not 0 <= address < 1 << 32:
        table.fault(
            "setup",
            f"{action} = 0x{address:X} is no register of {width} bits; correct address or width",
        )
    elif not 0 <= value <= mask <= full or value & ~mask:
        table.fault(
            "setup", f"value 0x{value:X} lies outside of bits 0x{mask:X}; correct one of them"
        )
    else:
        action = action if action in ("write", "wait") else "change"
        yield Step(action, width, address, mask, value, why)


def _read_pairs(table: Table) -> Iterator[Step]:
    """A table of `count` addresses and values in the chip's memory, written as it says."""
    address, count = table.take("pairs", int), table.positive("count")
    why = table.text("why")
    table.finish()
    if address % 4 or not 0 <= address <= (1 << 32) - 8 * count:
        table.fault("setup", f"pairs = 0x{address:X} is no table of {count} pairs; correct it")
    else:
        yield Step("pairs", 32, address, count, 0, why)


def check_uart(uart: Uart) -> Iterator[str]:
    """All that is wrong with a UART, one sentence each."""
    if uart.receive_bytes & (uart.receive_bytes - 1):
        yield f"[uart] receive_bytes = {uart.receive_bytes} must be a power of two"
    if uart.stride not in (None, *STRIDES):
        strides = " or ".join(map(str, STRIDES))
        yield f"[uart] stride = {uart.stride} must be {strides} bytes; correct it"
    if uart.interrupt not in INTERRUPTS:
        yield f"[uart] interrupt = {uart.interrupt} must lie in 0..{INTERRUPTS.stop - 1}"


def check_counter(counter: Counter) -> Iterator[str]:
    """All that is wrong with a counter, one sentence each."""
    tick_ns, shift = counter.tick_ns, counter.icount_shift
    if tick_ns is None or shift is None:
        if not 1 <= counter.cycles_per_tick < 1 << 16:
            yield f"[counter] cycles_per_tick = {counter.cycles_per_tick} must lie in 1..65535"
        return
    if not 0 <= shift <= 10 or 2 * tick_ns >= 1 << shift:
        yield (
            f"[counter] icount_shift = {shift} must lie in 0..10 and make an instruction longer "
            f"than two ticks of {float(tick_ns):g} ns, or counts are not exact"
        )
    elif FINEST % tick_ns.denominator:
        yield (
            f"[counter] tick_ns = {float(tick_ns)} is no multiple of 1/{FINEST} ns, counts would "
            "not be exact; take a counter whose ticks are"
        )


def c_path(driver: str, board_file: Path) -> Path | None:
    """A driver of the user's own, a C file beside the board file; None where a port has it."""
    return (board_file.parent / driver).absolute() if driver.endswith(".c") else None


def counter_macros(counter: Counter) -> dict[str, str]:
    """What counter.h's users and drivers need."""
    macros = {}
    if counter.address is not None:
        macros["EDGE_COUNTER_ADDRESS"] = f"0x{counter.address:08X}u"
    if counter.tick_ns is None or counter.icount_shift is None:
        return {**macros, "EDGE_COUNTER_CYCLES_PER_TICK": f"{counter.cycles_per_tick}u"}
    # A tick of 62.5 ns is 125 halves: the shift is then one longer.
    finer = counter.tick_ns.denominator.bit_length() - 1
    return {
        **macros,
        "EDGE_COUNTER_TICK": f"{counter.tick_ns.numerator}u",
        "EDGE_COUNTER_SHIFT": f"{counter.icount_shift + finer}u",
    }


def setup_macro(setup: Setup | None) -> str:
    """Initialisers of setup.c's steps, each with a comma behind it."""
    actions = ("write", "change", "wait", "pairs")
    kinds = {action: f"STEP_{action.upper()}" for action in actions}
    steps = () if setup is None else setup.steps
    return "".join(
        f" \\\n  {{{kinds[s.action]}, {s.width}u, 0x{s.address:08X}u, 0x{s.mask:X}u, "
        f"0x{s.value:X}u}}, /* {' '.join(s.why.replace('*/', '* /').split())} */"
        for s in steps
    )
