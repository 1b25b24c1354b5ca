"""picotool: a UF2 file to a board whose boot ROM waits (BOOTSEL)."""

from functools import partial
from pathlib import Path

from edgesdk.board.flash import Flash
from edgesdk.flash.job import FlashJob
from edgesdk.flash.programs import find_program
from edgesdk.flash.tool import Choice, Fault, Plan, Step, Tool
from edgesdk.flash.uf2_file import UF2, uf2_file

# Words of picotool 1.1 to 2.x: its main.cpp (github.com/raspberrypi/picotool), and as users quote.
TOOL = Tool(
    name="picotool",
    signs=(
        (r"verif.* fail|did not match|doesn't match|mismatch", Fault.VERIFY),
        (r"maybe try 'sudo'|check your permissions|access denied", Fault.PERMISSION),
        (r"no accessible RP|no devices? (found|in BOOTSEL)", Fault.NO_PROBE),
        (r"(multiple|more than one) .*RP.* device", Fault.SEVERAL),
        (r"claim|in use|busy", Fault.BUSY),
        (r"family ID .* (cannot|not)|not (a )?valid .*for|wrong (chip|device)", Fault.WRONG_CHIP),
        (r"permission failure|locked|secure|protect", Fault.PROTECTED),
        (r"unable to connect|communication|lost|not respond", Fault.NO_TARGET),
        (r"does(n't| not) fit|outside|too (large|big)", Fault.FULL),
    ),
    begun=r"(?i)^(erasing|loading into flash)",
    done=r"^OK$",  # behind the bar of each range that was verified
)


def plan(job: FlashJob, flash: Flash, choice: Choice, folder: Path) -> Plan:
    """Load one UF2 file and verify it; the reset starts the application.

    Raises:
        FlashError: picotool is not installed.
    """
    facts = flash.picotool
    assert facts is not None
    _, program = find_program("picotool", dry_run=choice.dry_run)
    which = () if choice.probe is None else ("--ser", choice.probe)
    steps = [Step("erasing", (program, "erase", "-a", *which), verifies=0)] if choice.erase else []
    run = () if flash.reset == "none" else ("-x",)
    steps.append(Step("writing", (program, "load", "-v", *run, str(folder / UF2), *which)))
    files = {UF2: partial(uf2_file, job.pieces, facts.family)}
    return Plan(TOOL, files, tuple(steps))
