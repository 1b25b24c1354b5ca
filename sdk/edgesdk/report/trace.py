"""A report as a trace of slices for chrome://tracing and Perfetto (Trace Event Format, JSON).

A device counts what each operator and each stage costs in sum; it does not say when each call
began. So slices stand end to end in the order of work, as long as what they cost: on one track
every clip with its stages, on another all clips together, stage by stage, operator by operator.

Both viewers draw a time axis. Counts of instructions are placed on it as the time that they
would take at one instruction per cycle, and every track then says that this is an estimate.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgesdk.errors import EdgeError
from edgesdk.report.metrics import COST
from edgesdk.report.records import OperatorCost, Report, StageCost

SCHEMA, VERSION = "edgesdk.trace", 1
CLIPS, OPERATORS = 1, 2  # process numbers, one track each

Event = dict[str, Any]


@dataclass(frozen=True)
class _Axis:
    """How a count becomes a place on the time axis, and what has to be said of it."""

    unit: str
    clock_hz: int | None
    measured: bool
    npu: bool

    @property
    def kind(self) -> str:
        """What the axis shows, in short; empty for a measured time."""
        if self.clock_hz is None:
            return "no time"
        return "" if self.measured else "estimate"

    @property
    def sentence(self) -> str:
        """What a microsecond of the axis is."""
        if self.clock_hz is None:
            return f"no time: 1 us stands for 1 of the {self.unit}"
        at = f"at {self.clock_hz / 1e6:g} MHz"
        if self.measured:
            return f"cycles {at}"
        npu = ", the NPU's time left out" if self.npu else ""
        return f"estimate: 1 instruction per cycle {at}{npu}"

    @property
    def category(self) -> str:
        """The unit, and what its time is."""
        return f"{self.unit}, {self.kind}" if self.kind else self.unit

    def us(self, count: float) -> float:
        """Microseconds of the axis, in whole nanoseconds."""
        return round(count * 1e9 / (self.clock_hz or 1_000_000)) / 1000

    def args(self, count: float) -> dict[str, Any]:
        """The count by its unit, and the time as what it is."""
        counted = {self.unit: int(count) if count == int(count) else round(count, 2)}
        if self.clock_hz is None:
            return counted
        return counted | {"us" if self.measured else "estimate_us": self.us(count)}


def _axis(report: Report) -> _Axis:
    fidelity = next((it.fidelity for it in report.records if it.name == COST), "estimate")
    measured = report.cost_unit == "cycles" and fidelity == "hardware"
    npu = report.value("NPU jobs") is not None
    return _Axis(report.cost_unit, report.board.get("clock_hz"), measured, npu)


@dataclass(frozen=True)
class _Slice:
    """Something that costs, with the parts that it consists of; negative costs are drawn as 0."""

    name: str
    cost: int
    args: Mapping[str, Any]
    parts: "Sequence[_Slice]" = ()


def _events(axis: _Axis, process: int, it: _Slice, at: int, limit: int) -> Iterator[Event]:
    """Begin and end of a slice around those of its parts; nothing goes on after `limit`.

    Pairs, not single events with a duration: however a viewer rounds, they stay nested.
    """
    place = {"pid": process, "tid": 1}
    begin = {"ph": "B", "name": it.name, "cat": axis.category, "ts": axis.us(at)}
    yield begin | place | {"args": axis.args(it.cost) | dict(it.args)}
    end = min(at + max(it.cost, 0), limit)
    for part in it.parts:
        yield from _events(axis, process, part, at, end)
        at = min(at + max(part.cost, 0), end)
    yield {"ph": "E", "ts": axis.us(end)} | place


def _stage_slices(axis: _Axis, report: Report) -> Iterator[_Slice]:
    """The stages of all clips together, those that are graphs with their operators."""
    for stage in report.stages:
        entries = [entry for entry in report.operators if entry.graph == stage.stage]
        parts = [_Slice(_operator_name(it), it.cost, _call_args(axis, it)) for it in entries]
        yield _Slice(stage.stage, stage.cost, _call_args(axis, stage), parts)


def _operator_name(entry: OperatorCost) -> str:
    return entry.operator if entry.index is None else f"{entry.index} {entry.operator}"


def _call_args(axis: _Axis, entry: OperatorCost | StageCost) -> dict[str, Any]:
    """What a mean call costs, where calls are counted, and the tensor that it makes."""
    said: dict[str, Any] = {}
    if isinstance(entry, OperatorCost) and entry.tensor:
        said["tensor"] = entry.tensor
    if entry.calls:
        mean = axis.args(entry.cost / entry.calls)
        said |= {"calls": entry.calls, **{f"{name} per call": it for name, it in mean.items()}}
    return said


def _clip_slices(axis: _Axis, report: Report) -> Iterator[_Slice]:
    for clip in report.clips:
        parts = [_Slice(it.stage, it.cost, _call_args(axis, it)) for it in clip.stages]
        said = {"seconds of audio": clip.audio_s, "heard": clip.text}
        yield _Slice(clip.clip, clip.cost or 0, said, parts)


def _track(axis: _Axis, process: int, name: str, slices: Iterable[_Slice]) -> Iterator[Event]:
    """A track of slices end to end, in a group of its own."""
    for kind, text in (
        ("process_name", f"{name} ({axis.sentence})"),
        ("thread_name", axis.kind or "time"),
    ):
        yield {"ph": "M", "name": kind, "pid": process, "tid": 1, "args": {"name": text}}
    at = 0
    for it in slices:
        end = at + max(it.cost, 0)
        yield from _events(axis, process, it, at, end)
        at = end


def trace_document(report: Report) -> dict[str, Any]:
    """The trace as plain JSON values.

    Raises:
        EdgeError: the report has no figures of cost.
    """
    if not report.stages:
        raise EdgeError(
            "no trace: there are figures of cost only where device and laptop agree and the "
            "device counts; run without --trace"
        )
    axis = _axis(report)
    events = [*_track(axis, CLIPS, "clips and their stages", _clip_slices(axis, report))]
    together = "all clips together: stages and their operators"
    events += _track(axis, OPERATORS, together, _stage_slices(axis, report))
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {
            "schema": SCHEMA,
            "version": VERSION,
            "axis": axis.sentence,
            "order": "sums in the order of work; when each call began is not known",
            "created": report.created,
            "board": report.board.get("name", ""),
            "bundle": report.bundle.get("digest", ""),
            "edgesdk": report.tools.get("edgesdk", ""),
        },
    }
