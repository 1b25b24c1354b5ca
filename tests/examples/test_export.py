"""The shipped ONNX graphs, streamed, against the shipped checkpoint."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed")

from decode import device_features, recognise, word_errors  # noqa: E402
from evaluate import with_tail  # noqa: E402
from export import state_names  # noqa: E402
from features import features_config  # noqa: E402
from model import (  # noqa: E402
    CHUNK_FRAMES,
    CONTEXT_SIZE,
    MAX_SYMBOLS_PER_FRAME,
    Transducer,
    load_checkpoint,
)
from vocabulary import TOKENS, WORDS, decode, encode  # noqa: E402

EXAMPLE = Path(__file__).parents[2] / "examples" / "commands"


@pytest.fixture(scope="module")
def model() -> Transducer:
    return load_checkpoint(EXAMPLE / "checkpoint.pt")


@pytest.fixture(scope="module")
def sessions() -> dict[str, ort.InferenceSession]:
    return {
        name: ort.InferenceSession(EXAMPLE / "onnx" / f"{name}.onnx")
        for name in ("encoder", "decoder", "joiner")
    }


def _clips(folder: str) -> list[tuple[str, np.ndarray]]:
    table = EXAMPLE / folder / f"{folder}.tsv"
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        (row["text"], soundfile.read(EXAMPLE / folder / row["file"], dtype="int16")[0])
        for row in rows
    ]


def _stream(session: ort.InferenceSession, features: np.ndarray) -> np.ndarray:
    states = {name: np.zeros((1, 1, 128), np.float32) for name in state_names()}
    outputs = []
    for start in range(0, len(features), CHUNK_FRAMES):
        chunk = features[None, start : start + CHUNK_FRAMES]
        out, *new_states = session.run(None, {"x": chunk, **states})
        states = dict(zip(states, new_states, strict=True))
        outputs.append(out[0])
    return np.concatenate(outputs)


def _search(sessions: dict[str, ort.InferenceSession], encoder_out: np.ndarray) -> str:
    tokens = [0] * CONTEXT_SIZE
    for frame in encoder_out:
        for _ in range(MAX_SYMBOLS_PER_FRAME):
            context = np.array([tokens[-CONTEXT_SIZE:]])
            (decoder_out,) = sessions["decoder"].run(None, {"y": context})
            inputs = {"encoder_out": frame[None], "decoder_out": decoder_out}
            (logit,) = sessions["joiner"].run(None, inputs)
            best = int(logit[0].argmax())
            if best == 0:
                break
            tokens.append(best)
    return decode(tokens)


def _normalised(model: Transducer, samples: np.ndarray) -> np.ndarray:
    features = device_features(with_tail(samples))
    return ((features - model.feature_mean) * model.feature_inv_std).numpy()


def test_encoder_streamed_equals_whole_utterance(model, sessions) -> None:
    for _, samples in _clips("clips")[:3]:
        features = _normalised(model, samples)
        with torch.no_grad():
            whole = model.encoder(torch.from_numpy(features)[None], *model.encoder.initial_state())[
                0
            ][0].numpy()
        assert np.abs(_stream(sessions["encoder"], features) - whole).max() < 1e-4


def test_onnx_search_equals_batched_torch_search(model, sessions) -> None:
    clips = [samples for _, samples in _clips("clips")]
    streamed = [
        _search(sessions, _stream(sessions["encoder"], _normalised(model, c))) for c in clips
    ]
    assert streamed == recognise(model, [with_tail(c) for c in clips])


def test_demo_clips_are_recognised(model) -> None:
    texts, clips = zip(*_clips("clips"), strict=True)
    errors, words = word_errors(texts, recognise(model, [with_tail(c) for c in clips]))
    assert errors <= 0.1 * words


def test_parameters_within_budget(model) -> None:
    assert model.num_parameters() <= 500_000


def test_settings_equal_checkpoint(model, sessions) -> None:
    settings = json.loads((EXAMPLE / "onnx" / "features.json").read_text(encoding="utf-8"))
    assert settings == features_config(model.feature_mean, model.feature_inv_std)
    metadata = {
        key: value
        for session in sessions.values()
        for key, value in session.get_modelmeta().custom_metadata_map.items()
    }
    assert metadata == {
        "decode_chunk_len": str(CHUNK_FRAMES),
        "T": str(CHUNK_FRAMES),
        "context_size": str(CONTEXT_SIZE),
        "vocab_size": str(len(TOKENS)),
        "joiner_dim": str(model.config.joiner_dim),
        "max_symbols_per_frame": str(MAX_SYMBOLS_PER_FRAME),
    }


def test_tokens_file_spells_every_word() -> None:
    lines = (EXAMPLE / "onnx" / "tokens.txt").read_text(encoding="utf-8").splitlines()
    assert lines == [f"{token} {index}" for index, token in enumerate(TOKENS)]
    assert [decode(encode(word)) for word in WORDS] == list(WORDS)


def test_shipped_clips_are_small_and_16_khz_mono() -> None:
    paths = [*(EXAMPLE / "clips").glob("*.wav"), *(EXAMPLE / "calibration").glob("*.wav")]
    assert sum(path.stat().st_size for path in paths) < 2_500_000
    for path in paths:
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
