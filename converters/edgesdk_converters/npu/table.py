"""Vela's debug database -> what became of each operator of the .tflite file."""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgesdk_converters.npu.vela import VelaRun
from edgesdk_converters.tflite.model import Graph

_TABLE = re.compile(r'<table name="(\w+)">\s*<!\[CDATA\[\n(.*?)\]\]>', re.DOTALL)
_ON_CPU = "Passthrough"
# Column of Vela's estimates -> what an operator waits for.
_LIMITS = {
    "npu_cycles": "MAC",
    "Sram_ac": "SRAM",
    "Dram_ac": "DRAM",
    "OnChipFlash_ac": "flash",
    "OffChipFlash_ac": "flash",
}
NPU, CPU, NOWHERE = "NPU", "CPU", "-"
# What Vela can make part of how others read and write; all else that has no row of estimates, such
# as an ARG_MAX that it spells in other operators, runs on the NPU all the same.
_MAY_VANISH = frozenset(
    (
        *("CALL_ONCE", "CONCATENATION", "EXPAND_DIMS", "PACK", "PAD"),
        *("PADV2", "QUANTIZE", "RESHAPE", "SLICE", "SPLIT", "SPLIT_V"),
        *("SQUEEZE", "STRIDED_SLICE", "TRANSPOSE", "UNPACK"),
    )
)

Row = Mapping[str, str]


@dataclass(frozen=True)
class NpuOperator:
    """One operator of the .tflite file; `cycles` are Vela's estimate, never a measurement.

    `target` is "NPU", "CPU", or "-" where nothing is left to do; `reason` is why not the NPU.
    `bound_by` says what most of the cycles are waited for: "MAC" (the NPU itself), "SRAM", "DRAM"
    or "flash". `stored_bytes` are the compressed weights, scales and tables that it reads.
    """

    index: int
    operator: str
    tensor: str
    target: str
    reason: str
    cycles: int
    bound_by: str
    macs: int
    stored_bytes: int


@dataclass(frozen=True)
class Stretch:
    """Constants that an operation reads, from `start` to `end`.

    It stands at byte `at` of the commands of stream number `stream`.
    """

    stream: int
    at: int
    start: int
    end: int


def read_table(graph: Graph, run: VelaRun, reads: Iterable[Stretch]) -> tuple[NpuOperator, ...]:
    """One row for each operator of `graph`, which `run` compiled to streams that do `reads`."""
    tables = {name: _rows(text) for name, text in _TABLE.findall(run.debug)}
    origin = {row["id"]: int(row["ext_key"]) for row in tables.get("source", ())}
    parts: dict[int, list[Row]] = {}
    scheduled: dict[str, int] = {}
    for row in tables.get("perf", ()):
        if row["source_id"] in origin:
            index = scheduled[row["id"]] = origin[row["source_id"]]
            parts.setdefault(index, []).append(row)
    stored = _stored(tables.get("queue", ()), scheduled, reads)
    return tuple(
        _operator(graph, index, parts.get(index, []), run.reasons, stored.get(index, 0))
        for index in range(len(graph.operators))
    )


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def _operator(
    graph: Graph, index: int, parts: list[Row], reasons: Mapping[str, str], stored: int
) -> NpuOperator:
    operator = graph.operators[index]
    tensor = graph.tensors[operator.outputs[0]].name if operator.outputs else ""
    cycles = sum(int(row["op_cycles"]) for row in parts)
    on_cpu = any(row["operator"] == _ON_CPU for row in parts)
    on_npu = bool(parts) or operator.code not in _MAY_VANISH
    reason = reasons.get(tensor, "Vela leaves it to the CPU") if on_cpu else ""
    return NpuOperator(
        index=index,
        operator=operator.code,
        tensor=tensor,
        target=CPU if on_cpu else NPU if on_npu else NOWHERE,
        reason=reason,
        cycles=cycles,
        bound_by=_bound_by(parts) if cycles else "",
        macs=sum(int(row["mac_count"]) for row in parts),
        stored_bytes=stored,
    )


def _bound_by(parts: list[Row]) -> str:
    """What the parts that take most of the cycles wait for."""
    waits: dict[str, int] = {}
    for row in parts:
        limit = max(_LIMITS, key=lambda column: int(row.get(column) or 0))
        waits[_LIMITS[limit]] = waits.get(_LIMITS[limit], 0) + int(row["op_cycles"])
    return max(waits, key=lambda name: waits[name])


def _stored(
    queue: Iterable[Row], scheduled: Mapping[str, int], reads: Iterable[Stretch]
) -> dict[int, int]:
    """Bytes of constants by operator; what it reads again and again counts once."""
    places = sorted(
        (int(row["cmdstream_id"]) - 1, int(row["offset"]), scheduled[row["scheduled_id"]])
        for row in queue
        if row["scheduled_id"] in scheduled
    )
    stretches: dict[int, list[tuple[int, int]]] = {}
    for read in reads:  # a transfer belongs to the operation behind it
        behind = (index for number, at, index in places if (number, at) >= (read.stream, read.at))
        owner = next(behind, None)
        if owner is not None:
            stretches.setdefault(owner, []).append((read.start, read.end))
    return {index: _union(found) for index, found in stretches.items()}


def _union(stretches: list[tuple[int, int]]) -> int:
    total = reached = 0
    for start, end in sorted(stretches):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
