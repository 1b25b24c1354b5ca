"""The pages that firmware in QEMU and its NPU share, and the thread that serves them."""

import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from edgesdk.board.npu import PAGE_BYTES
from edgesdk.errors import NoAnswerError
from edgesdk.link.npu_page import ENTRIES, NpuPage, NpuThread, NpuTransport

STATUS, CMD, RESET, QSIZE, CONFIG = 0x04, 0x08, 0x0C, 0x20, 0x28
POSTED, DONE, RING = 0x1000, 0x1004, 0x1800
OFFSET = 0x3000  # of the pages in the file: not at its start


class Device:
    """Remembers what is written, and whether anybody let go of it."""

    def __init__(self) -> None:
        self.writes: list[tuple[int, int]] = []
        self.values = {CONFIG: 0xABCD}
        self.closed = False

    def read(self, offset: int) -> int:
        return self.values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if value == 13:
            raise ValueError("thirteen")
        self.writes.append((offset, value))
        self.values[offset] = value
        self.values[STATUS] = len(self.writes)

    def close(self) -> None:
        self.closed = True


class Firmware:
    """What ports/bare/npu_page.c does with the file."""

    def __init__(self, file: int) -> None:
        self.file = file

    def word(self, at: int) -> int:
        return int(struct.unpack("<I", os.pread(self.file, 4, OFFSET + at))[0])

    def put(self, at: int, value: int) -> None:
        os.pwrite(self.file, struct.pack("<I", value & 0xFFFFFFFF), OFFSET + at)

    def post(self, *writes: tuple[int, int]) -> None:
        for offset, value in writes:
            at = self.word(POSTED)
            entry = struct.pack("<2I", offset, value)
            os.pwrite(self.file, entry, OFFSET + RING + 8 * (at % ENTRIES))
            self.put(POSTED, at + 1)


@contextmanager
def _ram() -> Iterator[int]:
    with os.fdopen(os.memfd_create("test"), "r+b") as file:
        file.truncate(OFFSET + PAGE_BYTES)
        yield file.fileno()


def test_registers_are_there_before_anything_runs() -> None:
    with _ram() as ram:
        page = NpuPage(ram, OFFSET, Device())
        assert Firmware(ram).word(CONFIG) == 0xABCD
        page.close()


def test_writes_are_done_in_order_also_where_the_indices_overflow() -> None:
    device = Device()
    with _ram() as ram:
        firmware = Firmware(ram)
        for index in (POSTED, DONE):
            firmware.put(index, 0xFFFFFFF0)
        page = NpuPage(ram, OFFSET, device)
        sent = [(0x100 + 4 * (at % 8), at + 100) for at in range(ENTRIES)]
        firmware.post(*sent)
        page.serve()
        page.serve()  # nothing new: nothing twice
        assert device.writes == sent
        assert firmware.word(DONE) == firmware.word(POSTED) == ENTRIES - 16
        assert [firmware.word(0x100 + 4 * at) for at in range(8)] == list(range(348, 356))
        assert firmware.word(STATUS) == ENTRIES
        page.close()
    assert device.closed


def test_reset_forgets_what_was_posted_before_it() -> None:
    device = Device()
    with _ram() as ram:
        page, firmware = NpuPage(ram, OFFSET, device), Firmware(ram)
        firmware.post((CMD, 1), (RESET, 1), (QSIZE, 5), (RESET, 1), (QSIZE, 7))
        page.serve()
        assert device.writes == [(RESET, 1), (QSIZE, 7)]
        page.close()


@pytest.mark.parametrize("at", [0, 4, ENTRIES])
def test_damaged_indices_and_offsets_are_refused(at: int) -> None:
    device = Device()
    with _ram() as ram:
        page, firmware = NpuPage(ram, OFFSET, device), Firmware(ram)
        if at == ENTRIES:
            firmware.put(POSTED, ENTRIES + 1)
        else:
            firmware.post((0x2000 + at, 1))
        with pytest.raises(NoAnswerError, match="damaged"):
            page.serve()
        page.close()


def test_thread_serves_until_the_other_end_goes() -> None:
    device = Device()
    ours, bell = socket.socketpair()
    with _ram() as ram:
        thread, firmware = NpuThread(NpuPage(ram, OFFSET, device), ours), Firmware(ram)
        firmware.post((QSIZE, 9))
        bell.send(b"\1")
        assert bell.recv(1) == b"\1"
        assert (firmware.word(DONE), firmware.word(QSIZE)) == (1, 9)
        bell.close()
        deadline = time.monotonic() + 5
        while not device.closed and time.monotonic() < deadline:
            time.sleep(0.01)
        thread.close()
    assert device.closed and thread.failure is None


def test_thread_keeps_what_went_wrong_and_lets_go_of_everything() -> None:
    device = Device()
    ours, bell = socket.socketpair()
    with _ram() as ram, bell:
        thread, firmware = NpuThread(NpuPage(ram, OFFSET, device), ours), Firmware(ram)
        firmware.post((QSIZE, 13))
        bell.send(b"\1")
        assert bell.recv(1) == b""  # no answer, and nobody left
        thread.close()
    assert isinstance(thread.failure, ValueError)
    assert device.closed


class Answering:
    """A link whose device answers once its NPU's thread is gone."""

    where, process = "board (QEMU)", None
    remedy, interrupts = "start it again", False

    def __init__(self, bell: socket.socket) -> None:
        self.bell = bell

    def read(self, timeout_s: float) -> bytes:
        self.bell.send(b"\1")
        assert self.bell.recv(1) == b""
        return b"NPU_TIMEOUT"

    def close(self) -> None:
        self.bell.close()


def test_failure_of_the_npu_then_stands_before_the_devices_answer() -> None:
    ours, bell = socket.socketpair()
    with _ram() as ram:
        thread, firmware = NpuThread(NpuPage(ram, OFFSET, Device()), ours), Firmware(ram)
        link = NpuTransport(Answering(bell), thread)  # type: ignore[arg-type]
        firmware.post((QSIZE, 13))
        with pytest.raises(NoAnswerError, match=r"the emulated NPU failed \(ValueError: thirteen"):
            link.read(1.0)
        link.close()
