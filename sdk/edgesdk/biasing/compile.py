"""Phrases to tables: spelled in a bundle's tokens, one table for each class."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from edgesdk.biasing.attention import Spelled, compile_attention
from edgesdk.biasing.phrases import Phrase, read_phrases, split_source
from edgesdk.biasing.spell import DEFAULT_SPELLINGS, TokenSet
from edgesdk.biasing.table import MAX_DEPTH, Spelling, Table, compile_table
from edgesdk.bundle import Bundle
from edgesdk.bundle.sections import MAX_BIAS_TABLES
from edgesdk.errors import BiasError

By = Literal["tables", "attention", "both"]

MAX_WARNINGS = 10
MOST_SHOWN = 8  # characters without a token


@dataclass(frozen=True)
class Compiled:
    """Tables, and what was left out of them, one line each."""

    tables: tuple[Table, ...]
    warnings: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all tables."""
        return sum(table.size_bytes for table in self.tables)


class _Tables:
    """Spellings by table, with the first line of each phrase."""

    def __init__(self, tokens: TokenSet, most: int) -> None:
        self.tokens, self.most = tokens, most
        self.spellings: dict[str, list[Spelling]] = {}
        self.phrases: dict[str, dict[str, str]] = {}
        self.shortest: dict[str, list[tuple[int, ...]]] = {}  # of each phrase
        self.warnings: list[str] = []

    def add(self, phrase: Phrase) -> None:
        written = self.tokens.written(phrase.text)
        unknown = self.tokens.unknown(written)
        if unknown:
            characters = ", ".join(repr(c) for c in unknown[:MOST_SHOWN])
            more = f" and {len(unknown) - MOST_SHOWN} more" if len(unknown) > MOST_SHOWN else ""
            self.warnings.append(
                f"{phrase.where}: {_quoted(phrase)} is left out: no token has {characters}{more}"
            )
            return
        spellings = self.tokens.spellings(phrase, self.most)
        if not spellings:
            self.warnings.append(
                f"{phrase.where}: {_quoted(phrase)} is left out: no tokens spell it, or more than "
                f"{MAX_DEPTH}"
            )
            return
        known = self.phrases.setdefault(phrase.table, {})
        first = known.get(written)
        known.setdefault(written, phrase.where)
        if first is not None:
            self.warnings.append(
                f"{phrase.where}: {_quoted(phrase)} is in table {phrase.table} already ({first}); "
                "the larger weight counts"
            )
        else:
            self.shortest.setdefault(phrase.table, []).append(spellings[0].tokens)
        self.spellings.setdefault(phrase.table, []).extend(spellings)


def _quoted(phrase: Phrase) -> str:
    """Its text for a message, the beginning of a long one."""
    return repr(phrase.text if len(phrase.text) <= 60 else phrase.text[:57] + "...")


def _few(warnings: Sequence[str]) -> tuple[str, ...]:
    more = len(warnings) - MAX_WARNINGS
    return tuple(warnings) if more <= 0 else (*warnings[:MAX_WARNINGS], f"{more} more like these")


def compile_phrases(
    phrases: Iterable[Phrase],
    bundle: Bundle,
    *,
    spellings: int = DEFAULT_SPELLINGS,
    by: By | None = None,
) -> Compiled:
    """A table for each class, for the bundle's tokens; up to `spellings` ways to write a phrase.

    `by` says which kinds: tables for the search, for attention, or of both kinds, which is the
    default for a bundle with an adapter.

    Raises:
        BiasError: no phrase can be spelled, a table cannot hold them, or there is no adapter.
        BundleError: the bundle is no recogniser.
    """
    tables = _Tables(TokenSet(bundle.tokens, bundle.search.blank), spellings)
    for phrase in phrases:
        tables.add(phrase)
    if not tables.spellings:
        reason = tables.warnings[0] if tables.warnings else "there are none"
        raise BiasError(f"no phrase can be used: {reason}; see the bundle's tokens")
    if len(tables.spellings) > MAX_BIAS_TABLES:
        raise BiasError(
            f"{len(tables.spellings)} classes ({', '.join(tables.spellings)}) make as many "
            f"tables, a device keeps {MAX_BIAS_TABLES}; join some"
        )
    by = by or ("both" if bundle.has_adapter else "tables")
    made: list[Table] = []
    if by != "attention":
        made += [
            compile_table(name, spelled, len(tables.phrases[name]), len(bundle.tokens), crc)
            for crc in [bundle.tokens_crc]
            for name, spelled in tables.spellings.items()
        ]
    if by != "tables":
        made += compile_attention(
            [Spelled(name, found) for name, found in tables.shortest.items()], bundle
        )
    return Compiled(tuple(made), _few(tables.warnings))


def compile_files(
    sources: Iterable[str],
    bundle: Bundle,
    *,
    weight: float | None = None,
    spellings: int = DEFAULT_SPELLINGS,
    by: By | None = None,
) -> Compiled:
    """The tables of some files, each given as [NAME=]FILE.

    Raises:
        BiasError: a file is wrong, or see compile_phrases.
    """
    phrases: list[Phrase] = []
    for source in sources:
        name, path = split_source(source)
        phrases += read_phrases(path, name, weight)
    return compile_phrases(phrases, bundle, spellings=spellings, by=by)


def check_room(compiled: Compiled, bundle: Bundle) -> None:
    """Refuse tables that the room of a bundle cannot hold.

    Raises:
        BiasError: it is too small, or there is none.
    """
    room, needed = bundle.bias.room_bytes, compiled.size_bytes
    if needed > room:
        raise BiasError(
            f"{bundle.source}: keeps {room} bytes for bias tables, {needed} are needed "
            f"({', '.join(f'{t.name} {t.size_bytes}' for t in compiled.tables)}); give fewer "
            f"phrases, or convert with bias_bytes = {needed} in the recipe"
        )
