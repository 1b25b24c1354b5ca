"""Counts what the shipped recogniser costs on emulated boards: exact, the same everywhere.

python benchmarks/boards.py            print, with the change since benchmarks/boards.json
python benchmarks/boards.py --update   and keep the new counts there
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from edgesdk.report.figures import format_figure
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "examples" / "commands"
KEPT = ROOT / "benchmarks" / "boards.json"
BOARDS = ("qemu-mps2-an386", "qemu-mps3-an547")
RECORDS = ("cost of a second of audio", "workspace", "stack high-water", "image", "firmware")

Counts = dict[str, dict[str, float]]


def _edgesdk(folder: Path, *arguments: object) -> None:
    """Run a verb with the device folders in `folder`, so that the user's own stay as they are."""
    command = [sys.executable, "-m", "edgesdk.cli.main", *map(str, arguments), "--quiet"]
    variables = {**os.environ, "XDG_STATE_HOME": str(folder)}
    variables.pop("EDGESDK_HOME", None)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=variables)


def _measure(board: str, folder: Path) -> tuple[dict[str, float], str]:
    """Counts of one board by name, and the compiler that built its firmware."""
    clips = ("--calibration", MODEL / "calibration")
    _edgesdk(folder, "convert", MODEL / "onnx", *clips, "--board", board, "-o", folder / "bundle")
    _edgesdk(folder, "flash", folder / "bundle" / "model.edge", "--board", board)
    _edgesdk(folder, "run", MODEL / "clips", "--board", board, "--report", folder / "report")
    report = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    return _counts(report), report["tools"]["compiler"]


def _counts(report: dict[str, Any]) -> dict[str, float]:
    if report["correct"] is not True:
        raise SystemExit(f"{report['board']['name']}: device and laptop differ; no counts")
    values = {record["name"]: record["value"] for record in report["records"]}
    counts = {name: values[name] for name in RECORDS}
    for entry in report["operators"]:
        place = entry["graph"] if entry["index"] is None else f"{entry['graph']} {entry['index']}"
        name = f"{place} {entry['operator']}, per call"
        counts[name] = entry["cost"] / entry["calls"]
    processed_s = sum(clip["processed_s"] for clip in report["clips"])
    for stage in report["stages"]:
        counts[f"{stage['stage']}, per second"] = stage["cost"] / processed_s
    return counts


def _table(board: str, new: dict[str, float], old: dict[str, float]) -> Table:
    table = Table(f"{board}: instructions, bytes", box=None, pad_edge=False)
    for column in ("now", "before", "change"):
        table.add_column(column, justify="right")
    for name, value in new.items():
        before = old.get(name)
        change = "" if not before else f"{100.0 * (value - before) / before:+.2f} %"
        shown = "" if before is None else format_figure(round(before))
        table.add_row(name, format_figure(round(value)), shown, change)
    return table


def main() -> None:
    """Measure, compare, and keep if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="keep the new counts")
    update = parser.parse_args().update
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    console, measured = Console(), {}
    for board in BOARDS:
        with tempfile.TemporaryDirectory() as folder:
            counts, compiler = _measure(board, Path(folder))
        measured[board] = {"compiler": compiler, "counts": counts}
        console.print(_table(board, counts, kept.get(board, {}).get("counts", {})))
        console.print(compiler, "\n", markup=False, highlight=False)
    if update:
        KEPT.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
