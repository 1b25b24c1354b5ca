"""Device and laptop made to differ: where is named, figures are withheld, the exit code is 1.

The laptop's joiner gets other weights than the device's: host sections do not count in the digest
by which a device is recognised, so nothing else stands in the way.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import CommandLine
from edgesdk.bundle import Bundle, load_bundle, save_bundle
from edgesdk.bundle.layout import SAMPLES, TFLITES
from edgesdk.emulate import load_clips, make_samples
from edgesdk_converters.tflite.read import read_tflite

Convert = Callable[[str], Path]
pytestmark = pytest.mark.needs_cc


def _other_joiner(bundle: Bundle) -> Bundle:
    """The bundle with every weight of the laptop's joiner turned around."""
    data = bundle.tflite("joiner")
    (graph,) = read_tflite(data).graphs
    (layer,) = [operator for operator in graph.operators if operator.code == "FULLY_CONNECTED"]
    weights = graph.tensors[layer.inputs[1]].data
    assert weights is not None
    old = weights.tobytes()
    assert data.count(old) == 1
    return bundle.with_sections(**{TFLITES["joiner"]: data.replace(old, old[::-1])})


@pytest.fixture
def differing(convert: Convert, model: Path, edgesdk: CommandLine, tmp_path: Path) -> Path:
    """A bundle that the flashed host board passes for its own, with another joiner inside."""
    edgesdk.ok("flash", convert("host"), "--board", "host")
    bundle = _other_joiner(load_bundle(convert("host")))
    clips = load_clips(sorted((model / "calibration").glob("*.wav"))[:2], 16000)
    path = tmp_path / "differing.edge"
    save_bundle(bundle.with_sections(**{SAMPLES: make_samples(bundle, clips)}), path)
    return path


def test_run_names_the_first_logit_and_withholds_figures(
    differing: Path, edgesdk: CommandLine, model: Path, tmp_path: Path
) -> None:
    clip = sorted((model / "clips").glob("*.wav"))[0]
    options = ("--board", "host", "--bundle", differing, "--report", tmp_path / "report")
    outcome = edgesdk("run", clip, *options, "--json", "--quiet")
    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.document["device_equals_laptop"] is False
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["difference"]["clip"] == clip.name
    assert report["difference"]["place"].startswith("joiner call 0, logit ")
    assert report["difference"]["device"] != report["difference"]["laptop"]
    assert [record["name"] for record in report["records"]] == ["device == laptop"]
    assert not report["stages"] and not report["operators"] and not report["memory"]
    text = edgesdk("run", clip, *options, "--quiet").out
    assert "device == laptop: NO; first difference: " in text


def test_validate_names_the_operator_and_both_values(differing: Path, edgesdk: CommandLine) -> None:
    validate = ("validate", "--board", "host", "--bundle", differing)
    outcome = edgesdk(*validate, "--json")
    assert (outcome.code, outcome.err) == (1, "")
    difference = outcome.document["difference"]
    assert (difference["role"], difference["step"]) == ("joiner", 0)
    assert difference["operator"] == "FULLY_CONNECTED_S8"
    assert difference["device"] != difference["laptop"]
    sentence = edgesdk(*validate).out
    assert f"device {difference['device']}, laptop {difference['laptop']}" in sentence
