"""A whole recogniser: ONNX folder to three .tflite files that stream like the float model."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from edgesdk.errors import ConvertError
from edgesdk_converters.convert import Converted, Options, convert_source
from edgesdk_converters.execute import Stream
from edgesdk_converters.quantise.calibrate import calibrate, windows
from edgesdk_converters.quantise.measure import TfliteStream, open_interpreter
from edgesdk_converters.quantise.ranges import dequantise
from edgesdk_converters.source import Source
from edgesdk_converters.tflite.read import read_tflite
from edgesdk_converters.tflite.write import write_tflite
from tiny_model import HIDDEN, JOINER_DIM, MEL_BINS, VOCAB, tiny_features


@pytest.fixture(scope="module")
def converted(small_source: Source) -> Converted:
    return convert_source(small_source, tiny_features(8))


def test_source_of_tiny_model_then_roles_and_sizes_are_known(small_source: Source) -> None:
    s = small_source
    assert (s.window, s.shift, s.frames_out, s.context, s.max_symbols) == (4, 4, 1, 2, 3)
    assert (s.mel_bins, s.joiner_dim, s.vocab_size) == (MEL_BINS, JOINER_DIM, VOCAB)
    assert [state.name for state in s.encoder.states] == [
        f"cached_{part}_{layer}" for layer in range(3) for part in "hc"
    ]
    assert all(s.encoder.shapes[state.input] == (1, HIDDEN) for state in s.encoder.states)


def test_float_graphs_when_streamed_then_equal_onnxruntime(
    small_source: Source, tiny_folder: Path
) -> None:
    session = onnxruntime.InferenceSession(str(tiny_folder / "encoder.onnx"))
    states = {i.name: np.zeros(i.shape, np.float32) for i in session.get_inputs()[1:]}
    stream = Stream(small_source.encoder)
    for window in windows(small_source, tiny_features(1)[0]):
        expected, *next_states = session.run(None, {"x": window} | states)
        states = dict(zip(states, next_states, strict=True))
        np.testing.assert_allclose(stream.step(window)[0], expected, atol=2e-5)


def test_convert_tiny_model_then_noise_is_low(converted: Converted) -> None:
    floors = {"encoder": 27.0, "predictor": 33.0, "joiner": 31.0}
    for role, floor in floors.items():
        for value in converted.report[role].sqnr_db.values():
            assert value > floor, f"{role}: {converted.report[role]}"


def test_convert_twice_then_bytes_are_equal(small_source: Source, converted: Converted) -> None:
    again = convert_source(small_source, tiny_features(8))
    assert (again.encoder, again.predictor, again.joiner) == (
        converted.encoder,
        converted.predictor,
        converted.joiner,
    )


def test_seams_have_one_quantisation_on_both_sides(converted: Converted) -> None:
    joiner = read_tflite(converted.joiner).graphs[0]
    for name, data in (("encoder_out", converted.encoder), ("decoder_out", converted.predictor)):
        graph = read_tflite(data).graphs[0]
        made, taken = graph.tensors[graph.outputs[0]], joiner.tensors[joiner.inputs[0]]
        if name == "decoder_out":
            taken = joiner.tensors[joiner.inputs[1]]
        assert made.name == taken.name == name
        assert made.dtype == taken.dtype == "int8"
        assert made.quantisation is not None and taken.quantisation is not None
        assert made.quantisation.scale.tolist() == taken.quantisation.scale.tolist()
        assert made.quantisation.zero_point.tolist() == taken.quantisation.zero_point.tolist()


def test_seams_and_logits_then_no_value_seen_is_cut(
    small_source: Source, converted: Converted
) -> None:
    """Clipping decoder_out to what calibration visited cost words on other speech."""
    utterances = [u for i, u in enumerate(tiny_features(8)) if i % 5]
    seen = calibrate(small_source, utterances)
    for data, values in (
        (converted.encoder, seen.encoder["encoder_out"]),
        (converted.predictor, seen.predictor["decoder_out"]),
        (converted.joiner, seen.best_logits),
    ):
        graph = read_tflite(data).graphs[0]
        grid = graph.tensors[graph.outputs[0]].quantisation
        assert grid is not None
        low, high = dequantise(np.array([-128, 127]), grid)
        assert low <= values.low + grid.scale[0] and high >= values.high - grid.scale[0]


def test_report_then_says_what_each_graph_became(converted: Converted) -> None:
    report = converted.report["encoder"]
    assert report.operators == {
        "FULLY_CONNECTED": 1,
        "RESHAPE": 2,
        "UNIDIRECTIONAL_SEQUENCE_LSTM": 3,
    }
    assert report.parameters == 35992
    assert report.bytes == len(converted.encoder)
    assert set(report.tried_db) == {"minmax", "percentile", "mse"}
    fused, ranges = report.choices
    assert fused == "3 LSTM layers fused (int8 h, int16 c inside the operator)"
    assert ranges.startswith("ranges by minmax (worst output, dB: minmax ")
    assert ranges.endswith("; ranges that clip must win by 1 dB)")


def test_files_read_back_and_rewritten_are_the_same_bytes(converted: Converted) -> None:
    for data in (converted.encoder, converted.predictor, converted.joiner):
        assert write_tflite(read_tflite(data)) == data


def test_fused_lstm_when_reset_then_repeats_itself(
    small_source: Source, converted: Converted
) -> None:
    stream = TfliteStream(open_interpreter(converted.encoder))
    steps = list(windows(small_source, tiny_features(1)[0]))
    first = [stream.step(step)[0] for step in steps]
    stream.reset()
    second = [stream.step(step)[0] for step in steps]
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("utterances", "message"),
    [
        ([], "no calibration utterances"),
        ([np.zeros((10, 3), np.float32)], r"shape \(10, 3\) instead of \[T, 40\]"),
        ([np.full((10, MEL_BINS), np.nan, np.float32)], "not finite"),
    ],
)
def test_convert_with_bad_calibration_then_one_line(
    small_source: Source, utterances: list[np.ndarray], message: str
) -> None:
    with pytest.raises(ConvertError, match=message):
        convert_source(small_source, utterances)


def test_convert_with_unknown_method_then_names_the_known(small_source: Source) -> None:
    with pytest.raises(ConvertError, match="minmax, percentile, mse, auto"):
        convert_source(small_source, tiny_features(2), Options(method="best"))
