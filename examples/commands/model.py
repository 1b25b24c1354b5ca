"""The streaming transducer: three LSTMs, a stateless predictor and a joiner."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from vocabulary import PHONES, TOKENS

NUM_LAYERS = 3
CHUNK_FRAMES = 4
CONTEXT_SIZE = 2
MAX_SYMBOLS_PER_FRAME = 3
State = list[Tensor]


@dataclass(frozen=True)
class Config:
    """Sizes that a checkpoint needs to be rebuilt."""

    num_bins: int = 40
    hidden: int = 128
    joiner_dim: int = 96
    embedding: int = 48
    vocab_size: int = len(TOKENS)
    num_phones: int = len(PHONES)
    dropout: float = 0.15


class Encoder(nn.Module):
    """Turns normalised features [B, T, 40] into vectors [B, T/4, J], 40 ms apart."""

    def __init__(self, config: Config) -> None:
        """Make the layers."""
        super().__init__()
        hidden = config.hidden
        self.hidden = hidden
        self.stacked_bins = 2 * config.num_bins
        self.lstms = nn.ModuleList(
            nn.LSTM(size, hidden, batch_first=True)
            for size in (self.stacked_bins, 2 * hidden, hidden)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(hidden, config.joiner_dim)

    def initial_state(self, batch: int = 1) -> State:
        """Return zero states h0, c0, h1, c1, ..., each [1, B, H]."""
        return [torch.zeros(1, batch, self.hidden) for _ in range(2 * NUM_LAYERS)]

    def layer_outputs(self, x: Tensor, state: State) -> tuple[list[Tensor], State]:
        """Return each LSTM's outputs, [B, T/2, H] and twice [B, T/4, H], and the new states."""
        batch = state[0].shape[1]  # not x's: a fixed shape leaves no shape arithmetic in ONNX
        x = x.reshape(batch, -1, self.stacked_bins)
        outputs, new_state = [], []
        for layer, lstm in enumerate(self.lstms):
            if layer == 1:
                x = x.reshape(batch, -1, 2 * self.hidden)
            x, (h, c) = lstm(x, (state[2 * layer], state[2 * layer + 1]))
            x = self.dropout(x)
            outputs.append(x)
            new_state += [h, c]
        return outputs, new_state

    def hidden_states(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the last LSTM's outputs [B, T/4, H] and the new states."""
        outputs, new_state = self.layer_outputs(x, state)
        return outputs[-1], new_state

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return encoder_out followed by the new states, as the ONNX graph does."""
        hidden, new_state = self.hidden_states(x, list(state))
        return self.project(hidden), *new_state


class Decoder(nn.Module):
    """The stateless predictor: the last two tokens [N, 2] to a vector [N, J]."""

    def __init__(self, config: Config) -> None:
        """Make the layers."""
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.embedding)
        self.mix = nn.Linear(CONTEXT_SIZE * config.embedding, config.joiner_dim)
        self.project = nn.Linear(config.joiner_dim, config.joiner_dim)

    def forward(self, y: Tensor) -> Tensor:
        """Return decoder_out."""
        embedded = self.embedding(y).reshape(-1, self.mix.in_features)
        return self.project(torch.relu(self.mix(embedded)))


class Joiner(nn.Module):
    """Scores the next token from an encoder and a predictor vector."""

    def __init__(self, config: Config) -> None:
        """Make the layer."""
        super().__init__()
        self.output = nn.Linear(config.joiner_dim, config.vocab_size)

    def forward(self, encoder_out: Tensor, decoder_out: Tensor) -> Tensor:
        """Return logits over the tokens."""
        return self.output(torch.tanh(encoder_out + decoder_out))


class Transducer(nn.Module):
    """The whole recogniser and the CTC head that only training uses."""

    def __init__(self, config: Config) -> None:
        """Make the parts; feature mean and inv_std are set by the trainer."""
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.joiner = Joiner(config)
        self.ctc = nn.Linear(config.hidden, config.num_phones)
        self.feature_mean: Tensor
        self.feature_inv_std: Tensor
        self.register_buffer("feature_mean", torch.zeros(config.num_bins))
        self.register_buffer("feature_inv_std", torch.ones(config.num_bins))

    def num_parameters(self) -> int:
        """Return how many weights the device runs: the CTC head is not among them."""
        parts = (self.encoder, self.decoder, self.joiner)
        return sum(p.numel() for part in parts for p in part.parameters())


def save_checkpoint(model: Transducer, path: Path) -> None:
    """Write the weights and the sizes."""
    torch.save({"config": asdict(model.config), "state_dict": model.state_dict()}, path)


def load_checkpoint(path: Path) -> Transducer:
    """Return the model of a checkpoint, in evaluation mode."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    model = Transducer(Config(**content["config"]))
    model.load_state_dict(content["state_dict"])
    return model.eval()
