"""Boards by name or by file, read and checked."""

from pathlib import Path

from edgesdk.board.checks import validate
from edgesdk.board.facts import Board, read_board
from edgesdk.errors import BoardError
from edgesdk.resources import resource_dir
from edgesdk.toml_table import did_you_mean, parse_toml


def _load_file(path: Path) -> Board:
    board = read_board(parse_toml(path, BoardError), path)
    problems = validate(board)
    if problems:
        raise BoardError(problems[0])
    return board


def faults_of(path: Path) -> list[str]:
    """All that is wrong with a board file, one sentence each; empty where `load_board` takes it.

    What cannot be read is left out of the checks that look at it: they come once it is mended.
    """
    faults: list[tuple[str, str]] = []
    try:
        board = read_board(parse_toml(path, BoardError), path, faults)
    except BoardError as error:
        return [str(error)]
    unread = {section for section, _ in faults}
    return [*(message for _, message in faults), *validate(board, unread)]


def load_board(name_or_path: str | Path) -> Board:
    """The board of that name, or of a TOML file of the user's own.

    Raises:
        BoardError: unknown, unreadable or contradicting itself.
    """
    folder = resource_dir("boards")
    text = str(name_or_path)
    if text.endswith(".toml") or "/" in text:
        return _load_file(Path(text))
    path = folder / f"{text}.toml"
    if not path.is_file():
        names = sorted(entry.stem for entry in folder.glob("*.toml"))
        lists = "edgesdk boards lists those there are, and a file of your own ends in .toml"
        raise BoardError(f"board {text!r} is unknown{did_you_mean(text, names, lists)}")
    return _load_file(path)


def load_boards() -> list[Board]:
    """All shipped boards, by name."""
    paths = resource_dir("boards").glob("*.toml")
    return [_load_file(path) for path in sorted(paths, key=lambda path: path.stem)]
