"""The device's greedy search, in batches, and word errors."""

from collections.abc import Callable, Sequence

import torch
from features import fbank
from model import CHUNK_FRAMES, CONTEXT_SIZE, MAX_SYMBOLS_PER_FRAME, Transducer
from synthesis import Samples
from torch import Tensor
from vocabulary import BLANK, decode

Spell = Callable[[list[int]], str]


def device_features(samples: Samples) -> Tensor:
    """Return unwarped features of int16 samples, cut to whole chunks."""
    features = fbank(torch.from_numpy(samples) / 32768.0)
    return features[: len(features) // CHUNK_FRAMES * CHUNK_FRAMES]


@torch.no_grad()
def greedy_search(
    model: Transducer, utterances: Sequence[Tensor], spell: Spell = decode
) -> list[str]:
    """Return the texts of feature sequences [T, 40]: at most three tokens a frame, argmax."""
    counts = torch.tensor([len(f) // CHUNK_FRAMES for f in utterances])
    x = torch.nn.utils.rnn.pad_sequence(list(utterances), batch_first=True)
    x = (x - model.feature_mean) * model.feature_inv_std
    encoder_out = model.encoder(x, *model.encoder.initial_state(len(x)))[0]
    context = torch.full((len(x), CONTEXT_SIZE), BLANK, dtype=torch.long)
    hypotheses: list[list[int]] = [[] for _ in utterances]
    for t in range(encoder_out.shape[1]):
        active = counts > t
        for _ in range(MAX_SYMBOLS_PER_FRAME):
            best = model.joiner(encoder_out[:, t], model.decoder(context)).argmax(dim=1)
            active = active & (best != BLANK)
            if not active.any():
                break
            for row in active.nonzero().flatten().tolist():
                hypotheses[row].append(int(best[row]))
            moved = torch.cat([context[:, 1:], best[:, None]], dim=1)
            context = torch.where(active[:, None], moved, context)
    return [spell(ids) for ids in hypotheses]


def recognise(
    model: Transducer, clips: Sequence[Samples], batch: int = 64, spell: Spell = decode
) -> list[str]:
    """Return the texts of int16 clips that already end in the device's tail of zeros."""
    features = [device_features(clip) for clip in clips]
    order = sorted(range(len(clips)), key=lambda i: len(features[i]))
    texts = [""] * len(clips)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        found = greedy_search(model, [features[i] for i in rows], spell)
        for row, text in zip(rows, found, strict=True):
            texts[row] = text
    return texts


def edit_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Return the fewest insertions, deletions and substitutions between two sequences."""
    row = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, got in enumerate(hypothesis, 1):
            cost = min(row[j] + 1, row[j - 1] + 1, diagonal + (expected != got))
            diagonal, row[j] = row[j], cost
    return row[-1]


def word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> tuple[int, int]:
    """Return (errors, reference words)."""
    errors = sum(
        edit_distance(r.split(), h.split()) for r, h in zip(references, hypotheses, strict=True)
    )
    return errors, sum(len(r.split()) for r in references)
