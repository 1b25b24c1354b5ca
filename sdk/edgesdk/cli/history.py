"""`edgesdk history`: many runs on one page."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from edgesdk.cli.options import JsonOption, terminal
from edgesdk.errors import EdgeError
from edgesdk.report.manifest import MANIFEST
from edgesdk.report.policy import default_policy, load_policy
from edgesdk.report.read import Run, load_run
from edgesdk.report.write import require_page_tools, write_files


def _folders(given: Sequence[Path]) -> Iterator[Path]:
    """The given folders of runs; of a folder without a manifest, those in it that have one."""
    for folder in given:
        inside = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
        if (folder / MANIFEST).exists() or not inside:
            yield folder
        else:
            yield from inside


def _runs(given: Sequence[Path]) -> list[Run]:
    """Each run once, however often it was named."""
    folders = dict.fromkeys(folder.resolve() for folder in _folders(given))
    return [load_run(folder) for folder in folders]


def command(
    context: typer.Context,
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Folders of `run --report`, or folders of such."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")],
    policy: Annotated[
        Path | None, typer.Option("--policy", help="TOML of limits, in place of the default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw many runs on one page that opens offline: costs, operators, memory, word errors."""
    term = terminal(context, as_json)
    require_page_tools()
    from edgesdk.report.history import group_runs, render_history  # needs the packages just asked

    limits = load_policy(policy) if policy else default_policy()
    runs = _runs(folders)
    if out.is_dir():
        raise EdgeError(f"{out}: is a folder; name a file with -o")
    many = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    with term.progress(f"drawing {many}"):
        page = render_history(runs, limits)
    (written,) = write_files(out.parent, {out.name: page}, "page")
    groups = [[str(run.folder) for run in group] for group in group_runs(runs)]
    document = {"schema": "edgesdk.history", "version": 1, "page": str(written), "groups": groups}
    kinds = f" in {len(groups)} groups that cannot be compared" if len(groups) > 1 else ""
    term.result(document, f"{written}: {many}{kinds}")
