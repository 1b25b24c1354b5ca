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
    validated = edgesdk.ok("validate", "--board", "host", "--json").document
    assert validated["equal"] is True
    assert validated["steps"] == {"net": 4}
