"""C features against kaldi-native-fbank, against float64, and against themselves in pieces."""

import math

import front_sections
import kaldi_native_fbank
import numpy as np
import pytest
from edgesdk.core import Features, load_library
from edgesdk.errors import BundleError
from front_sections import FrontEnd
from numpy.typing import NDArray

pytestmark = pytest.mark.needs_cc

Samples = NDArray[np.int16]


def _speech_like(seconds: float, rate: int = 16000, level: float = 0.1, seed: int = 1) -> Samples:
    """Harmonics with a moving pitch over noise, a few silent stretches."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 1.7 * time)) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    voice = voice * (np.sin(2 * np.pi * 2.3 * time) > -0.5) + 0.05 * rng.normal(size=len(time))
    return np.asarray(np.clip(np.round(voice * level * 32767), -32768, 32767), np.int16)


SIGNALS = {
    "speech": _speech_like(1.2),
    "quiet": _speech_like(0.5, level=0.002, seed=2),
    "silence": np.zeros(4000, np.int16),
    "full_scale_square": np.tile(np.repeat(np.array([32767, -32768], np.int16), 8), 300),
    "full_scale_noise": np.random.default_rng(3).integers(-32768, 32768, 5000).astype(np.int16),
    "dc": np.full(4000, 12345, np.int16),
    "steps": np.repeat(np.array([0, 1, -1, 32767, -32768], np.int16), 700),
}


def _kaldi(front: FrontEnd, samples: Samples) -> NDArray[np.float32]:
    options = kaldi_native_fbank.FbankOptions()
    frame = options.frame_opts
    frame.samp_freq = front.sample_rate
    frame.frame_length_ms = 1000.0 * front.frame_length / front.sample_rate
    frame.frame_shift_ms = 1000.0 * front.frame_shift / front.sample_rate
    frame.dither = 0.0
    frame.preemph_coeff = front.preemph
    frame.remove_dc_offset = front.remove_dc
    frame.window_type = front.window_type
    frame.snip_edges = front.snip_edges
    options.mel_opts.num_bins = front.mel_bins
    options.mel_opts.low_freq = front.low_freq
    options.mel_opts.high_freq = front.high_freq
    options.use_power = front.use_power
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(
        front.sample_rate, (samples.astype(np.float32) * np.float32(front.sample_scale)).tolist()
    )
    bank.input_finished()
    frames = [bank.get_frame(i) for i in range(bank.num_frames_ready)]
    return np.array(frames, np.float32).reshape(-1, front.mel_bins)


def _extract(
    front: FrontEnd, samples: Samples, pieces: list[int] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """All frames; `pieces` are the sizes in which the samples come, repeated."""
    features = Features(front_sections.features_section(front))
    parts = []
    done = turn = 0
    while done < len(samples):
        size = pieces[turn % len(pieces)] if pieces else len(samples)
        parts.append(features.push(samples[done : done + size]))
        done, turn = done + size, turn + 1
    parts.append(features.flush())
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


OPTIONS = {
    "usual": FrontEnd(),
    "no_snip": FrontEnd(snip_edges=False),
    "hamming_80": FrontEnd(window_type="hamming", mel_bins=80, high_freq=0.0),
    "hanning_no_dc": FrontEnd(window_type="hanning", remove_dc=False, mel_bins=23),
    "rectangular": FrontEnd(window_type="rectangular", preemph=0.0, sample_scale=1.0),
    "magnitude": FrontEnd(use_power=False, sample_scale=1.0),
    "8_kHz": FrontEnd(sample_rate=8000, frame_length=200, frame_shift=80, snip_edges=False),
    "odd_sizes": FrontEnd(frame_length=301, frame_shift=97, mel_bins=30),
    "long": FrontEnd(frame_length=1024, frame_shift=320, mel_bins=64),
    "full_fft": FrontEnd(frame_length=512, frame_shift=512),
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("signal", SIGNALS)
def test_features_of_any_signal_then_equal_kaldi_and_float64(option: str, signal: str) -> None:
    front, samples = OPTIONS[option], SIGNALS[signal]
    ours, _ = _extract(front, samples)
    exact = front_sections.log_mel(front, samples)
    kaldi = _kaldi(front, samples)
    assert ours.shape == exact.shape == kaldi.shape
    assert len(ours) > 0
    # A band below the frame's own rounding noise says nothing; elsewhere 1e-3 holds.
    audible = exact > exact.max(axis=1, keepdims=True) - 23.0
    assert np.abs(ours - exact)[audible].max() <= 1e-3
    assert np.abs(ours - kaldi)[audible].max() <= 1e-3


@pytest.mark.parametrize("option", ["usual", "magnitude"])
@pytest.mark.parametrize("signal", ["silence", "dc"])
def test_features_of_nothing_then_are_exactly_the_floor(option: str, signal: str) -> None:
    ours, _ = _extract(OPTIONS[option], SIGNALS[signal])
    assert np.abs(ours - math.log(front_sections.FLOOR)).max() < 2e-6


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("pieces", [[1], [160], [7, 161, 3, 1000, 399], [4096]])
def test_features_in_pieces_then_equal_the_whole(option: str, pieces: list[int]) -> None:
    front = OPTIONS[option]
    samples = SIGNALS["speech"][:6000]
    whole, whole_q = _extract(front, samples)
    split, split_q = _extract(front, samples, pieces)
    assert whole.tobytes() == split.tobytes()
    assert whole_q.tobytes() == split_q.tobytes()


@pytest.mark.parametrize("count", [0, 1, 79, 80, 81, 119, 120, 199, 200, 201, 240, 399, 400, 561])
@pytest.mark.parametrize("snip", [True, False])
def test_features_of_short_utterances_then_equal_float64(count: int, snip: bool) -> None:
    front = FrontEnd(snip_edges=snip)
    samples = SIGNALS["full_scale_noise"][:count]
    ours, _ = _extract(front, samples, [37])
    exact = front_sections.log_mel(front, samples)
    assert ours.shape == exact.shape
    if len(ours):
        assert np.abs(ours - exact).max() <= 1e-3


@pytest.mark.parametrize(("length", "shift"), [(300, 97), (64, 32), (64, 1), (20, 33)])
def test_features_at_every_end_then_have_kaldis_number_of_frames(length: int, shift: int) -> None:
    front = FrontEnd(frame_length=length, frame_shift=shift, mel_bins=4, snip_edges=False)
    samples = SIGNALS["full_scale_noise"]
    for count in range(0, 2 * length, 1 if shift > 1 else 7):
        ours, _ = _extract(front, samples[:count], [53])
        exact = front_sections.log_mel(front, samples[:count])
        assert ours.shape == exact.shape
        assert not len(ours) or np.abs(ours - exact).max() <= 1e-3


def test_features_when_shift_exceeds_length_then_skip_samples() -> None:
    for snip in (True, False):
        front = FrontEnd(frame_length=100, frame_shift=350, mel_bins=10, snip_edges=snip)
        ours, _ = _extract(front, SIGNALS["speech"], [53])
        exact = front_sections.log_mel(front, SIGNALS["speech"])
        assert ours.shape == exact.shape
        assert np.abs(ours - exact).max() <= 1e-3


def test_quantised_features_then_round_halves_away_from_zero_and_clamp() -> None:
    front = FrontEnd()
    ours, quantised = _extract(front, SIGNALS["speech"])
    exact = front_sections.quantise(front, ours.astype(np.float64))
    rounded = np.clip(np.round(exact), -128, 127)
    near_half = np.abs(exact - np.floor(exact) - 0.5) < 1e-3
    assert np.array_equal(quantised[~near_half], rounded[~near_half].astype(np.int8))


def test_quantised_halves_then_round_away_from_zero() -> None:
    """Steps of 1/8 from the floor of silence, exact in float32; a mean above it keeps them so."""
    silence, _ = _extract(FrontEnd(mel_bins=1), SIGNALS["silence"][:400])
    steps = [0.5, 1.5, 2.5, 2.4999, 2.5001, 3.0, 12.5, 0.0]
    mean = tuple(float(silence[0, 0]) + step * 0.25 for step in steps)
    for sign in (1.0, -1.0):
        front = FrontEnd(
            mel_bins=8,
            mean=mean,
            inv_std=(sign,) * 8,
            input_scale=0.25,
            input_zero_point=5,
        )
        _, values = _extract(front, SIGNALS["silence"][:400])
        away = [5 - int(sign) * math.floor(step + 0.5) for step in steps]
        assert values[0].tolist() == away
    for gain, end in ((1e6, 127), (-1e6, -128), (1e38, 127)):
        front = FrontEnd(mel_bins=8, mean=(-20.0,) * 8, inv_std=(gain,) * 8, input_scale=1e-3)
        _, values = _extract(front, SIGNALS["silence"][:400])
        assert values[0].tolist() == [end] * 8


def test_logarithm_then_is_within_two_units_in_the_last_place() -> None:
    library = load_library()
    rng = np.random.default_rng(4)
    bits = rng.integers(0x00800000, 0x7F800000, 20000, dtype=np.uint32)
    near_one = np.linspace(0.5, 2.0, 4001, dtype=np.float32)
    for x in np.concatenate([bits.view(np.float32), near_one]):
        ours = library.call("edge_log", float(x))
        exact = math.log(float(x))
        assert abs(ours - exact) <= 2 * max(float(np.spacing(np.float32(abs(exact)))), 6e-8)


HEADER_FAULTS = {
    "sample_rate": (0, 0),
    "frame_length_above_fft": (4, 513),
    "frame_length_zero": (4, 0),
    "frame_shift_zero": (8, 0),
    "fft_not_power": (12, 500),
    "fft_too_large": (12, 8192),
    "mel_bins_zero": (16, 0),
    "mel_bins_too_many": (16, 129),
    "window_frames_zero": (20, 0),
    "window_shift_too_large": (24, 5),
    "tail_too_long": (28, 1 << 30),
    "flags": (32, 8),
    "preemph_nan": (40, 0x7FC00000),
    "sample_scale_negative": (44, 0xBF800000),
    "floor_denormal": (48, 1),
    "inv_scale_infinite": (60, 0x7F800000),
    "zero_point": (64, 128),
    "padding": (68, 0xFFFFFF00),
    "window_outside": (72, 1 << 31),
    "window_unaligned": (72, 114),
    "twiddles_in_header": (76, 0),
    "bands_outside": (80, 0xFFFFFFFC),
    "weights_outside": (84, 1 << 20),
    "weight_count_too_large": (88, 0xFFFFFFFF),
    "mean_outside": (92, 0x7FFFFFFC),
    "inv_std_unaligned": (96, 113),
}


@pytest.mark.parametrize("fault", HEADER_FAULTS)
def test_features_section_with_a_bad_field_then_is_refused(fault: str) -> None:
    offset, value = HEADER_FAULTS[fault]
    section = bytearray(front_sections.features_section(FrontEnd()))
    section[offset : offset + 4] = value.to_bytes(4, "little")
    with pytest.raises(BundleError, match="FEAT: "):
        Features(bytes(section))


def test_features_section_with_a_bad_table_then_is_refused() -> None:
    good = front_sections.features_section(FrontEnd())
    window = int.from_bytes(good[72:76], "little")
    bands = int.from_bytes(good[80:84], "little")
    for offset, value in (
        (window, b"\0\0\x80\x7f"),
        (bands, b"\xff\xff"),
        (bands + 4, b"\xff" * 4),
    ):
        section = bytearray(good)
        section[offset : offset + len(value)] = value
        with pytest.raises(BundleError, match="FEAT: "):
            Features(bytes(section))
    for size in (0, 111, 112, len(good) - 1):
        with pytest.raises(BundleError, match="FEAT: "):
            Features(good[:size])
