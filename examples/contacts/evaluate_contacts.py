"""Prints word error rates and name recall on voices and names that training never heard.

python examples/contacts/evaluate_contacts.py

With --write FOLDER, writes the same clips for `edgesdk emulate --expect` instead: a folder of .wav
files and clips.tsv for each set.
"""

import argparse
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import commands_path  # noqa: F401
import espeak
import torch
from decode import recognise
from demo_clips import quiet_ends, write_clips
from evaluate import with_tail
from letters import decode
from model import Transducer, load_checkpoint
from sentences import (
    NAME_SENTENCES,
    PLAIN_SENTENCES,
    contacts_and_distractors,
    fill,
    read_list,
    split_names,
)
from synthesis import ACCENTS, HELD_OUT_VARIANTS, Samples, Voice, held_out_voices

HERE = Path(__file__).parent
SENTENCES_PER_CONTACT = 2
PLAIN_COUNT = 500
KNOWN_COUNT = 100
OTHER_COUNT = 40
TEST_SEED = 9
# A decoder turns clips, each with the device's tail of zeros, into texts.
Decoder = Callable[[Sequence[Samples]], list[str]]


@dataclass(frozen=True)
class Spoken:
    """A test clip: int16 samples at 16 kHz, its text and the name in it ("" where none is)."""

    text: str
    name: str
    samples: Samples


@dataclass(frozen=True)
class Scores:
    """What a decoder got wrong on one set, as counts."""

    clips: int
    words: int
    errors: int
    names: int
    names_recalled: int
    carrier_words: int
    carrier_errors: int

    def line(self) -> str:
        """Return the figures of a row of the table."""
        recall = f"{100 * self.names_recalled / self.names:5.1f} %" if self.names else "      -"
        return (
            f"{self.clips:5d} {100 * self.errors / self.words:6.1f} % {recall}"
            f" {100 * self.carrier_errors / max(self.carrier_words, 1):6.1f} %"
        )


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int, bool]]:
    """Return every word error of the best alignment as (reference position, is an insertion).

    An insertion's position is that of the reference word which follows it.
    """
    rows = [list(range(len(hypothesis) + 1))]
    for i, expected in enumerate(reference, 1):
        row = [i]
        for j, got in enumerate(hypothesis, 1):
            change = rows[-1][j - 1] + (expected != got)
            row.append(min(rows[-1][j] + 1, row[-1] + 1, change))
        rows.append(row)
    i, j, errors = len(reference), len(hypothesis), []
    while i or j:
        if i and j and rows[i][j] == rows[i - 1][j - 1] + (reference[i - 1] != hypothesis[j - 1]):
            i, j = i - 1, j - 1
            if reference[i] != hypothesis[j]:
                errors.append((i, False))
        elif i and rows[i][j] == rows[i - 1][j] + 1:
            i -= 1
            errors.append((i, False))
        else:
            j -= 1
            errors.append((i, True))
    return errors


def find(words: Sequence[str], part: Sequence[str]) -> int:
    """Return where `part` begins in `words`, or -1."""
    starts = range(len(words) - len(part) + 1)
    return next((i for i in starts if list(words[i : i + len(part)]) == list(part)), -1)


def score(clips: Sequence[Spoken], texts: Sequence[str]) -> Scores:
    """Return the counts; a name is recalled when all its words stand together in the text.

    Carrier errors are those outside the name; a word inserted beside the name belongs to the name.
    """
    words = errors = names = recalled = name_words = name_errors = 0
    for clip, text in zip(clips, texts, strict=True):
        reference, name = clip.text.split(), clip.name.split()
        found = align(reference, text.split())
        words += len(reference)
        errors += len(found)
        if name:
            start = find(reference, name)
            end = start + len(name)
            name_words += len(name)
            names += 1
            recalled += find(text.split(), name) >= 0
            name_errors += sum(start <= at < end or (new and at == end) for at, new in found)
    counts = words - name_words, errors - name_errors
    return Scores(len(clips), words, errors, names, recalled, *counts)


def test_voices(seed: int) -> list[Voice]:
    """Return espeak-ng voices that training never heard: 4 variants in 8 accents."""
    rng = random.Random(seed)
    names = [f"{accent}+{variant}" for accent in ACCENTS for variant in HELD_OUT_VARIANTS]
    rng.shuffle(names)
    return [
        Voice(f"espeak-{name}", ("espeak-ng", "-v", name, "-s", str(rng.randint(130, 180))))
        for name in names
    ]


def speak(voice: Voice, text: str) -> Samples:
    """Return a clip with 200 ms of digital silence at both ends."""
    is_espeak = voice.command[0] == "espeak-ng"
    return quiet_ends(espeak.speak(voice, text) if is_espeak else voice.speak(text))


def test_texts(seed: int) -> dict[str, list[tuple[str, str]]]:
    """Return (text, name) pairs: sentences with unseen names, with known names and with none."""
    rng = random.Random(seed)
    known, _ = split_names()
    words = read_list("words")
    contacts, _ = contacts_and_distractors()
    unseen = [(rng.choice(NAME_SENTENCES), n) for n in contacts * SENTENCES_PER_CONTACT]
    heard = [(rng.choice(NAME_SENTENCES), known.full(rng)) for _ in range(KNOWN_COUNT)]
    plain = [(rng.choice(PLAIN_SENTENCES), "") for _ in range(PLAIN_COUNT)]
    return {
        "unseen names": [(template.replace("{n}", name), name) for template, name in unseen],
        "known names": [(template.replace("{n}", name), name) for template, name in heard],
        "no names": [(fill(template, known, words, rng), "") for template, _ in plain],
    }


def test_sets(
    seed: int = TEST_SEED, limit: int | None = None, with_other: bool = False
) -> dict[str, list[Spoken]]:
    """Return the test clips in held-out espeak-ng voices; a limit cuts every set.

    With `with_other`, the first clips come once more in a voice of flite that training never
    heard, which is further from all that it did hear.
    """
    texts = test_texts(seed)
    voices = {title: test_voices(seed) for title in texts}
    if with_other:
        for title in ("unseen names", "no names"):
            other = f"{title}, flite"
            texts[other], voices[other] = texts[title][:OTHER_COUNT], held_out_voices(seed)[::2]
    return {
        title: [
            Spoken(text, name, speak(voices[title][i % len(voices[title])], text))
            for i, (text, name) in enumerate(pairs[:limit])
        ]
        for title, pairs in texts.items()
    }


def torch_decoder(model: Transducer) -> Decoder:
    """Return the greedy search of the float model."""
    return lambda clips: recognise(model, clips, spell=decode)


def evaluate(decoder: Decoder, sets: dict[str, list[Spoken]]) -> dict[str, Scores]:
    """Return the scores of every set."""
    return {
        title: score(clips, decoder([with_tail(clip.samples) for clip in clips]))
        for title, clips in sets.items()
    }


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=HERE / "checkpoint.pt")
    parser.add_argument("--seed", type=int, default=TEST_SEED)
    parser.add_argument("--limit", type=int, help="clips of each set")
    parser.add_argument("--write", type=Path, help="folder to write the clips to")
    args = parser.parse_args()
    torch.set_num_threads(1)  # the matrices are small: a second thread only waits
    sets = test_sets(args.seed, args.limit, with_other=True)
    if args.write is not None:
        for title, clips in sets.items():
            folder = args.write / title.replace(",", "").replace(" ", "-")
            write_clips(folder, [(clip.text, clip.samples) for clip in clips], "clips.tsv")
        return
    print(f"{'set':20s} clips     WER  recall  carrier WER")
    for title, scores in evaluate(torch_decoder(load_checkpoint(args.checkpoint)), sets).items():
        print(f"{title:20s} {scores.line()}")


if __name__ == "__main__":
    main()
