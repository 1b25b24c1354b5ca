"""Spells phrases in the tokens of a recogniser, in every way that its token set allows."""

import heapq
import re
from collections.abc import Sequence

from edgesdk.biasing.phrases import Phrase
from edgesdk.biasing.table import MAX_DEPTH, ONE_Q16, Spelling

WORD_MARK = "▁"
MAX_SPELLINGS = 64
DEFAULT_SPELLINGS = 16
# Natural log per token. Sub-words: sherpa-onnx's default. A word has several times as many letters;
# larger weights made the shipped recogniser hear phrases that nobody said (docs/biasing.md).
SUBWORD_WEIGHT, LETTER_WEIGHT = 1.5, 0.3
_SPECIAL = re.compile(r"<[^<>]+>")  # <blk>, <unk>, <0xE4>: never spelled


class TokenSet:
    """Tokens by their texts, and how words are written with them."""

    def __init__(self, tokens: Sequence[str], blank: int) -> None:
        """`tokens` by id; the blank and special tokens such as <unk> spell nothing."""
        self._ids: dict[str, int] = {}
        for number, text in enumerate(tokens):
            if text and number != blank and not _SPECIAL.fullmatch(text):
                self._ids.setdefault(text, number)
        self._characters = {c for text in self._ids for c in text}
        self._longest = max(map(len, self._ids), default=0)
        self._lengths = {number: len(text) for text, number in self._ids.items()}

    @property
    def default_weight(self) -> float:
        """Weight of phrases that have none: smaller where every token is one letter."""
        longest = max((len(text.strip(WORD_MARK)) for text in self._ids), default=0)
        return SUBWORD_WEIGHT if longest > 1 else LETTER_WEIGHT

    def written(self, text: str) -> str:
        """`text` as the tokens write it: words marked, letters in the case that there is."""
        folded = "".join(map(self._fold, text))
        if WORD_MARK in self._characters:
            return "".join(WORD_MARK + word for word in folded.split())
        return folded

    def _fold(self, character: str) -> str:
        """The character itself, or its only other case, where the tokens have that."""
        if character in self._characters or character == " ":
            return character
        cases = {character.upper(), character.lower()}
        known = [case for case in cases if set(case) <= self._characters]
        return known[0] if len(known) == 1 else character

    def unknown(self, text: str) -> str:
        """Characters of written text that no token has, in their order."""
        return "".join(dict.fromkeys(c for c in text if c not in self._characters))

    def ways(self, text: str, most: int) -> list[tuple[int, ...]]:
        """Token ids of up to `most` spellings of written text, those of fewest tokens first.

        Of MAX_DEPTH tokens at most, also on the way: a text of any length takes little.
        """
        best: list[list[tuple[int, ...]]] = [[()]]
        for end in range(1, len(text) + 1):
            found = [
                (*way, self._ids[text[begin:end]])
                for begin in range(max(0, end - self._longest), end)
                if text[begin:end] in self._ids
                for way in best[begin]
                if len(way) < MAX_DEPTH
            ]
            best.append(heapq.nsmallest(most, found, key=lambda way: (len(way), way)))
        return best[-1]

    def spellings(self, phrase: Phrase, most: int = DEFAULT_SPELLINGS) -> list[Spelling]:
        """Spellings of a phrase that a table can hold; all of them have the same boost at the end.

        That boost is the phrase's weight for each token of the shortest spelling; on the way it is
        spread over the characters.
        """
        written = self.written(phrase.text)
        ways = self.ways(written, most)
        if not ways or not written:
            return []
        weight = self.default_weight if phrase.weight is None else phrase.weight
        total = round(weight * ONE_Q16) * len(ways[0])
        return [Spelling(way, self._boosts(way, total, len(written))) for way in ways]

    def _boosts(self, way: tuple[int, ...], total: int, characters: int) -> tuple[int, ...]:
        boosts, read = [], 0
        for token in way:
            read += self._lengths[token]
            boosts.append(total * read // characters)
        return tuple(boosts)
