"""SVDF: a recurrent layer of low rank with its memory in the state block."""

import numpy as np
from numpy.typing import NDArray

from edgesdk_converters.lower.context import Context, elements
from edgesdk_converters.tflite.model import Operator

_CONTRADICTS = "The file contradicts itself; export it again."


def _constant(
    ctx: Context, operator: Operator, position: int, dtype: str
) -> tuple[NDArray[np.int64], float]:
    """A symmetric constant of two dimensions as int64, and its scale."""
    tensor, data = ctx.tensor(operator, position), ctx.data(operator, position)
    scale, zero_point = ctx.quantised(operator, tensor)
    if tensor.dtype != dtype or zero_point != 0 or data.ndim != 2:
        ctx.refuse(operator, f"weights '{tensor.name}' are not symmetric {dtype}[rows, columns]")
    return data.astype(np.int64), scale


def _bias(ctx: Context, operator: Operator, units: int) -> NDArray[np.int32]:
    if not ctx.has(operator, 3):
        return np.zeros(units, np.int32)
    if ctx.tensor(operator, 3).dtype != "int32" or elements(ctx.tensor(operator, 3)) != units:
        ctx.refuse(operator, f"its bias is not int32[{units}]", _CONTRADICTS)
    return ctx.data(operator, 3).reshape(-1).astype(np.int32)


def lower_svdf(ctx: Context, operator: Operator) -> None:
    """SVDF of int8 with int16 memory and time weights (EvalIntegerSVDF), batch 1."""
    ctx.types(operator, "int8")
    source, result = ctx.tensor(operator, 0), ctx.tensor(operator, 0, output=True)
    features, feature_scale = _constant(ctx, operator, 1, "int8")
    times, time_scale = _constant(ctx, operator, 2, "int16")
    (filters, inputs), steps = features.shape, times.shape[1]
    rank = int(operator.options.get("rank", 1))  # type: ignore[arg-type]
    memory = ctx.tensor(operator, 4)
    if rank < 1 or filters % rank or elements(source) != inputs or times.shape[0] != filters:
        ctx.refuse(operator, f"{filters} filters of {inputs} inputs do not fit", _CONTRADICTS)
    units = filters // rank
    if memory.dtype != "int16" or elements(memory) != filters * steps:
        ctx.refuse(operator, f"its memory is no int16 of {filters} x {steps}", _CONTRADICTS)
    ctx.gives(operator, (1, units))
    scale, zero_point = ctx.quantised(operator, source)
    memory_scale, _ = ctx.quantised(operator, memory)
    out_scale, out_zero_point = ctx.quantised(operator, result)
    # TFLite computes both factors in float32.
    scales = (np.float32(s) for s in (scale, feature_scale, memory_scale, time_scale, out_scale))
    x, f, m, t, y = scales
    first, second = (
        ctx.rescaling(operator, float(x * f / m)),
        ctx.rescaling(operator, float(m * t / y)),
    )
    index = operator.inputs[4]
    ctx.views[index] = ctx.builder.state(memory.name, np.zeros(filters * steps, np.int16))
    folded = -zero_point * features.sum(axis=1)
    ctx.emit(
        operator,
        "SVDF_S8",
        ctx.out(operator),
        dict(
            input=ctx.view(operator, 0),
            memory=ctx.views[index],
            feature_weights=ctx.builder.constant(features.astype(np.int8)),
            feature_bias=ctx.builder.constant(folded.astype(np.int32)),
            time_weights=ctx.builder.constant(times.astype(np.int16)),
            bias=ctx.builder.constant(_bias(ctx, operator, units)),
            inputs=inputs,
            filters=filters,
            rank=rank,
            steps=steps,
            feature_multiplier=first[0],
            feature_shift=first[1],
            multiplier=second[0],
            shift=second[1],
            zero_point=out_zero_point,
        ),
        extra_writes=(ctx.views[index],),
    )
