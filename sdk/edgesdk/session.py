"""Clips through a device: what it heard, what that cost, and whether the laptop agrees."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgesdk.audio import Samples
from edgesdk.bundle import Bundle
from edgesdk.core import TokenEvent
from edgesdk.emulate import (
    Clip,
    Emulation,
    Engine,
    Transcript,
    emulate,
    find_interpreter,
    join_tokens,
    make_transcript,
)
from edgesdk.errors import EdgeError
from edgesdk.link.device import Device
from edgesdk.link.messages import GraphId, Metrics, OpCost, Token

PIECE_MS = 10
GRAPHS = (GraphId.ENCODER, GraphId.PREDICTOR, GraphId.JOINER)

PartialHandler = Callable[[str, str], None]


@dataclass(frozen=True)
class Heard:
    """One clip as a device did it; the transcript holds the logits."""

    transcript: Transcript
    metrics: Metrics
    operators: Mapping[GraphId, Sequence[OpCost]]


def _pieces(samples: Samples, rate: int) -> Iterator[Samples]:
    step = rate * PIECE_MS // 1000
    for start in range(0, len(samples), step):
        yield samples[start : start + step]


def run_clip(
    device: Device,
    clip: Clip,
    rate: int,
    on_partial: PartialHandler | None = None,
    *,
    profile: bool = False,
) -> Heard:
    """Stream one clip in pieces of 10 ms, as a microphone would, and collect all about it."""
    tokens: list[Token] = []

    def on_token(token: Token) -> None:
        tokens.append(token)
        if on_partial is not None:
            on_partial(clip.name, join_tokens(token.piece for token in tokens))

    utterance = device.recognise(_pieces(clip.samples, rate), on_token, trace=True, profile=profile)
    # A device knows texts of tokens; ids need not be those of a list that we hold.
    pieces = [token.piece for token in utterance.tokens]
    events = [
        TokenEvent(at, round(token.logprob * 65536), token.time_ms)
        for at, token in enumerate(utterance.tokens)
    ]
    transcript = make_transcript(
        clip.name,
        pieces,
        events,
        utterance.logits,
        utterance.logits_count,
        reference=clip.reference,
        keep_logits=True,
    )
    operators = {graph: device.op_costs(graph) for graph in GRAPHS} if profile else {}
    return Heard(transcript, device.metrics(), operators)


def _laptop_engine() -> Engine:
    """The TFLite interpreter where it rounds as devices do; else the C core's own kernels."""
    try:
        return "core" if find_interpreter().caveat else "tflite"
    except EdgeError:
        return "core"


def emulate_clips(bundle: Bundle, clips: Sequence[Clip]) -> Emulation:
    """What the laptop makes of the same clips, with all logits, and what computed it."""
    return emulate(bundle, clips, engine=_laptop_engine(), keep_logits=True)
