"""SEGGER's J-Link Commander: a script of its commands."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from edgesdk.board.flash import Flash
from edgesdk.flash.job import FlashJob, hex_file, piece_files
from edgesdk.flash.programs import find_program
from edgesdk.flash.tool import Choice, Fault, Plan, Step, Tool

HEX, SCRIPT = "firmware.hex", "flash.jlink"
# SEGGER UM08001 (J-Link User Guide), "J-Link Commander"; words as users quote them.
TOOL = Tool(
    name="J-Link",
    signs=(
        (r"verify failed|verification failed|mismatch", Fault.VERIFY),
        (r"no J-Links? connected|no emulators? connected|cannot connect to J-Link", Fault.NO_PROBE),
        (r"connecting to J-Link.*fail|J-Link .*not found", Fault.NO_PROBE),
        (r"multiple J-Links|more than one J-Link|select emulator", Fault.SEVERAL),
        (r"already (open|in use)|is in use by another", Fault.BUSY),
        (
            r"unknown device|device .* not (found|supported)|is unknown to this",
            Fault.UNKNOWN_TARGET,
        ),
        (
            r"ID (code|of core|mismatch).*(mismatch|unexpected)|wrong (core|device)",
            Fault.WRONG_CHIP,
        ),
        (r"secured|protect|locked", Fault.PROTECTED),
        (r"cannot connect to (the )?(target|CPU)|could not (find|connect)", Fault.NO_TARGET),
        (r"VTref|target voltage|no (target|core) found|failed to attach", Fault.NO_TARGET),
        (r"out of range|no flash bank|not in (any )?flash", Fault.FULL),
    ),
    begun=r"(?i)^(J-Link>)?\s*(erasing|loadfile|downloading|programming|comparing)",
    done=r"(?i)verify successful",
    percent=(r"Programming flash.*\[ *(\d{1,3})%", r"\[ *(\d{1,3})%"),
)
PIN_RESET = "RSetType 2"  # UM08001: reset through the reset pin


def plan(job: FlashJob, flash: Flash, choice: Choice, folder: Path) -> Plan:
    """Reset and halt, write one hex file, verify each piece, reset and go.

    Raises:
        FlashError: J-Link Commander is not installed.
    """
    facts = flash.jlink
    assert facts is not None
    _, program = find_program("jlink", dry_run=choice.dry_run)
    probe = () if choice.probe is None else ("-USB", choice.probe)
    command = (
        *(program, "-device", facts.device, "-if", facts.interface.upper()),
        *("-speed", str(facts.speed_khz), *probe, "-autoconnect", "1"),
        *("-ExitOnError", "1", "-NoGui", "1", "-CommandFile", SCRIPT),
    )
    script = _script(job, flash, choice)
    files: dict[str, Callable[[], bytes]] = {
        HEX: partial(hex_file, job),
        SCRIPT: script.encode,
        **piece_files(job),
    }
    step = Step("writing", command, verifies=len(job.pieces), folder=folder)
    said = "; ".join(script.splitlines())
    return Plan(TOOL, files, (step,), notes=(f"{SCRIPT}: {said}",))


def _script(job: FlashJob, flash: Flash, choice: Choice) -> str:
    """Commander's commands; names of files are relative to the folder that it runs in."""
    lines = ["ExitOnError 1", "r", "h"]
    if choice.erase:
        lines.append("erase")
    lines.append(f"loadfile {HEX}")
    lines += [f"verifybin {piece.file}, 0x{piece.address:08X}" for piece in job.pieces]
    if flash.reset != "none":
        lines += [PIN_RESET] * (flash.reset == "hardware") + ["r", "g"]
    return "\n".join([*lines, "exit", ""])
