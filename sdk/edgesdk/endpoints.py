"""What the end-pointers of a recogniser said, as `emulate`, `run` and a report show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgesdk.core import EndpointEvent, EndpointKind
from edgesdk.lattice import Results, join_tokens, results_document


@dataclass(frozen=True)
class Endpoint:
    """What the end-pointers said: when (ms of audio), and the result of the utterance so far.

    `results` are those of a final one that began a new utterance.
    """

    kind: EndpointKind
    utterance: int
    version: int
    time_ms: int
    text: str
    results: Results | None = None

    def document(self) -> dict[str, Any]:
        """Plain JSON values."""
        document: dict[str, Any] = {
            "kind": self.kind.name.lower(),
            "time": self.time_ms / 1000,
            "utterance": self.utterance,
            "version": self.version,
            "text": self.text,
        }
        if self.results is not None:
            document |= results_document(self.results)
        return document


def make_endpoint(
    event: EndpointEvent, told: Sequence[str], untold: Sequence[str], results: Results | None = None
) -> Endpoint:
    """An end point; `told` are all pieces told so far, `untold` those that the event adds."""
    known = event.tokens - len(untold)
    text = join_tokens([*told[len(told) - known :], *untold])
    return Endpoint(event.kind, event.utterance, event.version, event.time_ms, text, results)


_SAID = {
    EndpointKind.SPECULATIVE: "early",
    EndpointKind.RESUMED: "resumed",
    EndpointKind.FINAL: "final",
}


def describe_endpoints(endpoints: Sequence[Endpoint]) -> str:
    """Kinds and times, and whether a final one confirmed what was provisional or revised it."""
    said, early = [], None
    for endpoint in endpoints:
        words = f"{_SAID[endpoint.kind]} {endpoint.time_ms / 1000:.2f}"
        if endpoint.kind is EndpointKind.SPECULATIVE:
            early = endpoint.version
        elif endpoint.kind is EndpointKind.FINAL:
            if early is not None:
                words += " confirmed" if early == endpoint.version else " revised"
            early = None
        said.append(words)
    return ", ".join(said)


@dataclass(frozen=True)
class Decision:
    """A provisional result and what became of it, or a final end point without one; times in s.

    `stood`: the final end point confirmed it; None where none was provisional, or none came after.
    """

    utterance: int
    provisional: str | None
    early_s: float | None
    resumed_s: float | None  # speech went on: the provisional result is void
    final: str | None
    final_s: float | None
    stood: bool | None


def decisions(endpoints: Sequence[Endpoint]) -> tuple[Decision, ...]:
    """The end points of a stream, each provisional one with the end point that settled it."""
    decided, early = [], None
    for endpoint in endpoints:
        if early is not None:
            decided.append(_decision(early, endpoint))
        elif endpoint.kind is EndpointKind.FINAL:
            decided.append(_decision(None, endpoint))
        early = endpoint if endpoint.kind is EndpointKind.SPECULATIVE else None
    if early is not None:
        decided.append(_decision(early, None))
    return tuple(decided)


def _decision(early: Endpoint | None, settled: Endpoint | None) -> Decision:
    final = settled if settled is not None and settled.kind is EndpointKind.FINAL else None
    resumed = settled if settled is not None and settled.kind is EndpointKind.RESUMED else None
    stood = None
    if early is not None and settled is not None:
        stood = final is not None and final.version == early.version
    return Decision(
        utterance=next(it.utterance for it in (early, settled) if it is not None),
        provisional=None if early is None else early.text,
        early_s=None if early is None else early.time_ms / 1000,
        resumed_s=None if resumed is None else resumed.time_ms / 1000,
        final=None if final is None else final.text,
        final_s=None if final is None else final.time_ms / 1000,
        stood=stood,
    )


@dataclass(frozen=True)
class Latency:
    """Decisions after the true end of speech, in ms; None where there are none."""

    median_ms: float | None
    p90_ms: float | None


@dataclass(frozen=True)
class EndpointSummary:
    """How soon and how rightly both end-pointers decided about some streams.

    Only the first final end point of a stream counts, and what came before it. Early cut-offs are
    streams with a decision before the true end, in per cent of all; `stood_pct` are provisional
    results that the final one confirmed, of all of them.
    """

    streams: int
    early: Latency
    final: Latency
    early_cut_off_pct: float
    final_cut_off_pct: float
    without_final: int
    provisional: int
    stood_pct: float | None


def _latency(times_ms: Sequence[float]) -> Latency:
    if not times_ms:
        return Latency(None, None)
    median, p90 = np.percentile(np.array(times_ms), (50, 90))
    return Latency(float(median), float(p90))


def _until_final(endpoints: Sequence[Endpoint]) -> tuple[list[Endpoint], Endpoint | None]:
    """Speculative end points before the first final one, and that one."""
    early: list[Endpoint] = []
    for endpoint in endpoints:
        if endpoint.kind is EndpointKind.FINAL:
            return early, endpoint
        if endpoint.kind is EndpointKind.SPECULATIVE:
            early.append(endpoint)
    return early, None


def summarise(streams: Sequence[tuple[Sequence[Endpoint], float]]) -> EndpointSummary:
    """Figures of streams, each with its end points and its true end of speech in seconds."""
    early_ms, final_ms = [], []
    cut_early = cut_final = missed = provisional = stood = 0
    for endpoints, end_s in streams:
        early, final = _until_final(endpoints)
        end_ms = 1000 * end_s
        provisional += len(early)
        cut_early += any(endpoint.time_ms < end_ms for endpoint in early)
        if final is None:
            missed += 1
            continue
        if final.time_ms < end_ms:
            cut_final += 1
            continue
        final_ms.append(final.time_ms - end_ms)
        if early and early[-1].version == final.version:
            stood += 1
        if early and early[-1].time_ms >= end_ms:
            early_ms.append(early[-1].time_ms - end_ms)
    share = 100 / max(1, len(streams))
    return EndpointSummary(
        streams=len(streams),
        early=_latency(early_ms),
        final=_latency(final_ms),
        early_cut_off_pct=cut_early * share,
        final_cut_off_pct=cut_final * share,
        without_final=missed,
        provisional=provisional,
        stood_pct=100 * stood / provisional if provisional else None,
    )
