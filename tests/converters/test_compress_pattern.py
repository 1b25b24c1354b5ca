"""Masks keep to their block pattern exactly, at odd sizes too."""

import numpy as np
import pytest
from edgesdk.errors import ConvertError
from edgesdk_converters.compress.pattern import (
    Pattern,
    masks_of_level,
    parse_pattern,
    zero_blocks,
)
from hypothesis import given
from hypothesis import strategies as st

SIZES = st.tuples(st.integers(1, 37), st.integers(1, 53))
BLOCKS = st.sampled_from(["1x16", "1x4", "4x4", "8x16", "3x5", "1x1"])


def _scores(size: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(size) + 0.01


@given(SIZES, SIZES, BLOCKS, st.floats(0, 0.95), st.integers(0, 9))
def test_blocks_stand_or_go_whole_and_the_cheapest_go(
    first: tuple[int, int], second: tuple[int, int], block: str, level: float, seed: int
) -> None:
    pattern = parse_pattern(block)
    matrices = [_scores(first, seed), _scores(second, seed + 1)]
    masks = masks_of_level(matrices, pattern, level)
    kept, gone = [], []
    for scores, mask in zip(matrices, masks, strict=True):
        assert mask.shape == scores.shape
        for top in range(0, scores.shape[0], pattern.rows):
            for left in range(0, scores.shape[1], pattern.columns):
                at = np.s_[top : top + pattern.rows, left : left + pattern.columns]
                assert mask[at].all() or not mask[at].any()
                (kept if mask[at].all() else gone).append(scores[at].sum())
    assert len(gone) == int(level * (len(gone) + len(kept)) + 1e-9)
    assert max(gone, default=0.0) <= min(kept, default=np.inf) + 1e-12


@given(SIZES, st.sampled_from(["2:4", "1:4", "4:8", "3:7"]), st.integers(0, 9))
def test_n_of_m_keeps_the_best_n_of_every_m(size: tuple[int, int], share: str, seed: int) -> None:
    pattern = parse_pattern(share)
    scores = _scores(size, seed)
    (mask,) = masks_of_level([scores], pattern, pattern.fixed_level or 0.0)
    for row, kept in zip(scores, mask, strict=True):
        for left in range(0, size[1], pattern.columns):
            at = slice(left, left + pattern.columns)
            assert kept[at].sum() == min(pattern.keep, len(row[at]))
            if not kept[at].all():
                assert row[at][kept[at]].min() > row[at][~kept[at]].max()


def test_level_zero_keeps_everything() -> None:
    for text in ("8x16", "2:4"):
        (mask,) = masks_of_level([_scores((5, 9), 0)], parse_pattern(text), 0.0)
        assert mask.all()


def test_zero_blocks_counts_partial_ones_at_the_edges() -> None:
    matrix = np.zeros((5, 9), np.int8)
    matrix[4, 8] = 1
    assert zero_blocks(matrix, Pattern(4, 4)) == (5, 6)
    assert zero_blocks(matrix, Pattern(1, 4, 2)) == (14, 15)


@pytest.mark.parametrize(
    "text", ["", "4", "0x4", "4x", "4:4", "4:2", "x", "100x4", "4x4x4", "-1x4"]
)
def test_wrong_pattern_is_refused(text: str) -> None:
    with pytest.raises(ConvertError, match="neither ROWSxCOLUMNS nor N:M"):
        parse_pattern(text)
