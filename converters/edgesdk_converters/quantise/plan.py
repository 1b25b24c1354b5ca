"""Which integers hold each value: values that only move share one quantisation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgesdk_converters.graph import Graph, Node
from edgesdk_converters.quantise.ranges import (
    Range,
    int8_quantisation,
    int16_quantisation,
    merge,
)
from edgesdk_converters.tflite.model import Quantisation

# These copy integers, so input and output have one quantisation.
MOVES = ("reshape", "transpose", "slice", "concat", "pad", "embedding")

# TFLite prescribes the output of these; another scale needs a QUANTIZE after them.
PRESCRIBED = {
    ("sigmoid", "int8"): Quantisation.single(1 / 256, -128),
    ("tanh", "int8"): Quantisation.single(1 / 128, 0),
    ("sigmoid", "int16"): Quantisation.single(1 / 32768, 0),
    ("tanh", "int16"): Quantisation.single(1 / 32768, 0),
}
# An int16 value that only enters sigmoid or tanh: Q3.12, both are flat beyond 8.
GATE = Quantisation.single(2.0**-12)


@dataclass(frozen=True)
class Spec:
    """dtype and per-tensor quantisation of a value."""

    dtype: str
    quantisation: Quantisation


class _Groups:
    """Values joined into sets."""

    def __init__(self) -> None:
        self.parent: dict[str, str] = {}

    def find(self, name: str) -> str:
        self.parent.setdefault(name, name)
        while self.parent[name] != name:
            name = self.parent[name]
        return name

    def join(self, a: str, b: str) -> None:
        self.parent[self.find(b)] = self.find(a)


def plan_values(
    graph: Graph,
    seen: Mapping[str, Range],
    method: str,
    fixed: Mapping[str, Quantisation],
    wide: frozenset[str] = frozenset(),
) -> dict[str, Spec]:
    """A Spec for every real value; `fixed` ones are given, `wide` ones are int16."""
    groups = _Groups()
    reals = [name for name in graph.shapes if name in seen]
    for node in graph.nodes:
        if node.op in MOVES:
            for name in (*node.inputs, *node.outputs):
                if name in seen:
                    groups.join(node.outputs[0], name)
    for state in graph.states:
        groups.join(state.input, state.output)
    members: dict[str, list[str]] = {}
    for name in reals:
        members.setdefault(groups.find(name), []).append(name)
    specs: dict[str, Spec] = {}
    for names in members.values():
        spec = _group_spec(graph, names, seen, method, fixed, wide)
        specs |= dict.fromkeys(names, spec)
    return specs


def _group_spec(
    graph: Graph,
    names: list[str],
    seen: Mapping[str, Range],
    method: str,
    fixed: Mapping[str, Quantisation],
    wide: frozenset[str],
) -> Spec:
    given = [fixed[name] for name in names if name in fixed]
    if given:
        return Spec("int8", given[0])
    dtype = "int16" if wide.intersection(names) else "int8"
    kept = {name for state in graph.states for name in (state.input, state.output)}
    makers = [n for n in graph.nodes if n.op not in MOVES and set(n.outputs) & set(names)]
    prescribed = {PRESCRIBED.get((n.op, dtype)) is not None and n.op for n in makers}
    if len(prescribed) == 1 and False not in prescribed and not kept.intersection(names):
        return Spec(dtype, PRESCRIBED[(makers[0].op, dtype)])
    if dtype == "int16":
        if all(_only_gates(graph, name) for name in names if not _moved(graph, name)):
            return Spec(dtype, GATE)
        return Spec(dtype, int16_quantisation(merge(seen[n] for n in names)))
    return Spec(dtype, int8_quantisation(merge(seen[n] for n in names), method))


def _readers(graph: Graph, name: str) -> list[Node]:
    return [node for node in graph.nodes if name in node.inputs]


def _moved(graph: Graph, name: str) -> bool:
    readers = _readers(graph, name)
    return bool(readers) and all(n.op in MOVES for n in readers)


def _only_gates(graph: Graph, name: str) -> bool:
    readers = _readers(graph, name)
    inner = name not in graph.results() and name not in graph.inputs
    return inner and bool(readers) and all(n.op in ("sigmoid", "tanh") for n in readers)


def same(a: Spec, b: Spec) -> bool:
    """Whether integers can pass from one to the other unchanged."""
    return (
        a.dtype == b.dtype
        and bool(np.array_equal(a.quantisation.scale, b.quantisation.scale))
        and bool(np.array_equal(a.quantisation.zero_point, b.quantisation.zero_point))
    )
