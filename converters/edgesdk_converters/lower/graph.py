"""Lower one .tflite graph to a plan."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from edgesdk.bundle.plan import DTYPE_CODES, Plan, Port, Ref
from edgesdk.errors import ConvertError

from edgesdk_converters.lower import (
    classes,
    movement,
    npu,
    pointwise,
    product,
    recurrent,
    states,
    unary,
    weighted,
)
from edgesdk_converters.lower.arena import Peak
from edgesdk_converters.lower.builder import Step, View
from edgesdk_converters.lower.context import Context, size_bytes
from edgesdk_converters.lower.packing import Packed, Packing
from edgesdk_converters.tflite.model import Operator, Tensor
from edgesdk_converters.tflite.read import read_tflite

LOWERINGS: dict[str, Callable[[Context, Operator], None]] = {
    npu.ETHOSU: npu.lower_ethosu,
    "ABS": unary.lower_abs,
    "ADD": pointwise.lower_sum,
    "ARG_MAX": classes.lower_arg_extreme,
    "ARG_MIN": classes.lower_arg_extreme,
    "ASSIGN_VARIABLE": states.lower_assign_variable,
    "AVERAGE_POOL_2D": pointwise.lower_pool,
    "BATCH_MATMUL": product.lower_batch_matmul,
    "CALL_ONCE": states.lower_call_once,
    "CAST": pointwise.lower_cast,
    "CONCATENATION": movement.lower_concat,
    "CONV_2D": weighted.lower_conv,
    "DEPTHWISE_CONV_2D": weighted.lower_conv,
    "EMBEDDING_LOOKUP": movement.lower_gather,
    "EXPAND_DIMS": movement.lower_reshape,
    "FULLY_CONNECTED": weighted.lower_fully_connected,
    "GATHER": movement.lower_gather,
    "GELU": unary.lower_gelu,
    "HARD_SWISH": unary.lower_hard_swish,
    "LEAKY_RELU": unary.lower_leaky_relu,
    "LOGISTIC": unary.lower_curve,
    "LOG_SOFTMAX": classes.lower_log_softmax,
    "MAXIMUM": pointwise.lower_extreme,
    "MAX_POOL_2D": pointwise.lower_pool,
    "MEAN": pointwise.lower_mean,
    "MINIMUM": pointwise.lower_extreme,
    "MUL": pointwise.lower_product,
    "PACK": movement.lower_pack,
    "PAD": movement.lower_pad,
    "PADV2": movement.lower_pad,
    "PRELU": pointwise.lower_prelu,
    "QUANTIZE": pointwise.lower_quantize,
    "READ_VARIABLE": states.lower_read_variable,
    "RELU": unary.lower_relu,
    "RELU6": unary.lower_relu,
    "RELU_0_TO_1": unary.lower_relu,
    "RELU_N1_TO_1": unary.lower_relu,
    "RESHAPE": movement.lower_reshape,
    "SLICE": movement.lower_slice,
    "SOFTMAX": pointwise.lower_softmax,
    "SPLIT": movement.lower_split,
    "SPLIT_V": movement.lower_split,
    "SQUEEZE": movement.lower_reshape,
    "STRIDED_SLICE": movement.lower_strided_slice,
    "SUB": pointwise.lower_sum,
    "SVDF": recurrent.lower_svdf,
    "TANH": unary.lower_curve,
    "TRANSPOSE": movement.lower_transpose,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": weighted.lower_lstm,
    "UNPACK": movement.lower_unpack,
    "VAR_HANDLE": states.lower_var_handle,
}
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
    tflite: bytes,
    source: str = "model.tflite",
    packing: Packing | None = None,
    resident: Sequence[str] = (),
) -> Lowered:
    """The plan of a full-integer .tflite file; `source` names it in errors.

    `packing` says for which core weights are packed; without it they stay plain. `resident` are
    names of inputs that lie in the state block, where they stay until a reset.

    Raises:
        ConvertError: an operator is not covered or malformed (its name, tensor, reason, way out).
    """
    graph, *others = read_tflite(tflite, source).graphs
    ctx = Context(graph, source, packing or Packing(), tuple(others))
    ctx.npu = npu.lay_out(ctx)
    _bind_inputs(ctx, resident)
    for index, operator in _in_order(graph.operators):
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
        npu.keep_results(ctx, index, operator)
    states.update_states(ctx)
    if not ctx.builder.steps:
        raise ConvertError(f"{source}: the graph computes nothing; give a model with operators")
    return _finish(ctx)


def _in_order(operators: Sequence[Operator]) -> list[tuple[int, Operator]]:
    """Operators with their indices; start values first, which Vela writes behind their readers."""
    return sorted(enumerate(operators), key=lambda pair: pair[1].code != "CALL_ONCE")


def _check_static(ctx: Context, operator: Operator) -> None:
    # A graph without weights has an empty tensor for those of the NPU.
    given = operator.inputs[npu.FIRST_INPUT :] if operator.code == npu.ETHOSU else operator.inputs
    for index in (*given, *operator.outputs):
        tensor = ctx.graph.tensors[index]
        if index >= 0 and any(d < 1 for d in tensor.shape):
            ctx.refuse(
                operator,
                f"'{tensor.name}' has no static shape {list(tensor.shape)}",
                "Export the model with fixed shapes and batch 1.",
            )


def _bind_inputs(ctx: Context, resident: Sequence[str]) -> None:
    """Memory for inputs and explicit states."""
    pairs = ctx.states.pairs = states.state_pairs(ctx.graph)
    for index in ctx.graph.inputs:
        tensor = ctx.graph.tensors[index]
        if index in pairs:
            states.bind_state(ctx, index, pairs[index])
        else:
            _port(ctx.source, tensor)
            if tensor.name in resident:
                start = np.zeros(tensor.shape, tensor.dtype)
                ctx.views[index] = ctx.builder.state(tensor.name, start)
                continue
            view = _input_view(ctx, index, tensor)
            assert view.buffer is not None
            view.buffer.writers.append(-1)
            ctx.views[index] = view


def _input_view(ctx: Context, index: int, tensor: Tensor) -> View:
    """Memory of an input: where the NPU reads it, or its own."""
    if ctx.npu is not None and index in ctx.npu.places:
        return ctx.npu.view(index, tensor)
    return ctx.builder.buffer(tensor.name, size_bytes(tensor))


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


def _finish(ctx: Context) -> Lowered:
    graph, builder, pairs = ctx.graph, ctx.builder, ctx.states.pairs
    inputs = [i for i in graph.inputs if i not in pairs]
    outputs = [o for o in graph.outputs if o not in pairs.values()]
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


def _packed_facts(tensor: str, packed: Packed) -> dict[str, Any]:
    return {
        "tensor": tensor,
        "form": packed.form,
        "bits": packed.bits,
        "tiles": packed.tiles,
        "stored": packed.stored,
        "bytes": len(packed.data),
    }


def _weights(ctx: Context, step: Step) -> list[dict[str, Any]]:
    """What became of the matrices of a step that are packed, which are its last int8 constants."""
    tensors = (ctx.graph.tensors[i] for i in ctx.graph.operators[step.operator].inputs if i >= 0)
    names = [it.name for it in tensors if it.dtype == "int8" and it.data is not None]
    count = len(step.packed)
    return [_packed_facts(*it) for it in zip(names[len(names) - count :], step.packed, strict=True)]


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
            "weights": _weights(ctx, step),
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
