"""`edgesdk boards`: the boards there are, and whether their files hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from edgesdk.board import Board, load_board, load_boards
from edgesdk.cli.options import JsonOption, terminal
from edgesdk.errors import BoardError, EdgeError
from edgesdk.resources import resource_dir


def _describe(board: Board) -> dict[str, Any]:
    return {
        "name": board.name,
        "title": board.title,
        "tier": board.tier,
        "core": board.cpu.core,
        "isa": list(board.cpu.isa),
        "clock_hz": board.cpu.clock_hz,
        "memories": [
            {"name": memory.name, "size_bytes": memory.size_bytes, "holds": list(memory.holds)}
            for memory in board.memories
        ],
        "compiler": board.compiler.default,
        "link": board.link.default,
        "npu": None if board.npu is None else board.npu.accelerator,
    }


def _check(paths: Sequence[Path]) -> list[dict[str, str | None]]:
    """Each board file with what is wrong with it."""
    found: list[dict[str, str | None]] = []
    for path in paths:
        try:
            load_board(path.absolute())  # a path, however it is spelt, and never a name
        except BoardError as error:
            found.append({"name": path.stem, "problem": str(error)})
        else:
            found.append({"name": path.stem, "problem": None})
    return found


def command(
    context: typer.Context,
    files: Annotated[
        list[Path] | None, typer.Argument(help="With --check: board files of your own.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check board files; none named: all.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the boards, or check their files."""
    term = terminal(context, as_json)
    if files and not check:
        raise EdgeError("files are for --check only; see edgesdk boards --help")
    if check:
        checked = _check(files or sorted(resource_dir("boards").glob("*.toml")))
        table = Table("board", "verdict", box=None, pad_edge=False)
        for entry in checked:
            table.add_row(entry["name"], entry["problem"] or "ok")
        term.result({"schema": "edgesdk.boards-check", "version": 1, "boards": checked}, table)
        if any(entry["problem"] for entry in checked):
            raise typer.Exit(1)
        return
    boards = [_describe(board) for board in load_boards()]
    table = Table("board", "core", "isa", "npu", "tier", "memories", box=None, pad_edge=False)
    for board in boards:
        sizes = ", ".join(
            f"{memory['name']} {memory['size_bytes'] // 1024:,} KiB" for memory in board["memories"]
        )
        table.add_row(
            Text(board["name"], no_wrap=True),
            board["core"],
            " ".join(board["isa"]),
            Text(board["npu"] or "-", no_wrap=True),
            board["tier"],
            sizes,
        )
    term.result({"schema": "edgesdk.boards", "version": 1, "boards": boards}, table)
