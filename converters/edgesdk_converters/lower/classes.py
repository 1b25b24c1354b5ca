"""What ends a classifier besides softmax: argmax, argmin and log-softmax."""

import numpy as np
from edgesdk.bundle.plan import DTYPE_CODES

from edgesdk_converters.lower import fixed_point as fp
from edgesdk_converters.lower import tables
from edgesdk_converters.lower.builder import Draft
from edgesdk_converters.lower.context import Context, elements
from edgesdk_converters.tflite.model import Operator

_INPUTS = ("int8", "uint8", "int16")
_INDICES = ("int32", "int64")
_MAX_CLASSES = 4095  # kernels/log_softmax/check.c
_OUTPUT = (16.0 / 256.0, 127)
_LEAST_SCALE = 2.0**-26


def lower_arg_extreme(ctx: Context, operator: Operator) -> None:
    """ARG_MAX and ARG_MIN over any dimension; the first of equals, as in TFLite."""
    source, result = ctx.tensor(operator, 0), ctx.tensor(operator, 0, output=True)
    if source.dtype not in _INPUTS or result.dtype not in _INDICES:
        ctx.refuse(
            operator,
            f"{source.dtype} to {result.dtype} is not covered "
            f"({', '.join(_INPUTS)} to {' or '.join(_INDICES)})",
        )
    axes = ctx.data(operator, 1).reshape(-1)
    if axes.size != 1:
        ctx.refuse(operator, f"{axes.size} axes (1 is covered)")
    axis = ctx.axis(operator, int(axes[0]), len(source.shape))
    before, behind = source.shape[:axis], source.shape[axis + 1 :]
    ctx.gives(operator, before + behind)
    values: dict[str, Draft] = {
        "input": ctx.view(operator, 0),
        "input_dtype": DTYPE_CODES[source.dtype],
        "outer": int(np.prod(before, dtype=np.int64)),
        "reduce": source.shape[axis],
        "inner": int(np.prod(behind, dtype=np.int64)),
        "sign": 1 if operator.code == "ARG_MAX" else -1,
    }
    ctx.emit(operator, "ARG_EXTREME", ctx.out(operator), values)


def lower_log_softmax(ctx: Context, operator: Operator) -> None:
    """LOG_SOFTMAX of int8 over the last dimension."""
    source = ctx.tensor(operator, 0)
    ctx.gives(operator, source.shape)
    ctx.types(operator, "int8")
    scale, _ = ctx.quantised(operator, source)
    result = ctx.quantised(operator, ctx.tensor(operator, 0, output=True))
    if result != _OUTPUT:
        ctx.refuse(operator, f"output scale {result[0]}, zero point {result[1]} is not TFLite's")
    if scale <= _LEAST_SCALE:
        ctx.refuse(operator, f"its input's scale {scale:.3g} is too small", "Calibrate it again.")
    depth = source.shape[-1] if source.shape else 0
    if not 1 <= depth <= _MAX_CLASSES:
        ctx.refuse(operator, f"{depth} classes (1 to {_MAX_CLASSES} are covered)")
    terms = [fp.rounding_shift(int(e), 12) for e in tables.softmax_exp(scale, 1.0)]
    multiplier, shift, reach = tables.log_softmax_scale(scale)
    values: dict[str, Draft] = {
        "input": ctx.view(operator, 0),
        "exp_table": ctx.builder.constant(np.array(terms, np.int32)),
        "rows": elements(source) // depth,
        "depth": depth,
        "reach": reach,
        "multiplier": multiplier,
        "shift": min(shift, 30),
    }
    ctx.emit(operator, "LOG_SOFTMAX_S8", ctx.out_in_place(operator, 0), values)
