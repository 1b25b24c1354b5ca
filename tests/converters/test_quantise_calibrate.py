"""Calibration walks the recogniser as the search does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
from edgesdk_converters.quantise.calibrate import calibrate, decode, logit_range, louder, windows
from edgesdk_converters.source import Source
from tiny_model import VOCAB, tiny_features


def search(folder: Path, features: np.ndarray) -> tuple[list[int], list[list[int]], int]:
    """Greedy transducer search by hand over onnxruntime: tokens, histories, joiner calls."""
    encoder, decoder, joiner = (
        onnxruntime.InferenceSession(str(folder / f"{name}.onnx"))
        for name in ("encoder", "decoder", "joiner")
    )
    states = {i.name: np.zeros(i.shape, np.float32) for i in encoder.get_inputs()[1:]}
    tokens: list[int] = []
    histories = [[0, 0]]
    calls = 0
    padded = np.concatenate([features, np.zeros((-len(features) % 4, 40), np.float32)])
    for t in range(0, len(padded), 4):
        frame, *after = encoder.run(None, {"x": padded[None, t : t + 4]} | states)
        states = dict(zip(states, after, strict=True))
        for _ in range(3):
            (out,) = decoder.run(None, {"y": np.array([histories[-1]], np.int64)})
            (logit,) = joiner.run(None, {"encoder_out": frame[:, 0], "decoder_out": out})
            calls += 1
            if logit.argmax() == 0:
                break
            tokens.append(int(logit.argmax()))
            histories.append([histories[-1][1], tokens[-1]])
    return tokens, histories, calls


def test_decode_then_equals_a_search_over_onnxruntime(
    small_source: Source, tiny_folder: Path
) -> None:
    for features in tiny_features(3):
        tokens, histories, calls = search(tiny_folder, features[:-1])
        visit = decode(small_source, features[:-1])
        assert len(set(tokens)) > 1, "the tiny model says nothing: the test proves nothing"
        assert visit.tokens == tokens
        assert [c[0].tolist() for c in visit.contexts] == histories
        assert len(visit.pairs) == calls


def test_windows_that_overlap_then_every_frame_is_seen(small_source: Source) -> None:
    source = replace(small_source, window=9, shift=4)
    features = np.arange(1, 23, dtype=np.float32)[:, None] * np.ones((1, 40), np.float32)
    steps = [w[0, :, 0].tolist() for w in windows(source, features)]
    assert [s[0] for s in steps] == [1, 5, 9, 13, 17]
    assert steps[-1] == [17, 18, 19, 20, 21, 22, 0, 0, 0]


def test_calibration_then_the_predictor_has_seen_every_context(small_source: Source) -> None:
    seen = calibrate(small_source, tiny_features(1))
    assert seen.predictor["decoder_out"].seen >= VOCAB**2
    assert seen.predictor["decoder_out"].high >= seen.joiner["decoder_out"].high
    assert "y" not in seen.predictor


def test_louder_then_sound_rises_and_digital_silence_stays(small_source: Source) -> None:
    inv_std = np.linspace(0.1, 0.4, 40, dtype=np.float32)
    source = replace(small_source, features={**small_source.features, "inv_std": inv_std.tolist()})
    features = tiny_features(1)[0]
    features[:3] = features.min() - 1.0  # the floor of the logarithm
    result = louder(source, features)
    np.testing.assert_array_equal(result[:3], features[:3])
    expected = np.broadcast_to(np.log(10.0) * inv_std, features[3:].shape)
    np.testing.assert_allclose(result[3:] - features[3:], expected, atol=1e-5)


def test_logit_range_then_the_best_are_whole_and_the_hopeless_are_cut(
    small_source: Source,
) -> None:
    seen = calibrate(small_source, tiny_features(2))
    whole, kept = seen.joiner["logit"], logit_range(seen)
    assert kept.high == whole.high == seen.best_logits.high
    assert kept.low == max(whole.low, seen.best_logits.low - 8.0)
    assert seen.best_logits.low < seen.best_logits.high
