"""Biasing by attention: a small trained adapter beside the frozen recogniser.

After Sathyendra et al. 2022, arXiv:2205.13660: phrases become keys and values, every encoder
frame asks them, an entry for "no phrase" is always there, and the answer is added to the
encoder's output. With no phrases the output is the base model's, exactly.

A frame of a streaming recogniser says which letter comes, hardly which came before. So a small
LSTM listens beside: what it heard stands behind the encoder's output in every frame.

A head's last key coordinate is a mark that says "no entry in this row": it is 0 here, and the
device's tables use it for rows that no phrase fills (export_attention.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import commands_path  # noqa: F401
import torch
from letters import TOKENS, encode
from model import Config
from torch import Tensor, nn

HEADS = 4
HEAD_WIDTH = 16
WIDTH = HEADS * HEAD_WIDTH
MARK = HEAD_WIDTH - 1
EMBEDDING = 32
HIDDEN = 96
HEARD = 96


@dataclass(frozen=True)
class Table:
    """What the device holds of a phrase list: keys and values [N + 1, 64]; row 0 is no phrase."""

    keys: Tensor
    values: Tensor


def with_marks(coordinates: Tensor) -> Tensor:
    """Return keys or queries [..., 64] of their real coordinates [..., 60]: each mark is 0."""
    return nn.functional.pad(coordinates.unflatten(-1, (HEADS, MARK)), (0, 1)).flatten(-2)


class Catalog(nn.Module):
    """Turns phrases into keys and values, letter by letter; once for a list."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        self.embedding = nn.Embedding(len(TOKENS), EMBEDDING)
        self.lstm = nn.LSTM(EMBEDDING, HIDDEN, batch_first=True)
        self.keys = nn.Linear(HIDDEN, HEADS * MARK)
        self.values = nn.Linear(HIDDEN, WIDTH)
        self.no_phrase = nn.Parameter(torch.zeros(1, HEADS * MARK))

    def forward(self, phrases: Sequence[str]) -> Table:
        """Return the table of a list, which may be empty."""
        keys, values = [with_marks(self.no_phrase)], [torch.zeros(1, WIDTH)]
        if phrases:
            letters = [self.embedding(torch.tensor(encode(phrase))) for phrase in phrases]
            packed = nn.utils.rnn.pack_sequence(letters, enforce_sorted=False)
            last = self.lstm(packed)[1][0][0]
            keys.append(with_marks(self.keys(last)))
            values.append(self.values(last))
        return Table(torch.cat(keys), torch.cat(values))


class Listener(nn.Module):
    """Remembers what the encoder heard: its hidden states [B, T, H] to [B, T, 96]."""

    def __init__(self, hidden: int) -> None:
        """Make the layers for an encoder's hidden size."""
        super().__init__()
        self.lstm = nn.LSTM(hidden, HEARD, batch_first=True)
        self.project = nn.Linear(HEARD, HEARD)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return what was heard up to each frame of whole utterances."""
        heard: Tensor = self.project(self.lstm(hidden)[0])
        return heard


class Adapter(nn.Module):
    """Adds to each encoder frame what the phrases say about it; runs on the device.

    The frame also gates the phrases' answer: a value holds a whole name, the frame knows where in
    it the speaker is.
    """

    def __init__(self, width: int) -> None:
        """Make the layers for encoder outputs of a width; at first it adds nothing."""
        super().__init__()
        self.query = nn.Linear(width + HEARD, HEADS * MARK)
        self.gate = nn.Linear(width + HEARD, WIDTH)
        self.output = nn.Linear(WIDTH, width, bias=False)
        nn.init.zeros_(self.output.weight)

    def scores(self, frames: Tensor, table: Table) -> Tensor:
        """Return each head's scores [B, H, T, N + 1] of the entries, before the softmax."""
        query = with_marks(self.query(frames)).unflatten(-1, (HEADS, HEAD_WIDTH))
        keys = table.keys.unflatten(-1, (HEADS, HEAD_WIDTH)).permute(1, 2, 0)
        return query.transpose(1, 2) @ keys / HEAD_WIDTH**0.5

    def change(self, gates: Tensor, scores: Tensor, table: Table) -> Tensor:
        """Return what is added to the encoder outputs, [B, T, J], of gates [B, T, 64]."""
        values = table.values.unflatten(-1, (HEADS, HEAD_WIDTH)).transpose(0, 1)
        answer = (scores.softmax(dim=-1) @ values).transpose(1, 2).flatten(2)
        change: Tensor = self.output(answer * gates)
        return change


@dataclass(frozen=True)
class Adapted:
    """What phrases make of frames: outputs [B, T, J], scores [B, H, T, N + 1], gates [B, T, 64]."""

    encoder_out: Tensor
    scores: Tensor
    gates: Tensor


class Attention(nn.Module):
    """Catalog, listener and adapter together."""

    def __init__(self, width: int, hidden: int) -> None:
        """Make them for encoder outputs of a width and the encoder's hidden size."""
        super().__init__()
        self.catalog = Catalog()
        self.listener = Listener(hidden)
        self.adapter = Adapter(width)

    def forward(self, hidden: Tensor, encoder_out: Tensor, table: Table) -> Adapted:
        """Return encoder outputs adapted to a phrase list's table."""
        frames = torch.cat([encoder_out, self.listener(hidden)], dim=-1)
        scores = self.adapter.scores(frames, table)
        gates = self.adapter.gate(frames)
        changed = encoder_out + self.adapter.change(gates, scores, table)
        return Adapted(changed, scores, gates)


def save_attention(attention: Attention, path: Path) -> None:
    """Write the weights in half precision, and give the module the same values."""
    halves = {name: value.half() for name, value in attention.state_dict().items()}
    attention.load_state_dict(halves)
    torch.save(halves, path)


def load_attention(path: Path, config: Config) -> Attention:
    """Return a trained adapter for a recogniser of these sizes, in evaluation mode."""
    attention = Attention(config.joiner_dim, config.hidden)
    attention.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return attention.eval()
