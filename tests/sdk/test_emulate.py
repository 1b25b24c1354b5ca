"""Emulation: TFLite's reference kernels and the C kernels agree on every logit."""

import dataclasses
import gc
import hashlib
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgesdk.bundle import Bundle
from edgesdk.core import Graph, Image, Recogniser
from edgesdk.emulate import (
    Clip,
    Emulator,
    Engine,
    TfliteGraph,
    emulate,
    load_array,
    load_clips,
    make_samples,
    op_outputs,
    read_samples,
    run_graph,
    tflite,
)
from edgesdk.emulate.recognise import TfliteRunner
from edgesdk.errors import BundleError, EdgeError
from edgesdk.lattice import join_tokens

pytest.importorskip("tflite_runtime")
pytest.importorskip("onnx")

from edgesdk_converters.convert import convert_source
from edgesdk_converters.frontends.onnx import load_source
from edgesdk_converters.lower import lower_recogniser, lower_single
from edgesdk_converters.source import Source
from tiny_model import write_tiny_model

pytestmark = pytest.mark.needs_cc

ROLES = ("encoder", "predictor", "joiner")
REPOSITORY = Path(__file__).resolve().parents[2]
# Levels and statistics of the clips below, so that features use the whole int8 range.
FEATURES = {"sample_scale": 1.0, "mean": [11.0] * 40, "inv_std": [0.4] * 40}


def _noisy_steps(seconds: float, seed: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Noise whose level and colour jump ten times a second."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(round(seconds * 10)):
        part = rng.normal(0, 1, 1600)
        if rng.random() < 0.5:
            part = np.cumsum(part) * 0.1
        parts.append(part * 10 ** rng.uniform(1, 3.8))
    return np.clip(np.concatenate(parts), -32768, 32767).astype(np.int16)


def _bundle(source: Source, utterances: Sequence[np.ndarray[Any, np.dtype[np.float32]]]) -> Bundle:
    made = convert_source(source, utterances)
    return lower_recogniser(
        made.encoder,
        made.predictor,
        made.joiner,
        source.tokens,
        {**source.features, **FEATURES},
        max_symbols=source.max_symbols,
        window_shift=source.shift,
    )


def _walks(bins: int) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    rng = np.random.default_rng(3)
    return [np.cumsum(rng.normal(0, 0.4, (48, bins)), axis=0).astype(np.float32) for _ in range(4)]


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Three fused LSTMs, stateless predictor."""
    source = load_source(write_tiny_model(tmp_path_factory.mktemp("tiny")))
    return _bundle(source, _walks(40))


@pytest.fixture(scope="module")
def explicit() -> Bundle:
    """A GRU encoder with explicit state, an LSTM predictor."""
    pytest.importorskip("torch")
    from torch_transducers import torch_source

    return _bundle(torch_source("gru"), _walks(40))


@pytest.fixture(scope="module", params=["fused", "explicit"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    made: Bundle = request.getfixturevalue(request.param)
    return made


CLIPS = [Clip(f"{seed}.wav", _noisy_steps(2.0, seed), "a b") for seed in range(3)]


def test_every_logit_of_both_engines_then_is_the_same(bundle: Bundle) -> None:
    tflite = emulate(bundle, CLIPS, keep_logits=True)
    core = emulate(bundle, CLIPS, engine="core", keep_logits=True)
    assert tflite.engine.startswith("tflite-runtime 2.14.0") and tflite.caveat == ""
    assert core.engine == "C core"
    assert tflite.transcripts == core.transcripts
    for transcript in tflite.transcripts:
        assert transcript.logits is not None
        assert len(transcript.logits) == transcript.logits_count > 50
        assert len(set(transcript.logits)) > 10  # the model does react to what it hears


def _with_beam(bundle: Bundle, beam: int, **more: int) -> Bundle:
    sizes = {"cache": 2 * beam, "max_tokens": 300, "nbest": beam, "max_arcs": 200, **more}
    search = dataclasses.replace(bundle.search, beam=beam, **sizes)
    return bundle.with_sections(SRCH=search.encode())


def test_beam_on_both_engines_then_gives_the_same_lattice(bundle: Bundle) -> None:
    """Also where each hypothesis has its own state of the predictor, an LSTM."""
    several = _with_beam(bundle, 4)
    tflite, core = (emulate(several, CLIPS, engine=e, keep_logits=True) for e in ("tflite", "core"))
    assert tflite.transcripts == core.transcripts
    for transcript in tflite.transcripts:
        document = transcript.document()
        assert [len(document[name]) for name in ("nbest", "word_times")] == [
            4,
            len(document["words"]),
        ]
        best = document["nbest"][0]
        assert {name: best[name] for name in ("text", "tokens", "timestamps", "ys_probs")} == {
            name: document[name] for name in ("text", "tokens", "timestamps", "ys_probs")
        }
        scores = [h["acoustic_score"] + h["bias_score"] for h in document["nbest"]]
        assert scores == sorted(scores, reverse=True)
        assert all(0 < word["confidence"] <= 1 for word in document["word_times"])
    assert make_samples(several, CLIPS[:1]) == make_samples(bundle, CLIPS[:1])


def test_beam_of_one_with_results_then_has_a_lattice_of_its_words(fused: Bundle) -> None:
    document = emulate(_with_beam(fused, 1), CLIPS[:1]).transcripts[0].document()
    greedy = emulate(fused, CLIPS[:1]).transcripts[0].document()
    assert {name: document[name] for name in greedy if name != "word_times"} == {
        name: value for name, value in greedy.items() if name != "word_times"
    }
    assert [edge["word"] for edge in document["lattice"]["edges"] if edge["word"]] == [
        word["word"] for word in document["word_times"]
    ]
    assert all(word["confidence"] == 1 for word in document["word_times"])
    assert all(word["confidence"] is None for word in greedy["word_times"])


def test_beam_over_resource_variables_then_is_refused(
    fused: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tflite, "has_resources", lambda model, source: "predictor" in source)
    with pytest.raises(BundleError, match=r"resource variables.*beam of 2; emulate it on the C"):
        Emulator(_with_beam(fused, 2))
    Emulator(_with_beam(fused, 1))
    Emulator(_with_beam(fused, 2), "core")


def test_example_recogniser_on_both_engines_then_gives_the_same_logits() -> None:
    folder = REPOSITORY / "examples" / "commands"
    source = load_source(folder / "onnx")
    rng = np.random.default_rng(1)
    utterances = [rng.normal(0, 1, (60, source.mel_bins)).astype(np.float32) for _ in range(2)]
    made = convert_source(source, utterances)
    bundle = lower_recogniser(
        made.encoder,
        made.predictor,
        made.joiner,
        source.tokens,
        source.features,
        max_symbols=source.max_symbols,
    )
    clips = load_clips(sorted((folder / "clips").glob("*.wav")), 16000)
    assert clips
    tflite, core = (emulate(bundle, clips, engine=e) for e in ("tflite", "core"))
    assert tflite.transcripts == core.transcripts


def test_pieces_of_any_size_then_change_nothing(bundle: Bundle) -> None:
    emulator = Emulator(bundle)
    whole = emulator.recognise(CLIPS[0], keep_logits=True, piece_ms=100_000)
    for piece_ms in (1, 10, 37):
        assert emulator.recognise(CLIPS[0], keep_logits=True, piece_ms=piece_ms) == whole


def test_clip_then_does_not_depend_on_the_one_before(bundle: Bundle) -> None:
    emulator = Emulator(bundle)
    first = emulator.recognise(CLIPS[0])
    emulator.recognise(CLIPS[1])
    assert emulator.recognise(CLIPS[0]) == first


def test_document_then_has_the_schema_of_run(fused: Bundle) -> None:
    partial: list[tuple[str, str]] = []
    emulation = emulate(
        fused, CLIPS[:1], keep_logits=True, on_partial=lambda *event: partial.append(event)
    )
    document = emulation.transcripts[0].document()
    assert list(document) == [
        *("clip", "text", "tokens", "timestamps", "ys_probs", "start_time", "is_final"),
        *("words", "word_times", "logits_sha256", "logits_count", "reference", "logits"),
    ]
    count = len(document["tokens"])
    assert count > 0
    assert len(document["timestamps"]) == len(document["ys_probs"]) == count
    assert document["timestamps"] == sorted(document["timestamps"])
    assert all(p <= 0 for p in document["ys_probs"])
    assert document["words"] == document["text"].split()
    calls = np.array(document["logits"], np.int8)
    assert hashlib.sha256(calls.tobytes()).hexdigest() == document["logits_sha256"]
    assert len(calls) == document["logits_count"]
    assert [name for name, _ in partial] == ["0.wav"] * count
    assert partial[-1][1] == document["text"]
    assert join_tokens(document["tokens"]) == document["text"]


@pytest.mark.parametrize("engine", ["tflite", "core"])
def test_five_steps_then_equal_one_run_of_five_steps(engine: Engine) -> None:
    """One recurrent encoder for 4 and for 20 frames; its state lives between the short runs."""
    pytest.importorskip("torch")
    from torch_transducers import torch_source

    utterances = [walk[:40] for walk in _walks(40)]
    outputs = []
    for frames in (4, 20):
        made = convert_source(torch_source("lstm", frames), utterances)
        x = np.random.default_rng(4).integers(-128, 128, (20 // frames, 1, frames, 40))
        run = run_graph(lower_single(made.encoder), [x.astype(np.int8)], engine=engine)
        outputs.append(np.concatenate([step[0].reshape(-1, 20) for step in run.outputs]))
    assert np.array_equal(outputs[0], outputs[1])
    assert len(np.unique(outputs[0])) > 30


def test_samples_then_repeat_on_both_kinds_of_kernels(bundle: Bundle) -> None:
    with_samples = bundle.with_sections(smpl=make_samples(bundle, CLIPS))
    samples = read_samples(with_samples)
    assert set(samples) == set(ROLES)
    for role, graph_samples in samples.items():
        steps = graph_samples.steps
        assert len(steps) >= 5
        graph = Graph(bundle.section({"encoder": "GENC", "predictor": "GPRE"}.get(role, "GJNT")))
        for step in steps:
            for ours, expected in zip(graph.run(*step.inputs), step.outputs, strict=True):
                assert np.array_equal(ours, expected)
        # From the states stored before it, any single step repeats in the interpreter.
        slow = TfliteGraph(bundle.tflite(role), role)
        slow.state = steps[3].state
        assert np.array_equal(slow.run(*steps[3].inputs)[0], steps[3].outputs[0])


def test_samples_when_damaged_then_say_so(fused: Bundle) -> None:
    good = make_samples(fused, CLIPS[:1])
    for damaged in (b"", b"PK", good[: len(good) // 2], good[:100] + b"x" * 50 + good[150:]):
        with pytest.raises(BundleError, match="damaged section smpl"):
            read_samples(fused.with_sections(smpl=damaged))
    with pytest.raises(BundleError, match="no section smpl"):
        read_samples(fused)
    with pytest.raises(BundleError, match="at least one clip"):
        make_samples(fused, [])


@pytest.mark.parametrize("role", ROLES)
def test_operator_outputs_then_equal_the_kernels_one_by_one(bundle: Bundle, role: str) -> None:
    samples = read_samples(bundle.with_sections(smpl=make_samples(bundle, CLIPS)))
    step = samples[role].steps[4]
    graph = Graph(bundle.section({"encoder": "GENC", "predictor": "GPRE"}.get(role, "GJNT")))
    for earlier in samples[role].steps[:4]:
        graph.run(*earlier.inputs)
    before = graph.state
    tensors = op_outputs(bundle.tflite(role), step.inputs, step.state)
    compared = 0
    for index, named in enumerate(bundle.debug[role]["ops"]):
        if named["tensor_index"] not in tensors:
            continue
        graph.state = before
        for i, values in enumerate(step.inputs):
            graph.write(i, values)
        graph.invoke(index + 1)
        _, ours = graph.op(index)
        assert ours.tobytes() == tensors[named["tensor_index"]].tobytes(), named
        compared += 1
    assert compared > 0


def test_single_graph_then_runs_on_both_engines(fused: Bundle) -> None:
    data = fused.tflite("encoder")
    single = lower_single(data)
    steps = np.random.default_rng(1).integers(-128, 128, (5, 1, 4, 40)).astype(np.int8)
    slow, fast = run_graph(data, [steps]), run_graph(single, [steps], engine="core")
    assert slow.document()["steps"] == fast.document()["steps"]
    assert len(slow.outputs) == 5
    assert run_graph(single, [steps[0]]).document()["steps"] == slow.document()["steps"][:1]
    info = TfliteGraph(data, "encoder").inputs[0]
    real = (steps.astype(np.float64) - info.zero_point) * info.scale
    assert run_graph(single, [real]).document() == slow.document()


def test_single_graph_with_wrong_inputs_then_says_what_it_takes(
    fused: Bundle, tmp_path: Path
) -> None:
    data = fused.tflite("joiner")
    good = np.zeros((1, 24), np.int8)
    cases: list[tuple[list[np.ndarray[Any, Any]], str]] = [
        ([good], "1 inputs given, it takes 2"),
        ([good, good[:, :5]], r"input 1 is \[1, 5\]; it takes int8\[1, 24\]"),
        ([good, good.astype(np.int32)], "input 1 is int32; it takes int8"),
        ([good, np.full((1, 24), np.nan, np.float32)], "input 1 holds NaN"),
        ([np.stack([good] * 3), np.stack([good] * 2)], r"inputs of \[2, 3\] steps"),
    ]
    for inputs, reason in cases:
        with pytest.raises(BundleError, match=reason):
            run_graph(data, inputs)
    with pytest.raises(BundleError, match=r"holds a recogniser; give it \.wav clips"):
        run_graph(fused, [good])
    with pytest.raises(BundleError, match=r"give it \.npy inputs"):
        Emulator(lower_single(data))
    with pytest.raises(BundleError, match=r"convert the \.tflite first"):
        run_graph(data, [good, good], engine="core")
    path = tmp_path / "x.npy"
    np.save(path, good)
    assert np.array_equal(load_array(path), good)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(EdgeError, match=r"x\.npy: not a readable \.npy file"):
        load_array(path)


def test_tflite_file_when_damaged_then_is_refused(fused: Bundle) -> None:
    data = fused.tflite("encoder")
    with pytest.raises(BundleError, match="no TFL3 mark"):
        TfliteGraph(b"RIFF" + bytes(100), "x.tflite")
    for size in (8, 20, 200):
        with pytest.raises(BundleError, match=r"x\.tflite: "):
            TfliteGraph(data[:size], "x.tflite")


def test_states_of_a_graph_then_can_be_saved_and_restored(bundle: Bundle) -> None:
    graph = TfliteGraph(bundle.tflite("encoder"), "encoder")
    x = np.random.default_rng(2).integers(-128, 128, (3, 160)).astype(np.int8)
    graph.run(x[0])
    saved = graph.state
    assert saved
    expected = graph.run(x[1])[0]
    graph.run(x[2])
    graph.state = saved
    assert np.array_equal(graph.run(x[1])[0], expected)
    graph.reset()
    assert not np.array_equal(graph.run(x[1])[0], expected)
    with pytest.raises(BundleError, match=r"states .* given, it has"):
        graph.state = {}


def test_recogniser_and_its_runner_then_are_freed_without_the_collector(fused: Bundle) -> None:
    runner = TfliteRunner(fused)
    recogniser = Recogniser(Image(fused.device_bytes()), runner)
    recogniser.push(CLIPS[0].samples)
    alive = weakref.ref(runner), weakref.ref(recogniser)
    gc.disable()
    try:
        del runner, recogniser
        assert [reference() for reference in alive] == [None, None]
    finally:
        gc.enable()


def _installed(monkeypatch: pytest.MonkeyPatch, packages: Sequence[str]) -> None:
    """Pretend that only these interpreters are installed."""
    real = sys.modules["tflite_runtime.interpreter"]

    def find(name: str) -> object:
        if name.split(".")[0].replace("_", "-") in packages:
            return real
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(tflite.importlib, "import_module", find)
    monkeypatch.setattr(tflite.importlib.metadata, "version", lambda package: "9.9")


def test_interpreter_that_rounds_once_then_is_named_with_its_caveat(
    fused: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    _installed(monkeypatch, ["ai-edge-litert"])
    tflite.find_interpreter.cache_clear()
    try:
        emulation = emulate(fused, CLIPS[:1])
        assert emulation.engine == "ai-edge-litert 9.9 BUILTIN_REF"
        assert emulation.caveat == "rounds once where devices round twice: compare within 1"
        _installed(monkeypatch, [])
        tflite.find_interpreter.cache_clear()
        with pytest.raises(EdgeError, match=r"pip install 'edgesdk\[emulate\]'"):
            emulate(fused, CLIPS[:1])
        assert emulate(fused, CLIPS[:1], engine="core").engine == "C core"
    finally:
        tflite.find_interpreter.cache_clear()
