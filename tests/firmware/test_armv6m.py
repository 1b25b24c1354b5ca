"""Code for Armv6-M, whose cores refuse unaligned accesses and have neither divider nor float.

QEMU's one Cortex-M0 has 16 KB of RAM. So its code runs on a Cortex-M4 with room for every kernel
test, which is told to refuse unaligned accesses, too (CCR.UNALIGN_TRP; Arm DDI 0403, B3.2.8).
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from edgesdk.board import Board, load_board
from edgesdk.board.setup import Setup, Step
from edgesdk.build import BuildOptions, build
from edgesdk.errors import NoAnswerError
from edgesdk.flash.store import store
from edgesdk.link.device import Device, open_device
from firmware_boards import QEMU
from small_bundle import recogniser_bundle
from test_boards import _agree, _noise, _pieces
from test_kernels_on_boards import (  # noqa: F401 - pytest runs them here, too
    test_kernels_equal_the_reference_on_every_board,
    test_models_by_others_equal_the_reference_on_every_board,
)

pytestmark = list(QEMU)
TRAP = Step("change", 32, 0xE000_ED14, 1 << 3, 1 << 3, "CCR: UNALIGN_TRP")


def _strict() -> Board:
    known = load_board("qemu-mps2-an386")
    target = ("-mcpu=cortex-m0", "-mthumb", "-mfloat-abi=soft")
    return dataclasses.replace(
        known,
        compiler=dataclasses.replace(known.compiler, target=target),
        setup=Setup((TRAP,), "Arm DDI 0403, B3.2.8"),
    )


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    folder = tmp_path_factory.mktemp("devices")
    store(build(_strict()), folder)
    with open_device(_strict(), devices=folder) as opened:
        yield opened


def test_stream_equals_the_laptop(device: Device) -> None:
    """Features in software floats, and search, to the last bit."""
    bundle = recogniser_bundle(beam=4)
    device.load(bundle.device_bytes())
    samples = _noise(0.5)
    heard = device.recognise(_pieces(samples, 160), trace=True)
    _agree(heard, bundle, samples)
    assert heard.results is not None


def test_unaligned_access_is_refused_here(devices: Path) -> None:
    """What the other tests rely on: with the trap set, a word at an odd address is a fault."""
    board = _strict()
    odd = Step("change", 32, (board.memory("workspace").base or 0) + 1, 1, 0, "odd")
    board = dataclasses.replace(board, setup=Setup((TRAP, odd), ""))
    store(build(board, None, BuildOptions(kernels=("LUT_8",), parts=())), devices)
    with pytest.raises(NoAnswerError), open_device(board, devices=devices, timeout_s=1):
        pass
