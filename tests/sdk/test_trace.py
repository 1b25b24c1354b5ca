"""The trace of a report: slices that nest, lengths that are the costs, and an honest axis."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from edgesdk.cli import run
from edgesdk.errors import EdgeError
from edgesdk.link.messages import ClockKind
from edgesdk.report.records import OperatorCost, Record, Report
from edgesdk.report.trace import trace_document
from hypothesis import given
from hypothesis import strategies as st
from made_runs import REPORT

TIMED = dataclasses.replace(REPORT, board=REPORT.board | {"clock_hz": 32_000_000})


@dataclass
class Drawn:
    """A slice as a viewer understands it; microseconds."""

    name: str
    begin: float
    args: dict[str, Any]
    category: str
    end: float = -1.0
    parts: list["Drawn"] = field(default_factory=list)


def _draw(document: dict[str, Any]) -> dict[str, list[Drawn]]:
    """Slices of each group of tracks, read as the Trace Event Format says: ends close the last."""
    document = json.loads(json.dumps(document))
    names: dict[int, str] = {}
    tracks: dict[tuple[int, int], list[Drawn]] = {}
    stacks: dict[tuple[int, int], list[Drawn]] = {}
    clock: dict[tuple[int, int], float] = {}
    for event in document["traceEvents"]:
        track = event["pid"], event["tid"]
        stack = stacks.setdefault(track, [])
        if event["ph"] == "M":
            if event["name"] == "process_name":
                names[event["pid"]] = event["args"]["name"]
            continue
        assert event["ts"] >= clock.get(track, 0.0), "a track's events are in order of time"
        clock[track] = event["ts"]
        if event["ph"] == "B":
            drawn = Drawn(event["name"], event["ts"], event["args"], event["cat"])
            (stack[-1].parts if stack else tracks.setdefault(track, [])).append(drawn)
            stack.append(drawn)
        else:
            assert event["ph"] == "E"
            stack.pop().end = event["ts"]
    assert not any(stacks.values()), "every slice is closed"
    return {names[process]: slices for (process, _), slices in tracks.items()}


def test_slices_are_as_long_as_the_estimate_of_what_they_cost() -> None:
    document = trace_document(TIMED)
    assert document["otherData"]["axis"] == "estimate: 1 instruction per cycle at 32 MHz"
    drawn = _draw(document)
    assert all("estimate: 1 instruction per cycle at 32 MHz" in name for name in drawn)
    (clips, together) = drawn.values()
    first, second = clips
    assert (first.name, first.begin, first.end) == ("a.wav", 0.0, 1_400_000 / 32)
    assert (second.begin, second.end) == (first.end, 2_000_000 / 32)
    assert [part.name for part in first.parts] == ["features", "encoder"]
    assert first.args == {
        "instructions": 1_400_000,
        "estimate_us": 43_750.0,
        "seconds of audio": 1.5,
        "heard": "yes go",
    }
    features, encoder = together
    assert (features.end, encoder.end) == (1_300_000 / 32, 2_000_000 / 32)
    assert [part.name for part in encoder.parts] == [
        *("0 FULLY_CONNECTED", "1 TANH", "between operators")
    ]
    assert encoder.parts[-1].end == encoder.end
    assert encoder.parts[0].args == {
        "instructions": 600_000,
        "estimate_us": 18_750.0,
        "tensor": "hidden",
        "calls": 40,
        "instructions per call": 15_000,
        "estimate_us per call": 468.75,
    }


def _texts(value: object) -> list[str]:
    """Every key and every text of a document."""
    if isinstance(value, dict):
        return [*value, *(text for it in value.values() for text in _texts(it))]
    if isinstance(value, list):
        return [text for it in value for text in _texts(it)]
    return [value] if isinstance(value, str) else []


def test_counts_are_never_a_time_without_the_word_estimate() -> None:
    document = trace_document(TIMED)
    tracks = [it["args"]["name"] for it in document["traceEvents"] if it["ph"] == "M"]
    slices = [it for it in document["traceEvents"] if it["ph"] == "B"]
    assert all("estimate" in name for name in tracks)
    assert all("estimate" in it["cat"] and "instructions" in it["args"] for it in slices)
    assert all("estimate" in text for text in _texts(slices) if text.startswith("us"))
    assert not [text for text in _texts(slices) if text in ("us", "us per call")]


def test_time_of_an_npu_is_said_to_be_left_out() -> None:
    records = (*TIMED.records, Record("NPU jobs", 7, "", "functional"))
    document = trace_document(dataclasses.replace(TIMED, records=records))
    assert all("the NPU's time left out" in name for name in _draw(document))
    assert "NPU" not in trace_document(TIMED)["otherData"]["axis"]


def test_without_a_clock_the_axis_is_no_time() -> None:
    document = trace_document(REPORT)
    (clips, _) = _draw(document).values()
    assert clips[0].end == 1_400_000
    assert "estimate_us" not in clips[0].args and clips[0].category == "instructions, no time"
    assert document["otherData"]["axis"] == "no time: 1 us stands for 1 of the instructions"


def test_cycles_of_a_processor_are_time() -> None:
    records = tuple(dataclasses.replace(it, fidelity="hardware") for it in REPORT.records)
    measured = dataclasses.replace(TIMED, cost_unit="cycles", records=records)
    document = trace_document(measured)
    (clips, _) = _draw(document).values()
    assert clips[0].args["us"] == 43_750.0 and clips[0].category == "cycles"
    assert not [text for text in _texts(document) if "estimate" in text]
    stand_in = dataclasses.replace(measured, records=REPORT.records)
    assert "estimate" in trace_document(stand_in)["otherData"]["axis"]


def test_report_without_costs_has_no_trace() -> None:
    with pytest.raises(EdgeError, match="no trace: there are figures of cost only where"):
        trace_document(dataclasses.replace(TIMED, correct=None, stages=(), operators=()))


def test_run_that_will_have_no_costs_is_refused_a_trace(tmp_path: Path) -> None:
    def device(clock: ClockKind) -> Any:
        return SimpleNamespace(identity=SimpleNamespace(clock=clock))

    run._check_traceable(tmp_path, None, device(ClockKind.CYCLES))
    run._check_traceable(None, "no interpreter", device(ClockKind.NONE))
    with pytest.raises(EdgeError, match="no costs to trace: this device counts no cost; run"):
        run._check_traceable(tmp_path, None, device(ClockKind.NONE))
    with pytest.raises(EdgeError, match="no costs to trace: no interpreter; run without"):
        run._check_traceable(tmp_path, "no interpreter", device(ClockKind.CYCLES))


def _costs(report: Report, costs: list[int]) -> Report:
    operators = [
        OperatorCost("encoder", at, "TANH", f"t{at}", 7, cost) for at, cost in enumerate(costs)
    ]
    whole = max(sum(costs) - 3, 0)  # less than its operators, as a counter's own cost may make it
    between = OperatorCost("encoder", None, "between operators", "", 7, whole - sum(costs))
    encoder = dataclasses.replace(report.stages[1], cost=whole)
    stages = (report.stages[0], encoder)
    return dataclasses.replace(report, operators=(*operators, between), stages=stages)


@given(
    costs=st.lists(st.integers(0, 10**12), min_size=1, max_size=30),
    clock_hz=st.integers(1_000_000, 2_000_000_000),
)
def test_slices_nest_whatever_they_cost(costs: list[int], clock_hz: int) -> None:
    report = dataclasses.replace(REPORT, board=REPORT.board | {"clock_hz": clock_hz})
    (_, together) = _draw(trace_document(_costs(report, costs))).values()
    encoder = together[1]
    assert len(encoder.parts) == len(costs) + 1
    for before, after in zip(encoder.parts, encoder.parts[1:], strict=False):
        assert encoder.begin <= before.begin <= before.end <= after.begin <= after.end
    assert encoder.parts[-1].end <= encoder.end
