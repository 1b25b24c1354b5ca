"""Operators that only move data: aliases where the bytes stay, strided copies otherwise."""

import numpy as np

from edgesdk_converters.lower.builder import View
from edgesdk_converters.lower.context import Context, elements, size_bytes
from edgesdk_converters.tflite.model import Operator, Tensor

_TYPES = ("int8", "uint8", "int16", "int32", "int64")


def _dense(shape: tuple[int, ...], width: int) -> tuple[int, ...]:
    """Byte strides of a dense tensor."""
    strides, step = [], width
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def _merged(
    shape: tuple[int, ...], ins: tuple[int, ...], outs: tuple[int, ...]
) -> tuple[list[int], list[int], list[int]]:
    """The same copy with as few dimensions as possible, innermost last."""
    dims: list[int] = []
    in_strides: list[int] = []
    out_strides: list[int] = []
    for size, i, o in zip(shape, ins, outs, strict=True):
        if size == 1:
            continue
        if dims and in_strides[-1] == size * i and out_strides[-1] == size * o:
            dims[-1] *= size
            in_strides[-1], out_strides[-1] = i, o
        else:
            dims.append(size)
            in_strides.append(i)
            out_strides.append(o)
    return dims, in_strides, out_strides


def _copy(
    ctx: Context,
    operator: Operator,
    source: View,
    out: View,
    shape: tuple[int, ...],
    width: int,
    ins: tuple[int, ...],
    outs: tuple[int, ...],
    starts: tuple[int, int] = (0, 0),
    position: int | None = 0,
) -> None:
    """Copy `shape` elements of `width` bytes by byte strides, from and to byte offsets `starts`.

    It completes output `position`, or none yet.
    """
    dims, in_strides, out_strides = _merged(shape, ins, outs)
    if len(dims) > 4:
        ctx.refuse(operator, "it moves data over more than 4 dimensions")
    fill = 4 - len(dims)
    reach = sum((d - 1) * s for d, s in zip(dims, in_strides, strict=True)) + width
    part = _slice_view(source, starts[0], reach)
    ctx.emit(
        operator,
        "COPY",
        out,
        dict(
            input=part,
            input_bytes=reach,
            width=width,
            dims=(*(1,) * fill, *dims),
            in_strides=(*(width,) * fill, *in_strides),
            out_strides=(*(width,) * fill, *out_strides),
            out_start=starts[1],
        ),
        position=position,
    )


def _slice_view(view: View, start: int, size: int) -> View:
    if view.constant is not None:
        return View(size, constant=view.constant[start : start + size])
    return View(size, view.buffer, view.offset + start)


def _plain(ctx: Context, operator: Operator) -> tuple[Tensor, int]:
    """Input 0 and the bytes of its elements; type and quantisation must stay."""
    ctx.types(operator, *_TYPES)
    source = ctx.tensor(operator, 0)
    ctx.same_quantisation(operator, [source])
    return source, np.dtype(source.dtype).itemsize


def lower_reshape(ctx: Context, operator: Operator) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: another name for the same bytes."""
    source, _ = _plain(ctx, operator)
    if elements(source) != elements(ctx.tensor(operator, 0, output=True)):
        ctx.refuse(operator, "input and output differ in size")
    ctx.alias(operator, ctx.view(operator, 0))


def _take(
    ctx: Context,
    operator: Operator,
    begin: tuple[int, ...],
    shape: tuple[int, ...],
    steps: tuple[int, ...],
    position: int = 0,
    source_at: int = 0,
) -> None:
    """Output `position` is a box of the input: an alias where it is contiguous, else a copy."""
    source, view = ctx.tensor(operator, source_at), ctx.view(operator, source_at)
    ends = [b + (n - 1) * s for b, n, s in zip(begin, shape, steps, strict=True)]
    inside = all(0 <= b <= e < n for b, e, n in zip(begin, ends, source.shape, strict=True))
    if not inside or int(np.prod(shape)) != elements(ctx.tensor(operator, position, output=True)):
        ctx.refuse(operator, f"it takes {list(shape)} from {list(source.shape)} at {list(begin)}")
    width = np.dtype(source.dtype).itemsize
    dense = _dense(source.shape, width)
    start = sum(b * s for b, s in zip(begin, dense, strict=True))
    ins = tuple(s * d for s, d in zip(steps, dense, strict=True))
    outs = _dense(shape, width)
    dims, in_strides, _ = _merged(shape, ins, outs)
    if not dims or (len(dims) == 1 and in_strides[0] == width):
        ctx.alias(operator, _slice_view(view, start, int(np.prod(shape)) * width), position)
        return
    out = ctx.out(operator, position)
    _copy(ctx, operator, view, out, shape, width, ins, outs, (start, 0), position)


def lower_slice(ctx: Context, operator: Operator) -> None:
    """SLICE: begin and size are constants."""
    source, _ = _plain(ctx, operator)
    begin = tuple(int(b) for b in ctx.data(operator, 1).reshape(-1))
    sizes = [int(s) for s in ctx.data(operator, 2).reshape(-1)]
    shape = tuple(n - b if s < 0 else s for n, b, s in zip(source.shape, begin, sizes, strict=True))
    _take(ctx, operator, begin, shape, (1,) * len(shape))


def lower_strided_slice(ctx: Context, operator: Operator) -> None:
    """STRIDED_SLICE with constant bounds and positive strides."""
    source, _ = _plain(ctx, operator)
    options = operator.options
    if options.get("ellipsis_mask") or options.get("new_axis_mask"):
        ctx.refuse(operator, "ellipsis and new-axis masks are not covered")
    bounds = [ctx.data(operator, p).reshape(-1).astype(int).tolist() for p in (1, 2, 3)]
    begin, shape, steps = [], [], []
    for axis, (first, end, step) in enumerate(zip(*bounds, strict=True)):
        size = source.shape[axis]
        bit = 1 << axis
        if step < 1:
            ctx.refuse(operator, f"stride {step} is not covered (only positive ones)")
        if int(options.get("shrink_axis_mask", 0)) & bit:  # type: ignore[arg-type]
            first = ctx.axis(operator, first, size)
            end, step = first + 1, 1
        start, stop, _ = slice(
            None if int(options.get("begin_mask", 0)) & bit else first,  # type: ignore[arg-type]
            None if int(options.get("end_mask", 0)) & bit else end,  # type: ignore[arg-type]
        ).indices(size)
        begin.append(start)
        shape.append(max(0, -(-(stop - start) // step)))
        steps.append(step)
    rest = source.shape[len(begin) :]
    full = tuple(shape) + rest
    pad = (0,) * len(rest)
    _take(ctx, operator, (*begin, *pad), full, (*steps, *(1 for _ in rest)))


def lower_split(ctx: Context, operator: Operator) -> None:
    """SPLIT (axis, value) and SPLIT_V (value, sizes, axis): one slice per output."""
    even = operator.code == "SPLIT"
    source_at = 1 if even else 0
    source = ctx.tensor(operator, source_at)
    if source.dtype not in _TYPES:
        ctx.refuse(operator, f"{source.dtype} is not covered")
    ctx.same_quantisation(operator, [source])
    rank = len(source.shape)
    axis = ctx.axis(operator, int(ctx.data(operator, 0 if even else 2).reshape(-1)[0]), rank)
    start = 0
    for position in range(len(operator.outputs)):
        shape = ctx.tensor(operator, position, output=True).shape
        begin = tuple(start if d == axis else 0 for d in range(rank))
        _take(ctx, operator, begin, shape, (1,) * rank, position, source_at)
        start += shape[axis]
    if start != source.shape[axis]:
        ctx.refuse(operator, f"parts of {start} do not make {source.shape[axis]}")


def lower_transpose(ctx: Context, operator: Operator) -> None:
    """TRANSPOSE by a constant permutation; an alias where no element moves."""
    source, width = _plain(ctx, operator)
    order = [int(p) for p in ctx.data(operator, 1).reshape(-1)]
    if sorted(order) != list(range(len(source.shape))):
        ctx.refuse(operator, f"{order} is no permutation of its dimensions")
    dense = _dense(source.shape, width)
    shape = tuple(source.shape[p] for p in order)
    ctx.gives(operator, shape)
    ins = tuple(dense[p] for p in order)
    outs = _dense(shape, width)
    dims, _, _ = _merged(shape, ins, outs)
    if len(dims) <= 1:
        ctx.alias(operator, ctx.view(operator, 0))
        return
    _copy(ctx, operator, ctx.view(operator, 0), ctx.out(operator), shape, width, ins, outs)


def lower_concat(ctx: Context, operator: Operator) -> None:
    """CONCATENATION of equally quantised tensors: one copy per input."""
    ctx.types(operator, *_TYPES)
    result = ctx.tensor(operator, 0, output=True)
    parts = [ctx.tensor(operator, p) for p in range(len(operator.inputs))]
    ctx.same_quantisation(operator, parts)
    if operator.options.get("fused_activation_function", 0) != 0:
        ctx.refuse(operator, "a fused activation is not covered")
    axis = ctx.axis(operator, int(operator.options.get("axis", 0)), len(result.shape))  # type: ignore[arg-type]
    width = np.dtype(result.dtype).itemsize
    outs = _dense(result.shape, width)
    joined = list(parts[0].shape)
    joined[axis] = sum(part.shape[axis] for part in parts)
    ctx.gives(operator, joined)
    for part in parts:
        if part.shape[:axis] + part.shape[axis + 1 :] != tuple(joined[:axis] + joined[axis + 1 :]):
            ctx.refuse(operator, f"'{part.name}' is {list(part.shape)} and does not fit")
    views = [ctx.view(operator, p) for p in range(len(parts))]
    out, start = ctx.out(operator), 0
    for position, (part, view) in enumerate(zip(parts, views, strict=True)):
        ins = _dense(part.shape, width)
        completes = 0 if position == len(parts) - 1 else None
        offsets = (0, start * outs[axis])
        _copy(ctx, operator, view, out, part.shape, width, ins, outs, offsets, completes)
        start += part.shape[axis]


def lower_pad(ctx: Context, operator: Operator) -> None:
    """PAD and PADV2: the zero point (or the given value) everywhere, then the input inside."""
    source, width = _plain(ctx, operator)
    result = ctx.tensor(operator, 0, output=True)
    widths = ctx.data(operator, 1).reshape(-1, 2).astype(int).tolist()
    if len(widths) != len(source.shape) or width > 4 or min(min(w) for w in widths) < 0:
        ctx.refuse(operator, "its padding does not fit the input")
    ctx.gives(operator, [n + b + a for n, (b, a) in zip(source.shape, widths, strict=True)])
    value = ctx.quantised(operator, source)[1]
    if operator.code == "PADV2":
        value = int(ctx.data(operator, 2).reshape(-1)[0])
    view, out = ctx.view(operator, 0), ctx.out(operator)
    ctx.emit(
        operator, "FILL", out, dict(count=elements(result), width=width, value=value), position=None
    )
    outs = _dense(result.shape, width)
    start = sum(before * s for (before, _), s in zip(widths, outs, strict=True))
    ins = _dense(source.shape, width)
    _copy(ctx, operator, view, out, source.shape, width, ins, outs, (0, start))


def lower_pack(ctx: Context, operator: Operator) -> None:
    """PACK: equally shaped inputs side by side along a new axis, one copy each."""
    ctx.types(operator, *_TYPES)
    result = ctx.tensor(operator, 0, output=True)
    parts = [ctx.tensor(operator, p) for p in range(len(operator.inputs))]
    ctx.same_quantisation(operator, parts)
    shape = parts[0].shape
    axis = ctx.axis(operator, int(operator.options.get("axis", 0)), len(shape) + 1)  # type: ignore[arg-type]
    ctx.gives(operator, (*shape[:axis], len(parts), *shape[axis:]))
    if any(part.shape != shape for part in parts):
        ctx.refuse(operator, "its inputs differ in shape")
    width = np.dtype(result.dtype).itemsize
    views = [ctx.view(operator, p) for p in range(len(parts))]
    outs = _dense(result.shape, width)
    if len(parts) == 1:
        ctx.alias(operator, views[0])
        return
    out, ins = ctx.out(operator), _dense(shape, width)
    for position, view in enumerate(views):
        completes = 0 if position == len(parts) - 1 else None
        starts = (0, position * outs[axis])
        steps = outs[:axis] + outs[axis + 1 :]
        _copy(ctx, operator, view, out, shape, width, ins, steps, starts, completes)


def lower_unpack(ctx: Context, operator: Operator) -> None:
    """UNPACK: every index of one axis as an output of its own."""
    source, _ = _plain(ctx, operator)
    rank = len(source.shape)
    axis = ctx.axis(operator, int(operator.options.get("axis", 0)), rank)  # type: ignore[arg-type]
    if len(operator.outputs) != source.shape[axis]:
        ctx.refuse(operator, f"{len(operator.outputs)} parts of {source.shape[axis]}")
    shape = tuple(1 if d == axis else n for d, n in enumerate(source.shape))
    for position in range(len(operator.outputs)):
        begin = tuple(position if d == axis else 0 for d in range(rank))
        _take(ctx, operator, begin, shape, (1,) * rank, position)


_MAX_GATHERS = 256


def _gather_shape(
    ctx: Context, operator: Operator, table: Tensor, indices: Tensor
) -> tuple[int, int, int]:
    """Batches, tables per batch, and the axis of GATHER."""
    options = operator.options
    rank = len(table.shape)
    if not rank:
        ctx.refuse(operator, "the table has no rows")
    axis = ctx.axis(operator, int(options.get("axis", 0)), rank)  # type: ignore[arg-type]
    batch = int(options.get("batch_dims", 0))  # type: ignore[arg-type]
    batch += len(indices.shape) if batch < 0 else 0
    if not 0 <= batch <= min(axis, len(indices.shape)):
        ctx.refuse(operator, f"{batch} batch dimensions with axis {axis}")
    if table.shape[:batch] != indices.shape[:batch]:
        ctx.refuse(operator, "table and indices differ in their batch dimensions")
    batches = int(np.prod(table.shape[:batch], dtype=np.int64))
    outer = int(np.prod(table.shape[batch:axis], dtype=np.int64))
    if batches * outer > _MAX_GATHERS:
        ctx.refuse(operator, f"it gathers from {batches * outer} tables (1 to {_MAX_GATHERS})")
    return batches, outer, axis


def lower_gather(ctx: Context, operator: Operator) -> None:
    """GATHER and EMBEDDING_LOOKUP: rows of tables by index, one operator per table."""
    embedding = operator.code == "EMBEDDING_LOOKUP"
    table_at, index_at = (1, 0) if embedding else (0, 1)
    table, indices = ctx.tensor(operator, table_at), ctx.tensor(operator, index_at)
    index_view = ctx.view(operator, index_at)
    if indices.dtype == "int64" and indices.data is not None:
        index_view = ctx.builder.constant(indices.data.astype(np.int32))
    elif indices.dtype != "int32" or table.dtype not in _TYPES:
        ctx.refuse(operator, f"{table.dtype} by {indices.dtype} index (int32 is covered)")
    ctx.same_quantisation(operator, [table])
    batches, outer, axis = _gather_shape(ctx, operator, table, indices)
    rows, count = table.shape[axis], elements(indices) // batches
    row_bytes = size_bytes(table) // (batches * outer * rows)
    width = np.dtype(table.dtype).itemsize
    if (
        elements(ctx.tensor(operator, 0, output=True)) * width
        != batches * outer * count * row_bytes
    ):
        ctx.refuse(operator, f"{elements(indices)} rows do not make the output")
    view, out = ctx.view(operator, table_at), ctx.out(operator)
    for part in range(batches * outer):
        last = part == batches * outer - 1
        ctx.emit(
            operator,
            "GATHER",
            _slice_view(out, part * count * row_bytes, count * row_bytes),
            dict(
                table=_slice_view(view, part * rows * row_bytes, rows * row_bytes),
                indices=_slice_view(index_view, part // outer * count * 4, count * 4),
                rows=rows,
                row_bytes=row_bytes,
                count=count,
            ),
            position=0 if last and part == 0 else None,
        )
