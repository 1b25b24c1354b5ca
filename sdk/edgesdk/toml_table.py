"""Strict reading of a TOML table: types, choices, and no key that nobody asked for."""

import difflib
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from edgesdk.errors import BoardError, EdgeError

T = TypeVar("T")
OPEN = "?"  # a value that somebody has yet to find out


def parse_toml(path: Path, error: type[EdgeError]) -> dict[str, Any]:
    """The values of a TOML file.

    Raises:
        error: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise error(f"{path}: cannot be read ({fault.strerror}); check the path") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise error(f"{path}: not valid TOML ({fault}); correct it") from fault


class Table:
    """One TOML table that knows which keys were asked for, so that the rest can be refused.

    A fault is raised, or, where a list of faults is given, noted there with the top table or key
    that it lies in; reading goes on with a value of the right type, which is not to be used.
    """

    def __init__(
        self,
        values: dict[str, Any],
        where: str,
        error: type[EdgeError] = BoardError,
        page: str = "docs/porting.md",
        faults: list[tuple[str, str]] | None = None,
    ) -> None:
        """`where` stands in messages, `error` is what they are raised as, `page` explains keys."""
        self.values = values
        self.where = where
        self.error = error
        self.page = page
        self.faults = faults
        self.section = ""  # the top key that this table lies under
        self.known: list[str] = []

    def _inner(self, values: dict[str, Any] | None, where: str, key: str) -> "Table":
        """A table inside; None for one that is missing, about which enough has been said."""
        faults: list[tuple[str, str]] | None = [] if values is None else self.faults
        inner = Table(values or {}, f"{self.where} {where}", self.error, self.page, faults)
        inner.section = self.section or key
        return inner

    def fault(self, key: str, message: str) -> None:
        """Raise what is wrong with `key`, or note it."""
        if self.faults is None:
            raise self.error(f"{self.where}: {message}")
        self.faults.append((self.section or key, f"{self.where}: {message}"))

    def _value(self, key: str, kind: type[T]) -> T | None:
        """Value of `key`; None where its fault was noted."""
        self.known.append(key)
        if key not in self.values:
            self.fault(key, self._missing(key))
            return None
        value = self.values[key]
        if value == OPEN:
            self.fault(key, f'{key} = "{OPEN}" is still open; fill it in ({self.page})')
            return None
        if type(value) is not kind:
            self.fault(
                key,
                f"{key} = {value!r} is a {type(value).__name__}, not a {kind.__name__}; correct it",
            )
            return None
        return value

    def take(self, key: str, kind: type[T]) -> T:
        """Value of `key`, of exactly that type."""
        value = self._value(key, kind)
        return kind() if value is None else value

    def text(self, key: str) -> str:
        """A text that says something."""
        value = self._value(key, str)
        if value is not None and not value.strip():
            self.fault(key, f"{key} is empty; name the {key}")
        return value or ""

    def maybe(self, key: str, kind: type[T]) -> T | None:
        """Value of `key`; None where it is missing."""
        self.known.append(key)
        return self.take(key, kind) if key in self.values else None

    def tables(self, key: str) -> "list[Table]":
        """An array of tables."""
        found = self.take(key, list)
        if not all(isinstance(values, dict) for values in found):
            self.fault(key, f"{key} must be tables, each under [[{key}]]")
            return []
        return [self._inner(v, f"[[{key}]] {i + 1}", key) for i, v in enumerate(found)]

    def _missing(self, key: str) -> str:
        close = difflib.get_close_matches(key, self.values.keys() - set(self.known), n=1)
        if close:
            self.known.append(close[0])
            return f"key {close[0]!r} is unknown{did_you_mean(close[0], [key])}"
        return f"{key} is missing; add it ({self.page})"

    def positive(self, key: str) -> int:
        """A whole number above 0."""
        value = self._value(key, int)
        if value is not None and value <= 0:
            self.fault(key, f"{key} = {value} must be above 0; correct it")
        return value or 1

    def maybe_positive(self, key: str) -> int | None:
        """A whole number above 0; None where it is missing."""
        self.known.append(key)
        return self.positive(key) if key in self.values else None

    def maybe_text(self, key: str) -> str | None:
        """A text that says something; None where it is missing."""
        self.known.append(key)
        return self.text(key) if key in self.values else None

    def number(self, key: str) -> int | float:
        """A finite number above 0, whole or not."""
        whole = type(self.values.get(key)) is int
        value = self._value(key, int) if whole else self._value(key, float)
        if value is not None and not 0 < value < float("inf"):
            self.fault(key, f"{key} = {value} must be above 0 and finite; correct it")
        return value or 1

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """One of the given texts."""
        value = self._value(key, str)
        if value is not None and value not in choices:
            self.fault(
                key,
                f"{key} = {value!r} is none of {', '.join(choices)}"
                f"{did_you_mean(value, choices, 'choose one')}",
            )
        return choices[0] if value is None else value

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of texts; `default` where it is missing, which no default forbids."""
        if default is not None and key not in self.values:
            self.known.append(key)
            return default
        values = self.take(key, list)
        if OPEN in values:
            self.fault(key, f'{key} = ["{OPEN}"] is still open; fill it in ({self.page})')
            return ()
        if not all(isinstance(value, str) for value in values):
            self.fault(key, f"{key} = {values!r} must be a list of texts")
            return ()
        return tuple(values)

    def table(self, key: str) -> "Table":
        """A table inside."""
        return self._inner(self._value(key, dict), f"[{key}]", key)

    def optional(self, key: str, read: Callable[["Table"], T]) -> T | None:
        """A table inside, read by `read`; None where it is missing."""
        self.known.append(key)
        return read(self.table(key)) if key in self.values else None

    def finish(self) -> None:
        """Refuse keys that were not asked for."""
        for key in self.values:
            if key not in self.known:
                self.fault(key, f"key {key!r} is unknown{did_you_mean(key, self.known)}")


def did_you_mean(word: str, choices: Sequence[str], otherwise: str = "remove it") -> str:
    """The end of a sentence about an unknown word: the nearest choice, or what else to do."""
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; {otherwise}"
