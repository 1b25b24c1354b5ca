"""Reads files of phrases: one a line, with a weight and a class where wanted."""

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgesdk.errors import BiasError

MAX_LINES = 20_000
MIN_WEIGHT, MAX_WEIGHT = 0.01, 16.0
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,31}")


@dataclass(frozen=True)
class Phrase:
    """What to prefer: words, weight per token (natural log), the table it goes to, its line."""

    text: str
    weight: float | None = None  # the default of the token set
    table: str = "phrases"
    where: str = "phrase"  # file and line, for messages


def check_name(name: str, where: str) -> str:
    """`name`, where a table may have it.

    Raises:
        BiasError: too long, or other characters.
    """
    if not _NAME.fullmatch(name):
        raise BiasError(f"{where}: {name!r} cannot name a table; take 1 to 31 of A-Z a-z 0-9 _ - .")
    return name


def split_source(source: str) -> tuple[str, Path]:
    """Name of the table and path that [NAME=]FILE means; the name is the file's by default.

    Raises:
        BiasError: the name cannot be a table's.
    """
    name, mark, rest = source.partition("=")
    if mark and not Path(source).exists():
        return check_name(name, source), Path(rest)
    path = Path(source)
    if not _NAME.fullmatch(path.stem):
        raise BiasError(f"{source}: its name cannot be a table's; give NAME={source}")
    return path.stem, path


def read_phrases(path: Path, table: str, weight: float | None = None) -> tuple[Phrase, ...]:
    """The phrases of a file; those without a class go to `table`, those without a weight have
    `weight`.

    Raises:
        BiasError: unreadable, too many lines, no phrases, or a line that is wrong.
    """
    if weight is not None:
        check_weight(weight, "--weight")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BiasError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BiasError(f"{path}:{line}: not UTF-8; save the file as UTF-8") from None
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        raise BiasError(
            f"{path}: {len(lines)} lines, at most {MAX_LINES} are taken; keep the likeliest"
        )
    phrases = tuple(_phrases(lines, str(path), table, weight))
    if not phrases:
        raise BiasError(f"{path}: no phrases in it; write one a line")
    return phrases


def _phrases(lines: list[str], path: str, table: str, weight: float | None) -> Iterator[Phrase]:
    for number, line in enumerate(lines, 1):
        words, where = unicodedata.normalize("NFC", line).split(), f"{path}:{number}"
        if not words or words[0].startswith("#"):
            continue
        chosen = {":": "", "@": ""}
        while words and words[-1][0] in chosen and not chosen[words[-1][0]]:
            option = words.pop()
            chosen[option[0]] = option
        if not words:
            raise BiasError(f"{where}: {line.strip()!r} has no phrase; write it in front")
        own = _weight(chosen[":"], where) if chosen[":"] else weight
        named = check_name(chosen["@"][1:], where) if chosen["@"] else table
        yield Phrase(" ".join(words), own, named, where)


def _weight(option: str, where: str) -> float:
    try:
        value = float(option[1:])
    except ValueError:
        raise BiasError(f"{where}: {option!r} is no weight; write it like :2.5") from None
    return check_weight(value, where)


def check_weight(value: float, where: str) -> float:
    """`value`, where it may be a weight.

    Raises:
        BiasError: out of range.
    """
    if not (math.isfinite(value) and MIN_WEIGHT <= value <= MAX_WEIGHT):
        raise BiasError(
            f"{where}: weight {value:g} must lie in {MIN_WEIGHT:g}..{MAX_WEIGHT:g}; "
            "it is natural log per token, usually 1 to 3, where tokens are letters 0.1 to 1"
        )
    return value
