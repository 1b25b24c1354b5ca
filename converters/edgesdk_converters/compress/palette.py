"""Few distinct int8 values: exact one-dimensional k-means, weighted by what the inputs carry."""

import numpy as np
from numpy.typing import NDArray

Int8 = NDArray[np.int8]
Int64 = NDArray[np.int64]
Floats = NDArray[np.float64]
_LEAST_MASS = 1e-12


def _interval_costs(values: Floats, mass: Floats) -> Floats:
    """Squared distance of values[first..last] to their mean, [first, last]; inf where empty."""
    count = len(values)
    sums = [np.concatenate([[0.0], np.cumsum(mass * values**power)]) for power in range(3)]
    first, end = np.arange(count)[:, None], np.arange(1, count + 1)[None, :]
    m0, m1, m2 = (s[end] - s[first] for s in sums)
    inside = end > first
    spread = m2 - m1**2 / np.where(inside, m0, 1.0)
    return np.where(inside, np.maximum(spread, 0.0), np.inf)


def best_palette(values: Int64, mass: Floats, size: int) -> Int64:
    """At most `size` integers of least mass-weighted squared distance to the sorted `values`.

    Clusters on a line are intervals, so dynamic programming over their starts is exact; centres
    are rounded afterwards. `mass` is positive.
    """
    if len(values) <= size:
        return values
    line = values.astype(np.float64)
    cost = _interval_costs(line, mass)
    best, starts = cost[0], [np.zeros(len(values), np.int64)]
    for _ in range(size - 1):
        total = np.concatenate([[np.inf], best[:-1]])[:, None] + cost
        starts.append(total.argmin(axis=0))
        best = total.min(axis=0)
    centres, stop = [], len(values)
    for start in reversed(starts):
        if not stop:
            break
        begin = int(start[stop - 1])
        centres.append(round(float(np.average(line[begin:stop], weights=mass[begin:stop]))))
        stop = begin
    return np.unique(np.array(centres, np.int64))


def _nearest(q: Int8, palette: Int64) -> Int8:
    middles = (palette[1:] + palette[:-1]) / 2.0
    return palette[np.searchsorted(middles, q.astype(np.float64))].astype(np.int8)


def palettised(q: Int8, zeros: NDArray[np.bool_], importance: Floats, size: int) -> Int8:
    """`q` [out, in] with at most `size` distinct values, 0 among them where `zeros` has any.

    `importance` [in] is the mean square of each input; weights in `zeros` stay 0.
    """
    pinned = bool(zeros.any())
    counted = ~zeros & (q != 0) if pinned else ~zeros
    if not counted.any():
        return np.where(zeros, np.int8(0), q)
    mass = np.broadcast_to(np.maximum(importance, _LEAST_MASS), q.shape)[counted]
    values, place = np.unique(q[counted].astype(np.int64), return_inverse=True)
    weight = np.bincount(place.reshape(-1), mass, len(values)).astype(np.float64)
    palette = best_palette(values, weight, size - pinned)
    if pinned:
        palette = np.union1d(palette, np.zeros(1, np.int64))
    return np.where(zeros, np.int8(0), _nearest(q, palette))


def palettised_rows(
    q: Int8, zeros: NDArray[np.bool_], importance: Floats, size: int, rows: int
) -> Int8:
    """As palettised, with a palette for every `rows` output rows (0: one for all)."""
    step = rows or len(q)
    parts = [
        palettised(q[at : at + step], zeros[at : at + step], importance, size)
        for at in range(0, len(q), step)
    ]
    return np.concatenate(parts)
