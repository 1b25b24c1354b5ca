"""Blocks of the encoder's LSTMs that become zero while the rest learns to do without them.

In a gradual schedule the share of zeros rises along the cubic of Zhu and Gupta 2017
(arXiv:1710.01878): fast at first, where much can go, slowly at the end. Or all blocks go at once,
chosen and repaired by the converter. Gone blocks never come back. What is left learns to give the
outputs of the dense layers, and later also to recognise.
"""

import copy
import logging
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from edgesdk_converters.compress.layers import products
from edgesdk_converters.compress.options import Compression
from edgesdk_converters.compress.pattern import Pattern, masks_of_level
from edgesdk_converters.compress.prune import prune_source
from edgesdk_converters.frontends.onnx import load_source
from edgesdk_converters.quantise.calibrate import decode
from export import export
from model import Transducer
from torch import Tensor, nn

log = logging.getLogger("sparsity")
GATES = 4
EVERY_STEPS = 20


def _sides(lstm: nn.Module) -> list[nn.Parameter]:
    """Return the matrices [4 x hidden, in] of an LSTM: of its input and of its state."""
    return [p for name, p in lstm.named_parameters() if name.startswith("weight_")]


def _matrices(model: Transducer) -> list[nn.Parameter]:
    """Return every matrix that the device multiplies by."""
    parts = (model.encoder, model.decoder, model.joiner)
    linears = [m.weight for part in parts for m in part.modules() if isinstance(m, nn.Linear)]
    return [*linears, *(side for lstm in model.encoder.lstms for side in _sides(lstm))]


def level_of_lstms(model: Transducer, sparsity: float) -> float:
    """Return the share of LSTM weights to drop so that `sparsity` of all matrices are zero."""
    in_lstms = sum(side.numel() for lstm in model.encoder.lstms for side in _sides(lstm))
    return sparsity * sum(matrix.numel() for matrix in _matrices(model)) / in_lstms


def share_of_zeros(model: Transducer) -> float:
    """Return how many of the weights of all matrices are zero, 0 to 1."""
    matrices = _matrices(model)
    return sum(int((m == 0).sum()) for m in matrices) / sum(m.numel() for m in matrices)


def block_masks(lstm: nn.Module, pattern: Pattern, level: float) -> list[Tensor]:
    """Return a mask per side: floor(level x blocks) of least w^2 go, both sides of all gates."""
    sides = _sides(lstm)
    gates = [gate.detach().double().numpy() for side in sides for gate in side.chunk(GATES)]
    masks = masks_of_level([np.square(gate) for gate in gates], pattern, level)
    stacked = [np.concatenate(masks[at : at + GATES]) for at in range(0, len(masks), GATES)]
    return [
        torch.from_numpy(mask).to(side.dtype) for mask, side in zip(stacked, sides, strict=True)
    ]


class GradualSparsity:
    """Masks that grow to `sparsity` of all matrices over the first `ramp` of the training."""

    def __init__(self, dense: Transducer, sparsity: float, pattern: Pattern, ramp: float) -> None:
        """Learn from the dense model, and drop nothing yet; without a ramp, all at once."""
        self.dense = copy.deepcopy(dense.encoder).eval()
        self.pattern = pattern
        self.ramp = ramp
        self.final = level_of_lstms(dense, sparsity)
        self.masks = [block_masks(lstm, pattern, 0.0) for lstm in dense.encoder.lstms]

    def level(self, share: float) -> float:
        """Return the share of LSTM weights that are zero at a share of the training."""
        left = 1.0 - min(share / self.ramp, 1.0) if self.ramp else 0.0
        return self.final * (1.0 - left**3)

    def rises(self, share: float) -> bool:
        """Return whether blocks still go at a share of the training."""
        return share < self.ramp

    def distance(self, outputs: list[Tensor], x: Tensor) -> Tensor:
        """Return how far the LSTMs' `outputs` for features `x` are from the dense ones.

        The mean square over that of the dense outputs, summed over the layers.
        """
        with torch.no_grad():
            wanted, _ = self.dense.layer_outputs(x, self.dense.initial_state(len(x)))
        parts = [
            (made - dense).square().mean() / dense.square().mean()
            for made, dense in zip(outputs, wanted, strict=True)
        ]
        return torch.stack(parts).sum()

    def advance(self, model: Transducer, share: float) -> None:
        """Choose the blocks that are gone at a share of the training."""
        level = self.level(share)
        self.masks = [block_masks(lstm, self.pattern, level) for lstm in model.encoder.lstms]

    @torch.no_grad()
    def hold(self, *models: Transducer) -> None:
        """Set the weights of gone blocks to zero."""
        for model in models:
            for lstm, masks in zip(model.encoder.lstms, self.masks, strict=True):
                for side, mask in zip(_sides(lstm), masks, strict=True):
                    side.mul_(mask)


def prune_as_converted(
    model: Transducer, utterances: Iterable[Tensor], sparsity: float, block: str
) -> None:
    """Take the blocks that `edgesdk convert` would take, and repair the rest as it does, in place.

    `utterances` are features [T, 40] as the front end gives them.
    """
    level = level_of_lstms(model, sparsity)
    with tempfile.TemporaryDirectory() as folder:
        export(model, Path(folder))
        source = load_source(Path(folder))
    fixed = {p.layer: level if ".lstm" in p.layer else 0.0 for p in products(source)}
    choices = Compression(levels="even", block=block, layers=fixed)
    normalised = ((it - model.feature_mean) * model.feature_inv_std for it in utterances)
    visits = [decode(source, features.numpy()) for features in normalised]
    pruned, _ = prune_source(source, visits, choices, log.info)
    nodes = [node for node in pruned.encoder.nodes if node.op == "lstm"]
    with torch.no_grad():
        for lstm, node in zip(model.encoder.lstms, nodes, strict=True):
            lstm.weight_ih_l0.copy_(torch.from_numpy(node.params["weight"]))
            lstm.weight_hh_l0.copy_(torch.from_numpy(node.params["recurrent"]))
            lstm.bias_ih_l0.copy_(torch.from_numpy(node.params["bias"]))
            lstm.bias_hh_l0.zero_()
