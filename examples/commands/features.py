"""Kaldi log-mel features in torch, with the two warps that training uses as augmentation."""

import math
from functools import lru_cache

import torch

SAMPLE_RATE = 16000
FRAME_LENGTH = 400
FRAME_SHIFT = 160
FFT_LENGTH = 512
NUM_BINS = 40
LOW_FREQ = 20.0
HIGH_FREQ = -400.0
PREEMPH = 0.97
TAIL_PADDING_MS = 400
_LOG_FLOOR = 1.1920928955078125e-07


def features_config(mean: torch.Tensor, inv_std: torch.Tensor) -> dict[str, object]:
    """Return the content of features.json, the contract with the device's front end."""
    return {
        "kind": "kaldi-fbank",
        "sample_rate": SAMPLE_RATE,
        "num_mel_bins": NUM_BINS,
        "frame_length_ms": 25.0,
        "frame_shift_ms": 10.0,
        "low_freq": LOW_FREQ,
        "high_freq": HIGH_FREQ,
        "preemph_coeff": PREEMPH,
        "window_type": "povey",
        "remove_dc_offset": True,
        "snip_edges": True,
        "round_to_power_of_two": True,
        "use_power": True,
        "sample_scale": 1.0 / 32768.0,
        "mean": [round(float(v), 6) for v in mean],
        "inv_std": [round(float(v), 6) for v in inv_std],
        "tail_padding_ms": TAIL_PADDING_MS,
    }


def _mel(freq: torch.Tensor) -> torch.Tensor:
    return 1127.0 * torch.log1p(freq / 700.0)


def _warp(freq: torch.Tensor, factor: float) -> torch.Tensor:
    """Scale frequencies by `factor` up to a knee, then linearly so that Nyquist stays put."""
    nyquist = SAMPLE_RATE / 2
    knee = 0.7 * nyquist / max(factor, 1.0)
    slope = (nyquist - factor * knee) / (nyquist - knee)
    return torch.where(freq <= knee, factor * freq, nyquist - slope * (nyquist - freq))


@lru_cache(maxsize=128)
def mel_bank(warp: float = 1.0) -> torch.Tensor:
    """Return the Kaldi mel filters [257, 40]; `warp` != 1 moves formants (VTLP)."""
    edges = _mel(torch.tensor([LOW_FREQ, SAMPLE_RATE / 2 + HIGH_FREQ], dtype=torch.float64))
    corners = torch.linspace(float(edges[0]), float(edges[1]), NUM_BINS + 2, dtype=torch.float64)
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    bins = torch.arange(FFT_LENGTH // 2 + 1, dtype=torch.float64) * SAMPLE_RATE / FFT_LENGTH
    mel = _mel(_warp(bins, warp))[:, None]
    bank = torch.minimum((mel - left) / (centre - left), (right - mel) / (right - centre))
    bank[-1] = 0.0  # Kaldi leaves the Nyquist bin out
    return bank.clamp_min(0.0).float()


@lru_cache(maxsize=1)
def _povey_window() -> torch.Tensor:
    n = torch.arange(FRAME_LENGTH, dtype=torch.float64)
    return (0.5 - 0.5 * torch.cos(2 * math.pi * n / (FRAME_LENGTH - 1))).pow(0.85).float()


def fbank(samples: torch.Tensor, warp: float = 1.0, frame_shift: int = FRAME_SHIFT) -> torch.Tensor:
    """Return log-mel features [frames, 40] of samples in [-1, 1), as kaldi-native-fbank does.

    A `frame_shift` other than 160 changes the tempo but not the pitch.
    """
    if len(samples) < FRAME_LENGTH:
        return torch.zeros(0, NUM_BINS)
    frames = samples.unfold(0, FRAME_LENGTH, frame_shift)
    frames = frames - frames.mean(dim=1, keepdim=True)
    previous = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
    frames = (frames - PREEMPH * previous) * _povey_window()
    spectrum = torch.fft.rfft(frames, FFT_LENGTH)
    power = spectrum.real.square() + spectrum.imag.square()
    return (power @ mel_bank(warp)).clamp_min(_LOG_FLOOR).log()
