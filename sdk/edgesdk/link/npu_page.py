"""The host's side of an NPU beside QEMU: registers and a ring of writes in memory that both share.

The firmware posts register writes to the ring and rings a doorbell when it has to wait; a thread
here does them on a device, publishes the registers, and answers with a byte, which interrupts the
firmware's sleep (ports/bare/npu_page.c).
"""

import mmap
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Protocol

from edgesdk.board.npu import PAGE_BYTES
from edgesdk.errors import EdgeError, NoAnswerError
from edgesdk.link.transport import MailboxTransport, OwnedSerialTransport

REGISTERS = range(0, 0x400, 4)  # all that a driver uses, by their byte offsets
# What changes without having been written: STATUS, QREAD, PROT, the PMU's flags and counters.
CHANGING = (0x004, 0x018, 0x024, *range(0x184, 0x19C, 4), 0x1A0, 0x1A4, *range(0x300, 0x310, 4))
POSTED, DONE = 0x1000 // 4, 0x1004 // 4  # words: indices that run freely, the firmware's and ours
RING, ENTRIES = 0x1800 // 4, 256  # pairs of words: byte offset, value
RESET = 0x00C
CLOSE_S = 5.0


OwnedTransport = MailboxTransport | OwnedSerialTransport


class Registers(Protocol):
    """A device as its driver sees it: 32-bit registers at byte offsets."""

    def read(self, offset: int) -> int:
        """Value of a register."""

    def write(self, offset: int, value: int) -> None:
        """Set a register; whatever that starts has ended on return."""

    def close(self) -> None:
        """Let go of all memory."""


class NpuPage:
    """The shared pages of one device."""

    def __init__(self, ram: int, offset: int, device: Registers) -> None:
        """Map them at `offset` of the file descriptor that backs QEMU's RAM; owns the device."""
        self._device = device
        self._map = mmap.mmap(ram, PAGE_BYTES, offset=offset)
        self._bytes = memoryview(self._map)
        self._words = self._bytes.cast("I")
        self._publish(REGISTERS)

    def _publish(self, offsets: Iterable[int]) -> None:
        for offset in offsets:
            self._words[offset // 4] = self._device.read(offset)

    def serve(self) -> None:
        """Do all writes that were posted, then publish what registers read."""
        done, posted = self._words[DONE], self._words[POSTED]
        writes = list(self._posted(done, posted))
        resets = [at for at, (offset, _) in enumerate(writes) if offset == RESET]
        for offset, value in writes[resets[-1] if resets else 0 :]:  # a reset forgets all before
            self._device.write(offset, value)
        if resets:
            self._publish(REGISTERS)
        self._publish((*CHANGING, *(offset for offset, _ in writes)))
        self._words[DONE] = posted

    def _posted(self, done: int, posted: int) -> Iterator[tuple[int, int]]:
        waiting = (posted - done) & 0xFFFFFFFF
        if waiting > ENTRIES:
            raise _damaged(f"{waiting} of {ENTRIES} entries wait")
        for at in range(done, done + waiting):
            entry = RING + 2 * (at % ENTRIES)
            offset, value = self._words[entry], self._words[entry + 1]
            if offset not in REGISTERS:
                raise _damaged(f"register 0x{offset:x}")
            yield offset, value

    def close(self) -> None:
        """Unmap, and close the device."""
        self._words.release()
        self._bytes.release()
        self._map.close()
        self._device.close()


def _damaged(what: str) -> NoAnswerError:
    return NoAnswerError(f"the ring of writes is damaged ({what}); start the board again")


class NpuThread:
    """Serves a page whenever the doorbell rings, until the doorbell's other end is gone."""

    def __init__(self, page: NpuPage, doorbell: socket.socket) -> None:
        """Start; the thread owns both and closes them at its end."""
        self.failure: Exception | None = None
        self._page, self._doorbell = page, doorbell
        self._thread = threading.Thread(target=self._run, name="edgesdk-npu", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while self._doorbell.recv(64):
                self._page.serve()
                self._doorbell.send(b"\1")
        except OSError:
            pass  # QEMU has ended, or close() was called
        except Exception as error:  # whatever it is, the session's thread has to hear of it
            self.failure = error
        finally:
            self._doorbell.close()
            self._page.close()

    def close(self) -> None:
        """End the thread; a job that still runs ends by itself."""
        with suppress(OSError):
            self._doorbell.shutdown(socket.SHUT_RDWR)
        self._thread.join(CLOSE_S)


class NpuTransport:
    """A link to an emulated board whose NPU is a thread here: a failure of it ends the session."""

    def __init__(self, link: OwnedTransport, npu: NpuThread) -> None:
        """Take over both."""
        self.where = link.where
        self.remedy = link.remedy
        self.interrupts = link.interrupts
        self.process = link.process
        self._link, self._npu = link, npu

    def read(self, timeout_s: float) -> bytes:
        """Some bytes, or none after `timeout_s`."""
        data = self._link.read(timeout_s)
        self._check()  # of an NPU that failed meanwhile, the device knows only that it rests
        return data

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send all bytes."""
        self._check()
        self._link.write(data, timeout_s)

    def _check(self) -> None:
        failure = self._npu.failure
        if isinstance(failure, EdgeError):
            raise NoAnswerError(f"{self.where}: emulated NPU: {failure}") from failure
        if failure is not None:
            text = " ".join(str(failure).split()) or "no message"
            raise NoAnswerError(
                f"{self.where}: the emulated NPU failed ({type(failure).__name__}: {text}); "
                "report it with this line"
            ) from failure

    def close(self) -> None:
        """End the emulator, then the NPU."""
        self._link.close()
        self._npu.close()
