"""The transducer loss (Graves 2012) in plain PyTorch, without a loop over tokens."""

import torch
from torch import Tensor

_NEVER = -1e30


def _forward_scores(blank: Tensor, label: Tensor) -> Tensor:
    """Return alpha [B, T, U+1]: the log-probability of reaching each node of the lattice.

    Within a frame, alpha[u] = logsumexp over v <= u of (arrive[v] + sum label[v..u-1]); with L the
    cumulative sum of label this is L[u] + logcumsumexp(arrive - L)[u].
    """
    emitted = torch.cat([torch.zeros_like(blank[:, :, :1]), label.cumsum(dim=2)], dim=2)
    arrive = torch.full_like(blank[:, 0], _NEVER)
    arrive[:, 0] = 0.0
    alphas = []
    for t in range(blank.shape[1]):
        alpha = emitted[:, t] + torch.logcumsumexp(arrive - emitted[:, t], dim=1)
        alphas.append(alpha)
        arrive = alpha + blank[:, t]
    return torch.stack(alphas, dim=1)


def _backward_scores(
    blank: Tensor, label: Tensor, frame_counts: Tensor, token_counts: Tensor
) -> Tensor:
    """Return beta [B, T, U+1]: the log-probability of ending well from each node."""
    batch, frames, width = blank.shape
    emitted = torch.cat([torch.zeros_like(blank[:, :, :1]), label.cumsum(dim=2)], dim=2)
    at_end = torch.full((batch, width), _NEVER, dtype=blank.dtype)
    at_end[torch.arange(batch), token_counts] = 0.0
    beta = torch.full_like(at_end, _NEVER)
    betas = []
    for t in reversed(range(frames)):
        last = (frame_counts == t + 1)[:, None]
        leave = blank[:, t] + torch.where(last, at_end, beta)
        reverse = (leave + emitted[:, t]).flip(1).logcumsumexp(dim=1).flip(1)
        beta = reverse - emitted[:, t]
        betas.append(beta)
    return torch.stack(betas[::-1], dim=1)


class _LatticeScore(torch.autograd.Function):
    """Total log-probability [B]; its gradient is the occupancy of every arc."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        blank: Tensor,
        label: Tensor,
        frame_counts: Tensor,
        token_counts: Tensor,
        fast_emit: float,
    ) -> Tensor:
        alpha = _forward_scores(blank, label)
        beta = _backward_scores(blank, label, frame_counts, token_counts)
        total = beta[:, 0, 0]
        nodes = alpha - total[:, None, None]
        rows = torch.arange(len(total))
        after_blank = torch.cat([beta[:, 1:], torch.full_like(beta[:, :1], _NEVER)], dim=1)
        after_blank[rows, frame_counts - 1] = _NEVER
        after_blank[rows, frame_counts - 1, token_counts] = 0.0
        inside = torch.arange(blank.shape[1])[None, :] < frame_counts[:, None]
        mask = inside[:, :, None].to(blank.dtype)
        blank_arcs = (nodes + blank + after_blank).clamp_max(0.0).exp() * mask
        label_arcs = (nodes[:, :, :-1] + label + beta[:, :, 1:]).clamp_max(0.0).exp() * mask
        ctx.save_for_backward(blank_arcs, (1.0 + fast_emit) * label_arcs)
        return total

    @staticmethod
    def backward(  # type: ignore[override]
        ctx: torch.autograd.function.FunctionCtx, grad: Tensor
    ) -> tuple[Tensor, Tensor, None, None, None]:
        blank_arcs, label_arcs = ctx.saved_tensors  # type: ignore[attr-defined]
        grad = grad[:, None, None]
        return grad * blank_arcs, grad * label_arcs, None, None, None


def rnnt_loss(
    logits: Tensor,
    targets: Tensor,
    frame_counts: Tensor,
    token_counts: Tensor,
    fast_emit: float = 0.0,
) -> Tensor:
    """Return the negative log-likelihood [B] of targets under the transducer.

    Args:
        logits: [B, T, U+1, V] unnormalised; entry 0 is the blank.
        targets: [B, U] token ids, padded with any valid id.
        frame_counts: [B] frames in use, at least 1.
        token_counts: [B] tokens in use, may be 0.
        fast_emit: by how much to strengthen the gradient of emitting a token (Yu et al. 2021,
            arXiv:2010.11148). Without it a letter that is certain to come, such as the e of
            five, may be spread over many frames, in each of which blank is likelier.
    """
    batch, frames, width, _ = logits.shape
    normaliser = logits.logsumexp(dim=3)
    blank = logits[..., 0] - normaliser
    index = targets[:, None, :, None].expand(batch, frames, width - 1, 1)
    label = logits[:, :, :-1].gather(3, index).squeeze(3) - normaliser[:, :, :-1]
    return -_LatticeScore.apply(blank, label, frame_counts, token_counts, fast_emit)
