"""report.json and report.html in a folder."""

import json
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from edgesdk.errors import EdgeError
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


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write both files and return their paths; neither is replaced before both are written.

    Raises:
        EdgeError: matplotlib or jinja2 is missing, or the folder cannot be written.
    """
    require_page_tools()
    from edgesdk.report.page import render_page  # needs the packages just asked for

    contents = {
        "report.json": json.dumps(report.document(), ensure_ascii=False, indent=2) + "\n",
        "report.html": render_page(report),
    }
    drafts = {name: folder / f".{name}.draft" for name in contents}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            drafts[name].write_text(content, encoding="utf-8")
        return [draft.replace(folder / name) for name, draft in drafts.items()]
    except OSError as error:
        raise EdgeError(
            f"report not written: {folder}: {error.strerror}; choose another folder"
        ) from error
    finally:
        for draft in drafts.values():
            with suppress(OSError):
                draft.unlink()
