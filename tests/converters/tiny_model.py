"""A tiny transducer with random weights, in the interface of examples/commands, without torch.

Encoder x[1, 4, 40] with six LSTM states, stateless predictor y[1, 2], additive joiner.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MEL_BINS, HIDDEN, JOINER_DIM, EMBEDDING, VOCAB = 40, 32, 24, 16, 16
WINDOW = 4
TOKENS = ["<blk>", "▁", *"abcdefghijklmn"]

FEATURES = {
    "kind": "kaldi-fbank",
    "sample_rate": 16000,
    "num_mel_bins": MEL_BINS,
    "frame_length_ms": 25.0,
    "frame_shift_ms": 10.0,
    "low_freq": 20.0,
    "high_freq": -400.0,
    "preemph_coeff": 0.97,
    "window_type": "povey",
    "remove_dc_offset": True,
    "snip_edges": True,
    "round_to_power_of_two": True,
    "use_power": True,
    "sample_scale": 32768.0,
    "mean": [12.0] * MEL_BINS,
    "inv_std": [0.25] * MEL_BINS,
    "tail_padding_ms": 400,
}


class _Builder:
    """Collects nodes and initialisers of one graph."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, *shape: int, gain: float = 1.0) -> str:
        values = self.rng.normal(0, gain / np.sqrt(shape[-1]), shape)
        return self.constant(name, values.astype(np.float32))

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, op: str, inputs: list[str], *outputs: str, **attributes: object) -> str:
        self.nodes.append(
            helper.make_node(op, inputs, list(outputs), name=f"/{outputs[0]}_{op}", **attributes)
        )
        return outputs[0]

    def lstm(self, layer: int, x: str, input_size: int) -> str:
        """x [1, T, I] -> [1, T, H], with the states as graph inputs and outputs."""
        weights = [
            self.weight(f"W{layer}", 1, 4 * HIDDEN, input_size, gain=2.5),
            self.weight(f"R{layer}", 1, 4 * HIDDEN, HIDDEN, gain=1.5),
            self.weight(f"B{layer}", 1, 8 * HIDDEN, gain=2.0),
        ]
        states = [f"cached_h_{layer}", f"cached_c_{layer}"]
        major = self.node("Transpose", [x], f"t{layer}", perm=[1, 0, 2])
        self.node(
            "LSTM",
            [major, *weights, "", *states],
            f"y{layer}",
            *(f"new_{s}" for s in states),
            hidden_size=HIDDEN,
        )
        axis = self.constant(f"axis{layer}", np.array([1], np.int64))
        flat = self.node("Squeeze", [f"y{layer}", axis], f"s{layer}")
        return self.node("Transpose", [flat], f"l{layer}", perm=[1, 0, 2])

    def linear(self, name: str, x: str, out: str, sizes: tuple[int, int], gain: float) -> str:
        """x [..., I] @ W [I, O] + b."""
        weight = self.constant(
            f"{name}.weight",
            self.rng.normal(0, gain / np.sqrt(sizes[0]), sizes).astype(np.float32),
        )
        bias = self.weight(f"{name}.bias", sizes[1], gain=0.5)
        product = self.node("MatMul", [x, weight], f"{name}.product")
        return self.node("Add", [product, bias], out)

    def save(self, path: Path, inputs: list[onnx.ValueInfoProto], outputs: dict[str, list[int]],
             metadata: dict[str, int]) -> None:  # fmt: skip
        infos = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in outputs.items()
        ]
        graph = helper.make_graph(self.nodes, path.stem, inputs, infos, self.weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="tiny"
        )
        helper.set_model_props(model, {k: str(v) for k, v in metadata.items()})
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString(deterministic=True))


def _floats(shapes: dict[str, list[int]]) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]


def _encoder(path: Path, rng: np.random.Generator, window: int) -> None:
    b = _Builder(rng)
    x = b.node("Reshape", ["x", b.constant("sh0", np.array([1, -1, 2 * MEL_BINS]))], "stacked")
    x = b.lstm(0, x, 2 * MEL_BINS)
    x = b.node("Reshape", [x, b.constant("sh1", np.array([1, -1, 2 * HIDDEN]))], "reduced")
    x = b.lstm(1, x, 2 * HIDDEN)
    x = b.lstm(2, x, HIDDEN)
    b.linear("project", x, "encoder_out", (HIDDEN, JOINER_DIM), 6.0)
    states = [f"cached_{s}_{layer}" for layer in range(3) for s in "hc"]
    state_shape = [1, 1, HIDDEN]
    inputs = {"x": [1, window, MEL_BINS]} | dict.fromkeys(states, state_shape)
    outputs = {"encoder_out": [1, window // 4, JOINER_DIM]}
    outputs |= {f"new_{s}": state_shape for s in states}
    b.save(path, _floats(inputs), outputs, {"T": window, "decode_chunk_len": window})


def _decoder(path: Path, rng: np.random.Generator) -> None:
    b = _Builder(rng)
    table = b.weight("embedding.weight", VOCAB, EMBEDDING, gain=3.0)
    x = b.node("Gather", [table, "y"], "embedded", axis=0)
    x = b.node("Flatten", [x], "context", axis=1)
    x = b.linear("mix", x, "mixed", (2 * EMBEDDING, JOINER_DIM), 1.5)
    x = b.node("Relu", [x], "active")
    b.linear("project", x, "decoder_out", (JOINER_DIM, JOINER_DIM), 1.0)
    y = helper.make_tensor_value_info("y", TensorProto.INT64, [1, 2])
    metadata = {"context_size": 2, "vocab_size": VOCAB}
    b.save(path, [y], {"decoder_out": [1, JOINER_DIM]}, metadata)


def _joiner(path: Path, rng: np.random.Generator) -> None:
    b = _Builder(rng)
    x = b.node("Add", ["encoder_out", "decoder_out"], "sum")
    x = b.node("Tanh", [x], "bounded")
    b.linear("output", x, "logits", (JOINER_DIM, VOCAB), 5.0)
    blank = np.zeros(VOCAB, np.float32)
    blank[0] = 4.0  # so that most frames emit nothing, as in a trained model
    b.node("Add", ["logits", b.constant("blank", blank)], "logit")
    inputs = {"encoder_out": [1, JOINER_DIM], "decoder_out": [1, JOINER_DIM]}
    metadata = {"joiner_dim": JOINER_DIM, "max_symbols_per_frame": 3}
    b.save(path, _floats(inputs), {"logit": [1, VOCAB]}, metadata)


def write_tiny_model(folder: Path, seed: int = 2, window: int = WINDOW) -> Path:
    """Write encoder, decoder and joiner .onnx, tokens.txt and features.json; return `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    _encoder(folder / "encoder.onnx", rng, window)
    _decoder(folder / "decoder.onnx", rng)
    _joiner(folder / "joiner.onnx", rng)
    lines = (f"{token} {index}\n" for index, token in enumerate(TOKENS))
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")
    (folder / "features.json").write_text(json.dumps(FEATURES, indent=1) + "\n", encoding="utf-8")
    return folder


def tiny_features(utterances: int = 4, seed: int = 3) -> list[NDArray[np.float32]]:
    """Normalised feature arrays [T, 40], slow random walks: what a feature front end might give."""
    rng = np.random.default_rng(seed)
    result = []
    for index in range(utterances):
        noise = rng.normal(0, 1, (40 + 12 * index, MEL_BINS))
        walk = np.zeros_like(noise)
        for t in range(1, len(noise)):
            walk[t] = 0.9 * walk[t - 1] + 0.45 * noise[t]
        result.append(walk.astype(np.float32))
    return result
