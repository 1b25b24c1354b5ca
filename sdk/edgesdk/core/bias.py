"""Bias tables in the C core: the automaton that the search asks."""

import ctypes
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgesdk.core.library import address, aligned_copy, aligned_zeros, load_library

Deltas = npt.NDArray[np.int32]


class Bias:
    """One hypothesis' way through up to four active tables."""

    def __init__(self, tables: Sequence[bytes], vocab: int, tokens_crc: int) -> None:
        """Open tables made for `vocab` tokens with this CRC-32 of the TOKS section.

        Raises:
            BundleError: a table is damaged or for other tokens, or there are more than four.
        """
        self._library = load_library()
        self._vocab = vocab
        self._bias, self._state = self._library.struct("bias"), self._library.struct("bias_state")
        self._opened = [self._open(data, tokens_crc) for data in tables]

    def _open(self, data: bytes, tokens_crc: int) -> npt.NDArray[np.uint8]:
        content, table = aligned_copy(data), self._library.struct("bias_table")
        check = self._library.check
        what, size = "bias table", len(data)
        at = (address(table), address(content))
        check(what, "edge_bias_table_open", *at, size, self._vocab, tokens_crc)
        check(what, "edge_binding_bias_add", address(self._bias), at[0])
        return content

    def deltas(self) -> Deltas | None:
        """What each token would add, int32 [vocab], Q16.16; None where no table is active."""
        room = aligned_zeros(4 * self._vocab).view(np.int32)
        at = (address(self._bias), address(self._state), address(room))
        active = self._library.call("edge_bias_deltas", *at, self._vocab)
        return room[: self._vocab] if active else None

    def step(self, token: int) -> None:
        """Move on by an emitted token."""
        self._library.call("edge_bias_step", address(self._bias), address(self._state), token)

    def finish(self) -> int:
        """What the end of the utterance adds, Q16.16, at most 0."""
        return int(
            self._library.call("edge_bias_finish", address(self._bias), address(self._state))
        )

    def reset(self) -> None:
        """Start a new hypothesis."""
        ctypes.memset(address(self._state), 0, self._state.size)
