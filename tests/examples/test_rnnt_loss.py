"""The vectorised transducer loss against enumeration, a double loop and finite differences."""

import itertools
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from rnnt_loss import rnnt_loss  # noqa: E402


def _enumerated_loss(log_probs: np.ndarray, tokens: list[int]) -> float:
    """Sum the probability of every alignment: which of the first moves are tokens."""
    frames, count = log_probs.shape[0], len(tokens)
    total = 0.0
    for places in itertools.combinations(range(frames - 1 + count), count):
        t = u = 0
        score = 0.0
        for move in range(frames - 1 + count):
            if move in places:
                score += log_probs[t, u, tokens[u]]
                u += 1
            else:
                score += log_probs[t, u, 0]
                t += 1
        total += math.exp(score + log_probs[frames - 1, count, 0])
    return -math.log(total)


def _double_loop_loss(log_probs: np.ndarray, tokens: list[int]) -> float:
    frames, count = log_probs.shape[0], len(tokens)
    alpha = np.full((frames, count + 1), -np.inf)
    alpha[0, 0] = 0.0
    for t, u in itertools.product(range(frames), range(count + 1)):
        if t > 0:
            alpha[t, u] = np.logaddexp(alpha[t, u], alpha[t - 1, u] + log_probs[t - 1, u, 0])
        if u > 0:
            step = alpha[t, u - 1] + log_probs[t, u - 1, tokens[u - 1]]
            alpha[t, u] = np.logaddexp(alpha[t, u], step)
    return -float(alpha[-1, -1] + log_probs[-1, count, 0])


def _random_batch(seed: int, frames: list[int], counts: list[int], vocab: int = 5):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(frames), max(frames), max(counts) + 1, vocab)
    logits = 2.0 * torch.randn(shape, generator=generator, dtype=torch.float64)
    tokens = torch.randint(1, vocab, (len(frames), max(counts)), generator=generator)
    return logits, tokens, torch.tensor(frames), torch.tensor(counts)


def _log_probs(logits, row: int, frames: list[int], counts: list[int]) -> np.ndarray:
    used = logits[row, : frames[row], : counts[row] + 1]
    return used.log_softmax(dim=-1).detach().numpy()


FRAMES, COUNTS = [5, 3, 4, 1, 2], [3, 4, 0, 2, 1]


def test_loss_equals_enumeration_and_double_loop() -> None:
    logits, tokens, frame_counts, token_counts = _random_batch(1, FRAMES, COUNTS)
    losses = rnnt_loss(logits, tokens, frame_counts, token_counts)
    for row, loss in enumerate(losses.tolist()):
        log_probs = _log_probs(logits, row, FRAMES, COUNTS)
        own = tokens[row, : COUNTS[row]].tolist()
        assert loss == pytest.approx(_enumerated_loss(log_probs, own), abs=1e-9)
        assert loss == pytest.approx(_double_loop_loss(log_probs, own), abs=1e-9)


def test_gradient_equals_finite_differences_of_the_double_loop() -> None:
    logits, tokens, frame_counts, token_counts = _random_batch(2, FRAMES, COUNTS)
    logits.requires_grad_()
    weights = torch.tensor([1.0, -0.5, 2.0, 1.5, 0.7], dtype=torch.float64)
    (weights * rnnt_loss(logits, tokens, frame_counts, token_counts)).sum().backward()
    expected = np.zeros(logits.shape)
    step = 1e-6
    for index in np.ndindex(*logits.shape):
        row, t, u, _ = index
        if t >= FRAMES[row] or u > COUNTS[row]:
            continue
        sides = []
        for sign in (1, -1):
            moved = logits.detach().clone()
            moved[index] += sign * step
            log_probs = _log_probs(moved, row, FRAMES, COUNTS)
            sides.append(_double_loop_loss(log_probs, tokens[row, : COUNTS[row]].tolist()))
        expected[index] = float(weights[row]) * (sides[0] - sides[1]) / (2 * step)
    assert np.abs(logits.grad.numpy() - expected).max() < 1e-7


def test_loss_in_float32_on_a_long_utterance_equals_the_double_loop() -> None:
    logits, tokens, frame_counts, token_counts = _random_batch(3, [120], [40], vocab=21)
    loss = rnnt_loss(logits.float(), tokens, frame_counts, token_counts)
    expected = _double_loop_loss(_log_probs(logits, 0, [120], [40]), tokens[0].tolist())
    assert float(loss) == pytest.approx(expected, rel=1e-4)
