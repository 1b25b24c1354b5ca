"""Arithmetic of two tensors, requantisation, softmax, mean, pools."""

import numpy as np
from edgesdk.bundle.plan import DTYPE_CODES

from edgesdk_converters.lower import tables
from edgesdk_converters.lower.builder import Draft
from edgesdk_converters.lower.context import RANGES, Context, elements
from edgesdk_converters.lower.unary import table_lookup
from edgesdk_converters.lower.weighted import window
from edgesdk_converters.tflite.model import Operator

# What TFLite's reference kernel converts between integers.
_QUANTIZE = {
    "int8": ("int8", "uint8"),
    "uint8": ("int8", "uint8"),
    "int16": ("int8", "int16", "int32"),
    "int32": ("int8", "int16"),
}


def _strides(shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...]:
    """Element strides of `shape` broadcast to `target` (rank 4); 0 repeats."""
    padded = (1,) * (len(target) - len(shape)) + shape
    strides, step = [], 1
    for size in reversed(padded):
        strides.append(0 if size == 1 else step)
        step *= size
    return tuple(reversed(strides))


def _check_broadcast(
    ctx: Context, operator: Operator, a: tuple[int, ...], b: tuple[int, ...]
) -> None:
    try:
        shape = np.broadcast_shapes(a, b)
    except ValueError:
        ctx.refuse(operator, f"shapes {list(a)} and {list(b)} do not go together")
    ctx.gives(operator, shape)


def _operands(ctx: Context, operator: Operator) -> tuple[str, dict[str, Draft]]:
    """Type, and the fields of both operands."""
    dtype = ctx.types(operator, "int8", "int16")
    a, b = ctx.tensor(operator, 0), ctx.tensor(operator, 1)
    shape = ctx.tensor(operator, 0, output=True).shape
    if b.dtype != dtype:
        ctx.refuse(operator, f"operands are {dtype} and {b.dtype}")
    if max(len(shape), len(a.shape), len(b.shape)) > 4:
        ctx.refuse(operator, "more than 4 dimensions")
    dims = (1,) * (4 - len(shape)) + shape
    _check_broadcast(ctx, operator, a.shape, b.shape)
    return dtype, {
        "input1": ctx.view(operator, 0),
        "input2": ctx.view(operator, 1),
        "dims": dims,
        "strides1": _strides(a.shape, dims),
        "strides2": _strides(b.shape, dims),
        "offset1": -ctx.quantised(operator, a)[1],
        "offset2": -ctx.quantised(operator, b)[1],
    }


def _overwritable(ctx: Context, operator: Operator) -> list[int]:
    """Operands with the output's shape: the sum may take their place."""
    shape = ctx.tensor(operator, 0, output=True).shape
    return [p for p in (0, 1) if ctx.tensor(operator, p).shape == shape]


def lower_sum(ctx: Context, operator: Operator) -> None:
    """ADD and SUB: both operands brought to twice the larger scale (PrepareGeneralAddOp)."""
    dtype, values = _operands(ctx, operator)
    wide = dtype == "int16"
    if wide and operator.options.get("pot_scale_int16", False):
        ctx.refuse(
            operator,
            "int16 sums with power-of-two scales (pot_scale_int16) are not covered",
            "Convert with pot_scale_int16 = false.",
        )
    left_shift = 15 if wide else 20
    scales = [ctx.quantised(operator, ctx.tensor(operator, p))[0] for p in (0, 1)]
    out_scale, _ = ctx.quantised(operator, ctx.tensor(operator, 0, output=True))
    twice = 2 * max(scales)
    first, second = (ctx.rescaling(operator, s / twice) for s in scales)
    pair = ctx.rescaling(operator, twice / ((1 << left_shift) * out_scale))
    zero_point, low, high = ctx.output_range(operator)
    ctx.emit(
        operator,
        "ADD_S16" if wide else "ADD_S8",
        ctx.out_in_place(operator, *_overwritable(ctx, operator)),
        dict(
            **values,
            left_shift=left_shift,
            multiplier1=first[0],
            shift1=first[1],
            multiplier2=second[0],
            shift2=second[1],
            sign2=-1 if operator.code == "SUB" else 1,
            multiplier=pair[0],
            shift=pair[1],
            zero_point=zero_point,
            low=low,
            high=high,
        ),
    )


def lower_product(ctx: Context, operator: Operator) -> None:
    """MUL; TFLite multiplies the scales in float32."""
    dtype, values = _operands(ctx, operator)
    a, b = (np.float32(ctx.quantised(operator, ctx.tensor(operator, p))[0]) for p in (0, 1))
    out_scale = np.float32(ctx.quantised(operator, ctx.tensor(operator, 0, output=True))[0])
    pair = ctx.rescaling(operator, float(a * b / out_scale))
    zero_point, low, high = ctx.output_range(operator)
    ctx.emit(
        operator,
        "MUL_S16" if dtype == "int16" else "MUL_S8",
        ctx.out_in_place(operator, *_overwritable(ctx, operator)),
        dict(
            **values,
            left_shift=0,
            multiplier1=0,
            shift1=0,
            multiplier2=0,
            shift2=0,
            sign2=1,
            multiplier=pair[0],
            shift=pair[1],
            zero_point=zero_point,
            low=low,
            high=high,
        ),
    )


_UNUSED = dict.fromkeys(
    ("left_shift", "multiplier1", "shift1", "multiplier2", "shift2", "multiplier", "shift"), 0
)


def lower_extreme(ctx: Context, operator: Operator) -> None:
    """MAXIMUM and MINIMUM of equally quantised tensors."""
    dtype, values = _operands(ctx, operator)
    ctx.same_quantisation(operator, [ctx.tensor(operator, p) for p in (0, 1)])
    low, high = RANGES[dtype]
    values |= _UNUSED | {"sign2": 1 if operator.code == "MAXIMUM" else -1}
    values |= {"offset1": 0, "offset2": 0, "zero_point": 0, "low": low, "high": high}
    out = ctx.out_in_place(operator, *_overwritable(ctx, operator))
    ctx.emit(operator, "EXTREME_S16" if dtype == "int16" else "EXTREME_S8", out, values)


def lower_prelu(ctx: Context, operator: Operator) -> None:
    """PRELU of int8; TFLite takes the ratios of scales in float32."""
    _, values = _operands(ctx, operator)
    dtype = ctx.types(operator, "int8")
    a, b = (np.float32(ctx.quantised(operator, ctx.tensor(operator, p))[0]) for p in (0, 1))
    out_scale, zero_point = ctx.quantised(operator, ctx.tensor(operator, 0, output=True))
    positive = ctx.rescaling(operator, float(a / np.float32(out_scale)))
    negative = ctx.rescaling(operator, float(a * b / np.float32(out_scale)))
    low, high = RANGES[dtype]
    values |= _UNUSED | {"multiplier1": positive[0], "shift1": positive[1], "sign2": 1}
    values |= {"multiplier": negative[0], "shift": negative[1]}
    values |= {"zero_point": zero_point, "low": low, "high": high}
    ctx.emit(operator, "PRELU_S8", ctx.out_in_place(operator, 0), values)


_SOFTMAX_OUTPUT = {"int8": (2.0**-8, -128), "int16": (2.0**-15, 0)}
_MAX_CLASSES = {"int8": 256, "int16": 16384}  # kernels/softmax/check.c, softmax16/check.c
_MAX_MEAN = 16384  # values in one mean: kernels/mean/check.c


def lower_quantize(ctx: Context, operator: Operator) -> None:
    """QUANTIZE between integer types: a table from 8 to 8 bits, arithmetic otherwise."""
    ctx.gives(operator, ctx.tensor(operator, 0).shape)
    source, result = ctx.tensor(operator, 0), ctx.tensor(operator, 0, output=True)
    if result.dtype not in _QUANTIZE.get(source.dtype, ()):
        ctx.refuse(
            operator,
            f"{source.dtype} to {result.dtype} is not covered",
            "Export the model with integer inputs and outputs.",
        )
    scale, zero_point = ctx.quantised(operator, source)
    out_scale, out_zero_point = ctx.quantised(operator, result)
    real = scale / out_scale
    if source.dtype in ("int8", "uint8") and result.dtype in ("int8", "uint8"):
        clamp = RANGES[result.dtype]
        values = tables.affine_8(real, RANGES[source.dtype], (zero_point, out_zero_point), clamp)
        table_lookup(ctx, operator, np.array(values, result.dtype))
        return
    multiplier, shift = ctx.rescaling(operator, real)
    ctx.emit(
        operator,
        "REQUANTISE",
        ctx.out(operator),
        dict(
            input=ctx.view(operator, 0),
            input_dtype=DTYPE_CODES[source.dtype],
            count=elements(source),
            multiplier=multiplier,
            shift=shift,
            input_zero_point=zero_point,
            zero_point=out_zero_point,
        ),
    )


_WIDENING = {"int8": ("int16", "int32"), "uint8": ("int16", "int32"), "int16": ("int32",)}


def lower_cast(ctx: Context, operator: Operator) -> None:
    """CAST to a wider integer: the same numbers, so a requantisation by 1."""
    ctx.gives(operator, ctx.tensor(operator, 0).shape)
    source, result = ctx.tensor(operator, 0), ctx.tensor(operator, 0, output=True)
    if result.dtype not in _WIDENING.get(source.dtype, ()):
        ctx.refuse(operator, f"{source.dtype} to {result.dtype} is not covered (only widening)")
    ctx.emit(
        operator,
        "REQUANTISE",
        ctx.out(operator),
        dict(
            input=ctx.view(operator, 0),
            input_dtype=DTYPE_CODES[source.dtype],
            count=elements(source),
            multiplier=1 << 30,
            shift=1,
            input_zero_point=0,
            zero_point=0,
        ),
    )


def lower_softmax(ctx: Context, operator: Operator) -> None:
    """Over the last dimension: int8 up to 256 classes, int16 up to 16384."""
    source = ctx.tensor(operator, 0)
    ctx.gives(operator, source.shape)
    dtype = ctx.types(operator, "int8", "int16")
    scale, _ = ctx.quantised(operator, source)
    result = ctx.quantised(operator, ctx.tensor(operator, 0, output=True))
    if result != _SOFTMAX_OUTPUT[dtype]:
        ctx.refuse(operator, f"output scale {result[0]}, zero point {result[1]} is not TFLite's")
    depth = source.shape[-1] if source.shape else 0
    if not 1 <= depth <= _MAX_CLASSES[dtype]:
        ctx.refuse(operator, f"{depth} classes (1 to {_MAX_CLASSES[dtype]} are covered)")
    beta = float(operator.options.get("beta", 1.0))  # type: ignore[arg-type]
    values: dict[str, Draft] = {"rows": elements(source) // depth, "depth": depth}
    if dtype == "int8":
        values["exp_table"] = ctx.builder.constant(tables.softmax_exp(scale, beta))
    else:
        # 65535 steps of the input's difference are 10; TFLite computes this in float32.
        real = np.float32(np.float32(scale) * np.float32(beta)) / (10.0 / 65535.0)
        values["multiplier"], values["shift"] = ctx.rescaling(operator, float(np.float32(real)))
        values["exp_table"] = ctx.builder.constant(tables.exp_s16())
        values["reciprocal_table"] = ctx.builder.constant(tables.reciprocal_s16())
    out, name = ctx.out_in_place(operator, 0), "SOFTMAX_S8" if dtype == "int8" else "SOFTMAX_S16"
    ctx.emit(operator, name, out, {"input": ctx.view(operator, 0), **values})


def lower_mean(ctx: Context, operator: Operator) -> None:
    """Over neighbouring dimensions; 1 / count goes into the multiplier as in QuantizedMeanOrSum."""
    ctx.types(operator, "int8", "int16")
    source, result = ctx.tensor(operator, 0), ctx.tensor(operator, 0, output=True)
    rank = len(source.shape)
    axes = sorted({ctx.axis(operator, int(a), rank) for a in ctx.data(operator, 1).reshape(-1)})
    if not axes or axes != list(range(axes[0], axes[-1] + 1)):
        ctx.refuse(operator, f"axes {axes} are not neighbours", "Transpose first.")
    scale, zero_point = ctx.quantised(operator, source)
    out_scale, out_zero_point = ctx.quantised(operator, result)
    count = int(np.prod(source.shape[axes[0] : axes[-1] + 1]))
    if elements(result) * count != elements(source) or count > _MAX_MEAN:
        ctx.refuse(operator, f"means of {count} values do not give {list(result.shape)}")
    multiplier, shift = ctx.rescaling(operator, scale / out_scale)
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    ctx.emit(
        operator,
        "MEAN",
        ctx.out(operator),
        dict(
            input=ctx.view(operator, 0),
            outer=int(np.prod(source.shape[: axes[0]], dtype=np.int64)),
            reduce=count,
            inner=int(np.prod(source.shape[axes[-1] + 1 :], dtype=np.int64)),
            multiplier=(multiplier << bits) // count,
            shift=shift - bits,
            input_zero_point=zero_point,
            zero_point=out_zero_point,
        ),
    )


def lower_pool(ctx: Context, operator: Operator) -> None:
    """AVERAGE_POOL_2D and MAX_POOL_2D of int8; quantisation stays."""
    ctx.types(operator, "int8")
    source = ctx.tensor(operator, 0)
    ctx.same_quantisation(operator, [source])
    kernel = tuple(int(operator.options.get(f"filter_{d}", 1)) for d in ("height", "width"))  # type: ignore[arg-type]
    values = window(ctx, operator, (kernel[0], kernel[1]), (1, 1))
    ctx.gives(operator, (1, values["out_h"], values["out_w"], source.shape[3]))
    _, low, high = ctx.output_range(operator)
    ctx.emit(
        operator,
        f"{operator.code.removesuffix('_2D')}_S8",
        ctx.out(operator),
        dict(input=ctx.view(operator, 0), channels=source.shape[3], low=low, high=high, **values),
    )
