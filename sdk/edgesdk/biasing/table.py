"""Compiles spellings of phrases into the bytes of a bias table (docs/biasing.md)."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edgesdk.biasing.stored import Kind
from edgesdk.bundle.layout import align
from edgesdk.errors import BiasError

MAGIC = b"BIAT"
HEADER_BYTES = 64
NAME_BYTES = 32
MAX_NODES = 65535
MAX_DEPTH = 128
MAX_SCORE = 1 << 28
ONE_Q16 = 1 << 16


@dataclass(frozen=True)
class Spelling:
    """One way to write a phrase: token ids, and the boost (Q16.16) after each of them.

    Boosts ascend; the last one is what the phrase keeps.
    """

    tokens: tuple[int, ...]
    boosts: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """A compiled table and what it was made from; `data` is what a device takes.

    `nodes` of an attention table are its rows, the one for no phrase among them.
    """

    name: str
    data: bytes
    nodes: int
    phrases: int
    spellings: int
    kind: Kind = "tables"

    @property
    def size_bytes(self) -> int:
        """Bytes in a device's memory."""
        return len(self.data)


class _Trie:
    """Nodes in order of creation; node 0 is the start of all phrases."""

    def __init__(self) -> None:
        self.children: list[dict[int, int]] = [{}]
        self.unfinished = [0]  # the best boost of the phrases that go on from here
        self.kept = [0]  # the best boost of the phrases that end here

    def add(self, spelling: Spelling) -> None:
        node = 0
        for token, boost in zip(spelling.tokens[:-1], spelling.boosts[:-1], strict=True):
            node = self._child(node, token)
            self.unfinished[node] = max(self.unfinished[node], boost)
        end = self._child(node, spelling.tokens[-1])
        self.kept[end] = max(self.kept[end], spelling.boosts[-1])

    def _child(self, node: int, token: int) -> int:
        if token not in self.children[node]:
            self.children[node][token] = len(self.children)
            self.children.append({})
            self.unfinished.append(0)
            self.kept.append(0)
        return self.children[node][token]


@dataclass(frozen=True)
class _Nodes:
    """Nodes in the order of breadth-first search, as docs/biasing.md has them."""

    potential: list[int]
    value: list[int]
    first: list[int]
    token: list[int]
    fail: list[int]


def _link(trie: _Trie) -> _Nodes:
    order, token, fail, first = [0], [0], [0], []
    potential, value, kept = [0], [0], [0]
    number = {0: 0}
    for at, node in enumerate(order):  # which grows meanwhile
        first.append(len(order))
        for k, child in sorted(trie.children[node].items()):
            number[child] = len(order)
            order.append(child)
            token.append(k)
            shorter = 0
            if at:
                shorter = fail[at]
                while shorter and k not in trie.children[order[shorter]]:
                    shorter = fail[shorter]
                shorter = number.get(trie.children[order[shorter]].get(k, 0), 0)
            fail.append(shorter)
            # Where no phrase goes on, all that is at stake is what a shorter end has begun.
            goes_on = bool(trie.children[child])
            potential.append(trie.unfinished[child] if goes_on else potential[shorter])
            kept.append(trie.kept[child] + kept[shorter])
            value.append(potential[-1] + kept[-1])
    return _Nodes(potential, value, [*first, len(order)], token, fail)


def compile_table(
    name: str, spellings: Iterable[Spelling], phrases: int, vocab: int, tokens_crc: int
) -> Table:
    """The table `name` of all `spellings`, for a token set of `vocab` tokens.

    `tokens_crc` is the CRC-32 of the bundle's TOKS section; a device checks it.

    Raises:
        BiasError: a phrase of too many tokens, or too many nodes or too large sums in all.
    """
    trie, count = _Trie(), 0
    for spelling in spellings:
        if len(spelling.tokens) > MAX_DEPTH:
            raise BiasError(
                f"bias table {name}: a phrase has {len(spelling.tokens)} tokens, a table holds "
                f"{MAX_DEPTH}; shorten it"
            )
        trie.add(spelling)
        count += 1
    if len(trie.children) > MAX_NODES:
        raise BiasError(
            f"bias table {name}: {len(trie.children)} nodes, a table holds {MAX_NODES}; "
            "give fewer phrases, or other tables by @CLASS"
        )
    nodes = _link(trie)
    if max(nodes.value) > MAX_SCORE:
        raise BiasError(
            f"bias table {name}: boosts add up to {max(nodes.value) / ONE_Q16:.0f}, a table holds "
            f"{MAX_SCORE / ONE_Q16:.0f}; give smaller weights"
        )
    data = _encode(name, nodes, phrases, vocab, tokens_crc)
    return Table(name, data, len(nodes.token), phrases, count)


def _encode(name: str, nodes: _Nodes, phrases: int, vocab: int, tokens_crc: int) -> bytes:
    words = np.array([*nodes.potential, *nodes.value], "<i4").tobytes()
    halves = np.array([*nodes.first, *nodes.token, *nodes.fail], "<u2").tobytes()
    size = align(HEADER_BYTES + len(words) + len(halves))
    head = struct.pack(
        "<4s7I", MAGIC, size, len(nodes.token), phrases, vocab, tokens_crc & 0xFFFFFFFF, 0, 0
    )
    return (head + name.encode().ljust(NAME_BYTES, b"\0") + words + halves).ljust(size, b"\0")
