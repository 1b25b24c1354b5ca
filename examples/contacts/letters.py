"""The open vocabulary: 26 letters, the apostrophe and the word start; phones from espeak-ng."""

import re
import subprocess
from collections.abc import Iterable, Sequence

WORD_START = "▁"
BLANK = 0
TOKENS: tuple[str, ...] = ("<blk>", WORD_START, "'", *"abcdefghijklmnopqrstuvwxyz")
_TOKEN_ID = {token: index for index, token in enumerate(TOKENS)}
_STRESS_AND_VARIANT = re.compile(r"[',%=\-!|]|(?<=[^_' ,%])\d")


def encode(text: str) -> list[int]:
    """Return the token ids of a text: every word is a word start and its letters."""
    return [_TOKEN_ID[c] for word in text.split() for c in (WORD_START, *word)]


def decode(ids: Iterable[int]) -> str:
    """Return the text that token ids spell."""
    return "".join(TOKENS[i] for i in ids if i != BLANK).replace(WORD_START, " ").strip()


def phones_of_words(words: Sequence[str]) -> dict[str, list[str]]:
    """Return how espeak-ng's en-us voice says each word, without stress."""
    lines = "".join(f"{word}.\n\n" for word in words)
    command = ["espeak-ng", "-v", "en-us", "-q", "-x", "--sep=_", "--stdin"]
    spoken = subprocess.run(command, input=lines, check=True, capture_output=True, text=True)
    answers = spoken.stdout.split("\n")[: len(words)]
    plain = [_STRESS_AND_VARIANT.sub("", answer.strip()).replace(" ", "_") for answer in answers]
    return {
        word: [phone for phone in answer.split("_") if phone]
        for word, answer in zip(words, plain, strict=True)
    }
