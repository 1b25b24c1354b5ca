"""`edgesdk hil`: every desk of a bench through its task, with verdicts that tell causes apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from edgesdk.bench.desk import load_bench
from edgesdk.bench.examine import DeskResult, examine
from edgesdk.bench.junit import write_junit
from edgesdk.bench.recogniser import Oracle
from edgesdk.bench.verdict import Verdict
from edgesdk.cli.options import JsonOption, terminal
from edgesdk.folders import check_can_be_made


def _exit_code(results: Sequence[DeskResult]) -> int:
    """1 where a result is wrong, else the code of the first desk without a result."""
    lasts = [result.last for result in results if result.last is not None]
    if any(last.verdict is Verdict.FAILED for last in lasts):
        return 1
    return next((last.exit_code for last in lasts if last.exit_code), 0)


def _view(results: Sequence[DeskResult]) -> Table:
    table = Table("desk", "board", "verdict", "figures", "cause", box=None, pad_edge=False)
    for result in results:
        said = result.document()
        figures = ", ".join(f"{name} {value:,.6g}" for name, value in result.figures.items())
        retried = " (2nd try)" if len(result.attempts) > 1 else ""
        cause = str(said["cause"] or "")
        table.add_row(result.desk, result.board, f"{said['verdict']}{retried}", figures, cause)
    return table


def command(
    context: typer.Context,
    bench: Annotated[Path, typer.Option("--bench", help="A bench file (docs/bench.md).")],
    desk: Annotated[
        list[str] | None, typer.Option("--desk", help="Only this desk; may come repeatedly.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", help="Only desks with this label; may come repeatedly."),
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML there.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run every desk's bundle and clips, all desks at once; exit 1 where a result is wrong."""
    term = terminal(context, as_json)
    chosen = load_bench(bench).choose(desk or (), label or ())
    if junit is not None:
        check_can_be_made(junit, "name another file with --junit")
    count = len(chosen.desks)
    with term.progress(f"{count} desk{'s' if count > 1 else ''} at work"):
        results = examine(chosen, Oracle(), term.note)
    if junit is not None:
        write_junit(results, chosen.source, junit)
    document = {
        "schema": "edgesdk.hil",
        "version": 1,
        "bench": chosen.source,
        "desks": [result.document() for result in results],
        "junit": None if junit is None else str(junit),
    }
    term.result(document, _view(results))
    code = _exit_code(results)
    if code:
        raise typer.Exit(code)
