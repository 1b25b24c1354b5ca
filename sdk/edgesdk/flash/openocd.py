"""OpenOCD: one process that writes, reads back, resets and ends."""

from functools import partial
from pathlib import Path

from edgesdk.board.flash import Flash
from edgesdk.errors import FlashError
from edgesdk.flash.job import FlashJob, flash_memories, hex_file
from edgesdk.flash.programs import find_program
from edgesdk.flash.tool import Choice, Fault, Plan, Step, Tool

HEX = "firmware.hex"
# OpenOCD 0.12.0; its words for each fault, from its sources and from runs.
TOOL = Tool(
    name="openocd",
    signs=(
        (r"LIBUSB_ERROR_ACCESS|permission denied|insufficient permissions", Fault.PERMISSION),
        (r"LIBUSB_ERROR_BUSY|already in use|claim interface|resource busy", Fault.BUSY),
        (r"can't find .*\.cfg|couldn't (read|open) .*\.cfg", Fault.UNKNOWN_TARGET),
        (r"no J-Link device found|no .*device found|unable to find a matching", Fault.NO_PROBE),
        (r"unable to open (CMSIS-DAP|ftdi)|couldn't find .*(probe|adapter)", Fault.NO_PROBE),
        (r"could not find or open device|no device matches the (serial|adapter)", Fault.NO_PROBE),
        (r"^Error: open failed|invalid serial number", Fault.NO_PROBE),
        (r"multiple .*(devices|probes|adapters)", Fault.SEVERAL),
        (
            r"UNEXPECTED idcode|expected .* idcode|unknown .*device|cannot identify",
            Fault.WRONG_CHIP,
        ),
        (r"verify failed|checksum mismatch|diff \d+ address|contents differ", Fault.VERIFY),
        (r"protected|write protect|readout protect|approtect|locked", Fault.PROTECTED),
        (r"no flash bank found|does not fit|not in any flash bank|outside", Fault.FULL),
        (
            r"target voltage|cannot connect|not examined|could not (halt|initialize)",
            Fault.NO_TARGET,
        ),
        (r"error connecting DP|timed out while waiting for target halted", Fault.NO_TARGET),
        (r"DAP init failed|init mode failed|all ones|all zeroes|no response", Fault.NO_TARGET),
        (r"invalid ACK|SWD.* fault|unable to (connect|reset) ", Fault.NO_TARGET),
    ),
    begun=r"^edgesdk: (erasing|writing)",
    done=r"^edgesdk: verified",
)


def plan(job: FlashJob, flash: Flash, choice: Choice, folder: Path) -> Plan:
    """Erase what is written (or all), write one hex file, read it back, reset.

    Raises:
        FlashError: OpenOCD is not installed.
    """
    facts = flash.openocd
    assert facts is not None
    _, program = find_program("openocd", dry_run=choice.dry_run)
    # Servers would keep a second board of the same bench from being flashed at the same time.
    words = ["gdb_port disabled", "tcl_port disabled", "telnet_port disabled"]
    configs: list[str] = []
    for name in facts.config:
        own = job.board.path.parent / name
        configs += ["-f", str(own.resolve()) if own.is_file() else name]
    before = [*facts.commands]
    if choice.probe is not None:
        before.append(f"adapter serial {{{_plain(choice.probe)}}}")
    if flash.reset == "software":
        before.append("reset_config none")
    words += [*before, "init", "reset init", *_write(job, choice, folder / HEX)]
    if flash.reset != "none":
        words.append("reset run")
    words.append("shutdown")
    commands = [word for text in words for word in ("-c", text)]
    step = Step("writing", (program, *configs, *commands))
    return Plan(TOOL, {HEX: partial(hex_file, job)}, (step,))


def _write(job: FlashJob, choice: Choice, path: Path) -> list[str]:
    """Commands that change the flash, each announced, and the reading back."""
    said = ["echo {edgesdk: erasing}"]
    if choice.erase:
        for memory in flash_memories(job.board):
            said.append(f"flash erase_address pad 0x{memory.base:08x} 0x{memory.size_bytes:x}")
    return [
        *said,
        "echo {edgesdk: writing}",
        f"flash write_image {'' if choice.erase else 'erase '}{{{path}}}",
        f"verify_image {{{path}}}",
        "echo {edgesdk: verified}",
    ]


def _plain(probe: str) -> str:
    """A probe's name that cannot end the braces around it.

    Raises:
        FlashError: it has braces or line breaks.
    """
    if not probe.isprintable() or set("{}\\") & set(probe):
        raise FlashError(f"--probe {probe!r} is no serial number; correct it")
    return probe
