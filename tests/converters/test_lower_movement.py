"""Operators that move data, and how little of it is really moved."""

import numpy as np
import pytest
from edgesdk.errors import BundleError, ConvertError
from edgesdk_converters.lower import lower_graph
from single_op import Net, check_agreement, core, interpreter, run_oracle

pytestmark = pytest.mark.needs_cc
Q8 = (0.05, -7)


def _quantisation(dtype: str) -> tuple[float, int]:
    return Q8 if dtype == "int8" else (0.001, 0)


def _ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def ops_of(data: bytes) -> list[str]:
    return [record.op for record in lower_graph(data).plan.records]


def _after_add(net: Net, shape: tuple[int, ...], dtype: str) -> int:
    """x + x, so that the moved tensor is computed and not an input."""
    scale, zero = _quantisation(dtype)
    x = net.input(shape, dtype, scale, zero)
    y = net.tensor("sum", shape, dtype, scale, zero)
    version = 2 if dtype == "int8" else 4
    net.op("ADD", [x, x], [y], "AddOptions", version, pot_scale_int16=False)
    return y


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_concatenation(dtype: str) -> None:
    rng = np.random.default_rng(1)
    for case in range(24):
        net = Net()
        rank, axis = [(2, 1), (3, 0), (3, 1), (4, -1)][case % 4]
        base = [int(n) for n in rng.integers(1, 6, rank)]
        parts, total = [], 0
        for _ in range(int(rng.integers(1, 5))):
            shape = base.copy()
            shape[axis] = int(rng.integers(1, 9))
            total += shape[axis]
            parts.append(net.input(tuple(shape), dtype, *_quantisation(dtype)))
        base[axis] = total
        y = net.tensor("y", tuple(base), dtype, *_quantisation(dtype))
        net.op("CONCATENATION", parts, [y], "ConcatenationOptions", axis=axis)
        check_agreement(net.file(y), rng, runs=2)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_slices(dtype: str) -> None:
    rng = np.random.default_rng(2)
    for case in range(40):
        net = Net()
        shape = tuple(int(n) for n in rng.integers(2, 8, 1 + case % 4))
        begin = [int(rng.integers(0, n)) for n in shape]
        size = [int(rng.integers(1, n - b + 1)) for n, b in zip(shape, begin, strict=True)]
        x = _after_add(net, shape, dtype)
        y = net.tensor("y", tuple(size), dtype, *_quantisation(dtype))
        net.op("SLICE", [x, net.constant(_ints(*begin)), net.constant(_ints(*size))], [y])
        check_agreement(net.file(y), rng, runs=2)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_strided_slices(dtype: str) -> None:
    rng = np.random.default_rng(3)
    for case in range(40):
        net = Net()
        shape = tuple(int(n) for n in rng.integers(2, 8, 1 + case % 4))
        begin = [int(rng.integers(-n, n)) for n in shape]
        end = [int(rng.integers(-n - 2, n + 3)) for n in shape]
        step = [int(rng.integers(1, 4)) for _ in shape]
        masks = [int(rng.integers(0, 1 << len(shape))) for _ in range(2)]
        shrink = int(rng.integers(0, 1 << len(shape))) if case % 3 == 0 else 0
        masks = [mask & ~shrink for mask in masks]
        index = tuple(
            (b % n)
            if shrink >> d & 1
            else slice(None if masks[0] >> d & 1 else b, None if masks[1] >> d & 1 else e, s)
            for d, (b, e, s, n) in enumerate(zip(begin, end, step, shape, strict=True))
        )
        out = np.zeros(shape)[index].shape
        if 0 in out:
            continue
        x = _after_add(net, shape, dtype)
        y = net.tensor("y", out, dtype, *_quantisation(dtype))
        bounds = [net.constant(_ints(*v)) for v in (begin, end, step)]
        options = {"begin_mask": masks[0], "end_mask": masks[1], "shrink_axis_mask": shrink}
        net.op("STRIDED_SLICE", [x, *bounds], [y], "StridedSliceOptions", **options)
        check_agreement(net.file(y), rng, runs=2)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_transpose(dtype: str) -> None:
    rng = np.random.default_rng(4)
    for case in range(40):
        net = Net()
        shape = tuple(int(n) for n in rng.integers(1, 8, 1 + case % 4))
        order = rng.permutation(len(shape))
        x = _after_add(net, shape, dtype)
        y = net.tensor("y", tuple(shape[p] for p in order), dtype, *_quantisation(dtype))
        net.op("TRANSPOSE", [x, net.constant(_ints(*order))], [y], "TransposeOptions")
        check_agreement(net.file(y), rng, runs=2)


def test_pad_with_the_zero_point_and_with_a_value() -> None:
    rng = np.random.default_rng(5)
    for case in range(20):
        net = Net()
        shape = tuple(int(n) for n in rng.integers(1, 6, 1 + case % 4))
        widths = rng.integers(0, 3, (len(shape), 2)).astype(np.int32)
        x = net.input(shape, "int8", *Q8)
        out = tuple(int(n + w.sum()) for n, w in zip(shape, widths, strict=True))
        y = net.tensor("y", out, "int8", *Q8)
        inputs = [x, net.constant(widths)]
        if case % 2:
            inputs.append(net.constant(np.array([19], np.int8), *Q8))
        net.op("PADV2" if case % 2 else "PAD", inputs, [y])
        check_agreement(net.file(y), rng, runs=2)


def test_split_gives_every_part() -> None:
    rng = np.random.default_rng(6)
    for shape, axis, count in [((2, 12), 1, 4), ((6, 5), 0, 3), ((2, 4, 3), 1, 2)]:
        net = Net()
        x = _after_add(net, shape, "int8")
        part = list(shape)
        part[axis] //= count
        outputs = [net.tensor(f"y{i}", tuple(part), "int8", *Q8) for i in range(count)]
        net.op("SPLIT", [net.constant(_ints(axis)), x], outputs, "SplitOptions", num_splits=count)
        check_agreement(net.file(*outputs), rng, runs=2)


def test_split_v_with_uneven_parts() -> None:
    rng = np.random.default_rng(7)
    net = Net()
    x = _after_add(net, (3, 10), "int8")
    sizes = [1, 6, 3]
    outputs = [net.tensor(f"y{i}", (3, n), "int8", *Q8) for i, n in enumerate(sizes)]
    inputs = [x, net.constant(_ints(*sizes)), net.constant(_ints(1))]
    net.op("SPLIT_V", inputs, outputs, "SplitVOptions", num_splits=3)
    check_agreement(net.file(*outputs), rng, runs=2)


@pytest.mark.parametrize("code", ["GATHER", "EMBEDDING_LOOKUP", "GATHER int16"])
def test_lookup_and_its_bounds(code: str) -> None:
    rng = np.random.default_rng(8)
    net = Net()
    code, _, wide = code.partition(" ")
    dtype = wide or "int8"
    values = rng.integers(-128, 128, (29, 17)).astype(dtype)
    table = net.constant(values, *_quantisation(dtype))
    ids = net.input((5,), "int32")
    y = net.tensor("y", (5, 17), dtype, *_quantisation(dtype))
    if code == "GATHER":
        net.op(code, [table, ids], [y], "GatherOptions", 4 if wide else 2, axis=0)
    else:
        net.op(code, [ids, table], [y], version=1)
    data = net.file(y)
    device, oracle = core(data), interpreter(data)
    for _ in range(10):
        index = rng.integers(0, 29, 5).astype(np.int32)
        expected = run_oracle(oracle, [index])[0]
        np.testing.assert_array_equal(expected, device.run(index)[0])
    for wrong in (-1, 29, 2**31 - 1, -(2**31)):
        with pytest.raises(BundleError, match="argument out of range"):
            device.run(np.array([0, 1, 2, 3, wrong], np.int32))


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_pack_and_unpack(dtype: str) -> None:
    rng = np.random.default_rng(10)
    for case in range(24):
        net = Net()
        rank = case % 3 + 1
        shape = tuple(int(n) for n in rng.integers(1, 6, rank))
        axis = int(rng.integers(-rank - 1, rank + 1))
        count = int(rng.integers(1, 5))
        parts = [_after_add(net, shape, dtype) for _ in range(count)]
        at = axis % (rank + 1)
        packed = net.tensor(
            "packed", (*shape[:at], count, *shape[at:]), dtype, *_quantisation(dtype)
        )
        options = {"values_count": count, "axis": axis}
        net.op("PACK", parts, [packed], "PackOptions", 2, **options)
        taken = int(rng.integers(0, rank + 1))
        left = (*shape[:at], count, *shape[at:])
        rest = left[:taken] + left[taken + 1 :]
        outputs = [
            net.tensor(f"y{i}", rest, dtype, *_quantisation(dtype)) for i in range(left[taken])
        ]
        options = {"num": left[taken], "axis": taken}
        net.op("UNPACK", [packed], outputs, "UnpackOptions", 3, **options)
        check_agreement(net.file(*outputs), rng, runs=2)


_GATHERS = [
    # table, indices, axis, batch_dims
    ((7, 5), (3,), 0, 0),
    ((4, 7, 3), (2, 3), 1, 0),
    ((2, 3, 6), (4,), -1, 0),
    ((3, 7, 2), (3, 4), 1, 1),
    ((2, 3, 5, 4), (2, 6), 2, 1),
    ((2, 6), (2, 3), 1, -1),
]


@pytest.mark.parametrize("constant", [None, "int32", "int64"])
@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_gather_along_any_axis(dtype: str, constant: str | None) -> None:
    rng = np.random.default_rng(11)
    for shape, index_shape, axis, batch in _GATHERS:
        net = Net()
        at, first = axis % len(shape), batch % len(index_shape)
        ids = rng.integers(0, shape[at], index_shape)
        x = net.input(shape, dtype, *_quantisation(dtype))
        if constant is None:
            index = net.input(index_shape, "int32")
        else:
            index = net.constant(ids.astype(constant))
        out = (*shape[:at], *index_shape[first:], *shape[at + 1 :])
        y = net.tensor("y", out, dtype, *_quantisation(dtype))
        options = {"axis": axis, "batch_dims": batch}
        net.op("GATHER", [x, index], [y], "GatherOptions", 5, **options)
        data = net.file(y)
        low, high = (-128, 128) if dtype == "int8" else (-(2**15), 2**15)
        inputs = [rng.integers(low, high, shape).astype(dtype)]
        inputs += [ids.astype(np.int32)] if constant is None else []
        expected = run_oracle(interpreter(data), inputs)[0]
        np.testing.assert_array_equal(core(data).run(*inputs)[0], expected)


def test_names_for_the_same_bytes_cost_nothing() -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS and contiguous slices are no operators on the device."""
    rng = np.random.default_rng(9)
    net = Net()
    x = _after_add(net, (1, 6, 4), "int8")
    a = net.tensor("a", (6, 4), "int8", *Q8)
    b = net.tensor("b", (6, 1, 4), "int8", *Q8)
    c = net.tensor("c", (2, 12), "int8", *Q8)
    d = net.tensor("d", (1, 12), "int8", *Q8)
    y = net.tensor("y", (1, 12), "int8", *Q8)
    net.op("SQUEEZE", [x], [a], "SqueezeOptions", 1, squeeze_dims=[0])
    net.op("EXPAND_DIMS", [a, net.constant(_ints(1))], [b], version=1)
    net.op("RESHAPE", [b, net.constant(_ints(2, 12))], [c], "ReshapeOptions", 1, new_shape=[2, 12])
    net.op("SLICE", [c, net.constant(_ints(1, 0)), net.constant(_ints(1, 12))], [d])
    net.op("ADD", [d, d], [y], "AddOptions")
    data = net.file(y)
    check_agreement(data, rng)
    assert ops_of(data) == ["ADD_S8", "ADD_S8"]


def test_concatenation_of_differently_quantised_tensors_is_refused() -> None:
    net = Net()
    a, b = net.input((1, 4), "int8", 0.1, 0), net.input((1, 4), "int8", 0.2, 0)
    y = net.tensor("joined", (1, 8), "int8", 0.1, 0)
    net.op("CONCATENATION", [a, b], [y], "ConcatenationOptions", axis=1)
    with pytest.raises(ConvertError, match=r"CONCATENATION \(tensor 'joined'\): 'in1'.*differ"):
        lower_graph(net.file(y))
