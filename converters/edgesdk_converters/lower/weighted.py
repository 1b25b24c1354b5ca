"""Operators with weights: fully connected, convolutions, LSTM."""

import math

import numpy as np
from numpy.typing import NDArray

from edgesdk_converters.lower import fixed_point as fp
from edgesdk_converters.lower.builder import Draft, View
from edgesdk_converters.lower.context import Context, elements
from edgesdk_converters.lower.depthwise import pack_depthwise, strip_bytes
from edgesdk_converters.lower.packing import (
    Packed,
    pack,
    padded_rows,
    scratch_bytes,
    window_bytes,
)
from edgesdk_converters.tflite.model import Operator, Tensor

_VALID = 1
_BLOCK_CELLS = 128  # gates held at once (EDGE_BLOCK_ROWS)
_MAX_SIZE = 16384  # of an image, a window, a stride: kernels/check.h
_MAX_DEPTH = 65536  # products in one sum: kernels/check.h
_CONTRADICTS = "The file contradicts itself; export it again."
_GATE_WEIGHTS = {"input": range(1, 5), "recurrent": range(5, 9)}


def _weights(ctx: Context, operator: Operator, position: int) -> NDArray[np.int8]:
    """Constant int8 weights with zero point 0."""
    tensor = ctx.tensor(operator, position)
    data = ctx.data(operator, position)
    if tensor.dtype != "int8" or tensor.quantisation is None:
        ctx.refuse(operator, f"weights '{tensor.name}' are {tensor.dtype}, not quantised int8")
    if np.any(tensor.quantisation.zero_point):
        ctx.refuse(operator, f"weights '{tensor.name}' are not symmetric")
    return data.astype(np.int8)


def _bias(
    ctx: Context, operator: Operator, rows: int, dtypes: tuple[str, ...]
) -> NDArray[np.int64]:
    """Input 2 as int64, zeros where it is omitted."""
    if not ctx.has(operator, 2):
        return np.zeros(rows, np.int64)
    tensor = ctx.tensor(operator, 2)
    if tensor.dtype not in dtypes or elements(tensor) != rows:
        ctx.refuse(operator, f"bias '{tensor.name}' is {tensor.dtype}{list(tensor.shape)}")
    return ctx.data(operator, 2).reshape(-1).astype(np.int64)


def _folded(
    bias: NDArray[np.int64], weights: NDArray[np.int8], zero_point: int
) -> NDArray[np.int32]:
    """Bias with the input's zero point folded in, wrapped to 32 bits as TFLite's sum wraps."""
    sums = weights.reshape(weights.shape[0], -1).sum(axis=1, dtype=np.int64)
    total: NDArray[np.int64] = bias - zero_point * sums
    return total.astype(np.uint64).astype(np.uint32).view(np.int32)


def _channel_scales(
    ctx: Context, operator: Operator, weights: Tensor, channels: int, sum_bits: int = 32
) -> NDArray[np.int32]:
    """{multiplier, shift} per output channel (PopulateConvolutionQuantizationParams)."""
    source, _ = ctx.quantised(operator, ctx.tensor(operator, 0))
    result, _ = ctx.quantised(operator, ctx.tensor(operator, 0, output=True))
    assert weights.quantisation is not None
    scales = np.broadcast_to(weights.quantisation.scale, channels)
    pairs = [ctx.rescaling(operator, source * float(s) / result, sum_bits) for s in scales]
    return np.array(pairs, np.int32)


def _wide_bias(ctx: Context, operator: Operator) -> bool:
    """Whether TFLite sums over 64 bits: only where the bias has 64."""
    return ctx.has(operator, 2) and ctx.tensor(operator, 2).dtype == "int64"


def lower_fully_connected(ctx: Context, operator: Operator) -> None:
    """Batches x depth times rows x depth; int8, or int16 with 64-bit sums."""
    dtype = ctx.types(operator, "int8", "int16")
    wide = dtype == "int16"
    source, result = ctx.tensor(operator, 0), ctx.tensor(operator, 0, output=True)
    weights = _weights(ctx, operator, 1)
    if operator.options.get("weights_format", 0) != 0 or weights.ndim != 2:
        ctx.refuse(operator, "shuffled or higher-dimensional weights are not covered")
    rows, depth = weights.shape
    if not 1 <= depth <= _MAX_DEPTH:
        ctx.refuse(operator, f"sums of {depth} products (1 to {_MAX_DEPTH} are covered)")
    if elements(source) % depth or elements(result) != elements(source) // depth * rows:
        shapes = f"{list(source.shape)} by {rows} x {depth} to {list(result.shape)}"
        ctx.refuse(operator, f"the sizes do not fit: {shapes}", _CONTRADICTS)
    input_scale, zero_point = ctx.quantised(operator, source)
    bias = _bias(ctx, operator, rows, ("int64", "int32") if wide else ("int32",))
    sum_bits = 64 if _wide_bias(ctx, operator) else 32
    per_row = ctx.tensor(operator, 1).quantisation
    assert per_row is not None
    scales, pair = None, (0, 0)
    if per_row.per_tensor:
        # TFLite multiplies the two scales in float32.
        product = float(np.float32(input_scale) * per_row.scale[0])
        real = product / ctx.quantised(operator, result)[0]
        pair = ctx.rescaling(operator, real, sum_bits)
    else:
        pairs = _channel_scales(ctx, operator, ctx.tensor(operator, 1), rows, sum_bits)
        scales = ctx.builder.constant(pairs)
    out_zero_point, low, high = ctx.output_range(operator)
    packed = None if wide else pack(weights, ctx.packing)
    folded = bias if wide else _folded(bias, weights, zero_point)
    scratch = None
    if packed is not None:
        folded = padded_rows(folded.astype(np.int32), ctx.packing)
        copy_bytes = scratch_bytes(ctx.packing, depth)
        scratch = ctx.builder.buffer(f"{result.name}/input", copy_bytes) if copy_bytes else None
    ctx.emit(
        operator,
        "FULLY_CONNECTED_S16" if wide else "FULLY_CONNECTED_S8",
        ctx.out(operator),
        dict(
            input=ctx.view(operator, 0),
            weights=_matrix(ctx, weights, packed),
            bias=ctx.builder.constant(folded),
            scales=scales,
            scratch=scratch,
            batches=elements(source) // depth,
            depth=depth,
            rows=rows,
            sum_bits=sum_bits,
            multiplier=pair[0],
            shift=pair[1],
            zero_point=out_zero_point,
            low=low,
            high=high,
        ),
        extra_writes=() if scratch is None else (scratch,),
        packed=() if packed is None else (packed,),
    )


def _matrix(ctx: Context, weights: NDArray[np.int8], packed: Packed | None) -> View:
    if packed is None:
        return ctx.builder.constant(weights)
    return ctx.builder.constant(np.frombuffer(packed.data, np.uint8))


def _padding(
    ctx: Context, operator: Operator, size: int, out: int, kernel: int, stride: int
) -> int:
    """Elements of padding before the first one (ComputePaddingWithOffset)."""
    if operator.options.get("padding") == _VALID:
        return 0
    return max(0, ((out - 1) * stride + kernel - size) // 2)


def _check_span(
    ctx: Context, operator: Operator, span: tuple[int, int, int, int], valid: bool
) -> None:
    """Refuse unless input, output, reach of the window and stride fit (ComputeOutSize)."""
    size, out, reach, stride = span
    expected = (size - reach + stride) // stride if valid else -(-size // stride)
    if out != expected:
        ctx.refuse(operator, f"{size} inputs do not give {out} outputs", _CONTRADICTS)


def window(
    ctx: Context, operator: Operator, kernel: tuple[int, int], dilation: tuple[int, int]
) -> dict[str, int]:
    """Fields that convolutions and pools share; batch 1, NHWC."""
    source, result = ctx.tensor(operator, 0).shape, ctx.tensor(operator, 0, output=True).shape
    if len(source) != 4 or source[0] != 1 or len(result) != 4:
        ctx.refuse(operator, f"input {list(source)} is not [1, height, width, channels]")
    stride = tuple(int(operator.options.get(f"stride_{d}", 1)) for d in "hw")  # type: ignore[arg-type]
    sizes = (*source, *result, *kernel, *dilation, *stride)
    if not all(1 <= size <= _MAX_SIZE for size in sizes):
        ctx.refuse(operator, f"a size or stride is not within 1 to {_MAX_SIZE}")
    values: dict[str, int] = {}
    for i, d in enumerate("hw"):
        reach = (kernel[i] - 1) * dilation[i] + 1
        valid = operator.options.get("padding") == _VALID
        _check_span(ctx, operator, (source[1 + i], result[1 + i], reach, stride[i]), valid)
        values |= {f"in_{d}": source[1 + i], f"out_{d}": result[1 + i]}
        values |= {f"kernel_{d}": kernel[i], f"stride_{d}": stride[i]}
        pad = _padding(ctx, operator, source[1 + i], result[1 + i], reach, stride[i])
        values["pad_top" if d == "h" else "pad_left"] = pad
    return values


def _ungrouped(
    ctx: Context, operator: Operator, weights: NDArray[np.int8], channels: int
) -> NDArray[np.int8]:
    """Weights of a grouped convolution with zeros for the channels of other groups."""
    rows, *kernel, depth = weights.shape
    groups = channels // depth
    if channels % depth or rows % groups:
        ctx.refuse(operator, f"{rows} x {depth} weights do not divide {channels} channels")
    if groups == 1:
        return weights
    dense = np.zeros((rows, *kernel, channels), np.int8)
    for row in range(rows):
        start = row // (rows // groups) * depth
        dense[row, ..., start : start + depth] = weights[row]
    return dense


def _settle(weights: NDArray[np.int8], bias: NDArray[np.int64], scales: NDArray[np.int32]) -> None:
    """Give rows of zeros a small bias and a plain factor in place, with the same output.

    Pruned channels come with a bias near 2^30 and a shift to match, which packed kernels do not
    take by their fast path.
    """
    for row in np.flatnonzero(~weights.reshape(len(weights), -1).any(axis=1)):
        value = fp.rescale(int(bias[row]), int(scales[row, 0]), int(scales[row, 1]))
        if abs(value) < 1 << 30:  # the zero point can be added without wrapping
            bias[row] = 8 * max(-256, min(255, value))
            scales[row] = 1 << 30, -2


def lower_conv(ctx: Context, operator: Operator) -> None:
    """CONV_2D and DEPTHWISE_CONV_2D, weights per tensor or per channel; groups become zeros."""
    ctx.types(operator, "int8")
    depthwise = operator.code == "DEPTHWISE_CONV_2D"
    source, weights = ctx.tensor(operator, 0), _weights(ctx, operator, 1)
    if weights.ndim != 4:
        ctx.refuse(operator, f"weights {list(weights.shape)} do not have 4 dimensions")
    channels = weights.shape[3] if depthwise else weights.shape[0]
    if depthwise and channels % source.shape[-1]:
        ctx.refuse(operator, f"{channels} channels from {source.shape[-1]}", _CONTRADICTS)
    if not depthwise:
        weights = _ungrouped(ctx, operator, weights, source.shape[-1])
    dilation = tuple(int(operator.options.get(f"dilation_{d}_factor", 1)) for d in "hw")  # type: ignore[arg-type]
    kernel = (weights.shape[1], weights.shape[2])
    if weights[0].size > _MAX_DEPTH // 2:
        ctx.refuse(operator, f"windows of {weights[0].size} weights are not covered")
    values = window(ctx, operator, kernel, (dilation[0], dilation[1]))
    ctx.gives(operator, (1, values["out_h"], values["out_w"], channels))
    _, input_zero_point = ctx.quantised(operator, source)
    bias = _bias(ctx, operator, channels, ("int32",))
    zero_point, low, high = ctx.output_range(operator)
    scales = _channel_scales(ctx, operator, ctx.tensor(operator, 1), channels)
    pad_row, scratch, packed = None, None, None
    if not depthwise:
        bias = _folded(bias, weights, input_zero_point).astype(np.int64)
        matrix, pixels = weights.reshape(channels, -1), values["out_h"] * values["out_w"]
        packed = pack(matrix, ctx.packing, pixels)
        if packed is None:
            pad_row = ctx.builder.constant(np.full(source.shape[-1], input_zero_point, np.int8))
        else:
            _settle(weights, bias, scales)
            bias = padded_rows(bias.astype(np.int32), ctx.packing).astype(np.int64)
            size = window_bytes(ctx.packing, matrix.shape[1], pixels)
            scratch = ctx.builder.buffer(f"{source.name}/windows", size)
    else:
        strip = strip_bytes(ctx.packing, values, (dilation[0], dilation[1]), channels)
        by_channel = np.moveaxis(weights, 3, 0)
        _settle(by_channel, bias, scales)
        folded = _folded(bias, by_channel, input_zero_point)
        if strip is not None:
            packed = pack_depthwise(weights, folded, scales, zero_point, ctx.packing)
        if strip is not None and packed is not None:
            scratch = ctx.builder.buffer(f"{source.name}/strip", strip)
    ctx.emit(
        operator,
        "DEPTHWISE_CONV_S8" if depthwise else "CONV_S8",
        ctx.out(operator),
        dict(
            input=ctx.view(operator, 0),
            weights=_matrix(ctx, weights, packed),
            bias=None if depthwise and packed else ctx.builder.constant(bias.astype(np.int32)),
            scales=None if depthwise and packed else ctx.builder.constant(scales),
            pad_row=pad_row,
            scratch=scratch,
            in_c=source.shape[-1],
            out_c=channels,
            dilation_h=dilation[0],
            dilation_w=dilation[1],
            input_zero_point=input_zero_point,
            zero_point=zero_point,
            low=low,
            high=high,
            **values,
        ),
        extra_writes=() if scratch is None else (scratch,),
        packed=() if packed is None else (packed,),
    )


def _lstm_refusals(ctx: Context, operator: Operator) -> tuple[int, int]:
    """Steps and inputs of a covered LSTM; everything else is refused."""
    ctx.types(operator, "int8")
    shape = ctx.tensor(operator, 0).shape
    time_major = bool(operator.options.get("time_major", False))
    if len(shape) != 3 or shape[1 if time_major else 0] != 1:
        ctx.refuse(operator, f"input {list(shape)} is not one sequence")
    if not all(ctx.has(operator, p) for p in range(1, 9)):
        ctx.refuse(operator, "coupled input and forget gates (CIFG) are not covered")
    extras = {"peepholes": (9, 12), "a projection": (16, 18), "layer normalisation": (20, 24)}
    for what, positions in extras.items():
        if any(ctx.has(operator, p) for p in range(*positions)):
            ctx.refuse(
                operator,
                f"{what} in the fused operator is not covered",
                "Convert the layer as a one-step cell with explicit states.",
            )
    if operator.options.get("fused_activation_function") != 4:
        ctx.refuse(operator, "its activation is not tanh")
    if len(operator.intermediates) != 5:
        ctx.refuse(operator, "it has no intermediate tensors, so it is not full-integer")
    return shape[0 if time_major else 1], shape[2]


def _lstm_gates(
    ctx: Context, operator: Operator, side: str, tensor: Tensor, packed: list[Packed]
) -> dict[str, Draft]:
    """Weights, folded biases and rescaling of the four gates' products with `tensor`.

    `packed` holds the matrices of both sides, or none where weights are plain.
    """
    cells = elements(ctx.tensor(operator, 19))
    scale, zero_point = ctx.quantised(operator, tensor)
    weights: list[View] = []
    folded: list[View] = []
    pairs = []
    for gate, position in enumerate(_GATE_WEIGHTS[side]):
        w = _weights(ctx, operator, position)
        if w.shape != (cells, tensor.shape[-1]):
            ctx.refuse(operator, f"weights {list(w.shape)} do not fit", _CONTRADICTS)
        weight_scale, _ = ctx.quantised(operator, ctx.tensor(operator, position))
        bias = np.zeros(w.shape[0], np.int64)
        if side == "input":
            bias = ctx.data(operator, 12 + gate).reshape(-1).astype(np.int64)
        if bias.size != cells:
            ctx.refuse(operator, f"a bias of {bias.size} values for {cells} cells", _CONTRADICTS)
        biases = _folded(bias, w, zero_point)
        weights.append(_matrix(ctx, w, packed[position - 1] if packed else None))
        folded.append(ctx.builder.constant(padded_rows(biases, ctx.packing) if packed else biases))
        # TFLite computes this in float32; gates are Q3.12.
        real = np.float32(weight_scale) * np.float32(scale) / np.float32(2.0**-12)
        pairs.append(ctx.rescaling(operator, float(real)))
    return {
        f"{side}_weights": tuple(weights),
        f"{side}_bias": tuple(folded),
        f"{side}_multiplier": tuple(p[0] for p in pairs),
        f"{side}_shift": tuple(p[1] for p in pairs),
    }


def lower_lstm(ctx: Context, operator: Operator) -> None:
    """Fused int8 LSTM with int16 cell; its two variable tensors move to the state block."""
    steps, inputs = _lstm_refusals(ctx, operator)
    hidden, cell = ctx.tensor(operator, 18), ctx.tensor(operator, 19)
    cells = elements(cell)
    if hidden.dtype != "int8" or cell.dtype != "int16" or elements(hidden) != cells:
        ctx.refuse(operator, f"states are {hidden.dtype} and {cell.dtype}, not int8 and int16")
    if elements(ctx.tensor(operator, 0, output=True)) != steps * cells:
        ctx.refuse(operator, f"{steps} steps of {cells} cells do not fit", _CONTRADICTS)
    cell_scale, _ = ctx.quantised(operator, cell)
    mantissa, exponent = math.frexp(cell_scale)
    fraction = 1 - exponent
    if mantissa != 0.5 or not 9 <= fraction <= 15:
        ctx.refuse(operator, f"cell scale {cell_scale} is no power of two from 2^-15 to 2^-9")
    states = []
    for position, tensor in ((18, hidden), (19, cell)):
        _, zero_point = ctx.quantised(operator, tensor)
        start = np.full(cells, zero_point, tensor.dtype)
        index = operator.inputs[position]
        ctx.views[index] = ctx.builder.state(tensor.name, start)
        states.append(ctx.views[index])
    inner = ctx.graph.tensors[operator.intermediates[4]]
    inner_scale, inner_zero_point = ctx.quantised(operator, inner)
    pair = ctx.rescaling(operator, float(np.float32(2.0**-15 / inner_scale * 2.0**-15)))
    packed = _pack_lstm(ctx, operator)
    from_input = _lstm_gates(ctx, operator, "input", ctx.tensor(operator, 0), packed)
    recurrent = _lstm_gates(ctx, operator, "recurrent", hidden, packed)
    gates = 8 * cells
    if packed:
        copies = scratch_bytes(ctx.packing, inputs) + scratch_bytes(ctx.packing, cells)
        gates = 8 * _BLOCK_CELLS + copies
    scratch = ctx.builder.buffer(f"{hidden.name}/gates", gates)
    clip = float(operator.options.get("cell_clip", 0.0))  # type: ignore[arg-type]
    ctx.emit(
        operator,
        "LSTM_S8",
        ctx.out(operator),
        dict(
            input=ctx.view(operator, 0),
            hidden=states[0],
            cell=states[1],
            scratch=scratch,
            **from_input,
            **recurrent,
            steps=steps,
            inputs=inputs,
            cells=cells,
            cell_fraction=fraction,
            cell_clip=int(min(clip / cell_scale, 32767.0)) if clip > 0 else 0,
            hidden_multiplier=pair[0],
            hidden_shift=pair[1],
            hidden_zero_point=inner_zero_point,
        ),
        extra_writes=(*states, scratch),
        packed=tuple(packed),
    )


def _pack_lstm(ctx: Context, operator: Operator) -> list[Packed]:
    """All eight matrices, input side first; none where one of them is better plain."""
    packed = [pack(_weights(ctx, operator, position), ctx.packing) for position in range(1, 9)]
    found = [p for p in packed if p is not None]
    return found if len(found) == len(packed) else []
