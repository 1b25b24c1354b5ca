"""Least squares of what pruning left against what the dense layer gave.

Per output row, with S the surviving inputs and the bias always among them:
minimise |Y - X_S w|^2 + ridge |w - w0|^2, w0 the pruned weights. Since w0 itself has no ridge cost,
the solution is never worse than w0 on the calibration data.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgesdk_converters.compress.layers import Floats, Moments

REPAIRS = ("least-squares", "bias", "none")
_RIDGE = 0.01  # of the mean power of an input
Spans = Sequence[tuple[int, int]]


def loss(weight: Floats, bias: Floats, moments: Moments) -> float:
    """|Y - X W.T - b|^2 over the calibration frames."""
    full = np.concatenate([weight, bias[:, None]], axis=1)
    fitted = np.einsum("rc,cd,rd->", full, moments.gram, full, optimize=True)
    return float(moments.energy - 2.0 * np.einsum("rc,cr->", full, moments.cross) + fitted)


def least_squares(
    weight: Floats, bias: Floats, mask: NDArray[np.bool_], moments: Moments
) -> tuple[Floats, Floats]:
    """W and b refitted inside `mask`; rows of one support are solved together."""
    start = np.concatenate([np.where(mask, weight, 0.0), bias[:, None]], axis=1)
    result = start.copy()
    allowed = np.concatenate([mask, np.ones((len(mask), 1), np.bool_)], axis=1)
    ridge = _RIDGE * float(np.trace(moments.gram)) / len(moments.gram)
    supports, member = np.unique(allowed, axis=0, return_inverse=True)
    for number, support in enumerate(supports):
        rows = np.flatnonzero(member.reshape(-1) == number)
        inside = np.flatnonzero(support)
        gram = moments.gram[np.ix_(inside, inside)] + ridge * np.eye(len(inside))
        right = moments.cross[np.ix_(inside, rows)] + ridge * start[np.ix_(rows, inside)].T
        result[np.ix_(rows, inside)] = np.linalg.solve(gram, right).T
    return result[:, :-1], result[:, -1]


def removal_costs(
    weight: Floats, mask: NDArray[np.bool_], moments: Moments, bands: Spans, blocks: Spans
) -> Floats:
    """How much |Y - X W.T|^2 grows at least when a block goes and its rows are refitted.

    Per weight [rows, columns], evenly over its block; 0 where nothing is left. `bands` are rows
    and `blocks` columns of blocks, and rows of one band have one support. For a block B of a row w
    with H = X_S^T X_S + ridge it is w_B^T (H^-1_BB)^-1 w_B (optimal brain surgeon).
    """
    ridge = _RIDGE * float(np.trace(moments.gram)) / len(moments.gram)
    costs = np.zeros(weight.shape)
    support, inverse = np.zeros(0, np.bool_), np.zeros((0, 0))
    for top, bottom in bands:
        allowed = np.append(mask[top:bottom].any(axis=0), True)
        inside = np.flatnonzero(allowed)
        if not np.array_equal(allowed, support):
            gram = moments.gram[np.ix_(inside, inside)] + ridge * np.eye(len(inside))
            support, inverse = allowed, np.linalg.inv(gram)
        place = np.cumsum(allowed) - 1
        for left, right in blocks:
            if not allowed[left:right].any():
                continue
            columns = np.arange(left, right)[allowed[left:right]]
            at = place[columns]
            w = weight[top:bottom, columns]
            cost = float(np.sum(w * np.linalg.solve(inverse[np.ix_(at, at)], w.T).T))
            costs[top:bottom, left:right] = cost / ((bottom - top) * (right - left))
    return costs


def corrected_bias(weight: Floats, bias: Floats, moments: Moments) -> Floats:
    """The bias that leaves no mean error."""
    if not moments.frames:
        return bias
    result: Floats = moments.cross[-1] / moments.frames - weight @ moments.means
    return result


def repaired(
    weight: Floats, bias: Floats, mask: NDArray[np.bool_], moments: Moments, method: str
) -> tuple[Floats, Floats]:
    """Pruned weights and bias after one of REPAIRS."""
    pruned = np.where(mask, weight, 0.0)
    if method == "least-squares":
        return least_squares(weight, bias, mask, moments)
    if method == "bias":
        return pruned, corrected_bias(pruned, bias, moments)
    return pruned, bias
