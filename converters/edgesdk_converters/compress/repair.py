"""Least squares of what pruning left against what the dense layer gave.

Per output row, with S the surviving inputs and the bias always among them:
minimise |Y - X_S w|^2 + ridge |w - w0|^2, w0 the pruned weights. Since w0 itself has no ridge cost,
the solution is never worse than w0 on the calibration data.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgesdk_converters.compress.layers import (
    Floats,
    Moments,
    Product,
    inputs_of,
    node_of,
    steps,
    weights_of,
)
from edgesdk_converters.graph import Array, Graph

REPAIRS = ("least-squares", "bias", "none")
_RIDGE = 0.01  # of the mean power of an input


def matching_moments(
    dense: Graph, current: Graph, product: Product, given: Sequence[Sequence[tuple[Array, ...]]]
) -> Moments:
    """Inputs that the compressed graph gives a product, against what the dense one makes of its."""
    moments = Moments.empty(product)
    weight, bias = weights_of(dense, product)
    old, new = node_of(dense, product), node_of(current, product)
    for before, after in zip(steps(dense, given), steps(current, given), strict=True):
        target = inputs_of(old, product, before) @ weight.T + bias
        moments.add(inputs_of(new, product, after), target)
    return moments


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


def corrected_bias(weight: Floats, bias: Floats, moments: Moments) -> Floats:
    """The bias that leaves no mean error."""
    if not moments.frames:
        return bias
    mean_inputs = moments.gram[-1, :-1] / moments.frames
    result: Floats = moments.cross[-1] / moments.frames - weight @ mean_inputs
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
