"""Bias tables in C against a search over all ends of a history, which needs no automaton."""

import itertools
import struct
from collections.abc import Sequence

import numpy as np
import pytest
from edgesdk.biasing.table import HEADER_BYTES, MAX_DEPTH, MAX_NODES, Spelling, compile_table
from edgesdk.core import Bias
from edgesdk.errors import BiasError, BundleError
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.needs_cc

CRC = 0xDEADBEEF


def _even(tokens: Sequence[int], weight: int = 3 << 15) -> Spelling:
    return Spelling(tuple(tokens), tuple(weight * (i + 1) for i in range(len(tokens))))


def _table(spellings: Sequence[Spelling], vocab: int, name: str = "phrases") -> bytes:
    return compile_table(name, spellings, len(spellings), vocab, CRC).data


class _Oracle:
    """The longest end of the history that a phrase goes on from is what is at stake."""

    def __init__(self, spellings: Sequence[Spelling]) -> None:
        self.whole: dict[tuple[int, ...], int] = {}
        self.begun: dict[tuple[int, ...], int] = {}
        for it in spellings:
            self.whole[it.tokens] = max(self.whole.get(it.tokens, 0), it.boosts[-1])
            for size in range(1, len(it.tokens)):
                head = it.tokens[:size]
                self.begun[head] = max(self.begun.get(head, 0), it.boosts[size - 1])

    def at_stake(self, history: tuple[int, ...]) -> int:
        ends = (history[-size:] for size in range(min(len(history), MAX_DEPTH), 0, -1))
        return next((self.begun[end] for end in ends if end in self.begun), 0)

    def delta(self, history: tuple[int, ...], token: int) -> int:
        after = (*history, token)[-MAX_DEPTH:]
        kept = sum(self.whole.get(after[-size:], 0) for size in range(1, len(after) + 1))
        return self.at_stake(after) - self.at_stake(history) + kept


def _agree(sets: Sequence[Sequence[Spelling]], vocab: int, tokens: Sequence[int]) -> None:
    """All deltas at every step of `tokens`, their sum, and the refund at the end."""
    tables = [_table(spellings, vocab, f"t{i}") for i, spellings in enumerate(sets)]
    bias, oracles = Bias(tables, vocab, CRC), [_Oracle(spellings) for spellings in sets]
    history: tuple[int, ...] = ()
    for token in [*tokens, 0]:
        deltas = bias.deltas()
        assert deltas is not None
        expected = [sum(o.delta(history, k) for o in oracles) for k in range(min(vocab, 16))]
        assert deltas[:16].tolist() == expected
        assert np.all(deltas[16:] == bias.finish())  # tokens that no phrase here has
        assert bias.finish() == -sum(o.at_stake(history) for o in oracles) <= 0
        bias.step(token)
        history = (*history, token)


@st.composite
def _cases(draw: st.DrawFn) -> tuple[list[list[Spelling]], int, list[int]]:
    vocab = draw(st.sampled_from([2, 3, 4, 9]))
    token = st.integers(0, vocab - 1)

    def spelling(tokens: list[int]) -> st.SearchStrategy[Spelling]:
        steps = st.lists(st.integers(1, 1 << 18), min_size=len(tokens), max_size=len(tokens))
        return steps.map(lambda s: Spelling(tuple(tokens), tuple(itertools.accumulate(s))))

    one = st.lists(token, min_size=1, max_size=6).flatmap(spelling)
    sets = draw(st.lists(st.lists(one, max_size=8), min_size=1, max_size=4))
    return sets, vocab, draw(st.lists(token, max_size=25))


@settings(max_examples=300)
@given(_cases())
def test_deltas_of_any_phrases_and_tokens_then_equal_a_search_over_all_ends(
    case: tuple[list[list[Spelling]], int, list[int]],
) -> None:
    _agree(*case)


NAMED = {
    "one phrase": [_even([1, 2, 3])],
    "one token": [_even([5])],
    "nested": [_even([1, 2]), _even([1, 2, 3]), _even([1, 2, 3, 1, 2, 3])],
    "suffixes": [_even([1, 2, 3, 4]), _even([2, 3, 4], 7), _even([3, 4], 9), _even([4], 11)],
    "repeats": [_even([1] * 12), _even([1, 1, 2]), _even([1])],
    "twice": [_even([1, 2], 5), _even([1, 2], 9), _even([1, 2, 3], 2)],
    "none": [],
}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("vocab", [7, 4096])
def test_deltas_of_phrases_that_overlap_then_equal_the_search(name: str, vocab: int) -> None:
    rng = np.random.default_rng(vocab)
    stream = [1, 2, 3, 1, 2, 3, 4, 1, 1, 1, 2, 5, 3, 4, *[1] * 14, *rng.integers(0, 6, 8).tolist()]
    _agree([NAMED[name]], vocab, stream)


def test_whole_phrase_then_keeps_its_boost_and_costs_the_next_token_nothing() -> None:
    bias = Bias([_table([_even([1, 2, 3], 10)], 8)], 8, CRC)
    gains = []
    for token in (1, 2, 3, 7, 1, 7):
        deltas = bias.deltas()
        assert deltas is not None
        gains.append(int(deltas[token]))
        bias.step(token)
    assert gains == [10, 10, 10, 0, 10, -10]
    assert bias.finish() == 0


def test_bias_without_tables_then_leaves_the_deltas_alone() -> None:
    bias = Bias([], 5, CRC)
    assert bias.deltas() is None
    bias.step(3)
    assert bias.finish() == 0


def test_table_of_all_nodes_that_fit_then_opens_and_agrees() -> None:
    vocab, length = 4096, 127
    rng = np.random.default_rng(1)
    heads = rng.permutation(vocab)[: (MAX_NODES - 1) // length]
    bodies = rng.integers(0, vocab, (len(heads), length - 1))
    spellings = [_even([int(h), *body.tolist()], 9) for h, body in zip(heads, bodies, strict=True)]
    used = {int(h) for h in heads}
    spare = [k for k in range(vocab) if k not in used]
    missing = MAX_NODES - 1 - length * len(heads)
    spellings += [_even([k], 5) for k in spare[:missing]]
    table = compile_table("large", spellings, len(spellings), vocab, CRC)
    assert table.nodes == MAX_NODES
    bias, oracle = Bias([table.data], vocab, CRC), _Oracle(spellings)
    history: tuple[int, ...] = ()
    for token in [*spellings[-missing - 1].tokens, *spellings[0].tokens[:60], 3]:
        deltas = bias.deltas()
        assert deltas is not None
        for k in {token, spare[0], *rng.integers(0, vocab, 4).tolist()}:
            assert deltas[k] == oracle.delta(history, k)
        bias.step(token)
        history = (*history, token)
    with pytest.raises(BiasError, match="65536 nodes"):
        compile_table("large", [*spellings, _even([spare[missing]])], 1, vocab, CRC)


def test_phrase_that_is_too_long_or_weighs_too_much_then_is_refused() -> None:
    _agree([[_even([1] * MAX_DEPTH, 3)]], 2, [1] * 5)
    with pytest.raises(BiasError, match="129 tokens"):
        _table([_even([1] * (MAX_DEPTH + 1))], 2)
    with pytest.raises(BiasError, match="smaller weights"):
        _table([_even([1] * 100, 1 << 24)], 2)


def _damaged(table: bytes, at: int, form: str, value: int) -> bytes:
    data = bytearray(table)
    struct.pack_into(form, data, at, value)
    return bytes(data)


def test_table_with_a_bad_field_then_is_refused() -> None:
    spellings = [_even([1, 2, 3]), _even([2, 3]), _even([3])]
    good = _table(spellings, 6)
    nodes = struct.unpack_from("<I", good, 8)[0]
    first = HEADER_BYTES + 8 * nodes
    token, fail = first + 2 * (nodes + 1), first + 2 * (2 * nodes + 1)
    bad = {
        "magic": _damaged(good, 0, "<I", 1),
        "size": _damaged(good, 4, "<I", len(good) + 16),
        "no nodes": _damaged(good, 8, "<I", 0),
        "too many nodes": _damaged(good, 8, "<I", 65536),
        "reserved": _damaged(good, 24, "<I", 1),
        "name": _damaged(good, 32, "<B", 7),
        "no name": _damaged(good, 32, "<B", 0),
        "endless name": good[:32] + b"a" * 32 + good[64:],
        "tail": good[:-1] + b"\x01",
        "negative": _damaged(good, HEADER_BYTES + 4, "<i", -1),
        "start worth": _damaged(good, HEADER_BYTES + 4 * nodes, "<i", 1),
        "value": _damaged(good, HEADER_BYTES + 4 * nodes + 4, "<i", (1 << 28) + 1),
        "value below potential": _damaged(good, HEADER_BYTES + 4 * nodes + 4, "<i", 0),
        "range": _damaged(good, first + 2, "<H", 0),
        "range end": _damaged(good, first + 2 * nodes, "<H", nodes + 1),
        "token": _damaged(good, token + 2, "<H", 6),
        "order": _damaged(good, token + 4, "<H", 1),
        "start's link": _damaged(good, fail, "<H", 1),
        "child's link": _damaged(good, fail + 2, "<H", 1),
        "long link": _damaged(good, fail + 2 * (nodes - 1), "<H", nodes - 1),
        "other link": _damaged(good, fail + 2 * (nodes - 1), "<H", 0),
    }
    Bias([good], 6, CRC)
    for name, data in bad.items():
        with pytest.raises(BundleError, match="bias table: "):
            Bias([data], 6, CRC)
            pytest.fail(name)
    for size in (0, 63, len(good) - 1):
        with pytest.raises(BundleError, match="ends before"):
            Bias([good[:size]], 6, CRC)
    for vocab, crc in ((5, CRC), (6, CRC ^ 1)):
        with pytest.raises(BundleError, match="tokens of another model"):
            Bias([good], vocab, crc)
