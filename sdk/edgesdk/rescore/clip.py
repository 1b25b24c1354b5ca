"""A clip of `emulate` or `run`: its lattice from JSON, and what a second pass makes of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgesdk.errors import EdgeError
from edgesdk.lattice import Q16, WORD_MARK, Word, join_tokens
from edgesdk.rescore.paths import FIXED, Edge, Lattice, WordPath

_KINDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}


def member(values: Any, name: str, kind: type, where: str) -> Any:
    """A member of a JSON object.

    Raises:
        EdgeError: it is missing, of another kind, or not finite.
    """
    value = values.get(name) if isinstance(values, Mapping) else None
    kinds = (int, float) if kind is float else kind
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise EdgeError(
            f"{where}: '{name}' is not {_KINDS[kind]}; give what emulate or run wrote with --json"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise EdgeError(f"{where}: '{name}' is not finite; write the results anew")
    return value


def _texts(values: Any, name: str, where: str) -> tuple[str, ...]:
    texts = member(values, name, list, where)
    if not all(isinstance(text, str) for text in texts):
        raise EdgeError(f"{where}: '{name}' holds what is no text; write the results anew")
    return tuple(texts)


@dataclass(frozen=True)
class _Arc:
    """An edge as its JSON has it; times in seconds."""

    source: int
    target: int
    tokens: tuple[str, ...]
    start: float
    end: float
    acoustic_q16: int
    bias_q16: int
    posterior: float


def _read_arc(edge: Any, states: int, where: str) -> _Arc:
    arc = _Arc(
        source=member(edge, "from", int, where),
        target=member(edge, "to", int, where),
        tokens=_texts(edge, "tokens", where),
        start=member(edge, "start", float, where),
        end=member(edge, "end", float, where),
        acoustic_q16=member(edge, "acoustic_q16", int, where),
        bias_q16=member(edge, "bias_q16", int, where),
        posterior=member(edge, "posterior", float, where),
    )
    if not 0 <= arc.source < arc.target < states:
        raise EdgeError(
            f"{where}: leads from state {arc.source} to {arc.target} of {states}; edges lead from "
            "lower to higher states"
        )
    return arc


@dataclass(frozen=True)
class _Committed:
    """What left the device's pool before the end: tokens and scores that are in no arc."""

    tokens: tuple[str, ...]
    acoustic_q16: int
    bias_q16: int


@dataclass(frozen=True)
class HeardClip:
    """One clip of the results; every path of `lattice` begins with what was committed."""

    name: str
    where: str  # the file and the clip, for errors
    document: Mapping[str, Any]
    lattice: Lattice
    text: str
    reference: str | None
    arcs: tuple[_Arc, ...]
    committed: tuple[str, ...]  # tokens

    def _tokens(self, path: WordPath) -> tuple[str, ...]:
        """Of the path, behind the committed ones."""
        return tuple(token for number in path.edges for token in self.arcs[number].tokens)

    def _first_pass(self, path: WordPath) -> Mapping[str, Any] | None:
        """The hypothesis of the search with the path's tokens, where the results list it."""
        tokens = list(self._tokens(path))
        listed = self.document.get("nbest")
        found = [
            hypothesis
            for hypothesis in (listed if isinstance(listed, list) else [])
            if isinstance(hypothesis, Mapping) and hypothesis.get("tokens") == tokens
        ]
        return found[0] if found else None

    def _times(self, path: WordPath) -> dict[str, list[Any]]:
        """Per token: its time and scores of the search, or its word's start and no scores."""
        found = self._first_pass(path)
        if found is not None:
            names = ("timestamps", "ys_probs", "context_scores")
            return {name: list(member(found, name, list, self.where)) for name in names}
        starts = [
            self.arcs[number].start for number in path.edges for _ in self.arcs[number].tokens
        ]
        return {"timestamps": starts, "ys_probs": [], "context_scores": []}

    def hypothesis(self, path: WordPath) -> dict[str, Any]:
        """An entry of `nbest`: scores without their weights, and the weighted total."""
        tokens = self._tokens(path)
        edges = [self.lattice.edges[number] for number in path.edges]
        return {
            "text": join_tokens(tokens),
            "tokens": list(tokens),
            **self._times(path),
            "acoustic_score": round(sum(edge.acoustic_q16 for edge in edges) / Q16, 5),
            "bias_score": round(sum(edge.bias_q16 for edge in edges) / Q16, 5),
            "lm_score": round(path.lm, 5),
            "word_count": len(path.words),
            "score": round(path.score / FIXED, 5),
        }

    def _confidence(self, arc: _Arc) -> float:
        """Share of the search's paths that hold the arc's word at an overlapping time."""
        word = join_tokens(arc.tokens)
        shares = [
            other.posterior
            for other in self.arcs
            if join_tokens(other.tokens) == word and other.start < arc.end and arc.start < other.end
        ]
        return round(min(1.0, sum(shares)), 5)

    def _words(self, path: WordPath) -> list[Word]:
        """The words of the path, after those of the committed tokens."""
        words = _committed_words(self.document, self.committed, self.where)
        for number in path.edges:
            arc = self.arcs[number]
            word = Word(join_tokens(arc.tokens), arc.start, arc.end, self._confidence(arc))
            if words and number == path.edges[0] and _goes_on(self.committed, arc.tokens):
                last = words.pop()
                word = Word(last.word + word.word, last.start, arc.end, None)
            if word.word:
                words.append(word)
        return words

    def rescored(self, paths: list[WordPath]) -> dict[str, Any]:
        """The clip with the best path as its text; `paths` are best first, one at least."""
        times, words = self._times(paths[0]), self._words(paths[0])
        count = len(self.committed)
        tokens = [*self.committed, *self._tokens(paths[0])]
        text = join_tokens(tokens)
        known = {
            name: member(self.document, name, list, self.where)[:count]
            for name in ("timestamps", "ys_probs")
        }
        scored = len(times["ys_probs"]) == len(tokens) - count
        changed: dict[str, Any] = {
            "text": text,
            "words": text.split(),
            "tokens": tokens,
            "timestamps": known["timestamps"] + times["timestamps"],
            "ys_probs": known["ys_probs"] + times["ys_probs"] if scored else [],
            "word_times": [word.document() for word in words],
            "nbest": [self.hypothesis(path) for path in paths],
        }
        if self.reference is not None:
            changed["reference"] = self.reference
        return {**self.document, **changed}


def _goes_on(committed: tuple[str, ...], tokens: tuple[str, ...]) -> bool:
    """Whether an arc's tokens continue the last committed word."""
    if not tokens or tokens[0].startswith(WORD_MARK) or not committed:
        return False
    return committed[-1] != WORD_MARK


def _committed_words(
    document: Mapping[str, Any], committed: tuple[str, ...], where: str
) -> list[Word]:
    """Words of the committed tokens; the last may go on in the lattice."""
    spans: list[list[str]] = []
    for token in committed:
        if not spans or token.startswith(WORD_MARK):
            spans.append([])
        spans[-1].append(token)
    texts = [text for text in map(join_tokens, spans) if text]
    known = member(document, "word_times", list, where)
    if len(known) < len(texts):
        raise EdgeError(f"{where}: 'word_times' lacks committed words; write the results anew")
    return [
        Word(text, member(word, "start", float, where), member(word, "end", float, where), None)
        for text, word in zip(texts, known, strict=False)
    ]


def _lattice(arcs: tuple[_Arc, ...], states: int, committed: _Committed) -> Lattice:
    """The arcs' words and scores; those from state 0 begin with what was committed."""
    edges = []
    for arc in arcs:
        first = arc.source == 0
        words = join_tokens((*(committed.tokens if first else ()), *arc.tokens)).split()
        acoustic = arc.acoustic_q16 + (committed.acoustic_q16 if first else 0)
        bias = arc.bias_q16 + (committed.bias_q16 if first else 0)
        edges.append(Edge(arc.source, arc.target, tuple(words), acoustic, bias))
    return Lattice(states, tuple(edges))


def read_clip(document: Any, where: str) -> HeardClip:
    """One of the `clips` of results.

    Raises:
        EdgeError: it has no lattice, or holds other than `emulate` and `run` write.
    """
    name = member(document, "clip", str, where)
    where = f"{where}, {name}"
    if "lattice" not in document:
        listed = document.get("endpoints")
        ends = (
            [end for end in listed if isinstance(end, Mapping)] if isinstance(listed, list) else []
        )
        if any("lattice" in end for end in ends):
            raise EdgeError(
                f"{where}: has a lattice for each utterance, none for the clip; write the results "
                "with --endpoint watch or stop"
            )
        raise EdgeError(
            f"{where}: has no lattice; convert with a beam, such as beam = 4 in [search] of the "
            "recipe (docs/search.md)"
        )
    lattice = member(document, "lattice", dict, where)
    states, count = (member(lattice, name, int, where) for name in ("states", "committed"))
    text, tokens = member(document, "text", str, where), _texts(document, "tokens", where)
    if not 0 <= count <= len(tokens):
        raise EdgeError(
            f"{where}: {count} of {len(tokens)} tokens are committed; write the results anew"
        )
    listed = member(lattice, "edges", list, where)
    arcs = tuple(_read_arc(e, states, f"{where}, edge {n}") for n, e in enumerate(listed))
    if not arcs:  # silence, or too little room for a word: the text stays as it is
        states, arcs, count = 2, (_Arc(0, 1, (), 0.0, 0.0, 0, 0, 1.0),), len(tokens)
    reference = member(document, "reference", str, where) if "reference" in document else None
    committed = _Committed(
        tokens[:count],
        member(lattice, "committed_acoustic_q16", int, where),
        member(lattice, "committed_bias_q16", int, where),
    )
    made = _lattice(arcs, states, committed)
    return HeardClip(name, where, document, made, text, reference, arcs, committed.tokens)
