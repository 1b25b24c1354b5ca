"""A random adapter and its catalog for the tiny model: biasing by attention, without torch."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from tiny_model import JOINER_DIM, VOCAB, _Builder, _floats

HEADS, WIDTH, HIDDEN, EMBEDDING = 2, 8, 16, 8
INNER = HEADS * WIDTH
NO_PHRASE = "no_phrase_key"


def _catalog(path: Path, rng: np.random.Generator, no_phrase: str | None) -> None:
    b = _Builder(rng)
    table = b.weight("embedding.weight", VOCAB, EMBEDDING, gain=3.0)
    x = b.node("Gather", [table, "token"], "embedded", axis=0)
    major = b.node("Transpose", [x], "major", perm=[1, 0, 2])
    weights = [
        b.weight("W", 1, 4 * HIDDEN, EMBEDDING, gain=2.5),
        b.weight("R", 1, 4 * HIDDEN, HIDDEN, gain=1.5),
        b.weight("B", 1, 8 * HIDDEN, gain=2.0),
    ]
    outputs = ["y", "next_state_h", "next_state_c"]
    b.node("LSTM", [major, *weights, "", "state_h", "state_c"], *outputs, hidden_size=HIDDEN)
    flat = b.node("Reshape", ["y", b.constant("flat_shape", np.array([1, HIDDEN]))], "flat")
    real = np.arange(INNER) % WIDTH < WIDTH - 1
    for name, kept in (("key", real), ("value", np.ones(INNER, bool))):
        matrix = (rng.normal(0, 2 / np.sqrt(HIDDEN), (HIDDEN, INNER)) * kept).astype(np.float32)
        product = b.node("MatMul", [flat, b.constant(f"{name}.weight", matrix)], f"{name}.product")
        bias = (rng.normal(0, 0.1, INNER) * kept).astype(np.float32)
        b.node("Add", [product, b.constant(f"{name}.bias", bias)], name)
    states = {name: [1, 1, HIDDEN] for name in ("state_h", "state_c")}
    token = helper.make_tensor_value_info("token", TensorProto.INT64, [1, 1])
    made = {"key": [1, INNER], "value": [1, INNER]}
    made |= {f"next_{name}": shape for name, shape in states.items()}
    key = np.where(real, rng.normal(0, 0.5, INNER), 0)
    metadata = {NO_PHRASE: ",".join(map(str, key)) if no_phrase is None else no_phrase}
    b.save(path, [token, *_floats(states)], made, metadata)  # type: ignore[arg-type]


def _adapter(path: Path, rng: np.random.Generator, mark: float) -> None:
    b = _Builder(rng)
    real = np.arange(INNER) % WIDTH < WIDTH - 1
    query = rng.normal(0, 0.2 / np.sqrt(JOINER_DIM), (JOINER_DIM, INNER)) * real
    bias = np.where(real, 0, mark * np.sqrt(WIDTH))
    x = b.node("MatMul", ["encoder_out", b.constant("query", query.astype(np.float32))], "asked")
    x = b.node("Add", [x, b.constant("marks", bias.astype(np.float32))], "marked")
    x = b.node("Reshape", [x, b.constant("heads", np.array([HEADS, -1, WIDTH]))], "queries")
    across = b.node("Transpose", ["keys"], "across", perm=[0, 2, 1])
    x = b.node("MatMul", [x, across], "scores")
    root = b.constant("root", np.array(np.sqrt(WIDTH), np.float32))
    x = b.node("Softmax", [b.node("Div", [x, root], "scaled")], "weights", axis=-1)
    x = b.node("MatMul", [x, b.node("Transpose", ["values"], "rows", perm=[0, 2, 1])], "answers")
    x = b.node("Reshape", [x, b.constant("joined", np.array([1, 1, INNER]))], "answer")
    gate = b.linear("gate", "encoder_out", "gate", (JOINER_DIM, INNER), 1.0)
    x = b.linear("out", b.node("Mul", [x, gate], "gated"), "change", (INNER, JOINER_DIM), 3.0)
    b.node("Add", ["encoder_out", x], "adapted")
    frame = [1, 1, JOINER_DIM]
    shapes = {"encoder_out": frame, "keys": [HEADS, 5, WIDTH], "values": [HEADS, WIDTH, 5]}
    b.save(path, _floats(shapes), {"adapted": frame}, {})


def write_tiny_attention(
    folder: Path, seed: int = 5, *, mark: float = 12.0, no_phrase: str | None = None
) -> Path:
    """Write adapter.onnx and catalog.onnx beside a tiny model; return `folder`."""
    rng = np.random.default_rng(seed)
    _adapter(folder / "adapter.onnx", rng, mark)
    _catalog(folder / "catalog.onnx", rng, no_phrase)
    assert onnx.load(folder / "adapter.onnx").graph.input[1].name == "keys"
    return folder
