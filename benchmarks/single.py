"""Measures a graph on an emulated board, checked first: instructions, estimated cycles, bytes."""

import functools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cycles import Range, estimate
from edgesdk.board import Board, load_board
from edgesdk.build import BuildOptions, build
from edgesdk.bundle.plan import Plan, Record
from edgesdk.flash.store import store
from edgesdk.link.device import Device, open_device
from edgesdk.link.messages import GraphId, TensorKind
from edgesdk_converters.lower import Packing, core_of, lower_single
from executions import Block, counted, disassemble
from rich.console import Console
from rich.table import Table
from runtime_size import runtime_bytes

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "converters"))

from single_op import interpreter, random_inputs, run_oracle  # noqa: E402

BOARDS = ("qemu-mps2-an386", "qemu-mps3-an547")
SHARED = Path(os.environ.get("EDGESDK_SHARED", ROOT.parent / "shared"))
STEPS = 3  # invokes; the last one counts
# Instructions that the guest's counter has and the plugin has not: around the call of the graph.
OVERHEAD = 5


@dataclass(frozen=True)
class Case:
    """A graph, and the one that TFLite's reference kernels run for it: itself, mostly."""

    name: str
    form: str  # what the weights are like
    data: bytes
    oracle: bytes
    prefer: str = "fast"  # as the recipe's `weights`


@dataclass(frozen=True)
class Counts:
    """What one steady invoke takes."""

    instructions: int
    cycles: Range  # an estimate
    macs: int  # of the dense graph
    weights: int  # bytes of packed matrices
    constants: int  # bytes of everything constant in the plan
    image: int
    ram: int  # arena and states
    code: int


@dataclass(frozen=True)
class Bench:
    """A board that is powered on."""

    board: Board
    device: Device
    compiler: str
    region: Callable[[], tuple[Block, ...]] | None  # None: without the plugin

    @property
    def core(self) -> str:
        """The class of cores that weights are packed for."""
        return core_of(self.board.cpu.isa)


@contextmanager
def bench(name: str, *, plugin: bool = True) -> Iterator[Bench]:
    """Build the firmware with every kernel and power the board on."""
    board = load_board(name)
    image = build(board, None, BuildOptions())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        store(image, folder / "devices")
        code = disassemble(image.firmware, board.cpu.isa) if plugin else []
        with (
            counted(code, folder) if plugin else nullcontext() as region,
            open_device(board, devices=folder / "devices") as device,
        ):
            yield Bench(board, device, image.compiler, region)


def measure(on: Bench, case: Case) -> Counts:
    """Cost of the last of STEPS runs on random inputs, and bytes.

    Raises:
        SystemExit: an output differs from the reference, or guest and plugin count differently.
    """
    bundle = lower_single(case.data, packing=Packing(on.core, case.prefer))
    plan = bundle.graphs["net"]
    instructions = _run(on.device, bundle.device_bytes(), case)
    blocks = () if on.region is None else on.region()
    executed = sum(block.executed for block in blocks)
    if blocks and executed + OVERHEAD != instructions:
        raise SystemExit(f"{case.name}: guest counts {instructions}, plugin {executed}; no counts")
    return Counts(
        instructions,
        estimate(blocks, on.board.cpu.isa),
        sum(macs(record) for record in plan.records),
        sum(w["bytes"] for op in bundle.debug["net"]["ops"] for w in op["weights"]),
        len(plan.constants),
        len(bundle.device_bytes()),
        plan.arena_bytes + plan.state_bytes,
        code_bytes(on.board.name, kernels(plan)),
    )


def _run(device: Device, image: bytes, case: Case) -> int:
    """Instructions of the last run; all runs are compared with the reference."""
    device.load(image)
    oracle, rng, cost = interpreter(case.oracle), np.random.default_rng(1), 0
    for _ in range(STEPS):
        inputs = random_inputs(oracle, rng)
        for index, values in enumerate(inputs):
            device.graph_write(GraphId.SINGLE, index, values.tobytes())
        cost = device.graph_run(GraphId.SINGLE)
        for index, expected in enumerate(run_oracle(oracle, inputs)):
            found = device.graph_read(GraphId.SINGLE, TensorKind.OUTPUT, index)
            if not np.array_equal(found, expected.reshape(found.shape)):
                raise SystemExit(f"{case.name}, {case.form}: device and reference differ")
    return cost


def macs(record: Record) -> int:
    """Products of weights and activations in one operator, zeros included."""
    value = record.values
    if record.op.startswith("FULLY_CONNECTED"):
        return _product(value, "batches", "depth", "rows")
    if record.op == "LSTM_S8":
        width = _product(value, "inputs") + _product(value, "cells")
        return 4 * width * _product(value, "cells", "steps")
    if record.op.startswith(("CONV", "DEPTHWISE_CONV")):
        size = _product(value, "out_h", "out_w", "out_c", "kernel_h", "kernel_w")
        return size if record.op.startswith("DEPTHWISE") else size * _product(value, "in_c")
    if record.op == "BATCH_MATMUL_S8":
        return _product(value, "batches", "rows", "columns", "depth")
    if record.op == "SVDF_S8":
        return _product(value, "filters") * (_product(value, "inputs") + _product(value, "steps"))
    return 0


def _product(values: dict[str, int | tuple[int, ...]], *names: str) -> int:
    result = 1
    for name in names:
        value = values[name]
        assert isinstance(value, int)
        result *= value
    return result


def kernels(plan: Plan) -> tuple[str, ...]:
    """What a firmware needs for this plan; LSTM layers are counted with fully connected ones."""
    names = {record.op for record in plan.records}
    return tuple(sorted(names | ({"FULLY_CONNECTED_S8"} if "LSTM_S8" in names else set())))


@functools.cache
def code_bytes(board: str, names: tuple[str, ...]) -> int:
    """Code of the runtime with these kernels."""
    return runtime_bytes(load_board(board), names)


def table(names: tuple[str, ...], *numbers: str) -> Table:
    """Columns of names on the left, of numbers on the right."""
    made = Table(*names, box=None, pad_edge=False)
    for column in numbers:
        made.add_column(column, justify="right", no_wrap=True)
    return made


def figure(value: int | None) -> str:
    """A count with its thousands apart; a dash where there is none."""
    return "-" if value is None else f"{value:,}"


def ratio(ours: int, theirs: int | None) -> str:
    """Ours as a part of theirs."""
    return "-" if theirs is None else f"{ours / theirs:.2f}"


def per_mac(counts: Counts) -> tuple[str, str]:
    """Instructions and estimated cycles per multiplication."""
    low, high = (cycles / counts.macs for cycles in counts.cycles)
    return f"{counts.instructions / counts.macs:.4f}", f"{low:.2f}..{high:.2f}"


def output() -> Console:
    """As wide as the tables, wherever they go."""
    return Console(width=200, highlight=False, markup=False)
