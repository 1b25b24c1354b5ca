"""Error feedback: what plain least squares would move, and never a worse product for it."""

import numpy as np
import pytest
from edgesdk_converters.compress.feedback import Grid, place
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

RIDGE = 0.01


def _problem(seed: int, spread: float = 0.3) -> tuple[NDArray[np.float64], ...]:
    """Weights [rows, columns], which are zero, H of inputs and bias, values [rows, 2, n]."""
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(1, 7)), int(rng.integers(2, 12))
    x = rng.normal(0, 1, (50, columns)) @ rng.normal(0, 1, (columns, columns)) + 0.5
    ones = np.concatenate([x, np.ones((50, 1))], axis=1)
    weight = rng.normal(0, 1, (rows, columns))
    zeros = np.repeat(rng.random((1, columns)) < spread * rng.random(), rows, axis=0)
    values = np.round(rng.normal(0, 1, (rows, 2, int(rng.integers(2, 9)))), 2)
    return np.where(zeros, 0.0, weight), zeros, ones.T @ ones, values


def _obvious(
    weight: NDArray[np.float64],
    zeros: NDArray[np.bool_],
    gram: NDArray[np.float64],
    values: NDArray[np.float64],
    side: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Row by row: fix a weight, then solve the least squares of all that are not yet fixed."""
    found = np.full(weight.shape, -1)
    h = gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    for row, wanted in enumerate(np.append(weight, np.zeros((len(weight), 1)), axis=1)):
        order = [
            int(c) for c in np.argsort(-np.diag(gram)[:-1], kind="stable") if not zeros[row, c]
        ]
        now, free = wanted.copy(), [*order, len(gram) - 1]
        for column in order:
            grid = values[row, side[column]]
            found[row, column] = int(np.abs(grid - now[column]).argmin())
            now[column] = grid[found[row, column]]
            free.remove(column)
            fixed = [c for c in order if c not in free]
            moved = np.linalg.solve(
                h[np.ix_(free, free)], h[np.ix_(free, fixed)] @ (now[fixed] - wanted[fixed])
            )
            now[free] = wanted[free] - moved
    return found


@given(st.integers(0, 10_000))
def test_equals_least_squares_solved_anew_after_each_weight(seed: int) -> None:
    weight, zeros, gram, values = _problem(seed)
    side = np.random.default_rng(seed).integers(0, 2, weight.shape[1])
    made = place(weight, zeros, gram, Grid(values, side))
    assert np.array_equal(made, _obvious(weight, zeros, gram, values, side))
    assert (made[zeros] == -1).all() and (made[~zeros] >= 0).all()


def test_independent_inputs_leave_the_nearest_value() -> None:
    weight, zeros, gram, values = _problem(3, spread=0.0)
    side = np.zeros(weight.shape[1], np.int64)
    made = place(weight, zeros, np.diag(np.diag(gram)), Grid(values, side))
    nearest = np.abs(weight[:, :, None] - values[:, None, 0]).argmin(axis=2)
    assert np.array_equal(made, nearest)


def _noise(error: NDArray[np.float64], gram: NDArray[np.float64]) -> float:
    """|X error.T|^2 with the bias that leaves least."""
    columns = gram[:-1, :-1] - np.outer(gram[-1, :-1], gram[-1, :-1]) / gram[-1, -1]
    return float(np.einsum("rc,cd,rd->", error, columns, error))


@pytest.mark.parametrize("count", [4, 16])
def test_correlated_inputs_lose_less_than_by_rounding(count: int) -> None:
    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.normal(0, 1, (200, 8)) @ rng.normal(0, 1, (8, 32)) + rng.normal(0, 0.1, (200, 32))
        ones = np.concatenate([x, np.ones((200, 1))], axis=1)
        gram, weight = ones.T @ ones, rng.normal(0, 1, (16, 32))
        line = np.quantile(weight, np.linspace(0.02, 0.98, count))
        values, side = np.tile(line, (16, 1, 1)), np.zeros(32, np.int64)
        made = place(weight, np.zeros(weight.shape, bool), gram, Grid(values, side))
        nearest = np.abs(weight[:, :, None] - line).argmin(axis=2)
        ratios.append(_noise(line[made] - weight, gram) / _noise(line[nearest] - weight, gram))
    assert max(ratios) < 1.0
    assert np.median(ratios) < 0.3
