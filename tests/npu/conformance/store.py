"""The stored streams: made from the reference and from Vela, checked without either."""

from dataclasses import dataclass
from pathlib import Path

from edgesdk.npu.emulator import Npu

from conformance.case import KINDS
from conformance.catalogue import catalogue
from conformance.compare import Outcome, compare, compiled_once
from conformance.compile import TARGETS, Refusal
from conformance.emulate import numbers_only
from conformance.goldens import Golden, load, save
from conformance.oracle import run_reference
from conformance.sweep import CACHE, versions, with_causes

GOLDENS = Path(__file__).resolve().parents[1] / "goldens.xz"
# What there is silicon of, and streams for two cores from the other generator.
STORED = (
    ("ethos-u55-64", "regor"),
    ("ethos-u55-128", "regor"),
    ("ethos-u55-256", "regor"),
    ("ethos-u65-256", "regor"),
    ("ethos-u65-512", "legacy"),
)
_KINDS = KINDS[:4]


@dataclass(frozen=True)
class Checked:
    """What running the stored streams found; one line per stream that is not as stored.

    `overflows` counts 32-bit accumulators that did not hold their sum: none of the reference's do
    so, and what an NPU makes of it is not known.
    """

    streams: int
    values: int
    overflows: int
    lines: tuple[str, ...]


def make_goldens(path: Path) -> list[Golden]:
    """Compile, run the reference, write; a difference without a known cause is an error."""
    goldens = []
    for case in catalogue().values():
        data = case.file()
        runs = tuple(run for run in run_reference(case, data) if run.kind in _KINDS)
        for accelerator, generator in STORED:
            try:
                compiled = compiled_once(data, TARGETS[accelerator], generator, CACHE)
            except Refusal:
                continue
            outcome = compare(case.name, runs, compiled, generator, numbers_only)
            if outcome.state == "differs":
                outcome = with_causes(outcome, data, runs, compiled)
            if outcome.state == "failed" or "unknown" in outcome.causes:
                raise ValueError(f"{case.name} {accelerator} {generator}: {outcome.text}")
            goldens.append(Golden(case.name, generator, compiled, runs, outcome.different))
    save(goldens, versions(), path)
    return goldens


def check_goldens(path: Path, match: str = "") -> Checked:
    """The emulator over every stored stream whose graph has `match` in its name."""
    goldens, _ = load(path)
    values, overflows, lines = 0, 0, []
    chosen = [golden for golden in goldens if match in golden.graph]
    for golden in chosen:
        npu = numbers_only(golden.compiled.accelerator)
        outcome = _run(golden, npu)
        values, overflows = values + outcome.values, overflows + npu.overflows
        if outcome.state == "failed" or outcome.different != golden.apart:
            lines.append(
                f"{golden.graph} {golden.compiled.accelerator} {golden.generator}: "
                f"{outcome.state}, {outcome.different} values differ where {golden.apart} are "
                f"known to {outcome.text}"
            )
    return Checked(len(chosen), values, overflows, tuple(lines))


def _run(golden: Golden, npu: Npu) -> Outcome:
    return compare(
        golden.graph, golden.runs, golden.compiled, golden.generator, lambda accelerator: npu
    )
