"""`edgesdk devices`: what could be run on right now."""

from pathlib import Path

import typer
from rich.table import Table
from serial.tools import list_ports

from edgesdk.cli.options import JsonOption, terminal
from edgesdk.flash.store import flashed_boards

BY_ID = Path("/dev/serial/by-id")


def stable_name(port: str) -> str:
    """The port's link in /dev/serial/by-id, which survives replugging; else its own name."""
    try:
        links = sorted(BY_ID.iterdir())
    except OSError:
        return port
    real = Path(port).resolve()
    return next((str(link) for link in links if link.resolve() == real), port)


def command(context: typer.Context, as_json: JsonOption = False) -> None:
    """List flashed emulated boards and serial ports; none is no error."""
    term = terminal(context, as_json)
    boards = [
        {
            "board": flashed.board,
            "link": flashed.link,
            "firmware_id": flashed.firmware_id,
            "bundle_digest": flashed.bundle_digest,
        }
        for flashed in flashed_boards()
    ]
    ports = [
        {
            "port": stable_name(port.device),
            "description": port.description,
            "serial": port.serial_number,
        }
        for port in sorted(list_ports.comports(), key=lambda port: str(port.device))
        if port.vid is not None  # a built-in port says nothing about what hangs on it
    ]
    document = {"schema": "edgesdk.devices", "version": 1, "boards": boards, "ports": ports}
    table = Table("use with", "what", "firmware", "bundle", box=None, pad_edge=False)
    for board in boards:
        table.add_row(
            f"--board {board['board']}",
            f"emulated, by {board['link']}",
            board["firmware_id"],
            board["bundle_digest"] or "none",
        )
    for port in ports:
        table.add_row(f"--port {port['port']}", port["description"], "", "")
    nothing = "no device: flash an emulated board (edgesdk flash) or connect one"
    term.result(document, table if boards or ports else nothing)
