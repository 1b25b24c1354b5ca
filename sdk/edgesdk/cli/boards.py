"""`edgesdk boards`: the boards there are, one of them whole, and whether their files hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edgesdk.board import TIERS, Board, faults_of, load_board, load_boards
from edgesdk.build import build
from edgesdk.cli.options import JsonOption, terminal
from edgesdk.cli.terminal import Terminal
from edgesdk.errors import EdgeError
from edgesdk.resources import resource_dir

TIER_WORDS = {
    "hardware": "somebody reported a run on it",
    "builds": "compiles, never run by us",
    "emulated": "runs in QEMU",
    "host": "a process here",
}


def _describe(board: Board) -> dict[str, Any]:
    return {
        "name": board.name,
        "title": board.title,
        "tier": board.tier,
        "core": board.cpu.core,
        "isa": list(board.cpu.isa),
        "clock_hz": board.cpu.clock_hz,
        "memories": [
            {
                "name": memory.name,
                "kind": memory.kind,
                "base": memory.base,
                "size_bytes": memory.size_bytes,
                "holds": list(memory.holds),
            }
            for memory in board.memories
        ],
        "compiler": board.compiler.default,
        "link": board.link.default,
        "npu": None if board.npu is None else board.npu.accelerator,
        "flash": [] if board.flash is None else list(board.flash.offered),
        "flash_default": None if board.flash is None else board.flash.default,
        "reports": list(board.reports),
        "file": str(board.path),
    }


def _file_of(name: str) -> Path:
    """A board file of the user's own, or the one of a shipped board.

    Raises:
        BoardError: a name that no shipped board has.
    """
    if name.endswith(".toml") or "/" in name or Path(name).is_file():
        return Path(name).absolute()
    path = resource_dir("boards") / f"{name}.toml"
    return path if path.is_file() else load_board(name).path


def _build(path: Path) -> tuple[dict[str, Any] | None, EdgeError | None]:
    """Firmware of a board with all kernels and parts: its sizes, or why there is none."""
    try:
        image = build(load_board(path))
    except EdgeError as error:
        return None, error
    sizes = image.sizes
    return {
        "compiler": image.compiler,
        "firmware_id": image.firmware_id,
        "text_bytes": sizes.text,
        "data_bytes": sizes.data,
        "bss_bytes": sizes.bss,
    }, None


def _check(term: Terminal, paths: Sequence[Path], *, with_build: bool) -> int:
    """Tell of each board file what is wrong with it; returns the exit code."""
    checked: list[dict[str, Any]] = []
    code = 0
    for path in paths:
        problems = faults_of(path)
        entry: dict[str, Any] = {"name": path.stem, "file": str(path), "problems": problems}
        checked.append(entry)
        code = 1 if problems else code
        if with_build and not problems:
            with term.progress(f"building firmware for {path.stem}"):
                entry["firmware"], error = _build(path)
            if error is not None:
                problems.append(str(error))
                code = code or error.exit_code
    table = Table("board", "verdict", box=None, pad_edge=False)
    for entry in checked:
        firmware = entry.get("firmware")
        size = f"{firmware['text_bytes']:,}" if firmware else ""
        built = f"ok, builds: {size} bytes of code, with every kernel" if firmware else "ok"
        for i, verdict in enumerate(entry["problems"] or [built]):
            table.add_row("" if i else Text(entry["name"], no_wrap=True), verdict)
    term.result({"schema": "edgesdk.boards-check", "version": 2, "boards": checked}, table)
    return code


def _list(boards: Sequence[Board]) -> tuple[Table, str]:
    """A line for each board, in 80 columns, and what the words of it mean."""
    table = Table("board", "core", "npu", "tier", box=None, pad_edge=False)
    for title in ("model KiB", "work KiB"):
        table.add_column(title, justify="right")
    for board in boards:
        npu = "-" if board.npu is None else board.npu.accelerator.removeprefix("ethos-")
        rooms = [board.memory(role).size_bytes // 1024 for role in ("model", "workspace")]
        table.add_row(board.name, board.cpu.core, npu, board.tier, *(f"{n:,}" for n in rooms))
    tiers = "; ".join(f"{t}: {TIER_WORDS[t]}" for t in TIERS if any(b.tier == t for b in boards))
    return (
        table,
        f"\n{tiers}\nedgesdk boards NAME: one board, with its memories and how it is flashed",
    )


def _whole(board: Board) -> tuple[Table, Table]:
    """All that somebody who chooses a board asks: its facts, and its memories."""
    facts = Table("board", board.name, box=None, pad_edge=False)
    clock = "" if board.cpu.clock_hz is None else f", {board.cpu.clock_hz / 1e6:g} MHz"
    rows = [
        ("", board.title),
        ("tier", f"{board.tier}: {TIER_WORDS[board.tier]}"),
        *(("report", report) for report in board.reports),
        ("core", " ".join((board.cpu.core, *board.cpu.isa)) + clock),
    ]
    if board.npu is not None:
        rows.append(("npu", f"{board.npu.accelerator}, by {board.npu.attachment}"))
    uart = "" if board.uart is None else f" ({board.uart.driver}, {board.uart.baud:,} baud)"
    rows.append(("link", board.link.default + (uart if board.link.default == "uart" else "")))
    if board.flash is not None:
        others = [method for method in board.flash.offered if method != board.flash.default]
        also = f", or --with {', '.join(others)}" if others else ""
        rows.append(("flashed by", board.flash.default + also))
    rows.append(("file", str(board.path)))
    for row in rows:
        facts.add_row(row[0], Text(row[1], overflow="fold"))
    memories = Table("memory", "kind", "base", box=None, pad_edge=False)
    memories.add_column("KiB", justify="right")
    memories.add_column("holds")
    for memory in board.memories:
        base = "-" if memory.base is None else f"0x{memory.base:08X}"
        size = f"{memory.size_bytes / 1024:,.10g}"
        memories.add_row(memory.name, memory.kind, base, size, ", ".join(memory.holds))
    return facts, memories


def _show(term: Terminal, names: Sequence[str]) -> None:
    """List all boards, or show those named."""
    boards = [load_board(name) for name in names] or load_boards()
    document = {
        "schema": "edgesdk.boards",
        "version": 1,
        "boards": [_describe(board) for board in boards],
    }
    views: list[RenderableType] = []
    if names:
        for board in boards:
            facts, memories = _whole(board)
            views += [*([""] if views else []), facts, "", memories]
    else:
        views += _list(boards)
    term.result(document, *views)


def command(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|NAME]...", help="Boards to show or check: names, or files of your own."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Tell every fault of board files; none named: all.")
    ] = False,
    with_build: Annotated[
        bool, typer.Option("--build", help="With --check: compile and link the firmware too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the boards, show one whole, or check their files."""
    term = terminal(context, as_json)
    if with_build and not check:
        raise EdgeError("--build is for --check only; see edgesdk boards --help")
    if not check:
        _show(term, files or [])
        return
    shipped = sorted(resource_dir("boards").glob("*.toml"), key=lambda path: path.stem)
    paths = [_file_of(name) for name in files] if files else shipped
    code = _check(term, paths, with_build=with_build)
    if code:
        raise typer.Exit(code)
