"""Bias tables in the C core: the automaton that a search asks, and a recogniser's tables."""

import ctypes
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from edgesdk.biasing.stored import Kind, StoredTable, StoredTables, encode_names
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


class BiasStore:
    """A recogniser's tables. Change them only between two utterances, and reset afterwards."""

    def __init__(self, at: int, what: str = "bias table") -> None:
        """The store at an address, which the caller keeps alive."""
        self._library = load_library()
        self._at = at
        self._what = what

    def _check(self, name: str, *arguments: object) -> None:
        self._library.check(self._what, f"edge_bias_store_{name}", self._at, *arguments)

    def begin(self, size: int, crc: int) -> None:
        """A table arrives."""
        self._check("begin", size, crc)

    def data(self, offset: int, data: bytes) -> None:
        """Its next piece."""
        self._check("data", offset, data, len(data))

    def end(self) -> None:
        """It is whole: check it and put it in its place."""
        self._check("end")

    def load(self, data: bytes) -> None:
        """Begin, data and end in one.

        Raises:
            BundleError: no room, or a table that is damaged or for other tokens.
        """
        self.begin(len(data), zlib.crc32(data))
        self.data(0, data)
        self.end()

    def use(self, names: Iterable[str]) -> None:
        """Make exactly these tables active.

        Raises:
            BundleError: a name is unknown or comes twice, or they are more than four.
        """
        encoded = encode_names(names)
        self._check("use", encoded, len(encoded))

    def clear(self, name: str = "") -> None:
        """Free the room of one table, or of all.

        Raises:
            BundleError: no such table in the room.
        """
        self._check("clear", name.encode(), len(name.encode()))

    @property
    def stored(self) -> StoredTables:
        """What is there."""
        room, values = (ctypes.c_uint32 * 2)(), (ctypes.c_uint32 * 7)()
        self._library.call("edge_binding_bias_room", self._at, ctypes.addressof(room))
        tables: list[StoredTable] = []
        entry = "edge_binding_bias_entry"
        while name := self._library.call(entry, self._at, len(tables), ctypes.addressof(values)):
            active, in_room, nodes, phrases, size, crc, rows = map(int, values)
            kind: Kind = "attention" if rows else "tables"
            facts = (nodes, phrases, size, crc, kind)
            tables.append(StoredTable(name.decode(), bool(active), bool(in_room), *facts))
        return StoredTables(int(room[0]), int(room[1]), tuple(tables))
