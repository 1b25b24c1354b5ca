"""Exact search over a lattice of words: its best word sequences, and the one nearest the truth."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

Words = tuple[str, ...]
FIXED = 1 << 32  # sums of scores are integers of this grain, so that their order is no matter
_PER_Q16 = FIXED >> 16


@dataclass(frozen=True)
class Edge:
    """An arc from a lower to a higher state; scores are natural logarithms in Q16.16."""

    source: int
    target: int
    words: Words
    acoustic_q16: int
    bias_q16: int


@dataclass(frozen=True)
class Lattice:
    """All paths from state 0 to the last one."""

    states: int
    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class Weights:
    """Score of a path: acoustic + bias * biasing + lm * language model + word * words."""

    bias: float = 1.0
    lm: float = 0.5
    word: float = 0.0


class BoundedModel(Protocol):
    """A language model that looks back `reach` words at most; scores are natural logarithms."""

    @property
    def reach(self) -> int:
        """Words of history that a score depends on."""

    def begin(self) -> Words:
        """The history before the first word."""

    def score(self, history: Words, word: str) -> float:
        """Of a word after a history."""

    def end(self, history: Words) -> float:
        """Of the end of the sentence after a history."""


Scorer = Callable[[list[list[str]]], Iterable[float]]  # natural logarithm per word sequence


@dataclass(frozen=True)
class WordPath:
    """A word sequence by its best path: edge numbers from the start, and its scores."""

    words: Words
    edges: tuple[int, ...]
    score: int  # in 1 / FIXED
    lm: float


def fixed(value: float) -> int:
    """A score as an integer of 1 / FIXED."""
    return round(value * FIXED)


def history_of(model: BoundedModel, words: Words) -> Words:
    """What `model` sees of the words said so far."""
    seen = (*model.begin(), *words)
    return seen[max(0, len(seen) - model.reach) :]


def sentence_score(model: BoundedModel | None, words: Words) -> float:
    """Natural logarithm of a whole sentence with its end; 0 without a model."""
    if model is None:
        return 0.0
    said = [model.score(history_of(model, words[:at]), words[at]) for at in range(len(words))]
    return sum(said) + model.end(history_of(model, words))


@dataclass(frozen=True)
class _Partial:
    """The best way to a state by one word sequence; the lower rank is the better."""

    rank: tuple[int, tuple[int, ...]]  # minus the score, then the edges: earlier ones win a tie
    words: Words


def _keep(partials: Iterable[_Partial], count: int, model: BoundedModel | None) -> list[_Partial]:
    """The `count` best of each history: all that later words can still tell apart."""
    groups: dict[Words, list[_Partial]] = {}
    for partial in partials:
        seen = () if model is None else history_of(model, partial.words)
        groups.setdefault(seen, []).append(partial)
    return [p for group in groups.values() for p in sorted(group, key=lambda p: p.rank)[:count]]


class _Steps:
    """What an edge adds to the score of a path."""

    def __init__(self, weights: Weights, model: BoundedModel | None) -> None:
        self._weights = weights
        self._model = model

    def along(self, edge: Edge, words: Words) -> int:
        """Of `edge` behind `words`."""
        weights, model = self._weights, self._model
        total = edge.acoustic_q16 * _PER_Q16 + fixed(weights.bias * edge.bias_q16 / 65536)
        total += len(edge.words) * fixed(weights.word)
        if model is not None:
            for at, word in enumerate(edge.words):
                history = history_of(model, words + edge.words[:at])
                total += fixed(weights.lm * model.score(history, word))
        return total

    def at_end(self, words: Words) -> int:
        """Of the end of the sentence."""
        if self._model is None:
            return 0
        return fixed(self._weights.lm * self._model.end(history_of(self._model, words)))


def best_paths(
    lattice: Lattice, weights: Weights, count: int, model: BoundedModel | None = None
) -> list[WordPath]:
    """The `count` best distinct word sequences of the whole lattice, best first.

    Exact: states are expanded by the model's history, and each keeps its `count` best sequences.
    A sequence has the score of its best path. On equal scores the path goes first whose first
    differing edge comes earlier in the lattice. Empty where no path reaches the last state.
    """
    steps = _Steps(weights, model)
    leaving: dict[int, list[int]] = {}
    for number, edge in enumerate(lattice.edges):
        leaving.setdefault(edge.source, []).append(number)
    reached: dict[int, dict[Words, _Partial]] = {0: {(): _Partial((0, ()), ())}}
    for state in sorted(leaving):
        for partial in _keep(reached.pop(state, {}).values(), count, model):
            for number in leaving[state]:
                edge = lattice.edges[number]
                words = partial.words + edge.words
                lost, path = partial.rank
                rank = (lost - steps.along(edge, partial.words), (*path, number))
                there = reached.setdefault(edge.target, {})
                if words not in there or rank < there[words].rank:
                    there[words] = _Partial(rank, words)
    ends = [
        (partial.rank[0] - steps.at_end(partial.words), partial.rank[1], partial.words)
        for partial in reached.get(lattice.states - 1, {}).values()
    ]
    return [
        WordPath(words, edges, -lost, sentence_score(model, words))
        for lost, edges, words in sorted(ends)[:count]
    ]


def rank_by_scorer(
    paths: Sequence[WordPath], weights: Weights, scores: Sequence[float]
) -> list[WordPath]:
    """The paths with the scores of any model, best first; on equal totals as they were."""
    scored = [
        WordPath(path.words, path.edges, path.score + fixed(weights.lm * score), score)
        for path, score in zip(paths, scores, strict=True)
    ]
    return sorted(scored, key=lambda path: -path.score)


_Row = list[tuple[int, Words]]  # per count of reference words: errors, and the words so far


def _next_row(row: _Row, reference: Words, word: str) -> _Row:
    """A row of the table of Levenshtein distances, one heard word on."""
    new = [(row[0][0] + 1, (*row[0][1], word))]
    for at, expected in enumerate(reference, 1):
        swapped = (row[at - 1][0] + (word != expected), (*row[at - 1][1], word))
        inserted = (row[at][0] + 1, (*row[at][1], word))
        deleted = (new[-1][0] + 1, new[-1][1])
        new.append(min(swapped, inserted, deleted))
    return new


def nearest_words(lattice: Lattice, reference: Words) -> Words | None:
    """The words of the path with the fewest word errors: the ceiling of any second pass.

    None where no path reaches the last state.
    """
    rows: dict[int, _Row] = {0: [(count, ()) for count in range(len(reference) + 1)]}
    for edge in sorted(lattice.edges, key=lambda edge: edge.source):
        if edge.source not in rows:
            continue
        row = rows[edge.source]
        for word in edge.words:
            row = _next_row(row, reference, word)
        if edge.target in rows:
            row = [min(pair) for pair in zip(rows[edge.target], row, strict=True)]
        rows[edge.target] = row
    return rows[lattice.states - 1][-1][1] if lattice.states - 1 in rows else None
