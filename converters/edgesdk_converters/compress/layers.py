"""The products of a Source that can be compressed, and what goes into them over whole utterances.

A product is linear in its inputs: a linear layer, all gates of an LSTM with input and recurrent
matrix side by side, or one side of a GRU.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgesdk_converters.execute import Stream
from edgesdk_converters.graph import Array, Graph, Node, replace_nodes
from edgesdk_converters.quantise.calibrate import Visit
from edgesdk_converters.source import Source

Floats = NDArray[np.float64]
Sequences = Sequence[Sequence[tuple[Array, ...]]]
ROLES = ("encoder", "predictor", "joiner")
LSTM_GATES = ("input", "forget", "cell", "output")


@dataclass(frozen=True)
class Product:
    """Y [N, rows] = X [N, columns] @ W.T + b, where W is `params` side by side.

    `cuts` are the heights of the matrices that lowering packs one by one.
    """

    layer: str
    role: str
    node: str
    params: tuple[str, ...]
    bias: str
    cuts: tuple[int, ...]
    widths: tuple[int, ...]

    @property
    def columns(self) -> int:
        """Inputs of the product."""
        return sum(self.widths)

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(self.cuts) * self.columns

    def pieces(self, matrix: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """The matrices [cut, width] inside W, row by row of pieces."""
        bands = np.split(matrix, np.cumsum(self.cuts)[:-1])
        edges = np.cumsum(self.widths)[:-1]
        return [piece for band in bands for piece in np.split(band, edges, axis=1)]

    def join(self, pieces: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
        """W from its pieces."""
        across = len(self.widths)
        return np.block([list(pieces[i : i + across]) for i in range(0, len(pieces), across)])


def _products_of(role: str, layer: str, node: Node) -> Iterator[Product]:
    if node.op not in ("linear", "lstm", "gru"):
        return
    rows, width = node.params["weight"].shape
    if node.op == "linear":
        yield Product(layer, role, node.name, ("weight",), "bias", (rows,), (width,))
        return
    hidden = node.params["recurrent"].shape[1]
    if node.op == "lstm":
        both = ("weight", "recurrent")
        yield Product(layer, role, node.name, both, "bias", (hidden,) * 4, (width, hidden))
        return
    yield Product(layer, role, node.name, ("weight",), "bias", (rows,), (width,))
    cuts = (2 * hidden, hidden)
    yield Product(layer, role, node.name, ("recurrent",), "recurrent_bias", cuts, (hidden,))


def products(source: Source) -> list[Product]:
    """All products in order of execution; layers are called role.op0, role.op1, ..."""
    found: list[Product] = []
    for role in ROLES:
        counts: dict[str, int] = {}
        for node in graph_of(source, role).nodes:
            number = counts.setdefault(node.op, 0)
            counts[node.op] += 1
            found += _products_of(role, f"{role}.{node.op}{number}", node)
    return found


def graph_of(source: Source, role: str) -> Graph:
    """The graph of one role."""
    graph: Graph = getattr(source, role)
    return graph


def with_graph(source: Source, graph: Graph) -> Source:
    """The source with another graph in the role that it names."""
    if graph.name == "encoder":
        return replace(source, encoder=graph)
    if graph.name == "predictor":
        return replace(source, predictor=graph)
    return replace(source, joiner=graph)


def node_of(graph: Graph, product: Product) -> Node:
    """The node that holds a product."""
    return next(node for node in graph.nodes if node.name == product.node)


def weights_of(graph: Graph, product: Product) -> tuple[Floats, Floats]:
    """W [rows, columns] and b [rows]."""
    node = node_of(graph, product)
    joined = np.concatenate([node.params[name] for name in product.params], axis=1)
    return joined.astype(np.float64), node.params[product.bias].astype(np.float64)


def with_weights(graph: Graph, product: Product, weight: Floats, bias: Floats) -> Graph:
    """The graph with another W and b in one product."""
    sides = np.split(weight.astype(np.float32), np.cumsum(product.widths)[:-1], axis=1)
    new = dict(zip(product.params, map(np.ascontiguousarray, sides), strict=True))
    new[product.bias] = bias.astype(np.float32)
    return replace_nodes(
        graph,
        (
            replace(node, params={**node.params, **new}) if node.name == product.node else node
            for node in graph.nodes
        ),
    )


def sequences(visits: Sequence[Visit]) -> dict[str, list[list[tuple[Array, ...]]]]:
    """Step inputs of each role, one list per utterance."""
    return {
        "encoder": [[(w,) for w in v.windows] for v in visits],
        "predictor": [[(c,) for c in v.contexts] for v in visits],
        "joiner": [list(v.pairs) for v in visits],
    }


def steps(graph: Graph, given: Sequences) -> Iterator[Mapping[str, Array]]:
    """Every value of every step; the mapping is reused."""
    values: dict[str, Array] = {}
    stream = Stream(graph, values.__setitem__)
    for sequence in given:
        stream.reset()
        for inputs in sequence:
            stream.step(*inputs)
            yield values


def inputs_of(node: Node, product: Product, values: Mapping[str, Array]) -> Floats:
    """X [N, columns] of one step: for recurrent sides, the h that each frame starts from."""
    x = values[node.inputs[0]].reshape(-1, node.params["weight"].shape[1])
    if node.op == "linear":
        return np.asarray(x, np.float64)
    before = np.concatenate([values[node.inputs[1]], values[node.outputs[0]][0, :-1]])
    sides = {"weight": x, "recurrent": before}
    joined = np.concatenate([sides[name] for name in product.params], axis=1)
    return np.asarray(joined, np.float64)


def record_inputs(
    graph: Graph, found: Sequence[Product], given: Mapping[str, Sequences]
) -> list[Floats]:
    """X of each product that is in `graph`, over all steps, in one pass."""
    nodes = [node_of(graph, product) for product in found]
    rows: list[list[Floats]] = [[] for _ in found]
    for values in steps(graph, given[graph.name]) if found else ():
        for kept, node, product in zip(rows, nodes, found, strict=True):
            kept.append(inputs_of(node, product, values))
    return [
        np.concatenate(kept) if kept else np.zeros((0, product.columns))
        for kept, product in zip(rows, found, strict=True)
    ]


@dataclass(frozen=True)
class Moments:
    """Sums over N frames of the inputs with a one behind them: X^T X and X^T Y, and of Y^2."""

    gram: Floats
    cross: Floats
    energy: float
    frames: int

    @classmethod
    def of(cls, x: Floats, y: Floats | None = None) -> "Moments":
        """Of X [N, columns], and of Y [N, rows] where products are to be matched."""
        ones = np.concatenate([x, np.ones((len(x), 1))], axis=1)
        target = np.zeros((len(x), 0)) if y is None else y
        return cls(ones.T @ ones, ones.T @ target, float(np.square(target).sum()), len(x))

    @property
    def power(self) -> Floats:
        """Mean square of every input [columns]."""
        return np.asarray(np.diag(self.gram)[:-1] / max(self.frames, 1))

    @property
    def means(self) -> Floats:
        """Mean of every input [columns]."""
        return np.asarray(self.gram[-1, :-1] / max(self.frames, 1))


def record_all(
    source: Source, found: Sequence[Product], given: Mapping[str, Sequences]
) -> dict[Product, Floats]:
    """X of every product of all graphs."""
    recorded: dict[Product, Floats] = {}
    for role in ROLES:
        mine = [product for product in found if product.role == role]
        recorded |= zip(mine, record_inputs(graph_of(source, role), mine, given), strict=True)
    return recorded
