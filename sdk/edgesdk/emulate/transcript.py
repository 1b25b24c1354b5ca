"""What was recognised in one clip: the schema that `emulate` and `run` share.

Field names follow sherpa-onnx's results.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from edgesdk.endpoints import Endpoint
from edgesdk.lattice import (
    WORD_MARK,
    Results,
    Word,
    confidence,
    join_tokens,
    posteriors,
    results_document,
)


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


@dataclass(frozen=True)
class Transcript:
    """One clip's result; `logits` holds the int8 logits of every joiner call where kept.

    `results` are n-best list and lattice, where the bundle asks for them; `rest` those of what
    followed the last final end point, where each of these began a new utterance.
    """

    clip: str
    text: str
    tokens: tuple[str, ...]
    timestamps: tuple[float, ...]
    ys_probs: tuple[float, ...]
    logits_sha256: str | None
    logits_count: int
    reference: str | None = None
    logits: tuple[bytes, ...] | None = None
    results: Results | None = None
    endpoints: tuple[Endpoint, ...] | None = None  # where end-pointing is on
    rest: Results | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The text, word by word."""
        return tuple(self.text.split())

    @property
    def timed_words(self) -> tuple[Word, ...]:
        """Words with their times, and with their confidence where there is a lattice."""
        results = self.results
        spans: list[list[int]] = []
        for at, piece in enumerate(self.tokens):
            if not spans or piece.startswith(WORD_MARK):
                spans.append([])
            spans[-1].append(at)
        frame_s = 0.0 if results is None else results.frame_us / 1e6
        words = []
        for span in spans:
            text = join_tokens(self.tokens[at] for at in span)
            start, end = self.timestamps[span[0]], self.timestamps[span[-1]]
            if text:
                words.append(Word(text, start, round(end + frame_s, 6), None))
        if results is None:
            return tuple(words)
        shares = posteriors(results)
        return tuple(replace(w, confidence=confidence(results, shares, w)) for w in words)

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
            "word_times": [word.document() for word in self.timed_words],
            "logits_sha256": self.logits_sha256,
            "logits_count": self.logits_count,
        }
        if self.reference is not None:
            document["reference"] = self.reference
        if self.results is not None:
            document |= results_document(self.results)
        if self.endpoints is not None:
            document["endpoints"] = [endpoint.document() for endpoint in self.endpoints]
        if self.rest is not None:
            document["rest"] = results_document(self.rest)
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
    results: Results | None = None,
    whole: bool = True,
    endpoints: Sequence[Endpoint] | None = None,
) -> Transcript:
    """A result from what the core or a device reported; `pieces` are the bundle's token texts.

    `logits` are the int8 logits of every joiner call in order, or None where not traced. `results`
    are those at the end, of the `whole` stream or of its last utterance.
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
        results=results if whole else None,
        endpoints=None if endpoints is None else tuple(endpoints),
        rest=None if whole else results,
    )
