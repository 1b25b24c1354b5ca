"""Functions of one element: tables of 256 bytes for int8, interpolation for int16."""

import math

import numpy as np

from edgesdk_converters.lower import fixed_point as fp
from edgesdk_converters.lower import tables
from edgesdk_converters.lower.context import RANGES, Context, elements
from edgesdk_converters.tflite.model import Operator


def table_lookup(
    ctx: Context, operator: Operator, table: np.ndarray[tuple[int], np.dtype[np.generic]]
) -> None:
    """One look-up per element of 8 bits; the output may take the input's place."""
    source = ctx.tensor(operator, 0)
    ctx.emit(
        operator,
        "LUT_8",
        ctx.out_in_place(operator, 0),
        dict(
            input=ctx.view(operator, 0),
            table=ctx.builder.constant(table),
            count=elements(source),
            flip=0x80 if source.dtype == "int8" else 0,
        ),
    )


_FIXED_OUTPUT = {
    ("LOGISTIC", "int8"): (2.0**-8, -128),
    ("TANH", "int8"): (2.0**-7, 0),
    ("LOGISTIC", "int16"): (2.0**-15, 0),
    ("TANH", "int16"): (2.0**-15, 0),
}


def lower_curve(ctx: Context, operator: Operator) -> None:
    """LOGISTIC and TANH: a 256-byte table for int8, interpolation for int16."""
    ctx.gives(operator, ctx.tensor(operator, 0).shape)
    dtype = ctx.types(operator, "int8", "int16")
    scale, zero_point = ctx.quantised(operator, ctx.tensor(operator, 0))
    result = ctx.quantised(operator, ctx.tensor(operator, 0, output=True))
    if result != _FIXED_OUTPUT[operator.code, dtype]:
        ctx.refuse(operator, f"output scale {result[0]}, zero point {result[1]} is not TFLite's")
    if dtype == "int8":
        curve = tables.logistic_s8 if operator.code == "LOGISTIC" else tables.tanh_s8
        table_lookup(ctx, operator, curve(scale, zero_point))
        return
    shifts = (0,) if operator.code == "LOGISTIC" else (0, 1)
    multiplier, left_shift = tables.curve_scale_s16(scale, shifts)
    ctx.emit(
        operator,
        f"{operator.code}_S16",
        ctx.out_in_place(operator, 0),
        dict(
            input=ctx.view(operator, 0),
            table=ctx.builder.constant(tables.logistic_u16()),
            count=elements(ctx.tensor(operator, 0)),
            multiplier=multiplier,
            left_shift=left_shift,
        ),
    )


_RELU_BOUNDS = {
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_0_TO_1": (0.0, 1.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def lower_relu(ctx: Context, operator: Operator) -> None:
    """RELU, RELU6, RELU_0_TO_1, RELU_N1_TO_1 of int8 with their requantisation, as one table."""
    ctx.gives(operator, ctx.tensor(operator, 0).shape)
    ctx.types(operator, "int8")
    scale, zero_point = ctx.quantised(operator, ctx.tensor(operator, 0))
    out_scale, out_zero_point = ctx.quantised(operator, ctx.tensor(operator, 0, output=True))
    low, high = RANGES["int8"]
    real_low, real_high = _RELU_BOUNDS[operator.code]
    step = np.float32(out_scale)
    low = max(low, out_zero_point + fp.round_away(float(np.float32(real_low) / step)))
    if real_high is not None:
        high = min(high, out_zero_point + fp.round_away(float(np.float32(real_high) / step)))
    values = tables.affine_8(
        _ratio(scale, out_scale), RANGES["int8"], (zero_point, out_zero_point), (low, high)
    )
    table_lookup(ctx, operator, np.array(values, np.int8))


def _ratio(*scales: float) -> float:
    """scales[0] * scales[1] ... / scales[-1] in float32, as TFLite's activations compute it."""
    product = np.float32(scales[0])
    for scale in scales[1:-1]:
        product *= np.float32(scale)
    return float(product / np.float32(scales[-1]))


def _both(ctx: Context, operator: Operator) -> tuple[tuple[float, float], tuple[int, int]]:
    """Scales and zero points of int8 input and output, which have the same shape."""
    ctx.gives(operator, ctx.tensor(operator, 0).shape)
    ctx.types(operator, "int8")
    scale, zero_point = ctx.quantised(operator, ctx.tensor(operator, 0))
    out_scale, out_zero_point = ctx.quantised(operator, ctx.tensor(operator, 0, output=True))
    return (scale, out_scale), (zero_point, out_zero_point)


def lower_leaky_relu(ctx: Context, operator: Operator) -> None:
    """LEAKY_RELU of int8."""
    (scale, out_scale), zero_points = _both(ctx, operator)
    alpha = float(operator.options.get("alpha", 0.0))  # type: ignore[arg-type]
    if not 0.0 <= alpha < 2.0**20:
        ctx.refuse(operator, f"a slope of {alpha} is not covered (0 or more)")
    factors = (_ratio(scale, out_scale), _ratio(scale, alpha, out_scale))
    table_lookup(ctx, operator, np.array(tables.leaky_8(factors, zero_points), np.int8))


def lower_abs(ctx: Context, operator: Operator) -> None:
    """ABS of int8."""
    (scale, out_scale), zero_points = _both(ctx, operator)
    factor = None if scale == out_scale else _ratio(scale, out_scale)
    table_lookup(ctx, operator, np.array(tables.absolute_8(factor, zero_points), np.int8))


def lower_hard_swish(ctx: Context, operator: Operator) -> None:
    """HARD_SWISH of int8."""
    scales, zero_points = _both(ctx, operator)
    if scales[0] / scales[1] >= 128.0:
        ctx.refuse(operator, "its output's scale is too small", "Calibrate the model again.")
    table_lookup(ctx, operator, np.array(tables.hard_swish_8(scales, zero_points), np.int8))


def _gelu(x: float) -> float:
    return 0.5 * x * math.erfc(-x / math.sqrt(2.0))


def _gelu_by_tanh(x: float) -> float:
    return 0.5 * x * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def lower_gelu(ctx: Context, operator: Operator) -> None:
    """GELU of int8, exact or by tanh: TFLite fills a table of its own as well."""
    scales, zero_points = _both(ctx, operator)
    function = _gelu_by_tanh if operator.options.get("approximate", False) else _gelu
    quantised = tuple(zip(scales, zero_points, strict=True))
    table_lookup(ctx, operator, tables.real_s8(function, quantised[0], quantised[1]))
