"""Why a stream differs from the reference, and the change that takes the difference away.

Each cause is proved by test_npu_causes.py: the stream, or what the reference computes, is changed
in the one thing that the cause names, and then all values are equal.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from edgesdk.npu.commands import CODES
from edgesdk.npu.stream import Operation, read_stream
from edgesdk_converters.tflite.model import Graph, Model
from edgesdk_converters.tflite.write import write_tflite

from conformance.build import Array
from conformance.compile import Compiled
from conformance.emulate import Machine

CAUSES = {
    "float32": "Vela computes this multiplier in float32, TFLM in float64: the last bits of a "
    "31-bit multiplier differ, and so does what they round. With TFLM's multiplier in the stream "
    "all values are equal.",
    "points": "SOFTMAX on int16 reads 1 / (1 + x) from a table of 513 points, which Vela computes "
    "in float64 and TFLM in float32: point 160 is 24967 in Vela and 24966 in TFLM, point 294 20815 "
    "and 20816. With TFLM's two points in the stream all values are equal.",
    "rounding": "Vela computes SUM as a convolution that rounds once (NATURAL); TFLM rounds "
    "twice. With the stream's rounding set to double all values are equal.",
    "table": "RSQRT on int16 is a table of 513 points with straight lines between them in Vela, "
    "poor below 1024; TFLM computes each value. TFLM with Vela's table in place of its RSQRT "
    "equals the stream everywhere.",
    "overwritten": "The legacy core's rolling buffer is one row too small: row n + 24 of one "
    "convolution is written over row n before the next convolution has read it. With that row "
    "put back all values are equal. Seen at this arena size; not in regor's streams.",
}
"""Cause -> what it is."""

UNCURED = {
    ("rsqrt_int16", "regor"): "table",
    ("layer_norm_int16", "regor"): "table",
    ("cascade_dilated_int8", "legacy"): "overwritten",
}
"""(graph, generator) -> cause, where no constant in the stream takes the difference away."""

_STOP = 0xFFFF << 16
_LINES = 512  # of a table for int16; the last one ends in point 513


def operations(compiled: Compiled) -> list[Operation]:
    """All operations of its stream."""
    return read_stream(compiled.words, compiled.accelerator.split("-")[1])


def quantised(multiplier: float) -> tuple[int, int]:
    """As TFLM does it: 31 bits and the right shift that an Ethos-U takes beside them."""
    mantissa, exponent = math.frexp(multiplier)
    return round(mantissa * 2**31), 31 - exponent


def with_multiplier(compiled: Compiled, exact: float) -> tuple[Compiled, int]:
    """With `exact` in every OFM_SCALE that is less than 1e-6 off; and how many those are."""
    words, count = compiled.words.copy(), 0
    value, shift = quantised(exact)
    for operation in operations(compiled):
        for write in operation.writes:
            if write.command.name != "OFM_SCALE" or not isinstance(write.value, tuple):
                continue
            found, found_shift = write.value
            if found_shift == shift and 0 < abs(found - value) < value * 1e-6:
                words[write.at + 1] = value
                count += 1
    return replace(compiled, words=words), count


def with_points(
    compiled: Compiled, points: Array, changes: Mapping[int, int]
) -> tuple[Compiled, int]:
    """With the int16 tables of 513 `points` raised by `changes`; and how many those are."""
    weights, count = compiled.weights.copy(), 0
    for start in int16_tables(compiled):
        if not np.array_equal(table_points(compiled, start), points):
            continue
        pairs = weights[start : start + 4 * _LINES].view("<i2").reshape(_LINES, 2)
        for point, change in changes.items():
            pairs[point, 0] += change
            pairs[point, 1] -= change
            pairs[point - 1, 1] += change
        count += 1
    return replace(compiled, weights=weights), count


def with_rounding(compiled: Compiled, mode: int) -> Compiled:
    """With `mode` in all outputs: 0 double, 1 truncating, 2 natural."""
    words = compiled.words.copy()
    for operation in operations(compiled):
        for write in operation.writes:
            if write.command.name == "OFM_PRECISION":
                kept = int(words[write.at]) & ~(3 << 30)
                words[write.at] = kept | mode << 30
    return replace(compiled, words=words)


def with_records(
    compiled: Compiled, biases: Sequence[int], exact: Sequence[float]
) -> tuple[Compiled, int]:
    """With TFLM's 16-bit multipliers in an int16 operator's scale records; how many changed.

    A record is found by its channel's bias and by a multiplier that is one off.
    """
    data, count = bytearray(compiled.weights.tobytes()), 0
    for bias, multiplier in zip(biases, exact, strict=True):
        value, shift = quantised(multiplier)
        reduced = (value + (1 << 15)) >> 16
        for other in (reduced - 1, reduced + 1):
            at = data.find(_record(bias, other, shift - 16))
            if at >= 0:
                data[at : at + 10] = _record(bias, reduced, shift - 16)
                count += 1
    return replace(compiled, weights=np.frombuffer(data, np.uint8).copy()), count


def _record(bias: int, multiplier: int, shift: int) -> bytes:
    """The scale record of one channel."""
    wide = bias & ((1 << 40) - 1)
    return wide.to_bytes(5, "little") + multiplier.to_bytes(4, "little") + bytes([shift])


def _number(operation: Operation, name: str) -> int:
    value = operation.registers[name]
    assert isinstance(value, int)
    return value


def int16_tables(compiled: Compiled) -> list[int]:
    """Offsets in the weights of its tables for int16, each once."""
    copies = [op for op in operations(compiled) if op.command.name == "DMA_START"]
    found = [_number(op, "DMA0_SRC") for op in copies if _number(op, "DMA0_LEN") == 4 * _LINES]
    return sorted(set(found))


def line_table(compiled: Compiled) -> tuple[Array, Array]:
    """Bases and slopes, int64[512], of the stream's only table for int16."""
    (start,) = int16_tables(compiled)
    pairs = compiled.weights[start : start + 4 * _LINES].view("<i2").reshape(_LINES, 2)
    return pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)


def table_points(compiled: Compiled, start: int) -> Array:
    """The 513 points, int64, of the int16 table at an offset in the weights."""
    pairs = compiled.weights[start : start + 4 * _LINES].view("<i2").reshape(_LINES, 2)
    return np.append(pairs[:, 0].astype(np.int64), int(pairs[-1, 0]) + int(pairs[-1, 1]))


def along_lines(table: tuple[Array, Array], x: Array) -> Array:
    """The table's value at int16 `x`, and straight lines between its points."""
    bases, slopes = table
    index, between = (x.astype(np.int64) >> 7) + _LINES // 2, x.astype(np.int64) & 127
    return (bases[index] + ((slopes[index] * between + 64) >> 7)).astype(np.int16)


def split_at(graph: Graph, code: str) -> tuple[bytes, bytes]:
    """Two files: up to the input of the only operator `code`, and all behind its output.

    The second one takes the operator's output before the graph's own inputs.
    """
    (at,) = [k for k, op in enumerate(graph.operators) if op.code == code]
    operator = graph.operators[at]
    before = replace(graph, operators=graph.operators[:at], outputs=operator.inputs[:1])
    others = graph.operators[:at] + graph.operators[at + 1 :]
    after = replace(graph, operators=others, inputs=(operator.outputs[0], *graph.inputs))
    first, second = (write_tflite(Model((part,))) for part in (before, after))
    return first, second


class Interrupted(ABC):
    """A machine that stops before operations and lets a caller look at the memory."""

    def __init__(self, machine: Machine, stops: Sequence[int], product: str) -> None:
        self.machine, self.stops, self.product = machine, stops, product

    @abstractmethod
    def visit(self, at: int, regions: Sequence[Array | None]) -> None:
        """Called before operation `at`."""

    def run(self, words: Array, regions: Sequence[Array | None]) -> None:
        """The stream in pieces; every piece sets all registers again."""
        found = read_stream(words, self.product)
        starts = [op.at for op in found]
        cuts = [0, *(starts[k - 1] + 1 for k in self.stops), len(words)]
        for piece, (start, end) in enumerate(pairwise(cuts)):
            if piece:
                self.visit(self.stops[piece - 1], regions)
            settings = [int(w) for op in found if op.at < start for w in _settings(op, words)]
            body = [*settings, *words[start:end].tolist()]
            last = [] if end == len(words) else [_STOP | CODES["STOP"]]
            self.machine.run(np.array([*body, *last], np.uint32), regions)


def _settings(operation: Operation, words: Array) -> list[int]:
    """The words of an operation's writes."""
    return [
        int(word)
        for write in operation.writes
        for word in words[write.at : write.at + write.command.words]
    ]
