"""A bundle for an NPU, emulated, against the same graphs on TFLite's reference kernels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesdk.bundle import BiasSection, Bundle
from edgesdk.bundle.layout import BIAS, GRAPHS, SEARCH
from edgesdk.core import Graph, Image, Recogniser
from edgesdk.core.features import Quantised
from edgesdk.emulate.recognise import Clip
from edgesdk.emulate.runners import CoreRunner, TfliteRunner
from edgesdk.emulate.single import stack_steps
from edgesdk.emulate.tflite import TfliteGraph

Array = npt.NDArray[Any]
Inputs = tuple[Array, ...]


@dataclass
class Tally:
    """What a graph gave on the NPU and on the CPU for the same inputs, state by state its own.

    `differing` of `values` differ, by `largest` at most. `first` are the inputs from a start state
    up to the step where outputs part; None where none do.
    """

    steps: int = 0
    values: int = 0
    differing: int = 0
    largest: int = 0
    first: list[Inputs] | None = None
    _since: list[Inputs] = field(default_factory=list)

    def restart(self) -> None:
        """States begin anew."""
        self._since.clear()

    def add(self, inputs: Inputs, npu: Sequence[Array], cpu: Sequence[Array]) -> None:
        """Count one step."""
        self._since.append(inputs)
        self.steps += 1
        for left, right in zip(npu, cpu, strict=True):
            apart = np.abs(left.astype(np.int64) - right.astype(np.int64))
            self.values += apart.size
            self.differing += int(np.count_nonzero(apart))
            self.largest = max(self.largest, int(apart.max(initial=0)))
        if self.differing and self.first is None:
            self.first = list(self._since)


class _Both(TfliteRunner):
    """The CPU's graphs lead; the NPU's get the same inputs."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self._npu = CoreRunner(bundle)
        self.tallies = {role: Tally() for role in bundle.roles}

    def reset(self) -> None:
        super().reset()
        self._npu.reset()
        for tally in self.tallies.values():
            tally.restart()

    def restart(self) -> None:
        super().restart()
        self._npu.restart()
        self.tallies["predictor"].restart()
        self.tallies["joiner"].restart()

    def _run(self, role: str, *inputs: npt.NDArray[np.generic]) -> Quantised:
        graphs = self.graphs[role], self._npu.graphs[role]
        shapes = [info.shape for info in graphs[0].inputs]
        shaped = tuple(values.reshape(shape) for values, shape in zip(inputs, shapes, strict=True))
        cpu, npu = (graph.run(*shaped) for graph in graphs)
        self.tallies[role].add(shaped, npu, cpu)
        return np.asarray(cpu[0], np.int8)


def tally_clips(
    bundle: Bundle, clips: Sequence[Clip], tables: Sequence[bytes] = ()
) -> Mapping[str, Tally]:
    """Every graph of a recogniser, on what a greedy search on the CPU's kernels asks of it.

    An adapter is asked where one of the bias `tables` is for attention.
    """
    greedy = replace(bundle.search, beam=1, max_tokens=1, cache=2, nbest=0, max_arcs=0)
    biased = BiasSection(0, tuple(tables)).encode()
    bundle = bundle.with_sections(**{SEARCH: greedy.encode(), BIAS: biased})
    both = _Both(bundle)
    recogniser = Recogniser(Image(bundle.device_bytes()), both)
    for clip in clips:
        recogniser.reset()
        recogniser.push(clip.samples)
        recogniser.finish()
    return both.tallies


def tally_arrays(bundle: Bundle, inputs: Sequence[Array], source: str) -> Mapping[str, Tally]:
    """A single graph on arrays, which are as in `run_graph`."""
    cpu, npu = TfliteGraph(bundle.tflite("net"), source), Graph(bundle.section(GRAPHS["net"]))
    tally = Tally()
    for step in stack_steps(inputs, npu.inputs, source):
        tally.add(step, npu.run(*step), cpu.run(*step))
    return {"net": tally}


@dataclass(frozen=True)
class Parting:
    """The first operator whose result parts where every operator's result is given out."""

    operator: str
    tensor: str
    step: int
    differing: int
    values: int
    largest: int


def find_parting(
    names: Sequence[tuple[str, str]],
    steps: Sequence[Inputs],
    npu: Callable[[Inputs], Sequence[Array]],
    cpu: Callable[[Inputs], Sequence[Array]],
) -> Parting | None:
    """`names` are operator and tensor of each output of `npu` and `cpu`, in execution order."""
    for number, step in enumerate(steps):
        for (operator, tensor), left, right in zip(names, npu(step), cpu(step), strict=True):
            apart = np.abs(left.astype(np.int64) - right.astype(np.int64))
            if apart.any():
                count, largest = int(np.count_nonzero(apart)), int(apart.max())
                return Parting(operator, tensor, number, count, apart.size, largest)
    return None
