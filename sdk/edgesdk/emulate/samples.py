"""Validation samples: consecutive steps of every graph, from its start state, with the answers.

They lie in the bundle's `smpl` section, an .npz archive (docs/image.md).
"""

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesdk.bundle import BiasSection, Bundle
from edgesdk.bundle.layout import BIAS, GRAPHS, SEARCH
from edgesdk.core import Graph, Image, Recogniser
from edgesdk.core.features import Quantised
from edgesdk.emulate.recognise import Clip, judge_of
from edgesdk.emulate.runners import CoreRunner, GraphRunner, TfliteRunner
from edgesdk.emulate.tflite import TfliteGraph
from edgesdk.errors import BundleError

Array = npt.NDArray[Any]

MAX_STEPS = 24
MAX_ADAPTER_STEPS = 2  # each with all keys and values, which take time on a slow link

_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    NotImplementedError,  # an unknown compression method
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass
class Step:
    """One invoke: states before it, inputs, outputs."""

    state: dict[str, Array]
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]


@dataclass(frozen=True)
class GraphSamples:
    """Steps of one graph; the first one starts from its start state."""

    role: str
    steps: tuple[Step, ...] = field(default=())


class _Recorder(GraphRunner):
    """Runs the graphs and keeps the first steps of each since the last reset."""

    def __init__(self, bundle: Bundle) -> None:
        judge = TfliteRunner(bundle) if judge_of(bundle) == "tflite" else CoreRunner(bundle)
        super().__init__(judge.graphs, stateful=judge.stateful)
        self.steps: dict[str, list[Step]] = {role: [] for role in bundle.roles}

    def _run(self, role: str, *inputs: npt.NDArray[np.generic]) -> Quantised:
        graph, kept = self.graphs[role], self.steps[role]
        if len(kept) >= (MAX_ADAPTER_STEPS if role == "adapter" else MAX_STEPS):
            return super()._run(role, *inputs)
        state = _named_state(graph)
        shaped = tuple(
            values.reshape(info.shape) for values, info in zip(inputs, graph.inputs, strict=True)
        )
        outputs = tuple(graph.run(*shaped))
        kept.append(Step(state, shaped, outputs))
        return np.asarray(outputs[0], np.int8)


def _named_state(graph: TfliteGraph | Graph) -> dict[str, Array]:
    """States by name; none of a plan's, whose steps are run again from the start instead."""
    return graph.state if isinstance(graph, TfliteGraph) else {}


def make_samples(bundle: Bundle, clips: Sequence[Clip], tables: Sequence[bytes] = ()) -> bytes:
    """The `smpl` section: steps of the clip that visits most of the predictor, with bias tables.

    An adapter has samples where one of them is for attention.

    Raises:
        BundleError: no clips, or a bundle that is no recogniser.
    """
    if not clips or not bundle.is_recogniser:
        raise BundleError(f"{bundle.source}: samples need a recogniser and at least one clip")
    best: dict[str, list[Step]] = {}
    # Consecutive steps are those of a greedy search: a beam jumps from state to state.
    greedy = replace(bundle.search, beam=1, max_tokens=1, cache=2, nbest=0, max_arcs=0)
    biased = BiasSection(0, tuple(tables)).encode()
    bundle = bundle.with_sections(**{SEARCH: greedy.encode(), BIAS: biased})
    image = Image(bundle.device_bytes())
    for clip in clips:
        recorder = _Recorder(bundle)
        recogniser = Recogniser(image, recorder)
        recogniser.push(clip.samples)
        recogniser.finish()
        if not best or len(recorder.steps["predictor"]) > len(best["predictor"]):
            best = recorder.steps
    return _pack(best)


def make_graph_samples(bundle: Bundle, inputs: Sequence[Sequence[Array]]) -> bytes:
    """The `smpl` section of a single-graph bundle: `inputs` [step][input]."""
    graph: TfliteGraph | Graph
    if judge_of(bundle) == "tflite":
        graph = TfliteGraph(bundle.tflite("net"), bundle.source)
    else:
        graph = Graph(bundle.section(GRAPHS["net"]))
    steps = []
    for step in inputs:
        state = _named_state(graph)
        steps.append(Step(state, tuple(step), tuple(graph.run(*step))))
    return _pack({"net": steps})


def _pack(steps: dict[str, list[Step]]) -> bytes:
    arrays: dict[str, Array] = {}
    for role, taken in steps.items():
        if not taken:
            continue
        for i in range(len(taken[0].inputs)):
            arrays[f"{role}/input/{i}"] = np.stack([step.inputs[i] for step in taken])
        for i in range(len(taken[0].outputs)):
            arrays[f"{role}/output/{i}"] = np.stack([step.outputs[i] for step in taken])
        for name in taken[0].state:
            arrays[f"{role}/state/{name}"] = np.stack([step.state[name] for step in taken])
    archive = io.BytesIO()
    np.savez_compressed(archive, **arrays)
    return archive.getvalue()


def read_samples(bundle: Bundle) -> dict[str, GraphSamples]:
    """Samples by role.

    Raises:
        BundleError: the bundle has none, or they are damaged.
    """
    section = bundle.section("smpl")
    try:
        with np.load(io.BytesIO(section), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        parts = [(tuple(name.split("/", 2)), values) for name, values in arrays.items()]
        roles = dict.fromkeys(key[0] for key, _ in parts)
        return {
            role: _unpack(role, {key[1:]: v for key, v in parts if key[0] == role})
            for role in roles
        }
    except _DAMAGE as error:
        raise BundleError(
            f"{bundle.source}: damaged section smpl ({error}); convert the model again"
        ) from error


def _unpack(role: str, arrays: dict[tuple[str, ...], Array]) -> GraphSamples:
    def ordered(kind: str) -> list[Array]:
        count = sum(key[0] == kind for key in arrays)
        return [arrays[kind, str(i)] for i in range(count)]

    inputs, outputs = ordered("input"), ordered("output")
    states = {key[1]: values for key, values in arrays.items() if key[0] == "state"}
    steps = [
        Step(
            {name: values[i] for name, values in states.items()},
            tuple(values[i] for values in inputs),
            tuple(values[i] for values in outputs),
        )
        for i in range(len(inputs[0]))
    ]
    return GraphSamples(role, tuple(steps))
