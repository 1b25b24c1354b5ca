"""Writes a bigram model of the texts that training hears, for `edgesdk rescore --arpa`.

python examples/commands/ngram.py --data PATH/TO/data/speech

commands.arpa is of any words in any order. With --digits, digits.arpa is of the digits alone, as
where a dialogue asks for a number.
"""

import argparse
import itertools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from data import read_manifest
from vocabulary import DIGITS, WORDS

HERE = Path(__file__).parent
BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
# As data.pick_clips mixes them: recorded strings in 8 of 100 utterances, else words at random.
RECORDED_SHARE = 0.08
WORD_COUNTS = (1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6)
UNKNOWN_COUNT = 1  # as if so many words of all were unknown


def training_texts(data: Path, words: Sequence[str], count: int, seed: int) -> list[str]:
    """Return `count` texts of these words in the shares that training has."""
    rng = random.Random(seed)
    recorded = [
        row["text"]
        for row in read_manifest(data, "manifest.tsv")
        if row["split"] == "train" and " " in row["text"] and set(row["text"].split()) <= set(words)
    ]
    return [
        rng.choice(recorded)
        if rng.random() < RECORDED_SHARE
        else " ".join(rng.choice(words) for _ in range(rng.choice(WORD_COUNTS)))
        for _ in range(count)
    ]


def witten_bell(texts: list[str]) -> dict[tuple[str, ...], tuple[float, float | None]]:
    """Return log10 probability and log10 back-off weight of each n-gram (Witten and Bell 1991).

    P(w|h) = (c(hw) + t(h) P(w)) / (c(h) + t(h)), where t(h) counts the words seen after h; the
    back-off weight of h is t(h) / (c(h) + t(h)), for words never seen after h.
    """
    unigrams: Counter[str] = Counter({UNKNOWN: UNKNOWN_COUNT})
    following: dict[str, Counter[str]] = defaultdict(Counter)
    for text in texts:
        words = [BEGIN, *text.split(), END]
        unigrams.update(words[1:])
        for before, word in itertools.pairwise(words):
            following[before][word] += 1
    total = unigrams.total()
    model: dict[tuple[str, ...], tuple[float, float | None]] = {}
    for word in [BEGIN, *unigrams]:
        after = following[word]
        kinds, count = len(after), after.total()
        backoff = math.log10(kinds / (count + kinds)) if kinds else None
        probability = -99.0 if word == BEGIN else math.log10(unigrams[word] / total)
        model[word,] = (probability, backoff)
        for word_after, seen in after.items():
            share = (seen + kinds * unigrams[word_after] / total) / (count + kinds)
            model[word, word_after] = (math.log10(share), None)
    return model


def arpa_lines(model: dict[tuple[str, ...], tuple[float, float | None]]) -> list[str]:
    """Return the lines of an ARPA file."""
    orders = sorted({len(ngram) for ngram in model})
    lines = ["\\data\\"]
    lines += [f"ngram {order}={sum(len(ngram) == order for ngram in model)}" for order in orders]
    for order in orders:
        lines += ["", f"\\{order}-grams:"]
        for ngram, (probability, backoff) in sorted(model.items()):
            if len(ngram) == order:
                weight = "" if backoff is None else f"\t{backoff:.6f}"
                lines.append(f"{probability:.6f}\t{' '.join(ngram)}{weight}")
    return [*lines, "", "\\end\\"]


def main() -> None:
    """Parse the command line and write the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the speech folder")
    parser.add_argument("--digits", action="store_true", help="the digits alone")
    parser.add_argument("--out", type=Path, help="instead of commands.arpa or digits.arpa here")
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    words, name = (DIGITS, "digits.arpa") if args.digits else (WORDS, "commands.arpa")
    model = witten_bell(training_texts(args.data, words, args.texts, args.seed))
    out = args.out or HERE / name
    out.write_text("\n".join(arpa_lines(model)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
