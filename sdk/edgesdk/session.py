"""Clips through a device: what it heard, what that cost, and whether the laptop agrees."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgesdk.audio import Samples
from edgesdk.bundle import Bundle
from edgesdk.core import TokenEvent
from edgesdk.emulate import (
    Clip,
    Emulation,
    NoInterpreterError,
    Transcript,
    emulate,
    find_interpreter,
    join_tokens,
    make_transcript,
)
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


def lacking_interpreter() -> str | None:
    """Why nothing here is a judge of devices; None where an interpreter rounds as they do.

    The C core's own kernels are no judge: a device runs the very same.

    Raises:
        EdgeError: an interpreter is installed, but does not load.
    """
    try:
        kind = find_interpreter()
    except NoInterpreterError as error:
        return str(error)
    return f"{kind.name} {kind.caveat}; install tflite-runtime" if kind.caveat else None


def emulate_clips(bundle: Bundle, clips: Sequence[Clip]) -> Emulation:
    """What the laptop's interpreter makes of the same clips, with all logits.

    Raises:
        EdgeError: no interpreter.
    """
    return emulate(bundle, clips, engine="tflite", keep_logits=True)
