"""Compiles the C core for this machine, once per version of sources and compiler."""

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from edgesdk.errors import BuildError
from edgesdk.resources import resource_dir

_FLAGS = (
    "-std=c11",
    "-O2",
    "-fPIC",
    "-shared",
    "-fno-common",
    "-ffp-contract=off",
)
_COMPILERS = ("cc", "gcc", "clang")


def cache_dir() -> Path:
    """Folder for compiled cores: $EDGESDK_CACHE, or edgesdk in the user's cache folder."""
    if chosen := os.environ.get("EDGESDK_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edgesdk"


def find_compiler() -> list[str]:
    """Command words of the host's C compiler: $CC, or the first of cc, gcc, clang.

    Raises:
        BuildError: there is none.
    """
    if chosen := os.environ.get("CC"):
        words = shlex.split(chosen)
        if words and shutil.which(words[0]):
            return words
        raise BuildError(f"CC={chosen}: no such compiler; unset CC or name an installed one")
    for name in _COMPILERS:
        if found := shutil.which(name):
            return [found]
    raise BuildError(
        f"the C core: no host C compiler ({', '.join(_COMPILERS)}) in PATH; "
        "install gcc or clang, or set CC"
    )


def compiler_version(compiler: list[str]) -> str:
    """First line of `compiler --version`.

    Raises:
        BuildError: it does not run.
    """
    try:
        done = subprocess.run(
            [*compiler, "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(
            f"{shlex.join(compiler)} --version failed ({error}); set CC to a working C compiler"
        ) from error
    return next(iter(done.stdout.splitlines()), "")


def core_sources(templates: Path) -> list[Path]:
    """Every C file and header of the core: the runtime, what binds it, and the emulated NPU."""
    folders = ("include", "src", "kernels", "npu", "python")
    found = [
        path
        for folder in (*(templates / "runtime" / name for name in folders), templates / "emulator")
        for path in folder.rglob("*")
        if path.suffix in {".c", ".h", ".def"}
    ]
    return sorted(found)


def _digest(templates: Path, sources: list[Path], compiler: list[str], version: str) -> str:
    digest = hashlib.sha256()
    for text in (*_FLAGS, *compiler, version, platform.machine()):
        digest.update(text.encode() + b"\0")
    for path in sources:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(templates)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:24]


def _checksum_file(library: Path) -> Path:
    return library.with_suffix(".sha256")


def _is_whole(library: Path) -> bool:
    """Whether the cache holds this library undamaged; loading a damaged one can kill Python."""
    try:
        expected = _checksum_file(library).read_text()
        return hashlib.sha256(library.read_bytes()).hexdigest() == expected
    except OSError:
        return False


def _compile(templates: Path, sources: list[Path], compiler: list[str], target: Path) -> None:
    folders = ("runtime/include", "runtime/src", "runtime/kernels", "runtime", "emulator")
    includes = [f"-I{templates / folder}" for folder in folders]
    files = [str(path) for path in sources if path.suffix == ".c"]
    handle, name = tempfile.mkstemp(prefix=target.stem, suffix=".part", dir=target.parent)
    os.close(handle)
    try:
        command = [*compiler, *_FLAGS, *includes, *files, "-o", name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).splitlines()
            first = next((line for line in lines if "error" in line), "\n".join(lines[:1]))
            raise BuildError(
                f"the C core: {shlex.join(compiler)} failed: {first.strip() or 'no message'}; "
                "set CC to another C11 compiler"
            )
        content = hashlib.sha256(Path(name).read_bytes()).hexdigest()
        Path(name).replace(target)
        Path(name).write_text(content)
        Path(name).replace(_checksum_file(target))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"the C core: {shlex.join(compiler)} did not run: {error}") from error
    finally:
        Path(name).unlink(missing_ok=True)


def compiled_core() -> Path:
    """The shared library of the C core for this machine, compiled where it is not in the cache.

    Raises:
        BuildError: no compiler, a failing one, or a cache folder that cannot be written.
    """
    templates = resource_dir("firmware_templates")
    sources = core_sources(templates)
    compiler = find_compiler()
    version = compiler_version(compiler)
    folder = cache_dir()
    target = folder / f"core-{_digest(templates, sources, compiler, version)}.so"
    if not _is_whole(target):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise BuildError(
                f"{folder}: cannot be written ({error.strerror}); set EDGESDK_CACHE to a folder "
                "that can"
            ) from error
        _compile(templates, sources, compiler, target)
    return target
