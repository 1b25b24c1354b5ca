"""The emulated NPU beside TFLM: all stored streams, and a few that Vela makes now."""

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conformance.catalogue import catalogue
from conformance.compare import compare
from conformance.compile import GENERATORS, TARGETS, Refusal, compile_graph
from conformance.cure import cured
from conformance.explain import UNCURED
from conformance.goldens import Golden, load, save
from conformance.layout import figures
from conformance.oracle import run_reference
from conformance.report import PAGE
from conformance.store import GOLDENS, STORED, check_goldens
from conformance.sweep import versions
from edgesdk.npu.emulator import Npu

pytestmark = pytest.mark.needs_cc

FRESH = (
    *(
        "dense_per_channel_int8",
        "dense_wide_sums_int16",
        "conv_dilated_int8",
        "conv_stride2_same_int16",
    ),
    *("depthwise_multiplier_int8", "transpose_conv_3x3_same_int8", "add_row_int8", "mul_int16"),
    *("softmax_3x17_int8", "softmax_1x10_int16", "average_pool_3x3_same_int8", "mean_hw_int8"),
    *("logistic_int16", "resize_bilinear_2x_int8", "lstm_steps_int8", "lstm_cell_int16"),
    *("attention_heads_int8", "cascade_convs_int8", "buffered_convs_int8"),
)


@pytest.fixture(scope="module")
def goldens() -> list[Golden]:
    return load(GOLDENS)[0]


def test_catalogue_then_is_large_and_the_same_each_time() -> None:
    cases = catalogue()
    assert len(cases) >= 400
    first, second = (
        [hashlib.sha256(case.file()).digest() for case in catalogue().values()] for _ in "12"
    )
    assert first == second and len(set(first)) == len(first)


def test_stored_streams_then_are_equal_but_for_what_is_explained(goldens: list[Golden]) -> None:
    found = check_goldens(GOLDENS)
    assert not found.lines and found.overflows == 0
    assert found.streams == len(goldens) and found.values > 1_500_000
    cases = catalogue()
    for golden in goldens:
        if golden.apart and (golden.graph, golden.generator) not in UNCURED:
            better, _ = cured(cases[golden.graph].file(), golden.compiled)
            outcome = compare(golden.graph, golden.runs, better, golden.generator, Npu)
            assert outcome.state == "equal", golden.graph


def test_stored_streams_then_are_of_all_graphs(goldens: list[Golden]) -> None:
    for accelerator, generator in STORED:
        graphs = {
            golden.graph
            for golden in goldens
            if (golden.compiled.accelerator, golden.generator) == (accelerator, generator)
        }
        missing = set(catalogue()) - graphs
        assert not missing if generator == "regor" else len(missing) < 40


def test_stored_streams_then_are_cut_cascaded_and_buffered(goldens: list[Golden]) -> None:
    counts: Counter[str] = Counter()
    for golden in goldens:
        found = figures(golden.compiled)
        for name in ("striped", "cascades", "tiled", "buffered", "tables"):
            counts[name] += getattr(found, name) > 0
        assert found.kernels + found.buffered > 0, golden.graph
    assert min(counts[name] for name in ("striped", "cascades", "tiled")) >= 25, counts
    assert min(counts[name] for name in ("buffered", "tables")) >= 100, counts


def test_stored_vectors_then_are_those_of_the_reference(goldens: list[Golden]) -> None:
    """Of one graph in ten; the stored ones were made on another day."""
    cases = catalogue()
    first = {golden.graph: golden for golden in goldens}
    for name in list(first)[::10]:
        kinds = tuple(run.kind for run in first[name].runs)
        runs = run_reference(replace(cases[name], kinds=kinds), cases[name].file())
        for stored, run in zip(first[name].runs, runs, strict=True):
            for a, b in ((stored.inputs, run.inputs), (stored.outputs, run.outputs)):
                for left, right in zip(a, b, strict=True):
                    for x, y in zip(left, right, strict=True):
                        np.testing.assert_array_equal(x, y, name)


@pytest.mark.parametrize("name", FRESH)
def test_fresh_streams_then_are_equal(name: str) -> None:
    case = catalogue()[name]
    data = case.file()
    runs = run_reference(case, data)
    targets = list(TARGETS.values())
    at = FRESH.index(name)
    for generator in GENERATORS:
        target = targets[at % len(targets)]
        at += 1
        try:
            compiled = compile_graph(data, target, generator)
        except Refusal:
            assert generator == "legacy"
            continue
        outcome = compare(name, runs, compiled, generator, Npu)
        assert (outcome.state, outcome.different) == ("equal", 0), outcome.text


def test_one_bit_elsewhere_then_is_found(goldens: list[Golden], tmp_path: Path) -> None:
    """In a stored output, and in the scale of a stream's first channel."""
    (golden,) = [
        g
        for g in goldens
        if (g.graph, g.compiled.accelerator) == ("conv_3x3_same_int8", "ethos-u55-128")
    ]
    outputs = [[value.copy() for value in step] for step in golden.runs[0].outputs]
    outputs[0][0].ravel()[5] ^= 1
    run = replace(golden.runs[0], outputs=tuple(tuple(step) for step in outputs))
    other = replace(golden, graph="other", runs=(run, *golden.runs[1:]))
    save([golden, other], versions(), tmp_path / "broken.xz")
    found = check_goldens(tmp_path / "broken.xz")
    assert len(found.lines) == 1 and found.lines[0].startswith("other ")
    weights = golden.compiled.weights.copy()
    weights[8] ^= 1
    broken = replace(golden.compiled, weights=weights)
    assert compare("", golden.runs, broken, "", Npu).different > 0


def test_page_then_counts_this_catalogue() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"{len(catalogue())} small graphs" in text
    assert "| unknown |" not in text and "failed" not in text
    assert all(f"| {name} |" in text for name in catalogue())
    _, made = load(GOLDENS)
    assert made == versions()
