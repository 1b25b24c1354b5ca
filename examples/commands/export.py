"""Writes the three ONNX graphs, the tokens and the feature settings of a checkpoint.

python examples/commands/export.py
"""

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from features import features_config
from model import (
    CHUNK_FRAMES,
    CONTEXT_SIZE,
    MAX_SYMBOLS_PER_FRAME,
    NUM_LAYERS,
    Transducer,
    load_checkpoint,
)
from torch import nn
from vocabulary import TOKENS

HERE = Path(__file__).parent
OPSET = 17


def state_names() -> list[str]:
    """Return the encoder's state inputs in order."""
    return [f"cached_{kind}_{layer}" for layer in range(NUM_LAYERS) for kind in "hc"]


def _state_shapes_to_outputs(graph: onnx.ModelProto) -> None:
    """Give each new state the shape of its input: the exporter leaves symbols there."""
    shapes = {f"new_{i.name}": i.type for i in graph.graph.input}
    for output in graph.graph.output:
        if output.name in shapes:
            output.type.CopyFrom(shapes[output.name])
        elif output.name == "encoder_out":
            output.type.tensor_type.shape.dim[0].dim_value = 1


def write_graph(
    module: nn.Module,
    example: tuple[torch.Tensor, ...],
    names: tuple[list[str], list[str]],
    path: Path,
    metadata: dict[str, str],
) -> None:
    """Write a module as a checked ONNX graph; `names` are those of its inputs and outputs."""
    buffer = io.BytesIO()
    torch.onnx.export(
        module.eval(),
        example,
        buffer,
        input_names=names[0],
        output_names=names[1],
        dynamic_axes={"x": {1: "T"}, "encoder_out": {1: "T_out"}} if "x" in names[0] else {},
        opset_version=OPSET,
        dynamo=False,
    )
    graph = onnx.load_from_string(buffer.getvalue())
    _state_shapes_to_outputs(graph)
    onnx.helper.set_model_props(graph, metadata)
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, path)


def write_tokens_and_features(model: Transducer, folder: Path, tokens: Sequence[str]) -> None:
    """Write tokens.txt and features.json."""
    lines = [f"{token} {index}\n" for index, token in enumerate(tokens)]
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")
    features = features_config(model.feature_mean, model.feature_inv_std)
    (folder / "features.json").write_text(json.dumps(features, indent=1) + "\n", encoding="utf-8")


def export(model: Transducer, folder: Path, tokens: Sequence[str] = TOKENS) -> None:
    """Write encoder.onnx, decoder.onnx, joiner.onnx, tokens.txt and features.json."""
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config
    states = state_names()
    limit = {"max_symbols_per_frame": str(MAX_SYMBOLS_PER_FRAME)}
    chunk = str(CHUNK_FRAMES)
    write_graph(
        model.encoder,
        (torch.zeros(1, 2 * CHUNK_FRAMES, config.num_bins), *model.encoder.initial_state()),
        (["x", *states], ["encoder_out", *(f"new_{name}" for name in states)]),
        folder / "encoder.onnx",
        {"decode_chunk_len": chunk, "T": chunk, **limit},
    )
    write_graph(
        model.decoder,
        (torch.zeros(1, CONTEXT_SIZE, dtype=torch.long),),
        (["y"], ["decoder_out"]),
        folder / "decoder.onnx",
        {"context_size": str(CONTEXT_SIZE), "vocab_size": str(config.vocab_size), **limit},
    )
    vector = torch.zeros(1, config.joiner_dim)
    write_graph(
        model.joiner,
        (vector, vector),
        (["encoder_out", "decoder_out"], ["logit"]),
        folder / "joiner.onnx",
        {"joiner_dim": str(config.joiner_dim), **limit},
    )
    write_tokens_and_features(model, folder, tokens)


def main() -> None:
    """Parse the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=HERE / "checkpoint.pt")
    parser.add_argument("--out", type=Path, default=HERE / "onnx")
    args = parser.parse_args()
    export(load_checkpoint(args.checkpoint), args.out)


if __name__ == "__main__":
    main()
