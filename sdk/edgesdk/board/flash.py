"""How firmware gets on a board: its [flash] table, read strictly, and the checks on it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from edgesdk.board.memory import Memory
from edgesdk.toml_table import Table, did_you_mean

RESETS = ("hardware", "software", "none")
INTERFACES = ("swd", "jtag")
PLACES = ("firmware", "hex", "uf2", "image", "folder")  # what vendor steps may name in braces
BAUD = 460_800  # of esptool where the board names none


@dataclass(frozen=True)
class PyOcd:
    """pyOCD: the target's name in `pyocd list --targets`, and the CMSIS-Pack that brings it."""

    target: str
    pack: str | None
    clock_khz: int | None


@dataclass(frozen=True)
class OpenOcd:
    """OpenOCD: configuration files of its own, and commands before it connects."""

    config: tuple[str, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True)
class JLink:
    """SEGGER's J-Link Commander: device by SEGGER's name, wires, speed."""

    device: str
    interface: str
    speed_khz: int


@dataclass(frozen=True)
class Stm32:
    """STM32CubeProgrammer or st-flash; the loader is CubeProgrammer's, for external flash."""

    external_loader: str | None


@dataclass(frozen=True)
class Window:
    """Addresses of the processor behind which flash lies, and the offset in flash of the first."""

    base: int
    size_bytes: int
    offset: int


@dataclass(frozen=True)
class EspTool:
    """esptool: the chip by its name there, and where the processor sees its flash."""

    chip: str
    baud: int
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class PicoTool:
    """picotool: the family of UF2 files that the chip takes."""

    family: int


@dataclass(frozen=True)
class Uf2:
    """Drag and drop: family of the files, and the name of the drive that the boot ROM shows."""

    family: int
    volume: str


@dataclass(frozen=True)
class Vendor:
    """What to do with the maker's own tool, in words; PLACES in braces become paths."""

    steps: str


@dataclass(frozen=True)
class Flash:
    """The ways to write a board's flash: `default` is one of those that are not None."""

    default: str
    reset: str
    pyocd: PyOcd | None
    openocd: OpenOcd | None
    jlink: JLink | None
    stm32: Stm32 | None
    esptool: EspTool | None
    picotool: PicoTool | None
    uf2: Uf2 | None
    vendor: Vendor | None
    source: str

    @property
    def offered(self) -> tuple[str, ...]:
        """Names of the methods that the board has facts for."""
        return tuple(name for name in METHODS if getattr(self, name) is not None)


METHODS = tuple(
    field.name for field in fields(Flash) if field.name not in ("default", "reset", "source")
)


def read_flash(table: Table) -> Flash:
    """The [flash] table of a board file.

    Raises:
        BoardError: a key is missing, unknown, or of the wrong type.
    """
    flash = Flash(
        default=table.choice("default", METHODS),
        reset=table.choice("reset", RESETS),
        pyocd=table.optional("pyocd", _read_pyocd),
        openocd=table.optional("openocd", _read_openocd),
        jlink=table.optional("jlink", _read_jlink),
        stm32=table.optional("stm32", _read_stm32),
        esptool=table.optional("esptool", _read_esptool),
        picotool=table.optional("picotool", _read_picotool),
        uf2=table.optional("uf2", _read_uf2),
        vendor=table.optional("vendor", _read_vendor),
        source=table.text("source"),
    )
    table.finish()
    return flash


def _read_pyocd(table: Table) -> PyOcd:
    found = PyOcd(
        target=table.text("target"),
        pack=table.maybe_text("pack"),
        clock_khz=table.maybe_positive("clock_khz"),
    )
    table.finish()
    return found


def _read_openocd(table: Table) -> OpenOcd:
    found = OpenOcd(config=table.texts("config"), commands=table.texts("commands", ()))
    if not found.config and "config" in table.values:
        table.fault("config", "config is empty; name OpenOCD's file for the board")
    table.finish()
    return found


def _read_jlink(table: Table) -> JLink:
    found = JLink(
        device=table.text("device"),
        interface=table.choice("interface", INTERFACES),
        speed_khz=table.positive("speed_khz"),
    )
    if re.search(r"\s", found.device):
        table.fault("device", f"device = {found.device!r} must be one word, as SEGGER lists it")
    table.finish()
    return found


def _read_stm32(table: Table) -> Stm32:
    found = Stm32(external_loader=table.maybe_text("external_loader"))
    table.finish()
    return found


def _read_window(table: Table) -> Window:
    found = Window(
        base=table.take("base", int),
        size_bytes=table.positive("size_bytes"),
        offset=table.take("offset", int),
    )
    for key, value in (("base", found.base), ("offset", found.offset)):
        if value < 0:
            table.fault(key, f"{key} = {value} must be at least 0; correct it")
    table.finish()
    return found


def _read_esptool(table: Table) -> EspTool:
    found = EspTool(
        chip=table.text("chip"),
        baud=table.maybe_positive("baud") or BAUD,
        windows=tuple(_read_window(inner) for inner in table.tables("window")),
    )
    table.finish()
    return found


def _read_family(table: Table) -> int:
    family = table.positive("family")
    if family >= 1 << 32:
        table.fault("family", f"family = 0x{family:X} exceeds 32 bits; correct it")
    return family


def _read_picotool(table: Table) -> PicoTool:
    found = PicoTool(family=_read_family(table))
    table.finish()
    return found


def _read_uf2(table: Table) -> Uf2:
    found = Uf2(family=_read_family(table), volume=table.text("volume"))
    table.finish()
    return found


def _read_vendor(table: Table) -> Vendor:
    found = Vendor(steps=table.text("steps"))
    for name in re.findall(r"\{(\w*)\}", found.steps):
        if name not in PLACES:
            table.fault(
                "steps",
                f"steps has the placeholder {{{name}}}, which is none of {', '.join(PLACES)}"
                f"{did_you_mean(name, PLACES, 'correct it')}",
            )
    table.finish()
    return found


def check_flash(
    flash: Flash | None, memories: Sequence[Memory], *, emulated: bool
) -> Iterator[str]:
    """All that is wrong with how a board is flashed, one sentence each."""
    if flash is None:
        if not emulated:
            yield "a real board needs a [flash] table; add it (docs/flashing.md)"
        return
    if emulated:
        yield "an emulated board has no [flash] table; remove it"
    if flash.default not in flash.offered:
        yield (
            f"[flash] default = {flash.default!r} has no [flash.{flash.default}] table; add it, or "
            f"name one of those that are there ({', '.join(flash.offered) or 'none'})"
        )
    if flash.vendor and "{uf2}" in flash.vendor.steps and not (flash.uf2 or flash.picotool):
        yield "[flash.vendor] steps name {uf2}, whose family nobody knows; add [flash.uf2]"
    if flash.esptool is None:
        return
    for memory in memories:
        if memory.kind == "flash" and not _seen(flash.esptool.windows, memory):
            yield (
                f"memory {memory.name!r} lies in no [[flash.esptool.window]], so its offset in "
                "flash is not known; add the window"
            )


def _seen(windows: Sequence[Window], memory: Memory) -> bool:
    base = memory.base or 0
    return any(w.base <= base <= memory.end <= w.base + w.size_bytes for w in windows)
