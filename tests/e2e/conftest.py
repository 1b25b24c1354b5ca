"""The command line as a user meets it: a process, its two streams and its exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TIMEOUT_S = 300


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    def error_line(self) -> str:
        """The only line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


@dataclass(frozen=True)
class CommandLine:
    """Runs `edgesdk` with a device folder of its own."""

    home: Path

    def __call__(
        self, *arguments: object, environment: dict[str, str] | None = None, cwd: Path | None = None
    ) -> Outcome:
        variables = {**os.environ, "EDGESDK_HOME": str(self.home), **(environment or {})}
        finished = subprocess.run(
            [sys.executable, "-m", "edgesdk.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            env=variables,
            cwd=cwd,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Outcome(finished.returncode, finished.stdout, finished.stderr)

    def ok(self, *arguments: object, cwd: Path | None = None) -> Outcome:
        """Run what has to succeed."""
        outcome = self(*arguments, cwd=cwd)
        assert outcome.code == 0, f"{arguments}: exit {outcome.code}\n{outcome.out}\n{outcome.err}"
        return outcome


@pytest.fixture
def edgesdk(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "home")


@pytest.fixture(scope="session")
def model(repository: Path) -> Path:
    """Folder of the shipped recogniser."""
    return repository / "examples" / "commands"


@pytest.fixture(scope="session")
def convert(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Callable[[str], Path]:
    """The shipped recogniser's bundle for a board, converted once per session."""
    made: dict[str, Path] = {}

    def bundle(board: str) -> Path:
        if board not in made:
            folder = tmp_path_factory.mktemp("bundle") / board
            run = CommandLine(tmp_path_factory.mktemp("home"))
            calibration = model / "calibration"
            run.ok(
                *("convert", model / "onnx", "--calibration", calibration),
                *("--board", board, "-o", folder),
            )
            made[board] = folder / "model.edge"
        return made[board]

    return bundle
