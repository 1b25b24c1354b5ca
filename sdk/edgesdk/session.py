"""Clips or arrays through a device: the answers, their cost, and whether the laptop agrees."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesdk.audio import Samples
from edgesdk.bundle import Bundle
from edgesdk.core import EndpointMode, TensorInfo, TokenEvent
from edgesdk.emulate import (
    Clip,
    Emulation,
    GraphRun,
    NoInterpreterError,
    Transcript,
    emulate,
    find_interpreter,
    has_whole_results,
    judge_of,
    make_transcript,
    run_graph,
    stack_steps,
)
from edgesdk.errors import BoardError
from edgesdk.lattice import join_tokens
from edgesdk.link.device import DTYPES, Device, Meter
from edgesdk.link.messages import ClockKind, GraphId, Metrics, OpCost, TensorKind, Token

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
    endpoint: EndpointMode = EndpointMode.OFF,
    meter: Meter | None = None,
) -> Heard:
    """Stream one clip in pieces of 10 ms, as a microphone would, and collect all about it.

    `meter` is told after each piece what the clip has cost so far.

    Raises:
        BoardError: the device says that it counts, and counted nothing.
    """
    tokens: list[Token] = []

    def on_token(token: Token) -> None:
        tokens.append(token)
        if on_partial is not None:
            on_partial(clip.name, join_tokens(token.piece for token in tokens))

    utterance = device.recognise(
        _pieces(clip.samples, rate),
        on_token,
        trace=True,
        profile=profile,
        endpoint=endpoint,
        meter=meter,
    )
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
        results=utterance.results,
        whole=has_whole_results(endpoint, utterance.endpoints),
        endpoints=None if endpoint is EndpointMode.OFF else utterance.endpoints,
    )
    metrics = device.metrics()
    if device.identity.clock != ClockKind.NONE and utterance.logits_count and not metrics.total:
        raise BoardError(
            f"{device.channel.where}: the counter stood still over a whole clip; check [counter] "
            "of the board file: driver and address"
        )
    ran = list(GRAPHS)
    ran += [GraphId.ADAPTER] if metrics.adapter_calls else []
    ran += [GraphId.ENDPOINT] if metrics.endpoint_calls else []
    operators = {graph: device.op_costs(graph) for graph in ran} if profile else {}
    return Heard(transcript, metrics, operators)


@dataclass(frozen=True)
class RanGraph:
    """A single graph as a device did it: what came out, and the cost of every step."""

    run: GraphRun
    costs: tuple[int, ...]


def _tensor_info(device: Device, kind: TensorKind, index: int) -> TensorInfo:
    facts = device.tensor_facts(GraphId.SINGLE, kind, index)
    dtype: type[np.generic] = np.dtype(DTYPES[facts.dtype]).type
    return TensorInfo(dtype, facts.dims, facts.scale, facts.zero_point)


def run_arrays(device: Device, inputs: Sequence[npt.NDArray[Any]]) -> RanGraph:
    """Run the device's single graph from its start state; `inputs` as in `emulate.run_graph`.

    Raises:
        BundleError: the inputs do not fit the graph.
        WireError: the device holds no single graph.
    """
    graph, name = GraphId.SINGLE, device.identity.board
    facts = device.graph_facts(graph)
    infos = [_tensor_info(device, TensorKind.INPUT, i) for i in range(facts.input_count)]
    results = [_tensor_info(device, TensorKind.OUTPUT, i) for i in range(facts.output_count)]
    device.graph_reset(graph)
    outputs, costs = [], []
    for step in stack_steps(inputs, infos, name):
        for index, values in enumerate(step):
            device.graph_write(graph, index, np.ascontiguousarray(values).tobytes())
        costs.append(device.graph_run(graph))
        read = (device.graph_read(graph, TensorKind.OUTPUT, i) for i in range(facts.output_count))
        outputs.append(tuple(read))
    return RanGraph(GraphRun(name, "", tuple(outputs), tuple(results)), tuple(costs))


def emulate_arrays(bundle: Bundle, inputs: Sequence[npt.NDArray[Any]]) -> GraphRun:
    """What the judge of devices makes of the same arrays (`emulate.judge_of`)."""
    return run_graph(bundle, inputs, source=bundle.source)


def lacking_interpreter(bundle: Bundle | None = None) -> str | None:
    """Why nothing here is a judge of devices; None where an interpreter rounds as they do.

    The C core's own kernels are no judge: a device runs the very same. For a `bundle` that was made
    for an NPU they are: the device's has to agree with the emulated one.

    Raises:
        EdgeError: an interpreter is installed, but does not load.
    """
    if bundle is not None and judge_of(bundle) == "core":
        return None
    try:
        kind = find_interpreter()
    except NoInterpreterError as error:
        return str(error)
    return f"{kind.name} {kind.caveat}; install tflite-runtime" if kind.caveat else None


def emulate_clips(
    bundle: Bundle,
    clips: Sequence[Clip],
    tables: Sequence[bytes] = (),
    endpoint: EndpointMode | None = None,
) -> Emulation:
    """What the judge of devices makes of the same clips and bias tables, with all logits.

    Raises:
        EdgeError: no interpreter.
    """
    return emulate(bundle, clips, keep_logits=True, tables=tables, endpoint=endpoint)
