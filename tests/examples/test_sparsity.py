"""Blocks that go while the recogniser trains: when, which, and for good."""

import copy
import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from edgesdk_converters.compress.pattern import Pattern, zero_blocks  # noqa: E402
from model import Config, Transducer  # noqa: E402
from sparsity import (  # noqa: E402
    GradualSparsity,
    block_masks,
    level_of_lstms,
    prune_as_converted,
    share_of_zeros,
)

PATTERN = Pattern(8, 16)


@pytest.fixture
def model() -> Transducer:
    torch.manual_seed(0)
    return Transducer(Config(hidden=32, joiner_dim=16, embedding=8, dropout=0.0))


def _gates(model: Transducer) -> list[np.ndarray]:
    return [
        gate.detach().numpy()
        for lstm in model.encoder.lstms
        for name, side in lstm.named_parameters()
        if name.startswith("weight_")
        for gate in side.chunk(4)
    ]


def test_level_rises_as_the_cubic_says(model: Transducer) -> None:
    zeros = GradualSparsity(model, 0.6, PATTERN, ramp=0.5)
    final = level_of_lstms(model, 0.6)
    assert final > 0.6  # the other matrices stay dense
    levels = [zeros.level(share) for share in np.linspace(0, 1, 21)]
    assert levels[0] == 0.0 and all(a <= b for a, b in itertools.pairwise(levels))
    assert zeros.level(0.25) == pytest.approx(final * (1 - 0.5**3))
    assert levels[10:] == [final] * 11
    assert zeros.rises(0.49) and not zeros.rises(0.5)


def test_blocks_go_whole_and_never_come_back(model: Transducer) -> None:
    zeros = GradualSparsity(model, 0.6, PATTERN, ramp=0.5)
    average = Transducer(model.config)
    gone = [np.zeros(gate.shape, bool) for gate in _gates(model)]
    for share in (0.1, 0.3, 0.5, 0.9):
        zeros.advance(model, share)
        zeros.hold(model, average)
        for before, gate, held in zip(gone, _gates(model), _gates(average), strict=True):
            assert not gate[before].any()
            assert not held[gate == 0].any()
        gone = [gate == 0 for gate in _gates(model)]
        with torch.no_grad():  # what training would do
            for lstm in model.encoder.lstms:
                for side in lstm.parameters():
                    side.add_(0.01)
        zeros.hold(model)
    assert share_of_zeros(model) == pytest.approx(0.6, abs=0.02)
    counts = np.sum([zero_blocks(gate, PATTERN) for gate in _gates(model)], axis=0)
    assert counts[0] / counts[1] == pytest.approx(level_of_lstms(model, 0.6), abs=0.02)


def test_cheapest_blocks_go_first_over_all_gates_and_both_sides(model: Transducer) -> None:
    lstm = model.encoder.lstms[1]
    with torch.no_grad():
        for side in (lstm.weight_ih_l0, lstm.weight_hh_l0):
            side.fill_(1.0)
        lstm.weight_ih_l0[8:16, 16:32] = 0.1
        lstm.weight_hh_l0[96:104, :16] = 0.2
    blocks = (lstm.weight_ih_l0.numel() + lstm.weight_hh_l0.numel()) // (8 * 16)
    from_input, recurrent = block_masks(lstm, PATTERN, 2 / blocks)
    assert not from_input[8:16, 16:32].any() and not recurrent[96:104, :16].any()
    assert (from_input == 0).sum() == (recurrent == 0).sum() == 8 * 16


def test_dense_outputs_are_at_no_distance_and_fewer_weights_are(model: Transducer) -> None:
    zeros = GradualSparsity(model, 0.6, PATTERN, ramp=0.5)
    x = torch.randn(2, 24, 40)
    state = model.encoder.initial_state(2)
    assert zeros.distance(model.encoder.layer_outputs(x, state)[0], x) < 1e-10
    zeros.advance(model, 1.0)
    zeros.hold(model)
    assert zeros.distance(model.encoder.layer_outputs(x, state)[0], x) > 0.01


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::torch.jit.TracerWarning")
def test_converter_chooses_and_repairs_what_is_trained_on(model: Transducer) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    x = torch.randn(4, 24, 40)
    zeros = GradualSparsity(model, 0.6, PATTERN, ramp=0.0)
    cut = copy.deepcopy(model)
    zeros.advance(cut, 0.0)
    zeros.hold(cut)
    prune_as_converted(model, list(x), 0.6, "8x16")
    assert share_of_zeros(model) == pytest.approx(0.6, abs=0.02)
    counts = np.sum([zero_blocks(gate, PATTERN) for gate in _gates(model)], axis=0)
    assert counts[0] / counts[1] == pytest.approx(zeros.final, abs=0.02)
    zeros.advance(model, 0.0)
    before = [gate.copy() for gate in _gates(model)]
    zeros.hold(model)  # training keeps to the converter's blocks
    assert all(map(np.array_equal, before, _gates(model)))
    state = model.encoder.initial_state(4)
    far = zeros.distance(cut.encoder.layer_outputs(x, state)[0], x)
    assert zeros.distance(model.encoder.layer_outputs(x, state)[0], x) < 0.9 * far
