"""pyOCD, as a library in a process of its own (pyocd_session.py), so that it can be ended."""

from pathlib import Path

from edgesdk.board.flash import Flash
from edgesdk.flash.job import FlashJob, piece_files
from edgesdk.flash.programs import python_module
from edgesdk.flash.tool import Choice, Fault, Plan, Step, Tool

# pyOCD 0.46.0; the session's own words come first, then the exceptions' of pyOCD.
TOOL = Tool(
    name="pyocd",
    signs=(
        (r"^verify: ", Fault.VERIFY),
        (r"^no probe|ProbeDisconnected|Connection refused|no probe with", Fault.NO_PROBE),
        (r"^several probes", Fault.SEVERAL),
        (r"Errno 13|Access denied|insufficient permissions|Permission denied", Fault.PERMISSION),
        (r"Errno 16|Resource busy|already (open|in use)|is locked|claim", Fault.BUSY),
        (r"target type .* not recognized|TargetSupportError", Fault.UNKNOWN_TARGET),
        (r"APPROTECT enabled|is protected|unable to unlock", Fault.PROTECTED),
        (r"no memory region defined|is not writable", Fault.FULL),
        (r"FlashEraseFailure|FlashProgramFailure", Fault.OTHER),
        (r"wrong (chip|device)|part number mismatch|unexpected", Fault.WRONG_CHIP),
        (
            r"\bACK\b|transfer (error|fault|timeout)|TransferError|TransferTimeout",
            Fault.NO_TARGET,
        ),
        (r"no cores|Unable to power up|DebugError|TransferFault", Fault.NO_TARGET),
    ),
    begun=r"^(erasing|writing)",
    done=r"^verified ",
)


def plan(job: FlashJob, flash: Flash, choice: Choice, folder: Path) -> Plan:
    """Write all pieces, read them back, reset.

    Raises:
        FlashError: pyOCD is not installed.
    """
    facts = flash.pyocd
    assert facts is not None
    clock = () if facts.clock_khz is None else ("--clock-khz", str(facts.clock_khz))
    pack = () if facts.pack is None else ("--pack", facts.pack)
    command = (
        *python_module("edgesdk.flash.pyocd_session", "pyocd", dry_run=choice.dry_run),
        *("--target", facts.target, *pack, *clock, "--reset", flash.reset),
        *(() if choice.probe is None else ("--probe", choice.probe)),
        *(("--erase",) if choice.erase else ()),
        *(f"0x{piece.address:x}={folder / piece.file}" for piece in job.pieces),
    )
    return Plan(
        TOOL, piece_files(job), (Step("writing", command),), notes=_calls(job, flash, choice)
    )


def _calls(job: FlashJob, flash: Flash, choice: Choice) -> tuple[str, ...]:
    """The calls of pyOCD's library that the session makes."""
    kind = "chip" if choice.erase else "sector"
    pieces = [f"add_data(0x{piece.address:x}, {piece.file})" for piece in job.pieces]
    reads = [f"read_memory_block8(0x{piece.address:x})" for piece in job.pieces]
    resets = {"hardware": ["reset(HARDWARE)"], "software": ["reset(SYSTEM)"], "none": []}
    calls = [f'MemoryLoader(chip_erase="{kind}")', *pieces, "commit()", *reads]
    return ("pyocd: " + ", ".join([*calls, *resets[flash.reset]]),)
