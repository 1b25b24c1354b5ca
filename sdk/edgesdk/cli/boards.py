"""`edgesdk boards`: the boards there are, and whether their files hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from edgesdk.board import Board, faults_of, load_board, load_boards
from edgesdk.build import build
from edgesdk.cli.options import JsonOption, terminal
from edgesdk.cli.terminal import Terminal
from edgesdk.errors import EdgeError
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


def command(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|NAME]...", help="With --check: board files of your own, or names."
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
    """List the boards, or check their files."""
    term = terminal(context, as_json)
    if (files or with_build) and not check:
        what = "files are" if files else "--build is"
        raise EdgeError(f"{what} for --check only; see edgesdk boards --help")
    if check:
        shipped = sorted(resource_dir("boards").glob("*.toml"))
        paths = [_file_of(name) for name in files] if files else shipped
        code = _check(term, paths, with_build=with_build)
        if code:
            raise typer.Exit(code)
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
