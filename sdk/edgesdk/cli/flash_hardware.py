"""`edgesdk flash` for real boards: by a tool, or by files for the maker's own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgesdk.board import Board
from edgesdk.build import BuildOptions, Image, build_commands
from edgesdk.bundle import Bundle
from edgesdk.cli.output_folder import check_replaceable, check_untouched, write_folder
from edgesdk.cli.terminal import Terminal
from edgesdk.errors import EdgeError
from edgesdk.flash.job import FlashJob, make_job, planned_job
from edgesdk.flash.kept import keep
from edgesdk.flash.store import record
from edgesdk.flash.tool import Choice
from edgesdk.flash.vendor import vendor_files, vendor_steps
from edgesdk.flash.write import VENDOR, choose_method, flash_facts, make_plan, write_board

FOLDER = "edgesdk.flash-files"


@dataclass(frozen=True)
class Asked:
    """The verb's options about tools."""

    method: str | None = None
    probe: str | None = None
    erase: bool = False
    output: Path | None = None

    @property
    def choice(self) -> Choice:
        """What a method needs of it."""
        return Choice(self.probe, self.erase)


def check_asked(board: Board, asked: Asked) -> str:
    """The method, where the options go together.

    Raises:
        EdgeError: the board does not offer it, or an option is one too many or is missing.
    """
    method = choose_method(board, asked.method)
    if method != VENDOR and asked.output is not None:
        raise EdgeError(f"-o is for --with vendor, not for {method}; leave it out")
    if method != VENDOR:
        return method
    if asked.output is None:
        raise EdgeError(
            f"{board.name} is written with its maker's tool: name a folder for the files with -o"
        )
    if asked.probe is not None or asked.erase:
        raise EdgeError("--probe and --erase are for tools that edgesdk runs; leave them out")
    check_replaceable(asked.output, FOLDER)
    check_untouched(asked.output, FOLDER)
    return method


def check_tool(board: Board, asked: Asked) -> None:
    """What can be known before minutes of building: the tool is there, and a port for it.

    Raises:
        DeviceError: no port, or several.
        FlashError: no tool, or it cannot do what was asked.
    """
    method = check_asked(board, asked)
    if method != VENDOR:
        make_plan(planned_job(board), method, asked.choice)


def plan_hardware(term: Terminal, board: Board, options: BuildOptions, asked: Asked) -> None:
    """Say what would be built and run."""
    method = check_asked(board, asked)
    commands = build_commands(board, options)
    build = (
        commands
        if term.verbose
        else (f"# {len(commands)} compiler commands come first; edgesdk -v prints them",)
    )
    document: dict[str, Any] = {
        "schema": "edgesdk.flash-plan",
        "version": 1,
        "board": board.name,
        "method": method,
        "commands": commands,
    }
    if method == VENDOR:
        assert asked.output is not None
        steps = vendor_steps(flash_facts(board), asked.output)
        term.result(document | {"steps": steps}, *build, "", steps)
        return
    job = planned_job(board)
    plan = make_plan(job, method, replace(asked.choice, dry_run=True))
    calls = [step.by_hand for step in plan.steps]
    flash = {"files": sorted(plan.files), "commands": calls, "notes": list(plan.notes)}
    notes = [f"# {note}" for note in (*plan.notes, *_notes(job))]
    term.result(document | {"flash": flash}, *build, *calls, *notes)


def write_hardware(term: Terminal, image: Image, bundle: Bundle, asked: Asked) -> dict[str, Any]:
    """Flash what was built; returns what the result says about it."""
    board = image.board
    method = check_asked(board, asked)
    job = make_job(image, in_ram=method == VENDOR)
    facts: dict[str, Any] = {
        "method": method,
        "pieces": [
            {"memory": piece.memory, "address": piece.address, "size_bytes": len(piece.data)}
            for piece in job.pieces
        ],
        "image_in_flash": job.image_in_flash,
    }
    if method == VENDOR:
        return facts | _hand_over(job, asked)
    try:
        with term.bar(f"flashing {board.name}") as show:
            written = write_board(job, method, asked.choice, show)
    except KeyboardInterrupt as interrupt:
        for note in getattr(interrupt, "__notes__", ()):
            term.note(note)
        raise
    record(image)
    keep(bundle, board)
    return facts | {
        "verified": written.read_back,
        "tool": written.tool,
        "commands": list(written.commands),
        "seconds": round(written.seconds, 1),
        "notes": list(_notes(job)),
    }


def _hand_over(job: FlashJob, asked: Asked) -> dict[str, Any]:
    """Write files for the maker's tool; nothing is on the board then."""
    assert asked.output is not None
    flash = flash_facts(job.board)
    files = {name: content() for name, content in vendor_files(job, flash).items()}
    write_folder(asked.output, files, {"board": job.board.name}, FOLDER)
    steps = vendor_steps(flash, asked.output)
    return {
        "verified": False,
        "folder": str(asked.output),
        "files": sorted(files),
        "steps": steps,
        "notes": list(_notes(job)),
    }


def _notes(job: FlashJob) -> Sequence[str]:
    """Where the bundle goes, when it is not flashed."""
    if job.image_in_flash:
        return ()
    memory = job.board.memory("model").name
    return (
        f"the bundle's place is memory {memory!r}, RAM that forgets it without power: load it over "
        f"the link with edgesdk flash BUNDLE --board {job.board.name} --port PORT",
    )


def hardware_views(facts: dict[str, Any], board: Board) -> list[str]:
    """The last lines for people."""
    notes = list(facts["notes"])
    if facts["method"] == VENDOR:
        return [f"nothing is flashed yet; files are in {facts['folder']}", facts["steps"], *notes]
    sizes = ", ".join(f"{p['size_bytes']:,} bytes in {p['memory']}" for p in facts["pieces"])
    how = (
        "read back and equal" if facts["verified"] else "taken by the board, which nobody can read"
    )
    done = f"flashed {board.name} with {facts['tool']} in {facts['seconds']:g} s: {sizes}; {how}"
    return [done, *notes]
