"""UF2 by drag and drop: a file on the drive that the boot ROM shows."""

from functools import partial
from pathlib import Path

from edgesdk.board.flash import Flash
from edgesdk.errors import FlashError
from edgesdk.flash.job import FlashJob
from edgesdk.flash.programs import python_module
from edgesdk.flash.tool import Choice, Fault, Plan, Step, Tool
from edgesdk.flash.uf2_file import UF2, uf2_file

TOOL = Tool(
    name="uf2",
    signs=(
        (r"^no drive", Fault.NO_PROBE),
        (r"^several drives", Fault.SEVERAL),
        (r"^refused", Fault.WRONG_CHIP),
        (r"Permission denied|Read-only", Fault.PERMISSION),
        (r"No space", Fault.FULL),
    ),
    begun=r"^writing",
    reads_back=False,
    done=r"^accepted",
)


def plan(job: FlashJob, flash: Flash, choice: Choice, folder: Path) -> Plan:
    """Write one UF2 file on the drive, and wait for the board to start what it got.

    Raises:
        FlashError: --erase, which a boot ROM's drive does not offer.
    """
    facts = flash.uf2
    assert facts is not None
    if choice.erase:
        raise FlashError("uf2 cannot erase: the drive only takes files; leave out --erase")
    where = ("--drive", choice.probe) if choice.probe else ("--volume", facts.volume)
    command = (*python_module("edgesdk.flash.uf2_drop"), *where, str(folder / UF2))
    files = {UF2: partial(uf2_file, job.pieces, facts.family)}
    return Plan(TOOL, files, (Step("writing", command),))
