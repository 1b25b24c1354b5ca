"""Every kernel against TFLite's reference kernels, bit for bit.

Scales follow the depth of the sums, so that outputs use their range without sitting at its ends.
"""

import numpy as np
import pytest
from edgesdk_converters.lower import fixed_point
from single_op import Net, check_agreement, core, interpreter, run_oracle

pytestmark = pytest.mark.needs_cc
NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3


def _weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    values = rng.integers(-127, 128, shape)
    values.reshape(-1)[0] = -128
    return values.astype(np.int8)


def _fully_connected(
    rng: np.random.Generator, batches: int, depth: int, rows: int, wide: bool, activation: int
) -> bytes:
    net = Net()
    dtype = "int16" if wide else "int8"
    scale, weight_scale = (float(np.float32(s)) for s in rng.uniform(0.001, 0.1, 2))
    x = net.input((batches, depth), dtype, scale, 0 if wide else int(rng.integers(-128, 128)))
    limit = int((10**6 if wide else 4000) * depth**0.5)
    bias = rng.integers(-limit, limit, rows).astype(np.int64 if wide else np.int32)
    inputs = [x, net.constant(_weights(rng, (rows, depth)), weight_scale)]
    if rng.random() < 0.8:
        inputs.append(net.constant(bias, float(np.float32(scale * weight_scale))))
    spread = scale * weight_scale * depth**0.5 * (1.6e6 if wide else 9000)
    out = (dtype, float(np.float32(spread / (9000 if wide else 40))))
    y = net.tensor("y", (batches, rows), *out, 0 if wide else int(rng.integers(-40, 40)))
    options = {"fused_activation_function": activation}
    version = 7 if wide else 4
    net.op("FULLY_CONNECTED", inputs, [y], "FullyConnectedOptions", version, **options)
    return net.file(y)


@pytest.mark.parametrize("wide", [False, True], ids=["int8", "int16"])
def test_fully_connected(wide: bool) -> None:
    rng = np.random.default_rng(1 + wide)
    inside = []
    for case in range(80):
        depth, rows = (case + 1, int(rng.integers(1, 81)))[:: 1 if case % 2 else -1]
        activation = [NONE, RELU, RELU_N1_TO_1, RELU6][case % 4]
        data = _fully_connected(rng, int(rng.integers(1, 4)), depth, rows, wide, activation)
        inside.append(check_agreement(data, rng))
    assert np.mean(inside[::4]) > 0.8


def test_fully_connected_with_a_scale_per_row() -> None:
    """Against plain arithmetic: tflite-runtime 2.14 computes garbage on such a graph."""
    rng = np.random.default_rng(6)
    net = Net()
    rows, depth, scale, out_scale = 9, 14, 0.05, 0.3
    values = _weights(rng, (rows, depth))
    scales = rng.uniform(0.002, 0.02, rows).astype(np.float32)
    bias = rng.integers(-900, 900, rows).astype(np.int32)
    x = net.input((2, depth), "int8", scale, -9)
    inputs = [x, net.channels(values, scales, 0), net.channels(bias, scales * np.float32(scale), 0)]
    y = net.tensor("y", (2, rows), "int8", out_scale, 5)
    net.op("FULLY_CONNECTED", inputs, [y], "FullyConnectedOptions", 4)
    device = core(net.file(y))
    given = rng.integers(-128, 128, (2, depth)).astype(np.int8)
    sums = (given.astype(int) + 9) @ values.astype(int).T + bias
    in_scale, out = (float(np.float32(v)) for v in (scale, out_scale))
    pairs = [fixed_point.quantise_multiplier(in_scale * float(s) / out) for s in scales]
    for batch in range(2):
        for row, pair in enumerate(pairs):
            expected = fixed_point.rescale(int(sums[batch, row]), *pair) + 5
            assert device.run(given)[0][batch, row] == max(-128, min(127, expected))


def _between(scales: tuple[float, float, float]) -> np.ndarray:
    """Sums whose output differs between a float32 and a float64 product of the first two scales."""
    a, b, out = scales
    in_float32 = float(np.float32(a) * np.float32(b)) / out
    in_float64 = a * b / out
    steps = np.arange(-120, 121) + 0.5
    return np.rint((steps / in_float32 + steps / in_float64) / 2).astype(np.int32)


@pytest.mark.parametrize("code", ["FULLY_CONNECTED", "CONV_2D"])
def test_precision_of_the_product_of_scales(code: str) -> None:
    """TFLite multiplies them in float32 for FULLY_CONNECTED, in float64 for convolutions."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        scales = [float(np.float32(s)) for s in (*rng.uniform(0.001, 0.1, 2), 1.0)]
        scales[2] = float(np.float32(scales[0] * scales[1] * rng.uniform(5e6, 8e6)))
        bias = _between((scales[0], scales[1], scales[2]))
        net = Net()
        rows = bias.size
        bias_at = net.constant(bias, float(np.float32(scales[0] * scales[1])))
        if code == "CONV_2D":
            x = net.input((1, 1, 1, 1), "int8", scales[0])
            weights = net.constant(np.zeros((rows, 1, 1, 1), np.int8), scales[1])
            y = net.tensor("y", (1, 1, 1, rows), "int8", scales[2])
            options = {"padding": 1, "stride_h": 1, "stride_w": 1}
            net.op(code, [x, weights, bias_at], [y], "Conv2DOptions", 3, **options)
        else:
            x = net.input((1, 1), "int8", scales[0])
            weights = net.constant(np.zeros((rows, 1), np.int8), scales[1])
            y = net.tensor("y", (1, rows), "int8", scales[2])
            net.op(code, [x, weights, bias_at], [y], "FullyConnectedOptions", 4)
        check_agreement(net.file(y), rng, runs=2)


def _conv(rng: np.random.Generator, depthwise: bool, case: int) -> bytes:
    net = Net()
    h, w, c = (int(v) for v in rng.integers(1, 12, 3))
    kh, kw = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    sh, sw = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    dh, dw = (1, 1) if case % 3 else (2, 3)
    same = case % 2 == 0
    h, w = max(h, (kh - 1) * dh + 1), max(w, (kw - 1) * dw + 1)
    if same:
        oh, ow = -(-h // sh), -(-w // sw)
    else:
        oh, ow = (h - (kh - 1) * dh - 1) // sh + 1, (w - (kw - 1) * dw - 1) // sw + 1
    repeat = int(rng.integers(1, 4))
    channels = c * repeat if depthwise else int(rng.integers(1, 14))
    shape = (1, kh, kw, channels) if depthwise else (channels, kh, kw, c)
    scale = float(np.float32(rng.uniform(0.01, 0.1)))
    scales = rng.uniform(0.001, 0.01, channels).astype(np.float32)
    x = net.input((1, h, w, c), "int8", scale, int(rng.integers(-128, 128)))
    weights = net.channels(_weights(rng, shape), scales, 3 if depthwise else 0)
    bias = net.channels(
        rng.integers(-3000, 3000, channels).astype(np.int32), scales * np.float32(scale), 0
    )
    taps = kh * kw * (1 if depthwise else c)
    out_scale = float(np.float32(scale * scales.mean() * np.sqrt(taps) * 70 * 90 / 40))
    y = net.tensor("y", (1, oh, ow, channels), "int8", out_scale, int(rng.integers(-40, 40)))
    options = {
        "padding": 0 if same else 1,
        "stride_h": sh,
        "stride_w": sw,
        "dilation_h_factor": dh,
        "dilation_w_factor": dw,
        "fused_activation_function": [NONE, RELU, RELU6][case % 3],
    }
    if depthwise:
        options["depth_multiplier"] = repeat
    code = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    kind = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
    net.op(code, [x, weights, bias], [y], kind, 3, **options)
    return net.file(y)


@pytest.mark.parametrize("depthwise", [False, True], ids=["conv", "depthwise"])
def test_convolution(depthwise: bool) -> None:
    rng = np.random.default_rng(10 + depthwise)
    inside = [check_agreement(_conv(rng, depthwise, case), rng) for case in range(60)]
    assert np.mean(inside[::3]) > 0.8


def test_convolution_in_groups() -> None:
    rng = np.random.default_rng(13)
    for groups, depth, rows in [(2, 3, 2), (3, 1, 5), (4, 2, 1), (2, 8, 7)]:
        net = Net()
        scales = rng.uniform(0.001, 0.01, groups * rows).astype(np.float32)
        x = net.input((1, 6, 5, groups * depth), "int8", 0.05, -11)
        weights = net.channels(_weights(rng, (groups * rows, 3, 2, depth)), scales, 0)
        bias = rng.integers(-3000, 3000, groups * rows).astype(np.int32)
        inputs = [x, weights, net.channels(bias, scales * np.float32(0.05), 0)]
        out_scale = float(0.05 * scales.mean() * np.sqrt(6 * depth) * 150)
        y = net.tensor("y", (1, 3, 5, groups * rows), "int8", out_scale, 4)
        net.op("CONV_2D", inputs, [y], "Conv2DOptions", 3, padding=0, stride_h=2, stride_w=1)
        assert check_agreement(net.file(y), rng) > 0.8


@pytest.mark.parametrize("code", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pool(code: str) -> None:
    rng = np.random.default_rng(20)
    for case in range(40):
        net = Net()
        h, w, c = (int(v) for v in rng.integers(4, 14, 3))
        c = int(rng.integers(15, 81)) if case % 5 == 4 else c
        kh, kw, sh, sw = (int(v) for v in rng.integers(1, 5, 4))
        same = case % 2 == 0
        oh, ow = (-(-h // sh), -(-w // sw)) if same else ((h - kh) // sh + 1, (w - kw) // sw + 1)
        x = net.input((1, h, w, c), "int8", 0.05, -7)
        y = net.tensor("y", (1, oh, ow, c), "int8", 0.05, -7)
        options = {
            "padding": 0 if same else 1,
            "stride_h": sh,
            "stride_w": sw,
            "filter_height": kh,
            "filter_width": kw,
            "fused_activation_function": [NONE, RELU, RELU6][case % 3],
        }
        net.op(code, [x], [y], "Pool2DOptions", **options)
        check_agreement(net.file(y), rng)


_SHAPES = [
    ((2, 3, 5), (2, 3, 5)),
    ((1, 80), (1, 80)),
    ((2, 3, 5), (1, 1, 5)),
    ((2, 3, 5), (2, 1, 1)),
    ((1, 1, 5), (2, 3, 5)),
    ((2, 1, 5), (1, 3, 5)),
    ((2, 3, 4, 5), (4, 5)),
    ((3, 7), (1, 1)),
    ((2, 1, 1), (2, 3, 5)),
    ((1, 1), (3, 7)),
]


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("code", ["ADD", "SUB", "MUL"])
def test_arithmetic(code: str, dtype: str) -> None:
    rng = np.random.default_rng(30)
    inside = []
    for case in range(60):
        net = Net()
        shapes = _SHAPES[case % len(_SHAPES)]
        wide = dtype == "int16"
        unit = 1 / 256 if wide else 1.0
        scales = [float(np.float32(s)) for s in rng.uniform(0.01, 0.1, 2) * unit]
        zeros = [0 if wide else int(z) for z in rng.integers(-60, 60, 3)]
        a = net.input(shapes[0], dtype, scales[0], zeros[0])
        b = net.input(shapes[1], dtype, scales[1], zeros[1])
        if code == "MUL":
            out_scale = scales[0] * scales[1] * 150 / (unit * 1)
        else:
            out_scale = (scales[0] + scales[1]) * 0.9
        shape = np.broadcast_shapes(*shapes)
        y = net.tensor("y", shape, dtype, float(np.float32(out_scale)), zeros[2])
        options = {"fused_activation_function": [NONE, NONE, RELU, RELU6][case % 4]}
        if code != "MUL" and wide:
            options["pot_scale_int16"] = False
        kind = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}[code]
        version = {("ADD", True): 4, ("SUB", True): 5, ("MUL", True): 4}.get((code, wide), 2)
        net.op(code, [a, b], [y], kind, version, **options)
        inside.append(check_agreement(net.file(y), rng))
    assert np.mean(inside[::4]) > 0.8


def test_product_uses_float32_scales() -> None:
    rng = np.random.default_rng(31)
    for _ in range(20):
        net = Net()
        scales = [float(np.float32(s)) for s in rng.uniform(0.00001, 0.0001, 2)]
        a = net.input((1, 60000), "int16", scales[0])
        b = net.input((1, 60000), "int16", scales[1])
        y = net.tensor(
            "y", (1, 60000), "int16", float(np.float32(scales[0] * scales[1] * 40000)), 0
        )
        net.op("MUL", [a, b], [y], "MulOptions", 4)
        check_agreement(net.file(y), rng, runs=2)


@pytest.mark.parametrize("code", ["LOGISTIC", "TANH"])
def test_curve_int8(code: str) -> None:
    """All 256 inputs at many scales and zero points."""
    rng = np.random.default_rng(40)
    fixed = {"LOGISTIC": (2.0**-8, -128), "TANH": (2.0**-7, 0)}[code]
    for _ in range(200):
        net = Net()
        scale = float(np.float32(2.0 ** rng.uniform(-9, -1)))
        x = net.input((256,), "int8", scale, int(rng.integers(-128, 128)))
        y = net.tensor("y", (256,), "int8", *fixed)
        net.op(code, [x], [y])
        data = net.file(y)
        every = [np.arange(-128, 128).astype(np.int8)]
        expected = run_oracle(interpreter(data), every)[0]
        np.testing.assert_array_equal(expected, core(data).run(*every)[0])


@pytest.mark.parametrize("code", ["LOGISTIC", "TANH"])
def test_curve_int16(code: str) -> None:
    """All 65536 inputs at powers of two and other scales."""
    rng = np.random.default_rng(41)
    every = [np.arange(-32768, 32768).astype(np.int16)]
    scales = [2.0**-k for k in range(9, 16)] + list(2.0 ** rng.uniform(-15, -9, 12))
    for scale in scales:
        net = Net()
        x = net.input((65536,), "int16", float(np.float32(scale)))
        y = net.tensor("y", (65536,), "int16", 2.0**-15)
        net.op(code, [x], [y], version=3)
        data = net.file(y)
        expected = run_oracle(interpreter(data), every)[0]
        np.testing.assert_array_equal(expected, core(data).run(*every)[0])


@pytest.mark.parametrize("code", ["RELU", "RELU6", "RELU_N1_TO_1"])
def test_relu_requantises(code: str) -> None:
    rng = np.random.default_rng(50)
    for _ in range(30):
        net = Net()
        scales = [float(np.float32(s)) for s in rng.uniform(0.01, 0.1, 2)]
        x = net.input((256,), "int8", scales[0], int(rng.integers(-100, 100)))
        y = net.tensor("y", (256,), "int8", scales[1], int(rng.integers(-128, 0)))
        net.op(code, [x], [y], version=1 if code == "RELU_N1_TO_1" else 2)
        check_agreement(net.file(y), rng, runs=3)


@pytest.mark.parametrize(
    "types",
    [
        ("int8", "int8"),
        ("int8", "uint8"),
        ("uint8", "int8"),
        ("int16", "int8"),
        ("int16", "int16"),
        ("int32", "int8"),
        ("int32", "int16"),
    ],
)
def test_quantize(types: tuple[str, str]) -> None:
    rng = np.random.default_rng(60)
    for _ in range(25):
        net = Net()
        span = {"int8": 1.0, "uint8": 1.0, "int16": 2.0**-8, "int32": 2.0**-24}
        zero = {"int8": (-99, 99), "uint8": (30, 220), "int16": (0, 1), "int32": (0, 1)}
        scales = [float(np.float32(rng.uniform(0.02, 0.1) * span[t])) for t in types]
        zeros = [int(rng.integers(*zero[t])) for t in types]
        x = net.input((3, 100), types[0], scales[0], zeros[0])
        y = net.tensor("y", (3, 100), types[1], scales[1], zeros[1])
        net.op("QUANTIZE", [x], [y], "QuantizeOptions")
        check_agreement(net.file(y), rng)


@pytest.mark.parametrize("types", [("int8", "int16"), ("int16", "int32"), ("uint8", "int32")])
def test_cast_to_wider_integers(types: tuple[str, str]) -> None:
    """The numbers stay, whatever the two quantisations say."""
    rng = np.random.default_rng(65)
    numbers = {"uint8": 3, "int16": 7, "int32": 2, "int8": 9}
    net = Net()
    x = net.input((3, 100), types[0], 0.1)
    y = net.tensor("y", (3, 100), types[1], 0.2)
    options = {"in_data_type": numbers[types[0]], "out_data_type": numbers[types[1]]}
    net.op("CAST", [x], [y], "CastOptions", 1, **options)
    check_agreement(net.file(y), rng)


def test_softmax() -> None:
    rng = np.random.default_rng(70)
    for case in range(60):
        net = Net()
        depth = [1, 2, 3, 4, 10, 29, 80, 256][case % 8]
        scale = float(np.float32(2.0 ** rng.uniform(-9, 1)))
        x = net.input((3, depth), "int8", scale, int(rng.integers(-128, 128)))
        y = net.tensor("y", (3, depth), "int8", 2.0**-8, -128)
        net.op("SOFTMAX", [x], [y], "SoftmaxOptions", beta=float(rng.choice([1.0, 0.5])))
        check_agreement(net.file(y), rng)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_mean(dtype: str) -> None:
    rng = np.random.default_rng(80)
    cases = [
        ((1, 3, 5), [2], True),
        ((2, 3, 5), [1], False),
        ((1, 7, 9, 4), [1, 2], True),
        ((1, 7, 9, 4), [1, 2], False),
        ((3, 80), [-1], True),
        ((2, 3, 4, 5), [0, 1, 2, 3], False),
        ((4, 6), [0], True),
    ]
    for shape, axes, keep in cases * 4:
        net = Net()
        wide = dtype == "int16"
        scale = float(np.float32(rng.uniform(0.01, 0.1)))
        x = net.input(shape, dtype, scale, 0 if wide else int(rng.integers(-128, 128)))
        real = [a % len(shape) for a in axes]
        out = [1 if d in real else n for d, n in enumerate(shape) if keep or d not in real]
        out_scale = float(np.float32(scale * rng.uniform(0.4, 1.2)))
        zero = 0 if wide else int(rng.integers(-40, 40))
        y = net.tensor("y", tuple(out), dtype, out_scale, zero)
        axis = net.constant(np.array(axes, np.int32))
        net.op("MEAN", [x, axis], [y], "ReducerOptions", keep_dims=keep)
        check_agreement(net.file(y), rng)
