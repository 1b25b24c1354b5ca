"""A report as tables for a terminal."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edgesdk.report.figures import format_figure
from edgesdk.report.records import Report

MOST_OPERATORS = 12
_LEAST_REST = 3  # fewer are shown rather than counted


def _verdict(report: Report) -> Text:
    if report.correct is None:
        return Text("device == laptop: not compared, so no figures of cost", style="yellow")
    if report.correct:
        silent = "" if report.cost_unit else "; this device counts no cost"
        return Text(f"device == laptop: yes, every logit of every clip{silent}", style="green")
    where = f"; first difference: {report.difference.sentence()}" if report.difference else ""
    return Text(f"device == laptop: NO{where}; so no figures of cost", style="bold red")


def _records(report: Report) -> Table:
    table = Table("figure", box=None, pad_edge=False, title_justify="left")
    table.add_column("value", justify="right")
    for column in ("unit", "fidelity", "note"):
        table.add_column(column)
    for record in report.records:
        value = format_figure(record.value)
        table.add_row(record.name, value, record.unit, record.fidelity, record.note)
    return table


def _operators(report: Report) -> Table:
    total = sum(entry.cost for entry in report.operators) or 1
    table = Table("graph", "operator", "output tensor", box=None, pad_edge=False)
    for column in ("calls", f"{report.cost_unit} per call", "share"):
        table.add_column(column, justify="right")
    costliest = sorted(report.operators, key=lambda entry: -entry.cost)
    shown = MOST_OPERATORS
    if len(costliest) < MOST_OPERATORS + _LEAST_REST:
        shown = len(costliest)
    for entry in costliest[:shown]:
        table.add_row(
            entry.place,
            entry.operator,
            entry.tensor,
            f"{entry.calls:,}",
            f"{entry.cost // max(entry.calls, 1):,}",
            f"{100.0 * entry.cost / total:.1f} %",
        )
    rest = costliest[shown:]
    if rest:
        share = 100.0 * sum(entry.cost for entry in rest) / total
        names = ", ".join(dict.fromkeys(entry.operator for entry in rest))
        table.add_row(f"{len(rest)} more", names, "", "", "", f"{share:.1f} %")
    return table


def _stages(report: Report) -> Table:
    total = sum(stage.cost for stage in report.stages) or 1
    table = Table("stage", box=None, pad_edge=False)
    for column in ("calls", report.cost_unit, "share"):
        table.add_column(column, justify="right")
    for stage in report.stages:
        calls = "" if stage.calls is None else f"{stage.calls:,}"
        table.add_row(stage.stage, calls, f"{stage.cost:,}", f"{100.0 * stage.cost / total:.1f} %")
    return table


def report_views(report: Report) -> Iterator[RenderableType]:
    """The tables, in reading order: stages, operators, figures, verdict."""
    if report.stages:
        yield from (_stages(report), "")
    if report.operators:
        yield from (_operators(report), "")
    yield from (_records(report), "", _verdict(report))
