"""Which integers hold what: scales, widths, ties; and the rules of a legal graph."""

from dataclasses import replace

import numpy as np
import pytest
from edgesdk.errors import ConvertError
from edgesdk_converters.execute import FUNCTIONS, Stream
from edgesdk_converters.graph import RULES, Graph, Node, State, check_graph
from edgesdk_converters.quantise.calibrate import Observation
from edgesdk_converters.quantise.cells import spell_cells
from edgesdk_converters.quantise.emit import EMITTERS, quantise_graph
from edgesdk_converters.quantise.measure import TfliteStream, measure, open_interpreter
from edgesdk_converters.quantise.plan import plan_values
from edgesdk_converters.quantise.precision import wide_values
from edgesdk_converters.quantise.ranges import (
    Range,
    asymmetric,
    cell_quantisation,
    dequantise,
    int8_quantisation,
    int16_quantisation,
    quantise,
    symmetric_weights,
)
from edgesdk_converters.tflite.model import Model
from edgesdk_converters.tflite.write import write_tflite
from hypothesis import given, settings
from hypothesis import strategies as st

REALS = st.floats(-1e3, 1e3, allow_nan=False, width=32)


@given(low=REALS, high=REALS)
def test_asymmetric_range_then_zero_is_exact_and_ends_are_near(low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    grid = asymmetric(low, high)
    assert dequantise(quantise(np.zeros(1), grid, "int8"), grid)[0] == 0.0
    ends = np.array([min(low, 0.0), max(high, 0.0)])
    error = np.abs(dequantise(quantise(ends, grid, "int8"), grid) - ends)
    assert error.max() <= 1.01 * grid.scale[0]


@given(st.floats(1e-4, 1e4))
def test_int16_scale_is_the_smallest_power_of_two_that_holds(largest: float) -> None:
    scale = float(int16_quantisation(Range(-largest, largest)).scale[0])
    assert np.log2(scale) == np.round(np.log2(scale))
    assert 32767 * scale >= largest * (1 - 1e-6)
    assert 32767 * scale / 2 < largest * (1 + 1e-6)


def test_cell_scale_never_exceeds_what_the_kernel_takes() -> None:
    assert float(cell_quantisation(Range(-200.0, 5.0)).scale[0]) == 2.0**-9
    assert float(cell_quantisation(Range(-3.0, 3.9)).scale[0]) == 2.0**-13


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_weights_per_tensor_and_per_row_then_half_a_step_off(seed: int) -> None:
    weight = np.random.default_rng(seed).normal(0, 1, (5, 7)).astype(np.float32)
    for axis in (None, 0):
        q, grid = symmetric_weights(weight, axis)
        scale = grid.scale.reshape(-1, 1) if axis == 0 else grid.scale
        assert np.abs(q * scale - weight).max() <= 0.5001 * grid.scale.max()
        assert q.min() >= -127


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
def test_methods_on_a_heavy_tail_then_mse_is_best(method: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_t(3, 20000).astype(np.float32)
    seen = Range()
    for piece in np.split(values, 100):
        seen.observe(piece)

    def error(name: str) -> float:
        grid = int8_quantisation(seen, name)
        return float(np.square(dequantise(quantise(values, grid, "int8"), grid) - values).sum())

    assert error("mse") <= error(method)


def test_range_over_many_values_then_sample_stays_small_and_ends_exact() -> None:
    seen = Range()
    for index in range(3000):
        seen.observe(np.full(64, index / 1000, np.float32))
    assert (seen.low, seen.high) == (0.0, np.float32(2.999))
    sample = seen.sample()
    assert 1 << 13 < sample.size <= (1 << 15) + 64
    assert abs(sample.mean() - 1.5) < 0.05


def cell(mixed: bool = False) -> Graph:
    """h' = sigmoid(W x + R h) * tanh(c'), c' = c + tanh(W x); `mixed` also adds c to the output."""
    rng = np.random.default_rng(3)

    def linear(name: str, x: str, y: str, width: int) -> Node:
        weight = rng.normal(0, 0.5, (4, width)).astype(np.float32)
        return Node("linear", name, (x,), (y,), {"weight": weight, "bias": np.zeros(4)})

    nodes = [
        linear("wx", "x", "wx", 6),
        linear("rh", "h", "rh", 4),
        Node("add", "gates", ("wx", "rh"), ("gates",)),
        Node("sigmoid", "o", ("gates",), ("o",)),
        Node("tanh", "g", ("wx",), ("g",)),
        Node("mul_const", "half", ("c",), ("kept",), {"value": np.array([0.5], np.float32)}),
        Node("add", "c1", ("kept", "g"), ("c1",)),
        Node("tanh", "tc", ("c1",), ("tc",)),
        Node("mul", "h1", ("o", "tc"), ("h1",)),
        linear("out", "h1", "flat", 4),
    ]
    last = Node("add", "sum", ("flat", "c1"), ("y",))
    nodes.append(last if mixed else Node("relu", "y", ("flat",), ("y",)))
    shapes = dict.fromkeys(
        ["h", "c", "wx", "rh", "gates", "o", "g", "kept", "c1", "tc", "h1", "flat", "y"], (1, 4)
    ) | {"x": (1, 6)}
    states = (State("h", "h", "h1"), State("c", "c", "c1"))
    return Graph("cell", ("x",), ("y",), states, tuple(nodes), shapes)


def test_cell_then_gates_and_c_are_wide_and_h_and_ends_narrow() -> None:
    wide = wide_values(cell())
    assert wide == {"wx", "rh", "gates", "o", "g", "kept", "c1", "tc"}
    assert "flat" in wide_values(cell(mixed=True))


def test_cell_then_integers_follow_floats_for_long() -> None:
    graph = cell(mixed=True)
    check_graph(graph)
    seen = Observation()
    stream = Stream(graph, seen)
    rng = np.random.default_rng(1)
    steps = [(rng.normal(0, 1, (1, 6)).astype(np.float32),) for _ in range(300)]
    for step in steps:
        stream.step(*step)
    specs = plan_values(graph, seen, "minmax", {}, wide_values(graph))
    assert specs["h"] == specs["h1"] and specs["h"].dtype == "int8"
    assert specs["h"].quantisation.zero_point[0] == 0, "CAST widens h, so its zero must be 0"
    assert specs["c"] == specs["c1"] and specs["c"].dtype == "int16"
    assert float(specs["gates"].quantisation.scale[0]) == 2.0**-12
    quantised = quantise_graph(graph, seen, "minmax", {})
    runner = TfliteStream(open_interpreter(write_tflite(Model((quantised.graph,)))))
    assert measure(graph, runner, [steps])["y"] > 35.0


def test_value_that_only_tanh_reads_then_range_ends_where_tanh_is_flat() -> None:
    shapes = dict.fromkeys(["a", "b", "sum", "y"], (1, 4))
    nodes = (Node("add", "sum", ("a", "b"), ("sum",)), Node("tanh", "y", ("sum",), ("y",)))
    graph = Graph("joiner", ("a", "b"), ("y",), (), nodes, shapes)
    seen = {name: Range(-12.0, 12.0) for name in shapes}
    specs = plan_values(graph, seen, "minmax", {}, frozenset())
    assert float(specs["sum"].quantisation.scale[0]) == np.float32(8 / 255)
    assert float(specs["a"].quantisation.scale[0]) == np.float32(24 / 255)
    both = replace(graph, outputs=("y", "sum"))
    specs = plan_values(both, seen, "minmax", {}, frozenset())
    assert float(specs["sum"].quantisation.scale[0]) == np.float32(24 / 255)


def test_layer_norm_over_a_wide_span_of_loudness_then_noise_is_low() -> None:
    gamma, beta = np.linspace(0.5, 2, 16), np.linspace(-1, 1, 16)
    node = Node("layer_norm", "n", ("x",), ("y",), {"gamma": gamma, "beta": beta},
                {"epsilon": 1e-5})  # fmt: skip
    shapes = {"x": (1, 16), "y": (1, 16)}
    graph = spell_cells(Graph("norm", ("x",), ("y",), (), (node,), shapes))
    rng = np.random.default_rng(2)
    loudness = np.geomspace(0.1, 1.0, 200)
    steps = [((rng.normal(0, 1, (1, 16)) * gain).astype(np.float32),) for gain in loudness]
    seen = Observation()
    stream = Stream(graph, seen)
    for step in steps:
        stream.step(*step)
    quantised = quantise_graph(graph, seen, "minmax", {})
    runner = TfliteStream(open_interpreter(write_tflite(Model((quantised.graph,)))))
    assert measure(graph, runner, [steps[100:]])["y"] > 34.0
    assert measure(graph, runner, [steps[:50]])["y"] > 16.0  # x itself has few levels there


def test_every_rule_has_a_function_and_every_spelled_operator_an_emitter() -> None:
    assert set(FUNCTIONS) == set(RULES)
    assert set(RULES) - set(EMITTERS) == {"gru", "layer_norm"}


GRAPH = Graph(
    "g",
    ("x",),
    ("y",),
    (),
    (Node("relu", "r", ("x",), ("y",)),),
    {"x": (1, 2), "y": (1, 2)},
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": (Node("blur", "r", ("x",), ("y",)),)}, "g: node r (blur) is none of"),
        ({"nodes": (Node("relu", "r", ("z",), ("y",)),)}, "reads z before it is made"),
        ({"nodes": (Node("add", "r", ("x",), ("y",)),)}, "has 1 inputs and 1 outputs"),
        ({"nodes": (Node("relu", "r", ("x",), ("x",)),)}, "writes a value that exists"),
        ({"nodes": (Node("linear", "r", ("x",), ("y",)),)}, "has parameters []"),
        (
            {"nodes": (Node("add_const", "r", ("x",), ("y",), {"value": np.array([np.inf])}),)},
            "has parameters that are not finite",
        ),
        ({"outputs": ("q",)}, "output q is made by no node"),
        ({"shapes": {"x": (1, 2)}}, "value y has no shape"),
        ({"inputs": ("x", "x")}, "two inputs or states have one name"),
        (
            {"states": (State("s", "s", "y"),), "shapes": {**GRAPH.shapes, "s": (1, 3)}},
            "state s enters as (1, 3) and leaves as (1, 2)",
        ),
    ],
)
def test_illegal_graph_then_node_and_rule_are_named(change: dict, message: str) -> None:
    check_graph(GRAPH)
    with pytest.raises(ConvertError) as caught:
        check_graph(replace(GRAPH, **change))
    assert message in str(caught.value)
