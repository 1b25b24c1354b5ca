"""ST's own programmer, or the open st-flash where that is what is there."""

from functools import partial
from pathlib import Path

from edgesdk.board.flash import Flash, Stm32
from edgesdk.flash.job import FlashJob, hex_file, piece_files
from edgesdk.flash.programs import find_program
from edgesdk.flash.tool import Choice, Fault, Plan, Step, Tool

HEX = "firmware.hex"
CUBE = "STM32_Programmer_CLI"
# ST UM2237 (STM32CubeProgrammer), chapter 3; words as users quote them.
CUBE_TOOL = Tool(
    name=CUBE,
    signs=(
        (r"data mismatch|verification .*fail|verify.*fail|content .*differ", Fault.VERIFY),
        (r"no (debug probe|ST-?LINK) (detected|found)", Fault.NO_PROBE),
        (r"ST-?LINK .*not (found|detected)|no device found|wrong serial", Fault.NO_PROBE),
        (r"more than one ST-?LINK|several ST-?LINK", Fault.SEVERAL),
        (r"DEV_USB_COMM_ERR|already in use|in use by another", Fault.BUSY),
        (r"protect|RDP|locked", Fault.PROTECTED),
        (r"external loader.*(not|fail)|no such loader", Fault.UNKNOWN_TARGET),
        (r"unknown device|device ID .*not", Fault.WRONG_CHIP),
        (r"no STM32 target|target (is )?not|unable to (get|connect)|DEV_TARGET", Fault.NO_TARGET),
        (r"outside|exceed|not enough|address .*not", Fault.FULL),
    ),
    begun=r"(?i)erasing|mass erase|download in progress|memory programming",
    done=r"(?i)download verified successfully",
)
# stlink-tools 1.7.0; its words from runs without a probe and from its sources.
OPEN_TOOL = Tool(
    name="st-flash",
    signs=(
        (r"verification of flash failed|verification failed|failed to verify", Fault.VERIFY),
        (r"couldn't find any ST-Link|no stlink|failed to .*open stlink", Fault.NO_PROBE),
        (r"LIBUSB_ERROR_ACCESS|could not open USB device.*access", Fault.PERMISSION),
        (r"LIBUSB_ERROR_BUSY|unable to claim|already in use", Fault.BUSY),
        (r"unknown chip id|chip id .*unknown|unknown memory region", Fault.WRONG_CHIP),
        (r"protect|RDP|locked", Fault.PROTECTED),
        (r"failed to (connect|enter|read core id)|target.* (voltage|not)", Fault.NO_TARGET),
        (r"not connected|soft reset failed", Fault.NO_TARGET),
        (r"addr too (high|low)|unaligned|too large|exceeds", Fault.FULL),
    ),
    begun=r"(?i)erase|flash page at|starting flash write|attempting to write",
    done=r"(?i)flash written and verified",
    percent=(r"(\d+)/(\d+) +(?:half)?pages? written",),
)


def offered(facts: Stm32) -> tuple[str, ...] | None:
    """The programs that can write the board, where not all can: only ST's own takes loaders."""
    return (CUBE,) if facts.external_loader else None


def plan(job: FlashJob, flash: Flash, choice: Choice, folder: Path) -> Plan:
    """Write and verify with STM32_Programmer_CLI, else with st-flash.

    Raises:
        FlashError: neither is installed.
    """
    facts = flash.stm32
    assert facts is not None
    name, program = find_program("stm32", offered(facts), dry_run=choice.dry_run)
    if name == CUBE:
        return _cube(program, job, flash, choice, folder)
    return _open(program, job, flash, choice, folder)


def _cube(program: str, job: FlashJob, flash: Flash, choice: Choice, folder: Path) -> Plan:
    assert flash.stm32 is not None
    pin = flash.reset == "hardware"
    command = [program, "-c", "port=SWD"]
    command += ["mode=UR", "reset=HWrst"] if pin else ["mode=NORMAL", "reset=SWrst"]
    if choice.probe is not None:
        command.append(f"sn={choice.probe}")
    if flash.stm32.external_loader is not None:
        command += ["-el", flash.stm32.external_loader]
    if choice.erase:
        command += ["-e", "all"]
    command += ["-w", str(folder / HEX), "-v"]
    if flash.reset != "none":
        command.append("-hardRst" if pin else "-rst")
    return Plan(CUBE_TOOL, {HEX: partial(hex_file, job)}, (Step("writing", tuple(command)),))


def _open(program: str, job: FlashJob, flash: Flash, choice: Choice, folder: Path) -> Plan:
    """One call a piece, for st-flash fills what lies between the parts of a hex file."""
    common = [] if choice.probe is None else ["--serial", choice.probe]
    if flash.reset == "hardware":
        common.append("--connect-under-reset")
    steps = []
    if choice.erase:
        steps.append(Step("erasing", (program, *common, "erase"), verifies=0))
    for piece in job.pieces:
        last = piece is job.pieces[-1] and flash.reset != "none"
        place = (str(folder / piece.file), f"0x{piece.address:08x}")
        reset = ("--reset",) * last
        steps.append(Step(f"writing {piece.memory}", (program, *common, *reset, "write", *place)))
    return Plan(OPEN_TOOL, piece_files(job), tuple(steps))
