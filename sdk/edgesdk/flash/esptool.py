"""esptool: raw pieces at their offsets in flash, over the chip's own boot loader.

It runs as a program of its own, which its licence and a time limit both ask for.
"""

from pathlib import Path

from serial.tools.list_ports import comports

from edgesdk.board.flash import EspTool, Flash
from edgesdk.errors import DeviceError, FlashError
from edgesdk.flash.job import FlashJob, Piece, piece_files
from edgesdk.flash.programs import python_module
from edgesdk.flash.tool import Choice, Fault, Plan, Step, Tool

ANY_PORT = "PORT"  # in a dry run, where none can be told
RESETS = {"hardware": "hard-reset", "software": "watchdog-reset", "none": "no-reset"}
# esptool 5.6.0; its words from its sources and from runs.
TOOL = Tool(
    name="esptool",
    signs=(
        (r"MD5 of file does not match|written flash region is empty|corrupted", Fault.VERIFY),
        (r"Permission denied|Errno 13", Fault.PERMISSION),
        (r"Errno 16|Resource busy|exclusively lock|multiple access", Fault.BUSY),
        (r"No such file or directory|Errno 2\b|Connection refused|not found", Fault.NO_PROBE),
        (r"Could not open .*port", Fault.NO_PROBE),
        (r"This chip is .*, not|Unexpected chip|invalid chip|Wrong chip", Fault.WRONG_CHIP),
        (r"Secure Boot V|Detected flash encryption|encrypted flash write", Fault.PROTECTED),
        (r"will not fit|goes past|not enough", Fault.FULL),
        (r"Wrong boot mode|No serial data received|Failed to connect", Fault.NO_TARGET),
        (r"Invalid head of packet|timed out|Packet content transfer|No more data", Fault.NO_TARGET),
        (r"invalid value for '--chip'|invalid choice", Fault.UNKNOWN_TARGET),
    ),
    begun=r"^(Erasing|Writing at|Flash will be erased|Compressed|Wrote)",
    done=r"^Hash of data verified",
)


def plan(job: FlashJob, flash: Flash, choice: Choice, folder: Path) -> Plan:
    """Write each piece at its offset; esptool compares a digest of each that the chip computes.

    Raises:
        DeviceError: no serial port, or several.
        FlashError: esptool is not installed.
    """
    facts = flash.esptool
    assert facts is not None
    port = _port(choice)
    places = [
        word
        for piece in job.pieces
        for word in (f"0x{offset_of(piece, facts):x}", str(folder / piece.file))
    ]
    command = (
        *python_module("esptool", "esptool", dry_run=choice.dry_run),
        *("--chip", facts.chip, "--port", port, "--baud", str(facts.baud)),
        *("--before", "default-reset", "--after", RESETS[flash.reset], "write-flash"),
        *(("--erase-all",) if choice.erase else ()),
        *places,
    )
    step = Step("writing", command, verifies=len(job.pieces))
    which = f"{ANY_PORT}: the only USB serial port, or the one that --probe names"
    notes = (which,) if port == ANY_PORT else ()
    return Plan(TOOL, piece_files(job), (step,), notes=notes)


def offset_of(piece: Piece, facts: EspTool) -> int:
    """Where in flash a piece goes.

    Raises:
        FlashError: the processor sees no flash there.
    """
    for window in facts.windows:
        if window.base <= piece.address and piece.end <= window.base + window.size_bytes:
            return piece.address - window.base + window.offset
    raise FlashError(
        f"memory {piece.memory!r} at 0x{piece.address:08X} lies in no [[flash.esptool.window]]; "
        "correct the board file"
    )


def _port(choice: Choice) -> str:
    """The port; in a dry run its place where there is none, or several."""
    try:
        return serial_port(choice.probe)
    except DeviceError:
        if not choice.dry_run:
            raise
        return ANY_PORT


def serial_port(probe: str | None) -> str:
    """The port that the chip's boot loader listens on: a URL, a name, or a USB serial number.

    Raises:
        DeviceError: none, or several.
    """
    if probe is not None and ("/" in probe or probe.upper().startswith("COM")):
        return probe
    ports = [port for port in comports() if port.vid is not None]
    if probe is not None:
        ports = [port for port in ports if port.serial_number == probe]
    if len(ports) == 1:
        return str(ports[0].device)
    which = "" if probe is None else f" with the serial number {probe}"
    if not ports:
        raise DeviceError(f"no USB serial port{which} is connected; connect the board")
    listed = ", ".join(f"{port.device} ({port.serial_number})" for port in ports)
    raise DeviceError(f"several USB serial ports{which}: {listed}; name one with --probe")
