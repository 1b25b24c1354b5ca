"""The host's firmware behind a socket, with a fault of one's choice in each connection."""

import contextlib
import random
import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import replace

from edgesdk.flash.store import Flashed
from edgesdk.link.frames import Decoder, Frame, encode
from edgesdk.link.messages import Message
from edgesdk.link.power import process_command

MIDST = 60  # frames of the host after which faults of the midst begin
FAULTS = ("absent", "mute", "babble", "silence", "gone", "noise", "reboot", "corrupt", "lie")


class BadDesk:
    """Serves one connection after the other, the n-th with the n-th fault of `plan`; then none."""

    def __init__(self, flashed: Flashed, plan: Sequence[str | None] = ()) -> None:
        assert {*plan} <= {None, *FAULTS}
        self._command = process_command(flashed)
        self._plan = list(plan)
        self.connections = 0

    def __enter__(self) -> "BadDesk":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                fault = self._plan[self.connections] if self.connections < len(self._plan) else None
                self.connections += 1
                with connection:
                    if fault != "absent":
                        _Connection(connection, self._command, fault).serve()


class _Connection:
    """The firmware and its host, with us in between."""

    def __init__(self, connection: socket.socket, command: list[str], fault: str | None) -> None:
        self._connection = connection
        self._command = command
        self._fault = fault
        self._asked = self._answered = 0  # frames
        self._generator = random.Random(6)

    def serve(self) -> None:
        """Until either side ends."""
        self._power_on()
        decoder = Decoder(65536)
        with contextlib.suppress(OSError):
            while data := self._connection.recv(65536):
                for frame in decoder.feed(data):
                    if isinstance(frame, Frame) and not self._ask(frame):
                        return self._power_off()
        return self._power_off()

    def _power_on(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._reader = threading.Thread(target=self._answer, args=(self._process,))
        self._reader.start()

    def _power_off(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._reader.join(10)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def _ask(self, frame: Frame) -> bool:
        """Pass a frame on to the firmware; False where the connection is to end."""
        self._asked += 1
        if self._asked == MIDST and self._fault == "gone":
            return False
        if self._asked == MIDST and self._fault == "reboot":
            self._power_off()
            self._power_on()
        assert self._process.stdin is not None
        self._process.stdin.write(encode(frame.type, frame.seq, frame.payload))
        return True

    def _answer(self, process: subprocess.Popen[bytes]) -> None:
        """Pass what the firmware says on to the host."""
        decoder = Decoder(65536)
        assert process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while data := process.stdout.read(65536):
                for frame in decoder.feed(data):
                    if isinstance(frame, Frame):
                        self._connection.sendall(self._spoilt(frame))

    def _spoilt(self, frame: Frame) -> bytes:
        """A frame as the host gets it."""
        self._answered += 1
        in_midst = self._asked >= MIDST
        whole = encode(frame.type, frame.seq, frame.payload)
        if self._fault == "mute" or (self._fault == "silence" and in_midst):
            return b""
        if self._fault == "babble":
            return self._generator.randbytes(40)
        if self._fault == "noise" and in_midst:
            return b"\x7e" + self._generator.randbytes(40) + whole
        if self._fault == "corrupt" and self._answered % 100 == 0:
            at = len(whole) // 2
            return whole[:at] + bytes([whole[at] ^ 0x01]) + whole[at + 1 :]
        if self._fault == "lie" and frame.type == Message.LOGITS:
            payload = bytearray(frame.payload)
            payload[-1] ^= 0x01
            lie = replace(frame, payload=bytes(payload))
            return encode(lie.type, lie.seq, lie.payload)
        return whole
