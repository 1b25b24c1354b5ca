""".tflite files that others made: shown, converted and run."""

from pathlib import Path

import numpy as np
import pytest
from command_line import CommandLine
from edgesdk.bundle import load_bundle

pytestmark = [pytest.mark.needs_cc, pytest.mark.needs_shared]

MODELS = (
    *("ad01_int8", "hey_jarvis", "kws_ref_model", "micro_speech_quantized"),
    *("okay_nabu", "pretrainedResnet_quant", "trained_lstm_int8", "vww_96_int8"),
)


@pytest.fixture
def models(shared: Path) -> Path:
    return shared / "data" / "models"


def _random_inputs(bundle: Path, folder: Path) -> list[Path]:
    """Two steps of random values for every input."""
    generator = np.random.default_rng(3)
    paths = []
    for index, port in enumerate(load_bundle(bundle).graphs["net"].inputs):
        limits = np.iinfo(port.dtype)
        values = generator.integers(limits.min, limits.max + 1, (2, *port.shape), port.dtype)
        paths.append(folder / f"input{index}.npy")
        np.save(paths[-1], values)
    return paths


@pytest.mark.parametrize("name", MODELS)
def test_model_is_shown_converted_and_run(
    name: str, models: Path, edgesdk: CommandLine, tmp_path: Path
) -> None:
    path = models / f"{name}.tflite"
    graph, *_ = edgesdk.ok("inspect", path, "--json").document["graphs"]
    assert graph["operators"] and graph["inputs"] and graph["outputs"]
    out = tmp_path / "made"
    edgesdk.ok("convert", path, "--board", "qemu-mps3-an547", "-o", out)
    bundle = out / "model.edge"
    inputs = _random_inputs(bundle, tmp_path)
    oracle = edgesdk.ok("emulate", path, *inputs, "--json").document
    for engine in ("tflite", "core"):
        run = edgesdk.ok("emulate", bundle, *inputs, "--engine", engine, "--json").document
        assert run["steps"] == oracle["steps"]
    edgesdk.ok("flash", bundle, "--board", "host")
    given = [word for path in inputs for word in ("--input", path)]
    ran = edgesdk.ok("run", *given, "--board", "host", "--json").document
    assert ran["steps"] == oracle["steps"] and ran["device_equals_laptop"] is True
    validated = edgesdk.ok("validate", "--board", "host", "--json").document
    assert validated["equal"] is True
    assert validated["steps"] == {"net": 4}


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
@pytest.mark.parametrize("board", ["qemu-mps2-an386", "qemu-mps3-an547"])
@pytest.mark.parametrize("name", ["hey_jarvis", "okay_nabu"])
def test_model_runs_on_an_emulated_core(
    name: str, board: str, models: Path, edgesdk: CommandLine, tmp_path: Path
) -> None:
    """Whole way for two; tests/firmware holds every model to the reference on every board."""
    out = tmp_path / "made"
    edgesdk.ok("convert", models / f"{name}.tflite", "--board", board, "-o", out)
    bundle = out / "model.edge"
    inputs = _random_inputs(bundle, tmp_path)
    edgesdk.ok("flash", bundle, "--board", board)
    given = [word for path in inputs for word in ("--input", path)]
    ran = edgesdk.ok("run", *given, "--json").document
    assert ran["device_equals_laptop"] is True and len(ran["steps"]) == 2
    assert ran["costs"]["unit"] == "instructions" and min(ran["costs"]["steps"]) > 0


def test_run_says_which_inputs_a_bundle_takes(
    models: Path, edgesdk: CommandLine, tmp_path: Path
) -> None:
    out = tmp_path / "made"
    edgesdk.ok("convert", models / "hey_jarvis.tflite", "--board", "host", "-o", out)
    edgesdk.ok("flash", out / "model.edge", "--board", "host")
    inputs = _random_inputs(out / "model.edge", tmp_path)
    wrong = tmp_path / "wrong.npy"
    np.save(wrong, np.zeros((1, 3, 41), np.int8))
    cases = [
        ((), "give clips to a recogniser, or --input"),
        ((tmp_path,), "holds one graph; give it --input"),
        (("--input", inputs[0], "--logits"), "go with clips"),
        (("--input", wrong), "input 0 is [1, 3, 41]; it takes int8[1, 3, 40]"),
        (("--input", inputs[0], "--input", inputs[0]), "2 inputs given, it takes 1"),
    ]
    for arguments, message in cases:
        outcome = edgesdk("run", *arguments, "--board", "host")
        assert outcome.code == 2 and message in outcome.error_line(), outcome.err
