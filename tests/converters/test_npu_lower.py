"""Vela's output as a plan: places, copies, states, and files that do not hold together."""

import struct
from collections.abc import Sequence
from dataclasses import replace

import pytest
from edgesdk.bundle.plan import Plan, Record, Ref
from edgesdk.cli.describe_models import describe_tflite
from edgesdk.errors import ConvertError
from edgesdk.npu.accelerators import ACCELERATORS
from edgesdk_converters import lower
from edgesdk_converters.lower import Lowered, lower_graph
from edgesdk_converters.npu import compile_npu
from edgesdk_converters.npu.vela import run_vela
from edgesdk_converters.tflite.read import read_tflite
from npu_graphs import board_config, dedicated_sram, embedding_net, linear, random_weights
from single_op import Net
from test_lower_variables import VariableNet, _start


def _lowered(data: bytes, options: Sequence[str] = ()) -> Lowered:
    return lower_graph(compile_npu(data, board_config(), options=options).tflite)


def _ops(plan: Plan) -> list[str]:
    return [record.op for record in plan.records]


def _npu(plan: Plan) -> Record:
    return next(record for record in plan.records if record.op == "NPU_ETHOSU")


def _ref(record: Record, name: str) -> Ref:
    return record.refs()[name]


def test_a_step_of_the_cpu_writes_where_the_npu_reads() -> None:
    lowered = _lowered(embedding_net())
    plan = lowered.plan
    assert _ops(plan) == ["GATHER", "NPU_ETHOSU"]
    gather, npu = plan.records
    values = npu.values
    assert values["config"] == ACCELERATORS[board_config().accelerator].config
    assert _ref(npu, "scratch") == _ref(npu, "fast") == Ref("arena", 0)
    assert values["scratch_bytes"] == values["fast_bytes"] == plan.arena_bytes
    assert gather.out.space == "arena" and gather.out.offset + gather.out_bytes <= plan.arena_bytes
    assert npu.out == plan.outputs[0].ref
    assert [it["tflite_op"] for it in lowered.debug["ops"]] == ["GATHER", "CUSTOM:ethos-u"]
    assert [it["tensor"] for it in lowered.debug["ops"]] == ["rows", "out"]


def test_streams_and_weights_are_constants_of_their_own() -> None:
    compiled = compile_npu(embedding_net(), board_config())
    plan = lower_graph(compiled.tflite).plan
    npu = _npu(plan)
    weights, stream = _ref(npu, "weights"), _ref(npu, "stream")
    assert weights.space == stream.space == "const"
    assert npu.values["weights_bytes"] == compiled.constant_bytes
    graph = read_tflite(compiled.tflite).graphs[0]
    payload, constants = (graph.tensors[graph.operators[1].inputs[i]].data for i in (0, 1))
    assert payload is not None and constants is not None
    words = npu.values["stream_words"]
    assert isinstance(words, int)
    assert plan.constants[stream.offset :][: 4 * words] == payload.tobytes()[-4 * words :]
    assert plan.constants[weights.offset :][: constants.nbytes] == constants.tobytes()


def test_explicit_states_come_and_go_by_copies() -> None:
    net = Net()
    x = net.input((1, 16), scale=0.05)
    state = net.input((1, 16), scale=0.05, zero_point=3, name="state.h")
    both = net.tensor("both", (1, 32), "int8", 0.05, 3)
    shifted = net.tensor("shifted", (1, 16), "int8", 0.05, 3)
    net.op("QUANTIZE", [x], [shifted])
    net.op("CONCATENATION", [shifted, state], [both], "ConcatenationOptions", axis=1)
    following = linear(net, both, random_weights(16, 32), name="state.h.next")
    out = linear(net, following, random_weights(8, 16), name="out")
    lowered = _lowered(net.file(out, following))
    plan = lowered.plan
    assert _ops(plan) == ["COPY", "NPU_ETHOSU", "COPY"]
    into, npu, back = plan.records
    assert _ref(into, "input") == back.out == Ref("state", 0)
    assert into.out.space == npu.out.space == "arena"
    assert [it["tflite_op"] for it in lowered.debug["ops"]] == [
        *("NPU INPUT", "CUSTOM:ethos-u", "STATE"),
    ]
    assert len(plan.inputs) == len(plan.outputs) == 1
    assert [(fill.count, fill.value) for fill in plan.fills] == [(16, 3)]


def test_variables_keep_to_the_state_block() -> None:
    net = VariableNet()
    x = net.input((1, 16), scale=0.05, zero_point=3)
    handle = net.variable("kept", _start(1))
    total = net.add(net.read(handle), x)
    net.assign(handle, total)
    out = linear(net, total, random_weights(8, 16))
    plan = _lowered(net.file(out)).plan
    assert _ops(plan) == ["COPY", "NPU_ETHOSU", "COPY"]
    assert _ref(plan.records[0], "input") == plan.records[2].out == Ref("state", 0)
    assert plan.state_bytes == 16 and plan.fills  # starts with what CALL_ONCE assigns


def test_every_npu_step_shares_weights_and_arena() -> None:
    compiled = compile_npu(embedding_net(), board_config(), options=("--ignore-ops", "TANH"))
    lowered = lower_graph(compiled.tflite)
    assert _ops(lowered.plan) == ["GATHER", "NPU_ETHOSU", "LUT_8", "NPU_ETHOSU"]
    first, last = (record for record in lowered.plan.records if record.op == "NPU_ETHOSU")
    for name in ("weights", "scratch"):
        assert _ref(first, name) == _ref(last, name)
    assert _ref(first, "stream") != _ref(last, "stream")


def test_a_value_assigned_early_outlives_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a variable held is still to be read, and another NPU step may use the new value's place.

    Vela assigns last, so that the operator is moved here.
    """
    net = VariableNet()
    x = net.input((1, 16), scale=0.05, zero_point=3)
    handle = net.variable("kept", _start(1))
    old = net.read(handle)
    new = linear(net, x, random_weights(16, 16), name="new")
    net.assign(handle, new)
    bent = net.tensor("bent", (1, 16), "int8", 1 / 128)
    net.op("TANH", [new], [bent])
    last = linear(net, bent, random_weights(16, 16), name="last")
    data = compile_npu(
        net.file(net.add(last, old)), board_config(), options=("--ignore-ops", "TANH,ADD")
    ).tflite
    model = read_tflite(data)
    graph, codes = model.graphs[0], [operator.code for operator in model.graphs[0].operators]
    operators = list(graph.operators)
    assign = operators.pop(codes.index("ASSIGN_VARIABLE"))
    operators.insert(codes.index("CUSTOM:ethos-u") + 1, assign)
    changed = replace(model, graphs=(replace(graph, operators=tuple(operators)), *model.graphs[1:]))
    monkeypatch.setattr(lower.graph, "read_tflite", lambda data, source: changed)
    plan = lower_graph(data).plan
    assert _ops(plan) == ["NPU_ETHOSU", "COPY", "LUT_8", "NPU_ETHOSU", "ADD_S8", "COPY"]
    kept, stored, npu = plan.records[1], plan.records[5], plan.records[3]
    assert stored.out == Ref("state", 0) and _ref(stored, "input") == kept.out
    assert kept.out.offset >= _ref(npu, "scratch").offset + int(npu.values["scratch_bytes"])  # type: ignore[arg-type]


def test_a_fast_scratch_of_its_own_has_its_own_buffer() -> None:
    plan = lower_graph(compile_npu(embedding_net(), dedicated_sram()).tflite).plan
    npu = _npu(plan)
    scratch, fast = (_ref(npu, name) for name in ("scratch", "fast"))
    ends = [
        (ref.offset, ref.offset + int(npu.values[size]))  # type: ignore[arg-type]
        for ref, size in ((scratch, "scratch_bytes"), (fast, "fast_bytes"))
    ]
    assert int(npu.values["fast_bytes"]) > 0  # type: ignore[arg-type]
    assert ends[0][1] <= ends[1][0] or ends[1][1] <= ends[0][0]
    assert max(end for _, end in ends) <= plan.arena_bytes


def _damaged(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) == 1 and len(old) == len(new)
    return data.replace(old, new)


def test_files_that_contradict_themselves_are_refused() -> None:
    data = compile_npu(embedding_net(), board_config()).tflite
    graph = read_tflite(data).graphs[0]
    places = struct.pack(f"<{len(graph.places)}i", *graph.places)
    config = struct.pack("<I", ACCELERATORS[board_config().accelerator].config)
    scratch = graph.operators[1].inputs[2]
    moved = list(graph.places)
    moved[scratch] = 8
    lost = [-1 if i == scratch else place for i, place in enumerate(graph.places)]
    far = [place if place < 0 else 1 << 30 for place in graph.places]
    pack = struct.Struct(f"<{len(graph.places)}i").pack
    cases = [
        (_damaged(data, b"COP1", b"COP7"), "no COP1 payload"),
        (_damaged(data, config, struct.pack("<I", 0x20000007)), "CONFIG 0x20000007, an Ethos-U85"),
        (_damaged(data, places, pack(*moved)), "its scratch has"),
        (_damaged(data, places, pack(*lost)), "'scratch' has no place"),
        (_damaged(data, places, pack(*far)), "its arena has"),
        (_damaged(data, places, pack(*[-2] * len(moved))), "OfflineMemoryAllocation does not fit"),
        (
            _damaged(data, b"OfflineMemoryAllocation", b"OfflineMemoryAllocatioN"),
            "tensors and plac",
        ),
        (_damaged(data, b"ethos-u", b"ethos-v"), "CUSTOM:ethos-v.*not covered"),
    ]
    for changed, message in cases:
        with pytest.raises(ConvertError, match=message):
            lower_graph(changed)
    for file, supported in ((data, True), (cases[0][0], False)):
        (described,) = describe_tflite(file, "net.tflite")["graphs"]
        assert {o["supported"] for o in described["operators"] if "ethos" in o["operator"]} == {
            supported
        }


def test_a_stream_for_another_generation_is_refused_by_name() -> None:
    net = Net()
    y = linear(net, net.input((1, 16), scale=0.1), random_weights(8, 16))
    run = run_vela(net.file(y), replace(board_config(), accelerator="ethos-u85-256"), "net.tflite")
    with pytest.raises(
        ConvertError, match=r"CUSTOM:ethos-u .*CONFIG 0x2.*, an Ethos-U85, .*ethos-u65-512$"
    ):
        lower_graph(run.tflite)
    (graph,) = describe_tflite(run.tflite, "net.tflite")["graphs"]
    assert [operator["supported"] for operator in graph["operators"]] == [False]
