"""Ctrl-C in the middle of a run: exit 130, no traceback, nothing written, no process left."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import CommandLine


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(child) for child in found]


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
@pytest.mark.parametrize("board", ["qemu-mps3-an547", "qemu-mps3-an547-u55"])
def test_ctrl_c_ends_a_run_cleanly(
    board: str, edgesdk: CommandLine, convert: Callable[[str], Path], model: Path, tmp_path: Path
) -> None:
    edgesdk.ok("flash", convert(board), "--board", board)
    report = tmp_path / "report"
    command = [sys.executable, "-m", "edgesdk.cli.main", "run", str(model / "clips")]
    with subprocess.Popen(
        [*command, "--board", board, "--report", str(report)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "XDG_STATE_HOME": str(edgesdk.state)},
    ) as process:
        assert process.stderr is not None and process.stdout is not None
        begun = process.stderr.read(1)  # the first clip's line
        children = _children(process.pid)
        process.send_signal(signal.SIGINT)
        rest, out = process.stderr.read(), process.stdout.read()
        assert process.wait(20) == 130
    assert begun and b"Traceback" not in rest
    assert out == b""
    assert not report.exists()
    assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)
