"""Gives a recogniser of the examples the inputs, outputs and metadata that sherpa-onnx expects.

The weights stay as they are. What changes around them: features are normalised inside the encoder
(sherpa-onnx feeds plain log-mel values), the states of all layers become one tensor each, the
batch of predictor and joiner is free, and every vector of the encoder may be given several times,
because sherpa-onnx looks at each for one token only.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def _properties(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def tokens_per_frame(source: Path) -> int:
    """How many tokens the model may emit for one vector of its encoder."""
    return int(_properties(onnx.load(source / "encoder.onnx"))["max_symbols_per_frame"])


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Let the nodes that read or write `old` have `new` instead."""
    for node in graph.node:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                if name == old:
                    names[at] = new


def _normalise(graph: onnx.GraphProto, features: dict[str, list[float]]) -> list[onnx.NodeProto]:
    """Nodes in front of those that read x: (x - mean) * inv_std."""
    for name in ("mean", "inv_std"):
        values = np.array(features[name], dtype=np.float32)
        graph.initializer.append(numpy_helper.from_array(values, name))
    _rename(graph, "x", "x_normal")
    return [
        helper.make_node("Sub", ["x", "mean"], ["x_less"]),
        helper.make_node("Mul", ["x_less", "inv_std"], ["x_normal"]),
    ]


def _repeat(graph: onnx.GraphProto, times: int) -> list[onnx.NodeProto]:
    """Nodes behind the only vector of a chunk: it comes `times` times."""
    values = np.array([1, times, 1], dtype=np.int64)
    graph.initializer.append(numpy_helper.from_array(values, "times"))
    _rename(graph, "encoder_out", "encoder_once")
    return [helper.make_node("Tile", ["encoder_once", "times"], ["encoder_out"])]


def wrap_encoder(source: Path, features: dict[str, list[float]], times: int) -> onnx.ModelProto:
    """The encoder with two stacked states [layers, 1, H]; each of its vectors `times` times.

    Raises:
        ValueError: the states are not pairs of equal LSTMs, or a chunk makes several vectors.
    """
    model = onnx.load(source)
    graph = model.graph
    known = _properties(model)
    states = {value.name: _shape(value) for value in graph.input if value.name != "x"}
    layers, shape = len(states) // 2, next(iter(states.values()))
    expected = {f"cached_{kind}_{layer}" for layer in range(layers) for kind in "hc"}
    if set(states) != expected or set(map(tuple, states.values())) != {tuple(shape)}:
        raise ValueError(f"{source}: its states {sorted(states)} are not those of equal LSTMs")
    if known["T"] != "4":
        raise ValueError(f"{source}: a chunk of {known['T']} frames; the table is made for 4")
    before, after = _normalise(graph, features), _repeat(graph, times)
    for kind in "hc":
        parts = [f"cached_{kind}_{layer}" for layer in range(layers)]
        before.append(helper.make_node("Split", [kind], parts, axis=0))
        after.append(
            helper.make_node("Concat", [f"new_{p}" for p in parts], [f"new_{kind}"], axis=0)
        )
    inner = list(graph.node)
    del graph.node[:], graph.input[:], graph.value_info[:]
    graph.node.extend([*before, *inner, *after])
    stacked, hidden = [layers, 1, shape[2]], str(shape[2])
    width = graph.output[0].type.tensor_type.shape.dim[2].dim_value
    bins = len(features["mean"])
    del graph.output[:]
    graph.input.append(helper.make_tensor_value_info("x", FLOAT, [1, "T", bins]))
    graph.output.append(helper.make_tensor_value_info("encoder_out", FLOAT, [1, "T_out", width]))
    for kind in "hc":
        graph.input.append(helper.make_tensor_value_info(kind, FLOAT, stacked))
        graph.output.append(helper.make_tensor_value_info(f"new_{kind}", FLOAT, stacked))
    named = {"num_encoder_layers": str(layers), "rnn_hidden_size": hidden, "d_model": hidden}
    helper.set_model_props(model, {**known, **named, "model_type": "lstm"})
    return model


def wrap_decoder(source: Path) -> onnx.ModelProto:
    """The predictor, for which -1 is the blank: sherpa-onnx's history begins with a -1."""
    model = free_batch(source)
    graph = model.graph
    _rename(graph, "y", "y_known")
    graph.initializer.append(numpy_helper.from_array(np.array(0, dtype=np.int64), "blank"))
    graph.node.insert(0, helper.make_node("Max", ["y", "blank"], ["y_known"]))
    return model


def free_batch(source: Path) -> onnx.ModelProto:
    """Predictor or joiner for any number of hypotheses at once."""
    model = onnx.load(source)
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    return model


def write_model(source: Path, folder: Path, times: int) -> None:
    """Write encoder.onnx, decoder.onnx, joiner.onnx and tokens.txt for sherpa-onnx."""
    folder.mkdir(parents=True, exist_ok=True)
    features = json.loads((source / "features.json").read_text(encoding="utf-8"))
    encoder = wrap_encoder(source / "encoder.onnx", features, times)
    for name, model in (
        ("encoder", encoder),
        ("decoder", wrap_decoder(source / "decoder.onnx")),
        ("joiner", free_batch(source / "joiner.onnx")),
    ):
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, folder / f"{name}.onnx")
    shutil.copyfile(source / "tokens.txt", folder / "tokens.txt")
