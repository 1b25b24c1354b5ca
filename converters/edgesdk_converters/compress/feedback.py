"""Weights put on a grid column by column, later columns making up for earlier ones' error.

Optimal brain quantisation in one order for all rows (Frantar et al. 2022, GPTQ, arXiv:2210.17323),
with the values of a palette as the grid. With H = X' X of what goes in, U' U = H^-1 and e the error
of column j over U_jj, the columns after j move by -e U_j: the least squares of what j lost.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesdk_converters.compress.layers import Floats

_RIDGE = 0.01  # of the mean power of an input


@dataclass(frozen=True)
class Grid:
    """The reals that each weight may take: `values` [rows, sides, n] in any order.

    `side` [columns] says which of them a column takes from.
    """

    values: Floats
    side: NDArray[np.int64]

    def nearest(self, weight: Floats, rows: NDArray[np.int64], column: int) -> NDArray[np.int64]:
        """Index of the value next to each weight [rows] of a column."""
        distance = np.abs(self.values[rows, self.side[column]] - weight[:, None])
        return np.asarray(distance.argmin(axis=1), np.int64)


def place(weight: Floats, zeros: NDArray[np.bool_], gram: Floats, grid: Grid) -> NDArray[np.int64]:
    """Index of the grid value that each weight [rows, columns] takes; -1 where it stays zero.

    `gram` [columns + 1, columns + 1] is of the inputs and the one that the bias is multiplied by,
    which is free to make up for what is left. Columns of much power come first.
    """
    found = np.full(weight.shape, -1, np.int64)
    ridge = _RIDGE * float(np.trace(gram)) / len(gram)
    supports, member = np.unique(~zeros, axis=0, return_inverse=True)
    for number, support in enumerate(supports):
        rows = np.flatnonzero(member.reshape(-1) == number)
        columns = np.flatnonzero(support)
        columns = columns[np.argsort(-np.diag(gram)[columns], kind="stable")]
        inside = np.append(columns, len(gram) - 1)
        inverse = np.linalg.inv(gram[np.ix_(inside, inside)] + ridge * np.eye(len(inside)))
        upper = np.linalg.cholesky(inverse).T
        left = weight[np.ix_(rows, columns)]
        for at, column in enumerate(columns):
            index = grid.nearest(left[:, at], rows, int(column))
            found[rows, column] = index
            error = left[:, at] - grid.values[rows, grid.side[column], index]
            left[:, at:] -= np.outer(error / upper[at, at], upper[at, at:-1])
    return found
