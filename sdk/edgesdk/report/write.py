"""report.json and report.html in a folder."""

import json
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
    """Write both files, each in one step (never half of one), and return their paths.

    Raises:
        EdgeError: matplotlib or jinja2 is missing, or the folder cannot be written.
    """
    require_page_tools()
    from edgesdk.report.page import render_page  # needs the packages just asked for

    contents = {
        "report.json": json.dumps(report.document(), ensure_ascii=False, indent=2) + "\n",
        "report.html": render_page(report),
    }
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            draft = folder / f".{name}.draft"
            draft.write_text(content, encoding="utf-8")
            paths.append(draft.rename(folder / name))
    except OSError as error:
        raise EdgeError(
            f"report not written: {folder}: {error.strerror}; choose another folder"
        ) from error
    return paths
