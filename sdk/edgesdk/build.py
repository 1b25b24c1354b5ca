"""Build firmware: templates + board + bundle -> Image, in a cache keyed by all that goes in."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from edgesdk import __version__
from edgesdk.board import Board
from edgesdk.elf import Sizes, read_sizes
from edgesdk.errors import BuildError, FitError
from edgesdk.firmware_sources import SMALL, computes, link_of, source_plan
from edgesdk.folders import firmware_cache_dir
from edgesdk.toolchain import TOOLCHAINS

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
PACKAGES = {"clang": "clang"} | {tools.gcc: tools.gcc_package for tools in TOOLCHAINS.values()}
COMPILE_TIMEOUT_S = 300
FAILED = "failed"  # in the cache: the last build that failed
# What compilers and linkers say in the C locale where something is wrong, not merely near it.
DIAGNOSTIC = re.compile(
    r"\berror:|multiple definition|undefined reference|undefined symbol|cannot find|overflowed"
)


class DeviceImage(Protocol):
    """What a build needs of a bundle (edgesdk.bundle.Bundle offers it)."""

    def device_bytes(self) -> bytes:
        """The image without host sections."""


@dataclass(frozen=True)
class BuildOptions:
    """Choices of a build; None takes the board's default."""

    compiler: str | None = None
    link: str | None = None
    kernels: tuple[str, ...] | None = None  # names of kernels.def; None: all
    parts: tuple[str, ...] | None = None  # of firmware_sources.PARTS; None: all
    protocol: str = "edgesdk"  # of firmware_sources.PROTOCOLS
    sanitize: bool = False  # host only: AddressSanitizer and UBSan


@dataclass(frozen=True)
class StackUse:
    """A function's own stack frame, from -fstack-usage."""

    function: str
    bytes: int


@dataclass(frozen=True)
class Image:
    """Built firmware, and the bundle image that goes with it."""

    board: Board
    firmware: Path  # ELF file
    firmware_id: str  # digest of sources, flags and compiler; the device reports it
    firmware_sha256: str
    sizes: Sizes
    compiler: str  # first line of --version
    flags: tuple[str, ...]
    link: str
    deepest_frames: tuple[StackUse, ...]
    bundle: bytes | None  # image bytes for the device

    @property
    def bundle_digest(self) -> str | None:
        """Digest in the image's header (docs/image.md), hexadecimal."""
        return None if self.bundle is None else self.bundle[16:24].hex()


@dataclass(frozen=True)
class _Plan:
    """All inputs of a build."""

    root: Path  # of the templates
    compiler: str
    linker: str
    version: str
    flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    libraries: tuple[str, ...]
    includes: tuple[Path, ...]
    sources: tuple[Path, ...]
    header: str
    linker_script: str | None


def build(
    board: Board, bundle: DeviceImage | None = None, options: BuildOptions | None = None
) -> Image:
    """Compile the firmware of `board`, or take it from the cache, and check that `bundle` fits.

    Raises:
        BuildError: no compiler, or it failed.
        FitError: firmware or bundle exceed a memory of the board.
    """
    options = options or BuildOptions()
    image = None if bundle is None else bundle.device_bytes()
    if image is not None:
        _check_fits(board, image)
    plan = _plan(board, options)
    key = _digest(plan)
    folder = firmware_cache_dir() / key
    built = _cached(folder)
    if built is None:
        _compile_into(folder, plan, key, board)
        built = _cached(folder)
    if built is None:
        raise BuildError(f"{folder}: changed while it was built; check the disk and build again")
    return Image(
        board=board,
        firmware=folder / "firmware.elf",
        firmware_id=key,
        firmware_sha256=built.sha256,
        sizes=built.sizes,
        compiler=plan.version,
        flags=plan.flags,
        link=link_of(board, options),
        deepest_frames=built.frames,
        bundle=image,
    )


def _check_fits(board: Board, image: bytes) -> None:
    model = board.memory("model")
    if len(image) > model.size_bytes:
        raise FitError(
            f"bundle of {len(image)} bytes does not fit memory {model.name!r} of {board.name} "
            f"({model.size_bytes} bytes): {len(image) - model.size_bytes} bytes missing; "
            "convert a smaller model or choose another board"
        )


def _plan(board: Board, options: BuildOptions) -> _Plan:
    if options.sanitize and not board.is_host:
        raise BuildError(f"sanitizers need the host board, not {board.name}")
    made = source_plan(board, options)
    compiler, linker, target = _tools(board, options)
    return _Plan(
        root=made.root,
        compiler=compiler,
        linker=linker,
        version=_version(compiler),
        flags=(*target, *made.flags, *(SANITIZERS if options.sanitize else ())),
        link_flags=(*made.link_flags, *(SANITIZERS if options.sanitize else ())),
        libraries=tuple(f"-l{name}" for name in made.libraries),
        includes=made.includes,
        sources=made.sources,
        header=made.header,
        linker_script=made.linker_script,
    )


def _tools(board: Board, options: BuildOptions) -> tuple[str, str, tuple[str, ...]]:
    """Compiler, linker driver and target flags. Clang links through GCC, for its C library."""
    kind = options.compiler or board.compiler.default
    target = board.compiler.target
    tools = board.toolchain
    if kind == "gcc":
        return find_tool(tools.gcc), find_tool(tools.gcc), (*target, *tools.header_flags)
    if kind != "clang":
        raise BuildError(f"compiler {kind!r} is unknown; choose gcc or clang")
    clang = find_tool("clang-19") if shutil.which("clang-19") else find_tool("clang")
    if board.is_host:
        return clang, clang, target
    linker = find_tool(tools.gcc)
    headers = _c_library_headers(linker, *tools.header_flags)
    return clang, linker, (f"--target={tools.triple}", *target, *headers)


def _c_library_headers(gcc: str, *flags: str) -> tuple[str, ...]:
    """Include flags that let clang see the C library of a cross GCC, but not GCC's own headers."""
    listed = _run([gcc, *flags, "-E", "-Wp,-v", "-xc", "/dev/null"], wants_stderr=True)
    folders = [Path(line.strip()).resolve() for line in listed.splitlines() if line[:2] == " /"]
    return tuple(f"-isystem{folder}" for folder in folders if "gcc" not in folder.parts)


def find_tool(name: str) -> str:
    """Path of a compiler.

    Raises:
        BuildError: not installed; names the package.
    """
    path = shutil.which(name)
    if path is None:
        package = PACKAGES.get(name, name)
        raise BuildError(f"{name} is not installed; install it: sudo apt-get install {package}")
    return path


def _version(compiler: str) -> str:
    return _run([compiler, "--version"]).splitlines()[0]


def _run(command: Sequence[str], *, wants_stderr: bool = False) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=COMPILE_TIMEOUT_S,
            check=False,
            env={**os.environ, "LC_ALL": "C"},  # DIAGNOSTIC is English
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{command[0]} did not run: {error}; check its installation") from error
    if done.returncode != 0:
        raise _CommandFailed(command, done.stderr)
    return done.stderr if wants_stderr else done.stdout


class _CommandFailed(BuildError):
    """A tool failed; the message has its first diagnostic, `output` all of it."""

    def __init__(self, command: Sequence[str], output: str) -> None:
        lines = [line.strip() for line in output.splitlines() if line.strip()] or ["(no output)"]
        first = next((line for line in lines if DIAGNOSTIC.search(line)), lines[-1])
        super().__init__(f"{Path(command[0]).name} failed: {first}")
        self.command = tuple(command)
        self.output = output

    def kept_in(self, work: Path, folder: Path) -> "_CommandFailed":
        """Keep the inputs that the build made, so that the command of the message can be run."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(work, folder)
        there = [part.replace(str(work), str(folder)) for part in self.command]
        script = folder / "command.sh"
        script.write_text(f"#!/bin/sh\nexec {shlex.join(there)}\n", encoding="utf-8")
        failed = _CommandFailed(there, self.output.replace(str(work), str(folder)))
        failed.args = (f"{failed}; run it by hand: sh {script}",)
        return failed


def _digest(plan: _Plan) -> str:
    digest = hashlib.sha256()
    described = [plan.version, plan.header, plan.linker_script or "", __version__]
    for text in (*described, *plan.flags, *SMALL, *plan.link_flags, *plan.libraries):
        digest.update(text.encode() + b"\0")
    for path in sorted({*plan.sources, *plan.root.rglob("*.h"), *plan.root.rglob("*.def")}):
        digest.update(_name(path, plan.root).encode() + b"\0")
        digest.update(b"fast" if computes(path) else b"small")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _compile_into(folder: Path, plan: _Plan, key: str, board: Board) -> None:
    """Compile in a temporary folder, then move it into place in one step."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as name:
            work = Path(name) / key
            work.mkdir()
            try:
                _compile_in(work, plan, key, board)
            except _CommandFailed as error:
                raise error.kept_in(work, folder.parent / FAILED) from error
            _put_in_place(work, folder)
    except OSError as error:
        raise BuildError(
            f"{folder.parent}: firmware cannot be built there ({error.strerror or error}); "
            "set EDGESDK_HOME or XDG_CACHE_HOME to a folder that can be written"
        ) from error


def _compile_in(work: Path, plan: _Plan, key: str, board: Board) -> None:
    (work / "edge_board.h").write_text(plan.header, encoding="utf-8")
    objects = _compile(work, plan, key)
    _link(work, plan, objects, board)
    facts = {
        "compiler": plan.version,
        "flags": plan.flags,
        "frames": _stack_use(work),
        "sha256": hashlib.sha256((work / "firmware.elf").read_bytes()).hexdigest(),
    }
    (work / "build.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    for scrap in objects:
        scrap.unlink()


def _put_in_place(work: Path, folder: Path) -> None:
    """Move a finished build to where the cache has it, unless another process was quicker."""
    if folder.exists() and _cached(folder) is None:
        folder.rename(work.with_name("damaged"))
    try:
        work.rename(folder)
    except OSError:
        if _cached(folder) is None:
            raise


def build_commands(board: Board, options: BuildOptions | None = None) -> list[str]:
    """The command lines that `build` would run, without running any but --version.

    Raises:
        BuildError: no compiler, or no such link.
    """
    plan = _plan(board, options or BuildOptions())
    key = _digest(plan)
    work = firmware_cache_dir() / key
    objects = _objects(work, plan)
    pairs = zip(plan.sources, objects, strict=True)
    commands = [_compile_command(work, plan, key, source, target) for source, target in pairs]
    return [shlex.join(command) for command in (*commands, _link_command(work, plan, objects))]


def _name(source: Path, root: Path) -> str:
    """A source's path among the templates; that of a driver of the user's own is its name."""
    return source.relative_to(root).as_posix() if root in source.parents else source.name


def _objects(work: Path, plan: _Plan) -> list[Path]:
    return [work / (_name(path, plan.root).replace("/", "_") + ".o") for path in plan.sources]


def _compile_command(work: Path, plan: _Plan, key: str, source: Path, target: Path) -> list[str]:
    includes = [f"-I{path}" for path in (work, *plan.includes)]
    define = f'-DEDGE_FIRMWARE_ID="{key}"'
    size = () if computes(source) else SMALL
    return [
        *(plan.compiler, *plan.flags, *size, define, *includes),
        *("-c", str(source), "-o", str(target)),
    ]


def _compile(work: Path, plan: _Plan, key: str) -> list[Path]:
    objects = _objects(work, plan)

    def compile_one(source: Path, target: Path) -> None:
        _run(_compile_command(work, plan, key, source, target))

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(compile_one, plan.sources, objects))
    return objects


def _link_command(work: Path, plan: _Plan, objects: Sequence[Path]) -> list[str]:
    script = [] if plan.linker_script is None else ["-T", str(work / "memory.ld")]
    inputs = [*script, *map(str, objects), *plan.libraries]
    return [plan.linker, *plan.link_flags, *inputs, "-o", str(work / "firmware.elf")]


def _link(work: Path, plan: _Plan, objects: Sequence[Path], board: Board) -> None:
    if plan.linker_script is not None:
        (work / "memory.ld").write_text(plan.linker_script, encoding="utf-8")
    try:
        _run(_link_command(work, plan, objects))
    except _CommandFailed as error:
        missing = re.search(r"region [`'](\w+)' overflowed by (\d+) bytes", error.output)
        if missing is None:
            raise
        raise FitError(
            f"firmware does not fit memory {missing[1]!r} of {board.name}: {missing[2]} bytes "
            f"missing; {_less_of(board, missing[1])}"
        ) from error


def _less_of(board: Board, memory: str) -> str:
    """What makes firmware smaller in a memory: what the file sets, where data lie there."""
    if board.memory("data").name != memory:
        return "take a smaller model or a larger board"
    parts = [] if board.uart is None else [f"[uart] receive_bytes = {board.uart.receive_bytes}"]
    parts.append(f"[link] payload_bytes = {board.link.payload_bytes}")
    if board.memory("stack").name == memory:
        parts.append(f"[stack] size_bytes = {board.stack_bytes}")
    return f"make {' or '.join(parts)} of the board file smaller"


def _stack_use(work: Path) -> list[dict[str, object]]:
    uses: list[StackUse] = []
    for path in work.glob("*.su"):
        for line in path.read_text(encoding="utf-8").splitlines():
            place, size, _kind = line.split("\t")
            uses.append(StackUse(place.rsplit(":", 1)[-1], int(size)))
        path.unlink()
    return [asdict(use) for use in sorted(uses, key=lambda use: (-use.bytes, use.function))[:10]]


@dataclass(frozen=True)
class _Built:
    """What a folder of the cache holds, verified."""

    sha256: str
    sizes: Sizes
    frames: tuple[StackUse, ...]


def _cached(folder: Path) -> _Built | None:
    """The build in a folder of the cache; None where it is absent, incomplete or damaged."""
    firmware = folder / "firmware.elf"
    try:
        facts = json.loads((folder / "build.json").read_text(encoding="utf-8"))
        frames = tuple(StackUse(**frame) for frame in facts["frames"])
        elf = firmware.read_bytes()
        digest = hashlib.sha256(elf).hexdigest()
        if digest != facts["sha256"]:
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _Built(digest, read_sizes(elf, str(firmware)), frames)
