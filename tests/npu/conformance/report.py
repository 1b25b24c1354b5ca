"""The outcome of a sweep: as a table of lines, as a summary, as docs/npu-conformance.md."""

import csv
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from conformance.compare import Outcome
from conformance.compile import GENERATORS, TARGETS
from conformance.explain import CAUSES
from conformance.layout import Figures

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "npu-conformance.md"
TEMPLATE = Path(__file__).with_name("page.md")
_FIGURES = [field.name for field in fields(Figures)]
_COLUMNS = [field.name for field in fields(Outcome) if field.name != "figures"]
_NUMBERS = ("values", "different", "largest", "left")


def write_table(outcomes: Sequence[Outcome], path: Path) -> None:
    """One line per graph, accelerator and generator."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, [*_COLUMNS, *_FIGURES], delimiter="\t", lineterminator="\n")
        table.writeheader()
        for outcome in outcomes:
            row = asdict(outcome)
            row |= row.pop("figures") or {}
            table.writerow(row)


def read_table(path: Path) -> list[Outcome]:
    """What write_table wrote."""
    with path.open(newline="") as file:
        return [_outcome(row) for row in csv.DictReader(file, delimiter="\t")]


def _outcome(row: dict[str, str]) -> Outcome:
    figures = Figures(*(int(row[name]) for name in _FIGURES)) if row["words"] else None
    texts = {name: row[name] for name in _COLUMNS if name not in _NUMBERS}
    numbers = {name: int(row[name]) for name in _NUMBERS}
    return Outcome(**texts, **numbers, figures=figures)


def summary(outcomes: Sequence[Outcome]) -> str:
    """A Markdown table: one line per accelerator and generator."""
    lines = [
        "| accelerator | generator | equal | differ, explained | differ | refused by Vela "
        "| values compared | values that differ |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for accelerator in TARGETS:
        for generator in GENERATORS:
            chosen = [
                o for o in outcomes if (o.accelerator, o.generator) == (accelerator, generator)
            ]
            if not chosen:
                continue
            states = Counter(_state(o) for o in chosen)
            counts = " | ".join(
                str(states[key]) for key in ("equal", "explained", "differs", "refused")
            )
            values, different = sum(o.values for o in chosen), sum(o.different for o in chosen)
            lines.append(f"| {accelerator} | {generator} | {counts} | {values} | {different} |")
    return "\n".join(lines)


def _state(outcome: Outcome) -> str:
    if outcome.state == "differs" and "unknown" not in outcome.causes:
        return "explained"
    return "differs" if outcome.state == "failed" else outcome.state


def page_text(outcomes: Sequence[Outcome], long: Sequence[Outcome]) -> str:
    """docs/npu-conformance.md; `long` is a sweep with more vectors."""
    parts = {
        "SUMMARY": summary(outcomes),
        "LAYOUTS": _layouts(outcomes),
        "DIFFERENCES": _differences(outcomes),
        "CAUSES": "\n".join(f"- **{name}.** {text}" for name, text in CAUSES.items()),
        "FINDINGS": _findings(outcomes),
        "STREAMS": str(sum(o.figures is not None for o in outcomes)),
        "REFUSED": _refused(outcomes),
        "LONG": summary(long),
        "LONG_DIFFERENCES": _differences(long),
        "GRAPHS": str(len({o.graph for o in outcomes})),
        "MATRIX": _matrix(outcomes),
    }
    text = TEMPLATE.read_text()
    for name, part in parts.items():
        text = text.replace("{" + name + "}", part)
    return text


def _layouts(outcomes: Sequence[Outcome]) -> str:
    """How many streams have what Vela does to large graphs."""
    names = ("striped", "cascades", "tiled", "buffered", "tables")
    lines = ["| accelerator | generator | " + " | ".join(names) + " | most kernels |"]
    lines.append("|---" * (len(names) + 3) + "|")
    groups: dict[tuple[str, str], list[Figures]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.figures is not None:
            groups[outcome.accelerator, outcome.generator].append(outcome.figures)
    for (accelerator, generator), found in groups.items():
        counts = " | ".join(str(sum(getattr(f, name) > 0 for f in found)) for name in names)
        most = max(f.kernels for f in found)
        lines.append(f"| {accelerator} | {generator} | {counts} | {most} |")
    return "\n".join(lines)


def _differences(outcomes: Sequence[Outcome]) -> str:
    groups: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.state in ("differs", "failed"):
            groups[outcome.graph, outcome.generator].append(outcome)
    lines = [
        "| graph | generator | accelerators | values that differ | by at most "
        "| with TFLM's constants | cause |",
        "|---|---|---|---|---|---|---|",
    ]
    for (graph, generator), found in groups.items():
        where = "all" if len(found) == len(TARGETS) else ", ".join(o.accelerator for o in found)
        most = max(found, key=lambda o: o.different)
        lines.append(
            f"| {graph} | {generator} | {where} | {most.different} of {most.values} "
            f"| {max(o.largest for o in found)} | {most.left} | {most.causes} |"
        )
    return "\n".join(lines)


def _findings(outcomes: Sequence[Outcome]) -> str:
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for o in outcomes:
        if o.finding:
            groups[o.graph, o.generator, o.finding].append(o.accelerator)
    lines = ["| graph | generator | accelerators | finding |", "|---|---|---|---|"]
    for (graph, generator, finding), found in groups.items():
        where = "all" if len(found) == len(TARGETS) else ", ".join(found)
        lines.append(f"| {graph} | {generator} | {where} | {finding} |")
    return "\n".join(lines)


def _refused(outcomes: Sequence[Outcome]) -> str:
    groups: dict[tuple[str, str], set[str]] = defaultdict(set)
    for outcome in outcomes:
        if outcome.state == "refused":
            groups[outcome.generator, outcome.text].add(outcome.graph)
    lines = ["| generator | why | graphs |", "|---|---|---|"]
    for (generator, why), graphs in sorted(groups.items()):
        lines.append(f"| {generator} | {why} | {', '.join(sorted(graphs))} |")
    return "\n".join(lines)


def _matrix(outcomes: Sequence[Outcome]) -> str:
    """One line per graph: = equal, a number of values that differ, - refused."""
    found = {(o.graph, o.accelerator, o.generator): o for o in outcomes}
    short = [name.removeprefix("ethos-") for name in TARGETS]
    lines = ["| graph | " + " | ".join(f"{name} r | {name} l" for name in short) + " |"]
    lines.append("|---" * (2 * len(short) + 1) + "|")
    for graph in dict.fromkeys(o.graph for o in outcomes):
        cells = [
            _cell(found.get((graph, accelerator, generator)))
            for accelerator in TARGETS
            for generator in GENERATORS
        ]
        lines.append(f"| {graph} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    marks = {"equal": "=", "refused": "-", "failed": "failed"}
    return marks.get(outcome.state, str(outcome.different))
