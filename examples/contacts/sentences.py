"""Names, words and sentences; which names training may hear; which the tests use."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LISTS = Path(__file__).parent / "lists"
TEST_SHARE = 0.12
SPLIT_SEED = 20
CONTACT_COUNT = 100
DISTRACTOR_COUNT = 1000

NAME_SENTENCES = (
    *("call {n}", "call {n}", "call {n}", "text {n}", "text {n}", "message {n}", "dial {n}"),
    *("play {n}", "play {n}", "play music by {n}", "play the new song by {n}"),
    *("navigate to {n}", "navigate to {n}", "take me to {n}", "find {n}", "show me {n}"),
    *("call {n} at home", "call {n} at work", "call {n} on the phone", "please call {n} now"),
    *("send a message to {n}", "send an email to {n}", "email {n}", "write to {n}"),
    *("remind me to call {n}", "remind me to text {n} in the morning", "add {n} to my contacts"),
    *("what is the number of {n}", "where is {n}", "when is {n} coming", "is {n} at home"),
    *("tell {n} that i am late", "ask {n} about the meeting", "i will meet {n} tonight"),
    *("open my chat with {n}", "read the last message from {n}", "did {n} call me today"),
)
PLAIN_SENTENCES = (
    *("turn on the {w}", "turn off the {w}", "turn on the light in the kitchen", "turn it up"),
    *("turn off the light in the bedroom", "turn down the music", "stop the music", "stop"),
    *("set a timer for {d} minutes", "set an alarm for {d} in the morning", "wake me at {d}"),
    *("what is the weather today", "what is the weather tomorrow", "what time is it"),
    *("will it rain tonight", "how far is it to the {w}", "what does {w} mean", "who is there"),
    *("add {w} to the list", "add {w} and {w} to my list", "what is on my list", "buy {w}"),
    *("play the next song", "play some music", "play the news", "play it again", "next song"),
    *("navigate to the {w}", "take me home", "navigate to the next {w}", "open the {w}"),
    *("close the {w}", "how do you spell {w}", "remind me about the {w} at {d}", "find a {w}"),
    *("the {w} is {w}", "i like the {w}", "we need more {w}", "is the {w} at home", "call home"),
    *("read my last message", "call me a taxi", "text me the number", "cancel the meeting"),
    *("what is {d} and {d}", "the number is {d} {d} {d} {d}", "go back", "yes please", "no"),
    *("show me the {w} of the {w}", "tell me about {w}", "they {w} the {w}", "good morning"),
)
NUMBERS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "fifteen", "twenty", "thirty", "forty", "fifty"),
)


def read_list(name: str) -> list[str]:
    """Return the lines of a list; lines that begin with # state source and licence."""
    lines = (LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@dataclass(frozen=True)
class Names:
    """First and last names of one side of the split."""

    first: tuple[str, ...]
    last: tuple[str, ...]

    def draw(self, rng: random.Random) -> str:
        """Return a first name, a full name (most often) or a last name."""
        kind = rng.random()
        if kind < 0.25:
            return rng.choice(self.first)
        return rng.choice(self.last) if kind < 0.32 else self.full(rng)

    def full(self, rng: random.Random) -> str:
        """Return a first and a last name."""
        return f"{rng.choice(self.first)} {rng.choice(self.last)}"

    def all(self) -> set[str]:
        """Return every name."""
        return {*self.first, *self.last}


def carrier_words() -> set[str]:
    """Return the words of the sentences around names and slots."""
    texts = " ".join((*NAME_SENTENCES, *PLAIN_SENTENCES, *NUMBERS)).split()
    return {word for word in texts if not word.startswith("{")}


def split_names() -> tuple[Names, Names]:
    """Return (training names, test names): no name is on both sides, no word is a test name."""
    first, last = read_list("first_names"), read_list("last_names")
    words = {*read_list("words"), *carrier_words()}
    candidates = sorted({*first, *last} - words)
    held_out = set(
        random.Random(SPLIT_SEED).sample(candidates, round(TEST_SHARE * len(candidates)))
    )
    train = Names(
        tuple(n for n in first if n not in held_out), tuple(n for n in last if n not in held_out)
    )
    test = Names(tuple(n for n in first if n in held_out), tuple(n for n in last if n in held_out))
    return train, test


def fill(template: str, names: Names, words: Sequence[str], rng: random.Random) -> str:
    """Return the sentence with a name, words and numbers in its slots."""
    parts = []
    for part in template.split():
        if part == "{n}":
            parts.append(names.draw(rng))
        elif part == "{w}":
            parts.append(rng.choice(words))
        else:
            parts.append(rng.choice(NUMBERS) if part == "{d}" else part)
    return " ".join(parts)


def training_text(names: Names, words: Sequence[str], rng: random.Random) -> str:
    """Return a random training text: half of them sentences with a name."""
    kind = rng.random()
    if kind < 0.5:
        return fill(rng.choice(NAME_SENTENCES), names, words, rng)
    if kind < 0.68:
        return fill(rng.choice(PLAIN_SENTENCES), names, words, rng)
    if kind < 0.84:
        return names.draw(rng)
    return " ".join(rng.choice(words) for _ in range(rng.randint(1, 5)))


def contacts_and_distractors() -> tuple[list[str], list[str]]:
    """Return the full names that the tests speak, and others that nobody says.

    Half of the distractors are made of test names, half of training names.
    """
    train, test = split_names()
    rng = random.Random(SPLIT_SEED + 1)
    first = rng.sample(test.first, CONTACT_COUNT)
    last = rng.sample(test.last, CONTACT_COUNT)
    contacts = [f"{a} {b}" for a, b in zip(first, last, strict=True)]
    distractors: dict[str, None] = {}
    while len(distractors) < DISTRACTOR_COUNT:
        name = (test if len(distractors) % 2 else train).full(rng)
        if name not in contacts:
            distractors[name] = None
    return contacts, list(distractors)
