"""Every ONNX operator that is read: float equals onnxruntime, integers come near."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from edgesdk.errors import ConvertError
from edgesdk_converters.execute import Stream
from edgesdk_converters.frontends.canonical import canonical_graph
from edgesdk_converters.frontends.onnx import import_graph
from edgesdk_converters.frontends.onnx_ops import HANDLERS, supported_operators
from edgesdk_converters.graph import Graph
from edgesdk_converters.quantise.calibrate import Observation
from edgesdk_converters.quantise.cells import spell_cells
from edgesdk_converters.quantise.emit import quantise_graph
from edgesdk_converters.quantise.measure import TfliteStream, measure, open_interpreter
from edgesdk_converters.tflite.model import Model
from edgesdk_converters.tflite.write import write_tflite
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(11)


def weight(*shape: int, gain: float = 1.0) -> np.ndarray:
    return RNG.normal(0, gain / np.sqrt(max(shape[-1], 1)), shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@dataclass
class Case:
    """Nodes as (op, inputs, outputs, attributes) from x (and states) to y (and next states)."""

    name: str
    nodes: list[tuple[str, list[str], list[str], dict[str, Any]]]
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    x: tuple[int, ...] = (1, 4, 6)
    states: dict[str, tuple[int, ...]] = field(default_factory=dict)
    floor_db: float = 32.0

    def model(self) -> onnx.ModelProto:
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.x)]
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
        for name, shape in self.states.items():
            inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
            outputs.append(helper.make_tensor_value_info(f"new_{name}", TensorProto.FLOAT, shape))
        nodes = [
            helper.make_node(op, ins, outs, name=f"n{i}", **attrs)
            for i, (op, ins, outs, attrs) in enumerate(self.nodes)
        ]
        weights = [numpy_helper.from_array(v, k) for k, v in self.constants.items()]
        graph = helper.make_graph(nodes, "case", inputs, outputs, weights)
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opset, ir_version=9)


def one(op: str, name: str = "", **attrs: Any) -> Case:
    return Case(name or op, [(op, ["x"], ["y"], attrs)])


def with_constant(op: str, value: np.ndarray, left: bool = False, name: str = "") -> Case:
    inputs = ["k", "x"] if left else ["x", "k"]
    return Case(name or op, [(op, inputs, ["y"], {})], {"k": value})


def recurrent(op: str, gates: int, states: Sequence[str], name: str = "", **attrs: Any) -> Case:
    """x [T, 1, I] through a layer of 8 whose states are inputs and outputs."""
    hidden = 8
    constants = {
        "w": weight(1, gates * hidden, 6, gain=2.0),
        "r": weight(1, gates * hidden, hidden, gain=1.0),
        "b": weight(1, 2 * gates * hidden),
    }
    new = [f"new_{s}" for s in states]
    node = (op, ["x", "w", "r", "b", "", *states], ["full", *new], {"hidden_size": hidden, **attrs})
    squeeze = ("Squeeze", ["full", "axis"], ["y"], {})
    return Case(
        name or op,
        [node, squeeze],
        constants | {"axis": ints(1)},
        (3, 1, 6),
        dict.fromkeys(states, (1, 1, hidden)),
        28.0,
    )


def conv1d_with_cache() -> Case:
    """Causal convolution: the last two frames of its input are a state."""
    return Case(
        "cached convolution",
        [
            ("Transpose", ["x"], ["t"], {"perm": [0, 2, 1]}),
            ("Concat", ["cached_conv", "t"], ["long"], {"axis": 2}),
            ("Slice", ["long", "s", "e", "a"], ["new_cached_conv"], {}),
            ("Conv", ["long", "w", "b"], ["c"], {"kernel_shape": [3]}),
            ("Relu", ["c"], ["r"], {}),
            ("Transpose", ["r"], ["y"], {"perm": [0, 2, 1]}),
        ],
        {
            "w": weight(5, 6, 3),
            "b": weight(5),
            "s": ints(-2),
            "e": ints(np.iinfo(np.int64).max),
            "a": ints(2),
        },
        states={"cached_conv": (1, 6, 2)},
    )


def spelled_layer_norm() -> Case:
    """As exporters before opset 17 write it."""
    return Case(
        "layer norm spelled",
        [
            ("ReduceMean", ["x"], ["m"], {"axes": [-1]}),
            ("Sub", ["x", "m"], ["d"], {}),
            ("Pow", ["d", "two"], ["s"], {}),
            ("ReduceMean", ["s"], ["v"], {"axes": [-1]}),
            ("Add", ["v", "eps"], ["ve"], {}),
            ("Sqrt", ["ve"], ["root"], {}),
            ("Div", ["d", "root"], ["n"], {}),
            ("Mul", ["n", "g"], ["ng"], {}),
            ("Add", ["ng", "b"], ["y"], {}),
        ],
        {
            "two": np.array(2.0, np.float32),
            "eps": np.array(1e-5, np.float32),
            "g": weight(24) + 1,
            "b": weight(24),
        },
        (1, 4, 24),
    )


def branch() -> Case:
    """An If whose condition the shape decides, as torch's squeeze exports it."""

    def inner(name: str, op: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(op, ["x"], [name])], name, [], [out])

    return Case(
        "If",
        [
            ("Shape", ["x"], ["shape"], {}),
            ("Gather", ["shape", "zero"], ["batch"], {}),
            ("Equal", ["batch", "one"], ["single"], {}),
            (
                "If",
                ["single"],
                ["y"],
                {"then_branch": inner("a", "Tanh"), "else_branch": inner("b", "Relu")},
            ),
        ],
        {"zero": np.array(0, np.int64), "one": np.array(1, np.int64)},
    )


CASES = [
    Case("MatMul", [("MatMul", ["x", "w"], ["y"], {})], {"w": weight(6, 5)}),
    Case(
        "Gemm",
        [("Gemm", ["x", "w", "b"], ["y"], {"transB": 1, "alpha": 0.5, "beta": 2.0})],
        {"w": weight(5, 6), "b": weight(5)},
        (1, 6),
    ),
    Case(
        "MatMul Add Relu",
        [
            ("MatMul", ["x", "w"], ["m"], {}),
            ("Add", ["b", "m"], ["a"], {}),
            ("Relu", ["a"], ["y"], {}),
        ],
        {"w": weight(6, 5), "b": weight(5)},
    ),
    one("Relu"),
    one("Sigmoid"),
    one("Tanh"),
    one("Neg"),
    one("Identity"),
    one("Dropout"),
    with_constant("Add", weight(6)),
    with_constant("Sub", weight(6)),
    with_constant("Sub", weight(1, 4, 6), left=True, name="Sub from constant"),
    with_constant("Mul", weight(6)),
    with_constant("Div", np.array(3.0, np.float32)),
    with_constant("Pow", np.array(2.0, np.float32)),
    Case(
        "gated sum and difference",
        [
            ("Sigmoid", ["x"], ["s"], {}),
            ("Mul", ["x", "s"], ["m"], {}),
            ("Add", ["m", "x"], ["a"], {}),
            ("Sub", ["a", "s"], ["y"], {}),
        ],
    ),
    Case(
        "Concat Split",
        [
            ("Tanh", ["x"], ["t"], {}),
            ("Split", ["t", "sizes"], ["p", "q"], {"axis": 2}),
            ("Concat", ["q", "x", "p"], ["y"], {"axis": -1}),
        ],
        {"sizes": ints(2, 4)},
    ),
    Case(
        "Concat zeros",
        [("Concat", ["z", "x"], ["y"], {"axis": 1})],
        {"z": np.zeros((1, 2, 6), np.float32)},
    ),
    Case(
        "Slice two axes",
        [("Slice", ["x", "s", "e", "a"], ["y"], {})],
        {"s": ints(1, -4), "e": ints(3, 6), "a": ints(1, 2)},
    ),
    Case(
        "Gather rows",
        [
            ("Gather", ["x", "first"], ["g"], {"axis": 1}),
            ("Unsqueeze", ["g", "axis"], ["u"], {}),
            ("Gather", ["x", "pair"], ["h"], {"axis": 1}),
            ("Concat", ["u", "h"], ["y"], {"axis": 1}),
        ],
        {"first": np.array(-1, np.int64), "pair": ints(0, 1), "axis": ints(1)},
    ),
    Case("Softmax of many", [("Softmax", ["x"], ["y"], {"axis": -1})], x=(1, 2, 300), floor_db=9),
    Case(
        "attention",
        [
            ("Transpose", ["x"], ["across"], {"perm": [0, 2, 1]}),
            ("MatMul", ["x", "across"], ["scores"], {}),
            ("Div", ["scores", "root"], ["scaled"], {}),
            ("Softmax", ["scaled"], ["weights"], {"axis": -1}),
            ("MatMul", ["weights", "x"], ["y"], {}),
        ],
        {"root": np.array(6**0.5, np.float32)},
    ),
    Case(
        "shape chain",
        [
            ("Shape", ["x"], ["shape"], {}),
            ("Gather", ["shape", "one"], ["frames"], {}),
            ("Div", ["frames", "two"], ["half"], {}),
            ("Unsqueeze", ["half", "zero"], ["half1"], {}),
            ("Concat", ["batch", "half1", "rest"], ["target"], {"axis": 0}),
            ("Reshape", ["x", "target"], ["r"], {}),
            ("Cast", ["r"], ["y"], {"to": TensorProto.FLOAT}),
        ],
        {
            "one": np.array(1, np.int64),
            "two": np.array(2, np.int64),
            "zero": ints(0),
            "batch": ints(1),
            "rest": ints(-1),
        },
    ),
    Case("Flatten", [("Flatten", ["x"], ["y"], {"axis": 1})]),
    Case("Expand", [("Expand", ["x", "s"], ["y"], {})], {"s": ints(1, 1, 6)}),
    Case(
        "Transpose",
        [("Transpose", ["x"], ["t"], {"perm": [0, 2, 1]}), ("Tanh", ["t"], ["y"], {})],
    ),
    Case("Squeeze all", [("Squeeze", ["x"], ["y"], {})]),
    Case(
        "Pad",
        [("Pad", ["x", "p"], ["y"], {})],
        {"p": ints(0, 1, 0, 0, 2, 0)},
    ),
    Case(
        "LayerNormalization",
        [("LayerNormalization", ["x", "g", "b"], ["y"], {"axis": -1, "epsilon": 1e-5})],
        {"g": weight(24) + 1, "b": weight(24)},
        (1, 4, 24),
    ),
    spelled_layer_norm(),
    branch(),
    Case(
        "BatchNormalization after Conv",
        [
            ("Conv", ["x", "w", "k"], ["c"], {"kernel_shape": [3], "pads": [2, 0], "strides": [2]}),
            ("BatchNormalization", ["c", "g", "b", "m", "v"], ["y"], {}),
        ],
        {
            "w": weight(5, 6, 3),
            "k": weight(5, gain=3.0),
            "g": weight(5) + 1,
            "b": weight(5),
            "m": weight(5),
            "v": np.square(weight(5)) + 0.1,
        },
        (1, 6, 8),
    ),
    Case(
        "Conv 2-D dilated",
        [("Conv", ["x", "w", "b"], ["y"], {"kernel_shape": [3, 2], "dilations": [2, 1]})],
        {"w": weight(4, 3, 3, 2), "b": weight(4)},
        (1, 3, 9, 5),
    ),
    Case(
        "Conv depthwise",
        [("Conv", ["x", "w", "b"], ["y"], {"kernel_shape": [3], "group": 6})],
        {"w": weight(12, 1, 3), "b": weight(12)},
        (1, 6, 9),
    ),
    Case(
        "Conv grouped",
        [("Conv", ["x", "w"], ["y"], {"kernel_shape": [2], "group": 2})],
        {"w": weight(4, 3, 2)},
        (1, 6, 9),
    ),
    conv1d_with_cache(),
    recurrent("LSTM", 4, ["h", "c"]),
    recurrent("GRU", 3, ["h"], linear_before_reset=1),
    recurrent("GRU", 3, ["h"], name="GRU reset before", linear_before_reset=0),
]


def graph_of(case: Case) -> Graph:
    shapes = {"x": case.x} | case.states
    graph, _ = import_graph("encoder", "case.onnx", case.model(), shapes, ["x"])
    return canonical_graph(graph, {"x": case.x}, {"y": graph.shapes[graph.outputs[0]]})


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_operator_when_streamed_then_equals_onnxruntime(case: Case) -> None:
    session = onnxruntime.InferenceSession(case.model().SerializeToString())
    states = {name: np.zeros(shape, np.float32) for name, shape in case.states.items()}
    stream = Stream(graph_of(case))
    for _ in range(4):
        x = RNG.normal(0, 1, case.x).astype(np.float32)
        expected, *after = session.run(None, {"x": x} | states)
        states = dict(zip(states, after, strict=True))
        np.testing.assert_allclose(
            stream.step(x)[0].reshape(-1), expected.reshape(-1), atol=2e-5, rtol=1e-4
        )


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_operator_when_quantised_then_noise_is_low(case: Case) -> None:
    graph = spell_cells(graph_of(case))
    seen = Observation()
    stream = Stream(graph, seen)
    steps = [(RNG.normal(0, 1, case.x).astype(np.float32),) for _ in range(60)]
    for step in steps:
        stream.step(*step)
    result = quantise_graph(graph, seen, "minmax", {})
    runner = TfliteStream(open_interpreter(write_tflite(Model((result.graph,)))))
    noise = measure(graph, runner, [steps])
    assert noise["y"] > case.floor_db, noise


@pytest.mark.parametrize(
    ("name", "ops"),
    [
        ("BatchNormalization after Conv", ["pad", "conv"]),
        ("cached convolution", ["concat", "slice", "conv", "relu"]),
        ("MatMul Add Relu", ["linear", "relu"]),
        ("shape chain", []),
        ("attention", ["matmul", "softmax", "matmul"]),
    ],
)
def test_graph_then_neighbours_are_folded(name: str, ops: list[str]) -> None:
    graph = graph_of(next(case for case in CASES if case.name == name))
    assert [n.op for n in graph.nodes if n.op not in ("reshape", "transpose")] == ops


def test_every_operator_is_tried() -> None:
    tried = {op for case in CASES for op, *_ in case.nodes}
    on_indices = {"Clip", "GreaterOrEqual"}  # tests of the predictor
    assert set(HANDLERS) - on_indices <= tried


def test_every_operator_says_what_of_it_is_supported() -> None:
    assert [op for op, _ in supported_operators()] == sorted(HANDLERS)
    assert all(text.endswith((".", "neighbour.")) for _, text in supported_operators())


REFUSED = [
    (one("Erf"), r"node n0 \(Erf\): this operator has no integer form here; re-express it"),
    (one("Softmax", axis=1), r"n0 \(Softmax\): only over the last dimension"),
    (
        Case(
            "wide",
            [("Reshape", ["x", "s"], ["t"], {}), ("MatMul", ["t", "x"], ["y"], {})],
            {"s": ints(1, 1, 6, 4)},
        ),
        r"n1 \(MatMul\): shapes \(1, 1, 6, 4\) and \(1, 4, 6\) need broadcasting",
    ),
    (
        with_constant("MatMul", weight(1, 4, 4), left=True),
        r"n0 \(MatMul\): only a value times a constant matrix \[I, O\], or two values",
    ),
    (
        Case("div", [("Tanh", ["x"], ["t"], {}), ("Div", ["x", "t"], ["y"], {})]),
        r"n1 \(Div\): division of two values has no integer form",
    ),
    (with_constant("Pow", np.array(3.0, np.float32)), r"\(Pow\): only squares"),
    (with_constant("Add", weight(3, 4, 6)), r"\(Add\): constant \(3, 4, 6\) would broadcast"),
    (
        Case(
            "strided",
            [("Slice", ["x", "s", "e", "a", "st"], ["y"], {})],
            {"s": ints(0), "e": ints(4), "a": ints(1), "st": ints(2)},
        ),
        r"\(Slice\): steps other than 1",
    ),
    (
        recurrent("LSTM", 4, ["h", "c"], direction="reverse"),
        r"\(LSTM\): direction reverse needs future audio and cannot stream; train",
    ),
    (
        recurrent("GRU", 3, ["h"], activations=["Relu", "Tanh"]),
        r"\(GRU\): activations \['Relu', 'Tanh'\]",
    ),
    (one("Clip"), r"\(Clip\): only token indices"),
    (
        Case(
            "pad", [("Pad", ["x", "p"], ["y"], {"mode": "reflect"})], {"p": ints(0, 1, 0, 0, 1, 0)}
        ),
        r"\(Pad\): only zeros can be padded",
    ),
]


@pytest.mark.parametrize(("case", "message"), REFUSED, ids=lambda v: getattr(v, "name", ""))
def test_unsupported_node_then_refused_in_one_line(case: Case, message: str) -> None:
    with pytest.raises(ConvertError, match=rf"^case\.onnx: .*{message}") as caught:
        graph_of(case)
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value), "no way out given"
