"""Graphs in C: the record table, refusals, walking, and a fuzzer over every operator."""

import itertools
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from depthwise_cases import Case, depthwise
from edgesdk.bundle import Bundle
from edgesdk.bundle.plan import OPERATORS, Plan, Port, Record, Ref
from edgesdk.core.graph import Graph
from edgesdk.errors import BundleError
from edgesdk.resources import resource_dir
from edgesdk_converters.lower import Packing, lower_graph, lower_single
from edgesdk_converters.npu import compile_npu
from graph_seeds import IN, OUT, STATE, seed_bundle, seed_plan
from npu_graphs import board_config, embedding_net
from small_bundle import echo_plan
from weight_forms import KINDS as WEIGHT_KINDS
from weight_forms import TILES, convolution, fully_connected, lstm, shaped

RUNTIME = resource_dir("firmware_templates") / "runtime"
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
WARN = ("-Wall", "-Wextra", "-Wconversion", "-Wmissing-prototypes", "-Wvla", "-Werror")
NAMES = sorted(OPERATORS)
KINDS = {"edge_ref_t": "ref", "uint32_t": "u32", "int32_t": "i32"}


def _structs() -> dict[str, list[tuple[str, str, int]]]:
    """Record type -> fields behind the head, from plan.h."""
    text = (RUNTIME / "include" / "edge" / "plan.h").read_text()
    found = {}
    for body, name in re.findall(r"typedef struct \w+ \{(.*?)\} (edge_op_\w+_t);", text, re.S):
        fields = re.findall(r"^  (edge_ref_t|u?int32_t) (\w+?)(?:\[(\d+)\])?;", body, re.M)
        found[name] = [(KINDS[kind], field, int(count or 1)) for kind, field, count in fields]
    return found


def _list() -> list[tuple[str, int, str]]:
    """Name, code and record type of every kernel, from kernels.def."""
    text = (RUNTIME / "kernels" / "kernels.def").read_text()
    return [
        (name, int(code), record)
        for name, code, record in re.findall(r"EDGE_KERNEL\((\w+), \w+, (\d+), (\w+)\)", text)
    ]


def test_python_and_c_have_one_table_of_records() -> None:
    structs = _structs()
    kernels = _list()
    assert {name for name, _, _ in kernels} == set(OPERATORS)
    for name, code, record in kernels:
        operator = OPERATORS[name]
        assert operator.code == code
        assert [(f.kind, f.name, f.count) for f in operator.fields] == structs[record], name


def test_every_kernel_can_be_left_out_by_name() -> None:
    text = (RUNTIME / "kernels" / "kernels.def").read_text()
    for name, _, _ in _list():
        guard = f"#if !defined(EDGE_KERNELS_ONLY) || defined(EDGE_USE_{name})\nEDGE_KERNEL({name},"
        assert guard in text


def test_the_page_describes_every_record(repository: Path) -> None:
    page = (repository / "docs" / "image.md").read_text()
    for operator in OPERATORS.values():
        fields = ", ".join(
            f.name if f.count == 1 else f"{f.name}[{f.count}]" for f in operator.fields
        )
        assert f"| {operator.code} | `{operator.name}` | {fields} |" in page, operator.name


@pytest.mark.needs_cc
@pytest.mark.parametrize("op", NAMES)
def test_every_seed_runs(op: str) -> None:
    graph = Graph(seed_plan(op).encode())
    graph.write(1, np.arange(64).astype(np.int8))
    if op == "GATHER":
        graph.write(0, np.array([6, 0, 3], np.int32))
    graph.invoke()
    assert graph.read(0).size > 0
    assert (graph.npu is not None) == (op == "NPU_ETHOSU")


def _refused(plan: Plan, text: str) -> None:
    with pytest.raises(BundleError, match=text):
        Graph(plan.encode())


def _changed(plan: Plan, **fields: object) -> Plan:
    return replace(plan, records=(replace(plan.records[0], **fields),))


@pytest.mark.needs_cc
@pytest.mark.parametrize("op", NAMES)
def test_every_buffer_must_lie_inside_its_space(op: str) -> None:
    plan = seed_plan(op)
    record = plan.records[0]
    for f in OPERATORS[op].fields:
        if f.kind != "ref" or record.values[f.name] == 0:
            continue
        for bad in (Ref("arena", 1 << 20), Ref("const", 1 << 20), Ref("state", STATE), Ref()):
            if f.name == "scales" and bad.space == "none":
                continue
            value: object = bad.encode()
            if f.count > 1:
                value = (*record.values[f.name][:-1], value)  # type: ignore[index]
            _refused(_changed(plan, values={**record.values, f.name: value}), "lies outside|incons")
    _refused(_changed(plan, out=Ref("arena", 1020)), "lies outside")
    _refused(_changed(plan, out=Ref("state", 60)), "lies outside")


@pytest.mark.needs_cc
@pytest.mark.parametrize("op", NAMES)
def test_constants_are_never_written(op: str) -> None:
    plan = replace(seed_plan(op), constants=seed_plan(op).constants + bytes(4096))
    _refused(_changed(plan, out=Ref("const", 0)), "lies outside")


@pytest.mark.needs_cc
@pytest.mark.parametrize("op", NAMES)
def test_an_unknown_variant_is_refused(op: str) -> None:
    _refused(_changed(seed_plan(op), variant=1), "inconsistent")


@pytest.mark.needs_cc
@pytest.mark.parametrize(
    ("op", "field", "value"),
    [
        ("FULLY_CONNECTED_S8", "depth", 65537),
        ("FULLY_CONNECTED_S8", "rows", 0),
        ("FULLY_CONNECTED_S8", "sum_bits", 64),
        ("FULLY_CONNECTED_S8", "zero_point", 128),
        ("FULLY_CONNECTED_S8", "low", -129),
        ("FULLY_CONNECTED_S16", "shift", 8),
        ("FULLY_CONNECTED_S16", "multiplier", -1),
        ("LSTM_S8", "cell_fraction", 16),
        ("LSTM_S8", "cell_clip", -1),
        ("LSTM_S8", "hidden_shift", 31),
        ("CONV_S8", "stride_h", 0),
        ("CONV_S8", "dilation_w", 1 << 20),
        ("CONV_S8", "pad_left", 1 << 20),
        ("DEPTHWISE_CONV_S8", "out_c", 7),
        ("AVERAGE_POOL_S8", "pad_top", 2),
        ("MAX_POOL_S8", "stride_w", 9),
        ("ADD_S8", "shift1", 1),
        ("ADD_S8", "left_shift", 21),
        ("ADD_S16", "offset1", 1),
        ("ADD_S8", "sign2", 0),
        ("MUL_S8", "shift", -32),
        ("LUT_8", "flip", 1),
        ("TANH_S16", "left_shift", 31),
        ("COPY", "width", 3),
        ("FILL", "width", 8),
        ("REQUANTISE", "input_dtype", 5),
        ("MEAN", "reduce", 1 << 20),
        ("SOFTMAX_S8", "depth", 257),
    ],
)
def test_parameters_out_of_range_are_refused(op: str, field: str, value: int) -> None:
    plan = seed_plan(op)
    values = {**plan.records[0].values, field: value}
    _refused(_changed(plan, values=values), "inconsistent|lies outside")


@pytest.mark.needs_cc
@pytest.mark.parametrize("op", ["FULLY_CONNECTED_S8", "CONV_S8", "LSTM_S8", "COPY", "MEAN"])
def test_outputs_on_top_of_inputs_are_refused_where_they_would_harm(op: str) -> None:
    _refused(_changed(seed_plan(op), out=IN), "lies outside")


@pytest.mark.needs_cc
def test_header_and_ports_are_checked() -> None:
    plan = echo_plan()
    _refused(replace(plan, records=()), "lies outside")
    _refused(replace(plan, arena_bytes=plan.arena_bytes - 32), "lies outside")
    _refused(replace(plan, arena_bytes=plan.arena_bytes + 8), "lies outside")
    _refused(replace(plan, arena_bytes=(1 << 28) + 16), "lies outside")
    _refused(replace(plan, outputs=()), "lies outside")
    _refused(replace(plan, inputs=plan.inputs * 17), "lies outside")
    constant_input = Port(Ref("const", 0), "int8", (1, 32), 0.1, 0)
    _refused(replace(plan, inputs=(constant_input,)), "lies outside")
    long_fill = replace(plan.fills[0], count=33)
    _refused(replace(plan, fills=(long_fill,)), "lies outside")
    _refused(replace(plan, fills=(replace(plan.fills[0], width=3),)), "lies outside")


@pytest.mark.needs_cc
def test_input_in_the_state_block_stays_until_a_reset() -> None:
    """state = table[arena] + state, where the state is an input too."""
    plan = echo_plan()
    resident = Port(Ref("state", 0), "int8", (1, 32), 0.1, 0)
    graph = Graph(replace(plan, inputs=(*plan.inputs, resident)).encode())
    graph.write(1, np.full((1, 32), 9, np.int8))
    for expected in (8, 7):
        graph.write(0, np.zeros((1, 32), np.int8))  # table[0] is -1
        graph.invoke()
        assert (graph.read(0) == expected).all()
    graph.reset()
    assert graph.state == bytes([5]) * 32


@pytest.mark.needs_cc
def test_truncated_sections_are_refused() -> None:
    section = echo_plan().encode()
    for size in range(0, len(section) - 16, 4):
        with pytest.raises(BundleError):
            Graph(section[:size])


@pytest.mark.needs_cc
def test_invoke_until_stops_before_an_operator() -> None:
    plan = echo_plan()
    graph = Graph(plan.encode())
    graph.write(0, np.zeros((1, 32), np.int8))
    before = graph.state
    graph.invoke(1)
    assert graph.state == before
    graph.invoke(2)
    assert graph.state != before


def _fill(value: int) -> Record:
    return Record("FILL", OUT, 4, "int8", {"count": 4, "width": 1, "value": value})


@pytest.mark.needs_cc
def test_operators_run_in_order() -> None:
    out = Port(OUT, "int8", (4,), 0.1, 0)
    plan = Plan((_fill(1), _fill(2), _fill(3)), (), (out,), (), b"", 512, 0)
    graph = Graph(plan.encode())
    for stop, value in ((1, 1), (2, 2), (3, 3)):
        graph.invoke(stop)
        assert graph.read(0).tolist() == [value] * 4


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("fuzz") / "fuzz_graph"
    sources = [RUNTIME / "src" / f"{name}.c" for name in ("graph", "image", "npu")]
    sources += sorted((RUNTIME / "kernels").glob("*/*.c")) + sorted((RUNTIME / "npu").rglob("*.c"))
    sources.append(Path(__file__).with_name("fuzz_graph.c"))
    command = ["gcc", "-std=c11", "-O1", *WARN, *SANITIZE, f"-I{RUNTIME / 'include'}"]
    subprocess.run([*command, *map(str, sources), "-o", str(program)], check=True)
    return program


@pytest.mark.needs_cc
def test_fuzzed_images_never_leave_their_memory(fuzzer: Path, tmp_path: Path) -> None:
    """A thousand mutations of a graph of every operator, under both sanitizers."""
    files = []
    for op in NAMES:
        files.append(tmp_path / f"{op}.edge")
        files[-1].write_bytes(seed_bundle(op).to_bytes())
    done = subprocess.run(
        [str(fuzzer), "1", "1000", *map(str, files)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    runs = re.findall(r"(\w+)\.edge: (\d+) of 1001 accepted", done.stdout)
    assert [name for name, _ in runs] == NAMES
    assert all(int(count) > 20 for _, count in runs), done.stdout


def _packed_seeds() -> dict[str, Bundle]:
    """Small graphs in every form of packed weights."""
    rng, seeds = np.random.default_rng(8), {}
    for core, kind in itertools.product(TILES, WEIGHT_KINDS):
        data = fully_connected(rng, shaped(rng, (20, 40), kind, core), 1)
        seeds[f"{core}_{kind}"] = lower_single(data, packing=Packing(core, "small"))
        layer = lstm(rng, 18, 9, kind, core)
        seeds[f"{core}_{kind}_lstm"] = lower_single(layer, packing=Packing(core, "small"))
    for core, case in itertools.product(TILES, range(4)):
        data = convolution(rng, case, (5, 9), core)
        seeds[f"{core}_{case}_conv"] = lower_single(data, packing=Packing(core, "small"))
    for core, channels in (("dsp", 3), ("mve", 5), ("mve", 18)):
        window = depthwise(rng, Case(channels, (3, 2), (5, 4)))
        seeds[f"{core}_depthwise_{channels}"] = lower_single(window, packing=Packing(core))
    return {name.replace(" ", "_"): bundle for name, bundle in seeds.items()}


@pytest.mark.needs_cc
def test_fuzzed_packed_weights_never_leave_their_memory(fuzzer: Path, tmp_path: Path) -> None:
    files = []
    for name, bundle in _packed_seeds().items():
        files.append(tmp_path / f"{name}.edge")
        files[-1].write_bytes(bundle.device_bytes())
    done = subprocess.run(
        [str(fuzzer), "2", "1000", *map(str, files)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    runs = re.findall(r"(\w+)\.edge: (\d+) of 1001 accepted", done.stdout)
    assert len(runs) == len(files)


@pytest.mark.needs_cc
@pytest.mark.parametrize("accelerator", ["ethos-u55-128", "ethos-u65-512"])
def test_fuzzed_streams_never_leave_their_memory(
    fuzzer: Path, tmp_path: Path, accelerator: str
) -> None:
    """Streams of Vela: whatever is accepted touches every byte that the NPU would touch."""
    path = tmp_path / "seed.edge"
    config = replace(board_config(), accelerator=accelerator)
    path.write_bytes(lower_single(compile_npu(embedding_net(), config).tflite).device_bytes())
    done = subprocess.run(
        [str(fuzzer), "4", "4000", str(path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    accepted = re.search(r"(\d+) of 4001 accepted", done.stdout)
    assert accepted is not None and 100 < int(accepted[1]) < 3900


@pytest.mark.needs_cc
@pytest.mark.parametrize("core", sorted(TILES))
@pytest.mark.parametrize(
    ("offset", "value"),
    [(0, 3), (1, 6), (2, 2), (3, 1), (4, 255), (8, 1), (12, 0), (16, 1), (20, 255), (40, 255)],
)
def test_damaged_packed_weights_are_refused(core: str, offset: int, value: int) -> None:
    """Header, panel starts and columns of a matrix with zero tiles left out."""
    rng = np.random.default_rng(8)
    weights = shaped(rng, (20, 64), "sparse", core)
    weights[:, -1] = 1
    plan = lower_graph(fully_connected(rng, weights, 1), packing=Packing(core)).plan
    at = plan.records[0].refs()["weights"].offset
    assert plan.constants[at + 2] == 1
    if offset == 40:  # the first column
        panels = -(-20 // TILES[core][0])
        offset = 16 + -(-4 * (panels + 1) // 16) * 16
    damaged = bytearray(plan.constants)
    damaged[at + offset] = value
    Graph(plan.encode())
    _refused(replace(plan, constants=bytes(damaged)), "inconsistent")


@pytest.mark.needs_cc
def test_one_kernel_builds_alone(tmp_path: Path) -> None:
    """-DEDGE_KERNELS_ONLY keeps what is named; the others are refused by their status."""
    program = tmp_path / "only"
    main = tmp_path / "main.c"
    main.write_text(
        '#include "edge/kernels.h"\n'
        "int main(void) { return edge_kernel_find(17) && !edge_kernel_find(1) ? 0 : 1; }\n"
    )
    sources = [RUNTIME / "src" / "graph.c", *(RUNTIME / "kernels" / "fill").glob("*.c"), main]
    flags = ["-std=c11", *WARN, "-DEDGE_KERNELS_ONLY", "-DEDGE_USE_FILL"]
    command = ["gcc", *flags, f"-I{RUNTIME / 'include'}", *map(str, sources), "-o", str(program)]
    subprocess.run(command, check=True)
    subprocess.run([str(program)], check=True)
