"""`edgesdk board`: begin a board file of one's own."""

import re
from pathlib import Path
from typing import Annotated

import typer

from edgesdk import __version__
from edgesdk.board import faults_of, load_board
from edgesdk.cli.options import JsonOption, terminal
from edgesdk.errors import EdgeError
from edgesdk.resources import resource_dir
from edgesdk.toml_table import OPEN

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
group = typer.Typer(help="Begin a board file of your own.")


def _from_template(name: str) -> str:
    path = resource_dir("firmware_templates") / "project" / "board.toml.in"
    text = path.read_text(encoding="utf-8")
    return text.replace("@NAME@", name).replace("@VERSION@", __version__)


def _from_board(name: str, origin: str) -> str:
    """The file of another board, with what is certainly not true of the new one left open."""
    board = load_board(origin)
    head, table, rest = board.path.read_text(encoding="utf-8").partition("\n[")
    for key, value in (("name", name), ("title", OPEN), ("source", OPEN)):
        head = re.sub(rf"^{key} = .*$", f'{key} = "{value}"', head, flags=re.MULTILINE)
    return (
        f"# Board file of {name}, begun with edgesdk {__version__} from {board.name}: every fact\n"
        f"# below is that board's until you change it, and its source with it. A value "
        f'"{OPEN}" is an\n# open question; `edgesdk boards --check` lists those that are left.\n'
        f"{head}{table}{rest}"
    )


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise EdgeError(f"{path}: exists and is not replaced; name another file with -o") from error
    except OSError as error:
        raise EdgeError(
            f"{path}: cannot be written ({error.strerror}); name another file with -o"
        ) from error


@group.command("new")
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Of the board: small letters, digits, - and _.")],
    origin: Annotated[
        str | None, typer.Option("--from", help="A board that is like it: a name, or a file.")
    ] = None,
    template: Annotated[
        bool, typer.Option("--template", help="Every key explained, and left open.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file; default: NAME.toml.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a board file to complete: from another board's, or from a template."""
    term = terminal(context, as_json)
    if not NAME.fullmatch(name):
        raise EdgeError(f"{name!r} is no name of a board; take small letters, digits, - and _")
    if (origin is None) is not template:
        raise EdgeError("one of --from BOARD and --template is needed; see --help")
    path = out or Path(f"{name}.toml")
    if path.name != f"{name}.toml":
        raise EdgeError(f"{path}: the file of board {name} is called {name}.toml; name it so")
    _write(path, _from_template(name) if origin is None else _from_board(name, origin))
    faults = faults_of(path)
    document = {"schema": "edgesdk.board-new", "version": 1, "file": str(path), "problems": faults}
    left = "" if origin is None else f"; every other fact is still that of {origin}"
    term.result(
        document,
        f"{path}: written; {len(faults)} open questions{left}",
        f"edgesdk boards --check {path}",
    )
