"""All graphs over all accelerators and code generators."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from edgesdk.errors import NpuError
from edgesdk.npu.emulator import Npu

from conformance.catalogue import catalogue
from conformance.compare import Outcome, compare, compiled_once
from conformance.compile import TARGETS, Compiled, Refusal
from conformance.cure import cured
from conformance.emulate import Job, numbers_only
from conformance.explain import UNCURED
from conformance.oracle import Run, run_reference

CACHE = Path(__file__).resolve().parents[3] / "out" / "npu-conformance"


def versions() -> dict[str, str]:
    """Of the packages that decide what is in a stream and in a reference."""
    return {name: version(name) for name in ("ethos-u-vela", "tflite-micro", "tflite-runtime")}


def compare_all(
    names: Sequence[str],
    accelerators: Sequence[str],
    generators: Sequence[str],
    rounds: int = 0,
) -> list[Outcome]:
    """Every graph on every accelerator from every generator; differences are printed.

    `rounds` adds that many runs on random vectors to each graph's own.
    """
    found = []
    cases = catalogue()
    for name in names:
        case = cases[name]
        data = case.file()
        more = tuple(f"random-{k}" for k in range(rounds))
        runs = run_reference(replace(case, kinds=case.kinds + more), data)
        for accelerator in accelerators:
            for generator in generators:
                try:
                    compiled = compiled_once(data, TARGETS[accelerator], generator, CACHE)
                    outcome = compare(name, runs, compiled, generator, numbers_only)
                    if outcome.state == "differs":
                        outcome = with_causes(outcome, data, runs, compiled)
                    outcome = replace(outcome, finding=first_finding(compiled))
                except Refusal as err:
                    outcome = Outcome(name, accelerator, generator, "refused", str(err))
                found.append(outcome)
                if outcome.state in ("differs", "failed"):
                    print(_line(outcome), flush=True)
    return found


def first_finding(compiled: Compiled) -> str:
    """What the strict emulator says against the stream; empty where it runs."""
    job = Job(compiled, Npu(compiled.accelerator))
    try:
        job.invoke([np.zeros(place.shape, place.dtype) for place in compiled.inputs])
    except NpuError as error:
        return str(error).split(": ", 2)[-1].split(" (region")[0]
    return ""


def with_causes(outcome: Outcome, data: bytes, runs: Sequence[Run], compiled: Compiled) -> Outcome:
    """The outcome of a stream that differs, with why, and with what its cure leaves."""
    better, causes = cured(data, compiled)
    left = compare(outcome.graph, runs, better, outcome.generator, numbers_only).different
    if left:
        causes = (*causes, UNCURED.get((outcome.graph, outcome.generator), "unknown"))
    return replace(outcome, causes=" ".join(causes), left=left)


def _line(outcome: Outcome) -> str:
    where = f"{outcome.graph} {outcome.accelerator} {outcome.generator}"
    return (
        f"{where}: {outcome.state} {outcome.different} of {outcome.values} "
        f"by {outcome.largest} at most; {outcome.causes}; {outcome.text}"
    )
