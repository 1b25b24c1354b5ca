"""FEAT and SRCH from a feature configuration and the graphs' shapes."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from edgesdk.bundle.sections import (
    REMOVE_DC_OFFSET,
    SNIP_EDGES,
    USE_POWER,
    WINDOW_TYPES,
    Features,
    MelBand,
)
from edgesdk.errors import ConvertError
from numpy.typing import NDArray

_ENERGY_FLOOR = 2.0**-23  # Kaldi's: the single-precision epsilon
_MAX_FFT = 4096
_MAX_BINS = 128


def window_table(kind: str, length: int) -> NDArray[np.float32]:
    """Kaldi's window function, f32[length]."""
    phase = np.cos(2.0 * np.pi * np.arange(length) / (length - 1))
    windows: dict[str, NDArray[np.float64]] = {
        "povey": np.power(0.5 - 0.5 * phase, 0.85),
        "hanning": 0.5 - 0.5 * phase,
        "hamming": 0.54 - 0.46 * phase,
        "rectangular": np.ones(length),
    }
    return windows[kind].astype(np.float32)


def twiddle_table(size: int) -> NDArray[np.float32]:
    """f32[size]: cos, -sin of 2 pi k / size in pairs, k below size / 2."""
    angle = 2.0 * np.pi * np.arange(size // 2) / size
    pairs: NDArray[np.float64] = np.stack([np.cos(angle), -np.sin(angle)], axis=1)
    return pairs.reshape(-1).astype(np.float32)


def _mel(frequency: float | NDArray[np.float64]) -> NDArray[np.float64]:
    mel: NDArray[np.float64] = 1127.0 * np.log1p(np.asarray(frequency, np.float64) / 700.0)
    return mel


def mel_bands(
    count: int, rate: int, fft_size: int, low_hz: float, high_hz: float
) -> tuple[MelBand, ...]:
    """Kaldi's triangles over the power bins 0 to fft_size / 2 - 1.

    Raises:
        ConvertError: a triangle holds no bin.
    """
    edges = np.linspace(_mel(low_hz), _mel(high_hz), count + 2)
    bins = _mel(np.arange(fft_size // 2) * (rate / fft_size))
    bands: list[MelBand] = []
    for left, centre, right in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
        inside = np.flatnonzero((bins > left) & (bins < right))
        if inside.size == 0:
            raise ConvertError(
                f"features: mel band {len(bands)} of {count} holds no bin of a {fft_size}-point "
                "FFT; use fewer bands or longer frames"
            )
        rising = (bins[inside] - left) / (centre - left)
        falling = (right - bins[inside]) / (right - centre)
        weights = np.where(bins[inside] <= centre, rising, falling)
        bands.append(MelBand(int(inside[0]), weights.astype(np.float32)))
    return tuple(bands)


def _number(config: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = config.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConvertError(f"features: '{key}' is {value!r}, a number is needed")
    return float(value)


def _samples(config: Mapping[str, Any], key: str, rate: int) -> int:
    """Milliseconds of `key` as samples, cut as Kaldi cuts."""
    return int(rate * 0.001 * _number(config, key))


def _statistics(config: Mapping[str, Any], key: str, bins: int, rest: float) -> NDArray[np.float32]:
    values = np.asarray(config.get(key, [rest] * bins), np.float32)
    if values.shape != (bins,) or not np.all(np.isfinite(values)):
        raise ConvertError(f"features: '{key}' must hold {bins} finite numbers")
    return values


def _flags(config: Mapping[str, Any]) -> int:
    if not config.get("round_to_power_of_two", True):
        raise ConvertError(
            "features: round_to_power_of_two must be true; train with Kaldi's default"
        )
    flags = SNIP_EDGES if config.get("snip_edges", True) else 0
    flags |= REMOVE_DC_OFFSET if config.get("remove_dc_offset", True) else 0
    return flags | (USE_POWER if config.get("use_power", True) else 0)


def _check(config: Mapping[str, Any], length: int, shift: int, bins: int) -> None:
    if config.get("kind", "kaldi-fbank") != "kaldi-fbank":
        raise ConvertError(f"features: kind {config['kind']!r} is not known, only 'kaldi-fbank'")
    if config.get("window_type", "povey") not in WINDOW_TYPES:
        known = ", ".join(WINDOW_TYPES)
        raise ConvertError(f"features: window_type {config['window_type']!r} is none of {known}")
    if not 2 <= length <= _MAX_FFT or not 1 <= shift <= length:
        raise ConvertError(
            f"features: frames of {length} samples every {shift} (2 to {_MAX_FFT}, and no gaps)"
        )
    if length % 2 and not config.get("snip_edges", True):
        raise ConvertError(
            f"features: without snip_edges a frame has an even number of samples, not {length}"
        )
    if not 1 <= bins <= _MAX_BINS:
        raise ConvertError(f"features: {bins} mel bands (1 to {_MAX_BINS} are possible)")


def make_features(
    config: Mapping[str, Any],
    window_frames: int,
    window_shift: int,
    scale: float,
    zero_point: int,
) -> Features:
    """The FEAT section of features.json for an encoder input of `scale` and `zero_point`.

    A padded frame holds 0.0 after normalisation.

    Raises:
        ConvertError: a setting is missing, out of range, or not covered.
    """
    rate = int(_number(config, "sample_rate"))
    bins = int(_number(config, "num_mel_bins"))
    length = _samples(config, "frame_length_ms", rate)
    shift = _samples(config, "frame_shift_ms", rate)
    _check(config, length, shift, bins)
    fft_size = 1 << (length - 1).bit_length()
    low, high = _number(config, "low_freq", 20.0), _number(config, "high_freq", 0.0)
    high = high if high > 0 else rate / 2 + high
    if not 0 <= low < high <= rate / 2:
        raise ConvertError(f"features: mel bands from {low} to {high} Hz at {rate} Hz")
    kind = str(config.get("window_type", "povey"))
    return Features(
        sample_rate_hz=rate,
        frame_length=length,
        frame_shift=shift,
        window_frames=window_frames,
        window_shift=window_shift,
        tail_padding=int(rate * 0.001 * _number(config, "tail_padding_ms", 0.0)),
        flags=_flags(config),
        window_type=kind,
        preemph_coeff=_number(config, "preemph_coeff", 0.97),
        sample_scale=_number(config, "sample_scale", 1.0),
        energy_floor=_ENERGY_FLOOR,
        low_freq_hz=low,
        high_freq_hz=high,
        input_inv_scale=1.0 / scale,
        input_zero_point=zero_point,
        padding_q=zero_point,
        window=window_table(kind, length),
        twiddles=twiddle_table(fft_size),
        bands=mel_bands(bins, rate, fft_size, low, high),
        mean=_statistics(config, "mean", bins, 0.0),
        inv_std=_statistics(config, "inv_std", bins, 1.0),
    )
