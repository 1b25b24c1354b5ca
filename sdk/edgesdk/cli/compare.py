"""`edgesdk compare`: two runs of one kind, every figure with its limit."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edgesdk.cli.options import JsonOption, terminal
from edgesdk.errors import EdgeError
from edgesdk.report.compare import Comparison, Delta, compare
from edgesdk.report.figures import format_figure
from edgesdk.report.policy import default_policy, default_policy_text, load_policy
from edgesdk.report.read import load_run

STYLES = {"regression": "bold red", "better": "green", "missing": "yellow", "new": "yellow"}


def _figure(value: float | int | str | None) -> str:
    return "none" if value is None else format_figure(value)


def _signed(value: float | int | None) -> str:
    if value is None or value == 0:
        return ""
    return f"{'+' if value > 0 else '-'}{format_figure(abs(value))}"


def _row(delta: Delta) -> tuple[str | Text, ...]:
    per_cent = "" if not delta.change_pct else f"{delta.change_pct:+.2f} %"
    unit = delta.unit if delta.fidelity == "functional" else f"{delta.unit} ({delta.fidelity})"
    verdict = Text(delta.verdict, style=STYLES.get(delta.verdict, ""))
    figures = (_figure(delta.a), _figure(delta.b), _signed(delta.change), per_cent)
    return (delta.name, *figures, unit.strip(), delta.limit, verdict)


def _table(deltas: list[Delta]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("figure", no_wrap=True)
    for column in ("A", "B", "change", ""):
        table.add_column(column, justify="right")
    for column in ("unit", "limit", "verdict"):
        table.add_column(column)
    for delta in deltas:
        table.add_row(*_row(delta))
    return table


def _differing(done: Comparison) -> Table:
    table = Table("differs", "A", "B", box=None, pad_edge=False)
    for fact in done.differs:
        table.add_row(fact.name, fact.a, fact.b)
    return table


def _views(done: Comparison) -> Iterator[RenderableType]:
    yield f"A  {done.a.folder}  {done.a.manifest.created}"
    yield f"B  {done.b.folder}  {done.b.manifest.created}"
    board = done.a.manifest.board
    clips = len(done.a.manifest.clips)
    yield f"both on {board.name}, {clips} clips; limits of the policy {done.policy}"
    if done.differs:
        yield from ("", _differing(done))
    shown = [it for it in done.deltas if it.limit or it.verdict != "same"]
    yield from ("", _table(shown))
    alike = len(done.deltas) - len(shown)
    if alike:
        yield f"{alike} more without a limit are the same"
    if done.absent:
        yield f"limited, but in neither run: {', '.join(done.absent)}"
    yield ""
    if done.regressions:
        yield Text(f"worse than allowed: {'; '.join(done.regressions)}", style="bold red")
    else:
        yield Text("nothing is worse than allowed", style="green")


def command(
    context: typer.Context,
    a: Annotated[
        Path | None, typer.Argument(metavar="A", help="Folder of the earlier run.")
    ] = None,
    b: Annotated[
        Path | None, typer.Argument(metavar="B", help="Folder of the run to hold to it.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="TOML of limits, in place of the default.")
    ] = None,
    print_policy: Annotated[
        bool, typer.Option("--print-policy", help="Print the limits in force and stop.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare two folders of `run --report`; exit 1 where B is worse than the limits allow."""
    term = terminal(context, as_json)
    limits = load_policy(policy) if policy else default_policy()
    if print_policy:
        document = {"schema": "edgesdk.policy", "version": 1, "policy": asdict(limits)}
        text = policy.read_text(encoding="utf-8") if policy else default_policy_text()
        term.result(document, text.rstrip())
        return
    if a is None or b is None:
        raise EdgeError("two folders of `run --report` are needed; see edgesdk compare --help")
    done = compare(load_run(a), load_run(b), limits)
    term.result(done.document(), *_views(done))
    if done.regressions:
        raise typer.Exit(1)
