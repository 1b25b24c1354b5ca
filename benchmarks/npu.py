"""Measures how fast the emulated NPU runs the shipped recogniser on this computer.

The encoder of examples/commands, compiled for the NPU of each board that has one: milliseconds of
one core per call, the ratio to the audio that a call covers, and instructions where there is
valgrind; beside it the C kernels on the same graph. Milliseconds are this computer's and vary;
instructions do not, but for what another compiler makes of the source. An emulator has no cycles:
nothing here says how fast an Ethos-U is.

python benchmarks/npu.py            print
python benchmarks/npu.py --calls N  time N calls
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from edgesdk.board import Board, load_board
from edgesdk.bundle import load_bundle
from edgesdk.core import Graph
from edgesdk_converters.lower import lower_single
from edgesdk_converters.npu import VelaConfig, compile_npu
from single import ROOT, figure, output, table

MODEL = ROOT / "examples" / "commands"
BOARDS = ("host-u55", "host-u65")
SECTION = "GNET"
WARM, CALLS = 3, 60
COUNTED = (1, 3)  # calls under valgrind; their difference has no start-up in it
_REFS = re.compile(r"refs:\s+([\d,]+)")


@dataclass(frozen=True)
class Speed:
    """Of one graph, per call. Bytes are of the NPU only; instructions need valgrind."""

    name: str
    weight_bytes: int | None
    stored_bytes: int | None
    milliseconds: float
    instructions: int | None


def main() -> None:
    """Print the table; with --run, run a section a number of times and print nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--run", nargs=2, metavar=("SECTION", "CALLS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        call(Graph(Path(arguments.run[0]).read_bytes()), int(arguments.run[1]))
        return
    with tempfile.TemporaryDirectory() as scratch:
        encoder, frame_ms = shipped_encoder(Path(scratch))
        speeds = [cpu_speed(encoder, Path(scratch), arguments.calls)]
        for name in BOARDS:
            speeds.append(npu_speed(encoder, load_board(name), Path(scratch), arguments.calls))
    show(speeds, frame_ms)


def shipped_encoder(folder: Path) -> tuple[bytes, float]:
    """The encoder's .tflite, and the milliseconds of audio that one call covers."""
    command = [sys.executable, "-m", "edgesdk.cli.main", "convert", str(MODEL / "onnx")]
    command += ["--calibration", str(MODEL / "calibration"), "--board", "host"]
    subprocess.run(
        [*command, "-o", str(folder / "bundle"), "--quiet"], check=True, stdout=subprocess.DEVNULL
    )
    bundle = load_bundle(folder / "bundle" / "model.edge")
    frontend = bundle.features
    samples = frontend.window_shift * frontend.frame_shift
    return bundle.tflite("encoder"), 1000.0 * samples / frontend.sample_rate_hz


def cpu_speed(encoder: bytes, folder: Path, calls: int) -> Speed:
    """Of the C kernels."""
    section = lower_single(encoder).section(SECTION)
    return _speed("C kernels", section, (None, None), folder, calls)


def npu_speed(encoder: bytes, board: Board, folder: Path, calls: int) -> Speed:
    """Of the emulated NPU of `board`.

    Raises:
        SystemExit: the board has none.
    """
    if board.npu is None:
        raise SystemExit(f"{board.name}: has no NPU; no figures")
    compiled = compile_npu(encoder, VelaConfig.of(board.npu), "encoder.tflite")
    section = lower_single(compiled.tflite).section(SECTION)
    weights = compiled.weight_bytes, compiled.stored_weight_bytes
    return _speed(f"{board.npu.accelerator}, emulated", section, weights, folder, calls)


def _speed(
    name: str, section: bytes, weights: tuple[int | None, int | None], folder: Path, calls: int
) -> Speed:
    graph = Graph(section)
    call(graph, WARM)
    milliseconds = []
    for _ in range(calls):
        start = time.process_time()
        graph.invoke()
        milliseconds.append(1000.0 * (time.process_time() - start))
    counted = instructions(section, folder)
    return Speed(name, *weights, float(np.median(milliseconds)), counted)


def call(graph: Graph, calls: int) -> None:
    """Run on seeded random inputs."""
    rng = np.random.default_rng(1)
    for _ in range(calls):
        graph.run(*(rng.integers(-128, 128, i.shape).astype(i.dtype) for i in graph.inputs))


def instructions(section: bytes, folder: Path) -> int | None:
    """Host instructions of one call, by callgrind; None where there is no valgrind."""
    if shutil.which("valgrind") is None:
        return None
    path = folder / "section"
    path.write_bytes(section)
    low, high = (_counted(path, calls) for calls in COUNTED)
    return (high - low) // (COUNTED[1] - COUNTED[0])


def _counted(section: Path, calls: int) -> int:
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}"]
    command += [sys.executable, __file__, "--run", str(section), str(calls)]
    environment = os.environ | {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found = _REFS.search(done.stderr)
    if found is None:
        raise SystemExit(f"valgrind printed no count: {done.stderr[-200:]}")
    return int(found[1].replace(",", ""))


def show(speeds: list[Speed], frame_ms: float) -> None:
    """Print the table."""
    numbers = "weights", "stored", "ms per call", "times real time", "beside C", "instructions"
    shown = table(("encoder",), *numbers)
    for speed in speeds:
        shown.add_row(
            speed.name,
            figure(speed.weight_bytes),
            figure(speed.stored_bytes),
            f"{speed.milliseconds:.2f}",
            f"{frame_ms / speed.milliseconds:.1f}",
            f"{speed.milliseconds / speeds[0].milliseconds:.2f}",
            figure(speed.instructions),
        )
    output().print(f"One call per {frame_ms:g} ms of audio; instructions are this computer's.\n")
    output().print(shown)


if __name__ == "__main__":
    main()
