"""What is kept of a flashed board: the whole bundle and the board file.

Host sections never go to a device; and a board file of the user's own may move.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from edgesdk.board import Board
from edgesdk.board.setup import c_path
from edgesdk.bundle import Bundle, load_bundle, save_bundle
from edgesdk.errors import BuildError, BundleError, DeviceError
from edgesdk.flash.store import Flashed
from edgesdk.folders import devices_dir, replace_file

KEPT = "whole.edge"


def keep(bundle: Bundle, board: Board, root: Path | None = None) -> None:
    """Keep what has just been flashed, and the board's file; the next flash removes both.

    Raises:
        BuildError: the device folder cannot be written.
    """
    folder = (root or devices_dir()) / board.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = dict(board_files(board))
        save_bundle(bundle, folder / KEPT)
        for name, data in files.items():
            replace_file(folder / name, data)
    except BundleError as error:
        raise BuildError(str(error)) from error
    except OSError as error:
        raise BuildError(f"{folder}: cannot flash ({error.strerror}); check the folder") from error


def board_files(board: Board) -> Iterator[tuple[str, bytes]]:
    """The board's file and the user's own drivers, which it then finds beside it."""
    text = board.path.read_text(encoding="utf-8")
    for driver in board.drivers.values():
        own = c_path(driver, board.path)
        if own is not None:
            text = re.sub(rf"([\"']){re.escape(driver)}\1", f"'{own.name}'", text)
            yield own.name, own.read_bytes()
    yield f"{board.name}.toml", text.encode()


def kept_bundle(flashed: Flashed, root: Path | None = None) -> Bundle:
    """The bundle that `flashed` was made from.

    Raises:
        DeviceError: it is missing, damaged or another one.
    """
    path = (root or devices_dir()) / flashed.board / KEPT
    again = f"run `edgesdk flash BUNDLE --board {flashed.board}` again"
    if not path.is_file():
        raise DeviceError(f"{path}: the bundle kept for comparing is missing; {again}")
    try:
        bundle = load_bundle(path)
    except BundleError as error:
        raise DeviceError(f"{path}: the bundle kept for comparing is damaged; {again}") from error
    if bundle.digest != flashed.bundle_digest:
        raise DeviceError(f"{path}: is not the bundle that was flashed; {again}")
    return bundle


def last_bundle(board: Board, root: Path | None = None) -> Bundle | None:
    """The bundle that a real board got last; None where nothing is known.

    Raises:
        DeviceError: it is damaged.
    """
    path = (root or devices_dir()) / board.name / KEPT
    if board.emulator is not None or not path.is_file():
        return None
    try:
        return load_bundle(path)
    except BundleError as error:
        raise DeviceError(
            f"{path}: the bundle kept for comparing is damaged; name it with --bundle"
        ) from error


def kept_board(name: str, root: Path | None = None) -> Path | None:
    """The board file that `name` was flashed with; None where nothing is flashed."""
    path = (root or devices_dir()) / name / f"{name}.toml"
    return path if path.is_file() else None


def stale_note(board: Board | None, root: Path | None = None) -> str | None:
    """What to say where an emulated board's file has changed since its firmware was flashed."""
    if board is None or board.emulator is None:
        return None
    folder = (root or devices_dir()) / board.name
    for name, data in board_files(board):
        kept = folder / name
        if kept.is_file() and kept.read_bytes() != data:
            return (
                f"{board.path.parent / name}: has changed since {board.name} was flashed, and what "
                "was flashed runs; flash again to try the change"
            )
    return None
