"""How many bytes a matrix takes in the image, from its values alone."""

import numpy as np
from numpy.typing import NDArray

from edgesdk_converters.compress.pattern import Pattern, zero_blocks

HEADER_BYTES = 16
_MOST_VALUES = 32
_COLUMN_BYTES = 2  # of each stored block
_PANEL_BYTES = 4  # where each row of blocks starts


def packed_bytes(q: NDArray[np.int8], tile: Pattern) -> int:
    """Bytes of the smallest packed form of int8 `q` [out, in] in tiles.

    Header, then, where it is smaller, only the tiles that are not zero with the column of each and
    the start of each row of tiles; and, where there are at most 32 values, indices of 1 to 5 bits
    and the values themselves. An edge tile is stored whole.
    """
    empty, count = zero_blocks(q, tile)
    panels = -(-q.shape[0] // tile.rows)
    bits = min(8, max(1, (len(np.unique(q)) - 1).bit_length()))
    palette = bits <= _MOST_VALUES.bit_length() - 1
    weight_bits, values = (bits, 1 << bits) if palette else (8, 0)
    sizes = []
    for tiles, index in (
        (count, 0),
        (count - empty, _COLUMN_BYTES * (count - empty) + _PANEL_BYTES * (panels + 1)),
    ):
        body = -(-tiles * tile.rows * tile.columns * weight_bits // 8)
        sizes.append(HEADER_BYTES + values + index + body)
    return min(*sizes, HEADER_BYTES + q.size)
