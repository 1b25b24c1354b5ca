"""A report as one HTML page that opens anywhere: no script, no network, styles and plots inside."""

from collections.abc import Iterator
from datetime import UTC, datetime

import jinja2
from markupsafe import Markup, escape

from edgesdk.endpoints import Decision
from edgesdk.report.figures import format_figure
from edgesdk.report.plots import plot_memory, plot_operators, plot_stages, plot_trade_off
from edgesdk.report.records import ClipRecord, Report
from edgesdk.report.wer import align_words

Plot = tuple[str, str, str]


def mark_heard(clip: ClipRecord) -> Markup:
    """The transcript with missed words struck out and wrongly heard ones in bold."""
    if clip.reference is None:
        return escape(clip.text)
    marked = []
    for expected, heard in align_words(clip.reference.split(), clip.text.split()):
        if expected == heard:
            marked.append(escape(heard))
            continue
        if expected is not None:
            marked.append(Markup("<del>{}</del>").format(expected))
        if heard is not None:
            marked.append(Markup("<ins>{}</ins>").format(heard))
    return Markup(" ").join(marked)


def verdict(decision: Decision) -> str:
    """Whether a provisional result stood, in words."""
    if decision.provisional is None:
        return ""
    if decision.stood is None:
        return "the clip ended first"
    if decision.stood:
        return "yes"
    if decision.resumed_s is not None:
        return f"no: speech went on at {decision.resumed_s:.2f} s"
    return f"no: revised to {decision.final}" if decision.final else "no: revised to nothing"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _when(created: str) -> str:
    """A moment of ISO 8601 as people read it, in UTC."""
    return f"{datetime.fromisoformat(created).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _plots(report: Report) -> Iterator[Plot]:
    audio_s = sum(clip.processed_s for clip in report.clips)
    if report.stages and audio_s:
        explanation = "Sum over all clips, divided by their length with the silence after each."
        yield (
            "Where the work goes",
            explanation,
            plot_stages(report.stages, audio_s, report.cost_unit),
        )
    if report.operators and audio_s:
        yield "Operators", "", plot_operators(report.operators, audio_s, report.cost_unit)
    if report.memory:
        yield "Memory of the board", "", plot_memory(report.memory)
    if report.endpoint_curves:
        yield (
            "End-pointing",
            "Each point is a threshold, which stands beside it: patience against cutting off.",
            plot_trade_off(report.endpoint_curves),
        )


def _provenance(report: Report) -> Iterator[tuple[str, object]]:
    for group, values in (("board", report.board), ("bundle", report.bundle)):
        for name, value in values.items():
            yield f"{group} {name.replace('_', ' ')}", value
    yield from report.tools.items()


def make_environment() -> jinja2.Environment:
    """Templates of pages, with the filters that they use."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("edgesdk.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = format_figure
    environment.filters["heard"] = mark_heard
    environment.filters["seconds"] = _seconds
    environment.filters["verdict"] = verdict
    environment.filters["when"] = _when
    return environment


def render_page(report: Report) -> str:
    """The HTML page."""
    return (
        make_environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            plots=list(_plots(report)),
            provenance=list(_provenance(report)),
            operator_total=sum(entry.cost for entry in report.operators) or 1,
        )
    )
