"""The float graph between front ends and quantiser, and the rules of a legal one.

Every shape is static, batch is 1 and values are float32, except token indices (int64). Layouts:
sequences [1, T, C], images [1, H, W, C], recurrent states [1, H].
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from edgesdk.errors import ConvertError
from numpy.typing import NDArray

Array = NDArray[Any]
Attribute = Any  # int, float or tuple of int


@dataclass(frozen=True)
class Node:
    """One operator; `inputs` and `outputs` are value names, `params` its constants.

    Nodes of one non-empty `peer` are copies at other steps of a window: their values share one
    quantisation, so that a step is the same integers wherever it stands.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: Mapping[str, Array] = field(default_factory=dict)
    attrs: Mapping[str, Attribute] = field(default_factory=dict)
    peer: str = ""


@dataclass(frozen=True)
class State:
    """A value kept from one step to the next; it starts as zeros."""

    name: str
    input: str
    output: str


@dataclass(frozen=True)
class Graph:
    """Nodes in execution order; `inputs` and `outputs` exclude the states."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    states: tuple[State, ...]
    nodes: tuple[Node, ...]
    shapes: Mapping[str, tuple[int, ...]]

    def consumers(self) -> dict[str, list[Node]]:
        """Nodes that read each value."""
        result: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                result.setdefault(name, []).append(node)
        return result

    def producers(self) -> dict[str, Node]:
        """The node that writes each value."""
        return {name: node for node in self.nodes for name in node.outputs}

    def results(self) -> tuple[str, ...]:
        """Values that leave a step: outputs, then next states."""
        return self.outputs + tuple(state.output for state in self.states)

    def parameters(self) -> int:
        """Number of constant elements."""
        return sum(int(p.size) for node in self.nodes for p in node.params.values())


@dataclass(frozen=True)
class OpRule:
    """What a legal node of one operator has; `variadic` takes two or more inputs."""

    inputs: int
    outputs: int = 1
    params: tuple[str, ...] = ()
    attrs: tuple[str, ...] = ()
    variadic: bool = False


# matmul sums along the last dimension of both: [..., R, D] times [..., C, D] is [..., R, C].
# softmax is over the last dimension, of beta times the value.
# Gate order: lstm i, f, g, o (rows of weight, recurrent and bias); gru z, r, n.
RULES: dict[str, OpRule] = {
    "linear": OpRule(1, params=("weight", "bias")),
    "embedding": OpRule(1, params=("table",)),
    "conv": OpRule(1, params=("weight", "bias"), attrs=("stride", "dilation")),
    "depthwise": OpRule(1, params=("weight", "bias"), attrs=("stride", "dilation")),
    "pad": OpRule(1, attrs=("before", "after")),
    "lstm": OpRule(3, 3, ("weight", "recurrent", "bias")),
    "gru": OpRule(2, 2, ("weight", "recurrent", "bias", "recurrent_bias"), attrs=("reset_after",)),
    "layer_norm": OpRule(1, params=("gamma", "beta"), attrs=("epsilon",)),
    "matmul": OpRule(2),
    "softmax": OpRule(1, attrs=("beta",)),
    "add": OpRule(2),
    "sub": OpRule(2),
    "mul": OpRule(2),
    "add_const": OpRule(1, params=("value",)),
    "mul_const": OpRule(1, params=("value",)),
    "rsub_const": OpRule(1, params=("value",)),
    "rsqrt": OpRule(1),
    "relu": OpRule(1),
    "tanh": OpRule(1),
    "sigmoid": OpRule(1),
    "concat": OpRule(2, attrs=("axis",), variadic=True),
    "slice": OpRule(1, attrs=("axis", "start", "stop")),
    "reshape": OpRule(1, attrs=("shape",)),
    "transpose": OpRule(1, attrs=("perm",)),
}


def check_graph(graph: Graph) -> None:
    """Refuse an illegal graph: unknown operators, wrong arity, values used before they are made.

    Raises:
        ConvertError: naming graph, node and the broken rule.
    """
    known = set(graph.inputs) | {state.input for state in graph.states}
    if len(known) != len(graph.inputs) + len(graph.states):
        raise ConvertError(f"{graph.name}: two inputs or states have one name")
    for node in graph.nodes:
        problem = _node_problem(node, known)
        if problem:
            raise ConvertError(f"{graph.name}: node {node.name} ({node.op}) {problem}")
        known.update(node.outputs)
    for name in graph.results():
        if name not in known:
            raise ConvertError(f"{graph.name}: output {name} is made by no node")
    for name in known:
        if name not in graph.shapes:
            raise ConvertError(f"{graph.name}: value {name} has no shape")
    for state in graph.states:
        if graph.shapes[state.input] != graph.shapes[state.output]:
            raise ConvertError(
                f"{graph.name}: state {state.name} enters as {graph.shapes[state.input]} and leaves"
                f" as {graph.shapes[state.output]}"
            )


def _node_problem(node: Node, known: set[str]) -> str:
    rule = RULES.get(node.op)
    if rule is None:
        return f"is none of {', '.join(RULES)}"
    arity = len(node.inputs) >= rule.inputs if rule.variadic else len(node.inputs) == rule.inputs
    if not arity or len(node.outputs) != rule.outputs:
        return f"has {len(node.inputs)} inputs and {len(node.outputs)} outputs"
    missing = [n for n in node.inputs if n not in known]
    if missing:
        return f"reads {missing[0]} before it is made"
    if any(n in known for n in node.outputs):
        return "writes a value that exists already"
    if set(node.params) != set(rule.params) or set(node.attrs) != set(rule.attrs):
        return f"has parameters {sorted(node.params)} and attributes {sorted(node.attrs)}"
    if any(not np.all(np.isfinite(p)) for p in node.params.values()):
        return "has parameters that are not finite"
    return ""


def prune(graph: Graph) -> Graph:
    """The graph without nodes that reach neither an output nor a next state."""
    needed = set(graph.results())
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(node.inputs)
    return replace_nodes(graph, reversed(kept))


def replace_nodes(graph: Graph, nodes: Iterable[Node], **changes: Any) -> Graph:
    """A graph with other nodes (and other fields in `changes`); shapes of lost values go."""
    result = replace(graph, nodes=tuple(nodes), **changes)
    alive = set(result.inputs) | {s.input for s in result.states}
    alive.update(name for node in result.nodes for name in node.outputs)
    shapes = {name: shape for name, shape in result.shapes.items() if name in alive}
    return replace(result, shapes=shapes)
