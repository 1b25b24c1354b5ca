"""Tokens to text in C, against Python's own joining."""

import struct

import front_sections
import pytest
from edgesdk.core import Tokens
from edgesdk.errors import BundleError
from edgesdk.lattice import join_tokens
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.needs_cc

PIECES = ["<blk>", "▁", "▁on", "o", "ff", "é", "日本", "a▁b", "", "\u2582"]


@given(st.lists(st.integers(0, len(PIECES) - 1), max_size=40))
def test_text_of_any_tokens_then_equals_python(ids: list[int]) -> None:
    tokens = Tokens(front_sections.tokens_section(PIECES))
    assert tokens.text(ids).strip(" ") == join_tokens(PIECES[i] for i in ids)


def test_piece_of_every_token_then_is_its_text() -> None:
    tokens = Tokens(front_sections.tokens_section(PIECES))
    assert [tokens.piece(i) for i in range(len(PIECES))] == PIECES
    for outside in (-1, len(PIECES)):
        with pytest.raises(BundleError, match="argument out of range"):
            tokens.piece(outside)


def test_text_when_the_buffer_is_full_then_leaves_out_whole_pieces() -> None:
    tokens = Tokens(front_sections.tokens_section(PIECES))
    assert tokens.text([6, 6], capacity=13) == "日本日本"
    for capacity in (12, 7, 2, 1):
        with pytest.raises(BundleError, match="memory given is too small"):
            tokens.text([6, 6], capacity=capacity)


def test_tokens_section_when_damaged_then_is_refused() -> None:
    good = front_sections.tokens_section(PIECES)
    count, size = struct.unpack_from("<II", good)
    faults = [good[:7], good[:20], good[:-1], struct.pack("<I", 0) + good[4:]]
    faults.append(struct.pack("<II", count, size - 1) + good[8:])
    faults.append(struct.pack("<I", 1 << 31) + good[4:])
    faults.append(good[:8] + struct.pack("<I", 1) + good[12:])
    faults.append(good[:12] + struct.pack("<I", 1 << 30) + good[16:])
    for damaged in faults:
        with pytest.raises(BundleError, match="TOKS: "):
            Tokens(damaged)
