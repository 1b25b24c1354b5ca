"""A Source and calibration utterances to three full-integer .tflite files and a report."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from edgesdk import __version__
from edgesdk.errors import ConvertError

from edgesdk_converters.graph import Array, Graph
from edgesdk_converters.quantise.calibrate import (
    Calibration,
    Observation,
    Utterance,
    Visit,
    calibrate,
    decode,
    logit_range,
)
from edgesdk_converters.quantise.cells import spell_cells
from edgesdk_converters.quantise.emit import QuantisedGraph, explicit_states, quantise_graph
from edgesdk_converters.quantise.measure import TfliteStream, measure, open_interpreter
from edgesdk_converters.quantise.ranges import METHODS, int8_quantisation
from edgesdk_converters.source import Source
from edgesdk_converters.tflite.model import Model, Quantisation
from edgesdk_converters.tflite.write import write_tflite

_HELD_BACK = 5  # one utterance in so many is kept for measuring
_CHOSEN_BY_MEASUREMENT = "auto"
_CLEAR_GAIN_DB = 1.0  # a range that clips must win by this much: other speech may need the rest


@dataclass(frozen=True)
class Options:
    """`method` chooses ranges: one of ranges.METHODS, or "auto": the best SQNR per graph.

    Values between graphs keep their whole range (real speech goes further than calibration, and
    clipping them cost words), and logits have calibrate.logit_range.
    """

    method: str = _CHOSEN_BY_MEASUREMENT


@dataclass(frozen=True)
class GraphReport:
    """What conversion did to one graph."""

    operators: Mapping[str, int]
    parameters: int
    bytes: int
    method: str
    sqnr_db: Mapping[str, float]  # per output, empty where not measured; logits above their floor
    tried_db: Mapping[str, float]  # per method, the worst output
    ranges: Mapping[str, tuple[float, float]]  # of inputs, outputs and states
    choices: tuple[str, ...] = ()  # what a user may want to know, one line each


@dataclass(frozen=True)
class Converted:
    """Three standard .tflite files that share the quantisation of their seams."""

    encoder: bytes
    predictor: bytes
    joiner: bytes
    report: Mapping[str, GraphReport]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Job:
    """One graph on its way: what it saw and what it is measured on."""

    graph: Graph
    seen: Observation
    sequences: list[list[tuple[Array, ...]]]
    given: Mapping[str, Quantisation]
    floors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Attempt:
    """A graph quantised with one method."""

    method: str
    data: bytes
    quantised: QuantisedGraph
    sqnr_db: Mapping[str, float]
    tried_db: Mapping[str, float] = field(default_factory=dict)


def convert_source(
    source: Source, calibration: Sequence[Utterance], options: Options | None = None
) -> Converted:
    """Quantise `source` with whole utterances of normalised features [T, mel], float32.

    Raises:
        ConvertError: no usable calibration data, or a graph that has no integer form.
    """
    options = options or Options()
    if options.method not in (*METHODS, _CHOSEN_BY_MEASUREMENT):
        raise ConvertError(
            f"range method {options.method!r} is none of {', '.join(METHODS)}, auto; choose one"
        )
    _check_calibration(source, calibration)
    source = replace(
        source,
        encoder=spell_cells(source.encoder),
        predictor=spell_cells(source.predictor),
        joiner=spell_cells(source.joiner),
    )
    used, held = _split(calibration)
    seen = calibrate(source, used)
    visits = [decode(source, utterance) for utterance in held]
    notes = list(source.notes)
    report: dict[str, GraphReport] = {}
    files: dict[str, bytes] = {}
    for job in _jobs(source, seen, visits):
        name = job.graph.name
        best = _best(job, options.method)
        files[name], report[name] = best.data, _report(job, best)
    if open_interpreter(files["joiner"]) is None:
        notes.append("tflite-runtime is not installed: quantisation noise was not measured")
    return Converted(**files, report=report, notes=tuple(notes))


def _check_calibration(source: Source, calibration: Sequence[Utterance]) -> None:
    if not calibration:
        raise ConvertError("no calibration utterances; give some recordings of typical speech")
    for number, utterance in enumerate(calibration):
        if utterance.ndim != 2 or utterance.shape[1] != source.mel_bins or not len(utterance):
            raise ConvertError(
                f"calibration utterance {number} has shape {utterance.shape} instead of"
                f" [T, {source.mel_bins}]; compute features as features.json says"
            )
        if not np.all(np.isfinite(utterance)):
            raise ConvertError(f"calibration utterance {number} has values that are not finite")


def _split(calibration: Sequence[Utterance]) -> tuple[list[Utterance], list[Utterance]]:
    """Utterances to calibrate on and to measure on; a single one serves as both."""
    held = list(calibration[::_HELD_BACK])
    used = [u for i, u in enumerate(calibration) if i % _HELD_BACK]
    return used or held, held


def _jobs(source: Source, seen: Calibration, visits: list[Visit]) -> list[_Job]:
    seams = {
        "encoder_out": int8_quantisation(seen.encoder["encoder_out"], METHODS[0]),
        "decoder_out": int8_quantisation(seen.predictor["decoder_out"], METHODS[0]),
    }
    whole = logit_range(seen)
    logits = {"logit": int8_quantisation(whole, METHODS[0])}
    return [
        _Job(
            source.encoder,
            seen.encoder,
            [[(w,) for w in v.windows] for v in visits],
            {"encoder_out": seams["encoder_out"]},
        ),
        _Job(
            source.predictor,
            seen.predictor,
            [[(c,) for c in v.contexts] for v in visits],
            {"decoder_out": seams["decoder_out"]},
        ),
        _Job(
            source.joiner,
            seen.joiner,
            [list(v.pairs) for v in visits],
            seams | logits,
            {"logit": whole.low},
        ),
    ]


def _best(job: _Job, method: str) -> _Attempt:
    """The attempt whose worst output is clearly least noisy; the first where none is."""
    methods = METHODS if method == _CHOSEN_BY_MEASUREMENT else (method,)
    attempts = [_attempt(job, m) for m in methods]
    tried = {a.method: min(a.sqnr_db.values(), default=0.0) for a in attempts}
    best = max(attempts, key=lambda a: tried[a.method])
    if tried[best.method] < tried[attempts[0].method] + _CLEAR_GAIN_DB:
        best = attempts[0]
    return replace(best, tried_db=tried if best.sqnr_db else {})


def _attempt(job: _Job, method: str) -> _Attempt:
    quantised = quantise_graph(job.graph, job.seen, method, job.given)
    data = write_tflite(Model((quantised.graph,), description=f"edgesdk {__version__}"))
    interpreter = open_interpreter(data)
    noise = {}
    if interpreter is not None:
        noise = measure(job.graph, TfliteStream(interpreter), job.sequences, job.floors)
    return _Attempt(method, data, quantised, noise)


def _report(job: _Job, best: _Attempt) -> GraphReport:
    shown = (*job.graph.inputs, *job.graph.results())
    return GraphReport(
        operators=dict(sorted(Counter(op.code for op in best.quantised.graph.operators).items())),
        parameters=job.graph.parameters(),
        bytes=len(best.data),
        method=best.method,
        sqnr_db=best.sqnr_db,
        tried_db=best.tried_db,
        ranges={n: (job.seen[n].low, job.seen[n].high) for n in shown if n in job.seen},
        choices=tuple(_choices(job, best)),
    )


def _choices(job: _Job, best: _Attempt) -> Iterator[str]:
    fused = sum(node.op == "lstm" for node in job.graph.nodes)
    if fused:
        layers = "layer" if fused == 1 else "layers"
        yield f"{fused} LSTM {layers} fused (int8 h, int16 c inside the operator)"
    states = explicit_states(job.graph)
    for state in states:
        spec = best.quantised.specs[state.input]
        yield f"state {state.name}: explicit {spec.dtype} {list(job.graph.shapes[state.input])}"
    if any(node.op == "rsqrt" for node in job.graph.nodes):
        yield "layer normalisation in int16 (table and one Newton step for the root)"
    for name, floor in job.floors.items():
        if floor > job.seen[name].low:
            yield f"{name} below {floor:.1f} is held there: too unlikely to decide"
    tried = ", ".join(f"{method} {noise:.1f}" for method, noise in best.tried_db.items())
    margin = f"; ranges that clip must win by {_CLEAR_GAIN_DB:g} dB"
    yield f"ranges by {best.method}" + (f" (worst output, dB: {tried}{margin})" if tried else "")
