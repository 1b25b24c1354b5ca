"""Writes the recogniser with attention as ONNX graphs, and phrases to calibrate them with.

The encoder carries the listener: behind its own output stands what the listener heard, which
predictor and joiner do not look at. catalog.onnx takes one letter of a phrase and its state; what
it says after the last letter is the phrase's row. adapter.onnx takes an encoder frame and the rows
of all phrases. The query's last coordinate of a head is a constant, so that a row whose mark is as
low as keys get scores EMPTY or less and gets no attention.

python examples/contacts/export_attention.py
"""

import argparse
import copy
import random
from collections.abc import Sequence
from pathlib import Path

import commands_path  # noqa: F401
import soundfile
import torch
from attention import (
    HEAD_WIDTH,
    HEADS,
    HEARD,
    HIDDEN,
    MARK,
    WIDTH,
    Adapter,
    Attention,
    Catalog,
    Listener,
    load_attention,
    with_marks,
)
from decode import device_features
from export import state_names, write_graph, write_tokens_and_features
from letters import TOKENS
from model import (
    CHUNK_FRAMES,
    CONTEXT_SIZE,
    MAX_SYMBOLS_PER_FRAME,
    NUM_LAYERS,
    Decoder,
    Encoder,
    Joiner,
    Transducer,
    load_checkpoint,
)
from sentences import split_names
from synthesis import Samples
from torch import Tensor, nn

HERE = Path(__file__).parent
EMPTY = -20.0
SOFTER = HEAD_WIDTH**-0.5
CALIBRATION_PHRASES = 96
CALIBRATION_SEED = 31


def calibration_phrases() -> list[str]:
    """Return names of the training side, first and last names alone among them."""
    rng = random.Random(CALIBRATION_SEED)
    names, _ = split_names()
    chosen: dict[str, None] = {}
    while len(chosen) < CALIBRATION_PHRASES:
        chosen[names.draw(rng)] = None
    return list(chosen)


def _marked(linear: nn.Linear, mark: float) -> nn.Linear:
    """Return a linear layer to [64] of one to [60]: the marks are constants."""
    wide = nn.Linear(linear.in_features, WIDTH)
    with torch.no_grad():
        wide.weight.copy_(with_marks(linear.weight.T).T)
        wide.bias.copy_(with_marks(linear.bias))
        wide.bias[MARK::HEAD_WIDTH] = mark
    return wide


class CatalogStep(nn.Module):
    """One letter: (token [1, 1], state h and c [1, 1, 96]) to key, value [1, 64] and new states."""

    def __init__(self, catalog: Catalog) -> None:
        """Take the trained layers."""
        super().__init__()
        self.embedding, self.lstm, self.values = catalog.embedding, catalog.lstm, catalog.values
        self.keys = _marked(catalog.keys, 0.0)

    def forward(self, token: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        """Return what the phrase is so far."""
        out, (new_h, new_c) = self.lstm(self.embedding(token), (h, c))
        last = out.reshape(1, HIDDEN)
        return self.keys(last), self.values(last), new_h, new_c


def _wider(linear: nn.Linear, outputs: int, inputs: int) -> nn.Linear:
    """Return the layer with more inputs and outputs: the additional ones do nothing."""
    wide = nn.Linear(inputs, outputs)
    rows, columns = linear.weight.shape
    with torch.no_grad():
        wide.weight.zero_()
        wide.bias.zero_()
        wide.weight[:rows, :columns] = linear.weight
        wide.bias[:rows] = linear.bias if linear.bias is not None else 0.0
    return wide


class ListeningEncoder(nn.Module):
    """The encoder and the listener: encoder_out [1, T, J + 64], new states, its own at the end."""

    def __init__(self, encoder: Encoder, listener: Listener, scale: float) -> None:
        """Take the trained layers and what the listener's output is multiplied with."""
        super().__init__()
        self.encoder, self.lstm = encoder, listener.lstm
        self.heard = nn.Linear(HEARD, HEARD)
        with torch.no_grad():
            self.heard.weight.copy_(listener.project.weight * scale)
            self.heard.bias.copy_(listener.project.bias * scale)

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return encoder_out followed by the new states."""
        hidden, new_state = self.encoder.hidden_states(x, list(state[:-2]))
        out, (h, c) = self.lstm(hidden, (state[-2], state[-1]))
        encoder_out = torch.cat([self.encoder.project(hidden), self.heard(out)], dim=-1)
        return encoder_out, *new_state, h, c


def widened(model: Transducer) -> tuple[Decoder, Joiner]:
    """Return predictor and joiner for the listening encoder: they do not look at the listener."""
    width = model.config.joiner_dim + HEARD
    decoder, joiner = copy.deepcopy(model.decoder), copy.deepcopy(model.joiner)
    decoder.project = _wider(decoder.project, width, decoder.project.in_features)
    joiner.output = _wider(joiner.output, model.config.vocab_size, width)
    return decoder, joiner


class AdapterStep(nn.Module):
    """One frame: encoder_out [1, 1, J + 64], keys [H, N, 16], values [H, 16, N] to the adapted."""

    def __init__(self, adapter: Adapter, scale: float, key_limit: float) -> None:
        """Take the trained layers, the listener's scale, the largest coordinate of a key."""
        super().__init__()
        width = adapter.query.in_features
        self.output = nn.Linear(WIDTH, width, bias=False)
        self.gate = nn.Linear(width, WIDTH)
        query = nn.Linear(width, HEADS * MARK)
        with torch.no_grad():
            self.output.weight.zero_()
            self.output.weight[: width - HEARD] = adapter.output.weight
            for mine, trained, factor in (
                (self.gate, adapter.gate, 1.0),
                (query, adapter.query, SOFTER),
            ):
                mine.weight.copy_(trained.weight * factor)
                mine.weight[:, width - HEARD :] /= scale
                mine.bias.copy_(trained.bias * factor)
        self.query = _marked(query, -EMPTY / key_limit)

    def forward(self, encoder_out: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Return the adapted frame."""
        query = self.query(encoder_out).reshape(HEADS, 1, HEAD_WIDTH)
        weights = torch.matmul(query, keys.transpose(1, 2)).softmax(dim=-1)
        answer = torch.matmul(weights, values.transpose(1, 2)).reshape(1, 1, WIDTH)
        return encoder_out + self.output(answer * self.gate(encoder_out))


@torch.no_grad()
def listener_scale(model: Transducer, attention: Attention, clips: Sequence[Samples]) -> float:
    """Return what makes the listener's output as large as the encoder's, for one int8 scale."""
    largest = torch.zeros(2)
    for clip in clips:
        x = (device_features(clip)[None] - model.feature_mean) * model.feature_inv_std
        hidden, _ = model.encoder.hidden_states(x, model.encoder.initial_state())
        outputs = model.encoder.project(hidden), attention.listener(hidden)
        largest = torch.maximum(largest, torch.stack([o.abs().max() for o in outputs]))
    return (largest[0] / largest[1]).item()


def _state_names() -> list[str]:
    return [*state_names(), *(f"cached_{kind}_{NUM_LAYERS}" for kind in "hc")]


def _export_recogniser(model: Transducer, attention: Attention, scale: float, folder: Path) -> None:
    """Write encoder.onnx with the listener, decoder.onnx, joiner.onnx, tokens and features."""
    width = model.config.joiner_dim + HEARD
    names = _state_names()
    limit = {"max_symbols_per_frame": str(MAX_SYMBOLS_PER_FRAME)}
    chunk = str(CHUNK_FRAMES)
    heard = [torch.zeros(1, 1, HEARD)] * 2
    x = torch.zeros(1, 2 * CHUNK_FRAMES, model.config.num_bins)
    write_graph(
        ListeningEncoder(model.encoder, attention.listener, scale),
        (x, *model.encoder.initial_state(), *heard),
        (["x", *names], ["encoder_out", *(f"new_{name}" for name in names)]),
        folder / "encoder.onnx",
        {"decode_chunk_len": chunk, "T": chunk, **limit},
    )
    decoder, joiner = widened(model)
    write_graph(
        decoder,
        (torch.zeros(1, CONTEXT_SIZE, dtype=torch.long),),
        (["y"], ["decoder_out"]),
        folder / "decoder.onnx",
        {
            "context_size": str(CONTEXT_SIZE),
            "vocab_size": str(model.config.vocab_size),
            **limit,
        },
    )
    vector = torch.zeros(1, width)
    write_graph(
        joiner,
        (vector, vector),
        (["encoder_out", "decoder_out"], ["logit"]),
        folder / "joiner.onnx",
        {"joiner_dim": str(width), **limit},
    )
    write_tokens_and_features(model, folder, TOKENS)


@torch.no_grad()
def export_attention(
    model: Transducer, attention: Attention, clips: Sequence[Samples], folder: Path, rows: int
) -> None:
    """Write the recogniser with catalog.onnx, adapter.onnx for `rows` rows, and phrases.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    phrases = calibration_phrases()
    (folder / "phrases.txt").write_text("".join(f"{p}\n" for p in phrases), encoding="utf-8")
    scale = listener_scale(model, attention, clips)
    _export_recogniser(model, attention, scale, folder)
    keys = attention.catalog(phrases).keys
    key_limit = keys.abs().max().item()
    size = {"heads": str(HEADS), "head_width": str(HEAD_WIDTH)}
    state = torch.zeros(1, 1, HIDDEN)
    write_graph(
        CatalogStep(attention.catalog),
        (torch.zeros(1, 1, dtype=torch.long), state, state),
        (["token", "state_h", "state_c"], ["key", "value", "next_state_h", "next_state_c"]),
        folder / "catalog.onnx",
        {**size, "no_phrase_key": ",".join(f"{x:.9g}" for x in keys[0].tolist())},
    )
    empty = torch.zeros(HEADS, rows, HEAD_WIDTH)
    frame = torch.zeros(1, 1, model.config.joiner_dim + HEARD)
    write_graph(
        AdapterStep(attention.adapter, scale, key_limit),
        (frame, empty, empty.transpose(1, 2).contiguous()),
        (["encoder_out", "keys", "values"], ["adapted"]),
        folder / "adapter.onnx",
        {**size, "rows": str(rows), "key_limit": f"{key_limit:.9g}"},
    )


def main() -> None:
    """Parse the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=HERE / "checkpoint.pt")
    parser.add_argument("--attention", type=Path, default=HERE / "attention.pt")
    parser.add_argument("--calibration", type=Path, default=HERE / "calibration")
    parser.add_argument("--rows", type=int, default=128, help="rows of a table, with row 0")
    parser.add_argument("--out", type=Path, default=HERE / "onnx")
    args = parser.parse_args()
    model = load_checkpoint(args.checkpoint)
    attention = load_attention(args.attention, model.config)
    paths = sorted(args.calibration.glob("*.wav"))
    clips = [soundfile.read(path, dtype="int16")[0] for path in paths]
    export_attention(model, attention, clips, args.out, args.rows)


if __name__ == "__main__":
    main()
