"""Validation: silent where device and laptop agree, and it names the operator where they part."""

import dataclasses
import wave

import numpy as np
import pytest
from edgesdk.board import load_board
from edgesdk.bundle import Bundle
from edgesdk.bundle.layout import GRAPHS
from edgesdk.cli.conversion import convert_folder
from edgesdk.errors import BundleError, WireError
from edgesdk.link.device import Device
from edgesdk.link.validate import validate
from edgesdk.recipe import Recipe
from small_bundle import recogniser_bundle
from tiny_model import write_tiny_model

RATE = 16000


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small LSTM transducer with random weights, and the samples that conversion stores."""
    folder = tmp_path_factory.mktemp("tiny")
    clips = folder / "calibration"
    clips.mkdir()
    rng = np.random.default_rng(9)
    for number in range(2):
        samples = (rng.normal(0, 2000, RATE) * np.hanning(RATE)).astype("<i2")
        with wave.open(str(clips / f"{number}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(samples.tobytes())
    return convert_folder(write_tiny_model(folder), clips, Recipe(), load_board("host")).bundle


def _tampered(bundle: Bundle, role: str, op: int) -> Bundle:
    """The weights of one operator, complemented."""
    plan = bundle.graphs[role]
    refs = plan.records[op].refs()
    ref = refs.get("weights") or refs["input_weights[0]"]
    constants = bytearray(plan.constants)
    for at in range(ref.offset, ref.offset + 64):
        constants[at] ^= 0xFF
    changed = dataclasses.replace(plan, constants=bytes(constants))
    return bundle.with_sections(**{GRAPHS[role]: changed.encode()})


def test_samples_agree_on_every_board(device: Device, bundle: Bundle) -> None:
    device.load(bundle.device_bytes())
    seen: list[tuple[str, int, int]] = []
    result = validate(device, bundle, lambda *step: seen.append(step))
    assert result.equal
    assert set(result.steps) == {"encoder", "predictor", "joiner"}
    assert len(seen) == sum(result.steps.values()) > 20
    assert result.document()["difference"] is None


def _weighted(bundle: Bundle, role: str) -> list[int]:
    records = bundle.graphs[role].records
    return [i for i, r in enumerate(records) if {"weights", "input_weights[0]"} & set(r.refs())]


@pytest.mark.parametrize("role", ["encoder", "predictor", "joiner"])
def test_first_operator_that_parts_is_named(
    role: str, device: Device, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "check_bundle", lambda digest: None)
    for op in _weighted(bundle, role):
        device.load(_tampered(bundle, role, op).device_bytes())
        found = validate(device, bundle).difference
        assert found is not None
        assert (found.role, found.op) == (role, op)
        assert found.device != found.laptop
        named = bundle.debug[role]["ops"][op]
        assert (found.operator, found.tensor) == (named["op"], named["tensor"])
        assert f"device {found.device}, laptop {found.laptop}" in found.sentence()


def test_another_bundle_on_the_device_is_refused(device: Device, bundle: Bundle) -> None:
    device.load(recogniser_bundle().device_bytes())
    with pytest.raises(WireError, match=r"runs bundle \w+, not \w+; flash it again"):
        validate(device, bundle)


def test_bundle_without_samples_is_refused(device: Device) -> None:
    bare = recogniser_bundle()
    device.load(bare.device_bytes())
    with pytest.raises(BundleError, match="no section smpl"):
        validate(device, bare)
