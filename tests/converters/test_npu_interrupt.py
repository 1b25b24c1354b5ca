"""Ctrl-C while the emulated NPU is in the middle of a long job of somebody else's graph."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from edgesdk.npu.commands import CODES
from edgesdk.npu.payload import read_payload
from edgesdk_converters.npu import compile_npu
from edgesdk_converters.tflite.read import read_tflite
from npu_graphs import board_config, linear, random_weights
from single_op import Net

pytestmark = pytest.mark.needs_cc

MINUTES = {  # a pool of 2^30 taps per channel, all at the same element
    **{"IFM_REGION": 1, "OFM_REGION": 1, "IFM_DEPTH_M1": 15, "OFM_DEPTH_M1": 15},
    **{"KERNEL_HEIGHT_M1": 0x7FFF, "KERNEL_WIDTH_M1": 0x7FFF},
}


def _slow() -> bytes:
    """A graph by Vela, whose stream is replaced by another one of the same length."""
    net = Net()
    data = net.file(linear(net, net.input((1, 64), "int8", 0.05), random_weights(64, 64)))
    compiled = compile_npu(data, board_config()).tflite
    operator = read_tflite(compiled, "net").graphs[0].operators[0]
    payload = read_tflite(compiled, "net").graphs[0].tensors[operator.inputs[0]].data
    assert payload is not None
    old = read_payload(payload.tobytes()).words.astype("<u4")
    words = [CODES[name] | value << 16 for name, value in MINUTES.items()]
    words += [CODES["POOL"], 0xFFFF << 16]
    filling = [CODES["BLOCKDEP"]] * (len(old) - len(words))
    new = np.array(filling + words, "<u4")
    assert compiled.count(old.tobytes()) == 1
    return compiled.replace(old.tobytes(), new.tobytes())


def test_ctrl_c_then_ends_the_job(tmp_path: Path) -> None:
    model, values = tmp_path / "slow_vela.tflite", tmp_path / "x.npy"
    model.write_bytes(_slow())
    np.save(values, np.zeros((1, 64), np.int8))
    command = [sys.executable, "-m", "edgesdk.cli.main", "emulate", str(model)]
    with subprocess.Popen(
        [*command, "--input", str(values)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 60
        while not (found := children.read_text(encoding="ascii").split()):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        while _worked_s(found[0]) < 2:  # the interpreter, the lowering, then nothing but the job
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        out, said = process.communicate(timeout=30)
    assert process.returncode == 130 and time.monotonic() - begin < 5
    assert out == b"" and b"Traceback" not in said
    assert not Path(f"/proc/{found[0]}").exists()


def _worked_s(pid: str) -> float:
    ticks = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
