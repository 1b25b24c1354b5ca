"""A planned float graph as TFLite operators: the table EMITTERS lists what each node becomes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import tflite

from edgesdk_converters.graph import Graph, Node, State
from edgesdk_converters.quantise.emitter import Emitter
from edgesdk_converters.quantise.plan import PRESCRIBED, Spec, plan_values
from edgesdk_converters.quantise.precision import wide_values
from edgesdk_converters.quantise.ranges import (
    Range,
    asymmetric,
    cell_quantisation,
    quantise,
    symmetric_weights,
)
from edgesdk_converters.quantise.ranges import power_of_two_scale as pot_scale
from edgesdk_converters.tflite.model import Graph as TfliteGraph
from edgesdk_converters.tflite.model import OptionValue, Quantisation, Tensor

_INT32_MAX = 2**31 - 1
_RSQRT_BINS = 512
_MOST_CLASSES = 256  # of SOFTMAX in int8: lower/pointwise.py
_WIDE_BIAS_MAX = 2**47  # TFLite requantises 48-bit sums


Emit = Callable[[Emitter, Node], None]


def _fused_relu(e: Emitter, node: Node) -> Node | None:
    """The RELU right behind `node`, where nothing else reads in between."""
    readers = e.graph.consumers().get(node.outputs[0], [])
    if len(readers) == 1 and readers[0].op == "relu" and node.outputs[0] not in e.graph.results():
        return readers[0]
    return None


def _weighted(
    e: Emitter, node: Node, axis: int | None, code: str, options: dict[str, OptionValue]
) -> None:
    """FULLY_CONNECTED and the convolutions: int8 weights, wide bias, RELU fused."""
    relu = _fused_relu(e, node)
    output = (relu or node).outputs[0]
    wide = e.wide(node.inputs[0], output)
    x = e.read(node.inputs[0], wide)
    q, weights = symmetric_weights(node.params["weight"], axis)
    if code == "DEPTHWISE_CONV_2D":
        q = q[None]
        weights = Quantisation(weights.scale, weights.zero_point, 3)
    scale = np.float64(e.quantisation(x).scale[0]) * weights.scale.astype(np.float64)
    limit = _WIDE_BIAS_MAX if wide else _INT32_MAX
    bias = np.clip(np.round(node.params["bias"] / scale), -limit, limit)
    inputs = [
        x,
        e.constant(f"{node.name}/weight", q, weights),
        e.constant(
            f"{node.name}/bias",
            bias.astype(np.int64 if wide else np.int32),
            Quantisation(scale.astype(np.float32), np.zeros(scale.size, np.int64)),
        ),
    ]
    if relu is not None:
        options["fused_activation_function"] = tflite.ActivationFunctionType.RELU
    with e.result(output, wide) as result:
        e.op(code, inputs, [result], _OPTIONS[code], options)


_OPTIONS = {
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
}


def _linear(e: Emitter, node: Node) -> None:
    """Per-tensor weights: tflite-runtime 2.14 computes garbage on per-channel ones."""
    keep = len(e.graph.shapes[node.inputs[0]]) > 2
    _weighted(e, node, None, "FULLY_CONNECTED", {"keep_num_dims": keep})


def _conv_options(node: Node) -> dict[str, OptionValue]:
    (sh, sw), (dh, dw) = node.attrs["stride"], node.attrs["dilation"]
    return {
        "padding": tflite.Padding.VALID,
        "stride_h": sh,
        "stride_w": sw,
        "dilation_h_factor": dh,
        "dilation_w_factor": dw,
    }


def _conv(e: Emitter, node: Node) -> None:
    _weighted(e, node, 0, "CONV_2D", _conv_options(node))


def _depthwise(e: Emitter, node: Node) -> None:
    channels = e.graph.shapes[node.inputs[0]][3]
    multiplier = node.params["weight"].shape[2] // channels
    options = _conv_options(node) | {"depth_multiplier": multiplier}
    _weighted(e, node, 2, "DEPTHWISE_CONV_2D", options)


def _embedding(e: Emitter, node: Node) -> None:
    spec = e.specs[node.outputs[0]]
    table = quantise(node.params["table"], spec.quantisation, spec.dtype)
    inputs = [e.constant(f"{node.name}/table", table, spec.quantisation), e.value(node.inputs[0])]
    e.op("GATHER", inputs, [e.value(node.outputs[0])], "GatherOptions", {"axis": 0})


def _binary(code: str) -> Emit:
    def emit(e: Emitter, node: Node) -> None:
        wide = e.wide(*node.inputs, *node.outputs)
        inputs = [e.read(name, wide) for name in node.inputs]
        with e.result(node.outputs[0], wide) as result:
            e.op(code, inputs, [result], _OPTIONS[code], dict(_POINTWISE_OPTIONS[code]))

    return emit


_POINTWISE_OPTIONS: dict[str, dict[str, OptionValue]] = {
    "ADD": {"pot_scale_int16": False},
    "SUB": {"pot_scale_int16": False},
    "MUL": {},
}


def _with_constant(code: str, reverse: bool = False) -> Emit:
    def emit(e: Emitter, node: Node) -> None:
        output = node.outputs[0]
        wide = e.wide(*node.inputs, output)
        value = node.params["value"].astype(np.float64)
        if wide:
            quantisation = Quantisation.single(pot_scale(float(np.abs(value).max()) or 1.0))
        else:
            quantisation = asymmetric(float(value.min()), float(value.max()))
        ticks = quantise(value, quantisation, "int16" if wide else "int8")
        constant = e.constant(f"{node.name}/value", ticks, quantisation)
        x = e.read(node.inputs[0], wide)
        inputs = [constant, x] if reverse else [x, constant]
        with e.result(output, wide) as result:
            e.op(code, inputs, [result], _OPTIONS[code], dict(_POINTWISE_OPTIONS[code]))

    return emit


def _relu(e: Emitter, node: Node) -> None:
    maker = e.graph.producers().get(node.inputs[0])
    if maker is not None and maker.op in _FUSING and _fused_relu(e, maker) is node:
        return
    e.op("RELU", [e.value(node.inputs[0])], [e.value(node.outputs[0])])


_FUSING = ("linear", "conv", "depthwise")


def _curve(code: str) -> Emit:
    """LOGISTIC and TANH, whose output scale TFLite prescribes."""

    def emit(e: Emitter, node: Node) -> None:
        output = node.outputs[0]
        wide = e.wide(*node.inputs, output)
        own = PRESCRIBED[(node.op, "int16" if wide else "int8")]
        x = e.read(node.inputs[0], wide)
        with e.result(output, wide, own) as result:
            e.op(code, [x], [result])

    return emit


def _softmax(e: Emitter, node: Node) -> None:
    """In int8 while TFLite's sums of exponentials hold them; more classes in int16.

    A CAST moves all values by the zero point, which no softmax sees.
    """
    name, output = node.inputs[0], node.outputs[0]
    x, shape = e.read(name, wide=False), e.graph.shapes[name]
    options: dict[str, OptionValue] = {"beta": float(node.attrs["beta"])}
    if shape[-1] <= _MOST_CLASSES:
        with e.result(output, wide=False, own=PRESCRIBED[("softmax", "int8")]) as result:
            e.op("SOFTMAX", [x], [result], "SoftmaxOptions", options)
        return
    scale = float(e.quantisation(x).scale[0])
    wide = e.tensor(f"{name}.wide", Spec("int16", Quantisation.single(scale)), shape)
    cast: dict[str, OptionValue] = {
        "in_data_type": tflite.TensorType.INT8,
        "out_data_type": tflite.TensorType.INT16,
    }
    e.op("CAST", [x], [wide], "CastOptions", cast)
    raw = e.tensor(f"{output}.raw", Spec("int16", PRESCRIBED[("softmax", "int16")]), shape)
    e.op("SOFTMAX", [wide], [raw], "SoftmaxOptions", options)
    e.op("QUANTIZE", [raw], [e.value(output)], "QuantizeOptions")


def _matmul(e: Emitter, node: Node) -> None:
    options: dict[str, OptionValue] = {
        "adj_x": False,
        "adj_y": True,
        "asymmetric_quantize_inputs": False,
    }
    inputs = [e.read(name, wide=False) for name in node.inputs]
    with e.result(node.outputs[0], wide=False) as result:
        e.op("BATCH_MATMUL", inputs, [result], "BatchMatMulOptions", options)


def _rsqrt(e: Emitter, node: Node) -> None:
    """A table by the value's leading bits, since RSQRT has no int16 form; Newton steps follow."""
    value, output = node.inputs[0], node.outputs[0]
    shape = e.graph.shapes[value]
    step = float(e.specs[value].quantisation.scale[0]) * (32768 // _RSQRT_BINS)
    bins = e.tensor(f"{value}.bins", Spec("int16", Quantisation.single(step)), shape)
    e.op("QUANTIZE", [e.value(value)], [bins], "QuantizeOptions")
    e.tensors.append(Tensor(f"{value}.index", "int32", shape))
    index = len(e.tensors) - 1
    options: dict[str, OptionValue] = {
        "in_data_type": tflite.TensorType.INT16,
        "out_data_type": tflite.TensorType.INT32,
    }
    e.op("CAST", [bins], [index], "CastOptions", options)
    centres = np.maximum(np.arange(_RSQRT_BINS + 1), 0.5) * step
    spec = e.specs[output]
    table = quantise(1.0 / np.sqrt(centres), spec.quantisation, spec.dtype)
    inputs = [e.constant(f"{node.name}/table", table, spec.quantisation), index]
    e.op("GATHER", inputs, [e.value(output)], "GatherOptions", {"axis": 0})


def _concat(e: Emitter, node: Node) -> None:
    inputs = [e.value(name) for name in node.inputs]
    axis = int(node.attrs["axis"])
    e.op(
        "CONCATENATION", inputs, [e.value(node.outputs[0])], "ConcatenationOptions", {"axis": axis}
    )


def _slice(e: Emitter, node: Node) -> None:
    shape = e.graph.shapes[node.inputs[0]]
    begin = np.zeros(len(shape), np.int32)
    begin[node.attrs["axis"]] = node.attrs["start"]
    size = np.array(e.graph.shapes[node.outputs[0]], np.int32)
    inputs = [
        e.value(node.inputs[0]),
        e.constant(f"{node.name}/begin", begin),
        e.constant(f"{node.name}/size", size),
    ]
    e.op("SLICE", inputs, [e.value(node.outputs[0])], "SliceOptions")


def _reshape(e: Emitter, node: Node) -> None:
    shape = [int(d) for d in e.graph.shapes[node.outputs[0]]]
    constant = e.constant(f"{node.name}/shape", np.array(shape, np.int32))
    inputs = [e.value(node.inputs[0]), constant]
    e.op("RESHAPE", inputs, [e.value(node.outputs[0])], "ReshapeOptions", {"new_shape": shape})


def _transpose(e: Emitter, node: Node) -> None:
    perm = e.constant(f"{node.name}/perm", np.array(node.attrs["perm"], np.int32))
    e.op(
        "TRANSPOSE", [e.value(node.inputs[0]), perm], [e.value(node.outputs[0])], "TransposeOptions"
    )


def _pad(e: Emitter, node: Node) -> None:
    widths = np.stack([node.attrs["before"], node.attrs["after"]], axis=1).astype(np.int32)
    inputs = [e.value(node.inputs[0]), e.constant(f"{node.name}/widths", widths)]
    e.op("PAD", inputs, [e.value(node.outputs[0])], "PadOptions")


def _lstm(e: Emitter, node: Node) -> None:
    """One UNIDIRECTIONAL_SEQUENCE_LSTM, 8x8_16: int8 h, int16 c of power-of-two scale.

    TFLite quantisation specification, "LSTM": biases are int32 at input scale x weight scale, gates
    Q3.12 inside the kernel, intermediate 4 is the hidden state before a projection.
    """
    y = node.outputs[0]
    spec = e.specs[y]
    x = e.value(node.inputs[0])
    input_scale = float(e.quantisation(x).scale[0])
    gates = ("input", "forget", "cell", "output")
    inputs = [x]
    biases = []
    rows = zip(
        gates, np.split(node.params["weight"], 4), np.split(node.params["bias"], 4), strict=True
    )
    for gate, weight, bias in rows:
        q, quantisation = symmetric_weights(weight)
        inputs.append(e.constant(f"{node.name}/{gate}_weight", q, quantisation))
        scale = input_scale * float(quantisation.scale[0])
        ticks = np.clip(np.round(bias / scale), -_INT32_MAX, _INT32_MAX).astype(np.int32)
        biases.append(e.constant(f"{node.name}/{gate}_bias", ticks, Quantisation.single(scale)))
    for gate, weight in zip(gates, np.split(node.params["recurrent"], 4), strict=True):
        q, quantisation = symmetric_weights(weight)
        inputs.append(e.constant(f"{node.name}/{gate}_recurrent", q, quantisation))
    hidden = node.params["recurrent"].shape[1]
    cell = Spec("int16", e.seen_cells[node.outputs[2]])
    states = [
        e.tensor(f"{node.name}/h", spec, (1, hidden), variable=True),
        e.tensor(f"{node.name}/c", cell, (1, hidden), variable=True),
    ]
    inputs += [-1, -1, -1, *biases, -1, -1, *states, -1, -1, -1, -1]
    empty = Quantisation.single(1.0)
    intermediates = [
        e.tensor(f"{node.name}/{gate}_inner", Spec("int16", empty), (0,)) for gate in gates
    ]
    intermediates.append(e.tensor(f"{node.name}/hidden", spec, (0,)))
    e.op(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        inputs,
        [e.value(y)],
        "UnidirectionalSequenceLSTMOptions",
        {
            "fused_activation_function": tflite.ActivationFunctionType.TANH,
            "cell_clip": 0.0,
            "proj_clip": 0.0,
            "time_major": False,
        },
        intermediates,
    )


EMITTERS: dict[str, Emit] = {
    "linear": _linear,
    "embedding": _embedding,
    "conv": _conv,
    "depthwise": _depthwise,
    "pad": _pad,
    "lstm": _lstm,
    "matmul": _matmul,
    "softmax": _softmax,
    "add": _binary("ADD"),
    "sub": _binary("SUB"),
    "mul": _binary("MUL"),
    "add_const": _with_constant("ADD"),
    "mul_const": _with_constant("MUL"),
    "rsub_const": _with_constant("SUB", reverse=True),
    "relu": _relu,
    "rsqrt": _rsqrt,
    "tanh": _curve("TANH"),
    "sigmoid": _curve("LOGISTIC"),
    "concat": _concat,
    "slice": _slice,
    "reshape": _reshape,
    "transpose": _transpose,
}


@dataclass(frozen=True)
class QuantisedGraph:
    """An integer graph and the form of every value in it."""

    graph: TfliteGraph
    specs: Mapping[str, Spec]


def quantise_graph(
    graph: Graph, seen: Mapping[str, Range], method: str, fixed: Mapping[str, Quantisation]
) -> QuantisedGraph:
    """The integer form of a spelled graph whose values were `seen`; `fixed` ones are given."""
    specs = plan_values(graph, seen, method, fixed, wide_values(graph))
    cells = {
        node.outputs[2]: cell_quantisation(seen[node.outputs[2]])
        for node in graph.nodes
        if node.op == "lstm"
    }
    return QuantisedGraph(emit_graph(graph, specs, cells), specs)


def explicit_states(graph: Graph) -> tuple[State, ...]:
    """States that are inputs and outputs: all but those that a fused LSTM keeps itself."""
    fused = {name for node in graph.nodes if node.op == "lstm" for name in node.inputs[1:]}
    return tuple(state for state in graph.states if state.input not in fused)


def emit_graph(
    graph: Graph, specs: Mapping[str, Spec], cells: Mapping[str, Quantisation]
) -> TfliteGraph:
    """The integer graph; `cells` are the int16 quantisations of fused LSTM cells."""
    e = Emitter(graph, specs, cells)
    inputs = []
    for name in graph.inputs:
        if name in specs:
            inputs.append(e.value(name))
            continue
        e.tensors.append(Tensor(name, "int32", graph.shapes[name]))
        e.index[name] = len(e.tensors) - 1
        inputs.append(e.index[name])
    states = explicit_states(graph)
    for state in states:
        inputs.append(
            e.tensor(f"state.{state.name}", specs[state.input], graph.shapes[state.input])
        )
        e.index[state.input] = inputs[-1]
    for node in graph.nodes:
        EMITTERS[node.op](e, node)
    outputs = [e.value(name) for name in graph.outputs]
    for state in states:
        index = e.value(state.output)
        tensor = e.tensors[index]
        e.tensors[index] = Tensor(
            f"state.{state.name}.next", tensor.dtype, tensor.shape, tensor.quantisation
        )
        outputs.append(index)
    return TfliteGraph(
        graph.name, tuple(e.tensors), tuple(e.operators), tuple(inputs), tuple(outputs)
    )
