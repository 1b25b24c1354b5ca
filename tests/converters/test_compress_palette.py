"""Palettes: few values, exact zeros, and as good as trying every palette."""

from itertools import combinations

import numpy as np
import pytest
from edgesdk_converters.compress.palette import best_palette, palettised, palettised_rows
from hypothesis import given, settings
from hypothesis import strategies as st

MATRICES = st.tuples(st.integers(1, 23), st.integers(1, 19), st.integers(0, 99))


def _matrix(rows: int, columns: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    q = np.clip(np.round(rng.normal(0, 40, (rows, columns))), -127, 127).astype(np.int8)
    zeros = rng.random((rows, columns)) < rng.choice([0.0, 0.5, 1.0])
    q[zeros] = 0
    return q, zeros, rng.random(columns)


@given(MATRICES, st.sampled_from([2, 4, 8, 16, 32]))
def test_palette_holds_few_values_and_keeps_zeros(size: tuple[int, int, int], most: int) -> None:
    q, zeros, importance = _matrix(*size)
    made = palettised(q, zeros, importance, most)
    assert made.dtype == np.int8
    assert len(np.unique(made)) <= most
    assert not made[zeros].any()
    assert np.array_equal(made, palettised(q, zeros, importance, most))
    assert np.array_equal(made, palettised(made, zeros, importance, most))


@given(MATRICES, st.integers(1, 9))
def test_every_group_of_rows_has_its_own_palette(size: tuple[int, int, int], rows: int) -> None:
    q, zeros, importance = _matrix(*size)
    made = palettised_rows(q, zeros, importance, 4, rows)
    assert made.shape == q.shape
    for at in range(0, len(q), rows):
        assert len(np.unique(made[at : at + rows])) <= 4


def test_few_values_stay_as_they_are() -> None:
    q = np.array([[0, 5, -5, 9]], np.int8)
    assert np.array_equal(palettised(q, q == 0, np.ones(4), 4), q)


@settings(max_examples=25)
@given(st.lists(st.integers(-20, 20), min_size=4, max_size=7, unique=True), st.integers(0, 99))
def test_palette_is_within_rounding_of_the_best_of_all(values: list[int], seed: int) -> None:
    line = np.array(sorted(values), np.int64)
    mass = np.random.default_rng(seed).random(len(line)) + 0.1

    def error(centres: np.ndarray) -> float:
        distance = np.abs(line[:, None] - centres[None, :]).min(axis=1)
        return float((mass * distance**2).sum())

    best = min(error(np.array(c)) for c in combinations(range(-20, 21), 2))
    assert error(best_palette(line, mass, 2)) <= best + 0.25 * mass.sum()


@pytest.mark.parametrize("size", [2, 4, 8])
def test_important_inputs_pull_the_palette(size: int) -> None:
    rng = np.random.default_rng(0)
    q = rng.integers(-127, 128, (32, 32)).astype(np.int8)
    q[:, 0] = rng.integers(90, 128, 32)
    importance = np.ones(32)
    even = palettised(q, q == 200, importance, size)
    importance[0] = 1e4
    pulled = palettised(q, q == 200, importance, size)
    assert np.square(pulled[:, 0] - q[:, 0].astype(int)).sum() < (
        np.square(even[:, 0] - q[:, 0].astype(int)).sum()
    )
