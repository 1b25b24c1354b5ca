"""Small transducers as live torch modules: recurrent encoder, LSTM predictor, additive joiner."""

from typing import Any

import torch
from edgesdk_converters.frontends.torch import TorchModels, load_torch
from edgesdk_converters.source import Source
from tiny_model import FEATURES, MEL_BINS, TOKENS
from torch import nn, zeros

HIDDEN, CELLS, JOINER = 24, 16, 20


class Encoder(nn.Module):
    """x [1, T, mel], four frames stacked -> recurrence -> [1, T / 4, JOINER]."""

    def __init__(self, recurrence: Any) -> None:
        super().__init__()
        self.recurrence, self.out = recurrence, nn.Linear(HIDDEN, JOINER)

    def forward(self, x: Any, *state: Any) -> tuple[Any, ...]:
        stacked = x.reshape(1, -1, 4 * MEL_BINS)
        y, new = self.recurrence(stacked, state if len(state) > 1 else state[0])
        return 3 * self.out(y), *(new if isinstance(new, tuple) else (new,))


class Predictor(nn.Module):
    """y [1, 1] -> embedding -> LSTM -> [1, JOINER]."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(TOKENS), 12)
        self.lstm = nn.LSTM(12, CELLS, batch_first=True)
        self.out = nn.Linear(CELLS, JOINER)

    def forward(self, y: Any, h: Any, c: Any) -> tuple[Any, Any, Any]:
        z, (h, c) = self.lstm(2 * self.embedding(y), (h, c))
        return 3 * self.out(z)[:, 0], h, c


class Joiner(nn.Module):
    """tanh(a + b) -> linear."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(JOINER, len(TOKENS))

    def forward(self, a: Any, b: Any) -> Any:
        return 4 * self.out(torch.tanh(a + b))


def torch_source(recurrence: str, frames: int = 4, seed: int = 5) -> Source:
    """A recogniser with random weights whose encoder takes `frames` frames per step.

    `recurrence`: "gru" (explicit state) or "lstm" (two fused layers).
    """
    torch.manual_seed(seed)
    if recurrence == "gru":
        layer, layers = nn.GRU(4 * MEL_BINS, HIDDEN, batch_first=True), 1
    else:
        layer, layers = nn.LSTM(4 * MEL_BINS, HIDDEN, num_layers=2, batch_first=True), 2
    states = [zeros(layers, 1, HIDDEN)] * (1 if recurrence == "gru" else 2)
    models = TorchModels(
        Encoder(layer),
        Predictor(),
        Joiner(),
        encoder_inputs=(zeros(1, frames, MEL_BINS), *states),
        predictor_inputs=(zeros(1, 1, dtype=torch.int64), zeros(1, 1, CELLS), zeros(1, 1, CELLS)),
        joiner_inputs=(zeros(1, JOINER), zeros(1, JOINER)),
    )
    return load_torch(models, TOKENS, FEATURES)
