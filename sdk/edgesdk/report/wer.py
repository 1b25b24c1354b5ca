"""Word error rate: the least substitutions, deletions and insertions between two word lists."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Pair = tuple[str | None, str | None]


@dataclass(frozen=True)
class WordErrors:
    """Error counts of one alignment, or their sum over many; `words` counts the reference."""

    substitutions: int
    deletions: int
    insertions: int
    words: int

    @property
    def total(self) -> int:
        """Substitutions + deletions + insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate_pct(self) -> float:
        """100 * total / words; words said where none were expected count as 100 % and more."""
        return 100.0 * self.total / max(self.words, 1)

    def document(self) -> dict[str, float]:
        """Plain JSON values."""
        return {
            "rate_pct": self.rate_pct,
            "substitutions": self.substitutions,
            "deletions": self.deletions,
            "insertions": self.insertions,
            "words": self.words,
        }


def align_words(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Pair]:
    """A cheapest alignment as (expected, heard) pairs; None stands for a missing word.

    Levenshtein distance with unit costs; of equal ways a match or substitution is preferred.
    """
    rows, columns = len(reference) + 1, len(hypothesis) + 1
    cost = [[row + column for column in range(columns)] for row in range(rows)]
    for row in range(1, rows):
        for column in range(1, columns):
            differs = reference[row - 1] != hypothesis[column - 1]
            cost[row][column] = min(
                cost[row - 1][column - 1] + differs,
                cost[row - 1][column] + 1,
                cost[row][column - 1] + 1,
            )
    pairs: list[Pair] = []
    row, column = rows - 1, columns - 1
    while row or column:
        expected = reference[row - 1] if row else None
        heard = hypothesis[column - 1] if column else None
        if row and column and cost[row][column] == cost[row - 1][column - 1] + (expected != heard):
            pairs.append((expected, heard))
            row, column = row - 1, column - 1
        elif row and cost[row][column] == cost[row - 1][column] + 1:
            pairs.append((expected, None))
            row -= 1
        else:
            pairs.append((None, heard))
            column -= 1
    return pairs[::-1]


def count_errors(pairs: Sequence[Pair], words: int) -> WordErrors:
    """The errors of an alignment with `words` words in its reference."""
    return WordErrors(
        substitutions=sum(a is not None and b is not None and a != b for a, b in pairs),
        deletions=sum(b is None for _, b in pairs),
        insertions=sum(a is None for a, _ in pairs),
        words=words,
    )


def word_errors(reference: str, hypothesis: str) -> WordErrors:
    """The errors of a transcript; words are separated by white space and compared as they are."""
    expected = reference.split()
    return count_errors(align_words(expected, hypothesis.split()), len(expected))


def sum_errors(parts: Iterable[WordErrors]) -> WordErrors:
    """The errors of many clips together (not the mean of their rates)."""
    listed = list(parts)
    return WordErrors(
        substitutions=sum(part.substitutions for part in listed),
        deletions=sum(part.deletions for part in listed),
        insertions=sum(part.insertions for part in listed),
        words=sum(part.words for part in listed),
    )
