"""Layers that TFLite has no integer operator for, spelled in operators that it has.

lstm that the fused operator cannot hold (its states are used elsewhere), gru and layer_norm become
linear and pointwise nodes, one copy per step of the window. Every step is the same integers, so N
one-step runs equal one run of N steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from edgesdk_converters.execute import infer_shapes
from edgesdk_converters.graph import Array, Attribute, Graph, Node, check_graph
from edgesdk_converters.simplify import simplify

# The root comes from a table of few entries; each Newton step squares its relative error.
_NEWTON_STEPS = 1


def fused_lstms(graph: Graph) -> set[str]:
    """Names of lstm nodes whose h and c only feed themselves: those that one operator can hold."""
    pairs = {state.input: state.output for state in graph.states}
    consumers = graph.consumers()
    results = list(graph.results())
    fused = set()
    for node in graph.nodes:
        if node.op != "lstm":
            continue
        loops = list(zip(node.inputs[1:], node.outputs[1:], strict=True))
        if all(
            pairs.get(before) == after
            and len(consumers[before]) == 1
            and after not in consumers
            and results.count(after) == 1
            for before, after in loops
        ):
            fused.add(node.name)
    return fused


def last_outputs(graph: Graph) -> Graph:
    """Readers of an lstm's last h read the last row of its y, so that h only feeds itself."""
    consumers = graph.consumers()
    nodes: list[Node] = []
    names: dict[str, str] = {}
    for node in graph.nodes:
        nodes.append(replace(node, inputs=tuple(names.get(n, n) for n in node.inputs)))
        if node.op != "lstm" or node.outputs[1] not in consumers:
            continue
        spell = _Spelling(f"{node.name}/last")
        frames = graph.shapes[node.outputs[0]][1]
        row = node.outputs[0]
        if frames > 1:
            row = spell("slice", (row,), "row", axis=1, start=frames - 1, stop=frames)
        shape = graph.shapes[node.outputs[1]]
        names[node.outputs[1]] = spell("reshape", (row,), "h", shape=shape)
        nodes += spell.nodes
    return _shaped(graph, nodes) if names else graph


@dataclass
class _Spelling:
    """Nodes that replace one node; `prefix` keeps their names apart.

    Where `steps` is set, outputs named <step>/<name> are peers over the steps.
    """

    prefix: str
    steps: bool = False
    nodes: list[Node] = field(default_factory=list)

    def __call__(
        self,
        op: str,
        inputs: tuple[str, ...],
        output: str,
        params: Mapping[str, Array] | None = None,
        **attrs: Attribute,
    ) -> str:
        """Append a node; return the value it makes."""
        name = f"{self.prefix}/{output}"
        floats = {key: np.asarray(value, np.float32) for key, value in (params or {}).items()}
        step, _, rest = output.partition("/")
        peer = f"{self.prefix}/{rest}" if self.steps and step.isdecimal() else ""
        self.nodes.append(Node(op, name, inputs, (name,), floats, attrs, peer))
        return name

    def linear(self, x: str, output: str, weight: Array, bias: Array | None = None) -> str:
        """x times weight [O, I] plus bias."""
        shift = np.zeros(len(weight)) if bias is None else bias
        return self("linear", (x,), output, {"weight": weight, "bias": shift})

    def rows(self, x: str, frames: int, width: int) -> list[str]:
        """[1, T, C] -> T values [1, C]."""
        result = []
        for t in range(frames):
            piece = x
            if frames > 1:
                piece = self("slice", (x,), f"{t}/row", axis=1, start=t, stop=t + 1)
            result.append(self("reshape", (piece,), f"{t}/x", shape=(1, width)))
        return result

    def cut(self, x: str, output: str, start: int, stop: int) -> str:
        """Columns of [1, C]."""
        return self("slice", (x,), output, axis=1, start=start, stop=stop)

    def join(self, steps: list[str], width: int, output: str) -> None:
        """T values [1, C] -> `output` [1, T, C]."""
        joined = steps[0]
        if len(steps) > 1:
            joined = self("concat", tuple(steps), "steps", axis=0)
        shape = (1, len(steps), width)
        self.nodes.append(Node("reshape", output, (joined,), (output,), attrs={"shape": shape}))

    def rename(self, value: str, output: str, shape: tuple[int, ...]) -> None:
        """Give a value the name that the rest of the graph reads."""
        self.nodes.append(Node("reshape", output, (value,), (output,), attrs={"shape": shape}))


def _spell_lstm(node: Node, frames: int) -> list[Node]:
    spell, p = _Spelling(node.name, steps=True), node.params
    hidden = p["recurrent"].shape[1]
    x, h, c = node.inputs
    outputs = []
    projected = spell.linear(x, "xw", p["weight"], p["bias"])
    for t, row in enumerate(spell.rows(projected, frames, 4 * hidden)):
        recurrent = spell.linear(h, f"{t}/hr", p["recurrent"])
        gates = spell("add", (row, recurrent), f"{t}/gates")
        parts = [
            spell.cut(gates, f"{t}/{name}_in", k * hidden, (k + 1) * hidden)
            for k, name in enumerate("ifgo")
        ]
        curves = ("sigmoid", "sigmoid", "tanh", "sigmoid")
        i, f, g, o = (
            spell(op, (part,), f"{t}/{name}")
            for op, part, name in zip(curves, parts, "ifgo", strict=True)
        )
        kept, fresh = spell("mul", (f, c), f"{t}/fc"), spell("mul", (i, g), f"{t}/ig")
        c = spell("add", (kept, fresh), f"{t}/c")
        h = spell("mul", (o, spell("tanh", (c,), f"{t}/tanh_c")), f"{t}/h")
        outputs.append(h)
    spell.join(outputs, hidden, node.outputs[0])
    spell.rename(h, node.outputs[1], (1, hidden))
    spell.rename(c, node.outputs[2], (1, hidden))
    return spell.nodes


def _spell_gru(node: Node, frames: int) -> list[Node]:
    """h' = n + z * (h - n), which is (1 - z) * n + z * h with one product less."""
    spell, p = _Spelling(node.name, steps=True), node.params
    hidden = p["recurrent"].shape[1]
    x, h = node.inputs
    r_n, b_n = p["recurrent"][2 * hidden :], p["recurrent_bias"][2 * hidden :]
    r_zr, b_zr = p["recurrent"][: 2 * hidden], p["recurrent_bias"][: 2 * hidden]
    outputs = []
    projected = spell.linear(x, "xw", p["weight"], p["bias"])
    for t, row in enumerate(spell.rows(projected, frames, 3 * hidden)):
        row_zr = spell.cut(row, f"{t}/x_zr", 0, 2 * hidden)
        row_n = spell.cut(row, f"{t}/x_n", 2 * hidden, 3 * hidden)
        gates = spell("add", (row_zr, spell.linear(h, f"{t}/h_zr", r_zr, b_zr)), f"{t}/zr_in")
        z = spell("sigmoid", (spell.cut(gates, f"{t}/z_in", 0, hidden),), f"{t}/z")
        r = spell("sigmoid", (spell.cut(gates, f"{t}/r_in", hidden, 2 * hidden),), f"{t}/r")
        if node.attrs["reset_after"]:
            kept = spell("mul", (r, spell.linear(h, f"{t}/h_n", r_n, b_n)), f"{t}/rh")
        else:
            kept = spell.linear(spell("mul", (r, h), f"{t}/rh"), f"{t}/h_n", r_n, b_n)
        n = spell("tanh", (spell("add", (row_n, kept), f"{t}/n_in"),), f"{t}/n")
        drift = spell("mul", (z, spell("sub", (h, n), f"{t}/d")), f"{t}/zd")
        h = spell("add", (n, drift), f"{t}/h")
        outputs.append(h)
    spell.join(outputs, hidden, node.outputs[0])
    spell.rename(h, node.outputs[1], (1, hidden))
    return spell.nodes


def _spell_layer_norm(node: Node) -> list[Node]:
    """Means as products with ones / N, whose int8 weights are exact; epsilon is a bias."""
    spell, p = _Spelling(node.name), node.params
    (x,) = node.inputs
    ones = np.full((1, p["gamma"].size), 1.0 / p["gamma"].size)
    centred = spell("sub", (x, spell.linear(x, "mean", ones)), "centred")
    square = spell("mul", (centred, centred), "square")
    variance = spell.linear(square, "variance", ones, np.array([node.attrs["epsilon"]]))
    inverse = spell("rsqrt", (variance,), "rsqrt")
    for step in range(_NEWTON_STEPS):
        root = spell("mul", (variance, inverse), f"{step}/root")
        unit = spell("mul", (root, inverse), f"{step}/unit")
        half = spell("mul_const", (unit,), f"{step}/half", {"value": np.array([0.5])})
        gain = spell("rsub_const", (half,), f"{step}/gain", {"value": np.array([1.5])})
        inverse = spell("mul", (inverse, gain), f"{step}/inverse")
    result = spell("mul", (centred, inverse), "normal")
    if np.any(p["gamma"] != 1.0):
        result = spell("mul_const", (result,), "scaled", {"value": p["gamma"]})
    if np.any(p["beta"] != 0.0):
        result = spell("add_const", (result,), "shifted", {"value": p["beta"]})
    last = spell.nodes.pop()
    return [*spell.nodes, replace(last, outputs=node.outputs)]


def spell_cells(graph: Graph) -> Graph:
    """The graph with only nodes that have an integer operator."""
    graph = last_outputs(graph)
    fused = fused_lstms(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.op == "lstm" and node.name not in fused:
            nodes += _spell_lstm(node, graph.shapes[node.inputs[0]][1])
        elif node.op == "gru":
            nodes += _spell_gru(node, graph.shapes[node.inputs[0]][1])
        elif node.op == "layer_norm":
            nodes += _spell_layer_norm(node)
        else:
            nodes.append(node)
    if len(nodes) == len(graph.nodes):
        return graph
    result = simplify(_shaped(graph, nodes))
    check_graph(result)
    return result


def _shaped(graph: Graph, nodes: list[Node]) -> Graph:
    """`graph` with other nodes and the shapes that they give."""
    entries = {name: graph.shapes[name] for name in graph.inputs}
    entries |= {state.input: graph.shapes[state.input] for state in graph.states}
    indices = {name for node in nodes if node.op == "embedding" for name in node.inputs}
    shapes = infer_shapes(tuple(nodes), entries, indices & set(graph.inputs))
    return replace(graph, nodes=tuple(nodes), shapes=shapes)
