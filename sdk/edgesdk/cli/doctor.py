"""`edgesdk doctor`: which tools are there, and how to get the ones that are not."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

import typer
from rich.table import Table
from rich.text import Text

from edgesdk.board import Board, load_board
from edgesdk.cli.options import JsonOption, OptionalBoardOption, terminal
from edgesdk.core.compile import compiler_version, find_compiler
from edgesdk.errors import BuildError
from edgesdk.flash.programs import PACKAGES, PROGRAMS
from edgesdk.flash.stm32 import offered
from edgesdk.programs import program_version
from edgesdk.toolchain import TOOLCHAINS, Toolchain

EXTRAS = {
    "convert": ("onnx", "flatbuffers", "tflite"),
    "emulate": ("tflite-runtime",),
    "npu": ("ethos-u-vela",),
    "report": ("matplotlib", "jinja2"),
}
FLASH = "flash"  # the extra with the packages that write real boards
MARKS = {True: Text("✓", "green"), False: Text("-", "yellow")}


@dataclass(frozen=True)
class Tool:
    """One thing that some work needs; `found` is its version or place, None where absent."""

    name: str
    purpose: str
    found: str | None
    required: bool
    install: str


def _one_of(programs: tuple[str, ...]) -> str | None:
    return next((line for line in map(program_version, programs) if line), None)


def _core_compiler() -> str | None:
    """Version of what compiles the C core of emulations: $CC, or the first of cc, gcc, clang."""
    try:
        return compiler_version(find_compiler())
    except BuildError:
        return None


def _has_headers(compiler: str, flags: tuple[str, ...]) -> str | None:
    """A cross compiler's C headers, which come as a package of their own."""
    if shutil.which(compiler) is None:
        return None
    finished = subprocess.run(
        [compiler, *flags, "-E", "-x", "c", "-", "-o", "/dev/null"],
        input="#include <string.h>\n#include <stdint.h>\n",
        capture_output=True,
        text=True,
        errors="replace",
        timeout=20,
        check=False,
    )
    return "headers found" if finished.returncode == 0 else None


def _cross_tools(tools: Toolchain, board: Board | None) -> Iterator[Tool]:
    """What compiles and emulates the boards of one architecture."""
    cross = board is not None and board.toolchain == tools
    emulator = None if board is None else board.emulator
    yield Tool(
        tools.gcc,
        f"firmware for {tools.processors}",
        program_version(tools.gcc),
        cross,
        f"apt-get install {tools.gcc_package}",
    )
    yield Tool(
        f"{tools.library} headers",
        f"firmware for {tools.processors}",
        _has_headers(tools.gcc, tools.header_flags),
        cross,
        f"apt-get install {tools.library_package}",
    )
    yield Tool(
        tools.emulator,
        f"emulated {tools.processors} boards",
        program_version(tools.emulator),
        cross and emulator is not None and emulator.kind == "qemu",
        f"apt-get install {tools.emulator_package}",
    )


def _system_tools(board: Board | None) -> Iterator[Tool]:
    cross = board is not None and not board.is_host
    default = None if board is None else board.compiler.default
    yield Tool(
        "host C compiler",
        "emulate and run",
        _core_compiler(),
        board is not None,
        "apt-get install gcc libc6-dev",
    )
    yield Tool(
        "gcc",
        "firmware of the host board",
        program_version("gcc"),
        board is not None and not cross and default == "gcc",
        "apt-get install gcc libc6-dev",
    )
    for tools in TOOLCHAINS.values():
        if tools.emulator:
            yield from _cross_tools(tools, board)
    yield Tool(
        "clang",
        "flash --compiler clang",
        _one_of(("clang-19", "clang")),
        default == "clang",
        "apt-get install clang lld",
    )


def _flash_tools(board: Board | None) -> Iterator[Tool]:
    """Programs that write real boards; asking some for their version would start them."""
    flash = None if board is None else board.flash
    default = None if flash is None else flash.default
    for method, (names, install) in PROGRAMS.items():
        if method == "stm32" and flash is not None and flash.stm32 is not None:
            names = offered(flash.stm32) or names
        found = next(filter(None, map(shutil.which, names)), None)
        required = method == default
        yield Tool(" or ".join(names), f"flash --with {method}", found, required, install)
    for method, package in PACKAGES.items():
        install = f"pip install 'edgesdk[{FLASH}]'"
        purpose = f"flash --with {method}"
        yield Tool(package, purpose, _package(package), method == default, install)


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _python_tools() -> Iterator[Tool]:
    for extra, packages in EXTRAS.items():
        for package in packages:
            install = f"pip install 'edgesdk[{extra}]'"
            yield Tool(package, extra, _package(package), False, install)


def command(
    context: typer.Context, board: OptionalBoardOption = None, as_json: JsonOption = False
) -> None:
    """Say which tools are there; exit 1 when one that the board needs is missing."""
    term = terminal(context, as_json)
    chosen = load_board(board) if board else None
    tools = [*_system_tools(chosen), *_flash_tools(chosen), *_python_tools()]
    missing = [tool for tool in tools if tool.required and not tool.found]
    table = Table("", "tool", "for", "found", box=None, pad_edge=False)
    for tool in tools:
        absent = f"{'MISSING' if tool.required else 'not installed'}: {tool.install}"
        mark = Text("✗", "bold red") if tool in missing else MARKS[bool(tool.found)]
        table.add_row(mark, tool.name, tool.purpose, Text(tool.found or absent))
    if chosen is None:
        verdict = "name a board (--board) to learn what it needs"
    elif missing:
        verdict = f"{chosen.name}: not ready; install with: " + "; ".join(
            dict.fromkeys(tool.install for tool in missing)
        )
    else:
        verdict = f"{chosen.name}: ready"
    document = {
        "schema": "edgesdk.doctor",
        "version": 1,
        "board": chosen.name if chosen else None,
        "ready": not missing,
        "tools": [asdict(tool) for tool in tools],
    }
    term.result(document, table, "", verdict)
    if missing:
        raise typer.Exit(1)
