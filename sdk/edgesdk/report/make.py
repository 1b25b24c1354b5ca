"""What a device did with some clips -> Report: figures only where the laptop agrees."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, zip_longest

from edgesdk import __version__
from edgesdk.biasing.stored import StoredTables
from edgesdk.board import Board
from edgesdk.bundle import Bundle
from edgesdk.core import EndpointKind
from edgesdk.emulate import Transcript
from edgesdk.endpoints import decisions, summarise
from edgesdk.fit import MemoryUse
from edgesdk.link.messages import ClockKind, GraphId, Metrics, OpCost
from edgesdk.report.records import (
    ClipRecord,
    Difference,
    Fidelity,
    OperatorCost,
    Record,
    Report,
    StageCost,
)
from edgesdk.report.wer import sum_errors, word_errors

ROLES = {
    GraphId.ENCODER: "encoder",
    GraphId.ADAPTER: "adapter",
    GraphId.PREDICTOR: "predictor",
    GraphId.JOINER: "joiner",
    GraphId.ENDPOINT: "endpoint",
}
STAGES = (
    *("features", "encoder", "adapter", "predictor", "joiner"),
    *("search", "bias", "lattice", "endpoint"),
)
OPTIONAL_STAGES = ("adapter", "bias", "lattice", "endpoint")  # left out where they cost nothing
LEAST_AUDIO_S = 0.1  # below it a cost per second says nothing
COST_UNITS = {ClockKind.INSTRUCTIONS: "instructions", ClockKind.CYCLES: "cycles"}


@dataclass(frozen=True)
class DeviceClip:
    """One clip as the device did it, with its logits; `laptop` is None where not emulated."""

    clip: str
    audio_s: float
    heard: Transcript
    laptop: Transcript | None
    metrics: Metrics
    operators: Mapping[GraphId, Sequence[OpCost]]
    end_s: float | None = None  # true end of speech, where known

    @property
    def equal(self) -> bool | None:
        """Whether device and laptop agree in every token, time, probability and logit."""
        return None if self.laptop is None else self.heard == self.laptop


@dataclass(frozen=True)
class RunFacts:
    """What the figures of a run hold for."""

    board: Board
    bundle: Bundle | None
    clock: ClockKind
    firmware_bytes: int | None
    tools: Mapping[str, str]
    memory: Sequence[MemoryUse] = ()
    bias: StoredTables | None = None  # the device's bias tables while it recognised

    @property
    def fidelity(self) -> Fidelity:
        """What a figure that the device measured may be used for."""
        return fidelity_of(self.board.tier)

    @property
    def tail_s(self) -> float:
        """Silence that the device adds to each clip, in seconds."""
        if self.bundle is None:
            return 0.0
        return self.bundle.features.tail_padding / self.bundle.features.sample_rate_hz


def fidelity_of(tier: str) -> Fidelity:
    """Fidelity of what firmware counts of itself (costs, stack, its size), by the board's tier.

    An emulator counts the same everywhere; a processor is measured, whoever has tried it before; a
    process on the host stands for no board.
    """
    kinds: dict[str, Fidelity] = {
        "emulated": "functional",
        "builds": "hardware",
        "hardware": "hardware",
        "host": "estimate",
    }
    return kinds[tier]


def first_difference(clips: Sequence[DeviceClip]) -> Difference | None:
    """The first value at which device and laptop part: a logit, or else what was made of them."""
    for clip in clips:
        if clip.laptop is None or clip.heard == clip.laptop:
            continue
        for place, ours, theirs in _values(clip.heard, clip.laptop):
            if ours != theirs:
                return Difference(clip.clip, place, ours, theirs)
    return None


def _values(
    device: Transcript, laptop: Transcript
) -> Iterator[tuple[str, float | str | None, float | str | None]]:
    """Place, device's value and laptop's value of all that transcripts hold, logits first."""
    calls = zip_longest(device.logits or (), laptop.logits or (), fillvalue=b"")
    for call, (ours, theirs) in enumerate(calls):
        if ours == theirs:
            continue
        pairs = zip_longest(memoryview(ours).cast("b"), memoryview(theirs).cast("b"))
        for logit, (one, other) in enumerate(pairs):
            yield f"joiner call {call}, logit {logit}", one, other
    for name in ("tokens", "timestamps", "ys_probs"):
        pairs = zip_longest(getattr(device, name), getattr(laptop, name))
        for at, (one, other) in enumerate(pairs):
            yield f"{name} {at}", one, other
    pairs = zip_longest(device.endpoints or (), laptop.endpoints or ())
    for at, (one, other) in enumerate(pairs):
        yield f"end point {at}", str(one), str(other)
    for results, place in (("results", ""), ("rest", "last utterance, ")):
        held = getattr(device, results), getattr(laptop, results)
        for name in ("hypotheses", "arcs"):
            pairs = zip_longest(*(getattr(it, name, ()) for it in held))
            for at, (one, other) in enumerate(pairs):
                yield f"{place}{name} {at}", str(one), str(other)


def _stages(clips: Sequence[DeviceClip]) -> Iterator[StageCost]:
    for stage in STAGES:
        cost = sum(getattr(clip.metrics, stage) for clip in clips)
        if stage in OPTIONAL_STAGES and cost == 0:
            continue
        calls = [getattr(clip.metrics, f"{stage}_calls", None) for clip in clips]
        counted = [count for count in calls if count is not None]
        yield StageCost(stage, sum(counted) or None, cost)


def _operators(
    clips: Sequence[DeviceClip], stages: Sequence[StageCost], bundle: Bundle
) -> Iterator[OperatorCost]:
    """Each operator's cost, and per graph what lies between operators.

    One entry for a whole graph whose operators the device has no room to count.
    """
    calls = {stage.stage: stage.calls or 0 for stage in stages}
    whole = {stage.stage: stage.cost for stage in stages}
    for graph, role in ROLES.items():
        plan = bundle.endpoint_plan if role == "endpoint" else bundle.graphs.get(role)
        if plan is None or role not in calls:
            continue
        records = plan.records
        named = bundle.debug.get(role, {}).get("ops", [])
        spent = 0
        if not all(clip.operators.get(graph) for clip in clips):
            yield OperatorCost(role, None, "not profiled", "", calls[role], whole[role])
            continue
        for index, record in enumerate(records):
            origin = named[index] if index < len(named) else {}
            cost = sum(clip.operators[graph][index].cost for clip in clips)
            spent += cost
            operator = str(origin.get("tflite_op", record.op))
            tensor = str(origin.get("tensor") or "")
            yield OperatorCost(role, index, operator, tensor, calls[role], cost)
        place = "outside its graph" if role == "endpoint" else "between operators"
        yield OperatorCost(role, None, place, "", calls[role], whole[role] - spent)


def _cost_records(facts: RunFacts, clips: Sequence[DeviceClip]) -> Iterator[Record]:
    unit, measured = COST_UNITS[facts.clock], facts.fidelity
    audio_s = sum(clip.audio_s for clip in clips)
    processed_s = audio_s + facts.tail_s * len(clips)
    if audio_s < LEAST_AUDIO_S:
        note = f"{audio_s:g} s of audio are too short for a figure"
        yield Record("cost of a second of audio", "not meaningful", "", measured, note)
        return
    cost = sum(clip.metrics.total for clip in clips) / processed_s
    tail = f", {facts.tail_s:g} s of silence after each clip counted as audio"
    note = f"while profiled{tail if facts.tail_s else ''}"
    yield Record("cost of a second of audio", round(cost), unit, measured, note)
    clock_hz = facts.board.cpu.clock_hz
    if clock_hz is None:
        return
    if facts.clock is ClockKind.CYCLES and measured == "hardware":
        note = f"at {clock_hz / 1e6:g} MHz"
        yield Record("real-time factor", cost / clock_hz, "", measured, note)
        return
    npu = any(clip.metrics.npu is not None for clip in clips)
    note = f"one instruction per cycle at {clock_hz / 1e6:g} MHz"
    note += ", the NPU's time left out" if npu else ""
    yield Record("real-time factor", cost / clock_hz, "", "estimate", note)


def _search_records(facts: RunFacts, clips: Sequence[DeviceClip]) -> Iterator[Record]:
    if facts.bundle is None:
        return
    joined, predicted, kept = (
        sum(getattr(clip.metrics, name) for clip in clips)
        for name in ("joiner_calls", "predictor_calls", "predictor_hits")
    )
    note = f"{joined:,} joiner calls, {predicted:,} of the predictor, {kept:,} times it was kept"
    yield Record("beam", facts.bundle.search.beam, "hypotheses", "functional", note)


def _endpoint_records(clips: Sequence[DeviceClip]) -> Iterator[Record]:
    watched = [clip for clip in clips if clip.heard.endpoints is not None]
    if not watched:
        return
    found = [endpoint for clip in watched for endpoint in clip.heard.endpoints or ()]
    kinds = {kind: sum(it.kind is kind for it in found) for kind in EndpointKind}
    note = ", ".join(f"{count} {kind.name.lower()}" for kind, count in kinds.items())
    yield Record("end points", len(found), "", "functional", note)
    known = [(it.heard.endpoints or (), it.end_s) for it in watched if it.end_s is not None]
    if not known:
        return
    summary = summarise(known)
    for name, latency in (("early", summary.early), ("final", summary.final)):
        if latency.median_ms is not None:
            note = f"median after the end of speech; P90 {latency.p90_ms:.0f} ms"
            yield Record(f"{name} end point", round(latency.median_ms), "ms", "functional", note)
    note = f"of {summary.streams} clips, by the final end point; {summary.early_cut_off_pct:.1f} % "
    cut_off = round(summary.final_cut_off_pct, 1)
    yield Record("cut off early", cut_off, "%", "functional", note + "by the early one")
    if summary.stood_pct is not None:
        note = f"of {summary.provisional}"
        stood = round(summary.stood_pct, 1)
        yield Record("provisional results that stood", stood, "%", "functional", note)


def _npu_records(facts: RunFacts, clips: Sequence[DeviceClip]) -> Iterator[Record]:
    """What the NPU counted over all clips; what it does not count is left out."""
    counts = [clip.metrics.npu for clip in clips if clip.metrics.npu is not None]
    figures = (
        ("NPU jobs", "jobs", ""),
        ("NPU cycles", "cycles", "cycles"),
        ("NPU cycles with active MACs", "mac_cycles", "cycles"),
        ("NPU read on AXI port 0", "axi0_read_beats", "beats"),
        ("NPU wrote on AXI port 0", "axi0_written_beats", "beats"),
        ("NPU read on AXI port 1", "axi1_read_beats", "beats"),
    )
    real = facts.fidelity == "hardware"
    for name, field, unit in figures:
        value = sum(getattr(count, field) for count in counts)
        if value and field == "jobs":
            yield Record(name, value, unit, "functional", "all clips")
        elif value:
            note = "by its own counter" if real else "each byte counted once per operation"
            yield Record(name, value, unit, "hardware" if real else "estimate", note)


def _memory_records(facts: RunFacts, clips: Sequence[DeviceClip]) -> Iterator[Record]:
    metrics = clips[-1].metrics
    predicted = ""
    if facts.bundle is not None:
        same = facts.bundle.workspace_bytes == metrics.workspace_bytes
        predicted = "as predicted" if same else f"predicted {facts.bundle.workspace_bytes:,}"
    here = ", of this computer's build" if facts.board.tier == "host" else ""
    yield Record("arena", metrics.arena_bytes, "bytes", "functional")
    yield Record("states", metrics.state_bytes, "bytes", "functional")
    yield Record("workspace", metrics.workspace_bytes, "bytes", "functional", predicted)
    if metrics.stack_bytes:
        deepest = max(clip.metrics.stack_high_water for clip in clips)
        note = f"of {metrics.stack_bytes:,}{here}"
        yield Record("stack high-water", deepest, "bytes", facts.fidelity, note)
    if facts.bundle is not None:
        yield Record("image", len(facts.bundle.device_bytes()), "bytes", "functional")
    if facts.firmware_bytes is not None:
        note = f"code and constants{here}"
        built: Fidelity = "estimate" if here else "functional"
        yield Record("firmware", facts.firmware_bytes, "bytes", built, note)


def _wer_records(clips: Sequence[DeviceClip]) -> Iterator[Record]:
    scored = [clip for clip in clips if clip.heard.reference is not None]
    if scored:
        errors = sum_errors(word_errors(it.heard.reference or "", it.heard.text) for it in scored)
        note = f"{errors.total} of {errors.words} words, {len(scored)} clips"
        yield Record("word error rate", errors.rate_pct, "%", "functional", note)


def _agreement(clips: Sequence[DeviceClip]) -> bool | None:
    verdicts = [clip.equal for clip in clips]
    if False in verdicts:
        return False
    return None if None in verdicts or not verdicts else True


def _records(facts: RunFacts, clips: Sequence[DeviceClip], correct: bool | None) -> list[Record]:
    if correct is False:
        return [Record("device == laptop", False, "", "functional")]
    audio_s = sum(clip.audio_s for clip in clips)
    records = [*_wer_records(clips), Record("audio", round(audio_s, 3), "s", "functional")]
    if correct:
        calls = sum(clip.heard.logits_count for clip in clips)
        note = f"{calls:,} joiner calls, every logit"
        records.insert(0, Record("device == laptop", True, "", "functional", note))
        if facts.clock in COST_UNITS:
            records += _cost_records(facts, clips)
        records += _search_records(facts, clips)
    found = (_endpoint_records(clips), _npu_records(facts, clips), _memory_records(facts, clips))
    return [*records, *chain.from_iterable(found)]


def make_report(facts: RunFacts, clips: Sequence[DeviceClip]) -> Report:
    """The report of a run over at least one clip."""
    correct = _agreement(clips)
    counted = bool(correct) and facts.clock in COST_UNITS
    stages = tuple(_stages(clips)) if counted else ()
    board, bundle = facts.board, facts.bundle
    clock = {} if board.cpu.clock_hz is None else {"clock_hz": board.cpu.clock_hz}
    return Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        board={
            "name": board.name,
            "title": board.title,
            "tier": board.tier,
            "core": board.cpu.core,
            **clock,
        },
        bundle={} if bundle is None else _describe_bundle(bundle),
        tools={"edgesdk": __version__, **facts.tools},
        cost_unit=COST_UNITS.get(facts.clock, ""),
        correct=correct,
        difference=first_difference(clips) if correct is False else None,
        records=_records(facts, clips, correct),
        clips=[_clip_record(clip, facts.tail_s, counted=counted) for clip in clips],
        stages=stages,
        operators=tuple(_operators(clips, stages, bundle)) if counted and bundle else (),
        memory=facts.memory if correct is not False else (),
        bias=facts.bias,
    )


def _clip_record(clip: DeviceClip, tail_s: float, *, counted: bool) -> ClipRecord:
    heard = clip.heard
    return ClipRecord(
        clip=clip.clip,
        audio_s=clip.audio_s,
        processed_s=clip.audio_s + tail_s,
        reference=heard.reference,
        text=heard.text,
        logits_sha256=heard.logits_sha256 or "",
        equal=clip.equal,
        cost=clip.metrics.total if counted else None,
        end_s=clip.end_s,
        endpoints=None if heard.endpoints is None else decisions(heard.endpoints),
        stages=tuple(_stages([clip])) if counted else (),
    )


def _describe_bundle(bundle: Bundle) -> dict[str, object]:
    return {
        "name": bundle.meta.get("name", "bundle"),
        "digest": bundle.digest,
        "image_bytes": len(bundle.device_bytes()),
    }
