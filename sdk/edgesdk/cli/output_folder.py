"""A folder of results that is there whole or not at all, with a manifest of what is in it."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgesdk.errors import EdgeError
from edgesdk.folders import check_can_be_made

MANIFEST = "manifest.json"
SCHEMA, VERSION = "edgesdk.bundle-folder", 1


def _manifest_of(folder: Path, schema: str) -> dict[str, Any] | None:
    """The manifest of a folder that an earlier run wrote; None of any other folder."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    ours = isinstance(manifest, dict) and manifest.get("schema") == schema
    return manifest if ours else None


def check_replaceable(folder: Path, schema: str = SCHEMA) -> None:
    """Refuse a folder that holds something else, before the long work whose result goes there.

    Raises:
        EdgeError: it is a file, or a folder with other content, or cannot be made there.
    """
    check_can_be_made(folder, "choose another folder with -o")
    if folder.is_dir() and (_manifest_of(folder, schema) or not any(folder.iterdir())):
        return
    if folder.exists():
        raise EdgeError(
            f"{folder}: exists and is no result of edgesdk, so it is not replaced; "
            "choose another folder with -o"
        )


def check_untouched(folder: Path, schema: str) -> None:
    """Refuse a folder that somebody has worked in since it was written.

    Raises:
        EdgeError: a file was changed, removed or added; names it.
    """
    manifest = _manifest_of(folder, schema)
    if manifest is None:
        return
    listed = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    foreign = there - listed.keys() - {MANIFEST}
    changed = {name for name in listed.keys() & there if _digest(folder / name) != listed[name]}
    touched = sorted(foreign | changed)
    if touched:
        what = "was changed" if touched[0] in changed else "is not of edgesdk"
        raise EdgeError(
            f"{folder}: {touched[0]} {what} since this folder was written, so it is not replaced; "
            "choose another folder with -o"
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _manifest(files: Mapping[str, bytes], facts: Mapping[str, Any], schema: str) -> bytes:
    listed = {
        name: {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
    }
    manifest = {"schema": schema, "version": VERSION, **facts, "files": listed}
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


def write_folder(
    folder: Path, files: Mapping[str, bytes], facts: Mapping[str, Any], schema: str = SCHEMA
) -> None:
    """Write all files and the manifest beside the target, then move them there.

    Files are named by their path in the folder. An earlier result is there until the new one is,
    also after an error or Ctrl-C.

    Raises:
        EdgeError: the target is something else, or cannot be written.
    """
    check_replaceable(folder, schema)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".edgesdk-") as scratch:
            draft = Path(scratch) / "new"
            draft.mkdir()
            for name, data in {**files, MANIFEST: _manifest(files, facts, schema)}.items():
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                (draft / name).write_bytes(data)
            _replace(folder, draft, Path(scratch) / "old")
    except OSError as error:
        raise EdgeError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder with -o"
        ) from error
