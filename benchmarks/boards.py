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
from pathlib import Path
from typing import Any

from edgesdk.report.figures import format_figure
from edgesdk.report.wer import WordErrors, sum_errors, word_errors
from rich.console import Console
from rich.table import Table
from single import BOARDS, ROOT, output, table

MODEL = ROOT / "examples" / "commands"
KEPT = ROOT / "benchmarks" / "boards.json"
BLOCKS = {"qemu-mps2-an386": "4x4", "qemu-mps3-an547": "8x16"}  # docs/compression.md
RECORDS = ("cost of a second of audio", "workspace", "stack high-water", "image", "firmware")
DENSE = "dense"
# Keys of the recipe, behind `schema = 1`. Palettes are packed only where small is preferred.
FORMS = {
    DENSE: "",
    "4 bits": 'weights = "small"\n[compress]\npalette = 16\n',
    "50 % blocks": '[compress]\nsparsity = 0.5\nblock = "{block}"\n',
    "75 % blocks": '[compress]\nsparsity = 0.75\nblock = "{block}"\n',
}

Counts = dict[str, float]


def _edgesdk(folder: Path, *arguments: object) -> None:
    """Run a verb with the device folders in `folder`, so that the user's own stay as they are."""
    command = [sys.executable, "-m", "edgesdk.cli.main", *map(str, arguments), "--quiet"]
    variables = {**os.environ, "XDG_STATE_HOME": str(folder)}
    variables.pop("EDGESDK_HOME", None)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=variables)


def _report(board: str, form: str, folder: Path) -> dict[str, Any]:
    """Convert, flash and run; what report.json says.

    Raises:
        SystemExit: the device differs from the laptop.
    """
    recipe = folder / "recipe.toml"
    recipe.write_text("schema = 1\n" + FORMS[form].format(block=BLOCKS[board]), encoding="utf-8")
    _edgesdk(
        *(folder, "convert", MODEL / "onnx", "--calibration", MODEL / "calibration"),
        *("--board", board, "--recipe", recipe, "-o", folder / "bundle"),
    )
    _edgesdk(folder, "flash", folder / "bundle" / "model.edge", "--board", board)
    clips = MODEL / "clips"
    _edgesdk(
        *(folder, "run", clips, "--board", board, "--expect", clips / "clips.tsv"),
        *("--report", folder / "report"),
    )
    report: dict[str, Any] = json.loads((folder / "report" / "report.json").read_text("utf-8"))
    if report["correct"] is not True:
        raise SystemExit(f"{board}, {form}: device and laptop differ; no counts")
    return report


def _records(report: dict[str, Any]) -> Counts:
    values = {record["name"]: record["value"] for record in report["records"]}
    return {name: values[name] for name in RECORDS} | {"words wrong": _errors(report).total}


def _errors(report: dict[str, Any]) -> WordErrors:
    return sum_errors(word_errors(clip["reference"], clip["text"]) for clip in report["clips"])


def _parts(report: dict[str, Any]) -> Counts:
    """Every operator per call, every stage per second of audio."""
    counts = {}
    for entry in report["operators"]:
        place = entry["graph"] if entry["index"] is None else f"{entry['graph']} {entry['index']}"
        name = f"{place} {entry['operator']}, per call"
        counts[name] = entry["cost"] / entry["calls"]
    processed_s = sum(clip["processed_s"] for clip in report["clips"])
    for stage in report["stages"]:
        counts[f"{stage['stage']}, per second"] = stage["cost"] / processed_s
    return counts


def _change(value: float, before: float | None) -> str:
    return "" if not before else f"{100.0 * (value - before) / before:+.2f} %"


def _parts_table(board: str, new: Counts, old: Counts) -> Table:
    shown = table((f"{board}: instructions",), "now", "before", "change")
    for name, value in new.items():
        before = old.get(name)
        kept = "" if before is None else format_figure(round(before))
        shown.add_row(name, format_figure(round(value)), kept, _change(value, before))
    return shown


def _forms_table(board: str, new: dict[str, Counts], old: dict[str, Counts], words: int) -> Table:
    columns = ["instructions\nper second", "change", "of dense", "image", "of dense"]
    columns += ["workspace", "stack", "firmware", f"words wrong\nof {words}"]
    shown, dense = table((board, "blocks"), *columns), new[DENSE]
    for form, counts in new.items():
        cost, workspace, stack, image, firmware, wrong = map(round, counts.values())
        before = old.get(form, {}).get(RECORDS[0])
        shown.add_row(
            *(form, BLOCKS[board] if "blocks" in form else ""),
            *(format_figure(cost), _change(cost, before), f"{cost / dense[RECORDS[0]]:.2f}"),
            *(format_figure(image), f"{image / dense['image']:.2f}"),
            *(format_figure(figure) for figure in (workspace, stack, firmware, wrong)),
        )
    return shown


def _measure(board: str, kept: dict[str, Any], console: Console) -> dict[str, Any]:
    """Print the board's tables; what boards.json keeps of them."""
    reports = {}
    for form in FORMS:
        with tempfile.TemporaryDirectory() as folder:
            reports[form] = _report(board, form, Path(folder))
    forms = {form: _records(report) for form, report in reports.items()}
    parts = _parts(reports[DENSE])
    compiler = reports[DENSE]["tools"]["compiler"]
    words = _errors(reports[DENSE]).words
    console.print(_parts_table(board, parts, kept.get("parts", {})), "")
    console.print(_forms_table(board, forms, kept.get("forms", {}), words), "")
    console.print(compiler, "\n", markup=False, highlight=False)
    return {"compiler": compiler, "forms": forms, "parts": parts}


def main() -> None:
    """Measure, compare, and keep if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="keep the new counts")
    update = parser.parse_args().update
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    console = output()
    measured = {board: _measure(board, kept.get(board, {}), console) for board in BOARDS}
    if update:
        KEPT.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
