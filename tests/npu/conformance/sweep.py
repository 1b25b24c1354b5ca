"""All graphs over all accelerators and code generators."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from conformance.catalogue import catalogue
from conformance.compare import Outcome, compare, compiled_once
from conformance.compile import TARGETS, Refusal
from conformance.emulate import numbers_only
from conformance.oracle import run_reference

CACHE = Path(__file__).resolve().parents[3] / "out" / "npu-conformance"


def versions() -> dict[str, str]:
    """Of the packages that decide what is in a stream and in a reference."""
    return {name: version(name) for name in ("ethos-u-vela", "tflite-micro", "tflite-runtime")}


def compare_all(
    names: Sequence[str], accelerators: Sequence[str], generators: Sequence[str]
) -> list[Outcome]:
    """Every graph on every accelerator from every generator; differences are printed."""
    found = []
    cases = catalogue()
    for name in names:
        data = cases[name].file()
        runs = run_reference(cases[name], data)
        for accelerator in accelerators:
            for generator in generators:
                try:
                    compiled = compiled_once(data, TARGETS[accelerator], generator, CACHE)
                    outcome = compare(name, runs, compiled, generator, numbers_only)
                except Refusal as err:
                    outcome = Outcome(name, accelerator, generator, "refused", str(err))
                found.append(outcome)
                if outcome.state in ("differs", "failed"):
                    print(_line(outcome), flush=True)
    return found


def _line(outcome: Outcome) -> str:
    where = f"{outcome.graph} {outcome.accelerator} {outcome.generator}"
    return (
        f"{where}: {outcome.state} {outcome.different} of {outcome.values} "
        f"by {outcome.largest} at most {outcome.text}"
    )
