"""What a search found: its best hypotheses and its lattice of words, from a device or emulated.

Scores are natural logarithms in Q16.16, exact integers; docs/protocol.md has the bytes.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgesdk.link.payload import Cursor, PayloadError

WORD_MARK = "▁"
Q16 = 1 << 16


def join_tokens(pieces: Iterable[str]) -> str:
    """Text of token pieces, as the core's edge_tokens_append writes it, without outer spaces."""
    return "".join(pieces).replace(WORD_MARK, " ").strip(" ")


@dataclass(frozen=True)
class LatticeToken:
    """A token of a hypothesis: the encoder frame that emitted it, its own scores."""

    id: int
    piece: str
    frame: int
    logprob_q16: int
    bias_q16: int


@dataclass(frozen=True)
class Hypothesis:
    """Tokens since what was committed; scores of the whole utterance."""

    tokens: tuple[LatticeToken, ...]
    acoustic_q16: int
    bias_q16: int

    @property
    def score_q16(self) -> int:
        """What the search ranks by."""
        return self.acoustic_q16 + self.bias_q16


@dataclass(frozen=True)
class Arc:
    """A word between two states, with the frames of its first and last token.

    An arc without tokens leads to the end and carries what the end added.
    """

    source: int
    target: int
    start_frame: int
    end_frame: int
    acoustic_q16: int
    bias_q16: int
    ids: tuple[int, ...]
    pieces: tuple[str, ...]

    @property
    def word(self) -> str:
        """The word's text; empty at the end."""
        return join_tokens(self.pieces)

    @property
    def score_q16(self) -> int:
        """Acoustic and biasing score."""
        return self.acoustic_q16 + self.bias_q16


@dataclass(frozen=True)
class Results:
    """Best hypotheses, best first, and a lattice from state 0 to the last one.

    Arcs lead from lower to higher states. `committed` tokens left the device's pool before the
    end: they are in no hypothesis and no arc; their scores are in the hypotheses', not the arcs'.
    """

    frame_us: int
    committed: int
    committed_acoustic_q16: int
    committed_bias_q16: int
    hypotheses: tuple[Hypothesis, ...]
    states: int
    arcs: tuple[Arc, ...]

    def time_ms(self, frame: int) -> int:
        """Start of an encoder frame, as TOKEN events have it."""
        return frame * self.frame_us // 1000


def _read_tokens(cursor: Cursor, count: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    tokens = [(cursor.numbers("H")[0], cursor.text()) for _ in range(count)][::-1]
    return tuple(token for token, _ in tokens), tuple(piece for _, piece in tokens)


def _read_hypothesis(cursor: Cursor) -> Hypothesis:
    acoustic, bias, count = cursor.numbers("qqH")
    tokens = []
    for _ in range(count):
        frame, logprob, added, token = cursor.numbers("IiiH")
        tokens.append(LatticeToken(token, cursor.text(), frame, logprob, added))
    return Hypothesis(tuple(tokens[::-1]), acoustic, bias)


def _read_arc(cursor: Cursor, states: int) -> Arc:
    source, target, start, end, acoustic, bias, count = cursor.numbers("HHIIiiH")
    if not source < target < states or start > end:
        raise PayloadError(
            f"the device's lattice has an arc from state {source} to {target} of {states}, frames "
            f"{start} to {end}; flash the firmware of this edgesdk version"
        )
    return Arc(source, target, start, end, acoustic, bias, *_read_tokens(cursor, count))


def read_results(data: bytes) -> Results:
    """What RESULTS brings.

    Raises:
        PayloadError: it is cut off, too long, or its arcs are no lattice.
    """
    cursor = Cursor(data, "RESULTS")
    frame_us, committed, acoustic, bias, hypotheses, states, arcs = cursor.numbers("IIqqHHH")
    results = Results(
        frame_us,
        committed,
        acoustic,
        bias,
        tuple(_read_hypothesis(cursor) for _ in range(hypotheses)),
        states,
        tuple(_read_arc(cursor, states) for _ in range(arcs)),
    )
    cursor.end()
    return results


def _log_add(terms: list[float]) -> float:
    top = max(terms, default=-math.inf)
    return top if top == -math.inf else top + math.log(sum(math.exp(x - top) for x in terms))


def posteriors(results: Results) -> tuple[float, ...]:
    """Probability of each arc: its share of exp(score) over all paths of the lattice.

    Computed here in float64 from the integers, so it is the same for a device and emulated.
    """
    if not results.arcs:
        return ()
    scores = [arc.score_q16 / Q16 for arc in results.arcs]
    numbered = list(enumerate(results.arcs))
    behind = [-math.inf] * results.states
    ahead = [-math.inf] * results.states
    behind[0] = ahead[-1] = 0.0
    for state in range(1, results.states):
        terms = [behind[arc.source] + scores[i] for i, arc in numbered if arc.target == state]
        behind[state] = _log_add(terms)
    for state in range(results.states - 2, -1, -1):
        terms = [ahead[arc.target] + scores[i] for i, arc in numbered if arc.source == state]
        ahead[state] = _log_add(terms)
    whole = behind[-1]
    if whole == -math.inf:
        return (0.0,) * len(results.arcs)
    return tuple(
        math.exp(behind[arc.source] + scores[i] + ahead[arc.target] - whole) for i, arc in numbered
    )


@dataclass(frozen=True)
class Word:
    """A recognised word; the end is that of its last token's frame. Times in seconds."""

    word: str
    start: float
    end: float
    confidence: float | None  # None where no lattice covers it

    def document(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "word": self.word,
            "start": self.start,
            "end": self.end,
            "confidence": self.confidence,
        }


def confidence(results: Results, shares: tuple[float, ...], word: Word) -> float | None:
    """Probability of the paths that hold `word` at its time; `shares` are posteriors(results)."""
    seconds = results.frame_us / 1e6
    covering = [
        share
        for arc, share in zip(results.arcs, shares, strict=True)
        if arc.word == word.word
        and arc.start_frame * seconds < word.end
        and word.start < (arc.end_frame + 1) * seconds
    ]
    return round(min(1.0, sum(covering)), 5) if covering else None


def hypothesis_document(hypothesis: Hypothesis, results: Results) -> dict[str, Any]:
    """A hypothesis as plain JSON values; field names follow sherpa-onnx's results."""
    tokens = hypothesis.tokens
    return {
        "text": join_tokens(token.piece for token in tokens),
        "tokens": [token.piece for token in tokens],
        "timestamps": [results.time_ms(token.frame) / 1000 for token in tokens],
        "ys_probs": [round(token.logprob_q16 / Q16, 5) for token in tokens],
        "context_scores": [round(token.bias_q16 / Q16, 5) for token in tokens],
        "acoustic_score": round(hypothesis.acoustic_q16 / Q16, 5),
        "bias_score": round(hypothesis.bias_q16 / Q16, 5),
    }


def lattice_document(results: Results) -> dict[str, Any]:
    """The lattice as plain JSON values; times in seconds, scores in Q16.16 as they are."""
    edges = [
        {
            "from": arc.source,
            "to": arc.target,
            "word": arc.word,
            "tokens": list(arc.pieces),
            "start": results.time_ms(arc.start_frame) / 1000,
            "end": results.time_ms(arc.end_frame + 1) / 1000,
            "acoustic_q16": arc.acoustic_q16,
            "bias_q16": arc.bias_q16,
            "posterior": round(share, 5),
        }
        for arc, share in zip(results.arcs, posteriors(results), strict=True)
    ]
    return {
        "states": results.states,
        "committed": results.committed,
        "committed_acoustic_q16": results.committed_acoustic_q16,
        "committed_bias_q16": results.committed_bias_q16,
        "edges": edges,
    }


def results_document(results: Results) -> dict[str, Any]:
    """The n-best list and the lattice as plain JSON values."""
    return {
        "nbest": [hypothesis_document(it, results) for it in results.hypotheses],
        "lattice": lattice_document(results),
    }
