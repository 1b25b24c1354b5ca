"""Counts a fully connected product and an LSTM step on emulated boards, in every weight form.

Beside each count stands the peer's recorded one (peer.json). Random weights by fixed seeds, through
our own .tflite writer; every output is compared with TFLite's reference kernels first.

python benchmarks/kernels.py [--board BOARD]
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from edgesdk.board import load_board
from edgesdk.build import BuildOptions, build
from edgesdk.flash.store import store
from edgesdk.link.device import Device, open_device
from edgesdk.link.messages import GraphId, TensorKind
from edgesdk_converters.lower import Packing, core_of, lower_single
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "converters"))

import runtime_size  # noqa: E402
from single_op import interpreter, run_oracle  # noqa: E402
from test_lower_lstm import draw, layer  # noqa: E402
from weight_forms import TILES, fully_connected  # noqa: E402

PEER = Path(__file__).with_name("peer.json")
BOARDS = ("qemu-mps2-an386", "qemu-mps3-an547")
PRODUCTS = ((320, 640), (640, 640), (640, 2560))
LAYERS = ((80, 320), (320, 640))
KEPT = 0.25  # of the tiles, in the forms with zero blocks
LEVELS = np.linspace(-120, 120, 16).astype(np.int8)
STEPS = 3  # invokes; the last one counts


@dataclass(frozen=True)
class Form:
    """What the weights are like, and what packing is asked for."""

    name: str
    zeros: bool
    levels: bool
    prefer: str


FORMS = (
    Form("dense", False, False, "fast"),
    Form("75 % blocks", True, False, "fast"),
    Form("4 bits", False, True, "small"),
    Form("75 % blocks, 4 bits", True, True, "small"),
)


def _shape(rng: np.random.Generator, weights: NDArray[np.int8], form: Form, core: str) -> None:
    """Gives random weights the form, in place; exactly KEPT of the tiles stay."""
    if form.levels:
        weights[:] = rng.choice(LEVELS, weights.shape)
    if form.zeros:
        height, width = TILES[core]
        grid = (-(-weights.shape[0] // height), -(-weights.shape[1] // width))
        kept = np.zeros(grid[0] * grid[1], bool)
        kept[rng.permutation(kept.size)[: round(KEPT * kept.size)]] = True
        mask = np.kron(kept.reshape(grid), np.ones((height, width), bool))
        weights *= mask[: weights.shape[0], : weights.shape[1]]


def _product(depth: int, rows: int, form: Form, core: str) -> bytes:
    rng = np.random.default_rng(depth + rows)
    weights = rng.integers(-127, 128, (rows, depth)).astype(np.int8)
    _shape(rng, weights, form, core)
    return fully_connected(rng, weights, 1)


def _layer(inputs: int, cells: int, form: Form, core: str) -> bytes:
    rng = np.random.default_rng(inputs + cells)
    drawn = draw(rng, inputs, cells)
    for matrix in (*drawn.input, *drawn.recurrent):
        _shape(rng, matrix, form, core)
    return layer(drawn, 1)


def _cases(core: str) -> Iterator[tuple[str, int, Form, bytes]]:
    """Name in peer.json, multiplications of the dense matrix, form, .tflite file."""
    for form in FORMS:
        for depth, rows in PRODUCTS:
            yield f"fc_{depth}x{rows}", depth * rows, form, _product(depth, rows, form, core)
        for inputs, cells in LAYERS:
            count = 4 * cells * (inputs + cells)
            yield f"lstm_{inputs}x{cells}", count, form, _layer(inputs, cells, form, core)


def _measure(device: Device, data: bytes, packing: Packing) -> dict[str, int]:
    """Instructions of the last of STEPS runs, and bytes.

    Raises:
        SystemExit: an output differs from the reference.
    """
    bundle, oracle = lower_single(data, packing=packing), interpreter(data)
    device.load(bundle.device_bytes())
    (detail,) = oracle.get_input_details()
    rng, cost = np.random.default_rng(1), 0
    for _ in range(STEPS):
        x = rng.integers(-128, 128, detail["shape"]).astype(np.int8)
        device.graph_write(GraphId.SINGLE, 0, x.tobytes())
        cost = device.graph_run(GraphId.SINGLE)
        found = device.graph_read(GraphId.SINGLE, TensorKind.OUTPUT, 0)
        if not np.array_equal(found, run_oracle(oracle, [x])[0].reshape(found.shape)):
            raise SystemExit("device and reference differ; no counts")
    (op,) = bundle.debug["net"]["ops"]
    plan = bundle.graphs["net"]
    return {
        "instructions": cost,
        "weights": sum(w["bytes"] for w in op["weights"]),
        "image": len(bundle.device_bytes()),
        "ram": plan.arena_bytes + plan.state_bytes,
    }


def _table(board: str) -> Table:
    table = Table(board, "weights are", box=None, pad_edge=False)
    columns = ("instructions", "per MAC", "peer", "of peer", "weight bytes", "bits", "image", "RAM")
    for column in (*columns, "peer RAM"):
        table.add_column(column, justify="right")
    return table


def _row(name: str, macs: int, form: Form, ours: dict[str, int], peer: dict[str, Any]) -> list[str]:
    theirs = peer[name]["instructions"]
    return [
        name,
        form.name,
        f"{ours['instructions']:,}",
        f"{ours['instructions'] / macs:.4f}",
        f"{theirs:,} ({peer[name]['compiler']})",
        f"{ours['instructions'] / theirs:.2f}",
        f"{ours['weights']:,}",
        f"{8 * ours['weights'] / macs:.2f}",
        f"{ours['image']:,}",
        f"{ours['ram']:,}",
        f"{peer[name]['arena_bytes']:,}",
    ]


def main() -> None:
    """Measure every case on the boards and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", choices=BOARDS, action="append")
    chosen = parser.parse_args().board or BOARDS
    peers = json.loads(PEER.read_text(encoding="utf-8"))
    console = Console(width=160)
    for name in chosen:
        board, table = load_board(name), _table(name)
        core = core_of(board.cpu.isa)
        image = build(board, None, BuildOptions())
        with tempfile.TemporaryDirectory() as folder:
            store(image, Path(folder))
            with open_device(board, devices=Path(folder)) as device:
                for label, macs, form, data in _cases(core):
                    ours = _measure(device, data, Packing(core, form.prefer))
                    table.add_row(*_row(label, macs, form, ours, peers[name]))
        console.print(table)
        code = runtime_size.runtime_bytes(board)
        console.print(f"code of the runtime with both kernels: {code:,} bytes", highlight=False)
        console.print(
            f"peer: {peers[name]['code_bytes']:,} bytes; {image.compiler}", highlight=False
        )
        console.print()
    console.print(f"peer: {peers['source']}", highlight=False)


if __name__ == "__main__":
    main()
