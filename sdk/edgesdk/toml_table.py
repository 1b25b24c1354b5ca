"""Strict reading of a TOML table: types, choices, and no key that nobody asked for."""

import difflib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from edgesdk.errors import BoardError, EdgeError

T = TypeVar("T")


class Table:
    """One TOML table that knows which keys were asked for, so that the rest can be refused."""

    def __init__(
        self,
        values: dict[str, Any],
        where: str,
        error: type[EdgeError] = BoardError,
        page: str = "docs/porting.md",
    ) -> None:
        """`where` stands in messages, `error` is what they are raised as, `page` explains keys."""
        self.values = values
        self.where = where
        self.error = error
        self.page = page
        self.known: list[str] = []

    def _inner(self, values: dict[str, Any], where: str) -> "Table":
        return Table(values, f"{self.where} {where}", self.error, self.page)

    def take(self, key: str, kind: type[T]) -> T:
        """Value of `key`, of exactly that type."""
        self.known.append(key)
        if key not in self.values:
            raise self._missing(key)
        value = self.values[key]
        if type(value) is not kind:
            raise self.error(
                f"{self.where}: {key} = {value!r} is a {type(value).__name__}, "
                f"not a {kind.__name__}; correct it"
            )
        return value

    def maybe(self, key: str, kind: type[T]) -> T | None:
        """Value of `key`; None where it is missing."""
        self.known.append(key)
        return self.take(key, kind) if key in self.values else None

    def tables(self, key: str) -> "list[Table]":
        """An array of tables."""
        found = self.take(key, list)
        if not all(isinstance(values, dict) for values in found):
            raise self.error(f"{self.where}: {key} must be tables, each under [[{key}]]")
        return [self._inner(v, f"[[{key}]] {i + 1}") for i, v in enumerate(found)]

    def _missing(self, key: str) -> EdgeError:
        close = difflib.get_close_matches(key, self.values.keys() - set(self.known), n=1)
        if close:
            return self.error(
                f"{self.where}: key {close[0]!r} is unknown{did_you_mean(close[0], [key])}"
            )
        return self.error(f"{self.where}: {key} is missing; add it ({self.page})")

    def positive(self, key: str) -> int:
        """A whole number above 0."""
        value = self.take(key, int)
        if value <= 0:
            raise self.error(f"{self.where}: {key} = {value} must be above 0; correct it")
        return value

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """One of the given texts."""
        value = self.take(key, str)
        if value not in choices:
            raise self.error(
                f"{self.where}: {key} = {value!r} is none of {', '.join(choices)}"
                f"{did_you_mean(value, choices)}"
            )
        return value

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of texts; `default` where it is missing, which no default forbids."""
        if default is not None and key not in self.values:
            self.known.append(key)
            return default
        values = self.take(key, list)
        if not all(isinstance(value, str) for value in values):
            raise self.error(f"{self.where}: {key} = {values!r} must be a list of texts")
        return tuple(values)

    def table(self, key: str) -> "Table":
        """A table inside."""
        return self._inner(self.take(key, dict), f"[{key}]")

    def optional(self, key: str, read: Callable[["Table"], T]) -> T | None:
        """A table inside, read by `read`; None where it is missing."""
        self.known.append(key)
        return read(self.table(key)) if key in self.values else None

    def finish(self) -> None:
        """Refuse keys that were not asked for."""
        for key in self.values:
            if key not in self.known:
                raise self.error(
                    f"{self.where}: key {key!r} is unknown{did_you_mean(key, self.known)}"
                )


def did_you_mean(word: str, choices: Sequence[str]) -> str:
    """The end of a sentence about an unknown word: the nearest choice, or to remove it."""
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else "; remove it"
