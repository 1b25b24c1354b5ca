"""What was recognised in one clip: the schema that `emulate` and `run` share.

Field names follow sherpa-onnx's results.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

WORD_MARK = "▁"


class EmittedToken(Protocol):
    """A token as the core or a device reports it."""

    @property
    def token(self) -> int:
        """Its id."""

    @property
    def logprob_q16(self) -> int:
        """Natural log of its probability, Q16.16."""

    @property
    def time_ms(self) -> int:
        """Time of its encoder frame."""


def join_tokens(pieces: Iterable[str]) -> str:
    """Text of token pieces, as the core's edge_tokens_append writes it, without outer spaces."""
    return "".join(pieces).replace(WORD_MARK, " ").strip(" ")


@dataclass(frozen=True)
class Transcript:
    """One clip's result; `logits` holds the int8 logits of every joiner call where kept."""

    clip: str
    text: str
    tokens: tuple[str, ...]
    timestamps: tuple[float, ...]
    ys_probs: tuple[float, ...]
    logits_sha256: str | None
    logits_count: int
    reference: str | None = None
    logits: tuple[bytes, ...] | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The text, word by word."""
        return tuple(self.text.split())

    def document(self) -> dict[str, Any]:
        """Plain JSON values; logits as lists of numbers where they were kept."""
        document: dict[str, Any] = {
            "clip": self.clip,
            "text": self.text,
            "tokens": list(self.tokens),
            "timestamps": list(self.timestamps),
            "ys_probs": list(self.ys_probs),
            "start_time": 0.0,
            "is_final": True,
            "words": list(self.words),
            "logits_sha256": self.logits_sha256,
            "logits_count": self.logits_count,
        }
        if self.reference is not None:
            document["reference"] = self.reference
        if self.logits is not None:
            document["logits"] = [list(memoryview(call).cast("b")) for call in self.logits]
        return document


def make_transcript(
    clip: str,
    pieces: Sequence[str],
    emitted: Sequence[EmittedToken],
    logits: Sequence[bytes] | None,
    logits_count: int,
    *,
    reference: str | None = None,
    keep_logits: bool = False,
) -> Transcript:
    """A result from what the core or a device reported; `pieces` are the bundle's token texts.

    `logits` are the int8 logits of every joiner call in order, or None where not traced.
    """
    texts = tuple(pieces[item.token] for item in emitted)
    digest = None if logits is None else hashlib.sha256(b"".join(logits)).hexdigest()
    return Transcript(
        clip=clip,
        text=join_tokens(texts),
        tokens=texts,
        timestamps=tuple(item.time_ms / 1000 for item in emitted),
        ys_probs=tuple(round(item.logprob_q16 / 65536, 5) for item in emitted),
        logits_sha256=digest,
        logits_count=logits_count,
        reference=reference,
        logits=tuple(logits) if keep_logits and logits is not None else None,
    )
