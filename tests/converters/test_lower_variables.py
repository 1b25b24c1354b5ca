"""Resource variables: read, assigned and given out in every order, beside TFLite's own."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from edgesdk.emulate.tflite import TfliteGraph, op_outputs
from edgesdk.errors import BundleError, ConvertError
from edgesdk_converters.lower import lower_graph
from edgesdk_converters.tflite.model import Graph, Model, Operator
from edgesdk_converters.tflite.write import write_tflite
from single_op import Net, core, interpreter, random_inputs, run_oracle

QUANT = (0.05, 3)
SHAPE = (1, 16)


@dataclass
class VariableNet(Net):
    """A net with resource variables and a subgraph that starts them."""

    starts: Net = field(default_factory=Net)

    def variable(self, name: str, start: np.ndarray | None = None) -> int:
        """A handle; the first one of a graph calls the subgraph before."""
        options = {"container": "", "shared_name": name}
        if not self.operators:
            self.op("CALL_ONCE", [], [], "CallOnceOptions", 1, init_subgraph_index=1)
        if start is not None:
            inner = self.starts.tensor(f"{name}/start", (), "resource")
            self.starts.op("VAR_HANDLE", [], [inner], "VarHandleOptions", 1, **options)
            value = self.starts.constant(start, *QUANT)
            self.starts.op("ASSIGN_VARIABLE", [inner, value], [], "AssignVariableOptions", 1)
        handle = self.tensor(name, (), "resource")
        self.op("VAR_HANDLE", [], [handle], "VarHandleOptions", 1, **options)
        return handle

    def read(self, handle: int, shape: tuple[int, ...] = SHAPE) -> int:
        value = self.tensor(f"read{len(self.tensors)}", shape, "int8", *QUANT)
        self.op("READ_VARIABLE", [handle], [value], "ReadVariableOptions", 1)
        return value

    def assign(self, handle: int, value: int) -> None:
        self.op("ASSIGN_VARIABLE", [handle, value], [], "AssignVariableOptions", 1)

    def add(self, a: int, b: int) -> int:
        y = self.tensor(f"sum{len(self.tensors)}", SHAPE, "int8", *QUANT)
        self.op("ADD", [a, b], [y], "AddOptions")
        return y

    def file(self, *outputs: int) -> bytes:
        main = Graph(
            "main", tuple(self.tensors), tuple(self.operators), tuple(self.inputs), outputs
        )
        inner = self.starts
        start = Graph("start", tuple(inner.tensors), tuple(inner.operators), (), ())
        return write_tflite(Model((main, start)))


def _start(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, SHAPE).astype(np.int8)


def _streams(data: bytes, steps: int = 6) -> list[str]:
    """Same bits over several runs, and again behind a reset; returns the plan's operators."""
    rng = np.random.default_rng(2)
    device, laptop = core(data), TfliteGraph(data, "m")
    for _ in range(2):
        oracle = interpreter(data)
        for _ in range(steps):
            inputs = random_inputs(oracle, rng)
            expected = run_oracle(oracle, inputs)
            for found in (device.run(*inputs), laptop.run(*inputs)):
                for a, b in zip(expected, found, strict=True):
                    np.testing.assert_array_equal(a, b)
        device.reset()
        laptop.reset()
    return [record.op for record in lower_graph(data).plan.records]


def accumulating() -> bytes:
    net = VariableNet()
    x = net.input(SHAPE, "int8", *QUANT)
    handle = net.variable("sum", _start(1))
    total = net.add(net.read(handle), x)
    net.assign(handle, total)
    return net.file(net.add(total, x))


@pytest.mark.needs_cc
def test_a_new_value_is_computed_into_the_state_block() -> None:
    net = VariableNet()
    x = net.input(SHAPE, "int8", *QUANT)
    handle = net.variable("v", _start(1))
    middle = net.add(net.read(handle), x)
    following = net.add(middle, x)
    net.assign(handle, following)
    assert _streams(net.file(net.add(following, x))) == ["ADD_S8"] * 3


@pytest.mark.needs_cc
def test_a_value_is_read_before_and_after_it_is_assigned() -> None:
    net = VariableNet()
    x = net.input(SHAPE, "int8", *QUANT)
    handle = net.variable("v", _start(2))
    old = net.read(handle)
    net.assign(handle, net.add(old, x))
    new = net.read(handle)
    assert _streams(net.file(net.add(old, new), old, new))


@pytest.mark.needs_cc
def test_two_variables_swap() -> None:
    net = VariableNet()
    x = net.input(SHAPE, "int8", *QUANT)
    a, b = net.variable("a", _start(3)), net.variable("b", _start(4))
    old_a, old_b = net.read(a), net.read(b)
    net.assign(a, old_b)
    net.assign(b, old_a)
    assert _streams(net.file(net.add(old_a, x)))


@pytest.mark.needs_cc
def test_a_variable_is_assigned_twice_and_before_it_is_read() -> None:
    net = VariableNet()
    x = net.input(SHAPE, "int8", *QUANT)
    handle = net.variable("v", _start(5))
    old = net.read(handle)
    twice = net.add(x, x)
    net.assign(handle, twice)
    first = net.read(handle)
    net.assign(handle, net.add(first, old))
    assert _streams(net.file(net.read(handle), first))


@pytest.mark.needs_cc
def test_variables_in_random_order() -> None:
    """Random reads, sums and assignments of three variables, with random outputs."""
    rng = np.random.default_rng(6)
    for _ in range(40):
        net = VariableNet()
        values = [net.input(SHAPE, "int8", *QUANT)]
        handles = [net.variable(f"v{i}", _start(i)) for i in range(3)]
        for _ in range(int(rng.integers(3, 14))):
            handle = handles[int(rng.integers(3))]
            kind = rng.random()
            if kind < 0.35:
                values.append(net.read(handle))
            elif kind < 0.65 and len(values) > 1:
                net.assign(handle, values[int(rng.integers(1, len(values)))])
            else:
                a, b = rng.integers(0, len(values), 2)
                values.append(net.add(values[a], values[b]))
        results = [net.add(values[-1], values[0])]
        if len(values) > 2:
            results.append(values[int(rng.integers(1, len(values)))])
        _streams(net.file(*dict.fromkeys(results)), 3)


@pytest.mark.needs_cc
def test_an_output_that_shows_a_state_shows_it_as_it_was() -> None:
    """An explicit state, renamed as an output, changes at the end of the same run."""
    net = Net()
    x = net.input(SHAPE, "int8", *QUANT, name="x")
    state = net.input(SHAPE, "int8", *QUANT, name="state.s")
    shown = net.tensor("shown", SHAPE, "int8", *QUANT)
    net.op("RESHAPE", [state], [shown], "ReshapeOptions", 1, new_shape=[1, 16])
    following = net.tensor("state.s.next", SHAPE, "int8", *QUANT)
    net.op("ADD", [state, x], [following], "AddOptions")
    device = core(net.file(shown, following))
    given = _start(7)
    assert set(device.run(given)[0].reshape(-1).tolist()) == {QUANT[1]}
    np.testing.assert_array_equal(device.run(given)[0], given)


@pytest.mark.needs_cc
def test_operators_of_a_later_step_are_named_by_replay() -> None:
    data = accumulating()
    rng = np.random.default_rng(9)
    steps = [[rng.integers(-128, 128, SHAPE).astype(np.int8)] for _ in range(3)]
    laptop = TfliteGraph(data, "m")
    results = [laptop.run(*step)[0] for step in steps]
    assert laptop.state == {}
    found = op_outputs(data, steps[2], None, "m", steps[:2])
    last = list(found)[-1]
    np.testing.assert_array_equal(found[last], results[2])
    assert not np.array_equal(op_outputs(data, steps[2])[last], results[2])
    with pytest.raises(BundleError, match="states"):
        laptop.state = {"sum": steps[0][0]}


def _started_twice() -> bytes:
    net = VariableNet()
    x = net.input(SHAPE, "int8", *QUANT)
    net.variable("v", _start(1))
    handle = net.variable("v", _start(2))
    return net.file(net.add(net.read(handle), x))


def _computed_start() -> bytes:
    net = VariableNet()
    x = net.input(SHAPE, "int8", *QUANT)
    handle = net.variable("v", _start(1))
    starts = net.starts
    value = starts.operators[-1].inputs[1]
    y = starts.tensor("computed", SHAPE, "int8", *QUANT)
    starts.operators.insert(0, Operator("ADD", 2, (value, value), (y,), (), "AddOptions"))
    return net.file(net.add(net.read(handle), x))


def _never_started() -> bytes:
    net = VariableNet()
    x = net.input(SHAPE, "int8", *QUANT)
    return net.file(net.add(net.read(net.variable("v")), x))


def _other_shape() -> bytes:
    net = VariableNet()
    x = net.input(SHAPE, "int8", *QUANT)
    read = net.read(net.variable("v", _start(1)), (1, 8))
    y = net.tensor("joined", (1, 24), "int8", *QUANT)
    net.op("CONCATENATION", [read, x], [y], "ConcatenationOptions", axis=1)
    return net.file(y)


def _no_handle() -> bytes:
    net = VariableNet()
    x = net.input(SHAPE, "int8", *QUANT)
    net.variable("v", _start(1))
    return net.file(net.add(net.read(net.tensor("stray", (), "resource")), x))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_started_twice(), r"CALL_ONCE.*variable 'v' starts twice.*one CALL_ONCE"),
        (_computed_start(), r"CALL_ONCE.*ADD in its subgraph is not covered.*assign a constant"),
        (_never_started(), r"READ_VARIABLE \(tensor 'read.*'v' has no start value.*CALL_ONCE"),
        (_other_shape(), r"READ_VARIABLE.*starts as int8\[1, 16\], 'read.*int8\[1, 8\].*one type"),
        (_no_handle(), r"READ_VARIABLE.*'stray' is no VAR_HANDLE"),
    ],
    ids=["started twice", "computed start", "never started", "other shape", "no handle"],
)
def test_what_is_not_covered_is_named(data: bytes, message: str) -> None:
    with pytest.raises(ConvertError, match=message):
        lower_graph(data)
