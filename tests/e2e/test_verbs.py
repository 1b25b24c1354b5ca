"""What each verb says when all is well."""

import json
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import CommandLine
from edgesdk.bundle import load_bundle
from edgesdk.fit import peak_of

Convert = Callable[[str], Path]
pytestmark = pytest.mark.needs_cc


def test_convert_says_what_it_did(edgesdk: CommandLine, model: Path, tmp_path: Path) -> None:
    convert = ("convert", model / "onnx", "--board", "qemu-mps3-an547", "-o", tmp_path / "made")
    document = edgesdk.ok(*convert, "--json").document
    assert list(document["graphs"]) == ["encoder", "predictor", "joiner"]
    for graph in document["graphs"].values():
        assert graph["parameters"] > 0 and graph["bytes"] > 0
        assert all(noise > 10 for noise in graph["sqnr_db"].values())
    assert sum(graph["parameters"] for graph in document["graphs"].values()) <= 500_000
    used = {use["memory"]: use for use in document["memory"]}
    assert used["ddr_model"]["used_bytes"] == document["image_bytes"]
    manifest = json.loads((tmp_path / "made" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["bundle_digest"] == document["bundle_digest"]
    assert set(manifest["sources"]) >= {"encoder.onnx", "decoder.onnx", "joiner.onnx"}
    text = edgesdk.ok(*convert).out
    assert "peak of the arena: encoder, UNIDIRECTIONAL_SEQUENCE_LSTM" in text


def test_default_recipe_is_printed_and_accepted(
    edgesdk: CommandLine, model: Path, convert: Convert, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(edgesdk.ok("convert", "--print-config").out, encoding="utf-8")
    assert tomllib.loads(recipe.read_text(encoding="utf-8"))["schema"] == 1
    made = tmp_path / "made"
    edgesdk.ok(
        *("convert", model / "onnx", "--board", "host", "--recipe", recipe, "-o", made),
        *("--calibration", model / "calibration"),
    )
    assert load_bundle(made / "model.edge").digest == load_bundle(convert("host")).digest


def test_inspect_shows_a_bundle_whole(edgesdk: CommandLine, convert: Convert) -> None:
    path = convert("host")
    document = edgesdk.ok("inspect", path, "--json").document
    bundle = load_bundle(path)
    assert document["digest"] == bundle.digest
    assert [graph["name"] for graph in document["graphs"]] == ["encoder", "predictor", "joiner"]
    encoder = document["graphs"][0]
    assert encoder["inputs"][0]["shape"] == list(bundle.graphs["encoder"].inputs[0].shape)
    assert len(encoder["operators"]) == len(bundle.graphs["encoder"].records)
    assert all(operator["tflite_operator"] for operator in encoder["operators"])
    assert sum(entry["size_bytes"] for entry in document["memory"]) == bundle.workspace_bytes
    text = edgesdk.ok("inspect", path).out
    assert "LSTM_S8" in text and "sample_rate_hz 16000" in text
    assert f"peak of the arena: {peak_of(bundle)}" in text


def test_inspect_shows_onnx_and_tflite(edgesdk: CommandLine, model: Path, convert: Convert) -> None:
    encoder = edgesdk.ok("inspect", model / "onnx" / "encoder.onnx", "--json").document
    operators = encoder["graphs"][0]["operators"]
    assert {operator["operator"] for operator in operators} >= {"LSTM"}
    assert all(operator["supported"] for operator in operators)
    tflite = edgesdk.ok("inspect", convert("host").parent / "encoder.tflite", "--json").document
    graph = tflite["graphs"][0]
    assert graph["inputs"][0]["dtype"] == "int8" and graph["inputs"][0]["scale"] > 0
    assert graph["states"]
    assert all(operator["supported"] for operator in graph["operators"])


def test_dry_run_prints_the_commands_and_builds_nothing(
    edgesdk: CommandLine, convert: Convert
) -> None:
    flash = ("flash", convert("host"), "--board", "host", "--dry-run")
    commands = [shlex.split(line) for line in edgesdk.ok(*flash).out.splitlines() if line]
    assert all(command[0].endswith("gcc") for command in commands)
    assert any("-c" in command for command in commands)
    assert commands[-1][-1].endswith("firmware.elf")
    assert edgesdk.ok(*flash, "--json").document["commands"] == [
        shlex.join(command) for command in commands
    ]
    assert edgesdk.ok("devices", "--json").document["boards"] == []


def test_flashed_board_is_listed(edgesdk: CommandLine, convert: Convert) -> None:
    assert "no device" in edgesdk.ok("devices").out
    flashed = edgesdk.ok("flash", convert("host"), "--board", "host", "--json").document
    (board,) = edgesdk.ok("devices", "--json").document["boards"]
    assert board["board"] == "host"
    assert board["bundle_digest"] == flashed["bundle_digest"]
    assert board["firmware_id"] == flashed["firmware_id"]
    assert "--board host" in edgesdk.ok("devices").out


@pytest.mark.needs_gcc
def test_firmware_with_all_kernels_is_larger_and_clang_builds_it_too(
    edgesdk: CommandLine, convert: Convert
) -> None:
    flash = ("flash", convert("host"), "--board", "qemu-mps3-an547", "--json")
    needed = edgesdk.ok(*flash).document
    everything = edgesdk.ok(*flash, "--all-kernels").document
    assert everything["firmware_bytes"] > needed["firmware_bytes"]
    clang = edgesdk.ok(*flash, "--compiler", "clang").document
    assert "clang" in clang["compiler"]
    assert clang["bundle_digest"] == needed["bundle_digest"]


def test_word_errors_are_counted_where_the_text_is_known(
    edgesdk: CommandLine, convert: Convert, model: Path, tmp_path: Path
) -> None:
    clip = sorted((model / "clips").glob("*.wav"))[0]
    heard = edgesdk.ok("emulate", convert("host"), clip, "--json").document
    assert "word_errors" not in heard
    table = tmp_path / "expected.tsv"
    table.write_text(f"file\ttext\n{clip.name}\t{heard['clips'][0]['text']} surplus\n")
    emulate = ("emulate", convert("host"), clip, "--expect", table)
    errors = edgesdk.ok(*emulate, "--json").document["word_errors"]
    assert (errors["deletions"], errors["substitutions"], errors["insertions"]) == (1, 0, 0)
    assert "word error rate" in edgesdk.ok(*emulate).out


def test_manifest_of_something_else_stops_a_run_before_it_begins(
    edgesdk: CommandLine, convert: Convert, model: Path
) -> None:
    folder = convert("host").parent
    outcome = edgesdk("run", model / "clips", "--board", "host", "--report", folder)
    assert outcome.code == 2
    assert "is no run's manifest, so it is not replaced" in outcome.error_line()
