"""Word errors against an oracle that tries every alignment."""

import itertools

import pytest
from edgesdk.report.wer import align_words, sum_errors, word_errors
from hypothesis import given
from hypothesis import strategies as st

words = st.lists(st.sampled_from(["yes", "no", "up", "two"]), max_size=5)


def _cheapest(reference: list[str], hypothesis: list[str]) -> int:
    """Least cost over all ways to keep k words of each side in order and pair them up."""
    best = len(reference) + len(hypothesis)
    for kept in range(1, min(len(reference), len(hypothesis)) + 1):
        for left in itertools.combinations(reference, kept):
            for right in itertools.combinations(hypothesis, kept):
                wrong = sum(a != b for a, b in zip(left, right, strict=True))
                unpaired = len(reference) + len(hypothesis) - 2 * kept
                best = min(best, wrong + unpaired)
    return best


@given(words, words)
def test_total_equals_the_cheapest_of_all_alignments(a: list[str], b: list[str]) -> None:
    assert word_errors(" ".join(a), " ".join(b)).total == _cheapest(a, b)


@given(words, words)
def test_alignment_holds_both_sides_in_order(a: list[str], b: list[str]) -> None:
    pairs = align_words(a, b)
    assert [expected for expected, _ in pairs if expected is not None] == a
    assert [heard for _, heard in pairs if heard is not None] == b
    assert (None, None) not in pairs


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [
        ("one two", "one two", (0, 0, 0)),
        ("one two", "one", (0, 1, 0)),
        ("one", "one two", (0, 0, 1)),
        ("one two", "one too", (1, 0, 0)),
        ("", "stop", (0, 0, 1)),
        ("stop", "", (0, 1, 0)),
    ],
)
def test_kinds_of_errors(reference: str, hypothesis: str, counts: tuple[int, int, int]) -> None:
    errors = word_errors(reference, hypothesis)
    assert (errors.substitutions, errors.deletions, errors.insertions) == counts


def test_rate_is_over_all_words_not_the_mean_of_clips() -> None:
    parts = [word_errors("one two three four", "one two three four"), word_errors("go", "no")]
    assert sum_errors(parts).rate_pct == pytest.approx(20.0)
