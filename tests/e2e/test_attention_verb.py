"""Biasing by attention as a user meets it: converted, sent, heard alike, and clear refusals."""

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from attention_bundle import PHRASES, RATE, noise
from command_line import CommandLine
from edgesdk.bundle import load_bundle
from tiny_attention import write_tiny_attention
from tiny_model import write_tiny_model

pytestmark = pytest.mark.needs_cc


def _wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Folder of the tiny model with its adapter, phrases and calibration clips."""
    folder = write_tiny_attention(write_tiny_model(tmp_path / "tiny"))
    (folder / "calibration").mkdir()
    for seed in range(3):
        _wav(folder / "calibration" / f"{seed}.wav", noise(0.5, seed))
    lines = "".join(f"{phrase.text}\n" for phrase in PHRASES)
    (folder / "phrases.txt").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture
def convert(edgesdk: CommandLine, source: Path, tmp_path: Path) -> Callable[..., list[object]]:
    """Arguments of a conversion of `source` by a recipe."""

    def arguments(recipe: str) -> list[object]:
        path = tmp_path / "recipe.toml"
        path.write_text(f"schema = 1\nsamples = 1\n{recipe}", encoding="utf-8")
        return ["convert", source, "--board", "host", "--recipe", path, "-o", tmp_path / "made"]

    return arguments


def test_adapter_is_converted_sent_and_heard_alike(
    edgesdk: CommandLine, convert: Callable[..., list[object]], tmp_path: Path
) -> None:
    recipe = "bias_bytes = 4096\nranges = 'minmax'\n[attention]\nphrases = 3\n"
    made = edgesdk.ok(*convert(recipe), "--json").document
    assert {"adapter", "catalog"} < set(made["graphs"])
    names = {Path(name).name for name in made["files"]}
    assert {"adapter.tflite", "catalog.tflite"} < names
    parts = {part["name"]: part["size_bytes"] for use in made["memory"] for part in use["parts"]}
    assert parts["attention tables"] == 2 * 16 * 16  # rows of 16 keys and values, int8
    bundle, clip = tmp_path / "made" / "model.edge", tmp_path / "clip.wav"
    _wav(clip, noise(0.7, 8))
    phrases = tmp_path / "names.txt"
    phrases.write_text("dean\nbell\njam\nabc\n", encoding="utf-8")
    heard = {
        by: edgesdk.ok("emulate", bundle, clip, "--bias", phrases, "--by", by, "--json").document
        for by in ("tables", "attention", "both")
    }
    assert heard["tables"]["clips"] != heard["attention"]["clips"]
    edgesdk.ok("flash", bundle, "--board", "host")
    sent = edgesdk.ok("bias", phrases, "--board", "host", "--json").document
    assert [(t["name"], t["kind"]) for t in sent["stored"]] == [
        ("names", "tables"),
        ("names", "attention"),
    ]
    for by in ("attention", "both"):
        arguments = ("--board", "host", "--bias", phrases, "--by", by, "--json")
        ran = edgesdk.ok("run", clip, *arguments).document
        assert ran["device_equals_laptop"] is True
        assert ran["clips"] == heard[by]["clips"]
    assert edgesdk.ok("validate", "--board", "host", "--json").document["steps"]["adapter"] == 2
    phrases.write_text("".join(f"{a}{b}\n" for a in "abcd" for b in "efgh"), encoding="utf-8")
    line = edgesdk("bias", phrases, "--bundle", bundle, "--check").error_line()
    assert "16 phrases, its adapter attends to 15 at once" in line
    checked = edgesdk.ok("bias", phrases, "--bundle", bundle, "--check", "--by", "tables")
    assert "tables" in checked.out


def test_phrases_are_shipped_for_attention(
    edgesdk: CommandLine, convert: Callable[..., list[object]], source: Path, tmp_path: Path
) -> None:
    arguments = convert("ranges = 'minmax'\n[attention]\nphrases = 10\n")
    phrases = source / "phrases.txt"
    edgesdk.ok(*arguments, "--phrases", phrases, "--by", "attention")
    bundle = load_bundle(tmp_path / "made" / "model.edge")
    assert [table[:4] for table in bundle.bias.tables] == [b"ATTN"]
    assert bundle.bias.room_bytes == 0


def test_what_attention_lacks_is_said_in_one_line(
    edgesdk: CommandLine, convert: Callable[..., list[object]], source: Path, tmp_path: Path
) -> None:
    def refused(recipe: str = "") -> str:
        outcome = edgesdk(*convert(recipe))
        assert outcome.code == 2
        return outcome.error_line()

    assert "attention.phrases = -1 must lie in 0..4000" in refused("[attention]\nphrases = -1\n")
    assert "key 'phrase' is unknown; did you mean 'phrases'?" in refused(
        "[attention]\nphrase = 3\n"
    )
    (source / "phrases.txt").unlink()
    assert "no phrases to calibrate with; write some, one a line, to phrases.txt" in refused()
    write_tiny_attention(source, no_phrase="1,2")
    assert "metadata no_phrase_key does not hold 16 numbers" in refused()
    write_tiny_attention(source, no_phrase=",".join(["1"] * 16))
    assert "no_phrase_key has the marks of an empty row" in refused()
    write_tiny_attention(source, mark=0.1)
    (source / "calibration" / "phrases.txt").write_text("abc\nde\n", encoding="utf-8")
    assert "export the query with a larger constant at the marks" in refused()
    (source / "catalog.onnx").unlink()
    assert "adapter.onnx is there, catalog.onnx is not; export both" in refused()
    (source / "adapter.onnx").unlink()
    edgesdk.ok(*convert("bias_bytes = 4096\n"))
    bundle = tmp_path / "made" / "model.edge"
    phrases = source / "calibration" / "phrases.txt"
    outcome = edgesdk("bias", phrases, "--bundle", bundle, "--check", "--by", "attention")
    assert "has no adapter, so no biasing by attention" in outcome.error_line()
