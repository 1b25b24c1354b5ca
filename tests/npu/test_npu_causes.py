"""Each difference from TFLM goes away with the one thing that its explanation names."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from conformance.build import Array, Builder
from conformance.case import Case
from conformance.catalogue import catalogue
from conformance.compare import compare
from conformance.compile import TARGETS, Compiled, compile_graph
from conformance.cure import cured, reciprocals
from conformance.emulate import Job, numbers_only
from conformance.explain import (
    Interrupted,
    along_lines,
    int16_tables,
    line_table,
    operations,
    split_at,
    table_points,
)
from conformance.oracle import Tflm, run_reference
from edgesdk.npu.emulator import Npu
from edgesdk.npu.stream import Operation
from edgesdk_converters.tflite.read import read_tflite

pytestmark = pytest.mark.needs_cc


def _streams(name: str, accelerator: str, generator: str) -> tuple[Case, bytes, Compiled]:
    case = catalogue()[name]
    data = case.file()
    return case, data, compile_graph(data, TARGETS[accelerator], generator)


def _different(case: Case, data: bytes, compiled: Compiled) -> int:
    outcome = compare(case.name, run_reference(case, data), compiled, "", Npu)
    assert outcome.state in ("equal", "differs"), outcome.text
    return outcome.different


@pytest.mark.parametrize(
    ("name", "generator", "causes"),
    [
        ("mul_relu_int16", "regor", ("float32",)),
        ("mul_relu_int16", "legacy", ("float32",)),
        ("softmax_beta_int16", "regor", ("points",)),
        ("softmax_beta_int16", "legacy", ("points",)),
        ("dense_chain_int16", "legacy", ("float32",)),
        ("sum_depth_int8", "regor", ("rounding",)),
        ("sum_depth_int16", "regor", ("rounding",)),
    ],
)
@pytest.mark.parametrize("accelerator", ["ethos-u55-128", "ethos-u65-512"])
def test_stream_given_the_constants_of_tflm_then_equal(
    name: str, generator: str, causes: tuple[str, ...], accelerator: str
) -> None:
    case, data, compiled = _streams(name, accelerator, generator)
    better, found = cured(data, compiled)
    assert found == causes and _different(case, data, compiled) > 0
    assert _different(case, data, better) == 0


def test_table_of_softmax_then_is_in_another_precision_than_tflm() -> None:
    """1 / (1 + x) in float64; TFLM's float32 moves two points of 513."""
    *_, compiled = _streams("softmax_beta_int16", "ethos-u55-128", "regor")
    _, second = int16_tables(compiled)
    found = table_points(compiled, second)
    np.testing.assert_array_equal(found, reciprocals(np.float64))
    change = reciprocals(np.float32) - reciprocals(np.float64)
    assert {k: int(change[k]) for k in np.flatnonzero(change)} == {160: -1, 294: 1}


def _all_positive() -> Case:
    def build(b: Builder):
        x = b.input((1, 128, 16, 16), "int16", 0.02)
        return [b.unary("RSQRT", x, 0.0005)]

    return Case("rsqrt_all", build)


def test_rsqrt_then_is_velas_table_and_not_tflm() -> None:
    data = _all_positive().file()
    compiled = compile_graph(data, TARGETS["ethos-u55-128"], "regor")
    table = line_table(compiled)
    x = np.arange(32768, dtype=np.int16)
    x[0] = 1  # TFLM takes no zero
    (found,) = Job(compiled, Npu("ethos-u55-128")).invoke([x.reshape(1, 128, 16, 16)])
    np.testing.assert_array_equal(found.ravel(), along_lines(table, x))
    (exact,) = Tflm(data, read_tflite(data).graphs[0]).invoke([x.reshape(1, 128, 16, 16)])
    apart = np.abs(exact.astype(int) - found)
    apart = apart.ravel()
    assert apart[:128].max() > 1000 and apart[1024:].max() <= 4


def _with_table(data: bytes, inputs: tuple[Array, ...], table: tuple[Array, Array]) -> list[Array]:
    """TFLM on the whole graph but for RSQRT, which is Vela's table."""
    first, second = split_at(read_tflite(data).graphs[0], "RSQRT")
    (x,) = Tflm(first, read_tflite(first).graphs[0]).invoke(inputs)
    y = along_lines(table, x)
    return Tflm(second, read_tflite(second).graphs[0]).invoke([y, *inputs])


@pytest.mark.parametrize("name", ["rsqrt_int16", "layer_norm_int16"])
def test_rsqrt_in_a_graph_given_velas_table_then_equal(name: str) -> None:
    case, data, compiled = _streams(name, "ethos-u65-256", "regor")
    table = line_table(compiled)
    runs = run_reference(case, data)
    tabled = [
        replace(run, outputs=tuple(tuple(_with_table(data, v, table)) for v in run.inputs))
        for run in runs
    ]
    assert compare(case.name, runs, compiled, "", Npu).state == "differs"
    assert compare(case.name, tabled, compiled, "", Npu).state == "equal"


_ROW_BYTES = 0x460
_OVERWRITTEN = {
    0x7E00: 11,
    0xB280: 23,
}  # where pieces of 12 rows go -> the row overwritten too soon


class _RowsPutBack(Interrupted):
    """Puts the last row of a piece back for its reader, and the newer row behind the reader."""

    def __init__(self, compiled: Compiled) -> None:
        self.found = operations(compiled)
        self.older: dict[int, Array] = {}
        self.newer: dict[int, Array] = {}
        super().__init__(numbers_only(compiled.accelerator), range(1, len(self.found)), "u65")

    def visit(self, at: int, regions: Sequence[Array | None]) -> None:
        fast = regions[2]
        assert fast is not None
        for start, row in self.newer.items():
            fast[start : start + _ROW_BYTES] = row
        self.newer.clear()
        for piece, number in _OVERWRITTEN.items():
            start = 0x7E00 + number * _ROW_BYTES
            rows = slice(start, start + _ROW_BYTES)
            if _at(self.found[at], "OFM") == piece:
                self.older[start] = fast[rows].copy()
            elif _at(self.found[at], "IFM") == start and start in self.older:
                self.newer[start] = fast[rows].copy()
                fast[rows] = self.older.pop(start)


def _at(operation: Operation, name: str) -> int | None:
    """Where a convolution's feature map starts in the fast scratch."""
    r = operation.registers
    here = operation.command.name == "CONV" and r[f"{name}_REGION"] == 2
    address = r[f"{name}_BASE0"]
    return address if here and isinstance(address, int) else None


def test_cascade_of_the_legacy_core_given_its_rows_back_then_equal() -> None:
    case, data, compiled = _streams("cascade_dilated_int8", "ethos-u65-512", "legacy")
    (run,) = run_reference(case, data)
    (broken,) = Job(compiled, Npu(compiled.accelerator)).invoke(run.inputs[0])
    assert (broken != run.outputs[0][0]).any()
    (mended,) = Job(compiled, _RowsPutBack(compiled)).invoke(run.inputs[0])
    np.testing.assert_array_equal(mended, run.outputs[0][0])
