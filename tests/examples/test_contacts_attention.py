"""The example's attention adapter: alignments, phrase lists, and the graphs that are shipped."""

import itertools
import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from alignment import Heard, best_frames, join_paths  # noqa: E402
from attention import HEAD_WIDTH, HEADS, MARK, WIDTH, Attention, load_attention  # noqa: E402
from export_attention import EMPTY, calibration_phrases  # noqa: E402
from letters import encode  # noqa: E402
from model import Transducer, load_checkpoint  # noqa: E402
from sentences import read_list, split_names  # noqa: E402
from train_attention import PhraseLists, rows_of_letters  # noqa: E402

EXAMPLE = Path(__file__).parents[2] / "examples" / "contacts"
ONNX = EXAMPLE / "onnx"


@pytest.fixture(scope="module")
def model() -> Transducer:
    return load_checkpoint(EXAMPLE / "checkpoint.pt")


@pytest.fixture(scope="module")
def attention(model) -> Attention:
    return load_attention(EXAMPLE / "attention.pt", model.config)


@pytest.fixture(scope="module")
def graphs() -> dict:
    names = ("encoder", "decoder", "joiner", "catalog", "adapter")
    return {name: ort.InferenceSession(ONNX / f"{name}.onnx") for name in names}


def _best_by_trying_all(scores: np.ndarray, tokens: list[int]) -> tuple[int, ...]:
    """Frames of tokens in the best of all paths through log-probabilities [T, U + 1, V]."""

    def total(frames: tuple[int, ...]) -> float:
        said, sum_ = 0, 0.0
        for t in range(len(scores)):
            while said < len(tokens) and frames[said] == t:
                sum_ += scores[t, said, tokens[said]]
                said += 1
            sum_ += scores[t, said, 0]
        return sum_

    paths = itertools.combinations_with_replacement(range(len(scores)), len(tokens))
    return max(paths, key=total)


def test_best_frames_are_those_of_the_best_of_all_paths() -> None:
    torch.manual_seed(2)
    frame_counts, token_counts = torch.tensor([5, 3, 1, 4]), torch.tensor([3, 2, 2, 0])
    tokens = torch.tensor([[1, 2, 1], [3, 3, 0], [1, 2, 0], [0, 0, 0]])
    logits = 3 * torch.randn(4, 5, 4, 5)
    found = best_frames(logits, tokens, frame_counts, token_counts)
    scores = logits.log_softmax(dim=-1).numpy()
    for i, frames in enumerate(found):
        spoken = tokens[i, : token_counts[i]].tolist()
        assert tuple(frames) == _best_by_trying_all(scores[i, : frame_counts[i]], spoken)


def test_paths_hold_every_letter_and_a_blank_a_frame() -> None:
    hidden = np.zeros((3, 8), np.float16)
    one = Heard(hidden, np.array([5, 6]), np.array([1, 1]))
    paths = join_paths([one, Heard(hidden[:1], np.zeros(0, np.int64), np.zeros(0, np.int64))])
    rows = zip(
        *(t.tolist() for t in (paths.utterance, paths.frame, paths.context, paths.target)),
        strict=True,
    )
    assert sorted(rows) == sorted(
        [
            (0, 1, [0, 0], 5),
            (0, 1, [0, 5], 6),
            (0, 0, [0, 0], 0),
            (0, 1, [5, 6], 0),
            (0, 2, [5, 6], 0),
            (1, 0, [0, 0], 0),
        ]
    )


def test_phrase_lists_hold_training_names_only() -> None:
    train, test = split_names()
    lists = PhraseLists(train, 3)
    common = next(word for word in read_list("words") if word in train.all())
    first = next(name for name in train.first if name not in read_list("words"))
    assert lists.spoken(f"call {first} at home") == first
    assert lists.spoken(f"the {common} is here") == ""
    for _ in range(20):
        texts = [f"call {first} now", "turn it up"]
        drawn = lists.draw(texts)
        assert test.all().isdisjoint(" ".join(drawn.phrases).split())
        rows = drawn.rows.tolist()
        assert len(rows) == len(encode(" ".join(texts)))
        listed = {drawn.phrases[row - 1] for row in rows if row}
        assert listed == ({first} if first in drawn.phrases else set())


def test_rows_of_letters_mark_the_name() -> None:
    assert rows_of_letters("to al bo up", "al bo", 7) == [0] * 3 + [7] * 6 + [0] * 3
    assert rows_of_letters("up", "", 0) == [0] * 3


def test_calibration_phrases_are_training_names() -> None:
    _, test = split_names()
    phrases = (ONNX / "phrases.txt").read_text(encoding="utf-8").splitlines()
    assert phrases == calibration_phrases()
    assert test.all().isdisjoint(" ".join(phrases).split())


def _frames(model: Transducer, count: int) -> tuple:
    """Normalised features, hidden states and encoder outputs of noise."""
    torch.manual_seed(4)
    x = torch.randn(1, 4 * count, model.config.num_bins)
    hidden, _ = model.encoder.hidden_states(x, model.encoder.initial_state())
    return x, hidden, model.encoder.project(hidden)


def _run_encoder(graphs: dict, x: np.ndarray) -> np.ndarray:
    inputs = graphs["encoder"].get_inputs()
    states = {i.name: np.zeros(i.shape, np.float32) for i in inputs if i.name != "x"}
    return graphs["encoder"].run(None, {"x": x, **states})[0]


@torch.no_grad()
def test_without_phrases_the_shipped_graphs_are_the_recogniser(model, graphs) -> None:
    x, _, encoder_out = _frames(model, 10)
    got = _run_encoder(graphs, x.numpy())
    width = model.config.joiner_dim
    assert np.abs(got[..., :width] - encoder_out.numpy()).max() < 1e-4
    context = torch.tensor([[2, 5]])
    (decoder_out,) = graphs["decoder"].run(None, {"y": context.numpy()})
    logits = model.joiner(encoder_out[0], model.decoder(context))
    for frame, expected in zip(got[0], logits, strict=True):
        feeds = {"encoder_out": frame[None], "decoder_out": decoder_out}
        (logit,) = graphs["joiner"].run(None, feeds)
        assert np.abs(logit - expected.numpy()).max() < 1e-4


@torch.no_grad()
def test_shipped_catalog_and_adapter_equal_training(model, attention, graphs) -> None:
    x, hidden, encoder_out = _frames(model, 10)
    got = _run_encoder(graphs, x.numpy())
    about = graphs["adapter"].get_modelmeta().custom_metadata_map
    rows = int(about["rows"])
    keys = np.zeros((HEADS, rows, HEAD_WIDTH), np.float32)
    values = np.zeros((HEADS, HEAD_WIDTH, rows), np.float32)
    keys[:, :, MARK] = -float(about["key_limit"])
    no_phrase = graphs["catalog"].get_modelmeta().custom_metadata_map["no_phrase_key"]
    keys[:, 0] = np.array(no_phrase.split(","), np.float32).reshape(HEADS, HEAD_WIDTH)
    phrases = ["duncan bernard", "o'brien", "zayyir"]
    for n, phrase in enumerate(phrases, 1):
        h = c = np.zeros((1, 1, 96), np.float32)
        for token in encode(phrase):
            feeds = {"token": np.array([[token]]), "state_h": h, "state_c": c}
            key, value, h, c = graphs["catalog"].run(None, feeds)
        keys[:, n], values[:, :, n] = (a.reshape(HEADS, HEAD_WIDTH) for a in (key, value))
    table = attention.catalog(phrases)
    assert np.abs(keys[:, : len(phrases) + 1, MARK]).max() == 0
    expected = attention(hidden, encoder_out, table)
    limit = (expected.scores.amax(dim=-1)).min() - EMPTY
    assert limit > 15  # a row without a phrase gets less than e^-15 of the best one's attention
    adapted = np.concatenate(
        [
            graphs["adapter"].run(
                None, {"encoder_out": frame[None, None], "keys": keys, "values": values}
            )[0][0]
            for frame in got[0]
        ]
    )
    width = model.config.joiner_dim
    assert np.abs(adapted[:, :width] - expected.encoder_out[0].numpy()).max() < 1e-3
    assert np.array_equal(adapted[:, width:], got[0][:, width:])
    assert table.keys.shape == (len(phrases) + 1, WIDTH)


@torch.no_grad()
def test_order_of_phrases_does_not_matter(model, attention) -> None:
    _, hidden, encoder_out = _frames(model, 6)
    phrases = calibration_phrases()[:9]
    mixed = random.Random(1).sample(phrases, len(phrases))
    outputs = [attention(hidden, encoder_out, attention.catalog(p)) for p in (phrases, mixed)]
    assert (outputs[0].encoder_out - outputs[1].encoder_out).abs().max() < 1e-4
