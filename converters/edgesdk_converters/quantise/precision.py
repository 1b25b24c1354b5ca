"""Which values need 16 bits: everything that recurrence or normalisation accumulates through."""

from collections.abc import Iterable

from edgesdk_converters.graph import Graph, Node

# These copy integers, so input and output have one quantisation.
MOVES = ("reshape", "transpose", "slice", "concat", "pad", "embedding")
POINTWISE = (
    "add",
    "sub",
    "mul",
    "add_const",
    "mul_const",
    "rsub_const",
    "sigmoid",
    "tanh",
    "relu",
)


def wide_values(graph: Graph) -> frozenset[str]:
    """Values held in int16.

    Inside a cycle through a state everything is wide but states that only products read (an
    LSTM's h): those stay int8. So is what a normalisation computes; and, around both, what their
    pointwise operators read from other layers, and hand to further pointwise operators.
    """
    barred = _narrow_states(graph) | set(graph.outputs)
    wide = {
        name
        for node in _nodes_in_loops(graph)
        if node.op not in MOVES and node.op != "lstm"
        for name in node.outputs
    }
    wide = (wide | _normalisation(graph)) - barred
    while True:
        more = (_operands(graph, wide) | _handed_on(graph, wide)) - barred
        if more <= wide:
            return frozenset(wide)
        wide |= more


def _operands(graph: Graph, wide: set[str]) -> set[str]:
    """Values from pointwise operators and products that a wide pointwise operator reads."""
    made = graph.producers()
    return {
        name
        for node in graph.nodes
        if node.op in POINTWISE and wide.intersection((*node.inputs, *node.outputs))
        for name in _origins(graph, node.inputs)
        if name in made and made[name].op in (*POINTWISE, "linear")
    }


def _handed_on(graph: Graph, wide: set[str]) -> set[str]:
    """Results of wide pointwise operators that only pointwise operators read."""
    readers = graph.consumers()
    return {
        node.outputs[0]
        for node in graph.nodes
        if node.op in POINTWISE
        and wide.intersection(node.inputs)
        and readers.get(node.outputs[0])
        and all(reader.op in POINTWISE for reader in readers[node.outputs[0]])
    }


def _normalisation(graph: Graph) -> set[str]:
    """A rsqrt and what leads to it: the centred value, its square, the variance."""
    made = graph.producers()
    wide: set[str] = set()
    for node in graph.nodes:
        if node.op == "rsqrt":
            variance = made[node.inputs[0]]
            square = made[variance.inputs[0]]
            mean = made[made[square.inputs[0]].inputs[1]]
            wide.update(
                (*node.outputs, *node.inputs, *variance.inputs, *square.inputs, *mean.outputs)
            )
    return wide


def _origins(graph: Graph, names: Iterable[str]) -> set[str]:
    """Values behind moves."""
    made = graph.producers()
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        maker = made.get(name)
        if maker is not None and maker.op in MOVES:
            waiting.extend(maker.inputs)
        else:
            found.add(name)
    return found


def _narrow_states(graph: Graph) -> set[str]:
    """Values that become a state which only products (through moves) read, and their peers."""
    result: set[str] = set()
    readers = graph.consumers()
    for state in graph.states:
        waiting, ok = [state.input], True
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            for node in readers.get(name, []):
                if node.op in MOVES:
                    waiting.extend(set(node.outputs) - seen)
                    seen.update(node.outputs)
                elif node.op not in ("linear", "conv", "depthwise"):
                    ok = False
        if ok:
            result.update(_origins(graph, [state.output]))
    for node in graph.nodes:  # the same value at earlier steps of a window
        together = _origins(graph, node.inputs)
        if node.op == "concat" and result & together:
            result |= together
    return result


def _nodes_in_loops(graph: Graph) -> list[Node]:
    """Nodes that a value passes on its way back to itself, through the states."""
    readers = graph.consumers()
    back = {state.output: state.input for state in graph.states}
    after: dict[str, set[str]] = {}
    by_name = {node.name: node for node in graph.nodes}
    for node in graph.nodes:
        values = set(node.outputs)
        values.update(back[name] for name in node.outputs if name in back)
        after[node.name] = {n.name for value in values for n in readers.get(value, [])}
    return [by_name[name] for name in after if name in _reached(after, name)]


def _reached(after: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(after[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(after[name])
    return seen
