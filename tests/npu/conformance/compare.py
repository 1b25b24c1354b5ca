"""A graph on an accelerator, beside the reference."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from conformance.build import Array
from conformance.compile import Compiled, Refusal, Target, read_compiled, run_vela
from conformance.emulate import Job, Machine
from conformance.layout import Figures, figures
from conformance.oracle import Run

MakeMachine = Callable[[str], Machine]


@dataclass(frozen=True)
class Outcome:
    """What became of a graph; `state` is equal, differs, refused (by Vela) or failed."""

    graph: str
    accelerator: str
    generator: str
    state: str
    text: str = ""
    values: int = 0
    different: int = 0
    largest: int = 0
    """Largest difference, in steps of the output's type."""
    causes: str = ""
    left: int = 0
    """Values that still differ with TFLM's constants in the stream (cure.py)."""
    finding: str = ""
    """The first hazard or misaligned address that the strict emulator finds in the stream."""
    figures: Figures | None = None


def compiled_once(data: bytes, target: Target, generator: str, folder: Path) -> Compiled:
    """As compile_graph; what Vela wrote or said is kept in `folder`.

    Raises:
        Refusal: some of the graph is not for the NPU.
    """
    key = repr((sorted(asdict(target).items()), generator)).encode()
    stem = folder / hashlib.sha256(key + data).hexdigest()[:24]
    made, said = stem.with_suffix(".tflite"), stem.with_suffix(".txt")
    if not made.is_file() and not said.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            made.write_bytes(run_vela(data, target, generator))
        except Refusal as err:
            said.write_text(str(err))
    if said.is_file():
        raise Refusal(said.read_text())
    return read_compiled(made.read_bytes(), target)


def compare(
    graph: str, runs: Sequence[Run], compiled: Compiled, generator: str, make: MakeMachine
) -> Outcome:
    """The machine that `make` gives, over every run of the reference."""
    names = (graph, compiled.accelerator, generator)
    values = different = largest = 0
    kinds: dict[str, int] = {}
    try:
        job = Job(compiled, make(compiled.accelerator))
        for run in runs:
            job.reset()
            for inputs, expected in zip(run.inputs, run.outputs, strict=True):
                count, apart, most = _differences(job.invoke(inputs), expected)
                values, different = values + count, different + apart
                largest = max(largest, most)
                kinds[run.kind] = kinds.get(run.kind, 0) + apart
    except Exception as err:
        return Outcome(*names, "failed", f"{type(err).__name__}: {err}")
    state = "differs" if different else "equal"
    text = " ".join(f"{kind}:{count}" for kind, count in kinds.items() if count)
    return Outcome(*names, state, text, values, different, largest, figures=figures(compiled))


def _differences(found: Sequence[Array], expected: Sequence[Array]) -> tuple[int, int, int]:
    """Values, how many differ, and the largest difference.

    Shapes may differ by ones, which Vela's legacy core adds behind ARG_MAX.
    """
    values = different = largest = 0
    for a, b in zip(found, expected, strict=True):
        if a.dtype != b.dtype or a.size != b.size:
            raise ValueError(f"{a.dtype}{a.shape} where {b.dtype}{b.shape} is expected")
        apart = np.abs(a.astype(np.int64).ravel() - b.astype(np.int64).ravel())
        values += apart.size
        different += int(np.count_nonzero(apart))
        largest = max(largest, int(apart.max(initial=0)))
    return values, different, largest
