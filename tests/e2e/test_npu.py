"""The shipped recogniser on an emulated Ethos-U, and graphs of others, against CPU kernels."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import CommandLine
from edgesdk.board import load_board
from edgesdk.bundle import load_bundle
from edgesdk.bundle.layout import GRAPHS
from edgesdk.core import Graph
from edgesdk.emulate import load_clips
from edgesdk.emulate.against import Tally, tally_arrays, tally_clips
from edgesdk.recipe import Recipe
from edgesdk_converters.lower import lower_graph
from edgesdk_converters.npu import VELA_VERSION, VelaConfig, compile_npu
from edgesdk_converters.npu.vela import run_vela
from edgesdk_converters.pipeline import convert_graph

Convert = Callable[[str], Path]
BOARD = "host-u55"
MODELS = (
    *("ad01_int8", "hey_jarvis", "kws_ref_model", "micro_speech_quantized"),
    *("okay_nabu", "pretrainedResnet_quant", "trained_lstm_int8", "vww_96_int8"),
)
pytestmark = pytest.mark.needs_cc


@pytest.fixture
def recogniser(convert: Convert) -> Path:
    """The shipped one, compiled for a U55."""
    return convert(BOARD)


def test_conversion_tells_what_became_of_every_operator(recogniser: Path) -> None:
    manifest = json.loads((recogniser.parent / "manifest.json").read_text(encoding="utf-8"))
    npu, bundle = manifest["npu"], load_bundle(recogniser)
    assert npu == bundle.meta["npu"] and npu["accelerator"] == "ethos-u55-128"
    rows = {role: graph["operators"] for role, graph in npu["graphs"].items()}
    assert [row["target"] for row in rows["predictor"]] == ["CPU", "-", "NPU", "NPU"]
    assert rows["predictor"][0]["operator"] == "GATHER" and rows["predictor"][0]["reason"]
    assert {row["target"] for row in rows["encoder"] + rows["joiner"]} == {"NPU", "-"}
    encoder = npu["graphs"]["encoder"]
    assert encoder["vela"] == VELA_VERSION
    assert encoder["ratio"] == pytest.approx(0.865, abs=0.01)
    assert {row["bound_by"] for row in rows["encoder"]} == {"", "flash"}
    for role in ("encoder", "predictor", "joiner"):
        assert (recogniser.parent / f"{role}_vela.tflite").is_file()
        assert bundle.tflite(role) == (recogniser.parent / f"{role}.tflite").read_bytes()


def test_memory_counts_scratch_and_streams(recogniser: Path) -> None:
    bundle = load_bundle(recogniser)
    graphs = bundle.meta["npu"]["graphs"]
    stored = sum(graph["constant_bytes"] + graph["stream_bytes"] for graph in graphs.values())
    assert stored < len(bundle.device_bytes()) < 1.1 * stored
    arena = next(buffer for buffer in bundle.memory() if buffer.name == "arena")
    for plan in bundle.graphs.values():
        steps = [it for it in plan.records if it.op == "NPU_ETHOSU"]
        assert (
            arena.size_bytes >= plan.arena_bytes >= max(it.values["scratch_bytes"] for it in steps)
        )


def test_transcripts_are_those_of_the_cpu_and_the_parting_operator_is_named(
    recogniser: Path, model: Path, edgesdk: CommandLine
) -> None:
    clips = sorted((model / "clips").glob("*.wav"))
    found = edgesdk.ok("emulate", recogniser, *clips, "--against", "cpu", "--json").document
    assert found["npu"] == "C core, ethos-u55-128 emulated" and found["same_transcripts"] is True
    assert all(clip["same_text"] and clip["npu"] for clip in found["clips"])
    encoder, predictor, joiner = found["graphs"]
    # TFLite's LSTM has curves of its own; TFLM and the NPU take those of LOGISTIC and TANH.
    assert encoder["parting"]["operator"] == "UNIDIRECTIONAL_SEQUENCE_LSTM"
    assert 0 < encoder["differing"] < 0.15 * encoder["values"] and encoder["largest"] <= 2
    assert predictor["differing"] == joiner["differing"] == 0
    assert predictor["parting"] is joiner["parting"] is None


def test_encoder_equals_tflm(recogniser: Path) -> None:
    """The kernels that streams are meant to agree with, state and all."""
    from tflite_micro.python.tflite_micro import runtime

    bundle = load_bundle(recogniser)
    device, oracle = (
        Graph(bundle.section("GENC")),
        runtime.Interpreter.from_bytes(bundle.tflite("encoder")),
    )
    rng = np.random.default_rng(6)
    for _ in range(40):
        window = rng.integers(-128, 128, device.inputs[0].shape).astype(np.int8)
        oracle.set_input(window, 0)
        oracle.invoke()
        np.testing.assert_array_equal(device.run(window)[0], oracle.get_output(0))


def test_both_code_generators_keep_the_same_states(recogniser: Path) -> None:
    """The older one writes variables in place and names no outputs for them."""
    bundle = load_bundle(recogniser)
    npu = load_board(BOARD).npu
    assert npu is not None
    older = run_vela(
        bundle.tflite("encoder"), VelaConfig.of(npu), "encoder", ("--debug-force-legacy-core",)
    )
    graphs = Graph(bundle.section("GENC")), Graph(lower_graph(older.tflite).plan.encode())
    rng = np.random.default_rng(6)
    for _ in range(20):
        window = rng.integers(-128, 128, graphs[0].inputs[0].shape).astype(np.int8)
        left, right = (graph.run(window)[0] for graph in graphs)
        np.testing.assert_array_equal(left, right)


def test_device_is_compared_with_the_emulated_npu(
    recogniser: Path, model: Path, edgesdk: CommandLine
) -> None:
    edgesdk.ok("flash", recogniser, "--board", BOARD)
    clip = sorted((model / "clips").glob("*.wav"))[3]
    ran = edgesdk.ok("run", clip, "--board", BOARD, "--json").document
    assert ran["device_equals_laptop"] is True
    here = edgesdk.ok("emulate", recogniser, clip, "--json").document
    assert here["source"]["engine"] == "C core, ethos-u55-128 emulated"
    assert "TFLM" in here["source"]["caveat"]
    sums = [it["clips"][0]["logits_sha256"] for it in (ran, here)]
    assert sums[0] == sums[1]
    validated = edgesdk.ok("validate", "--board", BOARD, "--json").document
    assert validated["equal"] is True and validated["steps"]["encoder"] > 10


def test_tflites_kernels_can_still_be_asked(
    recogniser: Path, model: Path, edgesdk: CommandLine
) -> None:
    clip = sorted((model / "clips").glob("*.wav"))[0]
    found = edgesdk.ok("emulate", recogniser, clip, "--engine", "tflite", "--json").document
    assert "tflite-runtime" in found["source"]["engine"]


def test_the_recogniser_of_a_u65_hears_the_same(recogniser: Path, model: Path) -> None:
    """The same graphs for another accelerator and memory: what `convert` gives Vela anew."""
    bundle, npu = load_bundle(recogniser), load_board("host-u65").npu
    assert npu is not None
    compiled = {
        GRAPHS[role]: compile_npu(bundle.tflite(role), VelaConfig.of(npu), role).tflite
        for role in bundle.roles
    }
    plans = {tag: lower_graph(tflite).plan.encode() for tag, tflite in compiled.items()}
    bundle = bundle.with_sections(**plans)
    on_npu = Graph(bundle.section("GENC")).npu
    assert on_npu is not None and on_npu.accelerator.name == "ethos-u65-256"
    tallies = tally_clips(bundle, load_clips(sorted((model / "clips").glob("*.wav"))[3:4], 16000))
    assert tallies["encoder"].largest <= 2
    assert tallies["predictor"].differing == tallies["joiner"].differing == 0


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", MODELS)
def test_graphs_of_others_agree_value_for_value(name: str, shared: Path) -> None:
    data = (shared / "data" / "models" / f"{name}.tflite").read_bytes()
    made = convert_graph(data, Recipe(samples=1), name=name, board=load_board(BOARD))
    rng = np.random.default_rng(3)
    steps = [
        rng.integers(np.iinfo(port.dtype).min, np.iinfo(port.dtype).max + 1, (3, *port.shape))
        for port in made.bundle.graphs["net"].inputs
    ]
    inputs = [
        values.astype(port.dtype)
        for values, port in zip(steps, made.bundle.graphs["net"].inputs, strict=True)
    ]
    tally = tally_arrays(made.bundle, inputs, name)["net"]
    assert (tally.steps, tally.differing) == (3, 0) and tally.values > 0


@pytest.mark.needs_shared
def test_anybodys_compiled_graph_runs_alone(
    shared: Path, edgesdk: CommandLine, tmp_path: Path
) -> None:
    """Resource variables go from step to step; TFLite on the graph before Vela is the judge."""
    path = shared / "data" / "models" / "hey_jarvis.tflite"
    made = convert_graph(path.read_bytes(), Recipe(samples=1), board=load_board(BOARD))
    compiled, values = tmp_path / "hey_vela.tflite", tmp_path / "x.npy"
    compiled.write_bytes(made.npu["net"].tflite)
    rng = np.random.default_rng(8)
    np.save(values, rng.integers(-128, 128, (5, 1, 3, 40)).astype(np.int8))
    found = edgesdk.ok("emulate", compiled, "--input", values, "--json").document
    oracle = edgesdk.ok("emulate", path, values, "--json").document
    assert found["engine"] == "C core, ethos-u55-128 emulated"
    assert found["steps"] == oracle["steps"] and found["outputs"] == oracle["outputs"]


def test_what_cannot_be_run_is_said(
    recogniser: Path, convert: Convert, model: Path, edgesdk: CommandLine, tmp_path: Path
) -> None:
    compiled = recogniser.parent / "joiner_vela.tflite"
    values, cut = tmp_path / "x.npy", tmp_path / "cut_vela.tflite"
    np.save(values, np.zeros((1, 96), np.int8))
    cut.write_bytes(compiled.read_bytes()[:3000])
    bad, payload = tmp_path / "bad_vela.tflite", compiled.read_bytes().find(b"COP1")
    changed = bytearray(compiled.read_bytes())
    changed[payload + 64] = 0xFE  # where commands are
    bad.write_bytes(changed)
    clip = sorted((model / "clips").glob("*.wav"))[0]
    two = ("--input", values, "--input", values)
    assert len(edgesdk.ok("emulate", compiled, *two, "--json").document["steps"]) == 1
    cases = [
        ((compiled,), "nothing to run it on"),
        ((compiled, values), "1 inputs given, it takes 2"),
        ((compiled, *two, "--engine", "tflite"), "made for an Ethos-U, which TFLite has not"),
        ((compiled, *two, "--against", "cpu"), "--against needs a bundle"),
        ((cut, *two), "damaged"),
        ((bad, *two), "bad_vela.tflite: operator 0: word "),
        ((convert("host"), clip, "--against", "cpu"), "nothing for an NPU"),
        ((recogniser, clip, "--against", "cpu", "--engine", "core"), "leave --engine out"),
    ]
    for arguments, message in cases:
        outcome = edgesdk("emulate", *arguments)
        assert outcome.code == 2 and message in outcome.error_line(), outcome.err


def test_bundle_for_another_npu_is_not_flashed(recogniser: Path, edgesdk: CommandLine) -> None:
    for board, has in {"host": "no NPU", "host-u65": "ethos-u65-256"}.items():
        outcome = edgesdk("flash", recogniser, "--board", board)
        assert outcome.code == 1, outcome.err
        assert f"compiled for ethos-u55-128, the board has {has}" in outcome.error_line()


def test_graph_that_vela_compiled_already_is_taken_as_it_is(
    recogniser: Path, edgesdk: CommandLine, tmp_path: Path
) -> None:
    given, out, values = recogniser.parent / "joiner_vela.tflite", tmp_path / "out", tmp_path / "x"
    made = edgesdk.ok("convert", given, "--board", BOARD, "-o", out, "--json").document
    assert made["npu"] is None and "Vela has compiled this file" in made["notes"][0]
    assert not (out / "net_vela.tflite").exists()
    with values.open("wb") as file:
        np.save(file, np.ones((1, 96), np.int8))
    two = ("--input", values, "--input", values)
    ours, theirs = (
        edgesdk.ok("emulate", path, *two, "--json").document for path in (out / "model.edge", given)
    )
    assert ours["steps"] == theirs["steps"]
    against = edgesdk("emulate", out / "model.edge", *two, "--against", "cpu")
    assert against.code == 2 and "was made from a file of Vela's" in against.error_line()
    for board in ("host", "host-u65"):
        refused = edgesdk("convert", given, "--board", board, "-o", tmp_path / "other")
        assert refused.code == 1 and "was compiled for ethos-u55-128" in refused.error_line()


def test_a_tally_keeps_the_inputs_up_to_where_outputs_part() -> None:
    tally, same = Tally(), [np.zeros(4, np.int8)]
    steps = [(np.full(2, at, np.int8),) for at in range(4)]
    tally.add(steps[0], same, same)
    tally.restart()
    tally.add(steps[1], same, same)
    tally.add(steps[2], [np.array([0, -3, 0, 1], np.int8)], same)
    tally.add(steps[3], [np.full(4, 1, np.int8)], same)
    assert (tally.steps, tally.values, tally.differing, tally.largest) == (4, 16, 6, 3)
    assert tally.first is not None and [int(step[0][0]) for step in tally.first] == [1, 2]
