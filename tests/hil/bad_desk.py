"""An emulated board behind a socket or a serial server, with a fault of one's choice each time."""

import contextlib
import random
import select
import socket
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import serial
from edgesdk.board import load_board
from edgesdk.errors import EdgeError
from edgesdk.flash.store import Flashed
from edgesdk.link.frames import Decoder, Frame, encode
from edgesdk.link.messages import Message
from edgesdk.link.power import power_on
from edgesdk.link.transport import Transport
from serial.rfc2217 import PortManager

MIDST = 60  # frames of the host after which faults of the midst begin
TURN_S = 0.002
FAULTS = (
    *("absent", "mute", "babble", "silence", "gone", "killed", "noise", "reboot", "corrupt"),
    *("stranger", "lie"),
)


class BadDesk:
    """Serves one connection after the other, the n-th with the n-th fault of `plan`; then none.

    The board runs `flashed`, or what `flash_command` has brought since.
    """

    def __init__(
        self, flashed: Flashed, plan: Sequence[str | None] = (), scheme: str = "socket"
    ) -> None:
        assert {*plan} <= {None, *FAULTS}
        self._flashed = flashed
        self._plan = list(plan)
        self._scheme = scheme
        self._slot: Path | None = None
        self.connections = 0

    def flash_command(self, slot: Path) -> list[str]:
        """A desk's `flash`: from now on the board runs what this leaves in `slot`."""
        slot.mkdir()
        self._slot = slot
        script = 'cp "$1" "$0/firmware" && cp "$2" "$0/image"'
        return ["sh", "-c", script, str(slot), "{firmware}", "{image}"]

    def __enter__(self) -> "BadDesk":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{self._scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
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
                        line = (_Telnet if self._scheme == "rfc2217" else _Line)(connection)
                        _Connection(line, self._content(), fault).serve()

    def _content(self) -> Flashed:
        if self._slot is None or not (self._slot / "firmware").is_file():
            return self._flashed
        image = self._slot / "image"
        there = image if image.stat().st_size else None
        return replace(self._flashed, firmware=self._slot / "firmware", image=there)


class _Line:
    """Bytes to and from the host."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def read(self) -> bytes | None:
        """What waits, perhaps nothing; None once the host has gone."""
        if not select.select([self.connection], [], [], 0)[0]:
            return b""
        return self.connection.recv(65536) or None

    def write(self, data: bytes) -> None:
        """Send all of it."""
        self.connection.sendall(data)


class _Telnet(_Line):
    """The same by RFC 2217, as a serial server would."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self._manager = PortManager(serial.serial_for_url("loop://"), _Line(connection))

    def read(self) -> bytes | None:
        """What waits, without what is the server's."""
        data = super().read()
        return data if data is None else b"".join(self._manager.filter(data))

    def write(self, data: bytes) -> None:
        """Send all of it, escaped."""
        super().write(b"".join(self._manager.escape(data)))


class _Connection:
    """The board and its host, with us in between."""

    def __init__(self, line: _Line, flashed: Flashed, fault: str | None) -> None:
        self._line = line
        self._flashed = flashed
        self._fault = fault
        self._asked = self._answered = 0  # frames
        self._generator = random.Random(6)

    def serve(self) -> None:
        """Until either side ends."""
        self._board = self._power_on()
        try:
            with contextlib.suppress(OSError, EdgeError):
                self._pass_on()
        finally:
            self._board.close()

    def _power_on(self) -> Transport:
        self._said = Decoder(65536)
        return power_on(load_board(self._flashed.board), self._flashed)

    def _pass_on(self) -> None:
        host = Decoder(65536)
        while (data := self._line.read()) is not None:
            for frame in host.feed(data):
                if isinstance(frame, Frame) and not self._ask(frame):
                    return
            for said in self._said.feed(self._board.read(TURN_S)):
                if isinstance(said, Frame):
                    self._line.write(self._spoilt(said))

    def _ask(self, frame: Frame) -> bool:
        """Pass a frame on to the board; False where the connection is to end."""
        self._asked += 1
        if self._asked == MIDST:
            if self._fault == "gone":
                return False
            if self._fault == "killed":
                self._board.process.kill()  # type: ignore[attr-defined]
            if self._fault == "reboot":
                self._board.close()
                self._board = self._power_on()
        self._board.write(encode(frame.type, frame.seq, frame.payload), 10)
        return True

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
        if self._fault == "stranger" and frame.type == Message.IDENTITY:
            mine = self._flashed.firmware_id.encode()
            return encode(frame.type, frame.seq, frame.payload.replace(mine, mine[::-1]))
        if self._fault == "lie" and frame.type == Message.LOGITS:
            return encode(frame.type, frame.seq, _with_last_bit_flipped(frame.payload))
        return whole


def _with_last_bit_flipped(payload: bytes) -> bytes:
    return payload[:-1] + bytes([payload[-1] ^ 0x01])
