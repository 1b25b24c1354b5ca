"""Whole graphs: states, memory, names, refusals, models by others."""

from pathlib import Path

import numpy as np
import pytest
from edgesdk.core.graph import Graph
from edgesdk.emulate.flatbuffer import with_outputs
from edgesdk.errors import ConvertError
from edgesdk_converters.lower import lower_graph
from edgesdk_converters.lower.arena import Buffer, peak, place
from edgesdk_converters.tflite.read import read_tflite
from single_op import Net, check_agreement, core, interpreter, random_inputs, run_oracle

QUANT = (0.05, 3)


def _add(net: Net, a: int, b: int, name: str, shape: tuple[int, ...] = (1, 16)) -> int:
    y = net.tensor(name, shape, "int8", *QUANT)
    net.op("ADD", [a, b], [y], "AddOptions")
    return y


def _streamed(data: bytes, steps: int, seed: int) -> None:
    """Explicit states: the oracle gets them back by hand, the device keeps them itself."""
    rng = np.random.default_rng(seed)
    oracle, device = interpreter(data), core(data)
    details = oracle.get_input_details()
    outputs = {d["name"]: i for i, d in enumerate(oracle.get_output_details())}
    states = {
        d["name"]: np.full(d["shape"], d["quantization"][1], d["dtype"])
        for d in details
        if d["name"].startswith("state.")
    }
    for _ in range(steps):
        fresh = dict(zip([d["name"] for d in details], random_inputs(oracle, rng), strict=True))
        fed = [states.get(d["name"], fresh[d["name"]]) for d in details]
        results = run_oracle(oracle, fed)
        plain = [r for name, r in zip(outputs, results, strict=True) if ".next" not in name]
        found = device.run(*[fresh[d["name"]] for d in details if d["name"] not in states])
        for a, b in zip(plain, found, strict=True):
            np.testing.assert_array_equal(a, b)
        states = {name: results[outputs[f"{name}.next"]] for name in states}


@pytest.mark.needs_cc
def test_explicit_states_are_kept_between_runs() -> None:
    """s' = s + x, y = s' + s: the old state is read after the new one exists."""
    net = Net()
    x = net.input((1, 16), "int8", *QUANT, name="x")
    s = net.input((1, 16), "int8", *QUANT, name="state.s")
    following = _add(net, s, x, "state.s.next")
    y = _add(net, following, s, "y")
    data = net.file(y, following)
    _streamed(data, 8, 1)
    lowered = lower_graph(data)
    assert lowered.debug["inputs"] == ["x"] and lowered.debug["outputs"] == ["y"]
    assert [s["name"] for s in lowered.debug["states"]] == ["state.s"]


@pytest.mark.needs_cc
def test_states_that_swap_are_saved_first() -> None:
    """a' = b, b' = a + x."""
    net = Net()
    x = net.input((1, 16), "int8", *QUANT, name="x")
    a = net.input((1, 16), "int8", *QUANT, name="state.a")
    b = net.input((1, 16), "int8", *QUANT, name="state.b")
    shape = net.constant(np.array([1, 16], np.int32))
    a_next = net.tensor("state.a.next", (1, 16), "int8", *QUANT)
    net.op("RESHAPE", [b, shape], [a_next], "ReshapeOptions", 1, new_shape=[1, 16])
    b_next = _add(net, a, x, "state.b.next")
    y = _add(net, a, b, "y")
    _streamed(net.file(y, a_next, b_next), 8, 2)


@pytest.mark.needs_cc
def test_a_history_of_frames_shifts() -> None:
    """The cache of a streaming convolution: join, compute, keep the newest frames."""
    net = Net()
    x = net.input((1, 2, 8), "int8", *QUANT, name="x")
    cache = net.input((1, 3, 8), "int8", *QUANT, name="state.cache")
    joined = net.tensor("joined", (1, 5, 8), "int8", *QUANT)
    net.op("CONCATENATION", [cache, x], [joined], "ConcatenationOptions", axis=1)
    kept = net.tensor("state.cache.next", (1, 3, 8), "int8", *QUANT)
    begin, size = np.array([0, 2, 0], np.int32), np.array([1, 3, 8], np.int32)
    net.op("SLICE", [joined, net.constant(begin), net.constant(size)], [kept])
    y = _add(net, joined, joined, "y", (1, 5, 8))
    _streamed(net.file(y, kept), 8, 3)


@pytest.mark.needs_cc
def test_a_new_state_is_written_in_place_where_it_can_be() -> None:
    """The old state is read last before the new one is made: no copy, no arena."""
    net = Net()
    x = net.input((1, 16), "int8", *QUANT, name="x")
    s = net.input((1, 16), "int8", *QUANT, name="state.s")
    middle = _add(net, s, x, "middle")
    following = _add(net, middle, x, "state.s.next")
    y = _add(net, following, following, "y")
    data = net.file(y, following)
    _streamed(data, 8, 4)
    assert [r.op for r in lower_graph(data).plan.records] == ["ADD_S8"] * 3


def test_a_state_that_changes_its_quantisation_is_refused() -> None:
    net = Net()
    x = net.input((1, 16), "int8", *QUANT, name="x")
    net.input((1, 16), "int8", 0.06, 3, name="state.s")
    following = _add(net, x, x, "state.s.next")
    with pytest.raises(ConvertError, match=r"state 'state\.s'.*differ.*as it goes in"):
        lower_graph(net.file(following))


@pytest.mark.needs_cc
def test_random_chains_share_memory_without_harm() -> None:
    """Random graphs of sums over random earlier tensors: every reuse of memory must be right."""
    rng = np.random.default_rng(5)
    for _ in range(30):
        net = Net()
        tensors = [net.input((1, 16), "int8", *QUANT) for _ in range(int(rng.integers(1, 4)))]
        for i in range(int(rng.integers(1, 12))):
            a, b = (tensors[int(k)] for k in rng.integers(0, len(tensors), 2))
            tensors.append(_add(net, a, b, f"t{i}"))
        outputs = {tensors[-1], tensors[int(rng.integers(len(net.inputs), len(tensors)))]}
        check_agreement(net.file(*sorted(outputs)), rng, runs=2)


def test_place_never_overlaps_live_buffers_and_beats_no_reuse() -> None:
    rng = np.random.default_rng(6)
    for _ in range(50):
        buffers = []
        for i in range(int(rng.integers(1, 30))):
            first = int(rng.integers(0, 20))
            last = first + int(rng.integers(0, 6))
            size = int(rng.integers(1, 500))
            buffers.append(Buffer(f"b{i}", size, "arena", [first], [last]))
        total = place(buffers)
        for i, a in enumerate(buffers):
            assert a.offset % 16 == 0 and a.offset + a.size_bytes <= total
            for b in buffers[:i]:
                alive = a.first <= b.last and b.first <= a.last
                apart = a.offset + a.size_bytes <= b.offset or b.offset + b.size_bytes <= a.offset
                assert apart or not alive
        fullest = peak(buffers, 30)
        assert fullest.size_bytes <= total <= sum(-(-b.size_bytes // 16) * 16 for b in buffers)
        assert list(fullest.tensors) == sorted(fullest.tensors, key=lambda t: -t[1])


def test_place_takes_the_smaller_arena_of_two_orders() -> None:
    by_size = [(32, 1, 2), (64, 3, 4), (64, 2, 3)]
    by_start = [(64, 3, 4), (32, 1, 3), (16, 0, 2), (64, 0, 0)]
    for case, least in ((by_size, 128), (by_start, 96)):
        buffers = [Buffer(f"b{i}", size, "arena", [a], [b]) for i, (size, a, b) in enumerate(case)]
        assert place(buffers) == peak(buffers, 5).size_bytes == least


@pytest.mark.needs_shared
def test_a_chain_of_convolutions_needs_no_more_than_its_fullest_operator(shared: Path) -> None:
    data = (shared / "data/models/vww_96_int8.tflite").read_bytes()
    assert lower_graph(data).plan.arena_bytes == 55296


def test_an_operator_that_is_not_covered_is_named() -> None:
    net = Net()
    x = net.input((1, 16), "int8", *QUANT)
    y = net.tensor("strange", (1, 16), "int8", *QUANT)
    net.op("FLOOR", [x], [y])
    with pytest.raises(ConvertError, match=r"m\.tflite: FLOOR \(tensor 'strange'\).*not covered"):
        lower_graph(net.file(y), "m.tflite")


def test_a_float_model_is_refused_with_a_way_out() -> None:
    net = Net()
    x = net.input((1, 16), "float32")
    y = net.tensor("y", (1, 16), "float32")
    net.op("ADD", [x, x], [y], "AddOptions")
    with pytest.raises(ConvertError, match=r"'in0' is float32.*full-integer"):
        lower_graph(net.file(y))


def test_debug_names_every_plan_operator() -> None:
    net = Net()
    a = net.input((1, 4), "int8", *QUANT)
    y = net.tensor("joined", (1, 8), "int8", *QUANT)
    net.op("CONCATENATION", [a, a], [y], "ConcatenationOptions", axis=1)
    ops = lower_graph(net.file(y)).debug["ops"]
    assert [op["tflite_op"] for op in ops] == ["CONCATENATION"] * 2
    assert [op["tensor"] for op in ops] == [None, "joined"]


MODELS = (
    "ad01_int8",
    "hey_jarvis",
    "kws_ref_model",
    "micro_speech_quantized",
    "okay_nabu",
    "pretrainedResnet_quant",
    "trained_lstm_int8",
    "vww_96_int8",
)


@pytest.mark.needs_cc
@pytest.mark.needs_shared
@pytest.mark.parametrize("name", MODELS)
def test_models_by_others_run_bit_exact(name: str, shared: Path) -> None:
    data = (shared / "data" / "models" / f"{name}.tflite").read_bytes()
    rng = np.random.default_rng(7)
    lowered = lower_graph(data, name)
    assert Graph(lowered.plan.encode()).arena_bytes == lowered.plan.arena_bytes
    check_agreement(data, rng, runs=3)


@pytest.mark.needs_cc
@pytest.mark.needs_shared
@pytest.mark.parametrize("name", ["hey_jarvis", "okay_nabu"])
def test_wake_words_by_others_stream_bit_exact(name: str, shared: Path) -> None:
    """Loud and quiet stretches over many steps, every cache watched; then again from the start."""
    whole = (shared / "data" / "models" / f"{name}.tflite").read_bytes()
    watched = ("ASSIGN_VARIABLE", "FULLY_CONNECTED", "LOGISTIC")
    operators = read_tflite(whole).graphs[0].operators
    tensors = [(*op.outputs, *op.inputs[1:])[0] for op in operators if op.code in watched]
    data = with_outputs(whole, tensors, name)
    rng = np.random.default_rng(8)
    steps = [rng.integers(-128, (-100, 128)[i // 20 % 2], (1, 3, 40)) for i in range(120)]
    inputs = [step.astype(np.int8) for step in steps]
    device = core(data)
    runs = []
    for _ in range(2):
        oracle = interpreter(data)
        runs.append([run_oracle(oracle, [x]) for x in inputs])
        for x, expected in zip(inputs, runs[-1], strict=True):
            for a, b in zip(expected, device.run(x), strict=True):
                np.testing.assert_array_equal(a, b)
        device.reset()
    assert len(tensors) == 8 and len({int(step[-2].item()) for step in runs[0]}) > 20
