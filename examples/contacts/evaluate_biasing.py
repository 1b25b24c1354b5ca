"""Prints what phrases do to unseen names, and to sentences without any: by tables, by attention.

edgesdk convert examples/contacts/onnx --calibration examples/contacts/calibration \\
    --recipe examples/contacts/recipe.toml --board host -o out/contacts
python examples/contacts/evaluate_biasing.py out/contacts/model.edge --by tables attention
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import commands_path  # noqa: F401
import torch
from edgesdk.biasing.compile import By, Compiled, compile_phrases
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

    def __init__(self, bundle: Bundle, by: By, weight: float | None) -> None:
        """Take phrases of a weight a letter in tables for the search; None is the default."""
        self._bundle, self._by, self._weight = bundle, by, weight
        self._emulators: dict[tuple[str, ...], Emulator] = {}
        self.table_bytes = 0

    def _compile(self, phrases: Sequence[str]) -> Compiled:
        lines = [Phrase(p, self._weight, "contacts", f"phrase {i}") for i, p in enumerate(phrases)]
        return compile_phrases(lines, self._bundle, by=self._by)

    def recognise(self, clip: Spoken, phrases: tuple[str, ...]) -> str:
        """Return the text of a clip; the device adds the tail of zeros itself."""
        if phrases not in self._emulators:
            tables = self._compile(phrases).tables if phrases else ()
            self.table_bytes = sum(table.size_bytes for table in tables)
            emulator = Emulator(self._bundle, "core", [table.data for table in tables])
            self._emulators[phrases] = emulator
        return self._emulators[phrases].recognise(Clip(clip.text, clip.samples)).text


def configurations(args: argparse.Namespace) -> list[tuple[int, By, float | None]]:
    """Return the rows to print: how many phrases, how they bias, the weight in tables."""
    rows: list[tuple[int, By, float | None]] = []
    for count in args.counts:
        for by in args.by if count else ["tables"]:
            weighted = count and by != "attention"
            rows += [(count, by, weight) for weight in (args.weights if weighted else [None])]
    return rows


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="the converted model.edge")
    parser.add_argument("--by", nargs="+", choices=get_args(By), default=["tables"])
    parser.add_argument("--weights", type=float, nargs="+", default=[None], help="nats a letter")
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--sets", nargs="+", default=["unseen names", "no names"])
    parser.add_argument("--limit", type=int, help="clips of each set")
    parser.add_argument("--seed", type=int, default=TEST_SEED)
    args = parser.parse_args()
    torch.set_num_threads(1)
    bundle = load_bundle(args.bundle)
    sets = test_sets(args.seed, args.limit)
    print(f"{'set':14s} phrases by        weight   bytes clips     WER  recall  carrier WER")
    for title in args.sets:
        for count, by, weight in configurations(args):
            biased, clips = Biased(bundle, by, weight), sets[title]
            texts = [biased.recognise(clip, phrases_for(clip, count)) for clip in clips]
            shown = f"{by if count else '-':9s} {weight or '-':>6}"
            row = f"{title:14s} {count:7d} {shown} {biased.table_bytes:7d}"
            print(f"{row} {score(clips, texts).line()}", flush=True)


if __name__ == "__main__":
    main()
