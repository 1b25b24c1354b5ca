"""Which integers hold each value: values that only move share one quantisation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgesdk_converters.graph import Graph, Node
from edgesdk_converters.quantise.precision import MOVES, POINTWISE
from edgesdk_converters.quantise.ranges import (
    Range,
    clipped,
    int8_quantisation,
    int16_quantisation,
    merge,
    symmetric,
)
from edgesdk_converters.tflite.model import Quantisation

# TFLite prescribes the output of these; another scale needs a QUANTIZE after them.
PRESCRIBED = {
    ("sigmoid", "int8"): Quantisation.single(1 / 256, -128),
    ("tanh", "int8"): Quantisation.single(1 / 128, 0),
    ("softmax", "int8"): Quantisation.single(1 / 256, -128),
    ("softmax", "int16"): Quantisation.single(1 / 32768, 0),
    ("sigmoid", "int16"): Quantisation.single(1 / 32768, 0),
    ("tanh", "int16"): Quantisation.single(1 / 32768, 0),
}
# tanh(4) and sigmoid(6) are within half a step of int8 of their limits.
_FLAT = {"tanh": 4.0, "sigmoid": 6.0}
_PASSING = tuple(op for op in MOVES if op != "embedding")
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
        if node.peer:
            groups.join(f"peer {node.peer}", node.outputs[0])
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
    together = merge(seen[name] for name in names)
    prescribed = _prescribed(graph, names, wide)
    if prescribed is not None:
        return prescribed
    if wide.intersection(names):
        if all(_only_gates(graph, name) for name in names if not _moved(graph, name)):
            return Spec("int16", GATE)
        return Spec("int16", int16_quantisation(together))
    flat = _flat_beyond(graph, names)
    if flat is not None:
        together = clipped(together, flat)
    quantisation = int8_quantisation(together, method)
    if _widened(graph, names, wide):
        quantisation = symmetric(quantisation)  # CAST widens integers only where zero is 0
    return Spec("int8", quantisation)


def _flat_beyond(graph: Graph, names: list[str]) -> float | None:
    """Where every reader is a sigmoid or tanh: the size beyond which their int8 results stand."""
    readers = [node.op for name in names for node in _readers(graph, name) if node.op not in MOVES]
    if not readers or set(names).intersection((*graph.inputs, *graph.results())):
        return None
    return max(_FLAT.get(op, np.inf) for op in readers)


def _prescribed(graph: Graph, names: list[str], wide: frozenset[str]) -> Spec | None:
    """The output form of sigmoid or tanh, where the values come from nothing else."""
    kept = {name for state in graph.states for name in (state.input, state.output)}
    kept.update(graph.inputs)
    makers = {n.op for n in graph.nodes if n.op not in _PASSING and set(n.outputs) & set(names)}
    dtype = "int16" if wide.intersection(names) else "int8"
    if len(makers) != 1 or kept.intersection(names):
        return None
    quantisation = PRESCRIBED.get((makers.pop(), dtype))
    if quantisation is None or (_widened(graph, names, wide) and dtype == "int8"):
        return None
    return Spec(dtype, quantisation)


def _widened(graph: Graph, names: list[str], wide: frozenset[str]) -> bool:
    return any(computes_wide(node, wide) for name in names for node in _readers(graph, name))


def computes_wide(node: Node, wide: frozenset[str]) -> bool:
    """Whether a node works on int16 operands: a wide value goes in or comes out."""
    computing = (*POINTWISE, "linear")
    return node.op in computing and bool(wide.intersection((*node.inputs, *node.outputs)))


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
