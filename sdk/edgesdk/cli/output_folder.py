"""A folder of results that is there whole or not at all, with a manifest of what is in it."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgesdk.errors import EdgeError

MANIFEST = "manifest.json"
SCHEMA, VERSION = "edgesdk.bundle-folder", 1


def _is_ours(folder: Path) -> bool:
    """Whether an earlier run wrote the folder, so that it may be replaced."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("schema") == SCHEMA


def check_replaceable(folder: Path) -> None:
    """Refuse a folder that holds something else, before the long work whose result goes there.

    Raises:
        EdgeError: it is a file, or a folder with other content.
    """
    if folder.is_dir() and (_is_ours(folder) or not any(folder.iterdir())):
        return
    if folder.exists():
        raise EdgeError(
            f"{folder}: exists and is no result of edgesdk, so it is not replaced; "
            "choose another folder with -o"
        )


def _manifest(files: Mapping[str, bytes], facts: Mapping[str, Any]) -> bytes:
    listed = {
        name: {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
    }
    manifest = {"schema": SCHEMA, "version": VERSION, **facts, "files": listed}
    return (json.dumps(manifest, ensure_ascii=False, indent=2) + "\n").encode()


def _replace(folder: Path, draft: Path, old: Path) -> None:
    """Move `draft` to `folder`; what was there goes to `old`, and back where that fails."""
    try:
        if folder.exists():
            folder.rename(old)
        draft.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise


def write_folder(folder: Path, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> None:
    """Write all files and the manifest beside the target, then move them there.

    An earlier result is there until the new one is, also after an error or Ctrl-C.

    Raises:
        EdgeError: the target is something else, or cannot be written.
    """
    check_replaceable(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".edgesdk-") as scratch:
            draft = Path(scratch) / "new"
            draft.mkdir()
            for name, data in {**files, MANIFEST: _manifest(files, facts)}.items():
                (draft / name).write_bytes(data)
            _replace(folder, draft, Path(scratch) / "old")
    except OSError as error:
        raise EdgeError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder with -o"
        ) from error
