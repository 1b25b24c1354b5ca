"""A run as `edgesdk run --report` left it: manifest and report, held together by digests."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from edgesdk.errors import EdgeError
from edgesdk.report import manifest as manifests
from edgesdk.report import records
from edgesdk.report.manifest import MANIFEST, Manifest, file_facts
from edgesdk.report.records import Report
from edgesdk.report.strict import read_as

T = TypeVar("T")
REPORT = "report.json"


class SchemaError(EdgeError):
    """A run of another schema or version than this edgesdk reads."""

    exit_code = 6


@dataclass(frozen=True)
class Run:
    """One run; `folder` is where it lies."""

    folder: Path
    manifest: Manifest
    report: Report

    @property
    def name(self) -> str:
        """What tells it from other runs: the name of its folder."""
        return self.folder.resolve().name


def load_run(folder: Path) -> Run:
    """The run in a folder, once every digest and every value has been looked at.

    Raises:
        EdgeError: no run lies there, or it is damaged.
        SchemaError: another version of edgesdk wrote it.
    """
    path = folder / MANIFEST
    if not path.is_file():
        without = " beside its report" if (folder / REPORT).is_file() else ""
        raise EdgeError(
            f"{path}: there is no manifest{without}; give a folder that this version's "
            "`edgesdk run --report` wrote"
        )
    document = _document(_content(path), path, manifests.SCHEMA, manifests.VERSION)
    manifest = _value(Manifest, document, path)
    for name in manifest.files:
        _check_file(folder, name, manifest)
    if REPORT not in manifest.files:
        _damaged(path, f"it does not list {REPORT}")
    path = folder / REPORT
    document = _document(_content(path), path, records.SCHEMA, records.VERSION)
    run = Run(folder, manifest, _value(Report, document, path))
    _check_sense(run)
    return run


def _damaged(path: Path, why: object) -> NoReturn:
    raise EdgeError(f"{path}: damaged ({why}); make the run again") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        _damaged(path, error.strerror)


def _document(data: bytes, path: Path, schema: str, version: int) -> dict[str, Any]:
    """The fields of a document whose schema and version are these."""
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        _damaged(path, error)
    if not isinstance(document, dict) or not isinstance(document.get("schema"), str):
        _damaged(path, "it names no schema")
    found = document.pop("schema"), document.pop("version", None)
    if found != (schema, version):
        raise SchemaError(
            f"{path}: schema {found[0]} {found[1]} is not {schema} {version}, which this edgesdk "
            "reads; make the run again with one version of edgesdk"
        )
    return document


def _value(kind: type[T], document: dict[str, Any], path: Path) -> T:
    try:
        return read_as(kind, document, kind.__name__.lower())
    except ValueError as error:
        _damaged(path, error)


def _check_file(folder: Path, name: str, manifest: Manifest) -> None:
    path = folder / name
    if path.name != name:
        _damaged(folder / MANIFEST, f"{name!r} is no file of this folder")
    if file_facts(_content(path)) != manifest.files[name]:
        _damaged(path, f"its content is not the one that {MANIFEST} lists")


def _check_sense(run: Run) -> None:
    """Refuse values that no run can have and that figures would be divided by."""
    path, report = run.folder / REPORT, run.report
    _check_moment(run.folder / MANIFEST, run.manifest.created)
    listed = [clip.clip for clip in run.manifest.clips]
    if not listed or [clip.clip for clip in report.clips] != listed:
        _damaged(path, f"its clips are not those of {MANIFEST}")
    if any(clip.processed_s < 0 or clip.audio_s < 0 for clip in report.clips):
        _damaged(path, "a clip that lasts less than no time")
    if any(use.size_bytes <= 0 for use in report.memory):
        _damaged(path, "a memory without a size")
    # What lies between operators is a difference, which a counter's own cost may push below 0.
    counted: list[Any] = [*report.stages, *(it for it in report.operators if it.index is not None)]
    counted += [stage for clip in report.clips for stage in clip.stages]
    costs = [it.cost for it in counted] + [clip.cost or 0 for clip in report.clips]
    if min(costs, default=0) < 0 or any((it.calls or 0) < 0 for it in counted):
        _damaged(path, "a cost or a count of calls below 0")
    if report.board.get("name") != run.manifest.board.name:
        _damaged(path, f"its board is not the one of {MANIFEST}")


def _check_moment(path: Path, created: str) -> None:
    try:
        zone = datetime.fromisoformat(created).tzinfo
    except ValueError as error:
        _damaged(path, f"created: {error}")
    if zone is None:
        _damaged(path, f"created: {created} tells no time zone")
