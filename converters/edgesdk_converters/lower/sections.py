"""FEAT and SRCH from a feature configuration and the graphs' shapes."""

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
_MOST_STATISTIC = 1e6
_NEEDED = ("sample_rate", "num_mel_bins", "frame_length_ms", "frame_shift_ms")
_WHOLE = ("sample_rate", "num_mel_bins")
_RANGES: Mapping[str, tuple[float, float]] = {
    "sample_rate": (1000, 192_000),
    "num_mel_bins": (1, _MAX_BINS),
    "frame_length_ms": (0.01, 4096),
    "frame_shift_ms": (0.01, 4096),
    "low_freq": (0, 96_000),
    "high_freq": (-96_000, 96_000),
    "preemph_coeff": (0, 1),
    "sample_scale": (1e-9, 1e9),
    "tail_padding_ms": (0, 60_000),
}
_SWITCHES = ("remove_dc_offset", "snip_edges", "round_to_power_of_two", "use_power")


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


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _check_values(config: Mapping[str, Any], where: str) -> None:
    """Types and ranges of all settings that are given; what is not given has a default."""
    missing = [key for key in _NEEDED if key not in config]
    if missing:
        raise ConvertError(f"{where}: {', '.join(map(repr, missing))} missing; add what is missing")
    for key, (least, most) in _RANGES.items():
        value = config.get(key, least)
        if not _is_number(value, least, most):
            raise ConvertError(
                f"{where}: '{key}' is {_short(value)}, a number from {least:g} to {most:g} is "
                "needed; correct it"
            )
        if key in _WHOLE and int(value) != value:
            raise ConvertError(f"{where}: '{key}' is {value}, it must be whole; correct it")
    for key in _SWITCHES:
        if not isinstance(config.get(key, True), bool):
            raise ConvertError(
                f"{where}: '{key}' is {_short(config[key])}, true or false is needed; correct it"
            )
    for key in ("mean", "inv_std"):
        bins = int(config["num_mel_bins"])
        values = config.get(key, [0.0] * bins)
        values = values.tolist() if isinstance(values, np.ndarray) else values
        if not isinstance(values, list | tuple) or len(values) != bins:
            raise ConvertError(
                f"{where}: '{key}' must hold {bins} finite numbers, one per mel bin; correct it"
            )
        for place, value in enumerate(values):
            if not _is_number(value, -_MOST_STATISTIC, _MOST_STATISTIC):
                raise ConvertError(
                    f"{where}: '{key}' must hold {bins} finite numbers up to "
                    f"{_MOST_STATISTIC:g}, number {place} is {_short(value)}; correct it"
                )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def check_features(config: Mapping[str, Any], where: str = "features") -> None:
    """Refuse settings of a wrong type, out of range, or not covered, before any are used.

    Raises:
        ConvertError: names `where` and the setting.
    """
    _check_values(config, where)
    kind, window = config.get("kind", "kaldi-fbank"), config.get("window_type", "povey")
    if kind != "kaldi-fbank":
        raise ConvertError(
            f"{where}: kind is {_short(kind)}, only 'kaldi-fbank' is known; correct it"
        )
    if not isinstance(window, str) or window not in WINDOW_TYPES:
        known = ", ".join(WINDOW_TYPES)
        raise ConvertError(f"{where}: window_type {_short(window)} is none of {known}; choose one")
    if not config.get("round_to_power_of_two", True):
        raise ConvertError(
            f"{where}: round_to_power_of_two must be true; train with Kaldi's default"
        )


def _number(config: Mapping[str, Any], key: str, default: float = 0.0) -> float:
    return float(config.get(key, default))


def _samples(config: Mapping[str, Any], key: str, rate: int) -> int:
    """Milliseconds of `key` as samples, cut as Kaldi cuts."""
    return int(rate * 0.001 * _number(config, key))


def _statistics(config: Mapping[str, Any], key: str, bins: int, rest: float) -> NDArray[np.float32]:
    return np.asarray(config.get(key, [rest] * bins), np.float32)


def _flags(config: Mapping[str, Any]) -> int:
    flags = SNIP_EDGES if config.get("snip_edges", True) else 0
    flags |= REMOVE_DC_OFFSET if config.get("remove_dc_offset", True) else 0
    return flags | (USE_POWER if config.get("use_power", True) else 0)


def _check_frames(config: Mapping[str, Any], length: int, shift: int) -> None:
    if not 2 <= length <= _MAX_FFT or not 1 <= shift <= length:
        raise ConvertError(
            f"features: frames of {length} samples every {shift} (2 to {_MAX_FFT}, and no gaps); "
            "correct frame_length_ms and frame_shift_ms"
        )
    if length % 2 and not config.get("snip_edges", True):
        raise ConvertError(
            f"features: without snip_edges a frame has an even number of samples, not {length}; "
            "correct frame_length_ms"
        )


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
    check_features(config)
    rate = int(_number(config, "sample_rate"))
    bins = int(_number(config, "num_mel_bins"))
    length = _samples(config, "frame_length_ms", rate)
    shift = _samples(config, "frame_shift_ms", rate)
    _check_frames(config, length, shift)
    fft_size = 1 << (length - 1).bit_length()
    low, high = _number(config, "low_freq", 20.0), _number(config, "high_freq", 0.0)
    high = high if high > 0 else rate / 2 + high
    if not 0 <= low < high <= rate / 2:
        raise ConvertError(
            f"features: mel bands from {low} to {high} Hz at {rate} Hz; correct "
            "low_freq and high_freq"
        )
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
