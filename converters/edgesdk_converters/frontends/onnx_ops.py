"""ONNX operators and what each becomes: the table HANDLERS is the list of what is supported."""

from typing import Any

import numpy as np
import onnx

from edgesdk_converters.frontends.onnx_conv import batch_normalization, conv, pad
from edgesdk_converters.frontends.onnx_graph import Handler, Importer
from edgesdk_converters.frontends.onnx_recurrent import gru, lstm
from edgesdk_converters.graph import Array

Attrs = dict[str, Any]


def _linear(ctx: Importer, node: onnx.NodeProto, weight: Array, bias: Array | None) -> None:
    """x [..., I] times weight [O, I]."""
    params = {"weight": weight, "bias": np.zeros(len(weight)) if bias is None else bias}
    value = ctx.emit("linear", [ctx.names[node.input[0]]], [node.output[0]], params)
    ctx.bind(node.output[0], value)


def _matmul(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """A value times a constant matrix, a linear layer; or two values of the same batches."""
    weight = ctx.constant(node.input[1])
    if weight is None and ctx.constant(node.input[0]) is None:
        _product(ctx, node)
        return
    if weight is None or weight.ndim != 2:
        ctx.refuse(
            node,
            "only a value times a constant matrix [I, O], or two values, are supported",
            "write the product as a linear layer",
        )
    _linear(ctx, node, weight.T, None)


def _product(ctx: Importer, node: onnx.NodeProto) -> None:
    """Two values; sums run along the last dimension of both, so the right one is transposed."""
    left, right = (ctx.names[name] for name in node.input)
    a, b = ctx.samples[left].shape, ctx.samples[right].shape
    if len(a) != len(b) or len(a) < 2 or a[:-2] != b[:-2]:
        ctx.refuse(node, f"shapes {a} and {b} need broadcasting", "expand before exporting")
    perm = (*range(len(b) - 2), len(b) - 1, len(b) - 2)
    across = ctx.emit("transpose", [right], [f"{node.output[0]}.right"], perm=perm)
    ctx.bind(node.output[0], ctx.emit("matmul", [left, across], [node.output[0]]))


def _softmax(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Over the last dimension."""
    rank = len(ctx.shape(node.input[0]))
    last = attrs.get("axis", -1 if _opset(ctx) >= _SOFTMAX_OF_ONE_AXIS else 1) % rank == rank - 1
    if not last:
        ctx.refuse(node, "only over the last dimension", "transpose before it")
    value = ctx.emit("softmax", [ctx.names[node.input[0]]], [node.output[0]], beta=1.0)
    ctx.bind(node.output[0], value)


_SOFTMAX_OF_ONE_AXIS = 13  # earlier opsets flatten what follows the axis, 1 by default


def _opset(ctx: Importer) -> int:
    return max((it.version for it in ctx.opsets if it.domain in ("", "ai.onnx")), default=0)


def _gemm(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """A linear layer; transA must be 0."""
    weight, bias = ctx.constant(node.input[1]), None
    if len(node.input) > 2 and node.input[2]:
        bias = ctx.constant(node.input[2])
    absent_bias = len(node.input) > 2 and node.input[2] and bias is None
    if weight is None or absent_bias or attrs.get("transA"):
        ctx.refuse(node, "weight and bias must be constants, transA 0", "use a linear layer")
    weight = weight if attrs.get("transB") else weight.T
    weight = weight * attrs.get("alpha", 1.0)
    if bias is not None:
        bias = np.broadcast_to(bias * attrs.get("beta", 1.0), (1, len(weight)))[0]
    _linear(ctx, node, weight, bias)


def _binary(op: str) -> Handler:
    """Add, Sub, Mul, Div of two values or of a value and a constant."""

    def handle(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
        """Two values of one size, or a value and a constant that does not enlarge it."""
        left, right = node.input
        a, b = ctx.constant(left), ctx.constant(right)
        if a is None and b is None:
            _pair(ctx, node, op)
        elif b is not None:
            if op == "div":
                _with_constant(ctx, node, left, "mul", 1.0 / b)
            elif op == "sub":
                _with_constant(ctx, node, left, "add", -b)
            else:
                _with_constant(ctx, node, left, op, b)
        elif a is not None and op in ("add", "mul", "sub"):
            _with_constant(ctx, node, right, "rsub" if op == "sub" else op, a)
        else:
            ctx.refuse(node, "division by a value has no integer form", "rewrite it as a product")

    return handle


def _pair(ctx: Importer, node: onnx.NodeProto, op: str) -> None:
    left, right = (ctx.names[name] for name in node.input)
    a, b = ctx.samples[left], ctx.samples[right]
    if op == "div":
        ctx.refuse(node, "division of two values has no integer form", "use LayerNormalization")
    shape = np.broadcast_shapes(a.shape, b.shape)
    if a.size != b.size or a.size != int(np.prod(shape)):
        ctx.refuse(
            node, f"shapes {a.shape} and {b.shape} need broadcasting", "expand before exporting"
        )
    left = ctx.reshape(left, shape, f"{node.output[0]}.left")
    right = ctx.reshape(right, shape, f"{node.output[0]}.right")
    ctx.bind(node.output[0], ctx.emit(op, [left, right], [node.output[0]]))


def _with_constant(
    ctx: Importer, node: onnx.NodeProto, name: str, op: str, constant: Array
) -> None:
    shape = ctx.shape(name)
    if ctx.is_index(name):
        ctx.refuse(node, "arithmetic on token indices", "pass tokens straight to the embedding")
    if not np.all(np.isfinite(constant)):
        ctx.refuse(node, "the constant is not finite", "export it again")
    if np.broadcast_shapes(shape, constant.shape) != shape and constant.size != 1:
        ctx.refuse(
            node,
            f"constant {constant.shape} would broadcast the value {shape}",
            "expand before exporting",
        )
    neutral = {"mul": 1.0, "add": 0.0}.get(op)
    if neutral is not None and np.all(constant == neutral):
        ctx.alias(node.output[0], name)
        return
    value = constant.reshape(-1) if constant.size == 1 else constant
    while value.ndim > 1 and value.shape[0] == 1:
        value = value[0]
    params = {"value": value}
    ctx.bind(node.output[0], ctx.emit(f"{op}_const", [ctx.names[name]], [node.output[0]], params))


def _unary(op: str) -> Handler:
    def handle(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
        """Element by element."""
        ctx.bind(node.output[0], ctx.emit(op, [ctx.names[node.input[0]]], [node.output[0]]))

    return handle


def _negate(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Times -1."""
    _with_constant(ctx, node, node.input[0], "mul", np.array([-1.0]))


def _power(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Squares only."""
    exponent = ctx.constant(node.input[1])
    if exponent is None or exponent.size != 1 or float(exponent.reshape(-1)[0]) != 2.0:
        ctx.refuse(node, "only squares have an integer form", "rewrite it with products")
    value = ctx.names[node.input[0]]
    ctx.bind(node.output[0], ctx.emit("mul", [value, value], [node.output[0]]))


def _same(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Passes its input on."""
    ctx.alias(node.output[0], node.input[0])


def _cast(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Between reals, or between token indices."""
    integer = attrs["to"] in (onnx.TensorProto.INT32, onnx.TensorProto.INT64)
    if integer != ctx.is_index(node.input[0]):
        ctx.refuse(node, "casts between reals and integers", "keep tokens and reals apart")
    _same(ctx, node, attrs)


def _clip(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Token indices only, where it is dropped."""
    if not ctx.is_index(node.input[0]):
        ctx.refuse(node, "only token indices may be clipped", "use Relu, Tanh or Sigmoid")
    ctx.notes.append(
        f"{ctx.file}: the history is filled with blank (0), never with -1, so clipping tokens"
        " is dropped"
    )
    _same(ctx, node, attrs)


def _greater_or_equal(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Token indices against 0 only, where it is true."""
    limit = ctx.constant(node.input[1])
    if not ctx.is_index(node.input[0]) or limit is None or np.any(limit > 0):
        ctx.refuse(node, "comparisons have no integer form", "only `token >= 0` is understood")
    ctx.constants[node.output[0]] = np.ones(ctx.shape(node.input[0]), bool)


def _shape(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Folded to a constant."""
    shape = ctx.shape(node.input[0])
    ctx.constants[node.output[0]] = np.array(
        shape[attrs.get("start", 0) : attrs.get("end", len(shape))], np.int64
    )


def _gather(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Embedding rows, or rows of a value that stand in a row."""
    table, indices = (ctx.constant(name) for name in node.input)
    axis = attrs.get("axis", 0)
    if table is not None and indices is None:
        if axis != 0 or table.ndim != 2 or not ctx.is_index(node.input[1]):
            ctx.refuse(node, "only rows of a table [V, E] can be looked up", "use an embedding")
        value = ctx.emit(
            "embedding", [ctx.names[node.input[1]]], [node.output[0]], {"table": table}
        )
        ctx.bind(node.output[0], value)
        return
    if indices is None or indices.size == 0:
        ctx.refuse(node, "the indices must be constants", "use Slice or Split")
    shape = ctx.shape(node.input[0])
    axis %= len(shape)
    flat = [int(i) % shape[axis] for i in indices.reshape(-1)]
    if flat != list(range(flat[0], flat[0] + len(flat))):
        ctx.refuse(node, f"picks elements {flat} that are not in a row", "use Slice or Split")
    kept = _cut(ctx, node.input[0], node.output[0], axis, flat[0], flat[-1] + 1)
    target = (*shape[:axis], *indices.shape, *shape[axis + 1 :])
    ctx.bind(node.output[0], ctx.reshape(kept, target, f"{node.output[0]}.flat"))


def _cut(ctx: Importer, name: str, output: str, axis: int, start: int, stop: int) -> str:
    value = ctx.names[name]
    if start == 0 and stop == ctx.shape(name)[axis]:
        return value
    return ctx.emit("slice", [value], [output], axis=axis, start=start, stop=stop)


def _slice(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Steps of 1, constant bounds."""
    shape = ctx.shape(node.input[0])

    def operand(index: int, name: str) -> list[int] | None:
        if name in attrs:
            return list(attrs[name])
        if len(node.input) <= index or not node.input[index]:
            return None
        constant = ctx.constant(node.input[index])
        if constant is None:
            ctx.refuse(node, f"{name} depends on the input", "export with fixed shapes")
        return [int(v) for v in constant.reshape(-1)]

    starts, ends = operand(1, "starts") or [], operand(2, "ends") or []
    axes = operand(3, "axes") or list(range(len(starts)))
    if any(step != 1 for step in operand(4, "steps") or []):
        ctx.refuse(node, "steps other than 1 have no integer form", "use Reshape and Slice")
    current = node.input[0]
    for number, (axis, start, end) in enumerate(zip(axes, starts, ends, strict=True)):
        axis %= len(shape)
        first, last, _ = slice(start, end).indices(shape[axis])
        if last <= first:
            ctx.refuse(node, "cuts out nothing", "export with the chunk length that is deployed")
        output = node.output[0] if number == len(axes) - 1 else f"{node.output[0]}.{number}"
        ctx.bind(output, _cut(ctx, current, output, axis, first, last))
        current = output
    ctx.alias(node.output[0], current)


def _split(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Constant sizes."""
    shape = ctx.shape(node.input[0])
    axis = attrs.get("axis", 0) % len(shape)
    sizes = attrs.get("split")
    if len(node.input) > 1 and node.input[1]:
        sizes = ctx.constants[node.input[1]].tolist()
    if sizes is None:
        part = -(-shape[axis] // len(node.output))
        sizes = [min(part, shape[axis] - part * i) for i in range(len(node.output))]
    start = 0
    for name, size in zip(node.output, sizes, strict=True):
        ctx.bind(name, _cut(ctx, node.input[0], name, axis, start, start + int(size)))
        start += int(size)


def _concat(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Values, or one value with zeros around it."""
    axis = attrs["axis"] % len(ctx.shape(node.input[0]))
    parts = [name for name in node.input if 0 not in ctx.shape(name)]
    computed = [name for name in parts if ctx.constant(name) is None]
    if len(parts) == 1:
        ctx.alias(node.output[0], parts[0])
    elif len(computed) == len(parts):
        values = [ctx.names[name] for name in parts]
        ctx.bind(node.output[0], ctx.emit("concat", values, [node.output[0]], axis=axis))
    elif len(computed) == 1 and not any(
        np.any(ctx.constants[n]) for n in parts if n not in computed
    ):
        position = parts.index(computed[0])
        rank = len(ctx.shape(node.input[0]))
        before, after = [0] * rank, [0] * rank
        before[axis] = sum(ctx.shape(n)[axis] for n in parts[:position])
        after[axis] = sum(ctx.shape(n)[axis] for n in parts[position + 1 :])
        value = ctx.emit(
            "pad",
            [ctx.names[computed[0]]],
            [node.output[0]],
            before=tuple(before),
            after=tuple(after),
        )
        ctx.bind(node.output[0], value)
    else:
        ctx.refuse(node, "joins values with constants that are not zero", "add them instead")


def _to_shape(ctx: Importer, node: onnx.NodeProto, shape: tuple[int, ...]) -> None:
    value = ctx.reshape(ctx.names[node.input[0]], shape, node.output[0])
    ctx.bind(node.output[0], value)


def _reshape(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Constant shape."""
    target = ctx.constant(node.input[1])
    if target is None:
        ctx.refuse(node, "the shape depends on the input", "export with fixed shapes")
    shape = ctx.shape(node.input[0])
    wanted = [int(d) for d in target]
    if not attrs.get("allowzero"):
        wanted = [shape[i] if d == 0 else d for i, d in enumerate(wanted)]
    try:
        result = np.empty(shape, np.int8).reshape(wanted).shape
    except ValueError:
        ctx.refuse(
            node,
            f"{shape} cannot become {wanted}",
            "convert with the chunk length of the export (option window, or metadata T)",
        )
    _to_shape(ctx, node, result)


def _axes(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> list[int] | None:
    if "axes" in attrs:
        return list(attrs["axes"])
    if len(node.input) > 1 and node.input[1]:
        return [int(a) for a in ctx.constants[node.input[1]].reshape(-1)]
    return None


def _squeeze(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Drops dimensions of 1."""
    shape = ctx.shape(node.input[0])
    axes = _axes(ctx, node, attrs)
    drop = [i for i, d in enumerate(shape) if d == 1] if axes is None else axes
    gone = {a % len(shape) for a in drop}
    if any(shape[a] != 1 for a in gone):
        ctx.refuse(node, f"squeezes a dimension of {shape} that is not 1", "export with batch 1")
    _to_shape(ctx, node, tuple(d for i, d in enumerate(shape) if i not in gone))


def _unsqueeze(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Adds dimensions of 1."""
    shape = list(ctx.shape(node.input[0]))
    axes = _axes(ctx, node, attrs) or []
    rank = len(shape) + len(axes)
    for axis in sorted(a % rank for a in axes):
        shape.insert(axis, 1)
    _to_shape(ctx, node, tuple(shape))


def _flatten(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Into two dimensions."""
    shape = ctx.shape(node.input[0])
    axis = attrs.get("axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    _to_shape(ctx, node, (int(np.prod(shape[:axis])), int(np.prod(shape[axis:]))))


def _transpose(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Any order of dimensions."""
    shape = ctx.shape(node.input[0])
    perm = tuple(attrs.get("perm", reversed(range(len(shape)))))
    value = ctx.emit("transpose", [ctx.names[node.input[0]]], [node.output[0]], perm=perm)
    ctx.bind(node.output[0], value)


def _expand(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Only where nothing is repeated."""
    target = ctx.constant(node.input[1])
    shape = ctx.shape(node.input[0])
    if target is None or np.broadcast_shapes(shape, tuple(int(d) for d in target)) != shape:
        ctx.refuse(node, "repeats values", "export with batch 1 and fixed shapes")
    _same(ctx, node, attrs)


def _layer_normalization(ctx: Importer, node: onnx.NodeProto, attrs: Attrs) -> None:
    """Over the last dimension."""
    shape = ctx.shape(node.input[0])
    if attrs.get("axis", -1) % len(shape) != len(shape) - 1:
        ctx.refuse(node, "only the last dimension can be normalised", "transpose before it")
    gamma = ctx.constant(node.input[1])
    beta = np.zeros(shape[-1])
    if len(node.input) > 2 and node.input[2]:
        beta = ctx.constants[node.input[2]]
    if gamma is None:
        ctx.refuse(node, "scale and bias must be constants", "export it again")
    params = {
        "gamma": np.broadcast_to(gamma, shape[-1:]),
        "beta": np.broadcast_to(beta, shape[-1:]),
    }
    value = ctx.emit(
        "layer_norm",
        [ctx.names[node.input[0]]],
        [node.output[0]],
        params,
        epsilon=float(attrs.get("epsilon", 1e-5)),
    )
    ctx.bind(node.output[0], value)


HANDLERS: dict[str, Handler] = {
    "Add": _binary("add"),
    "BatchNormalization": batch_normalization,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": conv,
    "Div": _binary("div"),
    "Dropout": _same,
    "Expand": _expand,
    "Flatten": _flatten,
    "GRU": gru,
    "Gather": _gather,
    "Gemm": _gemm,
    "GreaterOrEqual": _greater_or_equal,
    "Identity": _same,
    "LSTM": lstm,
    "LayerNormalization": _layer_normalization,
    "MatMul": _matmul,
    "Mul": _binary("mul"),
    "Neg": _negate,
    "Pad": pad,
    "Pow": _power,
    "Relu": _unary("relu"),
    "Reshape": _reshape,
    "Shape": _shape,
    "Sigmoid": _unary("sigmoid"),
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": _binary("sub"),
    "Tanh": _unary("tanh"),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}


def supported_operators() -> list[tuple[str, str]]:
    """(ONNX operator, what of it is supported), in order: the source of docs/operators.md."""
    return [(op, (handler.__doc__ or "").splitlines()[0]) for op, handler in HANDLERS.items()]
