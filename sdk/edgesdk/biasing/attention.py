"""Phrases to attention tables: a key and a value each, by the bundle's catalog."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesdk.biasing.table import HEADER_BYTES, NAME_BYTES, Table
from edgesdk.bundle import Bundle
from edgesdk.bundle.layout import CATALOG, align
from edgesdk.core import Graph
from edgesdk.errors import BiasError, BundleError

MAGIC = b"ATTN"

Rows = NDArray[np.int8]  # [n, key and value]


@dataclass(frozen=True)
class Spelled:
    """The phrases of one table, each as token ids."""

    name: str
    phrases: Sequence[tuple[int, ...]]


class Catalog:
    """Keys and values of phrases; not for use by two threads at once."""

    def __init__(self, bundle: Bundle) -> None:
        """Take the catalog of a bundle with an adapter.

        Raises:
            BundleError: it has none, or its parts do not belong together.
        """
        self._graph = Graph(bundle.section(CATALOG))
        self.capacity = capacity(bundle)
        self._crc = bundle.adapter_crc
        keys = bundle.graphs["adapter"].inputs[1].shape
        self._width = keys[0] * keys[2]
        self._no_phrase = self._row_of_no_phrase(bundle)
        if [info.shape for info in self._graph.outputs] != [(1, self._width)] * 2:
            raise BundleError(
                f"{bundle.source}: its catalog does not make the keys of its adapter; "
                "convert the model again"
            )

    def _row_of_no_phrase(self, bundle: Bundle) -> Rows:
        found = bundle.meta.get("attention", {})
        key = found.get("no_phrase_key") if isinstance(found, dict) else None
        try:
            row = np.array(key, np.int8)
        except (TypeError, ValueError, OverflowError):
            row = np.zeros(0, np.int8)
        if row.shape != (self._width,):
            raise BundleError(
                f'{bundle.source}: no key for "no phrase" in section meta; convert the model again'
            )
        return np.concatenate([row, np.zeros(self._width, np.int8)])

    def row(self, tokens: Sequence[int]) -> Rows:
        """Key and value of a phrase, int8 [2 * heads * width]."""
        self._graph.reset()
        parts = list[NDArray[np.int8]]()
        for token in tokens:
            parts = self._graph.run(np.full(self._graph.inputs[0].shape, token, np.int32))
        return np.concatenate([part.reshape(-1) for part in parts])

    def table(self, spelled: Spelled) -> Table:
        """The table of some phrases, behind the row of no phrase."""
        rows = np.stack([self._no_phrase, *(self.row(tokens) for tokens in spelled.phrases)])
        size = align(HEADER_BYTES + rows.size)
        head = struct.pack(
            "<4s7I",
            *(MAGIC, size, len(rows), len(spelled.phrases), rows.shape[1], self._crc, 0, 0),
        )
        data = (head + spelled.name.encode().ljust(NAME_BYTES, b"\0") + rows.tobytes()).ljust(
            size, b"\0"
        )
        count = len(spelled.phrases)
        return Table(spelled.name, data, len(rows), count, count, "attention")


def capacity(bundle: Bundle) -> int:
    """Phrases that a bundle's adapter attends to at once; 0 without one."""
    return bundle.graphs["adapter"].inputs[1].shape[1] - 1 if bundle.has_adapter else 0


def compile_attention(tables: Sequence[Spelled], bundle: Bundle) -> tuple[Table, ...]:
    """The attention tables of some lists of phrases, which are active together.

    Raises:
        BiasError: no adapter, or more phrases than it attends to.
        BundleError: the bundle lacks its catalog.
    """
    if not bundle.has_adapter:
        raise BiasError(
            f"{bundle.source}: has no adapter, so no biasing by attention; choose --by tables, or "
            "convert a model that has adapter.onnx and catalog.onnx"
        )
    count, most = sum(len(table.phrases) for table in tables), capacity(bundle)
    if count > most:
        raise BiasError(
            f"{bundle.source}: {count} phrases, its adapter attends to {most} at once; give fewer, "
            f"choose --by tables, or convert with phrases = {count} under [attention] in the recipe"
        )
    catalog = Catalog(bundle)
    return tuple(catalog.table(table) for table in tables)
