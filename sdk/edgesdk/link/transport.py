"""Byte streams to a device: a serial port or socket, a process, a mailbox in shared memory."""

import mmap
import os
import select
import subprocess
import time
from typing import Protocol

import serial

from edgesdk.errors import DeviceError, GoneError, NoAnswerError

POLL_FIRST_S = 20e-6
POLL_LAST_S = 1e-3
WAIT_STEP_S = 0.02
WRITE_TIMEOUT_S = 10.0
SERVER = "see whether what serves it runs, and whether somebody else has it"
SILENT_PORT = (
    "check that the board has power and edgesdk firmware, and that nothing else uses the port"
)
SILENT_EMULATOR = (
    "check the board file: memory of `code`, [uart] base and interrupt, [emulator] serial "
    "(docs/porting.md, When it does not speak)"
)


class Transport(Protocol):
    """What a Device needs of its link; every call ends in time or raises NoAnswerError."""

    where: str  # for messages: a port, a process
    remedy: str  # what to check where nothing ever comes
    interrupts: bool  # whether each byte that the device gets is an interrupt there

    def read(self, timeout_s: float) -> bytes:
        """Some bytes, or none after `timeout_s`."""

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send all bytes."""

    def close(self) -> None:
        """Release the port; ends an emulated board. May be called twice."""


class SerialTransport:
    """Any pyserial URL: /dev/ttyACM0, COM3, socket://host:port, rfc2217://host:port."""

    remedy = SILENT_PORT
    interrupts = True

    def __init__(self, url: str, baud: int) -> None:
        """Open it.

        Raises:
            DeviceError: the port does not open.
        """
        self.where = url
        # Changing a timeout reconfigures the port, over the network with rfc2217: only sockets,
        # which cannot say how many bytes wait, pay for it.
        self._is_socket = url.startswith("socket:")
        try:
            self._port = serial.serial_for_url(
                url,
                baudrate=baud,
                timeout=WAIT_STEP_S,
                # pyserial's rfc2217 knows no write timeout; TCP ends its waits.
                write_timeout=None if url.startswith("rfc2217:") else WRITE_TIMEOUT_S,
            )
        except (serial.SerialException, ValueError, OSError) as error:
            served = url.startswith(("socket:", "rfc2217:"))
            remedy = SERVER if served else "list ports with `edgesdk devices`"
            raise DeviceError(f"{url}: port does not open ({_cause(error)}); {remedy}") from error

    def read(self, timeout_s: float) -> bytes:
        """Some bytes, or none after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        try:
            while not (first := bytes(self._port.read(1))):
                if time.monotonic() >= deadline:
                    return b""
            return first + self._read_waiting()
        except (serial.SerialException, OSError, TypeError) as error:
            raise self._vanished(error) from error

    def _read_waiting(self) -> bytes:
        if not self._is_socket:
            return bytes(self._port.read(self._port.in_waiting))
        self._port.timeout = 0
        waiting = bytes(self._port.read(65536))
        self._port.timeout = WAIT_STEP_S
        return waiting

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send all bytes; `timeout_s` is the port's own, fixed one."""
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise NoAnswerError(
                f"{self.where}: the device took no bytes for {WRITE_TIMEOUT_S:g} s; "
                "reset it and try again"
            ) from error
        except (serial.SerialException, OSError, TypeError) as error:
            raise self._vanished(error) from error

    def _vanished(self, error: Exception) -> GoneError:
        return GoneError(
            f"{self.where}: port vanished ({_cause(error)}); check the cable and the board's power"
        )

    def close(self) -> None:
        """Close the port."""
        self._port.close()


def _cause(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """End a child and collect it, so that no zombie stays."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(2)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            try:
                stream.close()
            except OSError:  # unsent bytes of a pipe whose reader has gone
                continue


def ended(process: subprocess.Popen[bytes], where: str) -> GoneError:
    """The error for a child that ended by itself, with its diagnostics: QEMU's first line of its
    own (help, or the registers of a locked-up processor, follow it), or else the last line.
    """
    try:
        code = process.wait(1)
    except subprocess.TimeoutExpired:
        return GoneError(f"{where}: closed its side of the link; start it again")
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    lines = []
    if process.stderr is not None and select.select([process.stderr], [], [], 0)[0]:
        text = os.read(process.stderr.fileno(), 65536).decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.strip() and "warning:" not in line]
    qemus = [line for line in lines if line.startswith("qemu")]
    if qemus:
        said = qemus[0].strip().rstrip(".")
        return GoneError(
            f"{where}: ended ({how}: {said}); check the board file: [emulator], and the memory of "
            "`code`, where the machine takes its vectors (docs/porting.md, When it does not speak)"
        )
    said = f": {lines[-1].strip()}" if lines else ""
    return GoneError(f"{where}: ended ({how}{said}); start it again")


class PipeTransport:
    """Standard input and output of a firmware process."""

    remedy = "start it again"
    interrupts = False

    def __init__(self, process: subprocess.Popen[bytes], where: str) -> None:
        """Take over a child started with three pipes."""
        assert process.stdin is not None and process.stdout is not None
        self.process = process
        self.where = where
        self._in, self._out = process.stdin.fileno(), process.stdout.fileno()
        self._kept = b""  # what came while we wrote
        os.set_blocking(self._in, False)

    def read(self, timeout_s: float) -> bytes:
        """Some bytes, or none after `timeout_s`."""
        if self._kept:
            data, self._kept = self._kept, b""
            return data
        if not select.select([self._out], [], [], timeout_s)[0]:
            return b""
        return self._receive()

    def _receive(self) -> bytes:
        data = os.read(self._out, 65536)
        if not data:
            raise ended(self.process, self.where)
        return data

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send all bytes, and keep what comes meanwhile: a process reads only once it has said all.

        Raises:
            NoAnswerError: it takes no byte for `timeout_s`, or has ended.
        """
        deadline = time.monotonic() + timeout_s
        left = memoryview(data)
        while left:
            wait = max(0.0, deadline - time.monotonic())
            said, takes, _ = select.select([self._out], [self._in], [], wait)
            if said:
                self._kept += self._receive()
            taken = self._put(left) if takes else 0
            if taken:
                left = left[taken:]
                deadline = time.monotonic() + timeout_s
            elif time.monotonic() >= deadline:
                raise NoAnswerError(
                    f"{self.where}: took no bytes for {timeout_s:g} s; start it again"
                )

    def _put(self, data: memoryview) -> int:
        try:
            return os.write(self._in, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ended(self.process, self.where) from error

    def close(self) -> None:
        """End the process."""
        stop_process(self.process)


class Mailbox:
    """The host's side of the byte rings in memory shared with an emulator (docs/protocol.md).

    Four u32 indices that run freely, each written by one side; then, at a quarter and at half of
    the size, the ring to the host and the ring to the device.
    """

    def __init__(self, ram: int, offset: int, size: int) -> None:
        """Map `size` bytes at `offset` of the file descriptor that backs the emulator's RAM."""
        self._map = mmap.mmap(ram, size, offset=offset)
        self._bytes = memoryview(self._map)
        self._indices = self._bytes[:16].cast("I")
        self._ring = size // 4

    def read(self) -> bytes:
        """All bytes that wait."""
        tail = self._indices[3]
        waiting = (self._indices[2] - tail) & 0xFFFFFFFF
        if waiting == 0:
            return b""
        data = self._copy_out(tail % self._ring, min(waiting, self._ring))
        self._indices[3] = (tail + len(data)) & 0xFFFFFFFF
        return data

    def _copy_out(self, at: int, size: int) -> bytes:
        base = self._ring
        first = min(size, self._ring - at)
        return bytes(self._bytes[base + at : base + at + first]) + bytes(
            self._bytes[base : base + size - first]
        )

    def write(self, data: memoryview) -> int:
        """Put what fits; returns how many bytes."""
        head = self._indices[0]
        room = self._ring - ((head - self._indices[1]) & 0xFFFFFFFF)
        size = min(room, len(data))
        at, base = head % self._ring, 2 * self._ring
        first = min(size, self._ring - at)
        self._bytes[base + at : base + at + first] = data[:first]
        self._bytes[base : base + size - first] = data[first:size]
        self._indices[0] = (head + size) & 0xFFFFFFFF
        return size

    def close(self) -> None:
        """Unmap."""
        self._indices.release()
        self._bytes.release()
        self._map.close()


class MailboxTransport:
    """A mailbox and the emulator behind it."""

    remedy = SILENT_EMULATOR
    interrupts = False

    def __init__(self, mailbox: Mailbox, process: subprocess.Popen[bytes], where: str) -> None:
        """Take over both."""
        self.process = process
        self.where = where
        self._mailbox = mailbox
        self._open = True

    def read(self, timeout_s: float) -> bytes:
        """Some bytes, or none after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        pause = POLL_FIRST_S
        while True:
            data = self._mailbox.read()
            if data:
                return data
            self._check_alive()
            if time.monotonic() >= deadline:
                return b""
            time.sleep(pause)
            pause = min(2 * pause, POLL_LAST_S)

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send all bytes."""
        deadline = time.monotonic() + timeout_s
        left = memoryview(data)
        while left:
            left = left[self._mailbox.write(left) :]
            if left:
                self._check_alive()
                if time.monotonic() >= deadline:
                    raise NoAnswerError(
                        f"{self.where}: took no bytes for {timeout_s:g} s; start it again"
                    )
                time.sleep(POLL_LAST_S)

    def _check_alive(self) -> None:
        if self.process.poll() is not None:
            raise ended(self.process, self.where)

    def close(self) -> None:
        """End the emulator and unmap."""
        stop_process(self.process)
        if self._open:
            self._open = False
            self._mailbox.close()


class OwnedSerialTransport(SerialTransport):
    """A serial link to an emulator that this session started."""

    remedy = SILENT_EMULATOR

    def __init__(self, url: str, baud: int, process: subprocess.Popen[bytes], where: str) -> None:
        """Connect to a port that the emulator offers."""
        super().__init__(url, baud)
        self.process = process
        self.where = where

    def read(self, timeout_s: float) -> bytes:
        """Some bytes, or none after `timeout_s`."""
        try:
            return super().read(timeout_s)
        except NoAnswerError:
            raise ended(self.process, self.where) from None

    def close(self) -> None:
        """Close the port and end the emulator."""
        super().close()
        stop_process(self.process)
