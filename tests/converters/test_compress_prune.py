"""Pruning and repair of whole recognisers: exact blocks, never worse, the same every time."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgesdk.errors import ConvertError
from edgesdk_converters.compress.layers import (
    LSTM_GATES,
    Moments,
    graph_of,
    products,
    record_all,
    sequences,
    weights_of,
)
from edgesdk_converters.compress.options import Compression, load_masks
from edgesdk_converters.compress.pattern import zero_blocks
from edgesdk_converters.compress.prune import allot, prune_source
from edgesdk_converters.compress.repair import loss, removal_costs, repaired
from edgesdk_converters.convert import Converted, Options, convert_source
from edgesdk_converters.quantise.calibrate import Visit, decode
from edgesdk_converters.source import Source
from edgesdk_converters.tflite.read import read_tflite
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import tiny_features

EVEN = Compression(sparsity=0.5, levels="even", block="4x4")


def _nothing(text: str) -> None:
    assert text


@pytest.fixture(scope="module")
def visits(small_source: Source) -> list[Visit]:
    return [decode(small_source, utterance) for utterance in tiny_features(6)]


def _convert(source: Source, **choices: Any) -> Converted:
    return convert_source(source, tiny_features(6), Options("minmax", Compression(**choices)))


def _problem(seed: int) -> tuple[Any, Any, Any, Moments]:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (40, 12)) @ rng.normal(0, 1, (12, 12)) + 0.5
    weight, bias = rng.normal(0, 1, (8, 12)), rng.normal(0, 1, 8)
    moments = Moments.of(x + rng.normal(0, 0.1, x.shape), x @ weight.T + bias)
    return weight, bias, rng.random((8, 12)) < rng.random(), moments


@given(st.integers(0, 10_000), st.sampled_from(["least-squares", "bias"]))
def test_repair_is_never_worse_than_plain_pruning(seed: int, method: str) -> None:
    weight, bias, mask, moments = _problem(seed)
    fixed, shift = repaired(weight, bias, mask, moments, method)
    assert not fixed[~mask].any()
    plain = loss(np.where(mask, weight, 0.0), bias, moments)
    assert loss(fixed, shift, moments) <= plain + 1e-9 * moments.energy


@given(st.integers(0, 10_000))
def test_loss_is_the_squared_distance_of_the_products(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 1, (9, 5)), rng.normal(0, 1, (9, 3))
    weight, bias = rng.normal(0, 1, (3, 5)), rng.normal(0, 1, 3)
    direct = np.square(y - x @ weight.T - bias).sum()
    assert loss(weight, bias, Moments.of(x, y)) == pytest.approx(direct)


@pytest.mark.parametrize("block", [((0, 4), (5, 12)), ((4, 8), (0, 5))])
def test_cost_of_a_block_is_what_its_removal_adds_after_a_refit(block: Any) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(0, 1, (400, 12)) + rng.normal(0, 1, (400, 1))
    y = rng.normal(0, 1, (400, 8)) + x @ rng.normal(0, 1, (12, 8))
    ones = np.concatenate([x, np.ones((400, 1))], axis=1)
    best = np.linalg.lstsq(ones, y, rcond=None)[0].T
    (top, bottom), (left, right) = block
    rest = np.delete(ones, np.arange(left, right), axis=1)
    refit = rest @ np.linalg.lstsq(rest, y[:, top:bottom], rcond=None)[0]
    before = np.square(y[:, top:bottom] - ones @ best[top:bottom].T).sum()
    grown = np.square(y[:, top:bottom] - refit).sum() - before
    whole = np.ones((8, 12), np.bool_)
    moments = Moments.of(x, y)
    costs = removal_costs(best[:, :-1], whole, moments, [(0, 4), (4, 8)], [(0, 5), (5, 12)])
    assert costs[top:bottom, left:right].sum() == pytest.approx(grown, rel=0.05)


@pytest.mark.parametrize("score", ["surgeon", "activation", "magnitude"])
@pytest.mark.parametrize("block", ["4x4", "8x16", "3x5"])
def test_zero_blocks_are_exact_in_every_matrix_of_the_file(
    small_source: Source, score: str, block: str
) -> None:
    choices = {"sparsity": 0.5, "levels": "even", "block": block, "score": score}
    made = _convert(small_source, **choices)
    pattern = Compression(**choices).pattern
    for product in products(small_source):
        names = [f"{product.node}/weight"]
        if len(product.params) > 1:
            names = [f"{product.node}/{g}_{p}" for g in LSTM_GATES for p in product.params]
        held = {t.name: t.data for t in read_tflite(getattr(made, product.role)).graphs[0].tensors}
        counts = [zero_blocks(np.asarray(held[name]), pattern) for name in names]
        assert sum(empty for empty, _ in counts) >= int(0.5 * sum(total for _, total in counts))


def test_n_of_m_and_masks_hold_in_the_source(small_source: Source, visits: list[Visit]) -> None:
    keep = np.random.default_rng(0).random((24, 32)) < 0.4
    chosen = Compression(
        sparsity=0.5, levels="even", block="2:4", masks={"encoder.linear0.weight": keep}
    )
    pruned, _ = prune_source(small_source, visits, chosen, _nothing)
    for product in products(pruned):
        weight, _ = weights_of(graph_of(pruned, product.role), product)
        if product.layer == "encoder.linear0":
            assert not weight[~keep].any()
            assert weight[keep].all()
            continue
        for piece in product.pieces(weight != 0):
            for left in range(0, piece.shape[1], 4):
                assert piece[:, left : left + 4].sum(axis=1).max() <= 2


def test_repair_brings_every_layer_nearer_to_dense(
    small_source: Source, visits: list[Visit]
) -> None:
    found = products(small_source)
    dense = record_all(small_source, found, sequences(visits))
    losses = {}
    for repair in ("none", "least-squares"):
        chosen = replace(EVEN, repair=repair, score="activation")
        pruned, _ = prune_source(small_source, visits, chosen, _nothing)
        losses[repair] = []
        for product in found:
            target_weight, target_bias = weights_of(graph_of(small_source, product.role), product)
            moments = Moments.of(dense[product], dense[product] @ target_weight.T + target_bias)
            made = weights_of(graph_of(pruned, product.role), product)
            losses[repair].append(loss(*made, moments))
    assert all(after < before for after, before in zip(*reversed(losses.values()), strict=True)), (
        losses
    )


def test_palette_bounds_the_values_of_every_matrix(small_source: Source) -> None:
    made = _convert(small_source, sparsity=0.5, levels="even", block="4x4", palette=8)
    tensors = [it for graph in made.report.values() for it in graph.tensors]
    assert len(tensors) == 3 * 8 + 1 + 2 + 1
    assert all(it.distinct <= 8 for it in tensors)
    dense = _convert(small_source)
    for role, graph in dense.report.items():
        assert max(made.report[role].sqnr_db.values()) < min(graph.sqnr_db.values())


def test_compressing_twice_gives_equal_bytes(small_source: Source) -> None:
    first, again = (_convert(small_source, sparsity=0.6, palette=16) for _ in range(2))
    assert (first.encoder, first.predictor, first.joiner) == (
        again.encoder,
        again.predictor,
        again.joiner,
    )


NOISE = {"a": {0.0: 0.0, 0.5: 1.0, 0.75: 9.0}, "b": {0.0: 0.0, 0.5: 2.0, 0.75: 2.5}}


@pytest.mark.parametrize("target", [0.0, 0.2, 0.5, 0.7])
def test_allotment_meets_the_target_exactly(target: float) -> None:
    levels = allot(NOISE, {"a": 100, "b": 300}, {}, target)
    assert levels["a"] * 100 + levels["b"] * 300 == pytest.approx(400 * target)


def test_allotment_takes_the_cheapest_zeros_and_leaves_fixed_layers() -> None:
    sizes = {"a": 100, "b": 100, "c": 200}
    levels = allot(NOISE, sizes, {"c": 0.25}, 0.25)
    assert levels == {"a": 0.5, "b": 0.0, "c": 0.25}


def _wrong(**choices: Any) -> Mapping[str, Any]:
    return choices


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        (_wrong(sparsity=0.99), "must lie in 0..0.95"),
        (_wrong(sparsity=-0.1), "must lie in 0..0.95"),
        (_wrong(sparsity=0.25, block="2:4"), "is 0.5 only"),
        (_wrong(block="4"), "neither ROWSxCOLUMNS"),
        (_wrong(sparsity=0.5, palette=3), "none of 0, 2, 4"),
        (_wrong(levels="odd"), "none of scan, even"),
        (_wrong(score="odd"), "none of surgeon"),
        (_wrong(repair="odd"), "none of least-squares"),
        (_wrong(palette_rows=-1), "is negative"),
        (_wrong(layers={"encoder.lstm7": 0.5}), "did you mean 'encoder.lstm"),
        (_wrong(masks={"nowhere": np.ones((1, 1), np.bool_)}), "no matrix 'nowhere'"),
        (_wrong(masks={"joiner.linear0.weight": np.ones((1, 1), np.bool_)}), "has shape (1, 1)"),
    ],
)
def test_wrong_choice_is_refused_by_name(
    small_source: Source, choices: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConvertError) as refused:
        _convert(small_source, **choices)
    assert said in str(refused.value)


def test_masks_are_read_from_a_file_and_other_files_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", **{"encoder.lstm0.weight": np.array([[1, 0]])})
    (name, mask), *rest = load_masks(tmp_path / "m.npz").items()
    assert (name, mask.tolist(), rest) == ("encoder.lstm0.weight", [[True, False]], [])
    (tmp_path / "x.npz").write_bytes(b"no archive")
    for file in ("x.npz", "none.npz"):
        with pytest.raises(ConvertError, match=r"no \.npz of masks"):
            load_masks(tmp_path / file)
