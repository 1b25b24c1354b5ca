"""Phrase files, spellings, tables on the host: all spellings count alike, all faults are said."""

import itertools
from pathlib import Path

import pytest
from edgesdk.biasing.compile import check_room, compile_files, compile_phrases
from edgesdk.biasing.phrases import MAX_LINES, Phrase, read_phrases, split_source
from edgesdk.biasing.spell import TokenSet
from edgesdk.bundle import BiasSection, Bundle
from edgesdk.bundle.sections import encode_tokens
from edgesdk.core import Bias
from edgesdk.errors import BiasError
from front_sections import Search, search_section
from hypothesis import given
from hypothesis import strategies as st

LETTERS = ["<blk>", "▁", *"abcdefghijklmnopqrstuvwxyz"]
PIECES = ["<blk>", "<unk>", "▁", "▁TURN", "▁T", "UR", "N", "T", "U", "R", "▁ON", "O", "▁O"]


def _bundle(tokens: list[str], room: int = 0) -> Bundle:
    sections = {"TOKS": encode_tokens(tokens), "SRCH": search_section(Search(vocab=len(tokens)))}
    return Bundle({**sections, "BIAS": BiasSection(room).encode()}, "model.edge")


def _file(folder: Path, text: str | bytes, name: str = "phrases.txt") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_phrase_file_with_all_that_a_line_may_have(tmp_path: Path) -> None:
    text = "\ufeff# contacts\r\nzoe  park :2.5 @contacts\n\nturn on\nlamp @devices :3\n a @b c :1\n"
    phrases = read_phrases(_file(tmp_path, text), "phrases", 1.25)
    assert [(p.text, p.weight, p.table) for p in phrases] == [
        ("zoe park", 2.5, "contacts"),
        ("turn on", 1.25, "phrases"),
        ("lamp", 3.0, "devices"),
        ("a @b c", 1.0, "phrases"),
    ]
    assert phrases[1].where.endswith("phrases.txt:4")


FAULTS = {
    "no_phrases": ("# only this\n\n", "no phrases in it"),
    "too_many_lines": ("a\n" * 100_000, f"100000 lines, at most {MAX_LINES}"),
    "weight_too_large": ("a\nb :99\n", r":2: weight 99 must lie in 0\.01\.\.16"),
    "weight_negative": ("b :-1\n", "weight -1 must lie"),
    "weight_zero": ("b :0\n", "weight 0 must lie"),
    "weight_not_finite": ("b :nan\n", "weight nan must lie"),
    "weight_no_number": ("b :much\n", "':much' is no weight"),
    "class_too_long": (f"b @{'x' * 32}\n", "cannot name a table"),
    "class_with_a_slash": ("b @a/b\n", "'a/b' cannot name a table"),
    "options_only": ("a\n@c :2\n", ":2: '@c :2' has no phrase"),
    "not_utf8": (b"a\nZo\xeb\n", ":2: not UTF-8"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_phrase_file_with_a_fault_then_says_it_on_one_line(tmp_path: Path, fault: str) -> None:
    text, message = FAULTS[fault]
    with pytest.raises(BiasError, match=message) as caught:
        read_phrases(_file(tmp_path, text), "phrases")
    assert "\n" not in str(caught.value)


def test_source_names_its_table(tmp_path: Path) -> None:
    assert split_source("x/contacts.txt") == ("contacts", Path("x/contacts.txt"))
    assert split_source("home=a b.txt") == ("home", Path("a b.txt"))
    for source in ("a b.txt", "a/b=c.txt", "=c.txt"):
        with pytest.raises(BiasError, match="table"):
            split_source(source)
    with pytest.raises(BiasError, match="cannot be read"):
        read_phrases(tmp_path / "none.txt", "none")


def _all_ways(text: str, pieces: list[str]) -> list[tuple[int, ...]]:
    """Every sequence of pieces that joins to the text, by trying all cuts."""
    ways = []
    for cuts in range(len(text)):
        for inner in itertools.combinations(range(1, len(text)), cuts):
            ends = (0, *inner, len(text))
            parts = [text[a:b] for a, b in itertools.pairwise(ends)]
            if all(part in pieces for part in parts):
                ways.append(tuple(pieces.index(part) for part in parts))
    return ways


@given(st.text("▁TURNO", min_size=1, max_size=9), st.integers(1, 40))
def test_ways_to_spell_then_are_the_shortest_of_all(text: str, most: int) -> None:
    expected = sorted(_all_ways(text, PIECES), key=lambda way: (len(way), way))[:most]
    found = TokenSet(PIECES, 0).ways(text, most)
    assert [len(way) for way in found] == [len(way) for way in expected]
    assert set(found) <= set(_all_ways(text, PIECES))
    assert len(set(found)) == len(found)


def test_letters_are_folded_to_the_only_case_and_marked_words() -> None:
    assert TokenSet(LETTERS, 0).written("Turn ON") == "▁turn▁on"
    assert TokenSet(PIECES, 0).written("turn on") == "▁TURN▁ON"
    both = TokenSet(["<blk>", " ", *"abAB"], 0)
    assert both.written("aB b") == "aB b"
    assert both.unknown(both.written("aé cB")) == "éc"
    assert TokenSet(["<blk>", "s"], 0).written("ß") == "ß"  # its upper case is SS, which is unknown
    assert TokenSet(["<blk>", "<", "u", "n", "k", ">"], 0).ways("<unk>", 9) == [(1, 2, 3, 4, 5)]


def test_every_spelling_of_a_phrase_ends_with_the_same_boost() -> None:
    tokens = TokenSet(PIECES, 0)
    spellings = tokens.spellings(Phrase("turn on", 1.5, "t", "t:1"), 64)
    assert spellings[0].tokens == (PIECES.index("▁TURN"), PIECES.index("▁ON"))
    assert len(spellings) == len(_all_ways("▁TURN▁ON", PIECES)) > 10
    assert {s.boosts[-1] for s in spellings} == {2 * 3 << 15}
    assert spellings[0].boosts[0] == (2 * 3 << 15) * 5 // 8
    letters = TokenSet(LETTERS, 0).spellings(Phrase("on", 2.0, "t", "t:1"))
    assert [s.boosts for s in letters] == [(2 << 16, 4 << 16, 6 << 16)]


@pytest.mark.needs_cc
def test_every_spelling_of_a_phrase_then_gains_the_same_on_the_device() -> None:
    bundle = _bundle(PIECES)
    (table,) = compile_phrases([Phrase("turn on", 1.5, "t", "t:1")], bundle, spellings=64).tables
    for way in _all_ways("▁TURN▁ON", PIECES):
        bias, gained = Bias([table.data], len(PIECES), bundle.tokens_crc), 0
        for token in way:
            deltas = bias.deltas()
            assert deltas is not None
            gained += int(deltas[token])
            bias.step(token)
        assert gained + bias.finish() == 2 * 3 << 15


def test_default_weight_is_smaller_for_letters() -> None:
    phrase = Phrase("on", None, "t", "t:1")
    (letters,) = TokenSet(LETTERS, 0).spellings(phrase)
    assert letters.boosts[-1] == 3 * round(0.3 * 65536)
    assert TokenSet(PIECES, 0).spellings(phrase)[0].boosts == (3 << 15,)


def test_classes_make_tables_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    text = "on\nOn :3\nzoë\nlamp @devices\nnaïve ünits\n"
    compiled = compile_files([str(_file(tmp_path, text))], _bundle(LETTERS))
    assert [(t.name, t.phrases, t.nodes) for t in compiled.tables] == [
        ("phrases", 1, 4),
        ("devices", 1, 6),
    ]
    duplicate, zoe, units = compiled.warnings
    assert "phrases.txt:2: 'On' is in table phrases already" in duplicate
    assert "phrases.txt:1); the larger weight counts" in duplicate
    assert "phrases.txt:3: 'zoë' is left out: no token has 'ë'" in zoe
    assert "no token has 'ï', 'ü'" in units
    many = _file(tmp_path, "on\n" + "é\n" * 500)
    warnings = compile_files([str(many)], _bundle(LETTERS)).warnings
    assert len(warnings) == 11
    assert warnings[-1] == "490 more like these"
    strange = _file(tmp_path, "on\n" + "".join(chr(0x4E00 + i) for i in range(3000)) + "\n")
    (line,) = compile_files([str(strange)], _bundle(LETTERS)).warnings
    assert line.endswith("'万' and 2992 more")
    assert len(line) < 300


def test_page_on_one_line_then_is_left_out_at_once(tmp_path: Path) -> None:
    """Sub-words write it in more ways than memory holds: none of them may be built."""
    page = _file(tmp_path, "turn on\n" + "turn on " * 20_000 + "\n")
    (line,) = compile_files([str(page)], _bundle(PIECES), spellings=64).warnings
    assert "turn on turn on" in line
    assert "more than 128" in line
    assert len(line) < 300


def test_phrases_that_make_no_table_then_are_refused(tmp_path: Path) -> None:
    bundle = _bundle(LETTERS, 256)
    with pytest.raises(BiasError, match=r"no phrase can be used: .*:1: 'é' is left out"):
        compile_files([str(_file(tmp_path, "é\n"))], bundle)
    with pytest.raises(BiasError, match=r"no phrase can be used: .*more than 128"):
        compile_files([str(_file(tmp_path, "a" * 128 + "\n"))], bundle)
    classes = "".join(f"on @c{i}\n" for i in range(5))
    with pytest.raises(BiasError, match="5 classes"):
        compile_files([str(_file(tmp_path, classes))], bundle)
    several = _file(tmp_path, "on @a\noff @b\nturn everything off @c\n")
    compiled = compile_files([str(several)], bundle)
    needed = compiled.size_bytes
    with pytest.raises(BiasError, match=f"keeps 256 bytes for bias tables, {needed} are needed"):
        check_room(compiled, bundle)
    check_room(compiled, _bundle(LETTERS, needed))


def test_two_hundred_phrases_of_words_take_few_bytes(tmp_path: Path) -> None:
    words = ["".join(p) for p in itertools.product("abcdef", repeat=3)][:200]
    compiled = compile_files([str(_file(tmp_path, "\n".join(words)))], _bundle(LETTERS))
    (table,) = compiled.tables
    assert table.nodes == 2 + 6 + 34 + 200
    assert table.size_bytes == -(-(64 + 14 * table.nodes + 2) // 16) * 16
