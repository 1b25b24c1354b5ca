"""Kernels that only models by others need, against TFLite's reference kernels, bit for bit."""

import numpy as np
import pytest
from edgesdk.errors import ConvertError
from edgesdk_converters.lower import lower_graph
from single_op import Net, check_agreement, core, interpreter, run_oracle

pytestmark = pytest.mark.needs_cc
_SHAPES = [
    ((2, 3, 5), (2, 3, 5)),
    ((1, 80), (1, 80)),
    ((2, 3, 5), (1, 1, 5)),
    ((1, 1, 5), (2, 3, 5)),
    ((2, 1, 5), (1, 3, 5)),
    ((2, 3, 4, 5), (4, 5)),
    ((1, 1), (3, 7)),
]


def _f32(value: float) -> float:
    return float(np.float32(value))


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("code", ["MAXIMUM", "MINIMUM"])
def test_extreme(code: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    for shapes in _SHAPES * 3:
        net = Net()
        quant = (0.05, 0 if dtype == "int16" else int(rng.integers(-128, 128)))
        a, b = (net.input(shape, dtype, *quant) for shape in shapes)
        y = net.tensor("y", np.broadcast_shapes(*shapes), dtype, *quant)
        version = 4 if dtype == "int16" else 2
        net.op(code, [a, b], [y], "MaximumMinimumOptions", version)
        check_agreement(net.file(y), rng)


def test_prelu() -> None:
    rng = np.random.default_rng(2)
    inside = []
    for case in range(60):
        net = Net()
        shape = tuple(int(n) for n in rng.integers(1, 9, 2 + case % 3))
        slopes = rng.integers(-128, 128, shape[-1:] if case % 2 else (1, *shape[2:]))
        scales = [_f32(s) for s in (rng.uniform(0.02, 0.1), 0.01, rng.uniform(0.04, 0.1))]
        zeros = [int(z) for z in rng.integers(-60, 60, 3)]
        x = net.input(shape, "int8", scales[0], zeros[0])
        alpha = net.constant(slopes.astype(np.int8), scales[1], zeros[1])
        y = net.tensor("y", shape, "int8", scales[2], zeros[2])
        net.op("PRELU", [x, alpha], [y], version=1)
        inside.append(check_agreement(net.file(y), rng))
    assert np.mean(inside) > 0.7


_PRODUCTS = [
    # batch of the left side, of the right side
    ((), ()),
    ((1,), (1,)),
    ((3,), (3,)),
    ((3,), (1,)),
    ((1,), (4,)),
    ((2, 3), (2, 3)),
    ((2, 3), (1, 1)),
]


@pytest.mark.parametrize("adjoint", [(False, False), (True, False), (False, True), (True, True)])
def test_batch_matmul(adjoint: tuple[bool, bool]) -> None:
    rng = np.random.default_rng(3)
    inside = []
    for case in range(42):
        products = _PRODUCTS[:: -1 if case % 2 else 1]
        batch, other = products[case % len(products)]
        if adjoint[0] and np.prod(batch) > np.prod(other):
            continue  # refused: below
        rows, depth, columns = (int(n) for n in rng.integers(1, 12, 3))
        depth = 80 if case == 20 else depth
        net = Net()
        scales = [_f32(s) for s in rng.uniform(0.01, 0.1, 2)]
        zeros = [int(z) for z in rng.integers(-128, 128, 3)]
        left = (depth, rows) if adjoint[0] else (rows, depth)
        right = (columns, depth) if adjoint[1] else (depth, columns)
        a = net.input((*batch, *left), "int8", scales[0], zeros[0])
        b = net.input((*other, *right), "int8", scales[1], zeros[1])
        shape = (*np.broadcast_shapes(batch, other), rows, columns)
        out_scale = _f32(scales[0] * scales[1] * depth**0.5 * 150)
        y = net.tensor("y", shape, "int8", out_scale, zeros[2] // 4)
        options = {"adj_x": adjoint[0], "adj_y": adjoint[1]}
        net.op("BATCH_MATMUL", [a, b], [y], "BatchMatMulOptions", 2, **options)
        inside.append(check_agreement(net.file(y), rng))
    assert np.mean(inside) > 0.7


def test_batch_matmul_with_a_constant_side() -> None:
    rng = np.random.default_rng(4)
    net = Net()
    x = net.input((2, 5, 7), "int8", 0.05, -3)
    weights = rng.integers(-128, 128, (2, 7, 6)).astype(np.int8)
    y = net.tensor("y", (2, 5, 6), "int8", 0.9, 11)
    net.op("BATCH_MATMUL", [x, net.constant(weights, 0.02, 0)], [y], "BatchMatMulOptions", 2)
    check_agreement(net.file(y), rng)


def _svdf(rng: np.random.Generator, rank: int, bias: bool) -> bytes:
    net = Net()
    inputs, units, steps = (int(n) for n in rng.integers(1, 14, 3))
    filters = units * rank
    scale, weight, time = (_f32(s) for s in rng.uniform(0.01, 0.1, 3))
    memory = _f32(scale * weight * inputs**0.5 * 9000 / 12000)
    x = net.input((1, inputs), "int8", scale, int(rng.integers(-128, 128)))
    features = rng.integers(-128, 128, (filters, inputs)).astype(np.int8)
    times = rng.integers(-32768, 32768, (filters, steps)).astype(np.int16)
    given = [x, net.constant(features, weight), net.constant(times, time)]
    out_scale = _f32(memory * time * 12000 * 19000 * (steps * rank) ** 0.5 / 40)
    if bias:
        limit = int(out_scale / (memory * time) * 20)
        values = rng.integers(-limit, limit, units).clip(-(2**31), 2**31 - 1).astype(np.int32)
        given.append(net.constant(values, _f32(memory * time)))
    else:
        given.append(-1)
    given.append(net.tensor("memory", (1, filters * steps), "int16", memory, 0, variable=True))
    y = net.tensor("y", (1, units), "int8", out_scale, int(rng.integers(-40, 40)))
    net.op("SVDF", given, [y], "SVDFOptions", 3, rank=rank, fused_activation_function=1)
    return net.file(y)


def test_svdf_over_many_runs() -> None:
    rng = np.random.default_rng(5)
    inside = [
        check_agreement(_svdf(rng, 1 + case % 3, case % 4 > 0), rng, runs=20) for case in range(24)
    ]
    assert np.mean(inside) > 0.7


def test_softmax_int16() -> None:
    rng = np.random.default_rng(6)
    for case in range(60):
        net = Net()
        depth = [1, 2, 3, 4, 10, 29, 80, 300][case % 8]
        scale = _f32(2.0 ** rng.uniform(-16, -7))
        x = net.input((3, depth), "int16", scale)
        y = net.tensor("y", (3, depth), "int16", 2.0**-15)
        beta = float(rng.choice([1.0, 0.5]))
        net.op("SOFTMAX", [x], [y], "SoftmaxOptions", 3, beta=beta)
        check_agreement(net.file(y), rng)


def test_softmax_int16_of_every_difference() -> None:
    for scale in (2.0**-13, 10.0 / 65535.0, 0.00041):
        net = Net()
        x = net.input((1, 2), "int16", _f32(scale))
        y = net.tensor("y", (1, 2), "int16", 2.0**-15)
        net.op("SOFTMAX", [x], [y], "SoftmaxOptions", 3, beta=1.0)
        data = net.file(y)
        oracle, device = interpreter(data), core(data)
        for low in range(-32768, 32767, 41):
            given = [np.array([[32767, low]], np.int16)]
            np.testing.assert_array_equal(run_oracle(oracle, given)[0], device.run(*given)[0])


def arg_extreme(code: str, shape: tuple[int, ...], axis: int, types: tuple[str, str]) -> bytes:
    net = Net()
    x = net.input(shape, types[0], 0.05, 3 if types[0] == "int8" else 0)
    kept = tuple(n for d, n in enumerate(shape) if d != axis % len(shape))
    y = net.tensor("y", kept, types[1])
    at = net.constant(np.array(axis, np.int32))
    kind = "ArgMaxOptions" if code == "ARG_MAX" else "ArgMinOptions"
    output_type = {"int32": 2, "int64": 4}[types[1]]
    net.op(code, [x, at], [y], kind, 2, output_type=output_type)
    return net.file(y)


ARRAYS = [(1,), (257,), (1, 1), (1, 1000), (3, 257), (5, 1), (2, 3, 5), (1, 4, 7, 9), (2, 3, 1, 6)]


@pytest.mark.parametrize("types", [("int8", "int32"), ("uint8", "int32"), ("int8", "int64")])
@pytest.mark.parametrize("code", ["ARG_MAX", "ARG_MIN"])
def test_arg_extreme(code: str, types: tuple[str, str]) -> None:
    rng = np.random.default_rng(7)
    for shape in ARRAYS:
        for axis in range(-1, len(shape)):
            check_agreement(arg_extreme(code, shape, axis, types), rng)


def log_softmax(shape: tuple[int, ...], scale: float, dtype: str = "int8") -> bytes:
    net = Net()
    x = net.input(shape, dtype, _f32(scale), -5 if dtype == "int8" else 0)
    y = net.tensor("y", shape, dtype, 16 / 256, 127 if dtype == "int8" else 0)
    net.op("LOG_SOFTMAX", [x], [y], "LogSoftmaxOptions", 2)
    return net.file(y)


_CLASSES = [(1, 1), (3, 2), (5, 3), (2, 2, 7), (2, 29), (3, 257), (1, 1000), (1, 4095), (40,)]


def test_log_softmax() -> None:
    rng = np.random.default_rng(9)
    inside = []
    for case in range(90):
        scale = 2.0 ** rng.uniform(-9, 0)
        data = log_softmax(_CLASSES[case % len(_CLASSES)], scale)
        inside.append(check_agreement(data, rng))
    assert np.mean(inside) > 0.5


def test_extremes_of_differently_quantised_tensors_are_refused() -> None:
    net = Net()
    a, b = net.input((1, 4), "int8", 0.1), net.input((1, 4), "int8", 0.2)
    y = net.tensor("y", (1, 4), "int8", 0.1)
    net.op("MAXIMUM", [a, b], [y], "MaximumMinimumOptions")
    with pytest.raises(ConvertError, match=r"MAXIMUM \(tensor 'y'\).*differ.*same scale"):
        lower_graph(net.file(y))


def test_a_product_that_tflite_computes_wrongly_is_refused() -> None:
    net = Net()
    a, b = net.input((3, 4, 2), "int8", 0.1), net.input((1, 4, 5), "int8", 0.2)
    y = net.tensor("y", (3, 2, 5), "int8", 0.1)
    net.op("BATCH_MATMUL", [a, b], [y], "BatchMatMulOptions", 2, adj_x=True)
    with pytest.raises(ConvertError, match=r"BATCH_MATMUL \(tensor 'y'\).*wrongly.*Transpose"):
        lower_graph(net.file(y))


def test_products_of_int16_are_refused() -> None:
    net = Net()
    a, b = net.input((1, 4, 4), "int16", 0.1), net.input((1, 4, 4), "int16", 0.2)
    y = net.tensor("y", (1, 4, 4), "int16", 0.1)
    net.op("BATCH_MATMUL", [a, b], [y], "BatchMatMulOptions", 3)
    with pytest.raises(ConvertError, match=r"BATCH_MATMUL \(tensor 'y'\).*only int8"):
        lower_graph(net.file(y))
