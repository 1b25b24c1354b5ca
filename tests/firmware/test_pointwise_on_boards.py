"""The pointwise kernels, pools and means on the real cores' instruction sets against the same in
plain C, over records that no converter would write; and with a defect in each, which the comparison
must find.

TFLite's reference kernels stand behind plain C: test_lower_kernels.py, test_kernels_on_boards.py.
"""

import shutil
from pathlib import Path

import edgesdk.build as building
import numpy as np
import pytest
from edgesdk import firmware_sources
from edgesdk.board import load_board
from edgesdk.bundle import Bundle
from edgesdk.core.graph import Graph
from edgesdk.flash.store import store
from edgesdk.link.device import Device, open_device
from edgesdk.link.messages import GraphId, TensorKind
from edgesdk.resources import resource_dir
from firmware_boards import QEMU, firmware
from numpy.typing import NDArray
from pointwise_records import FAMILIES, inputs, plans

CASES = {"arithmetic": 1120}


def _outputs(device: Device) -> NDArray[np.int8]:
    return device.graph_read(GraphId.SINGLE, TensorKind.OUTPUT, 0).astype(np.int8)


def _differing(device: Device, family: str, cases: int) -> set[str]:
    """Operators of which the device and plain C differ; "between" where something was written that
    is nobody's output."""
    rng, differing = np.random.default_rng(2), set()
    for plan in plans(family, cases):
        graph = Graph(plan.encode())
        device.load(Bundle({"GNET": plan.encode()}, family).device_bytes())
        for given in inputs(rng):
            (expected,) = graph.run(given)
            device.graph_write(GraphId.SINGLE, 0, given.tobytes())
            before = _outputs(device)
            device.graph_run(GraphId.SINGLE)
            found = _outputs(device)
            between = np.ones(found.size, bool)
            for record in plan.records:
                at = record.out.offset - plan.outputs[0].ref.offset
                part = slice(at, at + record.out_bytes)
                between[part] = False
                if not np.array_equal(found[part], expected[part]):
                    differing.add(record.op)
            if not np.array_equal(found[between], before[between]):
                differing.add("between")
    return differing


@pytest.mark.parametrize("family", FAMILIES)
def test_pointwise_records_equal_plain_c_on_every_board(device: Device, family: str) -> None:
    assert _differing(device, family, CASES.get(family, 160)) == set()


M4, M55 = "qemu-mps2-an386", "qemu-mps3-an547"
WIDE, PRODUCT = "FULLY_CONNECTED_S16", "BATCH_MATMUL_S8"
# (board, file in runtime/kernels, what it holds, the defect, family, an operator that must show it)
DEFECTS = [
    (M4, "arithmetic/rows_dsp.c", ".step = 2 * sum.sign", ".step = 2", "arithmetic", "ADD_S8"),
    (M4, "rescale_dsp.h", "^ (uint32_t)(x >> 31) << 31", "", "arithmetic", "MUL_S16"),
    (M4, "arithmetic/rows_dsp.c", "least ? edge_s", "!least ? edge_s", "arithmetic", "EXTREME_S8"),
    (M4, "lut/dsp.c", "word >> 16 & 255u", "word >> 8 & 255u", "lut", "LUT_8"),
    (M4, "sums/dsp.c", "carry(sums + 5", "carry(sums + 4", "pool", "AVERAGE_POOL_S8"),
    (M4, "sums/sums.h", "256u", "512u", "mean", "MEAN"),
    (M4, "pool/largest_dsp.c", ": channels - 8;", ": from;", "pool", "between"),
    (M4, "pool/largest_dsp.c", "(uint8_t)op->low", "0x80u", "pool", "MAX_POOL_S8"),
    (M55, "sums/sums.h", "256u", "512u", "mean", "MEAN"),
    (M55, "sums/mve.c", "vctp16q(count)", "vctp16q(count - 1)", "pool", "AVERAGE_POOL_S8"),
    (M55, "pool/largest_mve.c", "vctp8q(left)", "vctp8q(16)", "pool", "between"),
    (M4, "softmax/row_dsp.c", "four >> 16) << 16", "four >> 8) << 16", "softmax", "SOFTMAX_S8"),
    (M4, "softmax16/row_dsp.c", "weights, 64)", "weights, 0)", "softmax", "SOFTMAX_S16"),
    (M4, "curve/dsp.c", "* by.spread", "* 0xfffe", "curve", "LOGISTIC_S16"),
    (M4, "curve/dsp.c", "+ curve.middle -", "+ 32767 -", "curve", "TANH_S16"),
    (M4, "rescale_dsp.h", "twice >> 31 & by->sign", "twice >> 31", "requantise", "REQUANTISE"),
    (M4, "batch_matmul/line_dsp.c", "128 + zero", "127 + zero", "batch_matmul", PRODUCT),
    (M4, "fully_connected/wide_dsp.c", "480u", "4800u", "fully_connected", WIDE),
    (M4, "arg_extreme/ref.c", "value > best", "value >= best", "arg_extreme", "ARG_EXTREME"),
    (M4, "log_softmax/ref.c", "127, -128", "126, -128", "log_softmax", "LOG_SOFTMAX_S8"),
    (M55, "arithmetic/rows_mve.c", "w, sum->sign", "w, 1", "arithmetic", "ADD_S16"),
    (M55, "arithmetic/rows_mve.c", "vctp32q(left)", "vctp32q(4)", "arithmetic", "between"),
    (M55, "arithmetic/rows_mve.c", "op->sign2 > 0 ?", "1 ?", "arithmetic", "EXTREME_S8"),
    (M55, "lut/mve.c", "vctp8q(left)", "vctp8q(left - 1)", "lut", "LUT_8"),
    (M55, "softmax/row_mve.c", "vctp8q(depth - i)", "vctp8q(16)", "softmax", "SOFTMAX_S8"),
    (M55, "softmax16/row_mve.c", "vmaxvq_p_s16(most,", "vmaxvq_p_s16(0,", "softmax", "SOFTMAX_S16"),
    (M55, "curve/mve.c", "edge_curve_round(op), -", "0, -", "curve", "LOGISTIC_S16"),
    (M55, "curve/mve.c", "how->table + 1,", "how->table,", "curve", "TANH_S16"),
    (M55, "batch_matmul/line_mve.c", "zero_point == -128", "false", "batch_matmul", PRODUCT),
    (M55, "fully_connected/wide_mve.c", "w3, rest", "w2, rest", "fully_connected", WIDE),
    (M55, "requantise/row_mve.c", "op->shift - right", "0", "requantise", "REQUANTISE"),
]


@pytest.mark.parametrize("board", [pytest.param(board, marks=QEMU) for board in (M4, M55)])
def test_the_comparison_finds_every_wrong_kernel(
    board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "firmware_templates"
    shutil.copytree(resource_dir("firmware_templates"), root)
    defects = [defect[1:] for defect in DEFECTS if defect[0] == board]
    for file, held, wrong, _, _ in defects:
        path = root / "runtime" / "kernels" / file
        text = path.read_text()
        assert held in text, f"{file} no longer holds {held!r}"
        path.write_text(text.replace(held, wrong))
    monkeypatch.setattr(firmware_sources, "resource_dir", lambda name: root)
    monkeypatch.setattr(building, "firmware_cache_dir", lambda: tmp_path / "cache")
    store(firmware(board), tmp_path / "devices")
    with open_device(load_board(board), devices=tmp_path / "devices") as device:
        for family in {defect[3] for defect in defects}:
            found = _differing(device, family, 80)
            missed = [d for d in defects if d[3] == family and d[4] not in found]
            assert missed == []
