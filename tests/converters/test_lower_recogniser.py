"""Three graphs made by hand into one bundle, and every way in which they cannot fit together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from edgesdk.bundle import Bundle, read_bundle
from edgesdk.bundle.sections import read_features
from edgesdk.core.graph import Image
from edgesdk.core.recogniser import Recogniser
from edgesdk.errors import ConvertError
from edgesdk_converters.lower import lower_graph, lower_recogniser, lower_single
from edgesdk_converters.lower.sections import make_features
from front_sections import FrontEnd, features_section
from single_op import Net

MEL, WINDOW, DIM, VOCAB, CONTEXT = 8, 4, 12, 6, 2
TOKENS = ["<blk>", "▁", "a", "b", "c", "d"]
FEATURES: dict[str, Any] = {
    "kind": "kaldi-fbank",
    "sample_rate": 16000,
    "num_mel_bins": MEL,
    "frame_length_ms": 25.0,
    "frame_shift_ms": 10.0,
    "low_freq": 20.0,
    "high_freq": -400.0,
    "preemph_coeff": 0.97,
    "window_type": "povey",
    "remove_dc_offset": True,
    "snip_edges": True,
    "round_to_power_of_two": True,
    "use_power": True,
    "sample_scale": 1.0 / 32768.0,
    "mean": [-6.0] * MEL,
    "inv_std": [0.4] * MEL,
    "tail_padding_ms": 400,
}


@dataclass(frozen=True)
class Shape:
    """What a test changes about the three graphs."""

    encoder_scale: float = 0.05
    joiner_scale: float = 0.05
    mel: int = MEL
    predictor_dim: int = DIM
    context_dtype: str = "int32"
    vocab: int = VOCAB
    frames: int = 1
    joiner_state: bool = False


def _linear(net: Net, x: int, depth: int, y: int, rng: np.random.Generator) -> None:
    rows = net.tensors[y].shape[-1]
    weights = net.constant(rng.integers(-127, 128, (rows, depth)).astype(np.int8), 0.01)
    net.op("FULLY_CONNECTED", [x, weights], [y], "FullyConnectedOptions", 4)


def _reshape(net: Net, x: int, y: int) -> None:
    shape = list(net.tensors[y].shape)
    target = net.constant(np.array(shape, np.int32))
    net.op("RESHAPE", [x, target], [y], "ReshapeOptions", 1, new_shape=shape)


def _graphs(shape: Shape) -> tuple[bytes, bytes, bytes]:
    rng = np.random.default_rng(0)
    encoder = Net()
    x = encoder.input((1, WINDOW, shape.mel), "int8", 0.05, -3, "x")
    flat = encoder.tensor("flat", (1, WINDOW * shape.mel), "int8", 0.05, -3)
    wide = encoder.tensor("wide", (1, DIM * shape.frames), "int8", shape.encoder_scale, 2)
    out = encoder.tensor("encoder_out", (1, shape.frames, DIM), "int8", shape.encoder_scale, 2)
    _reshape(encoder, x, flat)
    _linear(encoder, flat, WINDOW * shape.mel, wide, rng)
    _reshape(encoder, wide, out)
    predictor = Net()
    y = predictor.input((1, CONTEXT), shape.context_dtype, name="y")
    table = predictor.constant(rng.integers(-127, 128, (VOCAB, 5)).astype(np.int8), 0.02)
    rows = predictor.tensor("rows", (1, CONTEXT, 5), "int8", 0.02)
    joined = predictor.tensor("joined", (1, CONTEXT * 5), "int8", 0.02)
    decoder_out = predictor.tensor("decoder_out", (1, shape.predictor_dim), "int8", 0.04, 1)
    predictor.op("GATHER", [table, y], [rows], "GatherOptions", axis=0)
    _reshape(predictor, rows, joined)
    _linear(predictor, joined, CONTEXT * 5, decoder_out, rng)
    joiner = Net()
    a = joiner.input((1, DIM), "int8", shape.joiner_scale, 2, "encoder_out")
    b = joiner.input((1, DIM), "int8", 0.04, 1, "decoder_out")
    total = joiner.tensor("sum", (1, DIM), "int8", 0.07, 0)
    curved = joiner.tensor("tanh", (1, DIM), "int8", 2.0**-7)
    logit = joiner.tensor("logit", (1, shape.vocab), "int8", 0.1, 4)
    joiner.op("ADD", [a, b], [total], "AddOptions")
    joiner.op("TANH", [total], [curved])
    _linear(joiner, curved, DIM, logit, rng)
    results = [logit]
    if shape.joiner_state:
        before = joiner.input((1, shape.vocab), "int8", 0.1, 4, "state.sum")
        results.append(joiner.tensor("state.sum.next", (1, shape.vocab), "int8", 0.1, 4))
        joiner.op("ADD", [logit, before], [results[-1]], "AddOptions")
    return encoder.file(out), predictor.file(decoder_out), joiner.file(*results)


def _lower(shape: Shape | None = None, **changes: Any) -> Bundle:
    options = {"tokens": TOKENS, "features": FEATURES, "max_symbols": 3, **changes}
    return lower_recogniser(*_graphs(shape or Shape()), **options)


def test_a_bundle_holds_all_that_the_device_and_the_host_need() -> None:
    bundle = read_bundle(_lower(meta={"recipe": {"ranges": "auto"}}).to_bytes())
    assert bundle.roles == ("encoder", "predictor", "joiner") and bundle.is_recogniser
    assert bundle.tokens == TOKENS
    search = bundle.search
    assert (search.vocab, search.joiner_dim, search.context_size) == (VOCAB, DIM, CONTEXT)
    assert (search.frames_out, search.frame_us, search.max_symbols) == (1, 40000, 3)
    assert search.logit_scale == pytest.approx(0.1, abs=2**-24)
    features = bundle.features
    assert (features.window_frames, features.window_shift, features.mel_bins) == (4, 4, MEL)
    assert (features.input_zero_point, features.padding_q) == (-3, -3)
    assert features.tail_padding == 6400
    assert bundle.meta["recipe"] == {"ranges": "auto"}
    assert sum(bundle.meta["workspace"].values()) == bundle.workspace_bytes
    assert bundle.debug["joiner"]["outputs"] == ["logit"]
    for role, data in zip(bundle.roles, _graphs(Shape()), strict=True):
        assert bundle.tflite(role) == data
        assert len(bundle.debug[role]["ops"]) == len(bundle.graphs[role].records)


@pytest.mark.needs_cc
def test_the_device_takes_it_and_needs_the_predicted_memory() -> None:
    several = {"beam": 4, "cache": 8, "max_tokens": 99, "max_arcs": 7}
    for beam in ({}, several):
        bundle = _lower(Shape(frames=2), beam=beam)
        device = Recogniser(Image(bundle.device_bytes()))
        assert device.workspace_bytes == bundle.workspace_bytes
        assert device.beam == bundle.search.beam == beam.get("beam", 1)
    assert _lower(Shape(joiner_state=True)).search.beam == 1


def test_the_same_input_gives_the_same_bytes() -> None:
    assert _lower().to_bytes() == _lower().to_bytes()


def test_a_shorter_shift_means_shorter_frames() -> None:
    bundle = _lower(window_shift=2)
    assert (bundle.features.window_shift, bundle.search.frame_us) == (2, 20000)


@pytest.mark.parametrize(
    ("shape", "changes", "message"),
    [
        (Shape(joiner_scale=0.06), {}, r"encoder_out: scale 0\.05.*meets scale 0\.0599.*alike"),
        (Shape(mel=9), {}, r"encoder: input \[1, 4, 9\] does not take 8 mel bands"),
        (Shape(predictor_dim=13), {}, r"decoder_out: \[1, 13\] does not fit the joiner's"),
        (Shape(context_dtype="int8"), {}, r"GATHER .*int8 by int8 index"),
        (Shape(vocab=7), {}, r"joiner: 7 int8 logits for 6 tokens"),
        (Shape(), {"tokens": TOKENS[:-1]}, r"joiner: 6 int8 logits for 5 tokens"),
        (Shape(), {"blank": 6}, r"blank 6"),
        (Shape(), {"max_symbols": 0}, r"max_symbols is 0"),
        (
            Shape(joiner_state=True),
            {"beam": {"beam": 2}},
            r"joiner: it has a state, which 2 hypotheses cannot share; set beam = 1",
        ),
        (Shape(), {"window_shift": 5}, r"window shift 5 of 4 frames"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    shape: Shape, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConvertError, match=message):
        _lower(shape, **changes)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("kind", "mfcc", "kind is 'mfcc', only 'kaldi-fbank' is known"),
        ("window_type", "blackman", "'blackman' is none of povey"),
        ("round_to_power_of_two", False, "round_to_power_of_two must be true"),
        ("frame_length_ms", 300.0, "frames of 4800 samples"),
        ("frame_shift_ms", 30.0, "frames of 400 samples every 480"),
        ("low_freq", 7700.0, "mel bands from 7700.0 to 7600.0 Hz"),
        ("mean", [0.0] * 7, "'mean' must hold 8 finite numbers"),
        ("inv_std", [float("nan")] * 8, "'inv_std' must hold 8 finite numbers"),
        ("sample_rate", "fast", "'sample_rate' is 'fast', a number from 1000 to 192000"),
        ("sample_rate", 16000.5, "'sample_rate' is 16000.5, it must be whole"),
        ("sample_rate", 10**400, "'sample_rate' is 1000.*, a number from 1000"),
        ("tail_padding_ms", 1e300, r"'tail_padding_ms' is 1e\+300, a number from 0 to 60000"),
        ("sample_scale", 0, "'sample_scale' is 0, a number from 1e-09"),
        ("high_freq", float("inf"), "'high_freq' is inf, a number from"),
        ("mean", "x", "'mean' must hold 8 finite numbers"),
        ("mean", [0.0] * 7 + ["x"], "number 7 is 'x'"),
        ("inv_std", [1e39] * 8, r"number 0 is 1e\+39"),
        ("snip_edges", 1, "'snip_edges' is 1, true or false"),
        ("window_type", ["povey"], r"window_type \['povey'\] is none of povey"),
    ],
)
def test_bad_feature_settings_are_named(key: str, value: object, message: str) -> None:
    with pytest.raises(ConvertError, match=message) as caught:
        _lower(features={**FEATURES, key: value})
    assert "; " in str(caught.value), "no way out given"


@pytest.mark.parametrize("key", ["sample_rate", "frame_length_ms"])
def test_missing_feature_setting_is_named(key: str) -> None:
    config = {name: value for name, value in FEATURES.items() if name != key}
    with pytest.raises(ConvertError, match=f"'{key}' missing"):
        _lower(features=config)


def test_bool_is_no_number_of_bands() -> None:
    with pytest.raises(ConvertError, match="'num_mel_bins' is True, a number from 1 to 128"):
        make_features({**FEATURES, "num_mel_bins": True}, 4, 4, 0.05, 0)


def test_more_bands_than_bins_are_refused() -> None:
    config = {**FEATURES, "num_mel_bins": 128, "low_freq": 0.0, "high_freq": 400.0}
    config |= {"mean": [0.0] * 128, "inv_std": [1.0] * 128}
    with pytest.raises(ConvertError, match="mel band 0 of 128 holds no bin"):
        make_features(config, 4, 4, 0.05, 0)


@pytest.mark.parametrize("window_type", ["povey", "hanning", "hamming", "rectangular"])
def test_feature_tables_equal_the_float64_ones(window_type: str) -> None:
    """Against the packer that the C features are tested with."""
    front = FrontEnd(mel_bins=40, window_type=window_type, padding_q=-3)
    config = {**FEATURES, "num_mel_bins": 40, "window_type": window_type}
    config |= {"mean": [-6.0] * 40, "inv_std": [0.4] * 40}
    made = make_features(config, 4, 4, front.input_scale, front.input_zero_point)
    wanted = read_features(features_section(front), "page")
    np.testing.assert_array_equal(made.window, wanted.window)
    np.testing.assert_array_equal(made.twiddles, wanted.twiddles)
    for a, b in zip(made.bands, wanted.bands, strict=True):
        assert a.first_bin == b.first_bin
        np.testing.assert_allclose(a.weights, b.weights, rtol=1e-5, atol=1e-6)
    assert (made.flags, made.fft_size) == (wanted.flags, wanted.fft_size)


def test_a_single_graph_makes_a_bundle_too() -> None:
    joiner = _graphs(Shape())[2]
    bundle = read_bundle(lower_single(joiner, name="joiner").to_bytes())
    assert bundle.roles == ("net",) and not bundle.is_recogniser
    assert bundle.graphs["net"].encode() == lower_graph(joiner).plan.encode()
    assert [b.name for b in bundle.memory()] == ["arena", "state"]
