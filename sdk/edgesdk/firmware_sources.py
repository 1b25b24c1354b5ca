"""The sources, flags and made files of a board's firmware: all that no compiler has a say in."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgesdk.board import Board
from edgesdk.board.files import render_header, render_linker_script
from edgesdk.board.setup import c_path
from edgesdk.errors import BuildError
from edgesdk.mlperf_tiny import PROTOCOL as MLPERF_TINY
from edgesdk.resources import resource_dir

WARNINGS = (
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wmissing-prototypes",
    "-Wvla",
    "-Werror",
)
# One rounding per float operation on every port, or transcripts would differ between boards.
LANGUAGE = ("-std=c11", "-fno-common", "-ffp-contract=off", "-fno-math-errno", "-g")
SECTIONS = ("-ffunction-sections", "-fdata-sections", "-fstack-usage")
# The Helium kernels' assembly needs r7, where clang would keep a frame pointer.
REGISTERS = ("-fomit-frame-pointer",)
# All that is neither kernel nor feature, half of the firmware: it takes 1 % of the time of a greedy
# search, and 7 % of a beam of 4, which -O3 makes 3 % faster for 2.2 KB.
SMALL = ("-Os",)
# What a firmware can do without: the sources of a part, which runtime/without/PART.c replaces.
PARTS = {
    "attention": ("attention.c",),
    "bias": ("bias.c", "bias_store.c"),
    "endpoint": ("endpoint.c", "endpointing.c"),
    "lattice": ("lattice.c",),
    "npu": ("npu.c",),
}
# The runtime's own sources, in its folder, besides those of an application.
RUNTIME = ("kernels/**/*.c", "npu/**/*.c")


@dataclass(frozen=True)
class Application:
    """What serves the host."""

    folders: tuple[str, ...]  # its own, with its session.h, then those that it includes from
    runtime: tuple[str, ...]  # sources that it runs on, in the runtime's folder


PROTOCOLS = {
    "edgesdk": Application(("app",), ("src/*.c",)),
    MLPERF_TINY: Application(
        ("app/mlperf_tiny", "app"), ("src/graph.c", "src/image.c", "src/npu.c", "src/status.c")
    ),
}


class Choice(Protocol):
    """What a build may leave open (edgesdk.build.BuildOptions)."""

    @property
    def link(self) -> str | None:
        """A link of the port; None: the board's."""

    @property
    def kernels(self) -> tuple[str, ...] | None:
        """Names of kernels.def; None: all."""

    @property
    def parts(self) -> tuple[str, ...] | None:
        """Names of PARTS; None: all."""

    @property
    def protocol(self) -> str:
        """One of PROTOCOLS."""


def link_of(board: Board, choice: Choice) -> str:
    """The transport that a build uses: by default the board's, a serial port for MLPerf Tiny.

    Raises:
        BuildError: the board, or its port, has no such link.
    """
    lacks = {"mailbox": not board.has_role("mailbox"), "uart": board.uart is None}
    offered = [link for link in _port(board)["links"] if not lacks.get(link)]
    serial = choice.protocol == MLPERF_TINY and "uart" in offered
    link = choice.link or ("uart" if serial else board.link.default)
    if link not in offered:
        raise BuildError(
            f"board {board.name} has no link {str(link)!r}; choose one of {', '.join(offered)}"
        )
    return link


def _port(board: Board) -> dict[str, list[str]]:
    path = resource_dir("firmware_templates") / "ports" / board.port / "port.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class SourcePlan:
    """What a build takes that no compiler has a say in; flags lack those of the target."""

    root: Path  # of the templates
    flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    libraries: tuple[str, ...]
    includes: tuple[Path, ...]
    sources: tuple[Path, ...]  # in the order in which they are linked
    header: str
    linker_script: str | None


def source_plan(board: Board, choice: Choice) -> SourcePlan:
    """Sources, flags and made files of a board's firmware.

    Raises:
        BuildError: the board's port has no such link.
    """
    root = resource_dir("firmware_templates")
    port = _port(board)
    link = link_of(board, choice)
    sources = [root / "ports" / name for name in port["sources"]]
    link_sources: dict[str, list[str]] = port.get("link_sources", {})  # type: ignore[assignment]
    sources += [root / "ports" / name for name in link_sources.get(link, [])]
    sources += _drivers(board, port, root, link)
    sources += _npu_sources(board, port, root)
    app = PROTOCOLS[choice.protocol]
    for pattern in (f"{app.folders[0]}/*.c", *(f"runtime/{it}" for it in (*app.runtime, *RUNTIME))):
        sources += sorted(root.glob(pattern))
    sources = _without(sources, choice.parts, root / "runtime")
    includes = [root / name for name in (*app.folders, "runtime/include", "runtime/kernels")]
    includes += [root / "ports" / name for name in port["include"]]
    flags = [*board.compiler.optimise, *LANGUAGE, *REGISTERS, *SECTIONS, *WARNINGS]
    flags.append(f"-DEDGE_PAYLOAD_MAX={board.link.payload_bytes}u")
    if board.counter is not None and board.counter.operators is not None:
        flags.append(f"-DEDGE_PROFILE_OPS={board.counter.operators}u")
    if choice.kernels is not None:
        flags += ["-DEDGE_KERNELS_ONLY", *(f"-DEDGE_USE_{name}" for name in choice.kernels)]
    script = port.get("linker_script")
    return SourcePlan(
        root=root,
        flags=tuple(flags),
        link_flags=_link_flags(board, script is not None),
        libraries=tuple(port["libraries"]),
        includes=tuple(includes),
        sources=tuple(sources),
        header=render_header(board),
        linker_script=None
        if script is None
        else render_linker_script(board, (root / "ports" / str(script)).read_text("utf-8")),
    )


def _drivers(board: Board, port: dict[str, list[str]], root: Path, link: str) -> list[Path]:
    """Sources of the drivers that the board names, of the port or of the user's own: each once."""
    found: list[Path] = []
    for table, driver in board.drivers.items():
        if table == "uart_sources" and link != "uart":
            continue
        offered: dict[str, str] = port.get(table, {})  # type: ignore[assignment]
        own = c_path(driver, board.path)
        source = root / "ports" / offered[driver] if own is None else own
        if source not in found:
            found.append(source)
    return found


def _npu_sources(board: Board, port: dict[str, list[str]], root: Path) -> list[Path]:
    """What the port gives for the attachment of the board's NPU; patterns below `root`."""
    if board.npu is None:
        return []
    offered: dict[str, list[str]] = port["npu_sources"]  # type: ignore[assignment]
    patterns = offered[board.npu.attachment]
    return [path for pattern in patterns for path in sorted(root.glob(pattern))]


def _without(sources: list[Path], parts: tuple[str, ...] | None, runtime: Path) -> list[Path]:
    """Sources with those of parts that are not wanted replaced."""
    kept, instead = list(sources), []
    for part in PARTS:
        gone = [runtime / "src" / name for name in PARTS[part]]
        if parts is not None and part not in parts and gone[0] in sources:
            kept = [source for source in kept if source not in gone]
            instead.append(runtime / "without" / f"{part}.c")
    return [*kept, *instead]


def _link_flags(board: Board, bare: bool) -> tuple[str, ...]:
    flags = [*board.compiler.target, "-Wl,--gc-sections"]
    if bare:
        library = board.toolchain.library_flags
        flags += ["-nostartfiles", *library, "-Wl,--no-warn-rwx-segments"]
    return tuple(flags)


def computes(source: Path) -> bool:
    """Whether a source is where the time goes: the kernels, the features, an emulated NPU."""
    return bool({"kernels", "emulator"} & set(source.parts)) or source.name == "features.c"
