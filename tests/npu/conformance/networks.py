"""Graphs of several layers: recurrent cells with states, attention, joiners, layer norm."""

import math
from collections.abc import Iterator

import numpy as np
from edgesdk_converters.tflite.model import Quantisation, Tensor

from conformance.build import SAME, VALID, Builder, Value
from conformance.case import Case

_TYPES = ("int8", "int16")
_STREAM = ("random", "extreme")


def network_cases() -> Iterator[Case]:
    """Streaming recognisers' parts, attention and small classifiers."""
    yield from _fused_lstms()
    yield from _cells()
    yield from _joiners()
    yield from _attention()
    yield from _norms()
    yield from _streams()


# ---- recurrence


def _lstm(
    b: Builder,
    x: Value,
    hidden: int,
    cell_scale: float = 2**-11,
    form: tuple[float, int] | None = None,
) -> Value:
    """UNIDIRECTIONAL_SEQUENCE_LSTM: int8 weights, int16 cell, states in variable tensors."""
    width, time = x.shape[2], x.shape[1]
    wide = x.dtype == "int16"
    out = b.tensor(
        (1, time, hidden), x.dtype, *(form or ((1 / 32768, 0) if wide else (1 / 128, 0)))
    )
    inputs = [x.index]
    scales = []
    for _ in range(4):
        index, scale = b.weights((hidden, width), None)
        inputs.append(index)
        scales.append(float(scale[0]))
    inputs += [b.weights((hidden, hidden), None)[0] for _ in range(4)]
    biases = []
    for scale in scales:
        step = x.scale * scale
        bias = np.round(b.rng.normal(0, 0.4, hidden) / step)
        data = bias.astype(np.int64 if wide else np.int32)
        biases.append(b.constant(data, Quantisation.single(step)))
    states = [
        b.tensor((1, hidden), x.dtype, out.scale, out.zero, variable=True).index,
        b.tensor((1, hidden), "int16", cell_scale, 0, variable=True).index,
    ]
    inputs += [-1, -1, -1, *biases, -1, -1, *states, -1, -1, -1, -1]
    inner = []
    for dtype, scale in [("int16", 1.0)] * 4 + [(x.dtype, out.scale)]:
        b.tensors.append(Tensor(f"t{len(b.tensors)}", dtype, (0,), Quantisation.single(scale)))
        inner.append(len(b.tensors) - 1)
    b.op(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        inputs,
        [out.index],
        "UnidirectionalSequenceLSTMOptions",
        inner,
        fused_activation_function=4,
        cell_clip=0.0,
        proj_clip=0.0,
        time_major=False,
    )
    return out


def _fused_lstms() -> Iterator[Case]:
    for name, time, width, hidden, steps in (
        ("lstm_one_step", 1, 20, 24, 12),
        ("lstm_steps", 4, 13, 32, 4),
        ("lstm_odd", 3, 9, 17, 3),
    ):

        def build(b: Builder, t=time, w=width, h=hidden) -> list[Value]:
            return [_lstm(b, b.input((1, t, w)), h)]

        yield Case(f"{name}_int8", build, steps, kinds=_STREAM)

    def scaled(b: Builder) -> list[Value]:
        return [_lstm(b, b.input((1, 5, 22)), 28, 2**-12, (0.0059, -9))]

    yield Case("lstm_scaled_int8", scaled, 4, kinds=_STREAM)

    def stacked(b: Builder) -> list[Value]:
        x = _lstm(b, b.input((1, 2, 16)), 20)
        return [b.dense(_lstm(b, x, 24), 15)]

    yield Case("lstm_stacked_int8", stacked, 4, kinds=_STREAM)

    def wide(b: Builder) -> list[Value]:
        return [_lstm(b, b.input((1, 2, 16), "int16"), 20)]

    yield Case("lstm_steps_int16", wide, 4, kinds=_STREAM)


def _cell(b: Builder, gates: Value, c: Value, hidden: int) -> tuple[Value, Value]:
    """h and c behind the sums of the gates [1, 4 * hidden], in one type throughout."""
    i, f, g, o = b.split(gates, 1, 4)
    kept = b.binary("MUL", b.curve("LOGISTIC", f), c, scale=c.scale, zero=0)
    fresh = b.binary("MUL", b.curve("LOGISTIC", i), b.curve("TANH", g), scale=1 / 128, zero=0)
    after = b.binary("ADD", kept, fresh, scale=c.scale, zero=c.zero)
    form = 1 / 32768 if c.dtype == "int16" else 1 / 128
    h = b.binary("MUL", b.curve("LOGISTIC", o), b.curve("TANH", after), scale=form, zero=0)
    return h, after


def _cells() -> Iterator[Case]:
    for dtype in _TYPES:

        def unrolled(b: Builder, d=dtype) -> list[Value]:
            x = b.input((1, 20), d)
            h = b.input((1, 24), d, 100 / 32768 if d == "int16" else 1 / 128, 0)
            c = b.input((1, 24), d, 100 * 2**-12 if d == "int16" else 1 / 16, 0)
            gates = b.binary("ADD", b.dense(x, 96, zero=0), b.dense(h, 96, zero=0), zero=0)
            return list(_cell(b, gates, c, 24))

        yield Case(f"lstm_cell_{dtype}", unrolled, 6, ((0, 1), (1, 2)), _STREAM)

        def joined(b: Builder, d=dtype) -> list[Value]:
            x = b.input((1, 20), d, 0.02, 0)
            h = b.input((1, 24), d, 0.02, 0)
            c = b.input((1, 24), d, 100 * 2**-12 if d == "int16" else 1 / 16, 0)
            gates = b.dense(b.concat([x, h], 1), 96, zero=0)
            h, after = _cell(b, gates, c, 24)
            return [h, after]

        yield Case(f"lstm_cell_concat_{dtype}", joined, 5, ((1, 2),), _STREAM)

        def gru(b: Builder, d=dtype) -> list[Value]:
            x = b.input((1, 18), d)
            h = b.input((1, 22), d, 100 / 32768 if d == "int16" else 1 / 128, 0)
            z_in, r_in = b.split(b.binary("ADD", b.dense(x, 44), b.dense(h, 44)), 1, 2)
            kept = b.binary("MUL", b.curve("LOGISTIC", r_in), b.dense(h, 22))
            n = b.curve("TANH", b.binary("ADD", b.dense(x, 22), kept))
            drift = b.binary("MUL", b.curve("LOGISTIC", z_in), b.binary("SUB", h, n))
            return [b.binary("ADD", n, drift, scale=h.scale, zero=0)]

        yield Case(f"gru_cell_{dtype}", gru, 6, ((0, 1),), _STREAM)


# ---- joiners, attention, norms


def _joiners() -> Iterator[Case]:
    for dtype in _TYPES:

        def joint(b: Builder, d=dtype) -> list[Value]:
            x, y = b.input((1, 30), d), b.input((1, 26), d, 0.02, -4)
            mixed = b.curve("TANH", b.binary("ADD", b.dense(x, 40), b.dense(y, 40)))
            return [b.dense(mixed, 65)]

        yield Case(f"joiner_{dtype}", joint)

        def relu(b: Builder, d=dtype) -> list[Value]:
            x, y = b.input((1, 40), d), b.input((1, 40), d, 0.02, -4)
            return [b.softmax(b.dense(b.binary("ADD", x, y, act="RELU"), 33), 0.3)]

        yield Case(f"joiner_softmax_{dtype}", relu)


def _attention() -> Iterator[Case]:
    for name, left, right, adjoint in (
        ("batch_matmul", (2, 5, 12), (2, 12, 9), False),
        ("batch_matmul_adjoint", (3, 6, 16), (3, 10, 16), True),
        ("batch_matmul_odd", (1, 7, 17), (1, 13, 17), True),
        ("batch_matmul_4d", (1, 2, 6, 10), (1, 2, 10, 7), False),
    ):

        def product(b: Builder, le=left, r=right, a=adjoint) -> list[Value]:
            return [b.batch_matmul(b.input(le), b.input(r, "int8", 0.03, -6), a)]

        yield Case(f"{name}_int8", product)

    def one_head(b: Builder) -> list[Value]:
        x = b.input((1, 9, 16))
        q, k, v = (b.dense(x, 16) for _ in range(3))
        weights = b.softmax(b.batch_matmul(q, k, True), 0.25)
        return [b.dense(b.batch_matmul(weights, v), 16)]

    yield Case("attention_int8", one_head)

    def heads(b: Builder) -> list[Value]:
        x = b.input((1, 8, 24))

        def part() -> Value:
            rows = b.reshape(b.dense(x, 24), (1, 8, 3, 8))
            return b.reshape(b.transpose(rows, (0, 2, 1, 3)), (3, 8, 8))

        q, k, v = part(), part(), part()
        mixed = b.batch_matmul(b.softmax(b.batch_matmul(q, k, True), 0.35), v)
        joined = b.transpose(b.reshape(mixed, (1, 3, 8, 8)), (0, 2, 1, 3))
        return [b.binary("ADD", x, b.dense(b.reshape(joined, (1, 8, 24)), 24))]

    yield Case("attention_heads_int8", heads)


def _norm(b: Builder, x: Value) -> Value:
    """Layer norm over the last axis as frameworks decompose it."""
    last = len(x.shape) - 1
    centred = b.binary("SUB", x, b.reduce("MEAN", x, (last,), True), zero=0)
    square = b.binary("MUL", centred, centred, zero=-128)
    variance = b.reduce("MEAN", square, (last,), True, square.scale * 0.5)
    low = math.sqrt(1 / (variance.scale * 16))
    inverse = b.unary("RSQRT", variance, low / (200 if x.dtype == "int8" else 30000), -128)
    fit = 3.0 / (100 if x.dtype == "int8" else 30000)
    return b.binary("MUL", centred, inverse, scale=fit, zero=0)


def _norms() -> Iterator[Case]:
    for dtype in _TYPES:

        def norm(b: Builder, d=dtype) -> list[Value]:
            x = _norm(b, b.input((1, 6, 24), d, 0.05, 0))
            scale = 0.01 if d == "int8" else 0.0001
            gain = b.binary("MUL", x, b.fixed((24,), d, scale))
            return [b.binary("ADD", gain, b.fixed((24,), d, scale))]

        yield Case(f"layer_norm_{dtype}", norm, kinds=("random", "ramp"))


# ---- streams and classifiers


def _streams() -> Iterator[Case]:
    for dtype in _TYPES:

        def context(b: Builder, d=dtype) -> list[Value]:
            """A causal convolution that takes its left context from the step before."""
            past, x = b.input((1, 4, 1, 12), d), b.input((1, 3, 1, 12), d)
            window = b.concat([past, x], 1)
            kept = b.slice(window, (0, 3, 0, 0), (1, 4, 1, 12))
            return [b.conv(window, 14, (5, 1), padding=VALID, act="RELU"), kept]

        yield Case(f"causal_conv_{dtype}", context, 6, ((1, 0),), _STREAM)

        def separable(b: Builder, d=dtype) -> list[Value]:
            x = b.conv(b.input((1, 25, 10, 1), d), 16, (10, 4), (2, 2), padding=SAME, act="RELU")
            for _ in range(2):
                x = b.depthwise(x, (3, 3), act="RELU")
                x = b.conv(x, 16, (1, 1), act="RELU")
            x = b.pool(x, "AVERAGE_POOL_2D", (13, 5))
            return [b.softmax(b.dense(b.reshape(x, (1, 16)), 12), 0.3)]

        yield Case(f"separable_classifier_{dtype}", separable)

        def residual(b: Builder, d=dtype) -> list[Value]:
            x = b.conv(b.input((1, 12, 12, 3), d), 8, (3, 3), act="RELU")
            y = b.conv(b.conv(x, 8, (3, 3), act="RELU"), 8, (3, 3))
            x = b.binary("ADD", x, y, act="RELU")
            y = b.conv(x, 16, (3, 3), (2, 2), act="RELU")
            x = b.binary("ADD", b.conv(x, 16, (1, 1), (2, 2)), b.conv(y, 16, (3, 3)), act="RELU")
            return [b.reduce("MEAN", x, (1, 2), False)]

        yield Case(f"residual_{dtype}", residual)

        def autoencoder(b: Builder, d=dtype) -> list[Value]:
            x = b.input((1, 48), d)
            for width in (32, 6, 32):
                x = b.dense(x, width, act="RELU")
            return [b.dense(x, 48)]

        yield Case(f"autoencoder_{dtype}", autoencoder)

        def mixed(b: Builder, d=dtype) -> list[Value]:
            """int8 around a middle in int16, or the other way round."""
            other = "int16" if d == "int8" else "int8"
            x = b.dense(b.input((1, 20), d), 24)
            y = b.quantize(x, other, x.scale / 256 if d == "int8" else x.scale * 256)
            y = b.curve("TANH", b.dense(y, 24))
            form = (1 / 128, 0) if d == "int8" else (1 / 32768, 0)
            return [b.dense(b.quantize(y, d, *form), 10)]

        yield Case(f"mixed_types_{dtype}", mixed)

        def unet(b: Builder, d=dtype) -> list[Value]:
            x = b.conv(b.input((1, 8, 8, 3), d), 8, (3, 3), act="RELU")
            y = b.conv(b.pool(x, "MAX_POOL_2D", (2, 2), (2, 2)), 12, (3, 3), act="RELU")
            y = b.quantize(y, d, x.scale, x.zero)
            y = b.resize(y, "RESIZE_NEAREST_NEIGHBOR", (8, 8))
            return [b.conv(b.concat([x, y], 3), 5, (1, 1))]

        yield Case(f"unet_{dtype}", unet)

    def excite(b: Builder) -> list[Value]:
        x = b.conv(b.input((1, 9, 8, 6)), 16, (3, 3), act="RELU6")
        gate = b.conv(b.reduce("MEAN", x, (1, 2), True), 4, (1, 1), act="RELU")
        gate = b.curve("LOGISTIC", b.conv(gate, 16, (1, 1)))
        return [b.binary("MUL", x, gate)]

    yield Case("squeeze_excite_int8", excite)
