"""The search's numbers against float64, and its section's checks."""

import math

import front_sections
import numpy as np
import pytest
from edgesdk.core.features import LogProbabilities
from edgesdk.errors import BundleError
from front_sections import Search
from numpy.typing import NDArray

pytestmark = pytest.mark.needs_cc


def _log_softmax(logits: NDArray[np.int8], scale: float, token: int) -> float:
    real = logits.astype(np.float64) * scale
    return float(real[token] - real.max() - math.log(np.exp(real - real.max()).sum()))


@pytest.mark.parametrize("scale", [0.01, 0.0823, 0.31, 2.5])
@pytest.mark.parametrize("vocab", [2, 16, 31, 500, 5000])
def test_logprob_of_random_logits_then_equals_float64(scale: float, vocab: int) -> None:
    rng = np.random.default_rng(vocab)
    search = LogProbabilities(front_sections.search_section(Search(vocab=vocab, logit_scale=scale)))
    for spread in (0, 1, 20, 128):
        logits = rng.integers(-spread, min(spread, 127) + 1, vocab).astype(np.int8)
        for token in (0, vocab - 1, int(rng.integers(vocab))):
            ours = search.logprob_q16(logits, token) / 65536
            # A table entry is off by half of 2^-24, a Q16 result by half of 2^-16.
            allowed = 1e-5 + vocab * 2.0**-25 + abs(ours) * 2.0**-24 / scale
            assert abs(ours - _log_softmax(logits, scale, token)) <= allowed
            assert ours <= 0


def test_logprob_of_extreme_logits_then_neither_wraps_nor_rises_above_zero() -> None:
    search = LogProbabilities(front_sections.search_section(Search(vocab=2, logit_scale=255.0)))
    logits = np.array([127, -128], np.int8)
    assert search.logprob_q16(logits, 0) == 0
    assert search.logprob_q16(logits, 1) == -min(2**31 - 1, 255 * 255 * 65536)


def test_argmax_with_ties_then_takes_the_lowest_index() -> None:
    search = LogProbabilities(front_sections.search_section(Search(vocab=6)))
    for logits, best in (
        ([1, 5, 5, 2, 5, 0], 1),
        ([-128] * 6, 0),
        ([-3, -3, -2, -2, -9, -2], 2),
        ([0, 0, 0, 0, 0, 127], 5),
    ):
        assert search.argmax(np.array(logits, np.int8)) == best


FAULTS = {
    "kind": (0, 1),
    "blank": (4, 16),
    "start": (8, 16),
    "context_zero": (12, 0),
    "context_too_long": (12, 9),
    "symbols_zero": (16, 0),
    "vocab_one": (20, 1),
    "vocab_huge": (20, 1 << 30),
    "joiner_zero": (24, 0),
    "frames_zero": (28, 0),
    "beam_zero": (40, 0),
    "beam_17": (40, 17),
    "prune_negative": (44, 1 << 31),
    "no_tokens": (48, 0),
    "too_many_tokens": (48, 4097),
    "cache_of_the_beam": (52, 1),
    "cache_too_large": (52, 65),
    "nbest_above_the_beam": (56, 2),
    "lattice_too_large": (60, 1025),
    "table_without_one": (64, 0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_search_section_with_a_bad_field_then_is_refused(fault: str) -> None:
    offset, value = FAULTS[fault]
    section = bytearray(front_sections.search_section(Search()))
    section[offset : offset + 4] = value.to_bytes(4, "little")
    with pytest.raises(BundleError, match="SRCH: "):
        LogProbabilities(bytes(section))


def test_search_section_cut_or_extended_then_is_refused() -> None:
    section = front_sections.search_section(Search())
    for damaged in (section[:-1], section + b"\0", b""):
        with pytest.raises(BundleError, match="SRCH: "):
            LogProbabilities(damaged)
