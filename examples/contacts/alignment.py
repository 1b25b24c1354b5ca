"""What the frozen recogniser hears of the training speech, and when each letter comes there.

The attention adapter is trained along the best path of each utterance: far cheaper
than the transducer loss, which sums over all paths.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import commands_path  # noqa: F401
import numpy as np
import numpy.typing as npt
import torch
from data import Batch
from model import CONTEXT_SIZE, Transducer
from speech import Speech, batches
from torch import Tensor
from vocabulary import BLANK

POOL = 4096


@dataclass(frozen=True)
class Heard:
    """An utterance: hidden states [T, H] of the encoder, letters [U], the frame [U] of each."""

    hidden: npt.NDArray[np.float16]
    tokens: npt.NDArray[np.int64]
    frames: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Paths:
    """Utterances [B] and all decisions [D] of their best paths: letters, and a blank a frame."""

    hidden: Tensor
    frame_counts: Tensor
    texts: list[list[int]]
    utterance: Tensor
    frame: Tensor
    context: Tensor
    target: Tensor


def best_frames(
    logits: Tensor, tokens: Tensor, frame_counts: Tensor, token_counts: Tensor
) -> list[npt.NDArray[np.int64]]:
    """Return the frame of every token on the best path through logits [B, T, U + 1, V].

    Within a frame, best[u] = max over v <= u of (arrive[v] + sum label[v..u-1]); with L the
    cumulative sum of label this is L[u] + cummax(arrive - L)[u], as in rnnt_loss.py.
    """
    scores = logits.log_softmax(dim=-1)
    blank = scores[..., BLANK]
    index = tokens[:, None, :, None].expand(-1, scores.shape[1], -1, 1)
    label = scores[:, :, :-1].gather(3, index)[..., 0]
    emitted = torch.cat([torch.zeros_like(blank[:, :, :1]), label.cumsum(dim=2)], dim=2)
    arrive = torch.full_like(blank[:, 0], float("-inf"))
    arrive[:, 0] = 0.0
    came = []
    for t in range(blank.shape[1]):
        best = torch.cummax(arrive - emitted[:, t], dim=1)
        came.append(best.indices)
        arrive = emitted[:, t] + best.values + blank[:, t]
    back = torch.stack(came, dim=1).numpy()
    found = []
    for row, frame_count, count in zip(
        back, frame_counts.tolist(), token_counts.tolist(), strict=True
    ):
        frames = np.zeros(count, np.int64)
        u = count
        for t in range(frame_count - 1, -1, -1):
            frames[row[t, u] : u] = t
            u = row[t, u]
        found.append(frames)
    return found


@torch.no_grad()
def hear_batch(model: Transducer, batch: Batch) -> list[Heard]:
    """Return what the recogniser hears of a batch."""
    x = (batch.features - model.feature_mean) * model.feature_inv_std
    hidden, _ = model.encoder.hidden_states(x, model.encoder.initial_state(len(x)))
    padded = torch.nn.functional.pad(batch.tokens, (CONTEXT_SIZE, 0), value=BLANK)
    contexts = padded.unfold(1, CONTEXT_SIZE, 1)
    decoder_out = model.decoder(contexts.flatten(0, 1)).unflatten(0, contexts.shape[:2])
    logits = model.joiner(model.encoder.project(hidden)[:, :, None], decoder_out[:, None])
    frames = best_frames(logits, batch.tokens, batch.frame_counts, batch.token_counts)
    return [
        Heard(
            hidden[i, : batch.frame_counts[i]].half().numpy(),
            batch.tokens[i, : len(row)].numpy(),
            row,
        )
        for i, row in enumerate(frames)
    ]


def hear(model: Transducer, speech: Speech, count: int, seed: int) -> list[Heard]:
    """Return what the recogniser hears of at least `count` augmented utterances."""
    heard: list[Heard] = []
    for batch in batches(speech, seed):
        heard += hear_batch(model, batch)
        if len(heard) >= count:
            break
    return heard


def join_paths(heard: list[Heard]) -> Paths:
    """Return a batch."""
    utterance, frame, context, target = [], [], [], []
    for i, one in enumerate(heard):
        padded = np.concatenate([np.full(CONTEXT_SIZE, BLANK), one.tokens])
        contexts = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT_SIZE)
        times = np.arange(len(one.hidden))
        said = np.searchsorted(one.frames, times, side="right")
        frame += [one.frames, times]
        context += [contexts[:-1], contexts[said]]
        target += [one.tokens, np.full(len(times), BLANK)]
        utterance.append(np.full(len(one.tokens) + len(times), i))
    return Paths(
        torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(one.hidden.astype(np.float32)) for one in heard], batch_first=True
        ),
        torch.tensor([len(one.hidden) for one in heard]),
        [one.tokens.tolist() for one in heard],
        *(torch.from_numpy(np.concatenate(a)) for a in (utterance, frame, context, target)),
    )


def path_batches(heard: list[Heard], seed: int, size: int) -> Iterator[Paths]:
    """Yield batches of utterances of similar lengths for ever."""
    rng = random.Random(seed)
    while True:
        pool = sorted(rng.sample(heard, min(POOL, len(heard))), key=lambda one: len(one.hidden))
        groups = [pool[i : i + size] for i in range(0, len(pool), size)]
        rng.shuffle(groups)
        yield from map(join_paths, groups)
