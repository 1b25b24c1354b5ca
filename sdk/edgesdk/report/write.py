"""report.json, report.html and the manifest of a run in a folder."""

import dataclasses
import json
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgesdk.errors import EdgeError
from edgesdk.report.manifest import MANIFEST, Manifest, file_facts
from edgesdk.report.records import Report


def require_page_tools() -> None:
    """Make sure that a page can be written, before the long work whose result it shows.

    Raises:
        EdgeError: matplotlib or jinja2 is missing.
    """
    missing = [name for name in ("matplotlib", "jinja2") if find_spec(name) is None]
    if missing:
        raise EdgeError(
            f"report.html needs {' and '.join(missing)}, which this installation lacks; "
            "install with: pip install 'edgesdk[report]'"
        )


def write_report(report: Report, folder: Path, manifest: Manifest) -> list[Path]:
    """Write all three files and return their paths; none is replaced before all are written.

    The manifest gets the digests of the other two and is replaced last, so that a folder which
    was left half replaced does not pass for a whole one.

    Raises:
        EdgeError: matplotlib or jinja2 is missing, or the folder cannot be written.
    """
    require_page_tools()
    from edgesdk.report.page import render_page  # needs the packages just asked for

    contents = {"report.json": as_json(report.document()), "report.html": render_page(report)}
    files = {name: file_facts(content.encode()) for name, content in contents.items()}
    contents[MANIFEST] = as_json(dataclasses.replace(manifest, files=files).document())
    return write_files(folder, contents)


def as_json(document: dict[str, Any]) -> str:
    """JSON as all files of reports have it."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def write_files(folder: Path, contents: Mapping[str, str], kind: str = "report") -> list[Path]:
    """Write files in UTF-8, in this order; none is replaced before all are written.

    `kind` is what they are, for errors.

    Raises:
        EdgeError: the folder cannot be written.
    """
    drafts = {name: folder / f".{name}.draft" for name in contents}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            drafts[name].write_text(content, encoding="utf-8", newline="\n")
        return [draft.replace(folder / name) for name, draft in drafts.items()]
    except OSError as error:
        raise EdgeError(
            f"{kind} not written: {folder}: {error.strerror}; choose another folder"
        ) from error
    finally:
        for draft in drafts.values():
            with suppress(OSError):
                draft.unlink()
