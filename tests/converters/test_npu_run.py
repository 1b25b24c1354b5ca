"""Plans with steps for the NPU, run with the emulated one, beside TFLite's reference kernels."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from edgesdk.core.graph import Graph as CoreGraph
from edgesdk.emulate.tflite import TfliteGraph
from edgesdk.errors import EdgeError
from edgesdk.npu.accelerators import ACCELERATORS
from edgesdk_converters.lower import lower_graph
from edgesdk_converters.npu import VelaConfig, compile_npu
from edgesdk_converters.npu.vela import run_vela
from edgesdk_converters.tflite.read import read_tflite
from npu_graphs import board_config, dedicated_sram, embedding_net, linear, random_weights
from single_op import Array, Net
from test_lower_lstm import draw, frames, layer
from test_lower_variables import VariableNet, _start

pytestmark = pytest.mark.needs_cc
_WORDS = (0, 1, 2, 8, 16, 255, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def _inputs(graph: TfliteGraph, rng: np.random.Generator) -> list[Array]:
    """Random values; token numbers stay in the table."""
    values = []
    for info in graph.inputs:
        tokens = np.dtype(info.dtype) == np.int32
        low, high = (0, 20) if tokens else (-128, 128)
        values.append(rng.integers(low, high, info.shape).astype(info.dtype))
    return values


def _agree(data: bytes, tflite: bytes, steps: int = 6) -> CoreGraph:
    """Same bits over several steps from the start, twice; gives the device's graph."""
    device, laptop = CoreGraph(lower_graph(tflite).plan.encode()), TfliteGraph(data, "net")
    rng = np.random.default_rng(4)
    for _ in range(2):
        for _ in range(steps):
            inputs = _inputs(laptop, rng)
            for ours, theirs in zip(device.run(*inputs), laptop.run(*inputs), strict=True):
                np.testing.assert_array_equal(ours, theirs)
        device.reset()
        laptop.reset()
    return device


def _compiled(data: bytes, config: VelaConfig | None = None, options: Sequence[str] = ()) -> bytes:
    return compile_npu(data, config or board_config(), options=options).tflite


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_every_accelerator_agrees(accelerator: str) -> None:
    board = board_config("host-u65" if "u65" in accelerator else "host-u55")
    data = embedding_net()
    device = _agree(data, _compiled(data, replace(board, accelerator=accelerator)))
    assert device.npu is not None and device.npu.accelerator.name == accelerator


@pytest.mark.parametrize("on_cpu", ["TANH", "FULLY_CONNECTED", "RESHAPE,TANH", "GATHER"])
def test_steps_of_both_kinds_agree(on_cpu: str) -> None:
    data = embedding_net()
    _agree(data, _compiled(data, options=("--ignore-ops", on_cpu)))


def test_a_fast_scratch_agrees() -> None:
    data = embedding_net()
    _agree(data, _compiled(data, dedicated_sram()))


def test_an_empty_fast_scratch_and_a_result_in_two_parts_agree() -> None:
    """The layer on the CPU stands between the two halves of a concatenation."""
    net = Net()
    inputs = [net.input((1, 16), scale=0.05, zero_point=3) for _ in range(2)]
    total = net.tensor("total", (1, 16), "int8", 0.05, 3)
    net.op("ADD", inputs, [total], "AddOptions")
    bent = linear(net, total, random_weights(16, 16), name="bent")
    both = net.tensor("both", (1, 32), "int8", 0.05, 3)
    net.op("CONCATENATION", [bent, total], [both], "ConcatenationOptions", axis=1)
    data = net.file(linear(net, both, random_weights(8, 32), name="out"))
    tflite = _compiled(data, dedicated_sram(), ("--ignore-ops", "FULLY_CONNECTED"))
    graph = read_tflite(tflite, "net").graphs[0]
    steps = [operator for operator in graph.operators if operator.code == "CUSTOM:ethos-u"]
    written = [{graph.tensors[i].name for i in step.outputs} for step in steps]
    assert [("both" in names) for names in written] == [True, True]
    fast = {graph.tensors[step.inputs[3]] for step in steps}
    assert [(it.name, it.shape) for it in fast] == [("scratch_fast", (0,))]
    _agree(data, tflite)


def test_the_older_code_generator_agrees() -> None:
    data = embedding_net()
    run = run_vela(data, board_config(), "net.tflite", ("--debug-force-legacy-core",))
    _agree(data, run.tflite)


def _explicit_net() -> bytes:
    """h' = fc([x, h]), y = fc(h')."""
    net = Net()
    x = net.input((1, 16), scale=0.05)
    state = net.input((1, 16), scale=0.05, zero_point=3, name="state.h")
    shifted = net.tensor("shifted", (1, 16), "int8", 0.05, 3)
    net.op("QUANTIZE", [x], [shifted])
    both = net.tensor("both", (1, 32), "int8", 0.05, 3)
    net.op("CONCATENATION", [shifted, state], [both], "ConcatenationOptions", axis=1)
    following = linear(net, both, random_weights(16, 32), name="state.h.next")
    return net.file(linear(net, following, random_weights(8, 16), name="out"), following)


def _variable_net() -> bytes:
    """Two resource variables, each read before it is assigned."""
    net = VariableNet()
    x = net.input((1, 16), scale=0.05, zero_point=3)
    first, second = net.variable("first", _start(1)), net.variable("second", _start(2))
    old_first, old_second = net.read(first), net.read(second)
    total = net.add(old_first, x)
    net.assign(first, total)
    other = net.add(old_second, total)
    net.assign(second, other)
    return net.file(linear(net, other, random_weights(8, 16)))


@pytest.mark.parametrize("make", [_explicit_net, _variable_net])
@pytest.mark.parametrize("on_cpu", ["", "FULLY_CONNECTED", "CONCATENATION,ADD"])
def test_states_go_from_step_to_step(make: object, on_cpu: str) -> None:
    data = make()  # type: ignore[operator]
    options = ("--ignore-ops", on_cpu) if on_cpu else ()
    device = _agree(data, _compiled(data, options=options))
    rng = np.random.default_rng(9)
    steps = [_inputs(TfliteGraph(data, "net"), rng) for _ in range(3)]
    device.run(*steps[0])
    kept = device.state
    expected = device.run(*steps[1])
    device.run(*steps[2])
    device.state = kept
    np.testing.assert_array_equal(device.run(*steps[1])[0], expected[0])


@pytest.mark.parametrize("options", [(), ("--debug-force-legacy-core",)])
def test_variables_of_an_lstm_equal_tflm(options: tuple[str, ...]) -> None:
    """Its curves are TFLM's, not TFLite's (docs/npu.md); h starts at its zero point."""
    from tflite_micro.python.tflite_micro import runtime

    drawn = draw(np.random.default_rng(3), 12, 24)
    weights = replace(drawn, cell_fraction=11, cell_clip=0.0)
    data = layer(weights, 2)
    assert weights.zeros[1] != 0
    tflite = run_vela(data, board_config(), "lstm.tflite", options).tflite
    device = CoreGraph(lower_graph(tflite).plan.encode())
    rng = np.random.default_rng(4)
    for _ in range(2):
        oracle = runtime.Interpreter.from_bytes(data)
        for _ in range(6):
            x = frames(rng, 2, 12)
            oracle.set_input(x, 0)
            oracle.invoke()
            np.testing.assert_array_equal(device.run(x)[0], oracle.get_output(0))
        device.reset()


def test_bytes_that_outlive_their_place_are_kept() -> None:
    """A view of one NPU step's result is read again behind another step."""
    net = Net()
    x = net.input((1, 64), scale=0.05, zero_point=3)
    first = linear(net, x, random_weights(64, 64), name="first")
    shape = net.constant(np.array([2, 32], np.int32))
    rows = net.tensor("rows", (2, 32), "int8", 0.05, 3)
    net.op("RESHAPE", [first, shape], [rows], "ReshapeOptions", 1, new_shape=[2, 32])
    bent = net.tensor("bent", (2, 32), "int8", 0.06, 3)
    net.op("ADD", [rows, rows], [bent], "AddOptions")
    longer = net.tensor("longer", (2, 64), "int8", 0.05, 3)
    back = net.tensor("back", (2, 32), "int8", 0.05, 3)
    net.op("QUANTIZE", [bent], [back])
    net.op("CONCATENATION", [back, rows], [longer], "ConcatenationOptions", axis=1)
    out = net.tensor("out", (2, 64), "int8", 0.07, -4)
    net.op("QUANTIZE", [longer], [out])
    data = net.file(out)
    tflite = _compiled(data, options=("--ignore-ops", "RESHAPE,CONCATENATION"))
    names = [it["tflite_op"] for it in lower_graph(tflite).debug["ops"]]
    assert names.count("CUSTOM:ethos-u") >= 2
    assert names.index("CUSTOM:ethos-u") < names.index("NPU OUTPUT") < names.index("CONCATENATION")
    _agree(data, tflite)


def test_the_table_counts_what_runs() -> None:
    """Rows on the CPU are steps of the plan, and no others are."""
    data = embedding_net()
    compiled = compile_npu(data, board_config(), options=("--ignore-ops", "TANH"))
    on_cpu = [row.operator for row in compiled.operators if row.target == "CPU"]
    ops = lower_graph(compiled.tflite).debug["ops"]
    assert on_cpu == [it["tflite_op"] for it in ops if it["op"] != "NPU_ETHOSU"]


@pytest.mark.parametrize("make", [embedding_net, _variable_net])
def test_damaged_files_are_refused_or_run(make: object) -> None:
    """In one line by whoever sees it first: reader, lowering, the core on load, or the NPU."""
    data = _compiled(make())  # type: ignore[operator]
    rng, ends = np.random.default_rng(11), {"refused": 0, "ran": 0}
    for _ in range(250):
        changed = bytearray(data)
        at = 4 * int(rng.integers(0, len(data) // 4))
        changed[at : at + 4] = int(rng.choice(_WORDS)).to_bytes(4, "little")
        try:
            graph = CoreGraph(lower_graph(bytes(changed)).plan.encode())
            graph.run(*[np.zeros(info.shape, info.dtype) for info in graph.inputs])
            ends["ran"] += 1
        except EdgeError as error:
            assert "\n" not in str(error)
            ends["refused"] += 1
    assert min(ends.values()) > 10
