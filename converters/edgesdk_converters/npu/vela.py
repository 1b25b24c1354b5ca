"""Runs Vela, Arm's compiler for the Ethos-U, in a process and a folder of its own."""

import csv
import importlib.metadata
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgesdk.board.npu import Npu
from edgesdk.errors import ConvertError

VELA_VERSION = "5.2.0"
_PACKAGE = "ethos-u-vela"
_LIMIT_S = 600
_MEMORY_MODE = "board"
_NAME = "graph"
_WARNING = re.compile(r"^Warning .* operator: \S+, ofm: '(.*)'\nReason: (.*)$", re.MULTILINE)

Setting = str | int | float


@dataclass(frozen=True)
class VelaConfig:
    """What Vela compiles for: names and keys are its own (`--accelerator-config`, its .ini)."""

    accelerator: str
    system: Mapping[str, Setting] = field(default_factory=dict)
    memory_mode: Mapping[str, Setting] = field(default_factory=dict)

    @property
    def system_name(self) -> str:
        """What the system is called; Vela takes the width of its ports from how this begins."""
        return f"Ethos_{self.accelerator.split('-')[1].upper()}_board"

    @classmethod
    def of(cls, npu: Npu) -> "VelaConfig":
        """What a board file says."""
        return cls(npu.accelerator, npu.system, npu.memory_mode)

    def ini(self) -> str:
        """Vela's configuration file."""
        lines = [f"[System_Config.{self.system_name}]"]
        lines += [f"{key}={value}" for key, value in self.system.items()]
        lines += [f"[Memory_Mode.{_MEMORY_MODE}]"]
        lines += [f"{key}={value}" for key, value in self.memory_mode.items()]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class VelaRun:
    """What one run of Vela left.

    `debug` is its debug database (XML), `summary` the columns of its summary, `reasons` why it
    leaves the operator that writes a tensor to the CPU.
    """

    tflite: bytes
    debug: str
    summary: Mapping[str, str]
    reasons: Mapping[str, str]


def run_vela(
    tflite: bytes, config: VelaConfig, source: str, options: Sequence[str] = ()
) -> VelaRun:
    """Compile a .tflite file; the same file and configuration give the same bytes.

    `source` names the file in errors, `options` are further ones of Vela's command line.

    Raises:
        ConvertError: Vela is not installed in the version that this was made for, refuses the
            file or the configuration, takes too long, or stops.
    """
    _check_version()
    with tempfile.TemporaryDirectory(prefix="edgesdk-vela-") as name:
        folder = Path(name)
        (folder / f"{_NAME}.tflite").write_bytes(tflite)
        (folder / "board.ini").write_text(config.ini(), encoding="utf-8")
        said = _run(folder, config, source, options)
        try:
            return _collect(folder, said)
        except (OSError, StopIteration) as error:
            raise ConvertError(
                f"{source}: Vela wrote no complete result ({error}); convert it again, and run"
                " without an NPU board if that does not help"
            ) from error


def _check_version() -> None:
    try:
        found = importlib.metadata.version(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise ConvertError(
            f"{_PACKAGE} is not installed, which compiles for the NPU of this board; install it"
            " with: pip install 'edgesdk[npu]'"
        ) from None
    if found != VELA_VERSION:
        raise ConvertError(
            f"{_PACKAGE} {found} is installed, streams are known as {VELA_VERSION} writes them;"
            " install it with: pip install 'edgesdk[npu]'"
        )


def _run(folder: Path, config: VelaConfig, source: str, options: Sequence[str]) -> str:
    """Vela's standard output."""
    command = [
        *(sys.executable, "-P", "-m", "ethosu.vela"),
        *("--accelerator-config", config.accelerator, "--config", "./board.ini"),
        *("--system-config", config.system_name, "--memory-mode", _MEMORY_MODE),
        "--enable-debug-db",
        *("--output-dir", "out", *options, f"{_NAME}.tflite"),
    ]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        raise ConvertError(
            f"{source}: Vela did not end within {_LIMIT_S} s; give it a smaller graph, or convert"
            " for a board without an NPU"
        ) from None
    except OSError as error:
        raise ConvertError(f"{source}: Vela did not start ({error}); install it again") from error
    if done.returncode != 0:
        raise ConvertError(
            f"{source}: Vela stopped ({_ending(done.returncode)}: {_last_line(done)}); correct the"
            " model or [npu] in the board file, or convert for a board without an NPU"
        )
    return done.stdout


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit {code}"


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    """The last thing that Vela said: of a traceback, the exception."""
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:200] if said else "no message"


def _collect(folder: Path, said: str) -> VelaRun:
    out = folder / "out"
    summary = next(out.glob(f"{_NAME}_summary_*.csv"))
    with summary.open(encoding="utf-8", newline="") as lines:
        row = next(csv.DictReader(lines))
    return VelaRun(
        tflite=(out / f"{_NAME}_vela.tflite").read_bytes(),
        debug=(out / f"{_NAME}_debug.xml").read_text(encoding="utf-8"),
        summary=row,
        reasons={tensor: reason.strip() for tensor, reason in _WARNING.findall(said)},
    )
