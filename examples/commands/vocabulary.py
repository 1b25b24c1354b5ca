"""The twenty words, how they are spelled in tokens, and how they sound in phones."""

WORD_START = "▁"
BLANK = 0

# Phones are the targets of the auxiliary CTC head, which is dropped after training: sounds are
# easier to learn from little data than English spelling.
PHONES_OF_WORD: dict[str, str] = {
    "zero": "z ih r ow",
    "one": "w ah n",
    "two": "t uw",
    "three": "th r iy",
    "four": "f ao r",
    "five": "f ay v",
    "six": "s ih k s",
    "seven": "s eh v ah n",
    "eight": "ey t",
    "nine": "n ay n",
    "yes": "y eh s",
    "no": "n ow",
    "up": "ah p",
    "down": "d aw n",
    "left": "l eh f t",
    "right": "r ay t",
    "on": "aa n",
    "off": "ao f",
    "stop": "s t aa p",
    "go": "g ow",
}

WORDS: tuple[str, ...] = tuple(PHONES_OF_WORD)
DIGITS: tuple[str, ...] = WORDS[:10]
COMMANDS: tuple[str, ...] = WORDS[10:]
TOKENS: tuple[str, ...] = ("<blk>", WORD_START, *sorted(set("".join(WORDS))))
PHONES: tuple[str, ...] = (
    "<blk>",
    *sorted({phone for phones in PHONES_OF_WORD.values() for phone in phones.split()}),
)
_TOKEN_ID = {token: index for index, token in enumerate(TOKENS)}
_PHONE_ID = {phone: index for index, phone in enumerate(PHONES)}


def encode(text: str) -> list[int]:
    """Return the token ids of a text: every word is a word start and its letters."""
    return [_TOKEN_ID[c] for word in text.split() for c in (WORD_START, *word)]


def decode(ids: list[int]) -> str:
    """Return the text that token ids spell."""
    return "".join(TOKENS[i] for i in ids if i != BLANK).replace(WORD_START, " ").strip()


def encode_phones(text: str) -> list[int]:
    """Return the phone ids of a text."""
    return [_PHONE_ID[p] for word in text.split() for p in PHONES_OF_WORD[word].split()]


def is_in_vocabulary(text: str) -> bool:
    """Return whether every word of the text can be recognised."""
    return bool(text) and all(word in PHONES_OF_WORD for word in text.split())
