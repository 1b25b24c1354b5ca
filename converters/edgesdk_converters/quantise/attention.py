"""What an adapter and its catalog see: phrases letter by letter, encoder frames with tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from edgesdk.errors import ConvertError

from edgesdk_converters.execute import Stream, run_graph
from edgesdk_converters.graph import Array, Graph
from edgesdk_converters.quantise.calibrate import Observation, Utterance, windows
from edgesdk_converters.quantise.ranges import (
    METHODS,
    Range,
    dequantise,
    int8_quantisation,
    quantise,
)
from edgesdk_converters.source import Attention, Source
from edgesdk_converters.tflite.model import Quantisation

# Softmax gives less than half a step of int8 to what is so far below the best row.
_HOPELESS = 8.0  # nats
_FEW = 8  # phrases: a short list is calibrated beside the longest one
_MARK = -128

Steps = list[tuple[Array, ...]]


@dataclass(frozen=True)
class Part:
    """A graph with the ranges of its values, what it is measured on, and what is given."""

    graph: Graph
    seen: Observation
    sequences: list[Steps]
    given: dict[str, Quantisation]


@dataclass(frozen=True)
class Prepared:
    """Both graphs ready to be quantised, and the integer key of row 0."""

    catalog: Part
    adapter: Part
    no_phrase: tuple[int, ...]


@dataclass(frozen=True)
class _Rows:
    """Keys and values of phrases, float32 [n, H * d], row 0 for no phrase first."""

    keys: Array
    values: Array


def prepare(
    source: Source,
    attention: Attention,
    used: Sequence[Utterance],
    held: Sequence[Utterance],
    phrases: Sequence[Sequence[int]],
    seam: Quantisation,
) -> Prepared:
    """Calibrate on `used` utterances, measure on `held` ones; `phrases` are token ids.

    `seam` is the form of the encoder's output, which the adapter's has too.

    Raises:
        ConvertError: no phrases, or attention that empty rows would disturb.
    """
    if not phrases:
        raise ConvertError(
            "the adapter has no phrases to calibrate with; write some, one a line, to phrases.txt "
            "beside the model or among the calibration clips"
        )
    seen = Observation()
    rows, steps = _rows(attention, phrases, seen)
    keys, values = (_symmetric(value) for value in (rows.keys, rows.values))
    catalog = Part(attention.catalog, seen, steps, {"key": keys, "value": values})
    key = quantise(attention.no_phrase, keys, "int8")
    given = {"encoder_out": seam, "adapted": seam, "keys": keys, "values": values}
    adapter = _adapter(source, attention, (used, held), rows, given)
    return Prepared(catalog, adapter, tuple(int(k) for k in key))


def _symmetric(value: Array) -> Quantisation:
    """int8 with zero at 0: 0 is empty, and the mark is the lowest key there is."""
    return Quantisation.single(float(max(np.abs(value).max(), 1e-6) / 127.0))


def _rows(
    attention: Attention, phrases: Sequence[Sequence[int]], seen: Observation
) -> tuple[_Rows, list[Steps]]:
    """The rows of all phrases, and the catalog's inputs."""
    stream = Stream(attention.catalog, seen)
    keys, values = [attention.no_phrase[None]], [np.zeros_like(attention.no_phrase)[None]]
    sequences: list[Steps] = []
    for phrase in phrases:
        stream.reset()
        steps: Steps = [(np.array([[token]], np.int64),) for token in phrase]
        for step in steps:
            key, value = stream.step(*step)
        sequences.append(steps)
        keys.append(key)
        values.append(value)
    return _Rows(np.concatenate(keys), np.concatenate(values)), sequences


def _table(rows: _Rows, attention: Attention, mark: float) -> tuple[Array, Array]:
    """keys [H, N, d] and values [H, d, N] of the first rows that fit; the rest is empty."""
    heads, count = attention.heads, min(len(rows.keys), attention.rows)
    width = rows.keys.shape[1] // heads
    keys = np.zeros((heads, attention.rows, width), np.float32)
    values = np.zeros((heads, width, attention.rows), np.float32)
    keys[:, :, -1] = mark
    keys[:, :count] = rows.keys[:count].reshape(count, heads, width).transpose(1, 0, 2)
    values[:, :, :count] = rows.values[:count].reshape(count, heads, width).transpose(1, 2, 0)
    return keys, values


def _frames(source: Source, utterances: Sequence[Utterance]) -> list[list[Array]]:
    """Encoder outputs [1, T, J] of each utterance."""
    stream = Stream(source.encoder)
    found = []
    for utterance in utterances:
        stream.reset()
        found.append([stream.step(window)[0] for window in windows(source, utterance)])
    return found


@dataclass
class _Scores:
    """What softmax is over, by rows that are not empty: extremes, and the weakest best one."""

    low: float = 0.0
    high: float = 0.0
    weakest: float = np.inf
    empty: float = -np.inf

    def observe(self, scores: Array, rows: int) -> None:
        """Take in scores [..., N] of which the first `rows` are not empty."""
        filled = scores[..., :rows]
        self.low, self.high = min(self.low, filled.min()), max(self.high, filled.max())
        self.weakest = min(self.weakest, filled.max(axis=-1).min())
        if rows < scores.shape[-1]:
            self.empty = max(self.empty, scores[..., rows:].max())


def _adapter(
    source: Source,
    attention: Attention,
    utterances: tuple[Sequence[Utterance], Sequence[Utterance]],
    rows: _Rows,
    given: dict[str, Quantisation],
) -> Part:
    softmax = [node for node in attention.adapter.nodes if node.op == "softmax"]
    if len(softmax) != 1:
        raise ConvertError(f"adapter.onnx: {len(softmax)} Softmax over the rows, one is needed")
    mark = float(dequantise(np.array([_MARK]), given["keys"])[0])
    few = _Rows(rows.keys[: _FEW + 1], rows.values[: _FEW + 1])
    tables = [(it, _table(it, attention, mark)) for it in (rows, few)]
    seen, scores = Observation(), _Scores()
    name = softmax[0].inputs[0]
    used, held = (_frames(source, part) for part in utterances)
    for frames in used:
        for it, (keys, values) in tables:
            count = min(len(it.keys), attention.rows)

            def observe(value: str, array: Array, count: int = count) -> None:
                if value == name:
                    scores.observe(array, count)
                seen(value, array)

            for frame in frames:
                inputs = {"encoder_out": frame, "keys": keys, "values": values}
                run_graph(attention.adapter, inputs, observe)
    given = given | {name: _score_form(scores, softmax[0].attrs["beta"])}
    keys, values = tables[0][1]
    steps: list[Steps] = [[(frame, keys, values) for frame in frames] for frames in held]
    return Part(replace(attention.adapter, name="adapter"), seen, steps, given)


def _score_form(scores: _Scores, beta: float) -> Quantisation:
    """int8 over what can decide: an empty row saturates at the lowest score, which is hopeless."""
    hopeless = scores.weakest - _HOPELESS / beta
    if scores.empty > hopeless:
        raise ConvertError(
            f"adapter.onnx: an empty row scores {scores.empty:.1f}, the weakest best one of the "
            f"calibration {scores.weakest:.1f}; export the query with a larger constant at the "
            f"marks, so that they are {_HOPELESS / beta:.0f} apart"
        )
    return int8_quantisation(Range(min(hopeless, 0.0), scores.high), METHODS[0])
