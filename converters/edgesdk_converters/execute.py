"""The float reference: graphs run by plain numpy, one step at a time."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edgesdk_converters.graph import Array, Graph, Node

_SMALLEST_SQUARE = 1e-12

Observer = Callable[[str, Array], None]


def _sigmoid(x: Array) -> Array:
    positive = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0 / (1.0 + positive), positive / (1.0 + positive)).astype(np.float32)


def _linear(node: Node, x: Array) -> Array:
    result: Array = x @ node.params["weight"].T + node.params["bias"]
    return result


def _embedding(node: Node, y: Array) -> Array:
    result: Array = node.params["table"][y]
    return result


def _windows(node: Node, x: Array, kernel: tuple[int, int]) -> Array:
    """Patches [out_h, out_w, kh, kw, C] of an image [1, H, W, C], without padding."""
    (sh, sw), (dh, dw) = node.attrs["stride"], node.attrs["dilation"]
    kh, kw = kernel
    span = ((kh - 1) * dh + 1, (kw - 1) * dw + 1)
    view: Array = sliding_window_view(np.asarray(x[0]), span, (0, 1))  # type: ignore[call-overload]
    patches: Array = view[::sh, ::sw, :, ::dh, ::dw].transpose(0, 1, 3, 4, 2)
    return patches


def _conv(node: Node, x: Array) -> Array:
    weight = node.params["weight"]
    patches = _windows(node, x, (weight.shape[1], weight.shape[2]))
    result: Array = np.einsum("hwijc,oijc->hwo", patches, weight) + node.params["bias"]
    return np.asarray(result[None], np.float32)


def _depthwise(node: Node, x: Array) -> Array:
    weight = node.params["weight"]  # [kh, kw, C * multiplier], channel-major
    channels = x.shape[3]
    split = weight.reshape(*weight.shape[:2], channels, -1)
    patches = _windows(node, x, (weight.shape[0], weight.shape[1]))
    result: Array = np.einsum("hwijc,ijcm->hwcm", patches, split)
    flat = result.reshape(*result.shape[:2], -1) + node.params["bias"]
    return np.asarray(flat[None], np.float32)


def _pad(node: Node, x: Array) -> Array:
    widths = list(zip(node.attrs["before"], node.attrs["after"], strict=True))
    return np.pad(x, widths)


def lstm_steps(node: Node, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """x [1, T, I], h [1, H], c [1, H] -> all h and all c [T, H]."""
    p = node.params
    projected = x[0] @ p["weight"].T + p["bias"]
    outputs, cells = [], []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(projected[t : t + 1] + h @ p["recurrent"].T, 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        outputs.append(h)
        cells.append(c)
    return np.concatenate(outputs), np.concatenate(cells)


def _lstm(node: Node, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
    """y [1, T, H] and the last h and c."""
    outputs, cells = lstm_steps(node, x, h, c)
    return outputs[None], outputs[-1:], cells[-1:]


def _gru(node: Node, x: Array, h: Array) -> tuple[Array, Array]:
    """x [1, T, I], h [1, H] -> y [1, T, H] and the last h."""
    p = node.params
    hidden = h.shape[1]
    projected = x[0] @ p["weight"].T + p["bias"]
    outputs = []
    for t in range(x.shape[1]):
        xz, xr, xn = np.split(projected[t : t + 1], 3, axis=1)
        gates = h @ p["recurrent"][: 2 * hidden].T + p["recurrent_bias"][: 2 * hidden]
        z, r = _sigmoid(xz + gates[:, :hidden]), _sigmoid(xr + gates[:, hidden:])
        weight, bias = p["recurrent"][2 * hidden :], p["recurrent_bias"][2 * hidden :]
        if node.attrs["reset_after"]:
            n = np.tanh(xn + r * (h @ weight.T + bias))
        else:
            n = np.tanh(xn + (r * h) @ weight.T + bias)
        h = (1 - z) * n + z * h
        outputs.append(h)
    return np.concatenate(outputs)[None], h


def _layer_norm(node: Node, x: Array) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    normal = centred / np.sqrt(variance + node.attrs["epsilon"])
    result: Array = normal * node.params["gamma"] + node.params["beta"]
    return result


def _softmax(node: Node, x: Array) -> Array:
    scaled = x * node.attrs["beta"]
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def _slice(node: Node, x: Array) -> Array:
    index: list[slice] = [slice(None)] * x.ndim
    start, stop = node.attrs["start"], node.attrs["stop"]
    index[node.attrs["axis"]] = slice(start, stop)
    return x[tuple(index)]


# Operator -> function(node, *inputs); one entry per rule of graph.RULES.
FUNCTIONS: dict[str, Callable[..., Array | tuple[Array, ...]]] = {
    "linear": _linear,
    "embedding": _embedding,
    "conv": _conv,
    "depthwise": _depthwise,
    "pad": _pad,
    "lstm": _lstm,
    "gru": _gru,
    "layer_norm": _layer_norm,
    "matmul": lambda node, a, b: a @ np.swapaxes(b, -1, -2),
    "softmax": _softmax,
    "add": lambda node, a, b: a + b,
    "sub": lambda node, a, b: a - b,
    "mul": lambda node, a, b: a * b,
    "add_const": lambda node, x: x + node.params["value"],
    "mul_const": lambda node, x: x * node.params["value"],
    "rsub_const": lambda node, x: node.params["value"] - x,
    "rsqrt": lambda node, x: 1 / np.sqrt(np.maximum(x, _SMALLEST_SQUARE)),
    "relu": lambda node, x: np.maximum(x, 0),
    "tanh": lambda node, x: np.tanh(x),
    "sigmoid": lambda node, x: _sigmoid(x),
    "concat": lambda node, *parts: np.concatenate(parts, axis=node.attrs["axis"]),
    "slice": _slice,
    "reshape": lambda node, x: x.reshape(node.attrs["shape"]),
    "transpose": lambda node, x: x.transpose(node.attrs["perm"]),
}


def run_node(node: Node, values: Mapping[str, Array]) -> tuple[Array, ...]:
    """Outputs of one node."""
    result = FUNCTIONS[node.op](node, *(values[name] for name in node.inputs))
    return result if isinstance(result, tuple) else (result,)


def run_graph(
    graph: Graph, inputs: Mapping[str, Array], observe: Observer | None = None
) -> dict[str, Array]:
    """Values of one step: every output and next state by name.

    `inputs` holds the graph's inputs and states; `observe` is told every value in the graph.
    """
    values = dict(inputs)
    if observe is not None:
        for name, value in inputs.items():
            observe(name, value)
    for node in graph.nodes:
        if (
            observe is not None and node.op == "lstm"
        ):  # the cell between the steps of one window counts too
            observe(node.outputs[2], lstm_steps(node, *(values[n] for n in node.inputs))[1])
        for name, value in zip(node.outputs, run_node(node, values), strict=True):
            values[name] = value
            if observe is not None:
                observe(name, value)
    return {name: values[name] for name in graph.results()}


class Stream:
    """A graph stepped with its states carried along."""

    def __init__(self, graph: Graph, observe: Observer | None = None) -> None:
        self.graph = graph
        self.observe = observe
        self.states: dict[str, Array] = {}
        self.reset()

    def reset(self) -> None:
        """Back to the start states."""
        self.states = {
            s.input: np.zeros(self.graph.shapes[s.input], np.float32) for s in self.graph.states
        }

    def step(self, *inputs: Array) -> tuple[Array, ...]:
        """Outputs of the next step; `inputs` in the graph's order."""
        named = dict(zip(self.graph.inputs, inputs, strict=True))
        values = run_graph(self.graph, named | self.states, self.observe)
        self.states = {s.input: values[s.output] for s in self.graph.states}
        return tuple(values[name] for name in self.graph.outputs)


def infer_shapes(
    nodes: tuple[Node, ...], shapes: Mapping[str, tuple[int, ...]], indices: set[str]
) -> dict[str, tuple[int, ...]]:
    """Shapes of all values, by running zeros; `shapes` are the inputs', `indices` integer ones."""
    values: dict[str, Array] = {
        name: np.zeros(shape, np.int64 if name in indices else np.float32)
        for name, shape in shapes.items()
    }
    for node in nodes:
        values.update(zip(node.outputs, run_node(node, values), strict=True))
    return {name: value.shape for name, value in values.items()}
