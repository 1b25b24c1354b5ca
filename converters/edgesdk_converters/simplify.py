"""Rewrites of a float graph that keep its values: fewer nodes, states one by one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgesdk_converters.graph import Array, Graph, Node, State, prune, replace_nodes


def simplify(graph: Graph) -> Graph:
    """All passes, until nothing changes."""
    while True:
        before = graph
        for rewrite in PASSES:
            graph = prune(rewrite(graph))
        if len(graph.nodes) == len(before.nodes) and graph.states == before.states:
            return graph


def _rename(node: Node, names: dict[str, str]) -> Node:
    return replace(node, inputs=tuple(names.get(n, n) for n in node.inputs))


def unit_transposes(graph: Graph) -> Graph:
    """transpose that moves only dimensions of size 1 -> reshape."""

    def rewrite(node: Node) -> Node:
        if node.op != "transpose":
            return node
        shape = graph.shapes[node.inputs[0]]
        moved = [axis for axis in node.attrs["perm"] if shape[axis] != 1]
        if moved != sorted(moved):
            return node
        return replace(node, op="reshape", attrs={"shape": graph.shapes[node.outputs[0]]})

    return replace_nodes(graph, map(rewrite, graph.nodes))


def merge_moves(graph: Graph) -> Graph:
    """reshape(reshape(x)) -> reshape(x); transpose(transpose(x)) -> transpose(x); none if equal."""
    producers = graph.producers()
    names: dict[str, str] = {}
    kept = []
    fixed = set(graph.results())
    for node in graph.nodes:
        node = _rename(node, names)
        before = producers.get(node.inputs[0]) if node.op in ("reshape", "transpose") else None
        if before is not None and before.op == node.op:
            source = names.get(before.inputs[0], before.inputs[0])
            if node.op == "transpose":
                inner, outer = before.attrs["perm"], node.attrs["perm"]
                node = replace(
                    node,
                    inputs=(source,),
                    attrs={"perm": tuple(inner[axis] for axis in outer)},
                )
            else:
                node = replace(node, inputs=(source,))
        if _is_identity(graph, node) and node.outputs[0] not in fixed:
            names[node.outputs[0]] = node.inputs[0]
            continue
        producers[node.outputs[0]] = node
        kept.append(node)
    return replace_nodes(graph, kept)


def _is_identity(graph: Graph, node: Node) -> bool:
    if node.op == "reshape":
        return bool(graph.shapes[node.inputs[0]] == node.attrs["shape"])
    if node.op == "transpose":
        perm = node.attrs["perm"]
        return bool(perm == tuple(range(len(perm))))
    return False


def name_results(graph: Graph) -> Graph:
    """A result that is only a reshape to the same shape: its producer makes the result itself."""
    producers, results = graph.producers(), graph.results()
    for node in graph.nodes:
        source, output = node.inputs[0], node.outputs[0]
        if not _is_identity(graph, node) or output not in results:
            continue
        if source in producers and source not in results:
            names = {source: output}
            kept = [_rename(n, names) for n in graph.nodes if n is not node]
            kept = [replace(n, outputs=tuple(names.get(v, v) for v in n.outputs)) for n in kept]
            return name_results(replace_nodes(graph, kept))
    return graph


def hoist_pointwise(graph: Graph) -> Graph:
    """relu, times or plus a constant, behind a move -> before it, next to its layer."""
    consumers, producers = graph.consumers(), graph.producers()
    for node in graph.nodes:
        move = producers.get(node.inputs[0])
        if move is None or len(node.inputs) > 1 or not _commutes(graph, node, move):
            continue
        if len(consumers[move.outputs[0]]) > 1 or move.outputs[0] in graph.results():
            continue
        inner = f"{node.outputs[0]}.inner"
        swapped = {
            move.name: replace(node, inputs=move.inputs, outputs=(inner,)),
            node.name: replace(move, inputs=(inner,), outputs=node.outputs),
        }
        shapes = dict(graph.shapes) | {inner: graph.shapes[move.inputs[0]]}
        nodes = [swapped.get(n.name, n) for n in graph.nodes]
        return hoist_pointwise(replace_nodes(replace(graph, shapes=shapes), nodes))
    return graph


def _commutes(graph: Graph, node: Node, move: Node) -> bool:
    """Whether `node` gives the same before `move`."""
    if move.op not in ("reshape", "transpose"):
        return False
    if node.op == "relu":
        return True
    if node.op not in ("add_const", "mul_const"):
        return False
    value = node.params["value"]
    before, after = graph.shapes[move.inputs[0]], graph.shapes[move.outputs[0]]
    same_last = move.op == "reshape" and before[-1:] == after[-1:]
    return value.size == 1 or (value.ndim == 1 and same_last)


def fold_affine(graph: Graph) -> Graph:
    """linear or conv, then times or plus a constant -> one linear or conv.

    Batch normalisation: W' = gain * W, b' = gain * b + shift.
    """
    consumers, producers = graph.consumers(), graph.producers()
    fixed = set(graph.results())
    folded: dict[str, Node] = {}  # name of the first node -> merged node
    gone: set[str] = set()
    for node in graph.nodes:
        if node.op not in ("add_const", "mul_const") or node.name in gone:
            continue
        first = producers.get(node.inputs[0])
        if first is None or first.op not in _AFFINE or first.name in folded:
            continue
        shared = len(consumers[first.outputs[0]]) > 1 or first.outputs[0] in fixed
        value = node.params["value"]
        if shared or value.ndim > 1 or value.size not in (1, len(first.params["bias"])):
            continue
        params = dict(first.params)
        if node.op == "add_const":
            params["bias"] = params["bias"] + value
        else:
            params["bias"] = params["bias"] * value
            params["weight"] = _scale_rows(first.op, params["weight"], value)
        folded[first.name] = replace(first, params=params, outputs=node.outputs)
        gone.add(node.name)
    nodes = [folded.get(n.name, n) for n in graph.nodes if n.name not in gone]
    return replace_nodes(graph, _in_order(graph, nodes))


def fold_softmax_scale(graph: Graph) -> Graph:
    """Times a positive constant, then softmax -> softmax of so much sharper values."""
    producers, consumers = graph.producers(), graph.consumers()
    sharper: dict[str, Node] = {}
    for node in graph.nodes:
        scale = producers.get(node.inputs[0]) if node.op == "softmax" else None
        if scale is None or scale.op != "mul_const" or len(consumers[node.inputs[0]]) > 1:
            continue
        value = scale.params["value"]
        if value.size == 1 and value.item() > 0 and node.inputs[0] not in graph.results():
            beta = float(node.attrs["beta"] * value.item())
            sharper[node.name] = replace(node, inputs=scale.inputs, attrs={"beta": beta})
    return replace_nodes(graph, [sharper.get(node.name, node) for node in graph.nodes])


_AFFINE = ("linear", "conv", "depthwise")


def _scale_rows(op: str, weight: Array, gain: Array) -> Array:
    if op == "depthwise" or gain.size == 1:
        return np.asarray(weight * gain, np.float32)
    return np.asarray(weight * gain.reshape(-1, *(1,) * (weight.ndim - 1)), np.float32)


def _in_order(graph: Graph, nodes: list[Node]) -> list[Node]:
    """Nodes sorted so that values are made before they are read (stable)."""
    known = set(graph.inputs) | {state.input for state in graph.states}
    waiting, result = list(nodes), []
    while waiting:
        ready = [n for n in waiting if known.issuperset(n.inputs)]
        result.append(ready[0])
        known.update(ready[0].outputs)
        waiting.remove(ready[0])
    return result


def peel_states(graph: Graph) -> Graph:
    """state -> reshape ... reshape -> state: the state takes the inner shape."""
    for state in graph.states:
        peeled = _peel(graph, state)
        if peeled is not None:
            return peel_states(peeled)
    return graph


def _peel(graph: Graph, state: State) -> Graph | None:
    readers = graph.consumers().get(state.input, [])
    writer = graph.producers().get(state.output)
    if not readers or writer is None or writer.op != "reshape" or state.output in graph.outputs:
        return None
    inner = graph.shapes[writer.inputs[0]]
    if any(n.op != "reshape" or n.attrs["shape"] != inner for n in readers):
        return None
    if sum(s.output == state.output for s in graph.states) > 1:
        return None
    names = {n.outputs[0]: readers[0].outputs[0] for n in readers}
    entry = readers[0].outputs[0]
    dropped = {n.name for n in readers}
    nodes = [_rename(n, names) for n in graph.nodes if n.name not in dropped]
    states = tuple(
        State(s.name, entry, writer.inputs[0]) if s == state else s for s in graph.states
    )
    shapes = dict(graph.shapes) | {entry: inner}
    return prune(replace_nodes(replace(graph, shapes=shapes), nodes, states=states))


def split_states(graph: Graph) -> Graph:
    """state -> slices ... concat -> state (layers stacked in one tensor): one state per slice."""
    for state in graph.states:
        split = _split(graph, state)
        if split is not None:
            return split_states(split)
    return graph


def _split(graph: Graph, state: State) -> Graph | None:
    readers = graph.consumers().get(state.input, [])
    writer = graph.producers().get(state.output)
    if not readers or writer is None or writer.op != "concat" or state.output in graph.outputs:
        return None
    axis = writer.attrs["axis"]
    sizes = [graph.shapes[name][axis] for name in writer.inputs]
    ends = np.cumsum(sizes)
    spans = [(int(end - size), int(end)) for end, size in zip(ends, sizes, strict=True)]
    cuts = {(n.attrs.get("start"), n.attrs.get("stop")) for n in readers if n.op == "slice"}
    sliced = all(n.op == "slice" and n.attrs["axis"] == axis for n in readers)
    if not sliced or not cuts <= set(spans):
        return None
    entries = {span: f"{state.input}.{index}" for index, span in enumerate(spans)}
    names = {n.outputs[0]: entries[(n.attrs["start"], n.attrs["stop"])] for n in readers}
    dropped = {n.name for n in readers}
    nodes = [_rename(n, names) for n in graph.nodes if n.name not in dropped]
    parts = tuple(
        State(f"{state.name}.{index}", entries[span], writer.inputs[index])
        for index, span in enumerate(spans)
    )
    shapes = dict(graph.shapes) | {
        entries[span]: graph.shapes[writer.inputs[index]] for index, span in enumerate(spans)
    }
    position = graph.states.index(state)
    states = graph.states[:position] + parts + graph.states[position + 1 :]
    return prune(replace_nodes(replace(graph, shapes=shapes), nodes, states=states))


PASSES: tuple[Callable[[Graph], Graph], ...] = (
    unit_transposes,
    merge_moves,
    name_results,
    hoist_pointwise,
    fold_affine,
    fold_softmax_scale,
    peel_states,
    split_states,
)
