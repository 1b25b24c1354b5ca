"""Packed depthwise convolutions on the real cores' instruction sets, against TFLite's reference
kernels; and with a defect in each core's kernels, which the same comparison must find."""

import shutil
from pathlib import Path

import edgesdk.build as building
import numpy as np
import pytest
from depthwise_cases import cases, depthwise
from edgesdk import firmware_sources
from edgesdk.board import load_board
from edgesdk.flash.store import store
from edgesdk.link.device import Device, open_device
from edgesdk.resources import resource_dir
from edgesdk_converters.lower.packing import Packing
from firmware_boards import QEMU, firmware
from test_packed_on_boards import OWN, Data, wrong


def _graphs(core: str, count: int) -> list[Data]:
    rng = np.random.default_rng(6)
    return [(depthwise(rng, case), Packing(core)) for case in cases(count)]


def test_depthwise_equals_the_reference_on_every_board(device: Device) -> None:
    core = OWN[device.board.name]
    assert wrong(device, _graphs(core, 120)) == []


def test_depthwise_packed_for_another_core_runs_too(device: Device) -> None:
    other = "dsp" if OWN[device.board.name] == "mve" else "mve"
    assert wrong(device, _graphs(other, 16)) == []


# (board, file in runtime/kernels/depthwise_conv, what it holds, the defect)
DEFECTS = [
    ("qemu-mps2-an386", "dsp.c", "ror #8", "ror #16"),
    ("qemu-mps2-an386", "dsp.c", "asr #31", "lsr #31"),
    ("qemu-mps3-an547", "mve.c", "vshr.s32 q4, ", "vshr.u32 q4, "),
    ("qemu-mps3-an547", "mve.c", "group * op->stride_w", "op->stride_w"),
]


@pytest.mark.parametrize(
    ("board", "file", "held", "defect"),
    [pytest.param(*d, marks=QEMU, id=f"{d[1]}-{i}") for i, d in enumerate(DEFECTS)],
)
def test_the_comparison_finds_a_wrong_kernel(
    board: str, file: str, held: str, defect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "firmware_templates"
    shutil.copytree(resource_dir("firmware_templates"), root)
    path = root / "runtime" / "kernels" / "depthwise_conv" / file
    text = path.read_text()
    assert held in text, f"{file} no longer holds {held!r}"
    path.write_text(text.replace(held, defect))
    monkeypatch.setattr(firmware_sources, "resource_dir", lambda name: root)
    monkeypatch.setattr(building, "firmware_cache_dir", lambda: tmp_path / "cache")
    store(firmware(board), tmp_path / "devices")
    with open_device(load_board(board), devices=tmp_path / "devices") as device:
        assert wrong(device, _graphs(OWN[board], 24)) != []
