"""sherpa-onnx gets the very model of the examples, and the table counts what it says."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import sherpa_onnx
from edgesdk.emulate import Clip, emulate
from sherpa import Heard, Sherpa, convert, difference, hear, phrase_counts, read_clips
from sherpa_model import write_model

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "commands"
TIMES = 3


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sherpa")
    write_model(EXAMPLE / "onnx", folder, TIMES)
    return folder


def _sessions(folder: Path, part: str) -> tuple[ort.InferenceSession, ort.InferenceSession]:
    return tuple(
        ort.InferenceSession(str(path / f"{part}.onnx"), providers=["CPUExecutionProvider"])
        for path in (EXAMPLE / "onnx", folder)
    )


def test_encoder_then_takes_plain_features_and_gives_each_vector_several_times(
    wrapped: Path,
) -> None:
    plain, ours = _sessions(wrapped, "encoder")
    features = json.loads((EXAMPLE / "onnx" / "features.json").read_text(encoding="utf-8"))
    mean, inv_std = (np.array(features[name], np.float32) for name in ("mean", "inv_std"))
    rng = np.random.default_rng(0)
    states = {f"cached_{k}_{n}": np.zeros((1, 1, 128), np.float32) for n in range(3) for k in "hc"}
    h, c = np.zeros((3, 1, 128), np.float32), np.zeros((3, 1, 128), np.float32)
    for _ in range(5):
        x = rng.normal(-8, 4, (1, 4, 40)).astype(np.float32)
        expected, *after = plain.run(None, {"x": (x - mean) * inv_std, **states})
        vectors, h, c = ours.run(["encoder_out", "new_h", "new_c"], {"x": x, "h": h, "c": c})
        assert vectors.shape == (1, TIMES, expected.shape[2])
        np.testing.assert_allclose(vectors, np.repeat(expected, TIMES, axis=1), atol=1e-5)
        states = dict(zip(states, after, strict=True))
    stacked = [np.concatenate([states[f"cached_{k}_{n}"] for n in range(3)]) for k in "hc"]
    np.testing.assert_allclose(stacked, [h, c], atol=1e-5)


def test_predictor_then_takes_many_histories_and_minus_one_as_the_blank(wrapped: Path) -> None:
    plain, ours = _sessions(wrapped, "decoder")
    histories = np.array([[-1, 0], [0, 7], [20, 1]], np.int64)
    made = ours.run(None, {"y": histories})[0]
    for history, vector in zip(np.maximum(histories, 0), made, strict=True):
        np.testing.assert_allclose(vector, plain.run(None, {"y": history[None]})[0][0], atol=1e-5)


def test_joiner_then_takes_many_hypotheses(wrapped: Path) -> None:
    plain, ours = _sessions(wrapped, "joiner")
    rng = np.random.default_rng(1)
    inputs = [rng.normal(size=(5, 96)).astype(np.float32) for _ in range(2)]
    names = ("encoder_out", "decoder_out")
    made = ours.run(None, dict(zip(names, inputs, strict=True)))[0]
    for at, logits in enumerate(made):
        one = {name: values[at : at + 1] for name, values in zip(names, inputs, strict=True)}
        np.testing.assert_allclose(logits, plain.run(None, one)[0][0], atol=1e-5)


def test_model_with_other_states_then_says_so(tmp_path: Path) -> None:
    import onnx

    source = tmp_path / "source"
    source.mkdir()
    model = onnx.load(EXAMPLE / "onnx" / "encoder.onnx")
    del model.graph.input[-1]
    onnx.save(model, source / "encoder.onnx")
    (source / "features.json").write_text('{"mean": [0.0], "inv_std": [1.0]}', encoding="utf-8")
    with pytest.raises(ValueError, match="not those of equal LSTMs"):
        write_model(source, tmp_path / "out", 1)


def test_phrases_are_counted_where_their_words_follow_one_another() -> None:
    pairs = [("go left go left", "go left no"), ("on one", "one on"), ("stop", "go left stop")]
    assert phrase_counts(["go left", "on", "on one"], pairs) == (2, 4, 1)


def test_difference_is_that_of_the_rates_and_nothing_for_equal_errors() -> None:
    texts = iter(["x", "y", "a b", "d f"])
    clips = [Clip("1", np.zeros(1, np.int16), "a b"), Clip("2", np.zeros(1, np.int16), "d e")]

    def recognise(clip: Clip) -> str:
        return next(texts)

    first, second = (hear(name, recognise, clips, []) for name in "pq")
    assert (first.rate_pct, second.rate_pct) == (100.0, 25.0)
    assert difference(second, first)[0] == -75.0
    low, high = difference(second, first)[1:]
    assert (low, high) == (-100.0, -50.0)
    assert difference(first, first) == (0.0, 0.0, 0.0)
    assert isinstance(first, Heard)


def test_greedy_search_of_sherpa_equals_ours_on_the_example(wrapped: Path) -> None:
    clips = read_clips(EXAMPLE / "clips")[:4]
    theirs = Sherpa(sherpa_onnx, wrapped, 40).recogniser(1)
    laptop = emulate(convert(EXAMPLE, 1), clips, engine="core").transcripts
    assert [theirs(clip) for clip in clips] == [heard.text for heard in laptop]
