"""Firmware as a CMake project: all that goes in, as files; nothing of edgesdk builds it."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from edgesdk import __version__
from edgesdk.board import CORES, Board
from edgesdk.build import BuildOptions
from edgesdk.bundle import Bundle
from edgesdk.firmware_sources import SourcePlan, source_plan
from edgesdk.flash.kept import board_files
from edgesdk.project_text import cmake_lists, readme, toolchain_file

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
EXTENSIONS = {"dsp": "dsp.c", "mve": "mve.c"}  # how sources for such cores only are called


def project_files(board: Board, bundle: Bundle | None, options: BuildOptions) -> dict[str, bytes]:
    """A project's files by their path in it; with a bundle, its image too.

    Raises:
        BuildError: the board's port has no such link.
    """
    plan = source_plan(board, options)
    root = plan.root
    taken = _closure(board, plan, options)
    names = {path: _name(path, root) for path in sorted(taken)}
    files = {name: path.read_bytes() for path, name in names.items()}
    include = [_plain(path).relative_to(root).as_posix() for path in plan.includes]
    files["CMakeLists.txt"] = cmake_lists(
        board,
        plan,
        sources=[names[source] for source in plan.sources if source in taken],
        headers=[name for name in names.values() if not name.endswith(".c")],
        includes=[name for name in include if any(n.startswith(f"{name}/") for n in files)],
    ).encode()
    if not board.is_host:
        files["toolchain.cmake"] = toolchain_file(board).encode()
    files["board/edge_board.h"] = plan.header.encode()
    files |= {f"board/{name}": data for name, data in board_files(board)}
    if plan.linker_script is not None:
        files["board/memory.ld"] = _own(plan.linker_script, board).encode()
    if bundle is not None:
        files["model/model.edge"] = bundle.to_bytes()
        files["model/model.image"] = bundle.device_bytes()
    files["LICENSE"] = (root.parent / "LICENSE").read_bytes()
    files["README.md"] = readme(board, options, bundle).encode()
    return files


def _name(path: Path, root: Path) -> str:
    """Path of a template in the project; a driver of the user's own goes beside the board file."""
    return path.relative_to(root).as_posix() if root in path.parents else f"board/{path.name}"


def _own(script: str, board: Board) -> str:
    """The linker script with a first line that is true in the project."""
    _, _, rest = script.partition("\n")
    return f"/* Written by edgesdk {__version__} for {board.name}; yours from here on. */\n{rest}"


def _asked_for(source: Path, kernels: tuple[str, ...] | None) -> bool:
    """Whether a source is needed whatever includes its headers: all but the NPU's driver and
    kernels, and of those the ones that were asked for."""
    if _on_demand(source) is None or kernels is None:
        return True
    text = source.read_text(encoding="utf-8")
    names = "|".join(name.lower() for name in kernels)
    return bool(re.search(rf"\bedge_({names})_(check|run)\b", text))


def _on_demand(path: Path) -> Path | None:
    """The folder of a kernel or driver, whose sources come when a header of theirs is asked for."""
    folder = path.parent
    grouped = folder.parent.name == "kernels" or folder.parent.name == "npu"
    return folder if grouped and "runtime" in folder.parts else None


def _for_another_core(board: Board, source: Path) -> bool:
    return any(
        source.name.endswith(ending) and extension not in CORES[board.cpu.core].isa
        for extension, ending in EXTENSIONS.items()
    )


def _closure(board: Board, plan: SourcePlan, options: BuildOptions) -> set[Path]:
    """What was asked for, all headers that it includes, and the folders of kernels of those."""
    sources = [source for source in plan.sources if not _for_another_core(board, source)]
    taken: set[Path] = set()
    waiting = [source for source in sources if _asked_for(source, options.kernels)]
    while waiting:
        path = waiting.pop()
        if path in taken:
            continue
        taken.add(path)
        folder = _on_demand(path)
        if folder is not None:
            waiting += [source for source in sources if source.parent == folder]
        for name in INCLUDE.findall(path.read_text(encoding="utf-8")):
            waiting += _find(name, path, plan.includes)
    return taken


def _find(name: str, source: Path, includes: Iterable[Path]) -> list[Path]:
    """The file that an #include means; none for the header that is made for the board."""
    found = (folder / name for folder in (source.parent, *includes))
    return [_plain(path) for path in found if path.is_file()][:1]


def _plain(path: Path) -> Path:
    """The path without steps back, and without following links."""
    return Path(os.path.normpath(path))
