"""Convert, flash, run, on every board: each transcript and each logit as on the laptop."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from edgesdk.bundle import load_bundle, save_bundle

NEEDS_QEMU = [pytest.mark.needs_gcc, pytest.mark.needs_qemu]
BOARDS = [
    pytest.param("host", marks=pytest.mark.needs_cc),
    pytest.param("qemu-mps2-an386", marks=NEEDS_QEMU),
    pytest.param("qemu-mps3-an547", marks=NEEDS_QEMU),
]
OTHERS = [
    pytest.param("qemu-mps2-an505", marks=NEEDS_QEMU),
    pytest.param("qemu-netduinoplus2", marks=NEEDS_QEMU),
    pytest.param("qemu-mps2-an500", marks=NEEDS_QEMU),
    pytest.param("qemu-riscv-virt", marks=pytest.mark.needs_riscv),
]
Convert = Callable[[str], Path]


def _emulate(edgesdk: CommandLine, bundle: Path, clips: Path, engine: str) -> dict[str, Any]:
    options = ("--engine", engine, "--logits", "--json")
    return edgesdk.ok("emulate", bundle, clips, *options).document


@pytest.mark.parametrize("board", BOARDS)
def test_every_logit_of_every_clip(
    board: str, edgesdk: CommandLine, convert: Convert, model: Path, tmp_path: Path
) -> None:
    bundle, clips = convert(board), model / "clips"
    flashed = edgesdk.ok("flash", bundle, "--board", board, "--json").document
    options = ("--expect", clips / "clips.tsv", "--report", tmp_path / "report", "--logits")
    ran = edgesdk.ok("run", clips, "--board", board, *options, "--json").document
    assert ran["source"]["bundle_digest"] == flashed["bundle_digest"]
    assert ran["device_equals_laptop"] is True
    assert len(ran["clips"]) == len(list(clips.glob("*.wav")))
    for engine in ("tflite", "core"):
        for device, laptop in zip(
            ran["clips"], _emulate(edgesdk, bundle, clips, engine)["clips"], strict=True
        ):
            assert device.pop("reference", None) is not None or engine == "core"
            assert device == laptop
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    records = {record["name"]: record for record in report["records"]}
    assert records["workspace"]["note"] == "as predicted"
    assert report["correct"] is True
    assert (tmp_path / "report" / "report.html").is_file()


@pytest.mark.parametrize("board", OTHERS)
def test_every_logit_of_two_clips(
    board: str, edgesdk: CommandLine, convert: Convert, model: Path
) -> None:
    """Of boards of other cores, secure, with the model in flash, with caches on."""
    clips = sorted((model / "clips").glob("*.wav"))[:2]
    edgesdk.ok("flash", convert(board), "--board", board)
    ran = edgesdk.ok("run", *clips, "--board", board, "--json").document
    assert ran["device_equals_laptop"] is True
    assert len(ran["clips"]) == 2


@pytest.mark.parametrize("board", BOARDS)
def test_beam_of_four_with_its_lattice_on_every_clip(
    board: str, edgesdk: CommandLine, convert: Convert, model: Path, tmp_path: Path
) -> None:
    greedy, clips = load_bundle(convert(board)), model / "clips"
    sizes = {"cache": 8, "max_tokens": 256, "nbest": 4, "max_arcs": 64}
    search = dataclasses.replace(greedy.search, beam=4, prune=12.0, **sizes)
    save_bundle(greedy.with_sections(SRCH=search.encode()), tmp_path / "beam.edge")
    edgesdk.ok("flash", tmp_path / "beam.edge", "--board", board)
    ran = edgesdk.ok("run", clips, "--board", board, "--logits", "--json").document
    assert ran["device_equals_laptop"] is True
    laptop = _emulate(edgesdk, tmp_path / "beam.edge", clips, "tflite")
    assert ran["clips"] == laptop["clips"]
    assert all(1 < len(clip["nbest"]) <= 4 for clip in ran["clips"])
    assert all(clip["lattice"]["edges"] for clip in ran["clips"])
    assert sum(clip["text"] == clip["nbest"][0]["text"] for clip in ran["clips"]) == 10


@pytest.mark.parametrize("board", BOARDS)
def test_stored_samples_agree_operator_by_operator(
    board: str, edgesdk: CommandLine, convert: Convert
) -> None:
    edgesdk.ok("flash", convert(board), "--board", board)
    document = edgesdk.ok("validate", "--board", board, "--json").document
    assert document["equal"] is True
    assert document["values"] > 0


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_counts_are_the_same_each_time(
    edgesdk: CommandLine, convert: Convert, model: Path, tmp_path: Path
) -> None:
    board, clip = "qemu-mps3-an547", sorted((model / "clips").glob("*.wav"))[0]
    edgesdk.ok("flash", convert(board), "--board", board)
    reports = []
    for name in ("first", "second"):
        options = ("--report", tmp_path / name, "--trace", tmp_path / f"{name}.json")
        edgesdk.ok("run", clip, "--board", board, *options)
        report = json.loads((tmp_path / name / "report.json").read_text())
        reports.append([report[key] for key in ("records", "stages", "operators", "clips")])
    assert reports[0] == reports[1]
    compared = edgesdk.ok("compare", tmp_path / "first", tmp_path / "second", "--json").document
    assert compared["differs"] == compared["regressions"] == []
    assert {entry["verdict"] for entry in compared["metrics"]} == {"same"}
    manifest = json.loads((tmp_path / "first" / "manifest.json").read_text())
    flashed = edgesdk.state / "edgesdk" / "devices" / board / "manifest.json"
    firmware = json.loads(flashed.read_text())["files"]["firmware"]["sha256"]
    assert (manifest["clock"], manifest["firmware"]["sha256"]) == ("instructions", firmware)
    assert [entry["clip"] for entry in manifest["clips"]] == [clip.name]
    stages = {stage["stage"]: stage["cost"] for stage in reports[0][1]}
    operators = reports[0][2]
    for role in ("encoder", "predictor", "joiner"):
        assert sum(entry["cost"] for entry in operators if entry["graph"] == role) == stages[role]
    assert all(cost > 0 for cost in stages.values())
    trace = json.loads((tmp_path / "first.json").read_text())
    ends = [event["ts"] for event in trace["traceEvents"] if event["ph"] == "E"]
    assert max(ends) == pytest.approx(sum(stages.values()) / 32)
    assert "estimate" in trace["otherData"]["axis"]


@pytest.mark.needs_cc
def test_live_words_go_to_stderr_and_one_object_to_stdout(
    edgesdk: CommandLine, convert: Convert, model: Path
) -> None:
    bundle, clip = convert("host"), sorted((model / "clips").glob("*.wav"))[0]
    edgesdk.ok("flash", bundle, "--board", "host")
    for verb in (("run", clip, "--board", "host"), ("emulate", bundle, clip)):
        loud = edgesdk.ok(*verb, "--json")
        (heard,) = loud.document["clips"]
        assert heard["text"]
        assert heard["text"] in loud.err
        assert edgesdk.ok(*verb, "--json", "--quiet").err == ""


@pytest.mark.needs_cc
def test_reflashing_another_bundle_is_noticed(
    edgesdk: CommandLine, convert: Convert, model: Path, tmp_path: Path
) -> None:
    edgesdk.ok("flash", convert("host"), "--board", "host")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("schema = 1\nmax_symbols = 1\n[search]\nbeam = 4\nprune = 12\n")
    calibration = ("--calibration", model / "calibration")
    edgesdk.ok(
        *("convert", model / "onnx", *calibration, "--board", "host"),
        *("--recipe", recipe, "-o", tmp_path / "other"),
    )
    other = tmp_path / "other" / "model.edge"
    search = edgesdk.ok("inspect", other, "--json").document["search"]
    chosen = {"max_symbols": 1, "beam": 4, "prune": 12.0, "cache": 8, "nbest": 4}
    assert search.items() >= {**chosen, "max_tokens": 256, "max_arcs": 64}.items()
    outcome = edgesdk("run", model / "clips", "--board", "host", "--bundle", other)
    assert outcome.code == 6
    assert "flash it again" in outcome.error_line()
