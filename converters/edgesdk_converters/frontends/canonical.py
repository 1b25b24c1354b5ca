"""A read graph with the house's names and shapes at its edges."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from edgesdk.errors import ConvertError

from edgesdk_converters.graph import Graph, Node, State, check_graph
from edgesdk_converters.simplify import simplify

Edges = Mapping[str, tuple[int, ...]]


def canonical_graph(graph: Graph, inputs: Edges, outputs: Edges) -> Graph:
    """`graph` with its inputs and outputs named and shaped as given, simplified and checked.

    Raises:
        ConvertError: an edge has another number of elements than wanted.
    """
    taken = {name: f"{name}.inner" for name in graph.shapes if name in {**inputs, **outputs}}
    shapes = {taken.get(name, name): shape for name, shape in graph.shapes.items()}
    nodes = [_edge(graph, new, old, taken) for new, old in zip(inputs, graph.inputs, strict=True)]
    nodes += [_renamed(node, taken) for node in graph.nodes]
    for (new, shape), old in zip(outputs.items(), graph.outputs, strict=True):
        if int(np.prod(shape)) != int(np.prod(graph.shapes[old])):
            raise ConvertError(
                f"{graph.name}: output {old} has shape {graph.shapes[old]}, expected {shape};"
                " export the three models from one training run"
            )
        source = taken.get(old, old)
        nodes.append(Node("reshape", f"{new}.out", (source,), (new,), attrs={"shape": shape}))
    states = []
    for state in graph.states:
        kept = f"{state.name}.kept"  # a value of its own, also where it is an output or an input
        source = taken.get(state.output, state.output)
        shapes[kept] = shapes[source]
        nodes.append(Node("reshape", kept, (source,), (kept,), attrs={"shape": shapes[source]}))
        states.append(State(state.name, taken.get(state.input, state.input), kept))
    result = Graph(
        name=graph.name,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        states=tuple(states),
        nodes=tuple(nodes),
        shapes=shapes | dict(inputs) | dict(outputs),
    )
    result = simplify(result)
    check_graph(result)
    return result


def _edge(graph: Graph, new: str, old: str, taken: Mapping[str, str]) -> Node:
    inner = taken.get(old, old)
    return Node("reshape", f"{new}.in", (new,), (inner,), attrs={"shape": graph.shapes[old]})


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    return replace(
        node,
        inputs=tuple(names.get(n, n) for n in node.inputs),
        outputs=tuple(names.get(n, n) for n in node.outputs),
    )
