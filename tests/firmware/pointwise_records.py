"""Plans of many records of the pointwise kernels, pools and means, by hand: every size from 1 to
80, broadcasting, odd addresses, and multipliers and shifts that no converter would write."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from edgesdk.bundle import Plan
from edgesdk.bundle.plan import DTYPE_CODES, Port, Record, Ref, Value
from numpy.typing import NDArray

WIDTHS = {"int8": 1, "uint8": 1, "int16": 2, "int32": 4}
INDEX_WIDTHS = {"int32": 4, "int64": 8}
INPUT_BYTES = 4096
LONG = 1000  # as many inputs of one value are at the end
FAMILIES = (
    *("arithmetic", "lut", "curve", "softmax", "requantise", "fully_connected"),
    *("pool", "mean", "batch_matmul", "arg_extreme", "log_softmax"),
)
HALF = (1 << 30, 0)


@dataclass
class Draw:
    """Records under construction: where constants and outputs go, and chance."""

    rng: np.random.Generator
    consts: bytes = b""
    used: int = INPUT_BYTES
    records: list[Record] = field(default_factory=list)

    def number(self, low: int, high: int) -> int:
        """From low to high, now and then one of the two."""
        if self.rng.random() < 0.15:
            return int(self.rng.choice([low, high]))
        return int(self.rng.integers(low, high + 1))

    def constant(self, values: NDArray[np.generic]) -> int:
        at = len(self.consts)
        self.consts += values.tobytes()
        self.consts += bytes(-len(self.consts) % 16)
        return Ref("const", at).encode()

    def source(self, count: int, dtype: str) -> int:
        """A part of the input, at an odd address where the type allows it."""
        width = WIDTHS[dtype]
        return Ref("arena", width * self.number(0, INPUT_BYTES // width - count)).encode()

    def scale(self, low: int, high: int) -> tuple[int, int]:
        """A multiplier, usually of TFLite's range, and a shift."""
        least = 0 if self.rng.random() < 0.1 else 1 << 30
        return self.number(least, (1 << 31) - 1), self.number(low, high)

    def emit(self, op: str, dtype: str, count: int, values: dict[str, Value]) -> None:
        width = (WIDTHS | INDEX_WIDTHS)[dtype]
        out_bytes = width * count
        self.used += -self.used % width
        self.records.append(Record(op, Ref("arena", self.used), out_bytes, dtype, values))
        self.used += out_bytes + (1 if dtype in ("int8", "uint8") else 0)

    def plan(self) -> Plan:
        """One input, all outputs as one."""
        arena = self.used + -self.used % 16
        inputs = (Port(Ref("arena", 0), "int8", (INPUT_BYTES,), 0.1, 0),)
        shape = (self.used - INPUT_BYTES,)
        outputs = (Port(Ref("arena", INPUT_BYTES), "int8", shape, 0.1, 0),)
        return Plan(tuple(self.records), inputs, outputs, (), self.consts, arena, 0)


def _strides(draw: Draw, dims: tuple[int, ...]) -> tuple[int, ...]:
    """Dense where a dimension is not repeated; rarely, every second element."""
    step = 2 if draw.rng.random() < 0.08 else 1
    strides = []
    repeated = draw.rng.random(4) < draw.rng.choice([0.0, 0.4, 1.0], p=[0.5, 0.4, 0.1])
    for size, repeat in zip(reversed(dims), repeated, strict=True):
        strides.append(0 if repeat else step)
        step *= 1 if repeat else size
    return tuple(reversed(strides))


def _arithmetic(draw: Draw, case: int) -> None:
    names = ("ADD_S8", "ADD_S16", "MUL_S8", "MUL_S16", "PRELU_S8", "EXTREME_S8", "EXTREME_S16")
    op = names[case % 7]
    dtype = "int16" if op.endswith("S16") else "int8"
    wide, limit = dtype == "int16", 32767 if op.endswith("S16") else 127
    row = case // 7 % 80 + 1
    outer = [(1, 1, 1), (1, 1, 1), (1, 2, 3), (2, 1, 2)][int(draw.rng.integers(4))]
    dims = (*outer, row if outer == (1, 1, 1) else min(row, 14))
    strides = [_strides(draw, dims) for _ in range(2)]
    spans = [1 + sum((d - 1) * s for d, s in zip(dims, each, strict=True)) for each in strides]
    first, second = draw.scale(-31, 0), draw.scale(-6, -1)
    if draw.rng.random() < 0.8:  # as TFLite prepares a sum
        first = HALF
        second = HALF if draw.rng.random() < 0.3 else second
    if draw.rng.random() < 0.5:
        first, second = second, first
    typical = {"ADD_S8": -19, "ADD_S16": -15, "MUL_S8": -7, "MUL_S16": -14, "PRELU_S8": -6}
    last = draw.scale(-31, 30)
    if draw.rng.random() < 0.8:
        last = draw.scale(typical.get(op, 0) - 2, typical.get(op, 0) + 1)
    if op == "PRELU_S8":
        first = draw.scale(-3, 2) if draw.rng.random() < 0.8 else draw.scale(-31, 30)
    low, high = -limit - 1, limit
    if draw.rng.random() < 0.3:
        low, high = sorted(draw.number(-limit - 1, limit) for _ in range(2))
    zero = (0 if draw.rng.random() < 0.8 else draw.number(-limit - 1, limit)) if wide else 3
    if not wide:
        zero = draw.number(-128, 127)
    values: dict[str, Value] = {
        "input1": draw.source(spans[0], dtype),
        "input2": draw.source(spans[1], dtype),
        "dims": dims,
        "strides1": strides[0],
        "strides2": strides[1],
        "offset1": 0 if wide else draw.number(-128, 128),
        "offset2": 0 if wide else draw.number(-128, 128),
        "left_shift": 15 if wide else 20,
        "multiplier1": first[0],
        "shift1": first[1],
        "multiplier2": second[0],
        "shift2": second[1],
        "sign2": int(draw.rng.choice([-1, 1])),
        "multiplier": last[0],
        "shift": last[1],
        "zero_point": zero,
        "low": low,
        "high": high,
    }
    draw.emit(op, dtype, int(np.prod(dims)), values)


def _lut(draw: Draw, case: int) -> None:
    count = case % 80 + 1
    dtype = ("int8", "uint8")[case % 2]
    table = draw.constant(draw.rng.integers(0, 256, 256).astype(np.uint8))
    source, flip = draw.source(count, dtype), 0x80 * int(draw.rng.integers(2))
    fields: dict[str, Value] = {"input": source, "table": table, "count": count, "flip": flip}
    draw.emit("LUT_8", dtype, count, fields)


def _curve(draw: Draw, case: int) -> None:
    count = case // 2 % 80 + 1
    # what a table can hold: rising, or anything at all
    table = draw.rng.integers(0, 65536, 256).astype(np.uint16)
    if case % 8:
        table = np.sort(table)
    values: dict[str, Value] = {
        "input": draw.source(count, "int16"),
        "table": draw.constant(table),
        "count": count,
        "multiplier": draw.number(1, 32767),
        "left_shift": draw.number(0, 30 if draw.rng.random() < 0.2 else 14),
    }
    draw.emit(("LOGISTIC_S16", "TANH_S16")[case % 2], "int16", count, values)


def _softmax(draw: Draw, case: int) -> None:
    wide = case % 2 == 1
    depth, rows = case // 2 % 80 + 1, int(draw.rng.integers(1, 3))
    if case % 40 == 20:
        depth, rows = 256, 1
    dtype = "int16" if wide else "int8"
    values: dict[str, Value] = {"rows": rows, "depth": depth}
    values["input"] = draw.source(rows * depth, dtype)
    if wide:
        exps = np.sort(draw.rng.integers(2, 32768, 513)).astype(np.int16)
        values["exp_table"] = draw.constant(exps)
        table = np.sort(draw.rng.integers(-32768, 32768, 513)).astype(np.int16)
        values["reciprocal_table"] = draw.constant(table[::-1].copy())
        values["multiplier"], values["shift"] = draw.scale(-31, 30)
        if draw.rng.random() < 0.8:
            values["multiplier"], values["shift"] = draw.scale(-2, 2)
    else:
        falling = np.exp(-np.arange(256) * 2.0 ** draw.rng.uniform(-9, 3)) * (2**31 - 1)
        values["exp_table"] = draw.constant(falling.astype(np.int32))
    draw.emit("SOFTMAX_S16" if wide else "SOFTMAX_S8", dtype, rows * depth, values)


def _requantise(draw: Draw, case: int) -> None:
    types = list(WIDTHS)
    source, result = types[case % 4], types[case // 4 % 4]
    count = case % 80 + 1
    multiplier, shift = draw.scale(-31, 30)
    if draw.rng.random() < 0.7:
        multiplier, shift = draw.scale(-10, 2)
    values: dict[str, Value] = {
        "input": draw.source(count, source),
        "input_dtype": DTYPE_CODES[source],
        "count": count,
        "multiplier": multiplier,
        "shift": shift,
        "input_zero_point": draw.number(-32768, 32767) if case % 3 else draw.number(-99, 99),
        "zero_point": draw.number(-32768, 32767) if case % 5 == 0 else draw.number(-99, 99),
    }
    draw.emit("REQUANTISE", result, count, values)


def _fully_connected(draw: Draw, case: int) -> None:
    depth, rows = case % 80 + 1, (case * 37 + 11) % 12 + 1
    batches, bits = int(draw.rng.integers(1, 3)), (32, 64)[case % 2]
    weights = draw.rng.integers(-128, 128, (rows, depth)).astype(np.int8)
    if case % 10 == 0:
        weights[:] = -128
    if case % 40 == 23:  # on inputs of -32768, more than 32 bits of a sum
        depth, batches = LONG, 1
        weights = np.full((rows, depth), -128, np.int8)
    big = 2**62 if case % 7 == 0 else 10**6 * depth
    bias = draw.rng.integers(-big, big, rows)
    reach = (-31, 7) if bits == 64 else (-31, 30)
    pairs = [draw.scale(*reach) if case % 6 == 0 else draw.scale(-10, -6) for _ in range(rows)]
    at_end = Ref("arena", INPUT_BYTES - 2 * LONG).encode()
    values: dict[str, Value] = {
        "input": at_end if depth == LONG else draw.source(batches * depth, "int16"),
        "weights": draw.constant(weights),
        "bias": draw.constant(bias.astype(np.int64)),
        "scales": draw.constant(np.array(pairs, np.int32)) if case % 3 == 0 else 0,
        "scratch": 0,
        "batches": batches,
        "depth": depth,
        "rows": rows,
        "sum_bits": bits,
        "multiplier": pairs[0][0],
        "shift": pairs[0][1],
        "zero_point": 0,
        "low": -32768,
        "high": 32767 if case % 4 else 3000,
    }
    draw.emit("FULLY_CONNECTED_S16", "int16", batches * rows, values)


def _window(draw: Draw, most: int) -> tuple[int, int, int, int, int]:
    """Sizes of image and output, kernel, stride and padding of one dimension; each window touches
    the image."""
    size = draw.number(1, most)
    kernel = size if draw.rng.random() < 0.3 else draw.number(1, size)
    pad = 0 if draw.rng.random() < 0.5 else draw.number(0, kernel - 1)
    stride = draw.number(-(-(size + pad) // 3), size + pad)
    return size, (size + pad - 1) // stride + 1, kernel, stride, pad


def _pool(draw: Draw, case: int) -> None:
    channels = case // 2 % 80 + 1
    if case % 9 == 8:  # more pixels than sums of 16 bits hold
        channels = case % 9 + case // 9 % 6
        in_h, out_h, kernel_h, stride_h, pad_top = (19, 1, 19, 19, 0)
        in_w, out_w, kernel_w, stride_w, pad_left = (16, 2, 14, 2, 0)
    else:
        room = min(12, int((INPUT_BYTES // channels) ** 0.5))
        in_h, out_h, kernel_h, stride_h, pad_top = _window(draw, room)
        in_w, out_w, kernel_w, stride_w, pad_left = _window(draw, room)
    low, high = (-128, 127) if case % 3 else sorted(draw.number(-128, 127) for _ in range(2))
    values: dict[str, Value] = {
        "input": draw.source(in_h * in_w * channels, "int8"),
        "in_h": in_h,
        "in_w": in_w,
        "channels": channels,
        "out_h": out_h,
        "out_w": out_w,
        "kernel_h": kernel_h,
        "kernel_w": kernel_w,
        "stride_h": stride_h,
        "stride_w": stride_w,
        "pad_top": pad_top,
        "pad_left": pad_left,
        "low": low,
        "high": high,
    }
    op = ("AVERAGE_POOL_S8", "MAX_POOL_S8")[case % 2]
    draw.emit(op, "int8", out_h * out_w * channels, values)


def _mean(draw: Draw, case: int) -> None:
    wide = case % 4 == 3
    width, limit = (2, 32767) if wide else (1, 127)
    inner = 1 if case % 5 == 0 else case // 2 % 80 + 1
    most = INPUT_BYTES // width // inner
    reduce = most if case % 8 == 4 else draw.number(1, min(most, 80))
    outer = draw.number(1, min(3, most // reduce))
    usual = draw.rng.random() < 0.8
    multiplier, shift = draw.scale(*((-9, 0) if usual else (-31, 30)))
    values: dict[str, Value] = {
        "input": draw.source(outer * reduce * inner, "int16" if wide else "int8"),
        "outer": outer,
        "reduce": reduce,
        "inner": inner,
        "multiplier": multiplier,
        "shift": shift,
        "input_zero_point": draw.number(-limit - 1, limit),
        "zero_point": draw.number(-limit - 1, limit),
    }
    draw.emit("MEAN", "int16" if wide else "int8", outer * inner, values)


def _side_strides(draw: Draw, lines: int, depth: int) -> tuple[int, int]:
    """Of line and depth: lines without gaps, with a gap between them, or other orders."""
    kind = draw.number(0, 9)
    if kind == 0:
        return 1, lines
    if kind == 1:
        return 2 * depth, 2
    return depth + (draw.number(0, 5) if kind < 5 else 0), 1


def _batch_matmul(draw: Draw, case: int) -> None:
    depth, columns, rows = case % 80 + 1, draw.number(1, 12), draw.number(1, 3)
    batches = draw.number(1, 2)
    if case % 20 == 7:  # more lines than wait for their outputs at once
        depth, columns = draw.number(1, 17), draw.number(30, 100)
    if case % 20 == 13:
        depth, columns, rows, batches = draw.number(600, 1000), draw.number(1, 2), 1, 1
    sides = []
    for lines in (rows, columns):
        strides = _side_strides(draw, lines, depth)
        each = (lines - 1) * strides[0] + (depth - 1) * strides[1] + 1
        step = 0 if draw.rng.random() < 0.3 else each
        sides.append(((step, *strides), (batches - 1) * step + each))
    (left, left_span), (right, right_span) = sides
    multiplier, shift = draw.scale(-12, -8) if case % 5 else draw.scale(-31, 30)
    values: dict[str, Value] = {
        "left": draw.source(left_span, "int8"),
        "right": draw.source(right_span, "int8"),
        "batches": batches,
        "rows": rows,
        "columns": columns,
        "depth": depth,
        "left_strides": left,
        "right_strides": right,
        "left_zero_point": -128 if case % 4 == 0 else draw.number(-128, 127),
        "right_zero_point": draw.number(-128, 127),
        "multiplier": multiplier,
        "shift": shift,
        "zero_point": draw.number(-128, 127),
    }
    draw.emit("BATCH_MATMUL_S8", "int8", batches * rows * columns, values)


def _arg_extreme(draw: Draw, case: int) -> None:
    source = ("int8", "uint8", "int16")[case % 3]
    inner = 1 if case % 5 == 0 else case % 80 + 1
    most = INPUT_BYTES // WIDTHS[source] // inner
    reduce = min(most, LONG) if case % 8 == 4 else draw.number(1, min(most, 80))
    outer = draw.number(1, min(3, most // reduce))
    values: dict[str, Value] = {
        "input": draw.source(outer * reduce * inner, source),
        "input_dtype": DTYPE_CODES[source],
        "outer": outer,
        "reduce": reduce,
        "inner": inner,
        "sign": 1 if case % 2 else -1,
    }
    draw.emit("ARG_EXTREME", tuple(INDEX_WIDTHS)[case // 2 % 2], outer * inner, values)


def _log_softmax(draw: Draw, case: int) -> None:
    depth, rows = (LONG, 3) if case % 40 == 20 else (case % 80 + 1, draw.number(1, 3))
    falling = np.exp(-np.arange(256) * 2.0 ** draw.rng.uniform(-9, 3)) * 2**19
    multiplier, shift = draw.scale(0, 30) if case % 4 == 0 else draw.scale(20, 26)
    values: dict[str, Value] = {
        "input": draw.source(rows * depth, "int8"),
        "exp_table": draw.constant(falling.astype(np.int32)),
        "rows": rows,
        "depth": depth,
        "reach": draw.number(0, 255),
        "multiplier": multiplier,
        "shift": shift,
    }
    draw.emit("LOG_SOFTMAX_S8", "int8", rows * depth, values)


def plans(family: str, cases: int, seed: int = 1, per_plan: int = 40) -> Iterator[Plan]:
    """`cases` records of a family, some in each plan."""
    pointwise = (_arithmetic, _lut, _curve, _softmax, _requantise, _fully_connected)
    others = (_pool, _mean, _batch_matmul, _arg_extreme, _log_softmax)
    make = dict(zip(FAMILIES, (*pointwise, *others), strict=True))[family]
    rng = np.random.default_rng(seed)
    for start in range(0, cases, per_plan):
        draw = Draw(rng)
        for case in range(start, min(cases, start + per_plan)):
            make(draw, case)
        yield draw.plan()


def inputs(rng: np.random.Generator) -> list[NDArray[np.int8]]:
    """Bytes that are anything, and bytes that make the ends of every type."""
    ends = rng.choice([-32768, 32767, -1, 0], INPUT_BYTES // 2).astype(np.int16)
    ends[-LONG:] = -32768
    bytes_at_ends = rng.choice([-128, 127], INPUT_BYTES).astype(np.int8)
    anything = rng.integers(-128, 128, INPUT_BYTES).astype(np.int8)
    return [anything, ends.view(np.int8), bytes_at_ends]
