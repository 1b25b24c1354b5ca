"""The torch features against kaldi-native-fbank, with the options in features.json."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
knf = pytest.importorskip("kaldi_native_fbank", reason="kaldi-native-fbank is not installed")

from features import FRAME_LENGTH, FRAME_SHIFT, fbank  # noqa: E402

SETTINGS = Path(__file__).parents[2] / "examples" / "commands" / "onnx" / "features.json"


def _reference(samples: np.ndarray) -> np.ndarray:
    settings = json.loads(SETTINGS.read_text(encoding="utf-8"))
    options = knf.FbankOptions()
    frame = options.frame_opts
    frame.samp_freq = settings["sample_rate"]
    frame.frame_length_ms = settings["frame_length_ms"]
    frame.frame_shift_ms = settings["frame_shift_ms"]
    frame.preemph_coeff = settings["preemph_coeff"]
    frame.window_type = settings["window_type"]
    frame.remove_dc_offset = settings["remove_dc_offset"]
    frame.snip_edges = settings["snip_edges"]
    frame.round_to_power_of_two = settings["round_to_power_of_two"]
    frame.dither = 0.0
    options.mel_opts.num_bins = settings["num_mel_bins"]
    options.mel_opts.low_freq = settings["low_freq"]
    options.mel_opts.high_freq = settings["high_freq"]
    options.use_energy = False
    options.use_power = settings["use_power"]
    options.energy_floor = 0.0
    computer = knf.OnlineFbank(options)
    scaled = samples.astype(np.float32) * settings["sample_scale"]
    computer.accept_waveform(settings["sample_rate"], scaled.tolist())
    computer.input_finished()
    return np.stack([computer.get_frame(i) for i in range(computer.num_frames_ready)])


def _sounds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    noise = rng.standard_normal(16000)
    time = np.arange(16000) / 16000
    return {
        "noise": noise * 3000,
        "quiet noise": noise * 3,
        "tone on an offset": 8000 * np.sin(2 * np.pi * 440 * time) + 900,
        "noise, then silence": np.where(time < 0.5, noise * 1000, 0),
    }


@pytest.mark.parametrize("name", list(_sounds()))
def test_features_equal_kaldi_native_fbank(name: str) -> None:
    samples = np.rint(_sounds()[name]).astype(np.int16)
    ours = fbank(torch.from_numpy(samples) / 32768.0).numpy()
    reference = _reference(samples)
    assert ours.shape == reference.shape
    assert np.abs(ours - reference).max() < 2e-3


def test_features_of_less_than_a_frame_are_empty() -> None:
    assert len(fbank(torch.zeros(FRAME_LENGTH - 1))) == 0
    assert len(fbank(torch.zeros(FRAME_LENGTH + FRAME_SHIFT))) == 2
