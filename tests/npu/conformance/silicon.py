"""Stored streams on a device: what an NPU makes of them, as a report that can be sent."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from edgesdk.bundle import Bundle
from edgesdk.errors import EdgeError
from edgesdk.link.device import Device
from edgesdk.session import run_arrays
from edgesdk_converters.lower.recogniser import lower_single

from conformance.build import Array
from conformance.emulate import Job, numbers_only
from conformance.goldens import Golden
from conformance.oracle import Run


def graph_bundle(golden: Golden) -> Bundle:
    """A bundle that holds the stream alone."""
    return lower_single(golden.compiled.file, name=golden.graph)


def run_on_device(device: Device, goldens: Iterable[Golden]) -> Iterator[dict[str, Any]]:
    """One entry of the report per stream; the device's bundle is replaced each time."""
    for golden in goldens:
        entry: dict[str, Any] = {"graph": golden.graph, "generator": golden.generator}
        try:
            device.load(graph_bundle(golden).device_bytes())
            entry |= _measured(device, golden)
        except EdgeError as error:
            entry |= {"state": "failed", "error": str(error)}
        yield entry


def _measured(device: Device, golden: Golden) -> dict[str, Any]:
    found, costs = [], []
    for run in golden.runs:
        stacked = [np.stack(values) for values in zip(*run.inputs, strict=True)]
        ran = run_arrays(device, stacked)
        found.append(ran.run.outputs)
        costs += ran.costs
    return judged(golden, found) | {"cost": sum(costs), "steps": len(costs)}


def judged(golden: Golden, found: Sequence[Sequence[Sequence[Array]]]) -> dict[str, Any]:
    """Outputs by run, step and output beside TFLM's and the emulator's.

    `state`: equal to TFLM's, "as emulated" where the emulator has the same differences, or
    differs; the first value that differs from the emulator is given with its place.
    """
    reference = _beside(golden.runs, found)
    emulated = _beside(_emulated(golden), found)
    state = "equal" if not reference["different"] else "as emulated"
    if emulated["different"]:
        state = "differs"
    return {"state": state, "tflm": reference, "emulator": emulated}


def _emulated(golden: Golden) -> list[Run]:
    """The stored runs with the emulator's outputs."""
    job, runs = Job(golden.compiled, numbers_only(golden.compiled.accelerator)), []
    for run in golden.runs:
        job.reset()
        outputs = tuple(tuple(job.invoke(inputs)) for inputs in run.inputs)
        runs.append(replace(run, outputs=outputs))
    return runs


def _beside(runs: Sequence[Run], found: Sequence[Sequence[Sequence[Array]]]) -> dict[str, Any]:
    """How many values differ, by how much, and where first."""
    values = different = largest = 0
    first: dict[str, Any] = {}
    for place, ours, theirs in _pairs(runs, found):
        left = ours.astype(np.int64).ravel()
        right = theirs.astype(np.int64).ravel()
        if left.size != right.size:
            raise EdgeError(f"{left.size} values where {right.size} belong; run the stored stream")
        apart = np.abs(left - right)
        values, different = values + apart.size, different + int(np.count_nonzero(apart))
        largest = max(largest, int(apart.max(initial=0)))
        if not first and apart.any():
            at = int(np.flatnonzero(apart)[0])
            first = place | {"element": at, "found": int(left[at]), "expected": int(right[at])}
    return {"values": values, "different": different, "largest": largest, "first": first}


def _pairs(
    runs: Sequence[Run], found: Sequence[Sequence[Sequence[Array]]]
) -> Iterator[tuple[dict[str, Any], Array, Array]]:
    for run, steps in zip(runs, found, strict=True):
        for step, (ours, theirs) in enumerate(zip(steps, run.outputs, strict=True)):
            for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
                yield {"run": run.kind, "step": step, "output": k}, a, b


def export(goldens: Iterable[Golden], folder: Path) -> int:
    """Files for other runtimes: Vela's .tflite, and raw little-endian inputs and outputs.

    GRAPH/vela.tflite, GRAPH/RUN-STEP-in-K.bin and -out-K.bin; steps of a run follow each other.
    """
    count = 0
    for golden in goldens:
        place = folder / golden.graph
        place.mkdir(parents=True, exist_ok=True)
        (place / "vela.tflite").write_bytes(golden.compiled.file)
        for run in golden.runs:
            for step, (inputs, outputs) in enumerate(zip(run.inputs, run.outputs, strict=True)):
                for word, arrays in (("in", inputs), ("out", outputs)):
                    for k, value in enumerate(arrays):
                        path = place / f"{run.kind}-{step}-{word}-{k}.bin"
                        path.write_bytes(value.tobytes())
        count += 1
    return count


def judge(goldens: Iterable[Golden], folder: Path) -> Iterator[dict[str, Any]]:
    """The report of outputs that another runtime wrote beside `export`'s, as -found-K.bin."""
    for golden in goldens:
        entry = {"graph": golden.graph, "generator": golden.generator}
        try:
            found = [
                [_found(folder / golden.graph, run, step) for step in range(len(run.outputs))]
                for run in golden.runs
            ]
        except OSError as error:
            yield entry | {"state": "failed", "error": str(error)}
            continue
        yield entry | judged(golden, found)


def _found(folder: Path, run: Run, step: int) -> list[Array]:
    return [
        np.frombuffer((folder / f"{run.kind}-{step}-found-{k}.bin").read_bytes(), value.dtype)
        for k, value in enumerate(run.outputs[step])
    ]


def write_report(
    entries: Iterable[dict[str, Any]], about: dict[str, Any], path: Path
) -> dict[str, int]:
    """The report, written anew after every graph, since a device may stop; counts by state."""
    counts: dict[str, int] = {}
    done: list[dict[str, Any]] = []
    for entry in entries:
        done.append(entry)
        counts[entry["state"]] = counts.get(entry["state"], 0) + 1
        document = {"schema": "edgesdk.npu-report", "version": 1, **about, "graphs": done}
        path.write_text(json.dumps(document, indent=1) + "\n")
    return counts
