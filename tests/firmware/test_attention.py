"""Biasing by attention in the C core: rows of tables, an adapter that is skipped without them."""

import dataclasses
import zlib

import numpy as np
import pytest
from attention_bundle import ROOM, attention_bundle, base_bundle, noise
from edgesdk.biasing.attention import Catalog, Spelled, capacity
from edgesdk.biasing.compile import compile_phrases
from edgesdk.biasing.phrases import Phrase
from edgesdk.biasing.table import Table
from edgesdk.bundle import BiasSection, Bundle
from edgesdk.bundle.plan import Ref
from edgesdk.core import Graph, Image, Recogniser
from edgesdk.core.features import Quantised
from edgesdk.emulate import Clip, Emulator, TfliteGraph, find_interpreter
from edgesdk.emulate.recognise import TfliteRunner
from edgesdk.errors import BundleError
from edgesdk.recipe import AttentionRecipe
from edgesdk_converters.frontends.onnx_attention import DEFAULT_PHRASES

pytestmark = pytest.mark.needs_cc
CLIPS = [Clip(str(seed), noise(0.8, seed)) for seed in (11, 12)]
TOKENS = [(2, 3, 4), (5,), (1, 7, 9, 2), (15, 14, 13), (3, 3)]


def _table(name: str, *phrases: tuple[int, ...], bundle: Bundle | None = None) -> Table:
    return Catalog(bundle or attention_bundle()).table(Spelled(name, phrases))


def _heard(bundle: Bundle, *tables: bytes, engine: str = "core") -> list[object]:
    emulator = Emulator(bundle, engine, tables)  # type: ignore[arg-type]
    return [emulator.recognise(clip, keep_logits=True) for clip in CLIPS]


class _Watching(TfliteRunner):
    """Keeps the keys and values that the core gives the adapter."""

    seen: tuple[Quantised, Quantised] | None = None

    def adapt(self, keys: Quantised, values: Quantised, encoder_out: Quantised) -> Quantised:
        self.seen = keys, values
        return super().adapt(keys, values, encoder_out)


def _rows_given(bundle: Bundle, *tables: Table) -> tuple[Quantised, Quantised] | None:
    runner = _Watching(bundle)
    recogniser = Recogniser(Image(bundle.device_bytes()), runner)
    for table in tables:
        recogniser.bias.load(table.data)
    recogniser.reset()
    recogniser.push(CLIPS[0].samples)
    return runner.seen


def _obvious(bundle: Bundle, *tables: Table) -> tuple[Quantised, Quantised]:
    """keys [H, N, d] and values [H, d, N], row by row and head by head."""
    heads, rows, width = bundle.graphs["adapter"].inputs[1].shape
    keys, values = np.zeros((heads, rows, width), np.int8), np.zeros((heads, width, rows), np.int8)
    keys[:, :, -1] = -128
    parts = [np.frombuffer(t.data[64:], np.int8)[: t.nodes * 2 * heads * width] for t in tables]
    found = [part.reshape(-1, 2, heads, width) for part in parts]
    for row, (key, value) in enumerate([found[0][0], *(r for part in found for r in part[1:])]):
        for head in range(heads):
            keys[head, row], values[head, :, row] = key[head], value[head]
    return keys, values


def test_rows_of_all_active_tables_reach_the_adapter_head_by_head() -> None:
    bundle = attention_bundle()
    tables = _table("a", *TOKENS[:2]), _table("b", *TOKENS[2:])
    given = _rows_given(bundle, *tables)
    assert given is not None
    for ours, expected in zip(given, _obvious(bundle, *tables), strict=True):
        np.testing.assert_array_equal(ours, expected.reshape(-1))
    assert given[0].reshape(2, -1, 8)[0, 0, -1] == 0  # row 0 is not empty


@pytest.mark.parametrize("names", [(), ("none",)])
def test_without_phrases_every_bit_is_the_base_models(names: tuple[str, ...]) -> None:
    tables = [_table(name) for name in names]
    data = [table.data for table in tables]
    expected = _heard(base_bundle())
    assert _heard(attention_bundle(), *data) == expected
    assert _heard(attention_bundle(), *data, engine="tflite") == expected
    assert _rows_given(attention_bundle(), *tables) is None


def test_kernels_and_interpreter_agree_with_phrases_of_both_kinds() -> None:
    bundle = attention_bundle()
    phrases = [Phrase("dean"), Phrase("bell"), Phrase("jam")]
    tables = [table.data for table in compile_phrases(phrases, bundle).tables]
    assert [data[:4] for data in tables] == [b"BIAT", b"ATTN"]
    ours, theirs = (_heard(bundle, *tables, engine=engine) for engine in ("core", "tflite"))
    assert ours == theirs
    assert ours != _heard(bundle, tables[0])  # the adapter leaves its mark


@pytest.mark.parametrize("phrases", [20, 300])
def test_adapter_and_catalog_are_the_interpreters_to_the_bit(phrases: int) -> None:
    """300 phrases need softmax in int16."""
    bundle, rng = attention_bundle(phrases), np.random.default_rng(8)
    assert find_interpreter().caveat == ""
    adapter, judge = Graph(bundle.section("GADA")), TfliteGraph(bundle.tflite("adapter"), "a")
    for round_number in range(40):
        inputs = [rng.integers(-128, 128, info.shape).astype(np.int8) for info in adapter.inputs]
        if round_number % 4 == 0:  # extremes
            inputs = [np.sign(values).astype(np.int8) * 127 for values in inputs]
        np.testing.assert_array_equal(adapter.run(*inputs)[0], judge.run(*inputs)[0])
    catalog, judge = Graph(bundle.section("gcat")), TfliteGraph(bundle.tflite("catalog"), "c")
    for token in rng.integers(0, len(bundle.tokens), 60):
        given = np.full((1, 1), token, np.int32)
        for ours, theirs in zip(catalog.run(given), judge.run(given), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_calls_are_counted_and_tables_outlive_resets() -> None:
    recogniser = Recogniser(Image(attention_bundle().device_bytes()))
    recogniser.bias.load(_table("a", *TOKENS).data)
    for _ in range(2):
        recogniser.reset()
        recogniser.push(CLIPS[0].samples)
        recogniser.finish()
        assert recogniser.costs.adapter_calls == recogniser.costs.encoder_calls > 0
    recogniser.bias.use([])
    recogniser.reset()
    recogniser.push(CLIPS[0].samples)
    assert recogniser.costs.adapter_calls == 0


def _damaged(table: Table, at: int, value: int) -> bytes:
    return table.data[:at] + bytes([value]) + table.data[at + 1 :]


def test_tables_that_are_foreign_damaged_or_too_long_change_nothing() -> None:
    bundle = attention_bundle()
    old, new = _table("a", *TOKENS[:2]), _table("a", *TOKENS)
    recogniser = Recogniser(Image(bundle.device_bytes()))
    store = recogniser.bias
    store.load(old.data)
    before = store.stored
    wide = dataclasses.replace(new, data=new.data[:8] + b"\x99\0\0\0" + new.data[12:])
    for data, reason in (
        (_damaged(new, 20, new.data[20] ^ 1), "another model"),
        (_damaged(new, 16, 1), "another model"),
        (_damaged(new, 8, 0), "outside its bounds"),
        (_damaged(new, 8, 5), "outside its bounds"),
        (_damaged(new, 24, 1), "outside its bounds"),
        (_damaged(new, 32, 47), "outside its bounds"),
        (new.data[:-16], "data ends before"),
        (new.data[:63], "data ends before"),
        (new.data + bytes(16), "outside its bounds"),
        (wide.data, "memory given is too small"),
    ):
        with pytest.raises(BundleError, match=reason):
            store.load(data)
        assert store.stored == before
    store.begin(len(new.data), zlib.crc32(new.data))
    store.data(0, new.data[:-1])
    with pytest.raises(BundleError, match="data ends before"):
        store.end()
    assert store.stored == before
    plain = Recogniser(Image(base_bundle().device_bytes())).bias
    with pytest.raises(BundleError, match="another model"):
        plain.load(new.data)


def test_active_phrases_never_exceed_the_adapters_rows() -> None:
    bundle = attention_bundle()
    most = capacity(bundle)
    assert most == 31
    full, one = _table("full", *[TOKENS[0]] * most), _table("one", TOKENS[1])
    bundle = bundle.with_sections(BIAS=BiasSection(ROOM, (full.data,)).encode())
    store = Recogniser(Image(bundle.device_bytes())).bias
    with pytest.raises(BundleError, match="too small"):
        store.load(one.data)
    short = _table("full", TOKENS[2])
    store.load(short.data)  # hides the shipped one
    store.load(one.data)
    with pytest.raises(BundleError, match="too small"):
        store.load(full.data)
    store.clear("full")  # the shipped one comes back, but has no room beside the other
    active = {table.name: table.active for table in store.stored.tables}
    assert active == {"full": False, "one": True}
    with pytest.raises(BundleError, match="too small"):
        store.use(["one", "full"])
    store.use(["full"])
    store.clear()
    assert [(t.name, t.active, t.kind) for t in store.stored.tables] == [
        ("full", True, "attention")
    ]
    too_many = BiasSection(0, (full.data, one.data)).encode()
    with pytest.raises(BundleError, match="too small"):
        Recogniser(Image(bundle.with_sections(BIAS=too_many).device_bytes()))


def test_image_whose_adapter_does_not_fit_is_refused() -> None:
    bundle = attention_bundle()
    plan = bundle.graphs["adapter"]
    frame, keys, values = plan.inputs

    def with_ports(*inputs: object) -> Image:
        changed = dataclasses.replace(plan, inputs=inputs)
        return Image(bundle.with_sections(GADA=changed.encode()).device_bytes())

    moved = dataclasses.replace(keys, ref=Ref("arena", 0))
    rescaled = dataclasses.replace(frame, scale=frame.scale * 1.5)
    shifted = dataclasses.replace(keys, zero_point=3)
    swapped = dataclasses.replace(keys, shape=keys.shape[::-1])
    for inputs in (
        (frame, keys),
        (frame, moved, values),
        (rescaled, keys, values),
        (frame, shifted, values),
        (frame, swapped, values),
    ):
        with pytest.raises(BundleError, match="outside its bounds"):
            Recogniser(with_ports(*inputs))


def test_a_source_reads_as_many_phrases_as_a_recipe_asks_for_by_default() -> None:
    assert AttentionRecipe().phrases == DEFAULT_PHRASES
