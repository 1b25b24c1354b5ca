"""Firmware for tests, and the marks of the boards that it runs on."""

import pytest
from edgesdk.board import load_board
from edgesdk.build import BuildOptions, Image, build

QEMU = (pytest.mark.needs_gcc, pytest.mark.needs_qemu)
BOARDS = [
    pytest.param("host", marks=pytest.mark.needs_cc),
    pytest.param("qemu-mps2-an386", marks=QEMU),
    pytest.param("qemu-mps3-an547", marks=QEMU),
    pytest.param("qemu-riscv-virt", marks=pytest.mark.needs_riscv),
]
QEMU_BOARDS = [board for board in BOARDS if board.values != ("host",)]
CACHED_BOARDS = [pytest.param("qemu-mps2-an500", marks=QEMU)]
# Their model lies in flash, which no test fills over the link.
FLASH_BOARDS = [
    pytest.param("qemu-netduinoplus2", marks=QEMU),
    pytest.param("qemu-microbit", marks=QEMU),
    pytest.param("qemu-lm3s6965evb", marks=QEMU),
    pytest.param("qemu-sifive-e", marks=pytest.mark.needs_riscv),
]


def firmware(board: str, **options: object) -> Image:
    """Firmware without a bundle, from the user's cache where it is there."""
    return build(load_board(board), None, BuildOptions(**options))  # type: ignore[arg-type]
