"""The figures of a run by which it is compared with others: its records, and what clips tell."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgesdk.report.make import STAGES
from edgesdk.report.records import ClipRecord, Fidelity, Report

COST = "cost of a second of audio"
MEDIAN_COST, P95_COST = f"{COST}, median clip", f"{COST}, P95 clip"
FINAL_P95 = "final end point, P95"
STAGE = "stage "  # before the name of a stage: its cost of a second of audio
# Records that are figures: what else a report records is said of the run, not measured by it.
RECORDS = (
    *("word error rate", COST, "real-time factor", "arena", "states", "workspace"),
    *("stack high-water", "image", "firmware", "early end point", "final end point"),
    *("cut off early", "provisional results that stood"),
    *("NPU jobs", "NPU cycles", "NPU cycles with active MACs"),
    *("NPU read on AXI port 0", "NPU wrote on AXI port 0", "NPU read on AXI port 1"),
)
NAMES = (*RECORDS, MEDIAN_COST, P95_COST, FINAL_P95, *(f"{STAGE}{stage}" for stage in STAGES))


@dataclass(frozen=True)
class Metric:
    """One figure of a run; `note` as the report's."""

    name: str
    value: float | int
    unit: str
    fidelity: Fidelity
    note: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least `share` (0..1) of the values do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def clip_costs(report: Report) -> list[float]:
    """Cost of a second of audio of each clip that has one, in the report's unit."""
    return [
        clip.cost / clip.processed_s
        for clip in report.clips
        if clip.cost is not None and clip.processed_s > 0
    ]


def final_delays_ms(report: Report) -> list[float]:
    """How long after the end of speech each clip's first final end point came, in ms.

    Clips whose end is not known, that had no final end point, or that were cut off before their
    end, have none.
    """
    delays = [_final_delay_ms(clip) for clip in report.clips]
    return [delay for delay in delays if delay is not None and delay >= 0]


def _final_delay_ms(clip: ClipRecord) -> float | None:
    finals = [it.final_s for it in clip.endpoints or () if it.final_s is not None]
    return 1000 * (finals[0] - clip.end_s) if finals and clip.end_s is not None else None


def metrics_of(report: Report) -> dict[str, Metric]:
    """All figures of a report, by name, in the order in which they are shown."""
    found = {metric.name: metric for metric in _metrics(report)}
    return {name: found[name] for name in NAMES if name in found}


def _metrics(report: Report) -> Iterator[Metric]:
    for record in report.records:
        if record.name in RECORDS and isinstance(record.value, int | float):
            yield Metric(record.name, record.value, record.unit, record.fidelity, record.note)
    whole = next((it for it in report.records if it.name == COST), None)
    costs = clip_costs(report)
    if costs and whole is not None and not isinstance(whole.value, str):  # of enough audio
        fidelity = whole.fidelity
        unit = report.cost_unit
        yield Metric(MEDIAN_COST, round(percentile(costs, 0.5)), unit, fidelity)
        yield Metric(P95_COST, round(percentile(costs, 0.95)), unit, fidelity)
        seconds = sum(clip.processed_s for clip in report.clips)
        for stage in report.stages:
            cost = round(stage.cost / seconds)
            yield Metric(f"{STAGE}{stage.stage}", cost, unit, fidelity)
    delays = final_delays_ms(report)
    if delays:
        yield Metric(FINAL_P95, round(percentile(delays, 0.95)), "ms", "functional")
