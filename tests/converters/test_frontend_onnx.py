"""A folder of ONNX files: names, roles, states, tokens, features, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from edgesdk.errors import ConvertError
from edgesdk_converters.convert import convert_source
from edgesdk_converters.execute import Stream
from edgesdk_converters.frontends.onnx import load_source
from edgesdk_converters.frontends.roles import pair_states, state_base
from edgesdk_converters.quantise.calibrate import windows
from onnx import TensorProto, helper, numpy_helper
from tiny_model import (
    EMBEDDING,
    FEATURES,
    HIDDEN,
    JOINER_DIM,
    MEL_BINS,
    TOKENS,
    VOCAB,
    tiny_features,
)


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def edit(path: Path, change: Callable[[onnx.ModelProto], object]) -> None:
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)


def rename(model: onnx.ModelProto, new: Callable[[str], str]) -> None:
    """Every value of a model by another name."""
    graph = model.graph
    for value in (*graph.input, *graph.output):
        value.name = new(value.name)
    for node in graph.node:
        node.input[:] = [new(n) if n else n for n in node.input]
        node.output[:] = [new(n) if n else n for n in node.output]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("h", "next_h"),
        ("cached_h_0", "new_cached_h_0"),
        ("cached_len_12", "new_cached_len_12"),
        ("state.3", "state_out.3"),
        ("lstm_h_in", "lstm_h_out"),
        ("h0", "h0_next"),
        ("in_cache_c", "out_cache_c"),
    ],
)
def test_state_names_of_exporters_have_one_base(before: str, after: str) -> None:
    assert state_base(before) == state_base(after)


def test_states_with_mute_names_then_pair_in_order() -> None:
    ins = {"onnx::A_1": (1, 4), "onnx::A_2": (1, 6)}
    outs = {"201": (1, 4), "202": (1, 6)}
    assert pair_states("e.onnx", ins, outs) == [("onnx::A_1", "201"), ("onnx::A_2", "202")]


def test_states_that_cannot_pair_then_names_them() -> None:
    with pytest.raises(ConvertError, match=r"^e\.onnx: states h go in and none come out"):
        pair_states("e.onnx", {"h": (1, 4)}, {})
    with pytest.raises(ConvertError, match=r"state h \(1, 4\) leaves as new_h \(1, 5\)"):
        pair_states("e.onnx", {"h": (1, 4)}, {"new_h": (1, 5)})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("new_cached_", "next_"),
        ("new_cached_", "cached_next_"),
        ("new_", "out_"),
    ],
)
def test_other_state_names_then_the_same_source(folder: Path, old: str, new: str) -> None:
    edit(folder / "encoder.onnx", lambda m: rename(m, lambda n: n.replace(old, new)))
    states = load_source(folder).encoder.states
    assert len(states) == 6
    assert all(f".{s.name[7]}." in f".{s.input.split('.')[1]}." for s in states)


def test_states_in_shuffled_order_then_paired_by_name(folder: Path) -> None:
    def shuffle(model: onnx.ModelProto) -> None:
        outputs = list(model.graph.output)
        del model.graph.output[:]
        model.graph.output.extend([outputs[0], *reversed(outputs[1:])])

    expected = load_source(folder).encoder.states
    edit(folder / "encoder.onnx", shuffle)
    assert load_source(folder).encoder.states == expected


def test_without_state_inputs_then_layers_keep_their_state(folder: Path) -> None:
    expected = load_source(folder)

    def strip(model: onnx.ModelProto) -> None:
        audio, result = model.graph.input[0], model.graph.output[0]
        del model.graph.input[:], model.graph.output[:]
        model.graph.input.append(audio)
        model.graph.output.append(result)
        for node in model.graph.node:
            if node.op_type == "LSTM":
                del node.input[4:], node.output[1:]

    edit(folder / "encoder.onnx", strip)
    source = load_source(folder)
    assert any("keep their state themselves" in note for note in source.notes)
    streams = [Stream(source.encoder), Stream(expected.encoder)]
    for window in windows(source, tiny_features(1)[0]):
        a, b = (stream.step(window)[0] for stream in streams)
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_file_variants_of_icefall_then_found(folder: Path) -> None:
    for old, new in (
        ("encoder", "encoder-epoch-99-avg-1"),
        ("decoder", "decoder-epoch-99-avg-1"),
        ("joiner", "joiner-epoch-99-avg-1"),
    ):
        (folder / f"{old}.onnx").rename(folder / f"{new}.onnx")
        (folder / f"{new}.int8.onnx").write_bytes(b"quantised by others")
    assert load_source(folder).vocab_size == VOCAB
    (folder / "encoder-epoch-30-avg-4.onnx").write_bytes(b"")
    with pytest.raises(ConvertError, match=r"could all be the encoder; leave one"):
        load_source(folder)


def test_predictor_file_name_then_found(folder: Path) -> None:
    (folder / "decoder.onnx").rename(folder / "predictor.onnx")
    assert load_source(folder).context == 2


def test_without_features_then_kaldi_defaults_and_a_note(folder: Path) -> None:
    (folder / "features.json").unlink()
    source = load_source(folder)
    assert source.features["num_mel_bins"] == MEL_BINS
    assert any("features.json is missing: Kaldi" in note for note in source.notes)


def icefall_decoder(path: Path) -> None:
    """Embedding of clamped tokens, masked where negative, then a grouped convolution over them."""
    rng = np.random.default_rng(1)
    table = rng.normal(0, 1, (VOCAB, EMBEDDING)).astype(np.float32)
    groups = EMBEDDING // 4
    kernel = rng.normal(0, 0.3, (EMBEDDING, 4, 2)).astype(np.float32)
    weight = rng.normal(0, 0.3, (JOINER_DIM, EMBEDDING)).astype(np.float32)
    assert kernel.shape[0] % groups == 0
    constants = {
        "zero": np.array(0, np.int64),
        "table": table,
        "kernel": kernel,
        "axis": np.array([2], np.int64),
        "time": np.array([1], np.int64),
        "weight": weight,
        "bias": np.zeros(JOINER_DIM, np.float32),
    }
    nodes = [
        helper.make_node("Clip", ["y", "zero"], ["clipped"]),
        helper.make_node("Gather", ["table", "clipped"], ["embedded"]),
        helper.make_node("GreaterOrEqual", ["y", "zero"], ["known"]),
        helper.make_node("Unsqueeze", ["known", "axis"], ["mask"]),
        helper.make_node("Cast", ["mask"], ["mask_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["embedded", "mask_float"], ["masked"]),
        helper.make_node("Transpose", ["masked"], ["first"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["first", "kernel"], ["mixed"], group=groups, kernel_shape=[2]),
        helper.make_node("Transpose", ["mixed"], ["last"], perm=[0, 2, 1]),
        helper.make_node("Relu", ["last"], ["active"]),
        helper.make_node("Squeeze", ["active", "time"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["decoder_out"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "decoder",
        [helper.make_tensor_value_info("y", TensorProto.INT64, ["N", 2])],
        [helper.make_tensor_value_info("decoder_out", TensorProto.FLOAT, ["N", JOINER_DIM])],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)


def test_icefall_decoder_then_equals_onnxruntime_and_converts(folder: Path) -> None:
    icefall_decoder(folder / "decoder.onnx")
    source = load_source(folder)
    assert any("never with -1" in note for note in source.notes)
    session = onnxruntime.InferenceSession(str(folder / "decoder.onnx"))
    stream = Stream(source.predictor)
    for context in ([0, 0], [3, 15], [9, 1]):
        y = np.array([context], np.int64)
        np.testing.assert_allclose(stream.step(y)[0], session.run(None, {"y": y})[0], atol=1e-5)
    report = convert_source(source, tiny_features(6)).report["predictor"]
    assert report.sqnr_db["decoder_out"] > 30.0


def lstm_predictor(path: Path) -> None:
    """Stacked states of two layers, cut and joined as torch exports them; batch is symbolic."""
    rng = np.random.default_rng(2)
    constants = {
        "table": rng.normal(0, 1, (VOCAB, HIDDEN)).astype(np.float32),
        "weight": rng.normal(0, 0.3, (HIDDEN, JOINER_DIM)).astype(np.float32),
        "axis": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "y"], ["embedded"]),
        helper.make_node("Transpose", ["embedded"], ["x0"], perm=[1, 0, 2]),
    ]
    for layer in range(2):
        for name, shape in (("W", 4 * HIDDEN), ("R", 4 * HIDDEN)):
            values = rng.normal(0, 0.25, (1, shape, HIDDEN)).astype(np.float32)
            constants[f"{name}{layer}"] = values
        constants[f"s{layer}"] = np.array([layer], np.int64)
        constants[f"e{layer}"] = np.array([layer + 1], np.int64)
        constants[f"a{layer}"] = np.array([0], np.int64)
        for s in "hc":
            cut = [f"{s}", f"s{layer}", f"e{layer}", f"a{layer}"]
            nodes.append(helper.make_node("Slice", cut, [f"{s}{layer}"]))
        ins = [f"x{layer}", f"W{layer}", f"R{layer}", "", "", f"h{layer}", f"c{layer}"]
        outs = [f"y{layer}", f"h{layer}n", f"c{layer}n"]
        nodes.append(helper.make_node("LSTM", ins, outs, hidden_size=HIDDEN))
        nodes.append(helper.make_node("Squeeze", [f"y{layer}", "axis"], [f"x{layer + 1}"]))
    nodes += [
        helper.make_node("Concat", ["h0n", "h1n"], ["next_h"], axis=0),
        helper.make_node("Concat", ["c0n", "c1n"], ["next_c"], axis=0),
        helper.make_node("Transpose", ["x2"], ["out"], perm=[1, 0, 2]),
        helper.make_node("MatMul", ["out", "weight"], ["decoder_out"]),
    ]
    state = [2, "N", HIDDEN]
    ios = [
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, state) for n in names]
        for names in (("h", "c"), ("next_h", "next_c"))
    ]
    out = helper.make_tensor_value_info("decoder_out", TensorProto.FLOAT, ["N", 1, JOINER_DIM])
    graph = helper.make_graph(
        nodes,
        "predictor",
        [helper.make_tensor_value_info("y", TensorProto.INT64, ["N", 1]), *ios[0]],
        [out, *ios[1]],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)


def test_stacked_states_then_one_state_per_layer_and_fused(folder: Path) -> None:
    lstm_predictor(folder / "decoder.onnx")
    source = load_source(folder)
    assert [s.name for s in source.predictor.states] == ["h.0", "h.1", "c.0", "c.1"]
    session = onnxruntime.InferenceSession(str(folder / "decoder.onnx"))
    h = c = np.zeros((2, 1, HIDDEN), np.float32)
    stream = Stream(source.predictor)
    for token in (0, 5, 2):
        y = np.array([[token]], np.int64)
        expected, h, c = session.run(None, {"y": y, "h": h, "c": c})
        np.testing.assert_allclose(stream.step(y)[0], expected[0], atol=1e-5)
    report = convert_source(source, tiny_features(6)).report["predictor"]
    assert report.operators["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 2
    assert "SLICE" not in report.operators


def test_open_chunk_length_then_metadata_or_the_smallest(folder: Path) -> None:
    def free(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "T"

    edit(folder / "encoder.onnx", free)
    assert load_source(folder).window == 4
    assert load_source(folder, window=8).frames_out == 2
    edit(folder / "encoder.onnx", lambda m: m.metadata_props.__delitem__(slice(None)))
    source = load_source(folder)
    assert source.window == 4
    assert any("smallest that works is 4" in note for note in source.notes)


def test_joiner_with_log_softmax_then_left_to_the_search(folder: Path) -> None:
    def normalise(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = "scores"
        model.graph.node.append(helper.make_node("LogSoftmax", ["scores"], ["logit"], axis=-1))

    expected = load_source(folder).joiner.nodes
    edit(folder / "joiner.onnx", normalise)
    source = load_source(folder)
    assert [n.op for n in source.joiner.nodes] == [n.op for n in expected]
    assert any("LogSoftmax is left to the search" in note for note in source.notes)


def broken(name: str, keep: int) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) * keep // 100])

    return damage


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text, encoding="utf-8")


REFUSALS = [
    (lambda f: (f / "joiner.onnx").unlink(), r"no joiner\.onnx or joint\.onnx; export"),
    (broken("encoder.onnx", 60), r"encoder\.onnx: not a readable ONNX model"),
    (broken("encoder.onnx", 0), r"encoder\.onnx: not a readable ONNX model"),
    (write("decoder.onnx", "garbage" * 40), r"decoder\.onnx: not a readable ONNX model"),
    (lambda f: (f / "tokens.txt").unlink(), r"tokens\.txt: .*write lines `token index`"),
    (write("tokens.txt", "<blk> 0\na b\n"), r"tokens\.txt: line 2 'a b' is no new"),
    (write("tokens.txt", "<blk> 0\na 2\n"), r"indices do not run from 0 to 1"),
    (write("tokens.txt", "<blk> 0\na 1\n"), r"has 2 tokens and joiner\.onnx 16 logits"),
    (write("features.json", "{"), r"features\.json: not JSON"),
    (write("features.json", "[]"), r'features\.json: kind must be "kaldi-fbank"'),
    (
        write("features.json", json.dumps({"kind": "kaldi-fbank", "num_mel_bins": 80, "mean": []})),
        r"gives 80 mel bins and encoder\.onnx takes 40",
    ),
    (
        write("features.json", json.dumps({**FEATURES, "mean": "x"})),
        r"features\.json: 'mean' must hold 40 finite numbers",
    ),
    (write("features.json", "[" * 200_000), r"features\.json: not JSON"),
    (
        lambda f: edit(f / "joiner.onnx", lambda m: setattr(m.graph.node[1], "op_type", "Erf")),
        r"joiner\.onnx: node /bounded_Tanh \(Erf\): this operator has no integer form",
    ),
]


@pytest.mark.parametrize(
    ("damage", "message"), REFUSALS, ids=[message[:40] for _, message in REFUSALS]
)
def test_bad_folder_then_one_line(
    folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(folder)
    with pytest.raises(ConvertError, match=message) as caught:
        load_source(folder)
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value), "no way out given"


def test_no_folder_then_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="no such folder"):
        load_source(tmp_path / "absent")


def test_what_is_no_folder_of_models_is_said_so(folder: Path, tmp_path: Path) -> None:
    clip, empty = tmp_path / "good.wav", tmp_path / "empty"
    clip.write_bytes(b"RIFF")
    empty.mkdir()
    for path, said in (
        (clip, "not a model; give the folder"),
        (folder / "encoder.onnx", "one of three files of a model; give the folder"),
        (empty, "no .onnx file there; give the folder"),
    ):
        with pytest.raises(ConvertError, match=said):
            load_source(path)


def test_bit_flips_in_onnx_then_one_line_or_a_source(folder: Path) -> None:
    rng = np.random.default_rng(4)
    original = (folder / "encoder.onnx").read_bytes()
    for _ in range(40):
        data = bytearray(original)
        data[rng.integers(min(len(data), 400) if rng.random() < 0.5 else len(data))] ^= 1 << (
            int(rng.integers(8))
        )
        (folder / "encoder.onnx").write_bytes(bytes(data))
        try:
            load_source(folder)
        except ConvertError as err:
            assert "\n" not in str(err)


def test_token_list_of_the_tiny_model_is_read_in_order(folder: Path) -> None:
    assert load_source(folder).tokens == tuple(TOKENS)
