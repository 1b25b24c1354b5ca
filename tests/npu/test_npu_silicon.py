"""The tool for boards: stored streams through bundle, link, driver and NPU of the host board."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conformance.goldens import Golden, load
from conformance.silicon import export, judge, judged, write_report
from conformance.store import GOLDENS

pytestmark = pytest.mark.needs_cc

TOOL = Path(__file__).resolve().parents[2] / "tools" / "npu_conformance.py"
# With weights and without, with states that the NPU keeps or the caller, and in stripes.
GRAPHS = ("lstm_steps_int8", "lstm_cell_int16", "add_int8", "rsqrt_int16", "cascade_separable_int8")


def _chosen(accelerator: str) -> list[Golden]:
    return [
        golden
        for golden in load(GOLDENS)[0]
        if golden.compiled.accelerator == accelerator and golden.graph in GRAPHS
    ]


@pytest.mark.parametrize("graph", ["lstm_", "add_int8", "rsqrt_int16"])
def test_host_board_then_reports_what_the_emulator_does(graph: str, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    words = ["silicon", "--board", "host-u55", "--match", graph, "--out", str(out)]
    subprocess.run([sys.executable, str(TOOL), *words], check=True, timeout=120)
    report = json.loads(out.read_text())
    assert report["schema"] == "edgesdk.npu-report" and report["board"] == "host-u55"
    states = {entry["graph"]: entry["state"] for entry in report["graphs"]}
    expected = "as emulated" if graph == "rsqrt_int16" else "equal"
    assert set(states.values()) == {expected} and len(states) >= 1
    assert all(entry["tflm"]["values"] for entry in report["graphs"])


def test_folder_that_is_not_there_is_no_report(tmp_path: Path) -> None:
    command = [sys.executable, TOOL, "judge", tmp_path / "none", "--accelerator", "ethos-u55-128"]
    done = subprocess.run(
        [*command, "--out", tmp_path / "report.json"], capture_output=True, text=True
    )
    assert done.returncode == 1 and "none: no folder; give that which" in done.stderr
    assert not (tmp_path / "report.json").exists()


def test_files_of_another_runtime_then_are_judged(tmp_path: Path) -> None:
    goldens = _chosen("ethos-u65-256")
    assert export(goldens, tmp_path) == len(GRAPHS)
    for path in tmp_path.rglob("*-out-*.bin"):
        shutil.copy(path, path.with_name(path.name.replace("-out-", "-found-")))
    wrong = tmp_path / "add_int8" / "random-0-found-0.bin"
    values = np.frombuffer(wrong.read_bytes(), np.int8).copy()
    values[7] ^= 1
    wrong.write_bytes(values.tobytes())
    (tmp_path / "lstm_cell_int16" / "random-2-found-1.bin").unlink()
    counts = write_report(judge(goldens, tmp_path), {}, tmp_path / "report.json")
    # RSQRT as TFLM computes it is not what the emulator makes of Vela's table.
    assert counts == {"equal": 2, "differs": 2, "failed": 1}
    entries = {e["graph"]: e for e in json.loads((tmp_path / "report.json").read_text())["graphs"]}
    first = entries["add_int8"]["emulator"]["first"]
    assert (first["run"], first["step"], first["element"]) == ("random", 0, 7)
    assert "No such file" in entries["lstm_cell_int16"]["error"]


def test_outputs_of_tflm_where_vela_has_others_then_differ() -> None:
    (golden,) = [g for g in _chosen("ethos-u55-128") if g.graph == "rsqrt_int16"]
    entry = judged(golden, [run.outputs for run in golden.runs])
    assert entry["state"] == "differs" and entry["tflm"]["different"] == 0
    assert entry["emulator"]["different"] == golden.apart
