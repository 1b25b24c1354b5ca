"""The command line as a user meets it: a process, its two streams and its exit code."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        """The only line on stderr, beside those that name what takes long."""
        lines = [line for line in self.err.splitlines() if not line.endswith(" ...")]
        assert len(lines) == 1, self.err
        return lines[0]


@dataclass(frozen=True)
class CommandLine:
    """Runs `edgesdk` with device folders of its own; compiled firmware is shared."""

    state: Path

    def __call__(
        self, *arguments: object, environment: dict[str, str] | None = None, cwd: Path | None = None
    ) -> Outcome:
        variables = {**os.environ, "XDG_STATE_HOME": str(self.state), **(environment or {})}
        variables.pop("EDGESDK_HOME", None)
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
