"""Block patterns of zeros in a matrix [out, in]: R x C blocks, or N of M in a row."""

import re
from dataclasses import dataclass

import numpy as np
from edgesdk.errors import ConvertError
from numpy.typing import NDArray

_BLOCK = re.compile(r"([1-9]\d?)x([1-9]\d?)")
_SHARE = re.compile(r"([1-9]\d?):([1-9]\d?)")


@dataclass(frozen=True)
class Pattern:
    """Blocks of `rows` x `columns` that stand or go whole.

    With `keep` the block is one row of `columns` weights of which the best `keep` stay.
    """

    rows: int
    columns: int
    keep: int = 0

    def __str__(self) -> str:
        return f"{self.keep}:{self.columns}" if self.keep else f"{self.rows}x{self.columns}"

    @property
    def fixed_level(self) -> float | None:
        """The only sparsity of an N:M pattern."""
        return 1.0 - self.keep / self.columns if self.keep else None


def parse_pattern(text: str) -> Pattern:
    """The pattern that a recipe names: "8x16" (rows x columns) or "2:4".

    Raises:
        ConvertError: it is neither.
    """
    block, share = _BLOCK.fullmatch(text), _SHARE.fullmatch(text)
    if block:
        return Pattern(int(block[1]), int(block[2]))
    if share and int(share[1]) < int(share[2]):
        return Pattern(1, int(share[2]), int(share[1]))
    raise ConvertError(
        f"block pattern {text!r} is neither ROWSxCOLUMNS nor N:M with N < M (up to 99); "
        "write 8x16, 4x4, 1x16 or 2:4"
    )


def _cut(matrix: NDArray[np.float64], pattern: Pattern) -> NDArray[np.float64]:
    """[block rows, block columns, rows, columns], filled with zeros at the far edges."""
    height, width = matrix.shape
    full = np.pad(matrix, ((0, -height % pattern.rows), (0, -width % pattern.columns)))
    blocks = full.reshape(
        full.shape[0] // pattern.rows, pattern.rows, full.shape[1] // pattern.columns, -1
    )
    return blocks.transpose(0, 2, 1, 3)


def block_scores(scores: NDArray[np.float64], pattern: Pattern) -> NDArray[np.float64]:
    """What dropping each block costs: the sum of its weights' scores [block rows, columns]."""
    total: NDArray[np.float64] = _cut(scores, pattern).sum(axis=(2, 3))
    return total


def spread(kept: NDArray[np.bool_], pattern: Pattern, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask of weights from one of blocks; blocks at the edges are smaller."""
    rows = np.repeat(kept, pattern.rows, axis=0)
    return np.repeat(rows, pattern.columns, axis=1)[: shape[0], : shape[1]]


def best_of_rows(scores: NDArray[np.float64], pattern: Pattern) -> NDArray[np.bool_]:
    """The mask of an N:M pattern: the best N of every M; of equal ones the first."""
    blocks = _cut(scores, pattern)[:, :, 0]
    rank = np.argsort(np.argsort(-blocks, axis=2, kind="stable"), axis=2, kind="stable")
    mask = (rank < pattern.keep).reshape(blocks.shape[0], -1)
    return np.ascontiguousarray(mask[:, : scores.shape[1]])


def masks_of_level(
    scores: list[NDArray[np.float64]], pattern: Pattern, level: float
) -> list[NDArray[np.bool_]]:
    """Masks of matrices pruned together: floor(level x blocks) blocks go, the cheapest first.

    An N:M pattern has its own level wherever `level` is not 0.
    """
    if level == 0.0:
        return [np.ones(matrix.shape, np.bool_) for matrix in scores]
    if pattern.keep:
        return [best_of_rows(matrix, pattern) for matrix in scores]
    blocks = [block_scores(matrix, pattern) for matrix in scores]
    flat = np.concatenate([b.reshape(-1) for b in blocks])
    kept = np.ones(flat.size, np.bool_)
    kept[np.argsort(flat, kind="stable")[: int(level * flat.size + 1e-9)]] = False
    pieces = np.split(kept, np.cumsum([b.size for b in blocks])[:-1])
    return [
        spread(piece.reshape(b.shape), pattern, (matrix.shape[0], matrix.shape[1]))
        for piece, b, matrix in zip(pieces, blocks, scores, strict=True)
    ]


def zero_blocks(matrix: NDArray[np.generic], pattern: Pattern) -> tuple[int, int]:
    """How many blocks hold only zeros, and how many there are."""
    filled = block_scores(np.asarray(matrix != 0, np.float64), pattern)
    return int((filled == 0).sum()), filled.size
