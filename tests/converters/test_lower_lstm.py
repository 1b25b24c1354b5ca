"""The fused LSTM: against TFLite's reference kernel, over time, from save and restore."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from edgesdk.errors import ConvertError
from edgesdk_converters.lower import lower_graph
from edgesdk_converters.tflite.read import read_tflite
from edgesdk_converters.tflite.write import write_tflite
from numpy.typing import NDArray
from single_op import Net, core, interpreter, run_oracle

pytestmark = pytest.mark.needs_cc
TANH = 4


@dataclass(frozen=True)
class Weights:
    """One layer, drawn once and used at several lengths."""

    inputs: int
    cells: int
    input: list[NDArray[np.int8]]
    recurrent: list[NDArray[np.int8]]
    bias: list[NDArray[np.int32]]
    scales: NDArray[np.float64]
    zeros: tuple[int, int]
    cell_fraction: int
    cell_clip: float


def draw(rng: np.random.Generator, inputs: int, cells: int) -> Weights:
    return Weights(
        inputs,
        cells,
        [rng.integers(-127, 128, (cells, inputs)).astype(np.int8) for _ in range(4)],
        [rng.integers(-127, 128, (cells, cells)).astype(np.int8) for _ in range(4)],
        [rng.integers(-2000, 2000, cells).astype(np.int32) for _ in range(4)],
        rng.uniform(0.5, 1.5, 8),
        (int(rng.integers(-60, 60)), int(rng.integers(-60, 60))),
        int(rng.integers(9, 16)),
        float(rng.choice([0.0, 0.7])),
    )


def layer(w: Weights, steps: int) -> bytes:
    """The .tflite of one layer over `steps` time steps; gates reach a few units."""
    net = Net()
    x_scale, h_scale, cell_scale = 0.02, 1 / 128, 2.0**-w.cell_fraction
    x = net.input((1, steps, w.inputs), "int8", x_scale, w.zeros[0])
    spread = 2.0 / (70 * 70)
    in_scales = w.scales[:4] * spread / (w.inputs**0.5 * x_scale)
    re_scales = w.scales[4:] * spread / (w.cells**0.5 * h_scale)
    inputs = [x]
    inputs += [net.constant(m, float(s)) for m, s in zip(w.input, in_scales, strict=True)]
    inputs += [net.constant(m, float(s)) for m, s in zip(w.recurrent, re_scales, strict=True)]
    inputs += [-1, -1, -1]
    inputs += [
        net.constant(b, float(np.float32(s * x_scale)))
        for b, s in zip(w.bias, in_scales, strict=True)
    ]
    hidden = net.tensor("h", (1, w.cells), "int8", h_scale, w.zeros[1], variable=True)
    cell = net.tensor("c", (1, w.cells), "int16", cell_scale, variable=True)
    inputs += [-1, -1, hidden, cell, -1, -1, -1, -1]
    inner = [net.tensor(f"g{i}", (0,), "int16", 1.0) for i in range(4)]
    inner.append(net.tensor("hidden", (0,), "int8", h_scale, w.zeros[1]))
    y = net.tensor("y", (1, steps, w.cells), "int8", h_scale, w.zeros[1])
    net.op(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        inputs,
        [y],
        "UnidirectionalSequenceLSTMOptions",
        1,
        tuple(inner),
        fused_activation_function=TANH,
        cell_clip=w.cell_clip,
        time_major=False,
    )
    return net.file(y)


def frames(rng: np.random.Generator, steps: int, inputs: int) -> NDArray[np.int8]:
    return rng.integers(-128, 128, (1, steps, inputs)).astype(np.int8)


def test_lstm_equals_reference_over_many_invokes() -> None:
    rng = np.random.default_rng(1)
    inside = []
    for case in range(30):
        cells = int(rng.integers(1, 81))
        w = draw(rng, case + 1, cells)
        data = layer(w, steps=1 + case % 4)
        oracle, device = interpreter(data), core(data)
        for _ in range(5):
            x = frames(rng, 1 + case % 4, w.inputs)
            expected, found = run_oracle(oracle, [x])[0], device.run(x)[0]
            np.testing.assert_array_equal(expected, found)
            inside.append(float(((found > -128) & (found < 127)).mean()))
        state = np.frombuffer(device.state, np.int8)[:cells]
        np.testing.assert_array_equal(state, found[0, -1])
    assert np.mean(inside) > 0.8


def test_extreme_inputs_and_weights() -> None:
    rng = np.random.default_rng(2)
    w = draw(rng, 19, 23)
    for matrix in (*w.input, *w.recurrent):
        matrix[rng.random(matrix.shape) < 0.5] = -128
    data = layer(w, steps=1)
    oracle, device = interpreter(data), core(data)
    for _ in range(20):
        x = rng.choice([-128, 127], (1, 1, w.inputs)).astype(np.int8)
        np.testing.assert_array_equal(run_oracle(oracle, [x])[0], device.run(x)[0])


@pytest.mark.parametrize("steps", [2, 5, 20])
def test_n_single_steps_equal_one_run_of_n(steps: int) -> None:
    rng = np.random.default_rng(steps)
    w = draw(rng, 17, 29)
    x = frames(rng, steps, w.inputs)
    together = core(layer(w, steps)).run(x)[0]
    single = core(layer(w, 1))
    apart = [single.run(x[:, t : t + 1])[0] for t in range(steps)]
    np.testing.assert_array_equal(np.concatenate(apart, axis=1), together)
    np.testing.assert_array_equal(run_oracle(interpreter(layer(w, steps)), [x])[0], together)


def test_reset_and_restore_bring_the_state_back() -> None:
    rng = np.random.default_rng(9)
    w = draw(rng, 8, 12)
    device = core(layer(w, 1))
    x = frames(rng, 6, w.inputs)
    start = device.state
    assert start[:12] == bytes([w.zeros[1] % 256] * 12) and not any(start[16:])
    first = [device.run(x[:, t : t + 1])[0] for t in range(3)]
    saved = device.state
    rest = [device.run(x[:, t : t + 1])[0] for t in range(3, 6)]
    device.state = saved
    again = [device.run(x[:, t : t + 1])[0] for t in range(3, 6)]
    np.testing.assert_array_equal(rest, again)
    device.reset()
    assert device.state == start
    np.testing.assert_array_equal(first, [device.run(x[:, t : t + 1])[0] for t in range(3)])


@pytest.mark.parametrize(
    ("position", "reason"),
    [(1, "CIFG"), (9, "peepholes"), (16, "a projection"), (20, "layer normalisation")],
)
def test_other_forms_are_refused_by_name(position: int, reason: str) -> None:
    model = read_tflite(layer(draw(np.random.default_rng(0), 4, 4), 1))
    graph = model.graphs[0]
    operator = graph.operators[0]
    inputs = list(operator.inputs)
    inputs[position] = -1 if inputs[position] >= 0 else inputs[2]
    changed = replace(graph, operators=(replace(operator, inputs=tuple(inputs)),))
    data = write_tflite(replace(model, graphs=(changed,)))
    with pytest.raises(ConvertError, match=f"UNIDIRECTIONAL_SEQUENCE_LSTM.*'y'.*{reason}"):
        lower_graph(data)
