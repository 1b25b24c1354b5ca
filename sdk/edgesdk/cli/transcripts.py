"""Transcripts as `emulate` and `run` print them: live on stderr, then one schema on stdout."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from edgesdk.cli.terminal import Terminal
from edgesdk.emulate import Transcript
from edgesdk.endpoints import describe_endpoints
from edgesdk.report.wer import WordErrors, sum_errors, word_errors


class Live:
    """Shows each clip's words on stderr as they are recognised; use as a context manager."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._clip = self._shown = ""

    def __enter__(self) -> "Live":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end_clip()

    def show(self, clip: str, text: str) -> None:
        """`text` is what was heard of `clip` so far; it only ever grows."""
        if clip != self._clip:
            self.end_clip()
            self._clip = clip
            self._terminal.live(f"{clip}: ", end="")
        self._terminal.live(text[len(self._shown) :], end="")
        self._shown = text

    def end_clip(self) -> None:
        """Close the line of the clip, if one is open."""
        if self._clip:
            self._terminal.live("")
        self._clip = self._shown = ""


def clip_errors(transcripts: Sequence[Transcript]) -> WordErrors | None:
    """Word errors over all clips whose text is known; None where none is."""
    known = [clip for clip in transcripts if clip.reference is not None]
    if not known:
        return None
    return sum_errors(word_errors(clip.reference or "", clip.text) for clip in known)


def transcripts_document(
    source: dict[str, Any], transcripts: Sequence[Transcript]
) -> dict[str, Any]:
    """The schema that both verbs share; `source` says what did the recognising."""
    document: dict[str, Any] = {
        "schema": "edgesdk.transcripts",
        "version": 1,
        "source": source,
        "clips": [transcript.document() for transcript in transcripts],
    }
    errors = clip_errors(transcripts)
    if errors is not None:
        document["word_errors"] = errors.document()
    return document


def transcripts_views(transcripts: Sequence[Transcript]) -> list[RenderableType]:
    """A table of clips, and the word error rate where it is known."""
    table = Table("clip", "heard", box=None, pad_edge=False)
    errors = clip_errors(transcripts)
    if errors is not None:
        table.add_column("expected")
    pointed = any(clip.endpoints for clip in transcripts)
    if pointed:
        table.add_column("end points, s")
    for clip in transcripts:
        row = [clip.clip, clip.text or "(nothing)"]
        if errors is not None:
            row.append("as heard" if clip.reference == clip.text else clip.reference or "(nothing)")
        if pointed:
            row.append(describe_endpoints(clip.endpoints or ()))
        table.add_row(*row)
    views: list[RenderableType] = [table]
    if errors is not None:
        views += [
            "",
            f"word error rate {errors.rate_pct:.1f} % ({errors.total} of {errors.words} words)",
        ]
    return views
