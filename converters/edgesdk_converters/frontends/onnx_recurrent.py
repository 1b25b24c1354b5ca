"""ONNX LSTM and GRU: gate order, directions, states given or implied."""

from typing import Any

import numpy as np
import onnx

from edgesdk_converters.frontends.onnx_graph import Importer
from edgesdk_converters.graph import Array


def _weights(ctx: Importer, node: onnx.NodeProto, attrs: dict[str, Any], gates: int) -> list[Array]:
    """W [gates*H, I], R [gates*H, H], biases [gates*H] of input and recurrence; checked."""
    if attrs.get("direction", "forward") != "forward":
        ctx.refuse(
            node,
            f"direction {attrs['direction']} needs future audio and cannot stream",
            "train a unidirectional model",
        )
    if "clip" in attrs or attrs.get("input_forget") or attrs.get("layout"):
        ctx.refuse(node, "clip, input_forget and layout 1 are not supported", "export without")
    default = ["Sigmoid", "Tanh"] + ["Tanh"] * (gates == 4)
    given = [a.decode() if isinstance(a, bytes) else a for a in attrs.get("activations", default)]
    if given != default:
        ctx.refuse(node, f"activations {given} instead of {default}", "use the usual ones")
    optional = list(node.input) + [""] * (8 - len(node.input))
    w, r = ctx.constant(optional[1]), ctx.constant(optional[2])
    if w is None or r is None or (optional[3] and ctx.constant(optional[3]) is None):
        ctx.refuse(node, "weights must be constants", "export it again")
    if optional[7] and np.any(ctx.constants.get(optional[7], np.ones(1))):
        ctx.refuse(node, "peepholes are not supported", "train without peepholes")
    length = ctx.shape(optional[0])[0]
    if optional[4] and np.any(ctx.constants.get(optional[4], np.zeros(1)) != length):
        ctx.refuse(node, "sequence_lens other than the whole chunk", "export without lengths")
    bias = np.zeros((1, 2 * len(w[0]))) if not optional[3] else ctx.constants[optional[3]]
    half = len(w[0])
    return [w[0], r[0], bias[0, :half], bias[0, half:]]


def _state(ctx: Importer, node: onnx.NodeProto, index: int, width: int, letter: str) -> str:
    """Graph value [1, H] of a start state; zeros or absence become a state of the graph's own."""
    name = node.input[index] if len(node.input) > index else ""
    label = f"{node.output[0] or node.output[1]}.{letter}"
    constant = ctx.constant(name) if name else None
    if name and constant is None:
        return ctx.reshape(ctx.names[name], (1, width), f"{label}.in")
    if constant is not None and np.any(constant):
        ctx.refuse(node, "starts from a constant that is not zero", "make it a state input")
    ctx.samples[label] = np.zeros((1, width), np.float32)
    ctx.implied.append((label, f"{label}.next"))
    return label


def _sequence(ctx: Importer, node: onnx.NodeProto) -> str:
    frames, batch, width = ctx.shape(node.input[0])
    if batch != 1:
        ctx.refuse(node, f"batch {batch}", "export with batch 1, time first")
    name = node.output[0] or node.output[1]
    return ctx.reshape(ctx.names[node.input[0]], (1, frames, width), f"{name}.sequence")


def _bind(ctx: Importer, node: onnx.NodeProto, values: list[str], width: int) -> None:
    """Y [T, 1, 1, H], Y_h and Y_c [1, 1, H] out of the graph's [1, T, H] and [1, H]."""
    frames = ctx.shape(node.input[0])[0]
    shapes = [(frames, 1, 1, width), (1, 1, width), (1, 1, width)]
    for name, value, shape in zip(node.output, values, shapes, strict=False):
        if name:
            ctx.bind(name, ctx.reshape(value, shape, f"{name}.full"))


def lstm(ctx: Importer, node: onnx.NodeProto, attrs: dict[str, Any]) -> None:
    """Gate rows i, o, f, c of ONNX become i, f, g, o."""
    w, r, bias, recurrent_bias = _weights(ctx, node, attrs, 4)
    hidden = r.shape[1]

    def order(rows: Array) -> Array:
        i, o, f, c = np.split(rows, 4)
        return np.concatenate([i, f, c, o])

    params = {"weight": order(w), "recurrent": order(r), "bias": order(bias + recurrent_bias)}
    name = node.output[0] or node.output[1]
    outputs = [f"{name}.seq", f"{name}.h.next", f"{name}.c.next"]
    inputs = [
        _sequence(ctx, node),
        _state(ctx, node, 5, hidden, "h"),
        _state(ctx, node, 6, hidden, "c"),
    ]
    ctx.emit("lstm", inputs, outputs, params)
    _bind(ctx, node, outputs, hidden)


def gru(ctx: Importer, node: onnx.NodeProto, attrs: dict[str, Any]) -> None:
    """Gate rows z, r, h stay; `reset_after` is linear_before_reset."""
    w, r, bias, recurrent_bias = _weights(ctx, node, attrs, 3)
    hidden = r.shape[1]
    params = {"weight": w, "recurrent": r, "bias": bias, "recurrent_bias": recurrent_bias}
    name = node.output[0] or node.output[1]
    outputs = [f"{name}.seq", f"{name}.h.next"]
    inputs = [_sequence(ctx, node), _state(ctx, node, 5, hidden, "h")]
    ctx.emit("gru", inputs, outputs, params, reset_after=int(attrs.get("linear_before_reset", 0)))
    _bind(ctx, node, outputs, hidden)
