"""Packed weights on the real cores' instruction sets, against TFLite's reference kernels; and with
one defect in each family of fast kernels, which the same comparison must find."""

import shutil
from pathlib import Path

import edgesdk.build as building
import numpy as np
import pytest
from edgesdk import firmware_sources
from edgesdk.board import load_board
from edgesdk.flash.store import store
from edgesdk.link.device import Device, open_device
from edgesdk.link.messages import GraphId, TensorKind
from edgesdk.resources import resource_dir
from edgesdk_converters.lower import lower_single
from edgesdk_converters.lower.packing import Packing
from firmware_boards import QEMU, firmware
from numpy.typing import NDArray
from single_op import Net, interpreter, random_inputs, run_oracle
from weight_forms import KINDS, convolution, fully_connected, lstm, shaped, sizes

OWN = {
    **{"host": "mve", "qemu-mps2-an386": "dsp", "qemu-mps3-an547": "mve"},
    "qemu-riscv-virt": "dsp",  # plain C reads what is packed for others
}
Data = tuple[bytes, Packing]


def _differences(device: Device, data: bytes, packing: Packing, rng: np.random.Generator) -> int:
    """Values that differ from the reference, over three runs and all outputs."""
    oracle, wrong = interpreter(data), 0
    device.load(lower_single(data, packing=packing).device_bytes())
    for run in range(3):
        inputs = random_inputs(oracle, rng, extreme=run == 2)
        for index, values in enumerate(inputs):
            device.graph_write(GraphId.SINGLE, index, values.tobytes())
        device.graph_run(GraphId.SINGLE)
        for index, expected in enumerate(run_oracle(oracle, inputs)):
            got = device.graph_read(GraphId.SINGLE, TensorKind.OUTPUT, index)
            wrong += int((got != expected.reshape(got.shape)).sum())
    return wrong


def wrong(device: Device, graphs: list[Data]) -> list[int]:
    """Positions of the graphs that differ."""
    rng = np.random.default_rng(9)
    return [i for i, (data, how) in enumerate(graphs) if _differences(device, data, how, rng)]


def _products(core: str, count: int) -> list[Data]:
    """Fully connected: sizes 1 to 80 as depth and as rows, every form, one to three vectors, so
    that the second and third begin at odd addresses."""
    rng = np.random.default_rng(11)
    graphs = []
    for case, (depth, rows) in enumerate(sizes(count)):
        weights = shaped(rng, (rows, depth), KINDS[case % 4], core)
        data = fully_connected(rng, weights, case % 3 + 1)
        graphs.append((data, Packing(core, ("fast", "small")[case // 4 % 2])))
    return graphs


def _palettes(core: str) -> list[Data]:
    rng = np.random.default_rng(12)
    graphs = []
    for bits in range(1, 6):
        weights = rng.choice(np.linspace(-128, 127, 2**bits).astype(np.int8), (150, 90))
        weights[:16] = 0
        graphs.append((fully_connected(rng, weights, 1), Packing(core, "small")))
        graphs.append((fully_connected(rng, weights[16:], 1), Packing(core, "small")))
    return graphs


def _layers(core: str, count: int) -> list[Data]:
    rng = np.random.default_rng(13)
    return [
        (
            lstm(rng, inputs, cells * (1 + case % 3), KINDS[case % 4], core),
            Packing(core, ("fast", "small")[case // 4 % 2]),
        )
        for case, (inputs, cells) in enumerate(sizes(count))
    ]


def _convolutions(core: str, count: int) -> list[Data]:
    """Channels 1 to 80 on either side, every form; every other one dense, which has a kernel of its
    own."""
    rng = np.random.default_rng(16)
    prefer = ("dense", "fast", "dense", "small")
    return [
        (convolution(rng, case, channels, core), Packing(core, prefer[case % 4]))
        for case, channels in enumerate(sizes(count))
    ]


def _extremes(core: str) -> list[Data]:
    """Sums of 128 x 128 and the whole range of a bias."""
    rng = np.random.default_rng(14)
    weights: NDArray[np.int8] = np.full((70, 3000), -128, np.int8)
    weights[rng.random(weights.shape) < 0.1] = 127
    return [(fully_connected(rng, weights, 1), Packing(core))]


def curve_sweep() -> bytes:
    """An LSTM of 256 cells whose gates all take the value 256 * cell + x, x from -128 to 127."""
    rows = (np.arange(256) - 128) * 256
    net = Net()
    x = net.input((1, 1, 1), "int8", 2.0**-8, 0)
    ones, nothing = np.ones((256, 1), np.int8), np.zeros((256, 256), np.int8)
    inputs = [x, *(net.constant(ones, 2.0**-4) for _ in range(4))]
    inputs += [net.constant(nothing, 2.0**-4) for _ in range(4)] + [-1, -1, -1]
    inputs += [net.constant(rows.astype(np.int32), 2.0**-12) for _ in range(4)]
    hidden = net.tensor("h", (1, 256), "int8", 2.0**-7, 0, variable=True)
    cell = net.tensor("c", (1, 256), "int16", 2.0**-11, variable=True)
    inputs += [-1, -1, hidden, cell, -1, -1, -1, -1]
    inner = [net.tensor(f"g{i}", (0,), "int16", 1.0) for i in range(4)]
    inner.append(net.tensor("hidden", (0,), "int8", 2.0**-7, 0))
    y = net.tensor("y", (1, 1, 256), "int8", 2.0**-7, 0)
    kind = "UnidirectionalSequenceLSTMOptions"
    net.op(
        "UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [y], kind, 1, tuple(inner),
        fused_activation_function=4, cell_clip=0.0, time_major=False,
    )  # fmt: skip
    return net.file(y)


def test_packed_graphs_equal_the_reference_on_every_board(device: Device) -> None:
    core = OWN[device.board.name]
    graphs = [*_products(core, 160), *_palettes(core), *_layers(core, 24), *_extremes(core)]
    graphs += _convolutions(core, 80)
    assert wrong(device, graphs) == []


def test_graphs_packed_for_another_core_run_too(device: Device) -> None:
    other = "dsp" if OWN[device.board.name] == "mve" else "mve"
    graphs = [*_products(other, 24), *_palettes(other), *_layers(other, 4)]
    graphs += _convolutions(other, 8)
    assert wrong(device, graphs) == []


def test_per_row_scales_equal_plain_weights(device: Device) -> None:
    """The interpreter of facts.md cannot tell: it computes per-channel products wrongly."""
    rng = np.random.default_rng(15)
    for rows in (3, 16, 37):
        weights = shaped(rng, (rows, 50), "dense", "dsp")
        data = fully_connected(rng, weights, 2, per_row=True)
        x, results = rng.integers(-128, 128, (2, 50)).astype(np.int8), []
        for core in ("ref", OWN[device.board.name]):
            device.load(lower_single(data, packing=Packing(core)).device_bytes())
            device.graph_write(GraphId.SINGLE, 0, x.tobytes())
            device.graph_run(GraphId.SINGLE)
            results.append(device.graph_read(GraphId.SINGLE, TensorKind.OUTPUT, 0))
        np.testing.assert_array_equal(*results)


def test_gate_curves_over_every_input(device: Device) -> None:
    data = curve_sweep()
    oracle = interpreter(data)
    bundle = lower_single(data, packing=Packing(OWN[device.board.name]))
    device.load(bundle.device_bytes())
    for x in range(-128, 128):
        value = np.full((1, 1, 1), x, np.int8)
        device.graph_write(GraphId.SINGLE, 0, value.tobytes())
        device.graph_run(GraphId.SINGLE)
        found = device.graph_read(GraphId.SINGLE, TensorKind.OUTPUT, 0)
        np.testing.assert_array_equal(found.ravel(), run_oracle(oracle, [value])[0].ravel())


# (board, file in runtime/kernels, what it holds, the defect, the graphs that must show it)
DEFECTS = [
    ("qemu-mps2-an386", "matrix/dsp.c", "ror #8", "ror #16", "products"),
    ("qemu-mps2-an386", "matrix/dsp.c", "both >> 2 * width & mask", "both & mask", "palettes"),
    ("qemu-mps3-an547", "matrix/mve.c", "bcc 1f", "b 1f", "products"),
    ("qemu-mps3-an547", "matrix/mve.c", "vshr.u8 q2, q1, #4", "vshr.u8 q2, q1, #5", "palettes"),
    ("qemu-mps3-an547", "helium.h", "vrshlq_n_s32(", "vshlq_r_s32(", "products"),
    ("qemu-mps3-an547", "helium.h", "vrshlq_s32(", "vshlq_s32(", "convolutions"),
    ("qemu-mps2-an386", "conv/four_dsp.c", "+ (depth & ~3u)", "+ (depth & ~7u)", "convolutions"),
    ("qemu-mps2-an386", "conv/four_dsp.c", "x += x >> 31;", "", "convolutions"),
    ("qemu-mps3-an547", "conv/four_mve.c", "vqdmlahq_n_s32(v, v, 1)", "v", "convolutions"),
    ("qemu-mps3-an547", "conv/window.c", "%[from], %[step]", "%[from], %[span]", "convolutions"),
    ("qemu-mps3-an547", "lstm/rows_mve.c", "BIT(2)", "BIT(3)", "layers"),
    ("qemu-mps2-an386", "lstm/rows_dsp.c", "x2 + 1) >> 1", "x2) >> 1", "layers"),
]


@pytest.mark.parametrize(
    ("board", "file", "held", "defect", "graphs"),
    [pytest.param(*d, marks=QEMU, id=f"{d[1]}-{d[4]}") for d in DEFECTS],
)
def test_the_comparison_finds_a_wrong_kernel(
    board: str,
    file: str,
    held: str,
    defect: str,
    graphs: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = tmp_path / "firmware_templates"
    shutil.copytree(resource_dir("firmware_templates"), root)
    path = root / "runtime" / "kernels" / file
    text = path.read_text()
    assert held in text, f"{file} no longer holds {held!r}"
    path.write_text(text.replace(held, defect))
    monkeypatch.setattr(firmware_sources, "resource_dir", lambda name: root)
    monkeypatch.setattr(building, "firmware_cache_dir", lambda: tmp_path / "cache")
    store(firmware(board), tmp_path / "devices")
    core = OWN[board]
    chosen = {
        "products": _products(core, 8),
        "palettes": _palettes(core),
        "layers": _layers(core, 4),
        "convolutions": _convolutions(core, 16),
    }[graphs]
    with open_device(load_board(board), devices=tmp_path / "devices") as device:
        assert wrong(device, chosen) != []
