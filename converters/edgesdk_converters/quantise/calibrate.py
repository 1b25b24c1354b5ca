"""Whole utterances through the whole recogniser, one deployed step at a time.

A graph calibrated on single steps has seen only zero state, and its ranges clip: so the encoder
streams entire utterances, the predictor follows the greedy history, and the joiner sees the pairs
that the search visits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from edgesdk_converters.execute import Stream
from edgesdk_converters.graph import Array
from edgesdk_converters.quantise.ranges import Range
from edgesdk_converters.source import BLANK, Source

Utterance = NDArray[np.float32]
_ALL_CONTEXTS = 4096
_LOUDER = 10.0  # dB
_HOPELESS = 8.0  # nats


class Observation(dict[str, Range]):
    """Ranges by value name, filled by calling it."""

    def __call__(self, name: str, value: Array) -> None:
        """Take in one value; token indices have no range."""
        if value.dtype.kind == "f":
            self.setdefault(name, Range()).observe(value)


@dataclass
class Calibration:
    """What each graph's values were over the calibration utterances.

    `best_logits` holds the highest logit of each decision.
    """

    encoder: Observation = field(default_factory=Observation)
    predictor: Observation = field(default_factory=Observation)
    joiner: Observation = field(default_factory=Observation)
    best_logits: Range = field(default_factory=lambda: Range(low=np.inf, high=-np.inf))


def windows(source: Source, utterance: Utterance) -> Iterator[Utterance]:
    """Steps [1, window, mel] over an utterance [T, mel]; the last is filled with zeros."""
    for start in range(0, max(len(utterance), 1), source.shift):
        piece = utterance[start : start + source.window]
        missing = source.window - len(piece)
        yield np.pad(piece, ((0, missing), (0, 0)))[None].astype(np.float32)
        if start + source.window >= len(utterance):
            return


@dataclass
class Visit:
    """Every input that one utterance gave each graph, in order."""

    windows: list[Array] = field(default_factory=list)
    contexts: list[Array] = field(default_factory=list)
    pairs: list[tuple[Array, Array]] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)


def decode(source: Source, utterance: Utterance, seen: Calibration | None = None) -> Visit:
    """Greedy transducer search in float; fills `seen` with the values it meets."""
    encoder = Stream(source.encoder, seen.encoder if seen else None)
    predictor = Stream(source.predictor, seen.predictor if seen else None)
    joiner = Stream(source.joiner, seen.joiner if seen else None)
    visit = Visit()
    context = [BLANK] * source.context

    def predict() -> Array:
        visit.contexts.append(np.array([context], np.int64))
        return predictor.step(visit.contexts[-1])[0]

    decoder_out = predict()
    for window in windows(source, utterance):
        visit.windows.append(window)
        (frames,) = encoder.step(window)
        for frame in frames[0]:
            for _ in range(source.max_symbols):
                visit.pairs.append((frame[None], decoder_out))
                logits = joiner.step(frame[None], decoder_out)[0]
                token = int(logits.argmax())
                if seen:
                    seen.best_logits.observe(logits.max())
                if token == BLANK:
                    break
                visit.tokens.append(token)
                context = [*context[1:], token]
                decoder_out = predict()
    return visit


def logit_range(seen: Calibration) -> Range:
    """The logits that can decide or share a decision: none is cut above, hopeless ones are below.

    A saturated best logit ties with others, and a tie picks the wrong token; one that is e^-8 as
    likely as the weakest best never matters, and leaving it out makes the steps finer.
    """
    whole = seen.joiner["logit"]
    return Range(max(whole.low, seen.best_logits.low - _HOPELESS), whole.high)


def louder(source: Source, utterance: Utterance) -> Utterance:
    """Log-mel features of the same sound, louder; frames of digital silence stay."""
    inv_std = np.asarray(source.features.get("inv_std", 1.0), np.float32)
    shift = np.float32(_LOUDER / 10.0 * np.log(10.0)) * inv_std
    silent = np.all(utterance <= utterance.min(axis=0) + 1e-6, axis=1, keepdims=True)
    return np.where(silent, utterance, utterance + shift).astype(np.float32)


def calibrate(source: Source, utterances: Sequence[Utterance]) -> Calibration:
    """Ranges of every value, over the utterances as they are and as if spoken 10 dB louder.

    A stateless predictor also sees every context, where that is cheap.
    """
    seen = Calibration()
    for utterance in utterances:
        decode(source, utterance, seen)
        decode(source, louder(source, utterance), seen)
    if not source.predictor.states and source.vocab_size**source.context <= _ALL_CONTEXTS:
        predictor = Stream(source.predictor, seen.predictor)
        for context in product(range(source.vocab_size), repeat=source.context):
            predictor.step(np.array([context], np.int64))
    return seen
