"""A Source and calibration utterances to three full-integer .tflite files and a report."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from edgesdk import __version__
from edgesdk.errors import ConvertError

from edgesdk_converters.compress.layers import (
    ROLES,
    Moments,
    Product,
    graph_of,
    products,
    record_all,
    sequences,
)
from edgesdk_converters.compress.options import Compression
from edgesdk_converters.compress.prune import Progress, prune_source
from edgesdk_converters.compress.tensors import TensorReport, palettise, tensor_reports
from edgesdk_converters.graph import Array, Graph
from edgesdk_converters.quantise.attention import Part, prepare
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
_COMPRESSED_FRAMES = 60_000  # ten minutes of 10 ms frames
_CLEAR_GAIN_DB = 1.0  # a range that clips must win by this much: other speech may need the rest


@dataclass(frozen=True)
class Options:
    """`method` chooses ranges: one of ranges.METHODS, or "auto": the best SQNR per graph.

    Values between graphs keep their whole range (real speech goes further than calibration, and
    clipping them cost words), and logits have calibrate.logit_range.
    """

    method: str = _CHOSEN_BY_MEASUREMENT
    compression: Compression = field(default_factory=Compression)


@dataclass(frozen=True)
class GraphReport:
    """What conversion did to one graph."""

    operators: Mapping[str, int]
    parameters: int
    bytes: int
    method: str
    sqnr_db: Mapping[str, float]  # per output against dense float, empty where not measured
    tried_db: Mapping[str, float]  # per method, the worst output
    ranges: Mapping[str, tuple[float, float]]  # of inputs, outputs and states
    choices: tuple[str, ...] = ()  # what a user may want to know, one line each
    tensors: tuple[TensorReport, ...] = ()  # int8 matrices of products


@dataclass(frozen=True)
class Converted:
    """Standard .tflite files that share the quantisation of their seams.

    Adapter and catalog, with the integer key of the row for no phrase, where the source has them.
    """

    encoder: bytes
    predictor: bytes
    joiner: bytes
    report: Mapping[str, GraphReport]
    adapter: bytes | None = None
    catalog: bytes | None = None
    no_phrase: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    levels: Mapping[str, float] = field(default_factory=dict)  # share of zeros asked of each layer

    @property
    def device_graphs(self) -> dict[str, bytes]:
        """The files of the graphs that a device runs, by role."""
        files = {"encoder": self.encoder, "predictor": self.predictor, "joiner": self.joiner}
        return files if self.adapter is None else files | {"adapter": self.adapter}


@dataclass(frozen=True)
class _Job:
    """One graph on its way: what it saw, what it is measured on and against."""

    graph: Graph
    dense: Graph
    found: tuple[tuple[Product, Moments], ...]
    compression: Compression
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
    source: Source,
    calibration: Sequence[Utterance],
    options: Options | None = None,
    progress: Progress = lambda text: None,
    phrases: Sequence[Sequence[int]] = (),
) -> Converted:
    """Quantise `source` with whole utterances of normalised features [T, mel], float32.

    `phrases`, as token ids, are what an adapter is calibrated with. `progress` is told what is
    being done. Noise is measured against the dense float graphs.

    Raises:
        ConvertError: no usable calibration data, or a graph that has no integer form.
    """
    options = options or Options()
    if options.method not in (*METHODS, _CHOSEN_BY_MEASUREMENT):
        raise ConvertError(
            f"range method {options.method!r} is none of {', '.join(METHODS)}, auto; choose one"
        )
    _check_calibration(source, calibration)
    used, held = _split(calibration)
    compression = options.compression
    dense = source
    levels: dict[str, float] = {}
    progress("decoding")
    seen_visits = [decode(source, utterance) for utterance in _first(used, _COMPRESSED_FRAMES)]
    if compression.prunes:
        source, levels = prune_source(source, seen_visits, compression, progress)
    dense, source = _spelled(dense), _spelled(source)
    found = _found(source, seen_visits)
    progress("calibrating")
    seen = calibrate(source, used)
    visits = [decode(dense, utterance) for utterance in held]
    report: dict[str, GraphReport] = {}
    files: dict[str, bytes] = {}
    jobs = _jobs(source, dense, seen, visits, found, compression)
    no_phrase: tuple[int, ...] = ()
    if source.attention is not None:
        seam = jobs[0].given["encoder_out"]
        prepared = prepare(source, source.attention, used, held, phrases, seam)
        jobs += [_part_job(part) for part in (prepared.adapter, prepared.catalog)]
        no_phrase = prepared.no_phrase
    for job in jobs:
        name = job.graph.name
        progress(f"quantising {name}")
        best = _best(job, options.method)
        files[name], report[name] = best.data, _report(job, best)
    notes = list(source.notes)
    if open_interpreter(files["joiner"]) is None:
        notes.append("tflite-runtime is not installed: quantisation noise was not measured")
    return Converted(**files, report=report, notes=tuple(notes), levels=levels, no_phrase=no_phrase)


def _part_job(part: Part) -> _Job:
    """Adapter or catalog, which are not compressed."""
    graph = spell_cells(part.graph)
    return _Job(graph, graph, (), Compression(), part.seen, part.sequences, part.given)


def _first(utterances: Sequence[Utterance], frames: int) -> Iterator[Utterance]:
    """Utterances up to so many frames: what goes into every layer is kept row by row."""
    seen = 0
    for utterance in utterances:
        if seen >= frames:
            return
        seen += len(utterance)
        yield utterance


def _spelled(source: Source) -> Source:
    return replace(
        source,
        encoder=spell_cells(source.encoder),
        predictor=spell_cells(source.predictor),
        joiner=spell_cells(source.joiner),
    )


def _found(source: Source, visits: list[Visit]) -> tuple[tuple[Product, Moments], ...]:
    """The products of a spelled source with what goes into them."""
    recorded = record_all(source, products(source), sequences(visits))
    return tuple((product, Moments.of(x)) for product, x in recorded.items())


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


def _jobs(
    source: Source,
    dense: Source,
    seen: Calibration,
    visits: list[Visit],
    found: tuple[tuple[Product, Moments], ...],
    compression: Compression,
) -> list[_Job]:
    seams = {
        "encoder_out": int8_quantisation(seen.encoder["encoder_out"], METHODS[0]),
        "decoder_out": int8_quantisation(seen.predictor["decoder_out"], METHODS[0]),
    }
    whole = logit_range(seen)
    given = {
        "encoder": {"encoder_out": seams["encoder_out"]},
        "predictor": {"decoder_out": seams["decoder_out"]},
        "joiner": seams | {"logit": int8_quantisation(whole, METHODS[0])},
    }
    steps = sequences(visits)
    return [
        _Job(
            graph_of(source, role),
            graph_of(dense, role),
            tuple(pair for pair in found if pair[0].role == role),
            compression,
            getattr(seen, role),
            steps[role],
            given[role],
            {"logit": whole.low} if role == "joiner" else {},
        )
        for role in ROLES
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
    integer = palettise(quantised.graph, job.graph, job.found, job.compression)
    quantised = replace(quantised, graph=integer)
    data = write_tflite(Model((integer,), description=f"edgesdk {__version__}"))
    interpreter = open_interpreter(data)
    noise = {}
    if interpreter is not None:
        noise = measure(job.dense, TfliteStream(interpreter), job.sequences, job.floors)
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
        tensors=tuple(tensor_reports(best.quantised.graph, job.dense, job.found, job.compression)),
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
