"""Phrases as a user meets them: shipped, loaded, switched, and heard alike on every board."""

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import CommandLine
from edgesdk.biasing.table import compile_table
from edgesdk.bundle import BiasSection, Bundle, load_bundle, save_bundle
from edgesdk.emulate import Emulator, load_clips

BOARDS = [
    pytest.param("host", marks=pytest.mark.needs_cc),
    pytest.param("qemu-mps2-an386", marks=[pytest.mark.needs_gcc, pytest.mark.needs_qemu]),
    pytest.param("qemu-mps3-an547", marks=[pytest.mark.needs_gcc, pytest.mark.needs_qemu]),
]
WORDS = [
    *("yes", "no", "stop", "one", "two", "three", "four", "five", "six", "seven", "eight"),
    *("nine", "zero", "go", "left", "right", "up", "on", "off", "down"),
]
ROOM = 32768
Convert = Callable[[str], Path]


def _with_room(bundle: Bundle, path: Path, beam: int = 1) -> Path:
    """The bundle with room for tables, and a beam."""
    sizes = {"cache": 8, "max_tokens": 256, "nbest": 4, "max_arcs": 64} if beam > 1 else {}
    search = dataclasses.replace(bundle.search, beam=beam, **sizes)
    room = BiasSection(ROOM).encode()
    save_bundle(bundle.with_sections(SRCH=search.encode(), BIAS=room), path)
    return path


def _phrases(path: Path, weight: float) -> Path:
    """200 phrases of two words; with weights that decide, so that the tables are seen to work."""
    pairs = list(itertools.islice(itertools.product(reversed(WORDS), WORDS), 200))
    path.write_text("".join(f"{a} {b} :{weight}\n" for a, b in pairs), encoding="utf-8")
    return path


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("board", BOARDS)
def test_two_hundred_phrases_are_heard_alike_on_every_board(
    board: str, beam: int, edgesdk: CommandLine, convert: Convert, model: Path, tmp_path: Path
) -> None:
    bundle = _with_room(load_bundle(convert(board)), tmp_path / "room.edge", beam)
    phrases, clips = _phrases(tmp_path / "pairs.txt", 1.5), model / "clips"
    plain = edgesdk.ok("emulate", bundle, clips, "--logits", "--json").document
    expected = edgesdk.ok(
        "emulate", bundle, clips, "--bias", phrases, "--logits", "--json"
    ).document
    texts = [[clip["text"] for clip in document["clips"]] for document in (plain, expected)]
    assert texts[0] != texts[1]  # so strong a table leaves its mark
    edgesdk.ok("flash", bundle, "--board", board)
    options = ("--board", board, "--bias", phrases, "--logits", "--json")
    ran = edgesdk.ok("run", clips, *options, "--report", tmp_path / "report").document
    assert ran["device_equals_laptop"] is True
    assert ran["clips"] == expected["clips"]
    bias = json.loads((tmp_path / "report" / "report.json").read_text())["bias"]
    (table,) = bias["tables"]
    assert (table["kind"], table["phrases"], table["active"]) == ("tables", 200, True)
    assert bias["used_bytes"] == table["size_bytes"] <= bias["room_bytes"]


@pytest.mark.needs_cc
@pytest.mark.parametrize("beam", [1, 4])
def test_room_and_a_table_of_no_phrases_change_no_bit(
    beam: int, convert: Convert, model: Path, tmp_path: Path
) -> None:
    plain = load_bundle(convert("host"))
    roomy = load_bundle(_with_room(plain, tmp_path / "room.edge", beam))
    without = plain.with_sections(SRCH=roomy.search.encode())
    empty = compile_table("none", [], 0, len(plain.tokens), plain.tokens_crc).data
    clips = load_clips(sorted((model / "clips").glob("*.wav")), plain.features.sample_rate_hz)
    expected, *others = (
        [emulator.recognise(clip, keep_logits=True).document() for clip in clips]
        for emulator in (
            Emulator(without, "core"),
            Emulator(roomy, "core"),
            Emulator(roomy, "core", [empty]),
        )
    )
    assert others == [expected, expected]


@pytest.mark.needs_cc
def test_bias_loads_lists_checks_and_switches(
    edgesdk: CommandLine, convert: Convert, tmp_path: Path
) -> None:
    bundle = _with_room(load_bundle(convert("host")), tmp_path / "room.edge")
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("go left :0.5\nstop @dialog\nSTOP @dialog\nno é\n", encoding="utf-8")
    checked = edgesdk.ok("bias", phrases, "--bundle", bundle, "--check", "--json")
    first, second = checked.document["tables"]
    assert (first["name"], first["phrases"], first["nodes"]) == ("phrases", 1, 9)
    assert (second["name"], second["phrases"], second["nodes"]) == ("dialog", 1, 6)
    assert checked.document["room_bytes"] == ROOM
    assert "phrases.txt:4: 'no é' is left out: no token has 'é'" in checked.err
    assert "is in table dialog already" in checked.err
    edgesdk.ok("flash", bundle, "--board", "host")
    loaded = edgesdk.ok("bias", phrases, "--board", "host", "--use", "dialog", "--json").document
    stored = {table["name"]: table["active"] for table in loaded["stored"]}
    assert stored == {"phrases": False, "dialog": True}
    assert all(table["transfer_s"] > 0 for table in loaded["tables"])
    text = edgesdk.ok("bias", f"home={phrases}", "--board", "host").out
    assert "home (tables): replaced in " in text and "ms on this computer's clock" in text
    assert edgesdk.ok("bias", "--list", "--board", "host", "--json").document["stored"] == []
    edgesdk.ok("bias", "--clear", "--board", "host")


@pytest.mark.needs_cc
def test_bias_with_wrong_words_then_says_so_on_one_line(
    edgesdk: CommandLine, convert: Convert, tmp_path: Path
) -> None:
    bundle, plain = (
        _with_room(load_bundle(convert("host")), tmp_path / "room.edge"),
        convert("host"),
    )
    edgesdk.ok("flash", bundle, "--board", "host")
    phrases = tmp_path / "p.txt"
    cases = [
        (("--board", "host"), "", "nothing to do"),
        (("--check",), "", "nothing to do"),
        ((phrases, "--bundle", plain, "--check"), "go\n", "keeps 0 bytes for bias tables"),
        ((phrases, "--board", "host"), "# none\n", "no phrases in it"),
        ((phrases, "--board", "host"), "go\n" * 100_000, "100000 lines, at most 20000"),
        ((phrases, "--board", "host"), "go :40\n", "weight 40 must lie in"),
        ((phrases, "--board", "host", "--weight", "0"), "go\n", "--weight: weight 0 must lie"),
        ((phrases, "--board", "host"), "é\n", "no phrase can be used"),
        ((tmp_path / "none.txt", "--board", "host"), "", "cannot be read"),
        (("--use", "x", "--board", "host"), "", "refused BIAS_USE"),
        ((phrases, "--port", "socket://127.0.0.1:9"), "go\n", "name its bundle with --bundle"),
    ]
    for arguments, text, message in cases:
        phrases.write_text(text, encoding="utf-8")
        outcome = edgesdk("bias", *arguments)
        assert outcome.code in (2, 6)
        assert message in outcome.error_line()


@pytest.mark.needs_cc
def test_phrases_in_the_recipe_and_the_bundle(
    edgesdk: CommandLine, model: Path, tmp_path: Path
) -> None:
    recipe, phrases = tmp_path / "recipe.toml", tmp_path / "words.txt"
    recipe.write_text("schema = 1\nbias_bytes = 1000\n", encoding="utf-8")
    phrases.write_text("go left\nstop\nnope é\n", encoding="utf-8")
    arguments = ("--calibration", model / "calibration", "--board", "host", "--recipe", recipe)
    made = edgesdk.ok(
        *("convert", model / "onnx", *arguments, "--phrases", phrases),
        *("-o", tmp_path / "made", "--json"),
    ).document
    assert any("is left out" in note for note in made["notes"])
    assert any("bias tables in the bundle: words: 2 phrases" in note for note in made["notes"])
    bundle = load_bundle(tmp_path / "made" / "model.edge")
    assert (bundle.bias.room_bytes, len(bundle.bias.tables)) == (1008, 1)
    parts = {part["name"]: part["size_bytes"] for use in made["memory"] for part in use["parts"]}
    assert parts["bias tables"] == 1008
    edgesdk.ok("flash", tmp_path / "made" / "model.edge", "--board", "host")
    ran = edgesdk.ok("run", model / "clips" / "02_stop.wav", "--board", "host", "--json").document
    assert ran["device_equals_laptop"] is True
    (stored,) = edgesdk.ok("bias", "--list", "--board", "host", "--json").document["stored"]
    assert (stored["name"], stored["active"], stored["in_room"]) == ("words", True, False)
