"""The example of names: what was held out, how it is scored, what is shipped."""

import csv
import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed")

from evaluate_biasing import phrases_for  # noqa: E402
from evaluate_contacts import Spoken, align, score, torch_decoder  # noqa: E402
from letters import TOKENS, decode, encode  # noqa: E402
from model import Transducer, load_checkpoint  # noqa: E402
from sentences import (  # noqa: E402
    Names,
    carrier_words,
    contacts_and_distractors,
    read_list,
    split_names,
    training_text,
)
from speech import change_tempo  # noqa: E402
from synthesis import FLITE_VOICES, HELD_OUT_FLITE, HELD_OUT_VARIANTS, VARIANTS  # noqa: E402

EXAMPLE = Path(__file__).parents[2] / "examples" / "contacts"
SILENCE = np.zeros(0, np.int16)


@pytest.fixture(scope="module")
def model() -> Transducer:
    return load_checkpoint(EXAMPLE / "checkpoint.pt")


def _rows(folder: str) -> list[tuple[str, np.ndarray]]:
    with (EXAMPLE / folder / f"{folder}.tsv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        (row["text"], soundfile.read(EXAMPLE / folder / row["file"], dtype="int16")[0])
        for row in rows
    ]


def test_no_test_name_is_a_training_name_or_word() -> None:
    train, test = split_names()
    contacts, distractors = contacts_and_distractors()
    spoken = {word for name in contacts for word in name.split()}
    known = {*train.all(), *read_list("words"), *carrier_words()}
    assert test.all().isdisjoint(known) and spoken.isdisjoint(known)
    assert len(test.all()) > 800 and spoken <= test.all()
    assert len(set(contacts)) == 100 and len(set(distractors) - set(contacts)) == 1000


def test_training_texts_hold_no_test_name() -> None:
    train, test = split_names()
    rng, words = random.Random(3), read_list("words")
    texts = " ".join(training_text(train, words, rng) for _ in range(2000))
    assert test.all().isdisjoint(texts.split())


def test_training_and_test_voices_are_disjoint() -> None:
    assert set(HELD_OUT_VARIANTS).isdisjoint(VARIANTS)
    assert HELD_OUT_FLITE not in FLITE_VOICES


def test_names_are_drawn_from_their_own_side() -> None:
    names = Names(("ann",), ("lee",))
    drawn = {names.draw(random.Random(seed)) for seed in range(50)}
    assert drawn == {"ann", "lee", "ann lee"}


def test_calibration_holds_no_test_name() -> None:
    _, test = split_names()
    assert test.all().isdisjoint(word for text, _ in _rows("calibration") for word in text.split())


def test_listed_phrases_hold_the_spoken_contact_or_only_distractors() -> None:
    contacts, distractors = contacts_and_distractors()
    for count in (10, 100, 200, 1000):
        listed = phrases_for(Spoken("", contacts[37], SILENCE), count)
        assert len(set(listed)) == count and contacts[37] in listed
        assert phrases_for(Spoken("", "", SILENCE), count) == tuple(distractors[:count])
    assert phrases_for(Spoken("", contacts[37], SILENCE), 0) == ()


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.1999999, 1.2])
def test_tempo_stays_inside_the_clip(factor: float) -> None:
    for frames in (2, 3, 131, 132, 500):
        features = torch.arange(frames, dtype=torch.float32)[:, None].expand(frames, 40)
        faster = change_tempo(features, factor)[:, 0]
        assert torch.allclose(faster, torch.arange(len(faster)) * factor, atol=1e-3 * frames)
        assert abs(len(faster) * factor - frames) <= 2 * factor


def test_lists_are_clean() -> None:
    for name in ("first_names", "last_names", "words"):
        lines = read_list(name)
        assert lines == sorted(set(lines))
        assert set("".join(lines)) <= set(TOKENS)
        head = (EXAMPLE / "lists" / f"{name}.txt").read_text(encoding="utf-8")[:400]
        assert "Faker" in head and "MIT" in head


def test_letters_spell_every_name() -> None:
    contacts, _ = contacts_and_distractors()
    assert [decode(encode(name)) for name in contacts] == contacts
    assert max(encode("o'brien's")) < len(TOKENS)


@pytest.mark.parametrize(
    ("heard", "errors", "recalled", "carrier_errors"),
    [
        ("call anna meier now", 0, 1, 0),
        ("call anna mayer now", 1, 0, 0),
        ("fall anna meier now", 1, 1, 1),
        ("call an na meier now", 2, 0, 0),
        ("call anna meier", 1, 1, 1),
        ("please call anna meier now", 1, 1, 1),
        ("anna the meier", 3, 0, 2),
        ("", 4, 0, 2),
    ],
)
def test_score(heard: str, errors: int, recalled: int, carrier_errors: int) -> None:
    clip = Spoken("call anna meier now", "anna meier", SILENCE)
    got = score([clip], [heard])
    assert (got.errors, got.names_recalled, got.carrier_errors) == (
        errors,
        recalled,
        carrier_errors,
    )
    assert (got.words, got.carrier_words) == (4, 2)


def test_alignment_counts_edit_distance() -> None:
    assert align(["a", "b", "c"], ["a", "x", "c", "d"]) == [(3, True), (1, False)]
    assert align([], ["a"]) == [(0, True)]
    assert align(["a"], []) == [(0, False)]


def test_phrase_files_are_what_the_tests_speak() -> None:
    for name, expected in zip(("phrases", "distractors"), contacts_and_distractors(), strict=True):
        assert (EXAMPLE / f"{name}.txt").read_text(encoding="utf-8").splitlines() == expected


def test_tokens_file() -> None:
    lines = (EXAMPLE / "onnx" / "tokens.txt").read_text(encoding="utf-8").splitlines()
    assert lines == [f"{token} {index}" for index, token in enumerate(TOKENS)]


def test_carrier_words_of_the_demo_clips_are_heard(model) -> None:
    contacts, _ = contacts_and_distractors()
    rows = _rows("clips")
    clips = [Spoken(text, next((n for n in contacts if n in text), ""), s) for text, s in rows]
    assert sum(bool(clip.name) for clip in clips) == 8
    tail = np.zeros(6400, np.int16)
    texts = torch_decoder(model)([np.concatenate([clip.samples, tail]) for clip in clips])
    got = score(clips, texts)
    assert got.carrier_errors <= 0.2 * got.carrier_words


def test_clips_are_small_and_16_khz_mono() -> None:
    paths = [*(EXAMPLE / "clips").glob("*.wav"), *(EXAMPLE / "calibration").glob("*.wav")]
    assert len(paths) == 28
    assert sum(path.stat().st_size for path in paths) < 1_800_000
    for path in paths:
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
