"""Where edgesdk keeps what it makes for itself, and how files are made whole or not at all."""

import os
import tempfile
from pathlib import Path

from edgesdk.errors import EdgeError


def _folder(variable: str, default: str, name: str) -> Path:
    home = os.environ.get("EDGESDK_HOME")
    if home:
        return Path(home) / name
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / default) / "edgesdk" / name


def firmware_cache_dir() -> Path:
    """Compiled firmware by digest; may be deleted at any time."""
    return _folder("XDG_CACHE_HOME", ".cache", "firmware")


def flash_files_dir() -> Path:
    """What flash tools were given last, one folder per probe; may be deleted at any time."""
    return _folder("XDG_CACHE_HOME", ".cache", "flash")


def desks_dir() -> Path:
    """What lies on emulated boards of benches, one folder per desk."""
    return _folder("XDG_STATE_HOME", ".local/state", "desks")


def locks_dir() -> Path:
    """Lock files of desks; one may be deleted while nobody holds it."""
    return _folder("XDG_STATE_HOME", ".local/state", "locks")


def devices_dir() -> Path:
    """One folder per flashed board: an emulated one's flash, what is known of a real one's."""
    return _folder("XDG_STATE_HOME", ".local/state", "devices")


def check_can_be_made(path: Path, otherwise: str) -> None:
    """Refuse a file or folder that could not be written, before the long work whose result it is.

    Raises:
        EdgeError: what is above it is no folder, or may not be written to; ends with `otherwise`.
    """
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        raise EdgeError(f"{path}: cannot be written ({above} is no folder); {otherwise}")
    if not os.access(above, os.W_OK | os.X_OK):
        raise EdgeError(f"{path}: cannot be written ({above} is read-only); {otherwise}")


def replace_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file so that it is either the old one or the whole new one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
