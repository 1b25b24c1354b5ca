"""Prints what tables of phrases do to unseen names, and to sentences without any.

edgesdk convert examples/contacts/onnx --calibration examples/contacts/calibration \\
    --recipe examples/contacts/recipe.toml --board host -o out/contacts
python examples/contacts/evaluate_biasing.py out/contacts/model.edge --weights 0.3 0.6
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import commands_path  # noqa: F401
import torch
from edgesdk.biasing.compile import Compiled, compile_phrases
from edgesdk.biasing.phrases import Phrase
from edgesdk.bundle import Bundle, load_bundle
from edgesdk.emulate import Clip, Emulator
from evaluate_contacts import TEST_SEED, Spoken, score, test_sets
from sentences import contacts_and_distractors

COUNTS = (0, 10, 100, 1000)


def phrases_for(clip: Spoken, count: int) -> tuple[str, ...]:
    """Return the phrases that are loaded while a clip is spoken.

    With a contact in the clip, up to 100 are the contacts next to it, with it; then distractors
    follow. Without one, all are distractors.
    """
    contacts, distractors = contacts_and_distractors()
    if clip.name not in contacts:
        return tuple(distractors[:count])
    start = contacts.index(clip.name) // count * count if 0 < count < len(contacts) else 0
    listed = contacts[start : start + count] if count else []
    return (*listed, *distractors[: count - len(listed)])


class Biased:
    """The C core's recogniser of a bundle, with one emulator for each list of phrases."""

    def __init__(self, bundle: Bundle, weight: float | None) -> None:
        """Take phrases of a weight a letter; None is the default."""
        self._bundle, self._weight = bundle, weight
        self._emulators: dict[tuple[str, ...], Emulator] = {}
        self.table_bytes = 0

    def _compile(self, phrases: Sequence[str]) -> Compiled:
        lines = [Phrase(p, self._weight, "contacts", f"phrase {i}") for i, p in enumerate(phrases)]
        return compile_phrases(lines, self._bundle)

    def recognise(self, clip: Spoken, phrases: tuple[str, ...]) -> str:
        """Return the text of a clip; the device adds the tail of zeros itself."""
        if phrases not in self._emulators:
            tables = self._compile(phrases).tables if phrases else ()
            self.table_bytes = sum(table.size_bytes for table in tables)
            emulator = Emulator(self._bundle, "core", [table.data for table in tables])
            self._emulators[phrases] = emulator
        return self._emulators[phrases].recognise(Clip(clip.text, clip.samples)).text


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="the converted model.edge")
    parser.add_argument("--weights", type=float, nargs="+", help="nats a letter")
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--sets", nargs="+", default=["unseen names", "no names"])
    parser.add_argument("--limit", type=int, help="clips of each set")
    parser.add_argument("--seed", type=int, default=TEST_SEED)
    args = parser.parse_args()
    torch.set_num_threads(1)
    bundle = load_bundle(args.bundle)
    sets = test_sets(args.seed, args.limit)
    print(f"{'set':14s} phrases weight   bytes clips     WER  recall  carrier WER")
    for title in args.sets:
        for count in args.counts:
            for weight in (args.weights or [None]) if count else [None]:
                biased = Biased(bundle, weight)
                clips = sets[title]
                texts = [biased.recognise(clip, phrases_for(clip, count)) for clip in clips]
                shown = f"{weight:6.2f}" if weight else "     -"
                row = f"{title:14s} {count:7d} {shown} {biased.table_bytes:7d}"
                print(f"{row} {score(clips, texts).line()}", flush=True)


if __name__ == "__main__":
    main()
