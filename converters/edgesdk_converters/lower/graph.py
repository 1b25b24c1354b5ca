"""Lower one .tflite graph to a plan."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from edgesdk.bundle.plan import DTYPE_CODES, Plan, Port, Ref
from edgesdk.errors import ConvertError

from edgesdk_converters.lower import movement, pointwise, weighted
from edgesdk_converters.lower.arena import Peak
from edgesdk_converters.lower.builder import Builder, Draft, View
from edgesdk_converters.lower.context import Context, size_bytes
from edgesdk_converters.lower.packing import Packed, Packing
from edgesdk_converters.tflite.model import Graph, Operator, Tensor
from edgesdk_converters.tflite.read import read_tflite

LOWERINGS: dict[str, Callable[[Context, Operator], None]] = {
    "ADD": pointwise.lower_sum,
    "AVERAGE_POOL_2D": pointwise.lower_pool,
    "CAST": pointwise.lower_cast,
    "CONCATENATION": movement.lower_concat,
    "CONV_2D": weighted.lower_conv,
    "DEPTHWISE_CONV_2D": weighted.lower_conv,
    "EMBEDDING_LOOKUP": movement.lower_gather,
    "EXPAND_DIMS": movement.lower_reshape,
    "FULLY_CONNECTED": weighted.lower_fully_connected,
    "GATHER": movement.lower_gather,
    "LOGISTIC": pointwise.lower_curve,
    "MAX_POOL_2D": pointwise.lower_pool,
    "MEAN": pointwise.lower_mean,
    "MUL": pointwise.lower_product,
    "PAD": movement.lower_pad,
    "PADV2": movement.lower_pad,
    "QUANTIZE": pointwise.lower_quantize,
    "RELU": pointwise.lower_relu,
    "RELU6": pointwise.lower_relu,
    "RELU_N1_TO_1": pointwise.lower_relu,
    "RESHAPE": movement.lower_reshape,
    "SLICE": movement.lower_slice,
    "SOFTMAX": pointwise.lower_softmax,
    "SPLIT": movement.lower_split,
    "SPLIT_V": movement.lower_split,
    "SQUEEZE": movement.lower_reshape,
    "STRIDED_SLICE": movement.lower_strided_slice,
    "SUB": pointwise.lower_sum,
    "TANH": pointwise.lower_curve,
    "TRANSPOSE": movement.lower_transpose,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": weighted.lower_lstm,
}
_STATE, _NEXT = "state.", ".next"
# What shapes, ranks and options that do not belong together raise.
_CONTRADICTIONS = (IndexError, ValueError, OverflowError, ZeroDivisionError)


@dataclass(frozen=True)
class Lowered:
    """A plan with the names that only the host keeps."""

    plan: Plan
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    debug: dict[str, Any]


def lower_graph(
    tflite: bytes, source: str = "model.tflite", packing: Packing | None = None
) -> Lowered:
    """The plan of a full-integer .tflite file; `source` names it in errors.

    `packing` says for which core weights are packed; without it they stay plain.

    Raises:
        ConvertError: an operator is not covered or malformed (its name, tensor, reason, way out).
    """
    graph = read_tflite(tflite, source).graphs[0]
    ctx = Context(graph, source, packing or Packing())
    states = _bind_inputs(ctx)
    for index, operator in enumerate(graph.operators):
        ctx.builder.operator, ctx.builder.code = index, operator.code
        if operator.code not in LOWERINGS:
            ctx.refuse(operator, "this operator is not covered")
        _check_static(ctx, operator)
        try:
            LOWERINGS[operator.code](ctx, operator)
        except _CONTRADICTIONS as err:
            ctx.refuse(
                operator,
                f"its tensors and options contradict each other ({err})",
                "The file is damaged; export it again.",
            )
    _update_states(ctx, states)
    if not ctx.builder.steps:
        raise ConvertError(f"{source}: the graph computes nothing; give a model with operators")
    return _finish(ctx, states)


def _check_static(ctx: Context, operator: Operator) -> None:
    for index in (*operator.inputs, *operator.outputs):
        tensor = ctx.graph.tensors[index]
        if index >= 0 and any(d < 1 for d in tensor.shape):
            ctx.refuse(
                operator,
                f"'{tensor.name}' has no static shape {list(tensor.shape)}",
                "Export the model with fixed shapes and batch 1.",
            )


def _state_pairs(graph: Graph) -> dict[int, int]:
    """Tensor index of each explicit state's input -> that of its output."""
    results = {graph.tensors[o].name: o for o in graph.outputs}
    pairs = {}
    for index in graph.inputs:
        name = graph.tensors[index].name
        if name.startswith(_STATE) and name + _NEXT in results:
            pairs[index] = results[name + _NEXT]
    return pairs


def _bind_inputs(ctx: Context) -> dict[int, int]:
    """Memory for inputs and explicit states; returns the state pairs."""
    pairs = _state_pairs(ctx.graph)
    for index in ctx.graph.inputs:
        tensor = ctx.graph.tensors[index]
        if index in pairs:
            _check_pair(ctx, tensor, ctx.graph.tensors[pairs[index]])
            zero = 0 if tensor.quantisation is None else int(tensor.quantisation.zero_point[0])
            start = np.full(tensor.shape, zero, tensor.dtype)
            ctx.views[index] = ctx.builder.state(tensor.name, start)
        else:
            _port(ctx.source, tensor)
            view = ctx.builder.buffer(tensor.name, size_bytes(tensor))
            assert view.buffer is not None
            view.buffer.writers.append(-1)
            ctx.views[index] = view
    return pairs


def _check_pair(ctx: Context, state: Tensor, following: Tensor) -> None:
    a, b = state.quantisation, following.quantisation
    equal = a is b or (
        a is not None
        and b is not None
        and np.array_equal(a.scale, b.scale)
        and np.array_equal(a.zero_point, b.zero_point)
    )
    if not equal or (state.shape, state.dtype) != (following.shape, following.dtype):
        raise ConvertError(
            f"{ctx.source}: state '{state.name}' and '{following.name}' differ in shape, type or "
            "quantisation; a state must come out as it goes in"
        )


def _update_states(ctx: Context, pairs: dict[int, int]) -> None:
    """At the end of a run every state takes its next value.

    Where the last reader of the state comes before the first writer of the next value, the value is
    written into the state block at once; else a copy at the end does it. Next values that lie in
    the state block themselves are saved first, as their states may change.
    """
    builder = ctx.builder
    copies = []
    for index, result in pairs.items():
        state, following = ctx.views[index], ctx.views.get(result)
        tensor = ctx.graph.tensors[result]
        if following is None:
            raise ConvertError(f"{ctx.source}: state output '{tensor.name}' is never written")
        if following == state:
            continue
        old, new = state.buffer, following.buffer
        assert old is not None
        computed = new is not None and new.space == "arena" and min(new.writers) >= 0
        if computed and following.whole and max(old.readers, default=-1) < min(new.writers):  # type: ignore[union-attr]
            builder.replace_buffer(new, old)  # type: ignore[arg-type]
            _move_views(ctx, following, state)
            continue
        if new is not None and new.space == "state":
            saved = builder.buffer(f"{tensor.name}/saved", following.size_bytes)
            _copy_whole(builder, following, saved, tensor, None)
            following = saved
        copies.append((following, state, tensor, result))
    for following, state, tensor, result in copies:
        _copy_whole(builder, following, state, tensor, result)


def _move_views(ctx: Context, old: View, new: View) -> None:
    for index, view in ctx.views.items():
        if view.buffer is old.buffer:
            ctx.views[index] = replace(view, buffer=new.buffer)


def _copy_whole(
    builder: Builder, source: View, out: View, tensor: Tensor, index: int | None
) -> None:
    width = np.dtype(tensor.dtype).itemsize
    builder.operator, builder.code = -1, "STATE"
    values: dict[str, Draft] = {
        "input": source,
        "input_bytes": source.size_bytes,
        "width": width,
        "dims": (1, 1, 1, source.size_bytes // width),
        "in_strides": (width,) * 4,
        "out_strides": (width,) * 4,
        "out_start": 0,
    }
    builder.emit("COPY", out, tensor.dtype, index, (), values)


def _port(source: str, tensor: Tensor) -> Port:
    """An input or output without its memory."""
    if tensor.dtype not in DTYPE_CODES:
        raise ConvertError(
            f"{source}: '{tensor.name}' is {tensor.dtype}, inputs and outputs must be integers; "
            "export the model full-integer, with integer inputs and outputs"
        )
    if len(tensor.shape) > 4 or any(d < 1 for d in tensor.shape):
        raise ConvertError(
            f"{source}: '{tensor.name}' has shape {list(tensor.shape)}; "
            "inputs and outputs need up to 4 fixed dimensions"
        )
    q = tensor.quantisation
    scale, zero = (float(q.scale[0]), int(q.zero_point[0])) if q is not None else (0.0, 0)
    return Port(Ref(), tensor.dtype, tensor.shape, scale, zero)


def _finish(ctx: Context, states: dict[int, int]) -> Lowered:
    graph, builder = ctx.graph, ctx.builder
    inputs = [i for i in graph.inputs if i not in states]
    outputs = [o for o in graph.outputs if o not in states.values()]
    if not outputs:
        raise ConvertError(f"{ctx.source}: the graph has no output besides states")
    kept = []
    for index in outputs:
        if index not in ctx.views:
            name = graph.tensors[index].name
            raise ConvertError(f"{ctx.source}: output '{name}' is never written")
        buffer = ctx.views[index].buffer
        if buffer is not None:
            buffer.readers.append(len(builder.steps))
            kept.append(buffer)
    builder.work_in_place(kept, ctx.views)
    plan, peak = builder.finish(
        [(ctx.views[i], _port(ctx.source, graph.tensors[i])) for i in inputs],
        [(ctx.views[o], _port(ctx.source, graph.tensors[o])) for o in outputs],
    )
    return Lowered(
        plan,
        tuple(graph.tensors[i] for i in inputs),
        tuple(graph.tensors[o] for o in outputs),
        _debug(ctx, inputs, outputs, peak),
    )


def _packed_facts(packed: Packed) -> dict[str, Any]:
    return {
        "form": packed.form,
        "bits": packed.bits,
        "tiles": packed.tiles,
        "stored": packed.stored,
        "bytes": len(packed.data),
    }


def _debug(ctx: Context, inputs: list[int], outputs: list[int], peak: Peak) -> dict[str, Any]:
    """The graph's part of section `dbug`."""
    tensors, builder = ctx.graph.tensors, ctx.builder
    ops = [
        {
            "op": step.op,
            "tflite_op": step.code,
            "operator": step.operator,
            "tensor": None if step.tensor is None else tensors[step.tensor].name,
            "tensor_index": step.tensor,
            "weights": [_packed_facts(packed) for packed in step.packed],
        }
        for step in builder.steps
    ]
    states = [
        {"name": b.name, "offset": b.offset, "bytes": b.size_bytes}
        for b in builder.buffers
        if b.space == "state"
    ]
    return {
        "inputs": [tensors[i].name for i in inputs],
        "outputs": [tensors[o].name for o in outputs],
        "ops": ops,
        "states": states,
        "peak": {
            "op": peak.op,
            "bytes": peak.size_bytes,
            "tensors": [{"name": name, "bytes": size} for name, size in peak.tensors],
        },
    }
