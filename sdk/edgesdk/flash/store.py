"""A board's device folder: firmware, image and a manifest of an emulated board's flash.

Of a real board it holds a record of what was written last.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgesdk import __version__
from edgesdk.build import Image
from edgesdk.errors import BuildError, DeviceError
from edgesdk.folders import devices_dir, replace_file

SCHEMA = "edgesdk.device/1"
MANIFEST = "manifest.json"
RECORD = "written.json"


@dataclass(frozen=True)
class Flashed:
    """What lies in a device folder, verified."""

    board: str
    link: str
    firmware: Path
    image: Path | None
    firmware_id: str
    bundle_digest: str | None
    manifest: dict[str, Any]


def store(image: Image, root: Path | None = None) -> Path:
    """Write an image to the board's device folder; returns the manifest's path.

    Files get names of their content's digest and the manifest is replaced last, in one step: an
    interrupted flash leaves the old content.

    Raises:
        BuildError: the folder cannot be written.
    """
    assert image.board.emulator is not None
    folder = (root or devices_dir()) / image.board.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = {"firmware": _put(folder, image.firmware.read_bytes(), "elf", executable=True)}
        if image.bundle is not None:
            files["image"] = _put(folder, image.bundle, "image", executable=False)
        replace_file(folder / MANIFEST, json.dumps(_manifest(image, files), indent=1).encode())
        _remove_stale(folder, {entry["file"] for entry in files.values()})
    except OSError as error:
        raise BuildError(f"{folder}: cannot flash ({error.strerror}); check the folder") from error
    return folder / MANIFEST


def record(image: Image, root: Path | None = None) -> Path:
    """Note what was written on a real board; returns the record's path.

    Raises:
        BuildError: the folder cannot be written.
    """
    path = (root or devices_dir()) / image.board.name / RECORD
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(_manifest(image, {}), indent=1).encode())
    except OSError as error:
        raise BuildError(f"{path}: cannot be written ({error.strerror}); check it") from error
    return path


def manifest_of(firmware_id: str, root: Path | None = None) -> dict[str, Any]:
    """What is known of a firmware that was flashed here; empty where it was not."""
    for flashed in flashed_boards(root):
        if flashed.firmware_id == firmware_id:
            return flashed.manifest
    for path in sorted((root or devices_dir()).glob(f"*/{RECORD}")):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # a damaged record says nothing
            continue
        if isinstance(found, dict) and found.get("firmware_id") == firmware_id:
            return found
    return {}


def _manifest(image: Image, files: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "edgesdk": __version__,
        "board": image.board.name,
        "link": image.link,
        "firmware_id": image.firmware_id,
        "bundle_digest": image.bundle_digest,
        "compiler": image.compiler,
        "flags": list(image.flags),
        "sizes": asdict(image.sizes),
        "files": files,
    }


def _put(folder: Path, data: bytes, kind: str, *, executable: bool) -> dict[str, str]:
    digest = hashlib.sha256(data).hexdigest()
    path = folder / f"{digest[:16]}.{kind}"
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        replace_file(path, data, mode=0o755 if executable else 0o644)
    return {"file": path.name, "sha256": digest}


def _remove_stale(folder: Path, keep: set[str]) -> None:
    for path in folder.iterdir():
        if path.is_file() and path.name != MANIFEST and path.name not in keep:
            path.unlink(missing_ok=True)


def load(board_name: str, root: Path | None = None) -> Flashed:
    """What is flashed on an emulated board.

    Raises:
        DeviceError: nothing, or content whose digests do not match its manifest.
    """
    folder = (root or devices_dir()) / board_name
    path = folder / MANIFEST
    again = f"run `edgesdk flash BUNDLE --board {board_name}`"
    if not path.is_file():
        raise DeviceError(f"{board_name}: nothing is flashed on it; {again}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["schema"] != SCHEMA:
            raise DeviceError(f"{path}: schema {manifest['schema']!r} is not {SCHEMA}; {again}")
        files = {kind: _verified(folder, entry) for kind, entry in manifest["files"].items()}
        return Flashed(
            board=manifest["board"],
            link=manifest["link"],
            firmware=files["firmware"],
            image=files.get("image"),
            firmware_id=manifest["firmware_id"],
            bundle_digest=manifest["bundle_digest"],
            manifest=manifest,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeviceError(f"{path}: device folder is damaged ({error}); {again}") from error


def _verified(folder: Path, entry: dict[str, str]) -> Path:
    path = folder / entry["file"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != entry["sha256"]:
        raise ValueError(f"{path.name} has changed since it was flashed")
    return path


def flashed_boards(root: Path | None = None) -> list[Flashed]:
    """All boards with a readable device folder."""
    found = []
    for path in sorted((root or devices_dir()).glob(f"*/{MANIFEST}")):
        try:
            found.append(load(path.parent.name, root))
        except DeviceError:  # a damaged folder is no device; opening it by name says why
            continue
    return found
