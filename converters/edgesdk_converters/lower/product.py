"""BATCH_MATMUL: products of two computed matrices."""

import math

import numpy as np

from edgesdk_converters.lower.context import Context
from edgesdk_converters.tflite.model import Operator

_MAX_DEPTH = 32768  # kernels/batch_matmul/check.c


def _side(
    ctx: Context, operator: Operator, position: int, transposed: bool
) -> tuple[tuple[int, ...], int, int, tuple[int, int]]:
    """Batch dimensions, lines, depth, and the strides of line and depth of one operand.

    `transposed` says that the depth comes before the lines.
    """
    tensor = ctx.tensor(operator, position)
    if tensor.dtype != "int8" or len(tensor.shape) < 2:
        ctx.refuse(operator, f"'{tensor.name}' is {tensor.dtype}{list(tensor.shape)}, not int8")
    *batch, first, second = tensor.shape
    if transposed:
        return tuple(batch), second, first, (1, second)
    return tuple(batch), first, second, (second, 1)


def lower_batch_matmul(ctx: Context, operator: Operator) -> None:
    """BATCH_MATMUL of int8; a side without batches serves all of them."""
    ctx.types(operator, "int8")
    options = operator.options
    batch, rows, depth, left = _side(ctx, operator, 0, bool(options.get("adj_x", False)))
    other, columns, other_depth, right = _side(
        ctx, operator, 1, not bool(options.get("adj_y", False))
    )
    counts = [math.prod(batch), math.prod(other)]
    if depth != other_depth or depth > _MAX_DEPTH:
        ctx.refuse(operator, f"depths {depth} and {other_depth} (up to {_MAX_DEPTH} are covered)")
    if counts[0] != counts[1] and 1 not in counts:
        ctx.refuse(operator, f"batches {list(batch)} and {list(other)} do not go together")
    if options.get("adj_x", False) and counts[0] > 1 and counts[1] == 1:
        ctx.refuse(
            operator,
            "adj_x with one right side for several left ones: TFLite's kernel computes it wrongly",
            "Transpose the left side by an operator of its own.",
        )
    ctx.gives(operator, (*np.broadcast_shapes(batch, other), rows, columns))
    steps = [
        lines * depth if n > 1 else 0 for n, lines in zip(counts, (rows, columns), strict=True)
    ]
    (a, a_zero), (b, b_zero) = (ctx.quantised(operator, ctx.tensor(operator, p)) for p in (0, 1))
    out_scale, zero_point = ctx.quantised(operator, ctx.tensor(operator, 0, output=True))
    # TFLite multiplies the two scales in float32.
    product = float(np.float32(a) * np.float32(b))
    multiplier, shift = ctx.rescaling(operator, product / out_scale)
    ctx.emit(
        operator,
        "BATCH_MATMUL_S8",
        ctx.out(operator),
        dict(
            left=ctx.view(operator, 0),
            right=ctx.view(operator, 1),
            batches=max(counts),
            rows=rows,
            columns=columns,
            depth=depth,
            left_strides=(steps[0], *left),
            right_strides=(steps[1], *right),
            left_zero_point=a_zero,
            right_zero_point=b_zero,
            multiplier=multiplier,
            shift=shift,
            zero_point=zero_point,
        ),
    )
