"""`edgesdk devices`: what could be run on right now, and which of it a bench means."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from edgesdk.bench.desk import load_bench
from edgesdk.bench.lock import who_holds
from edgesdk.bench.ports import Match, clashes, match_all, stable_name, usb_ports
from edgesdk.cli.options import JsonOption, terminal
from edgesdk.cli.terminal import Terminal
from edgesdk.errors import DeviceError
from edgesdk.flash.store import flashed_boards


def _problem(found: Match) -> str | None:
    """Why a desk cannot be used now; a port's file that is absent may still come with power."""
    port = found.desk.port
    if found.problem is None and isinstance(port, str) and port.startswith("/"):
        absent = f"{port} is not there; plug it in, see `edgesdk devices`"
        return None if Path(port).exists() else absent
    return found.problem


def _desk_document(found: Match) -> dict[str, Any]:
    desk = found.desk
    return {
        "desk": desk.name,
        "board": desk.board.name,
        "port": str(desk.port),
        "matches": list(found.ports),
        "problem": _problem(found),
        "probe": desk.probe,
        "labels": list(desk.labels),
        "disabled": desk.disabled,
        "held_by": who_holds(desk) or found.owner,
    }


def _state(desk: dict[str, Any]) -> str:
    if desk["disabled"] is not None:
        return f"disabled: {desk['disabled']}"
    if desk["problem"] is not None:
        return str(desk["problem"])
    return f"held by {desk['held_by']}" if desk["held_by"] else "free"


def _show_bench(term: Terminal, path: Path) -> None:
    """Every desk with its port; exit code 3 where one has several, or several have one."""
    bench = load_bench(path)
    matches = match_all(bench, usb_ports())
    desks = [_desk_document(found) for found in matches]
    faults = clashes(matches)
    several = [found for found in matches if len(found.ports) > 1 and not found.desk.disabled]
    table = Table("desk", "board", "port", "labels", "state", box=None, pad_edge=False)
    for desk in desks:
        port = desk["matches"][0] if len(desk["matches"]) == 1 else desk["port"]
        table.add_row(*(desk["desk"], desk["board"], port, ", ".join(desk["labels"]), _state(desk)))
    document = {"schema": "edgesdk.bench", "version": 1, "desks": desks, "clashes": faults}
    term.result(document, table, *faults)
    if several or faults:
        raise typer.Exit(DeviceError.exit_code)


def command(
    context: typer.Context,
    bench: Annotated[
        Path | None,
        typer.Option("--bench", help="A bench file: shows which of its desks can be used."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List flashed emulated boards and serial ports, or the desks of a bench."""
    term = terminal(context, as_json)
    if bench is not None:
        _show_bench(term, bench)
        return
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
            "vid": port.vid,
            "pid": port.pid,
            "location": port.location,
        }
        for port in usb_ports()
    ]
    document = {"schema": "edgesdk.devices", "version": 1, "boards": boards, "ports": ports}
    table = Table("use with", "what", "firmware", "bundle", box=None, pad_edge=False)
    for board in boards:
        table.add_row(
            f"--board {board['board']}",
            f"by {board['link']}",
            board["firmware_id"],
            board["bundle_digest"] or "none",
        )
    for port in ports:
        table.add_row(f"--port {port['port']}", str(port["description"]), "", "")
    nothing = "no device: flash an emulated board (edgesdk flash) or connect one"
    term.result(document, table if boards or ports else nothing)
