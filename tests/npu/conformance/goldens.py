"""Streams of Vela with vectors of the reference, as the repository keeps them.

File: xz of a 4-byte length, an index in JSON, and the bytes that the index points into. Equal
pieces are kept once.
"""

import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from conformance.build import Array
from conformance.compile import TARGETS, Compiled, read_compiled
from conformance.oracle import Run

_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]


@dataclass(frozen=True)
class Golden:
    """One stream and what TFLM makes of its graph.

    `apart` counts the values in which the stream is known to differ, for a reason that
    docs/npu-conformance.md gives.
    """

    graph: str
    generator: str
    compiled: Compiled
    runs: tuple[Run, ...]
    apart: int


@dataclass
class _Pieces:
    """Bytes by content."""

    data: bytearray = field(default_factory=bytearray)
    known: dict[bytes, list[int]] = field(default_factory=dict)

    def put(self, array: Array) -> list[int]:
        """Offset and length."""
        raw = np.ascontiguousarray(array).tobytes()
        if raw not in self.known:
            self.known[raw] = [len(self.data), len(raw)]
            self.data += raw
        return self.known[raw]


def save(goldens: Sequence[Golden], versions: dict[str, str], path: Path) -> None:
    """Write them; equal goldens give equal bytes."""
    pieces = _Pieces()
    streams = [_stream(golden, pieces) for golden in goldens]
    runs = {golden.graph: [_run(run, pieces) for run in golden.runs] for golden in goldens}
    index = json.dumps({"versions": versions, "streams": streams, "runs": runs}).encode()
    raw = len(index).to_bytes(4, "little") + index + bytes(pieces.data)
    path.write_bytes(lzma.compress(raw, lzma.FORMAT_XZ, filters=_FILTERS))


def load(path: Path) -> tuple[list[Golden], dict[str, str]]:
    """The goldens, and the versions of what made them."""
    raw = lzma.decompress(path.read_bytes())
    start = 4 + int.from_bytes(raw[:4], "little")
    index, data = json.loads(raw[4:start]), raw[start:]
    runs = {
        name: tuple(_read_run(run, data) for run in found) for name, found in index["runs"].items()
    }
    goldens = [
        Golden(
            entry["graph"],
            entry["generator"],
            read_compiled(_read(data, *entry["file"]).tobytes(), TARGETS[entry["accelerator"]]),
            runs[entry["graph"]],
            entry["apart"],
        )
        for entry in index["streams"]
    ]
    return goldens, index["versions"]


def _stream(golden: Golden, pieces: _Pieces) -> dict[str, Any]:
    return {
        "graph": golden.graph,
        "accelerator": golden.compiled.accelerator,
        "generator": golden.generator,
        "apart": golden.apart,
        "file": pieces.put(np.frombuffer(golden.compiled.file, np.uint8)),
    }


def _run(run: Run, pieces: _Pieces) -> dict[str, Any]:
    steps = [
        [[_array(value, pieces) for value in values] for values in pair]
        for pair in zip(run.inputs, run.outputs, strict=True)
    ]
    return {"kind": run.kind, "steps": steps}


def _array(value: Array, pieces: _Pieces) -> list[Any]:
    return [*pieces.put(value), list(value.shape), value.dtype.name]


def _read_run(entry: dict[str, Any], data: bytes) -> Run:
    def arrays(values: list[list[Any]]) -> tuple[Array, ...]:
        return tuple(_read(data, at, n, dtype).reshape(shape) for at, n, shape, dtype in values)

    inputs = tuple(arrays(step[0]) for step in entry["steps"])
    outputs = tuple(arrays(step[1]) for step in entry["steps"])
    return Run(entry["kind"], inputs, outputs)


def _read(data: bytes, at: int, count: int, dtype: str = "uint8") -> Array:
    return np.frombuffer(data[at : at + count], dtype).copy()
