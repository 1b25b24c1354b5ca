"""Graphs for the NPU tests: a board's configuration for Vela, and small graphs to compile."""

import numpy as np
from edgesdk.board import load_board
from edgesdk_converters.npu import VelaConfig
from numpy.typing import NDArray
from single_op import Net

BOARD = "host-u55"


def board_config(name: str = BOARD) -> VelaConfig:
    """What a shipped board's file says to Vela."""
    npu = load_board(name).npu
    assert npu is not None
    return VelaConfig.of(npu)


def dedicated_sram() -> VelaConfig:
    """A U65 whose arena lies in DRAM, with a fast scratch of 64 KB in SRAM."""
    board = board_config("host-u65")
    system = {key.replace("OffChipFlash", "Dram"): value for key, value in board.system.items()}
    mode = {**board.memory_mode, "arena_mem_area": "Axi1", "arena_cache_size": 65536}
    return VelaConfig(board.accelerator, system | {"axi1_port": "Dram"}, mode)


def linear(net: Net, x: int, weights: NDArray[np.int8], scale: float = 0.05, name: str = "") -> int:
    """A fully connected layer; gives its output."""
    rows = weights.shape[0]
    w = net.constant(weights, 0.02)
    b = net.constant(np.arange(rows, dtype=np.int32) * 7 - 100, 0.02 * scale)
    y = net.tensor(name or f"fc{len(net.tensors)}", (1, rows), "int8", scale, 3)
    net.op("FULLY_CONNECTED", [x, w, b], [y], "FullyConnectedOptions", 4)
    return y


def random_weights(rows: int, columns: int, seed: int = 1) -> NDArray[np.int8]:
    values = np.random.default_rng(seed).normal(0, 30, (rows, columns))
    return np.clip(np.rint(values), -127, 127).astype(np.int8)


def embedding_net(weights: NDArray[np.int8] | None = None) -> bytes:
    """An embedding lookup, which Vela leaves to the CPU, two layers and a curve."""
    net = Net()
    indices = net.input((1, 2), "int32", name="y")
    table = net.constant(random_weights(20, 32, seed=2), 0.05, 3)
    rows = net.tensor("rows", (1, 2, 32), "int8", 0.05, 3)
    net.op("GATHER", [table, indices], [rows], "GatherOptions", axis=0, batch_dims=0)
    shape = net.constant(np.array([1, 64], np.int32))
    flat = net.tensor("flat", (1, 64), "int8", 0.05, 3)
    net.op("RESHAPE", [rows, shape], [flat], "ReshapeOptions", 1, new_shape=[1, 64])
    hidden = linear(
        net, flat, random_weights(64, 64) if weights is None else weights, name="hidden"
    )
    bent = net.tensor("bent", (1, 64), "int8", 1 / 128)
    net.op("TANH", [hidden], [bent])
    return net.file(linear(net, bent, random_weights(24, 64, seed=3), 0.1, "out"))
