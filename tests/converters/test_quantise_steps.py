"""N one-step runs equal one run of N steps, bit for bit."""

from pathlib import Path

import numpy as np
import pytest
from edgesdk_converters.convert import Options, convert_source
from edgesdk_converters.frontends.onnx import load_source
from edgesdk_converters.quantise.calibrate import windows
from edgesdk_converters.quantise.measure import TfliteStream, open_interpreter
from edgesdk_converters.quantise.ranges import quantise
from edgesdk_converters.tflite.read import read_tflite
from test_frontend_torch import KINDS, make
from tiny_model import tiny_features, write_tiny_model

LONG = 16


def stream_bytes(data: bytes, feature_windows: list[np.ndarray]) -> list[np.ndarray]:
    graph = read_tflite(data).graphs[0]
    spec = graph.tensors[graph.inputs[0]]
    assert spec.quantisation is not None
    stream = TfliteStream(open_interpreter(data))
    return [stream.step_raw(quantise(w, spec.quantisation, "int8"))[0] for w in feature_windows]


def utterances() -> list[np.ndarray]:
    """Lengths that every window divides."""
    return [u[: len(u) // LONG * LONG] for u in tiny_features(6)]


def test_fused_lstm_when_window_grows_then_bits_stay(tmp_path: Path) -> None:
    results = []
    for window in (4, 8, LONG):
        source = load_source(write_tiny_model(tmp_path / str(window), window=window))
        data = convert_source(source, utterances(), Options("minmax")).encoder
        outputs = stream_bytes(data, list(windows(source, utterances()[5])))
        results.append(np.concatenate(outputs, axis=1))
    assert results[0].shape[1] > 10
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("kind", ["gru", "lstm2"])
def test_cells_when_window_grows_then_bits_stay(kind: str) -> None:
    results = []
    for window in (2, 4, 8):
        _, source = make(kind, window=window)
        data = convert_source(source, utterances(), Options("minmax")).encoder
        outputs = stream_bytes(data, list(windows(source, utterances()[5])))
        results.append(np.concatenate(outputs, axis=1))
    assert kind in KINDS and results[0].shape[1] > 20
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
