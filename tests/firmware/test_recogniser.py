"""The recogniser's windows, tail and search against an obvious Python one."""

import dataclasses
import math
import zlib

import front_sections
import numpy as np
import pytest
from edgesdk.bundle.image import pack_image
from edgesdk.core import Features, Image, Recogniser, TokenEvent
from edgesdk.errors import BundleError
from front_sections import FrontEnd, Search
from numpy.typing import NDArray

pytestmark = pytest.mark.needs_cc

Int8 = NDArray[np.int8]
FRONT = FrontEnd(mel_bins=20, tail_padding=3200)
SEARCH = Search()
PIECES = ["<blk>", "▁", *"abcdefghijklmn"]
SAMPLES = np.random.default_rng(7).integers(-9000, 9000, 16000 + 77).astype(np.int16)


def _drawn(*parts: object, count: int) -> Int8:
    """Values that depend on everything in `parts`, and on nothing else."""
    seed = zlib.crc32(repr([p.tobytes() if hasattr(p, "tobytes") else p for p in parts]).encode())
    return np.random.default_rng(seed).integers(-100, 100, count).astype(np.int8)


class DrawnRunner:
    stateful = True

    """Graphs whose answers are drawn from their inputs and, for two of them, from a state."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.windows: list[Int8] = []
        self.histories: list[tuple[int, ...]] = []
        self.resets = 0

    def reset(self) -> None:
        self.windows.clear()
        self.histories.clear()
        self.resets += 1

    def encode(self, features: Int8) -> Int8:
        self.windows.append(features)
        count = self.search.frames_out * self.search.joiner_dim
        return _drawn("encode", len(self.windows), features, count=count)

    def predict(self, history: NDArray[np.int32]) -> Int8:
        self.histories.append(tuple(history.tolist()))
        return _drawn("predict", len(self.histories), history, count=self.search.joiner_dim)

    def join(self, encoder_out: Int8, predictor_out: Int8) -> Int8:
        logits = _drawn("join", encoder_out, predictor_out, count=self.search.vocab)
        if logits[1] > 0:
            logits[self.search.blank] = 120
        return logits


@dataclasses.dataclass
class Heard:
    tokens: list[int] = dataclasses.field(default_factory=list)
    logprobs: list[float] = dataclasses.field(default_factory=list)
    times_ms: list[int] = dataclasses.field(default_factory=list)
    logits: list[tuple[int, int, bytes]] = dataclasses.field(default_factory=list)


def _image(front: FrontEnd, search: Search) -> Image:
    return Image(pack_image(front_sections.recogniser_image(front, search, PIECES)))


def _hear(
    front: FrontEnd, search: Search, samples: NDArray[np.int16], pieces: list[int]
) -> tuple[Heard, DrawnRunner, Recogniser]:
    heard, runner = Heard(), DrawnRunner(search)

    def take(event: TokenEvent) -> None:
        heard.tokens.append(event.token)
        heard.logprobs.append(event.logprob_q16 / 65536)
        heard.times_ms.append(event.time_ms)

    recogniser = Recogniser(
        _image(front, search),
        runner,
        take,
        lambda frame, symbol, logits: heard.logits.append((frame, symbol, logits.tobytes())),
    )
    done = turn = 0
    while done < len(samples):
        size = pieces[turn % len(pieces)]
        recogniser.push(samples[done : done + size])
        done, turn = done + size, turn + 1
    recogniser.finish()
    return heard, runner, recogniser


def _expected(
    front: FrontEnd, search: Search, samples: NDArray[np.int16]
) -> tuple[Heard, DrawnRunner]:
    """The whole recogniser once more, utterance by utterance, without any streaming."""
    features = Features(front_sections.features_section(front))
    padded = np.concatenate([samples, np.zeros(front.tail_padding, np.int16)])
    frames = np.concatenate([features.push(padded)[1], features.flush()[1]])
    if len(frames):
        beyond = max(0, len(frames) - front.window_frames)
        count = 1 + math.ceil(beyond / front.window_shift)
        missing = (count - 1) * front.window_shift + front.window_frames - len(frames)
        fill = np.full((missing, front.mel_bins), front.padding_q, np.int8)
        frames = np.concatenate([frames, fill])
    heard, runner = Heard(), DrawnRunner(search)
    history = [search.start] * search.context_size
    predicted: Int8 | None = None
    frame = 0
    starts = range(0, len(frames) - front.window_frames + 1, front.window_shift)
    for start in starts:
        window = frames[start : start + front.window_frames].reshape(-1)
        for encoded in runner.encode(window).reshape(search.frames_out, -1):
            for symbol in range(search.max_symbols):
                if predicted is None:
                    predicted = runner.predict(np.array(history, np.int32))
                logits = runner.join(encoded, predicted)
                heard.logits.append((frame, symbol, logits.tobytes()))
                token = int(np.argmax(logits))
                if token == search.blank:
                    break
                real = logits.astype(np.float64) * search.logit_scale
                heard.logprobs.append(float(real[token] - np.logaddexp.reduce(real)))
                heard.tokens.append(token)
                heard.times_ms.append(frame * search.frame_us // 1000)
                history = [*history[1:], token]
                predicted = None
            frame += 1
    return heard, runner


CASES = {
    "usual": (FRONT, SEARCH),
    "two_frames_out": (FRONT, dataclasses.replace(SEARCH, frames_out=2, frame_us=20000)),
    "overlap": (
        dataclasses.replace(FRONT, window_frames=9, window_shift=4),
        dataclasses.replace(SEARCH, max_symbols=1),
    ),
    "one_frame": (
        dataclasses.replace(FRONT, window_frames=1, window_shift=1, snip_edges=False),
        dataclasses.replace(SEARCH, frame_us=10000, context_size=1),
    ),
    "blank_last": (
        dataclasses.replace(FRONT, tail_padding=0),
        dataclasses.replace(SEARCH, blank=15, start=3, context_size=8, max_symbols=7),
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("pieces", [[160], [1, 999, 0, 37], [100000]])
def test_recogniser_then_equals_the_obvious_one(case: str, pieces: list[int]) -> None:
    front, search = CASES[case]
    heard, runner, recogniser = _hear(front, search, SAMPLES, pieces)
    expected, slow = _expected(front, search, SAMPLES)
    assert [w.tobytes() for w in runner.windows] == [w.tobytes() for w in slow.windows]
    assert runner.histories == slow.histories
    assert (heard.tokens, heard.times_ms) == (expected.tokens, expected.times_ms)
    assert heard.logits == expected.logits
    assert len(heard.tokens) > 10
    assert np.allclose(heard.logprobs, expected.logprobs, rtol=0, atol=2e-5)
    costs = recogniser.costs
    assert costs.encoder_calls == len(slow.windows)
    assert costs.predictor_calls == len(slow.histories)
    assert costs.joiner_calls == len(expected.logits)


@pytest.mark.parametrize("count", [0, 1, 399, 400, 879, 880, 881, 1040, 4000, 4079, 4080, 4081])
@pytest.mark.parametrize("tail", [0, 3200])
@pytest.mark.parametrize("case", ["usual", "overlap", "one_frame"])
def test_tail_of_any_length_then_reaches_the_encoder(count: int, tail: int, case: str) -> None:
    front, search = CASES[case]
    front = dataclasses.replace(front, tail_padding=tail)
    _, runner, _ = _hear(front, search, SAMPLES[:count], [160])
    _, slow = _expected(front, search, SAMPLES[:count])
    assert [w.tobytes() for w in runner.windows] == [w.tobytes() for w in slow.windows]


def test_reset_in_the_middle_then_the_next_utterance_is_as_the_first() -> None:
    first, _, recogniser = _hear(FRONT, SEARCH, SAMPLES, [160])
    heard, runner = Heard(), DrawnRunner(SEARCH)
    again = Recogniser(
        _image(FRONT, SEARCH), runner, lambda event: heard.tokens.append(event.token)
    )
    again.push(SAMPLES[:7777])
    again.reset()
    heard.tokens.clear()
    again.push(SAMPLES)
    again.finish()
    assert heard.tokens == first.tokens
    assert again.costs == recogniser.costs
    assert runner.resets == 2


def test_finished_recogniser_then_takes_nothing_before_a_reset() -> None:
    _, _, recogniser = _hear(FRONT, SEARCH, SAMPLES[:2000], [160])
    for action in (lambda: recogniser.push(SAMPLES), recogniser.finish):
        with pytest.raises(BundleError, match="not possible in this state"):
            action()
    recogniser.reset()
    recogniser.push(SAMPLES[:2000])


@pytest.mark.parametrize("where", ["reset", "encode", "predict", "join"])
def test_exception_in_a_runner_then_reaches_the_caller_once(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Int8:
        raise KeyError(where)

    runner = DrawnRunner(SEARCH)
    if where != "reset":
        recogniser = Recogniser(_image(FRONT, SEARCH), runner)
    monkeypatch.setattr(runner, where, fail)
    with pytest.raises(KeyError, match=where):
        if where == "reset":
            Recogniser(_image(FRONT, SEARCH), runner)
        recogniser.push(SAMPLES)
    if where != "reset":
        monkeypatch.undo()
        with pytest.raises(BundleError, match="not possible in this state"):
            recogniser.push(SAMPLES)
        recogniser.reset()
        recogniser.push(SAMPLES)


def test_runner_with_a_wrong_size_then_is_named() -> None:
    runner = DrawnRunner(SEARCH)
    runner.search = dataclasses.replace(SEARCH, joiner_dim=5)
    recogniser = Recogniser(_image(FRONT, SEARCH), runner)
    with pytest.raises(BundleError, match="returned 5 values, 24 expected"):
        recogniser.push(SAMPLES)


def test_own_graphs_then_run_without_a_runner() -> None:
    """Constant graphs: every logit is equal, so the blank (the lowest index) wins."""
    logits: list[bytes] = []
    recogniser = Recogniser(
        _image(FRONT, SEARCH), on_logits=lambda frame, symbol, values: logits.append(bytes(values))
    )
    recogniser.push(SAMPLES)
    recogniser.finish()
    expected, _ = _expected(FRONT, SEARCH, SAMPLES)
    assert len(logits) == 1 + max(frame for frame, _, _ in expected.logits)
    assert set(logits) == {b"\1" * SEARCH.vocab}


MISMATCHES = {
    "mel_bins": {"FEAT": dataclasses.replace(FRONT, mel_bins=21)},
    "window": {"FEAT": dataclasses.replace(FRONT, window_frames=5)},
    "input_scale": {"FEAT": dataclasses.replace(FRONT, input_scale=0.0501)},
    "input_zero_point": {"FEAT": dataclasses.replace(FRONT, input_zero_point=-2)},
    "frame_time": {"SRCH": dataclasses.replace(SEARCH, frame_us=10000)},
    "joiner_dim": {"SRCH": dataclasses.replace(SEARCH, joiner_dim=25)},
    "context": {"SRCH": dataclasses.replace(SEARCH, context_size=3)},
    "vocab": {"SRCH": dataclasses.replace(SEARCH, vocab=17)},
    "frames_out": {"SRCH": dataclasses.replace(SEARCH, frames_out=2, frame_us=20000)},
}


@pytest.mark.parametrize("fault", MISMATCHES)
def test_sections_that_do_not_belong_together_then_are_refused(fault: str) -> None:
    sections = front_sections.recogniser_image(FRONT, SEARCH, PIECES)
    for tag, value in MISMATCHES[fault].items():
        sections[tag] = (
            front_sections.features_section(value)
            if isinstance(value, FrontEnd)
            else front_sections.search_section(value)
        )
    with pytest.raises(BundleError, match="outside its bounds"):
        Recogniser(Image(pack_image(sections)))


@pytest.mark.parametrize("tag", ["FEAT", "TOKS", "SRCH", "GENC", "GPRE", "GJNT"])
def test_image_without_a_section_then_is_refused(tag: str) -> None:
    sections = front_sections.recogniser_image(FRONT, SEARCH, PIECES)
    del sections[tag]
    with pytest.raises(BundleError, match="lacks a section"):
        Recogniser(Image(pack_image(sections)))


def test_joiner_with_other_quantisation_then_is_refused() -> None:
    sections = front_sections.recogniser_image(FRONT, SEARCH, PIECES)
    other = front_sections.recogniser_image(FRONT, SEARCH, PIECES)["GJNT"]
    scale = np.float32(0.02).tobytes()
    assert other.count(scale) == 2
    sections["GJNT"] = other.replace(scale, np.float32(0.021).tobytes(), 1)
    with pytest.raises(BundleError, match="outside its bounds"):
        Recogniser(Image(pack_image(sections)))


def test_workspace_then_is_the_sum_that_the_bundle_predicts() -> None:
    from edgesdk.bundle import Bundle

    for front, search in CASES.values():
        bundle = Bundle(front_sections.recogniser_image(front, search, PIECES))
        image = Image(bundle.device_bytes())
        assert Recogniser(image).workspace_bytes == bundle.workspace_bytes
