"""Counts what the shipped recogniser costs on emulated boards: exact, the same everywhere.

Dense, operator by operator, with the change since benchmarks/boards.json; then in the forms that
the recipe can give its weights, with the words that each form costs on the shipped clips.

python benchmarks/boards.py            print
python benchmarks/boards.py --update   and keep the new counts
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesdk.bundle import load_bundle
from edgesdk.report.wer import WordErrors, sum_errors, word_errors
from rich.table import Table
from single import BOARDS, ROOT, figure, output, table

MODEL = ROOT / "examples" / "commands"
KEPT = ROOT / "benchmarks" / "boards.json"
BLOCKS = {"qemu-mps2-an386": "4x4", "qemu-mps3-an547": "8x16"}  # docs/compression.md
COST = "cost of a second of audio"
RECORDS = (COST, "workspace", "stack high-water", "image", "firmware")
DENSE = "dense"
# Keys of the recipe, behind `schema = 1`. Palettes are packed only where small is preferred.
FORMS = {
    DENSE: "",
    "4 bits": 'weights = "small"\n[compress]\npalette = 16\n',
    "50 % blocks": '[compress]\nsparsity = 0.5\nblock = "{block}"\n',
    "75 % blocks": '[compress]\nsparsity = 0.75\nblock = "{block}"\n',
}

Counts = dict[str, float]


@dataclass(frozen=True)
class Run:
    """What one form of the recogniser came to."""

    report: dict[str, Any]  # report.json
    weights: dict[tuple[str, int], int]  # bytes of packed matrices by graph and operator

    @property
    def processed_s(self) -> float:
        """Seconds of audio, with the silence that the device adds behind every clip."""
        return float(sum(clip["processed_s"] for clip in self.report["clips"]))

    @property
    def errors(self) -> WordErrors:
        """Of the shipped clips."""
        clips = self.report["clips"]
        return sum_errors(word_errors(clip["reference"], clip["text"]) for clip in clips)

    def weight_bytes(self, entry: dict[str, Any]) -> int:
        """Read by one call of an operator of the report."""
        return self.weights.get((entry["graph"], entry["index"]), 0)


def _edgesdk(folder: Path, *arguments: object) -> None:
    """Run a verb with the device folders in `folder`, so that the user's own stay as they are."""
    command = [sys.executable, "-m", "edgesdk.cli.main", *map(str, arguments), "--quiet"]
    # One thread each: boards share the computer, and sums come out alike on any number of cores.
    variables = {**os.environ, "XDG_STATE_HOME": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    variables.pop("EDGESDK_HOME", None)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=variables)


def _run(board: str, form: str) -> Run:
    """Convert, flash and run.

    Raises:
        SystemExit: the device differs from the laptop.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe, bundle = folder / "recipe.toml", folder / "bundle"
        keys = FORMS[form].format(block=BLOCKS[board])
        recipe.write_text(f"schema = 1\n{keys}", encoding="utf-8")
        calibration, clips = MODEL / "calibration", MODEL / "clips"
        made = ("--calibration", calibration, "--recipe", recipe, "-o", bundle)
        _edgesdk(folder, "convert", MODEL / "onnx", "--board", board, *made)
        _edgesdk(folder, "flash", bundle / "model.edge", "--board", board)
        expected = ("--expect", clips / "clips.tsv", "--report", folder / "report")
        _edgesdk(folder, "run", clips, "--board", board, *expected)
        report = json.loads((folder / "report" / "report.json").read_text("utf-8"))
        graphs = load_bundle(bundle / "model.edge").debug
    if report["correct"] is not True:
        raise SystemExit(f"{board}, {form}: device and laptop differ; no counts")
    weights = {
        (graph, index): sum(matrix["bytes"] for matrix in op["weights"])
        for graph, facts in graphs.items()
        for index, op in enumerate(facts["ops"])
    }
    return Run(report, weights)


def _form(run: Run) -> Counts:
    """What a form costs as a whole."""
    values = {record["name"]: record["value"] for record in run.report["records"]}
    read = sum(run.weight_bytes(entry) * entry["calls"] for entry in run.report["operators"])
    counts = {name: values[name] for name in RECORDS}
    return {
        **counts,
        "weight bytes per second": read / run.processed_s,
        "words wrong": run.errors.total,
    }


def _parts(run: Run) -> dict[str, tuple[float, int]]:
    """Instructions and weight bytes: every operator per call, every stage per second of audio."""
    counts = {}
    for entry in run.report["operators"]:
        place = entry["graph"] if entry["index"] is None else f"{entry['graph']} {entry['index']}"
        name = f"{place} {entry['operator']}, per call"
        counts[name] = (entry["cost"] / entry["calls"], run.weight_bytes(entry))
    for stage in run.report["stages"]:
        counts[f"{stage['stage']}, per second"] = (stage["cost"] / run.processed_s, 0)
    return counts


def _change(value: float, before: float | None) -> str:
    return "" if not before else f"{100.0 * (value - before) / before:+.2f} %"


def _parts_table(board: str, new: dict[str, tuple[float, int]], old: Counts) -> Table:
    shown = table((board,), "instructions", "before", "change", "weight bytes")
    for name, (value, weights) in new.items():
        before = old.get(name)
        kept = "" if before is None else figure(round(before))
        cells = (kept, _change(value, before), figure(weights) if weights else "")
        shown.add_row(name, figure(round(value)), *cells)
    return shown


def _forms_table(board: str, new: dict[str, Counts], old: dict[str, Counts], words: int) -> Table:
    columns = ["instructions\nper second", "change", "of dense", "image", "of dense"]
    columns += ["workspace", "stack", "firmware", "weight bytes\nper second"]
    shown, dense = table((board, "blocks"), *columns, f"words wrong\nof {words}"), new[DENSE]
    for form, counts in new.items():
        cost, workspace, stack, image, firmware, weights, wrong = map(round, counts.values())
        before = old.get(form, {}).get(COST)
        shown.add_row(
            *(form, BLOCKS[board] if "blocks" in form else "any"),
            *(figure(cost), _change(cost, before), f"{cost / dense[COST]:.2f}"),
            *(figure(image), f"{image / dense['image']:.2f}"),
            *(figure(value) for value in (workspace, stack, firmware, weights, wrong)),
        )
    return shown


def _show(board: str, runs: dict[str, Run], kept: dict[str, Any]) -> dict[str, Any]:
    """Print the board's tables; what boards.json keeps of them."""
    console, dense = output(), runs[DENSE]
    forms, parts = {form: _form(run) for form, run in runs.items()}, _parts(dense)
    compiler = dense.report["tools"]["compiler"]
    console.print(_parts_table(board, parts, kept.get("parts", {})), "")
    console.print(_forms_table(board, forms, kept.get("forms", {}), dense.errors.words), "")
    console.print(compiler, "\n")
    counts = {name: value for name, (value, _) in parts.items()}
    return {"compiler": compiler, "forms": forms, "parts": counts}


def main() -> None:
    """Measure, compare, and keep if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="keep the new counts")
    update = parser.parse_args().update
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    with ThreadPoolExecutor(len(BOARDS)) as pool:  # the work is done in processes
        runs = pool.map(lambda board: {form: _run(board, form) for form in FORMS}, BOARDS)
        pairs = zip(BOARDS, runs, strict=True)
        measured = {board: _show(board, found, kept.get(board, {})) for board, found in pairs}
    if update:
        KEPT.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
