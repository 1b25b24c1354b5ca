"""Board files with one wrong fact: each is answered with where to look."""

import dataclasses
import struct
from pathlib import Path

import numpy as np
import pytest
from edgesdk.board import Board, load_board
from edgesdk.build import BuildOptions, build
from edgesdk.emulate import Clip
from edgesdk.errors import BoardError, FitError, GoneError, IdentityError, NoAnswerError
from edgesdk.firmware_sources import source_plan
from edgesdk.flash.store import Flashed, store
from edgesdk.link.device import Device, open_device
from edgesdk.link.power import power_on
from edgesdk.needed import needed_options
from edgesdk.session import run_clip
from small_bundle import recogniser_bundle

BASE = load_board("qemu-mps2-an386")
LOOK_AT = r"check the board file: .*`code`.*\(docs/porting\.md, When it does not speak\)"
SILENT = struct.pack("<IIHH", 0x2000_1000, 9, 0xE7FE, 0xE7FE)  # stack, entry, branches to itself
NO_VECTORS = bytes(16)


def _hello(board: Board, link: str, code: bytes, folder: Path) -> None:
    """Say hello to a machine that has these bytes at address 0."""
    firmware = folder / "firmware"
    firmware.write_bytes(code)
    flashed = Flashed(board.name, link, firmware, None, "", None, {})
    with Device(board, power_on(board, flashed), 1.0) as device:
        device.hello(1.0)


def _memories(name: str, **facts: int) -> Board:
    memories = [
        dataclasses.replace(memory, **facts) if memory.name == name else memory  # type: ignore[arg-type]
        for memory in BASE.memories
    ]
    return dataclasses.replace(BASE, memories=tuple(memories))


@pytest.mark.needs_qemu
@pytest.mark.parametrize("link", ["mailbox", "uart"])
def test_silence_of_an_emulated_board(link: str, tmp_path: Path) -> None:
    with pytest.raises(NoAnswerError, match=f"no answer to HELLO within 1 s; {LOOK_AT}"):
        _hello(BASE, link, SILENT, tmp_path)


@pytest.mark.needs_qemu
@pytest.mark.parametrize("link", ["mailbox", "uart"])
def test_code_where_no_vectors_are(link: str, tmp_path: Path) -> None:
    with pytest.raises(GoneError, match=rf"qemu: fatal: Lockup: [^;\n]*; {LOOK_AT}"):
        _hello(BASE, link, NO_VECTORS, tmp_path)


@pytest.mark.needs_qemu
def test_machine_that_qemu_has_not(tmp_path: Path) -> None:
    assert BASE.emulator is not None
    emulator = dataclasses.replace(BASE.emulator, machine="mps2-an387")
    with pytest.raises(GoneError, match=rf"exit code 1: .*unsupported machine type\); {LOOK_AT}"):
        _hello(dataclasses.replace(BASE, emulator=emulator), "mailbox", SILENT, tmp_path)


def _open(board: Board, devices: Path) -> Device:
    bundle = recogniser_bundle()
    store(build(board, bundle, needed_options(bundle)), devices)
    return open_device(board, devices=devices)


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_memory_that_is_not_there(devices: Path) -> None:
    board = _memories("ssram23_work", base=0x9000_0000)
    expected = r"opened no bundle after a fault: BusFault .*address 0x9000.*; check the memories"
    with _open(board, devices) as device, pytest.raises(IdentityError, match=expected):
        device.check_bundle(recogniser_bundle().digest)


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_counter_that_stands_still(devices: Path) -> None:
    assert BASE.counter is not None
    buttons = dataclasses.replace(BASE.counter, address=0x4002_8008)
    board = dataclasses.replace(BASE, counter=buttons)
    clip = Clip("noise", np.random.default_rng(3).normal(0, 3000, 3200).astype(np.int16))
    with (
        _open(board, devices) as device,
        pytest.raises(BoardError, match=r"stood still .*; check \[counter\]"),
    ):
        run_clip(device, clip, 16000)


@pytest.mark.needs_gcc
def test_data_that_do_not_fit_name_what_makes_them_smaller() -> None:
    board = _memories("ssram23", size_bytes=BASE.stack_bytes + 4096)
    sizes = (
        r"receive_bytes = 16384 or \[link\] payload_bytes = 4096 or \[stack\] size_bytes = 32768"
    )
    with pytest.raises(FitError, match=rf"'ssram23' of .* missing; make \[uart\] {sizes} "):
        build(board, None, BuildOptions(kernels=("LUT_8",), parts=()))


def test_one_c_file_may_be_both_drivers(tmp_path: Path) -> None:
    """It is compiled once, or all of its functions would be there twice."""
    own = tmp_path / "own.c"
    own.touch()
    assert BASE.uart is not None and BASE.counter is not None
    board = dataclasses.replace(
        BASE,
        path=tmp_path / "board.toml",
        uart=dataclasses.replace(BASE.uart, driver="own.c"),
        counter=dataclasses.replace(BASE.counter, driver="own.c"),
    )
    assert source_plan(board, BuildOptions(link="uart")).sources.count(own) == 1
