"""What boot ROMs want before the vectors: an RP2040's second stage, an RP2350's image block."""

import re
import struct
import subprocess
from pathlib import Path

import pytest
from edgesdk.board import Board, load_board
from edgesdk.build import build
from edgesdk.resources import resource_dir

pytestmark = pytest.mark.needs_gcc

CORTEX_M = resource_dir("firmware_templates") / "ports/cortex_m"
XIP = 0x1000_0000
STAGE_BYTES = 256
SEARCHED = 4096  # bytes of flash in which an RP2350 looks for its block


def _crc(data: bytes) -> int:
    """CRC-32/MPEG-2, which the boot ROM computes (RP2040 data sheet 2.8.1.3.1)."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C1_1DB7 if crc >> 31 else 0)) & 0xFFFF_FFFF
    return crc


def _flash(board: Board, folder: Path) -> bytes:
    """The first bytes of a board's flash."""
    raw = folder / "flash.bin"
    command = ["arm-none-eabi-objcopy", "-O", "binary", "-j", ".text"]
    subprocess.run([*command, str(build(board).firmware), str(raw)], check=True)
    return raw.read_bytes()


def _are_vectors(board: Board, data: bytes) -> None:
    """A stack pointer into RAM, then a handler in the code, both as the core wants them."""
    top, reset = struct.unpack("<II", data[:8])
    stack, code = board.memory("stack"), board.memory("code")
    assert stack.base is not None and code.base is not None
    assert top == stack.base + board.stack_bytes
    assert reset & 1 and code.base <= reset < code.end


def test_crc_is_that_of_the_catalogue() -> None:
    assert _crc(b"123456789") == 0x0376_E6E7


def test_second_stage_is_what_its_source_assembles_to(tmp_path: Path) -> None:
    _, text = (CORTEX_M / "boot_rp2040.c").read_text(encoding="utf-8").split("{")
    words = [int(word, 16) for word in re.findall(r"0x([0-9A-F]{8}),", text)]
    assert len(words) == STAGE_BYTES // 4
    made, raw = tmp_path / "boot.o", tmp_path / "boot.bin"
    source = str(CORTEX_M / "boot_rp2040.s")
    subprocess.run(["arm-none-eabi-as", "-o", str(made), source], check=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", str(made), str(raw)], check=True)
    code = raw.read_bytes()
    assert len(code) <= STAGE_BYTES - 4
    stage = code.ljust(STAGE_BYTES - 4, b"\0")
    assert struct.pack(f"<{len(words)}I", *words) == stage + struct.pack("<I", _crc(stage))


def test_rp2040_finds_its_second_stage_and_that_the_vectors(tmp_path: Path) -> None:
    board = load_board("pico")
    assert board.memory("code").base == XIP
    flash = _flash(board, tmp_path)
    assert struct.unpack("<I", flash[252:256]) == (_crc(flash[:252]),)
    assert struct.pack("<I", XIP + STAGE_BYTES) in flash[:252]  # where it looks for them
    _are_vectors(board, flash[STAGE_BYTES:])


def test_rp2350_finds_a_block_that_leads_to_the_vectors(tmp_path: Path) -> None:
    board = load_board("pico2")
    assert board.memory("code").base == XIP
    flash = _flash(board, tmp_path)
    start = flash.index(struct.pack("<I", 0xFFFF_DED3))
    assert start % 4 == 0
    words = struct.unpack("<7I", flash[start : start + 28])
    assert start + 28 <= SEARCHED
    # executable, secure, Arm, RP2350; vector table; three words of items; no other block
    assert words[1:3] == (0x1021_0142, 0x0000_0203)
    assert words[4:] == (0x0000_03FF, 0, 0xAB12_3579)
    assert words[3] % 128 == 0
    _are_vectors(board, flash[words[3] - XIP :])
