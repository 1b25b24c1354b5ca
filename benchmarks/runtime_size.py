"""Bytes of code of the runtime with chosen kernels: image, graph and kernels, nothing else."""

import subprocess
import tempfile
from pathlib import Path

from edgesdk.board import Board
from edgesdk.build import find_tool
from edgesdk.elf import read_sizes
from edgesdk.firmware_sources import LANGUAGE
from edgesdk.resources import resource_dir

KERNELS = ("FULLY_CONNECTED_S8", "LSTM_S8")
ENTRIES = (
    "edge_image_open",
    "edge_image_find",
    "edge_graph_open",
    "edge_graph_bind",
    "edge_graph_invoke",
    "edge_graph_input",
    "edge_graph_output",
)


def runtime_bytes(board: Board, kernels: tuple[str, ...] = KERNELS) -> int:
    """Text and data of the functions that a program needs to open and run such graphs."""
    root = resource_dir("firmware_templates") / "runtime"
    sources = [root / "src" / f"{name}.c" for name in ("image", "graph", "status")]
    sources += sorted(root.glob("kernels/*/*.c"))
    flags = [*board.compiler.target, *board.compiler.optimise, *LANGUAGE]
    flags += ["-ffunction-sections", "-fdata-sections", "-DEDGE_KERNELS_ONLY"]
    flags += [f"-DEDGE_USE_{name}" for name in kernels]
    flags += [f"-I{root / 'include'}", f"-I{root / 'kernels'}", "-nostartfiles"]
    flags += ["--specs=nano.specs", "-Wl,--gc-sections", f"-Wl,-e,{ENTRIES[0]}"]
    flags += [f"-Wl,-u,{entry}" for entry in ENTRIES]
    with tempfile.TemporaryDirectory() as folder:
        elf = Path(folder) / "runtime.elf"
        command = [find_tool("arm-none-eabi-gcc"), *flags, *map(str, sources), "-o", str(elf)]
        subprocess.run(command, check=True)
        sizes = read_sizes(elf.read_bytes(), "runtime.elf")
    return sizes.text + sizes.data
