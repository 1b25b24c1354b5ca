"""Counts a fully connected product and an LSTM step on emulated boards, in every weight form.

Beside each count stand the peer's recorded ones (peer.json). Random weights by fixed seeds, through
our own .tflite writer; every output is compared with TFLite's reference kernels first.

python benchmarks/kernels.py [--board BOARD]
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from edgesdk_converters.tflite.model import Operator, Tensor
from edgesdk_converters.tflite.read import read_tflite
from edgesdk_converters.tflite.write import write_tflite
from numpy.typing import NDArray
from rich.table import Table
from single import (
    BOARDS,
    Bench,
    Case,
    Counts,
    bench,
    figure,
    measure,
    output,
    per_mac,
    ratio,
    table,
)
from test_lower_lstm import draw, layer
from weight_forms import TILES, fully_connected

PEER = Path(__file__).with_name("peer.json")
PRODUCTS = ((320, 640), (640, 640), (640, 2560))
PER_CHANNEL = (640, 640)
LAYERS = ((80, 320), (320, 640), (640, 640))
KEPT = 0.25  # of the tiles, in the forms with zero blocks
LEVELS = np.linspace(-120, 120, 16).astype(np.int8)


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


def _product(depth: int, rows: int, form: Form, core: str, per_row: bool = False) -> bytes:
    rng = np.random.default_rng(depth + rows)
    weights = rng.integers(-127, 128, (rows, depth)).astype(np.int8)
    _shape(rng, weights, form, core)
    return fully_connected(rng, weights, 1, per_row)


def _layer(inputs: int, cells: int, form: Form, core: str) -> bytes:
    rng = np.random.default_rng(inputs + cells)
    drawn = draw(rng, inputs, cells)
    for matrix in (*drawn.input, *drawn.recurrent):
        _shape(rng, matrix, form, core)
    return layer(drawn, 1)


def pointwise(product: bytes) -> bytes:
    """A fully connected product as the same sums of a 1x1 convolution.

    tflite-runtime 2.14 computes products with a scale per row wrongly, but such convolutions well.
    """
    model = read_tflite(product)
    (graph,) = model.graphs
    (operator,) = graph.operators
    x, weights, _ = operator.inputs

    def spread(index: int, tensor: Tensor) -> Tensor:
        rows, depth = tensor.shape[0], tensor.shape[-1]
        if index == weights:
            assert tensor.data is not None
            shape = (rows, 1, 1, depth)
            return replace(tensor, shape=shape, data=tensor.data.reshape(shape))
        if index == x or index in operator.outputs:
            return replace(tensor, shape=(rows, 1, 1, depth))
        return tensor

    tensors = tuple(spread(index, tensor) for index, tensor in enumerate(graph.tensors))
    options = {"padding": 1, "stride_w": 1, "stride_h": 1}
    options |= {"dilation_w_factor": 1, "dilation_h_factor": 1, "fused_activation_function": 0}
    conv = Operator(
        "CONV_2D", 3, operator.inputs, operator.outputs, (), "Conv2DOptions", dict(options)
    )
    return write_tflite(
        replace(model, graphs=(replace(graph, tensors=tensors, operators=(conv,)),))
    )


def cases(core: str) -> Iterator[Case]:
    """Every shape in every form; the names are those in peer.json."""
    for form in FORMS:
        for depth, rows in PRODUCTS:
            data = _product(depth, rows, form, core)
            yield Case(f"fc_{depth}x{rows}", form.name, data, data, form.prefer)
        depth, rows = PER_CHANNEL
        data = _product(depth, rows, form, core, per_row=True)
        name = f"fc_{depth}x{rows} per channel"
        yield Case(name, form.name, data, pointwise(data), form.prefer)
        for inputs, cells in LAYERS:
            data = _layer(inputs, cells, form, core)
            yield Case(f"lstm_{inputs}x{cells}", form.name, data, data, form.prefer)


def _table(board: str, peer: dict[str, Any]) -> Table:
    return table(
        (board, "weights are"),
        "instructions",
        "per MAC",
        "est. cycles\nper MAC",
        f"peer\n{peer['best']}",
        "ours\nof it",
        f"peer\n{peer['shipped']}",
        "weight\nbytes read",
        "bits per\nweight",
        "image",
        "RAM",
        "peer's",
        "code",
        "peer's",
    )


def _row(case: Case, ours: Counts, peer: dict[str, Any]) -> list[str]:
    theirs = peer[case.name]
    kind = peer["lstm" if case.name.startswith("lstm") else "fully_connected"]
    return [
        case.name,
        case.form,
        figure(ours.instructions),
        *per_mac(ours),
        figure(theirs.get("best")),
        ratio(ours.instructions, theirs.get("best")),
        figure(theirs.get("shipped")),
        figure(ours.weights),
        f"{8 * ours.weights / ours.macs:.2f}",
        figure(ours.image),
        figure(ours.ram),
        figure(theirs["ram"]),
        figure(ours.code),
        figure(kind["code"]),
    ]


def _check_repeats(name: str, counts: dict[str, Counts]) -> None:
    """Measure one case again, on a board that was started anew without the plugin.

    Raises:
        SystemExit: not to the instruction the same.
    """
    with bench(name, plugin=False) as on:
        case = next(case for case in cases(on.core) if case.name.startswith("lstm"))
        again = measure(on, case).instructions
    if again != counts[case.name].instructions:
        raise SystemExit(f"{case.name}: {again} instructions now; counts are not repeatable")


def _measure_all(on: Bench, peer: dict[str, Any]) -> tuple[Table, dict[str, Counts]]:
    """The table, and the dense counts by name."""
    dense: dict[str, Counts] = {}
    shown = _table(on.board.name, peer)
    for case in cases(on.core):
        counts = measure(on, case)
        dense.setdefault(case.name, counts)
        shown.add_row(*_row(case, counts, peer))
    return shown, dense


def main() -> None:
    """Measure every case on the boards and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", choices=BOARDS, action="append")
    chosen = parser.parse_args().board or BOARDS
    peers, console = json.loads(PEER.read_text(encoding="utf-8")), output()
    for name in chosen:
        peer = peers[name]
        with bench(name) as on:
            shown, dense = _measure_all(on, peer)
        _check_repeats(name, dense)
        console.print(shown)
        console.print(f"\nours: {on.compiler}; two boots gave the same count")
        cycles = peer["fully_connected"]["est_cycles_per_mac"]
        console.print(f"peer's est. cycles per MAC of fc_640x640, {peer['best']}: {cycles}\n")
    console.print(f"peer: {peers['source']}")
    console.print("est. cycles: an estimate, not a measurement (docs/benchmarks.md)\n")


if __name__ == "__main__":
    main()
