"""A device that speaks as badly as a test wants, behind a socket or a pseudo-terminal."""

import contextlib
import os
import socket
import struct
import threading
import tty
from collections.abc import Callable
from dataclasses import dataclass

import serial
from edgesdk.link.frames import Decoder, Frame, encode
from edgesdk.link.messages import PROTOCOL_VERSION, Message
from serial.rfc2217 import PortManager

NO_BOOT = struct.pack("<9I", *[0] * 9)


def identity(board: str = "host", protocol: int = PROTOCOL_VERSION) -> bytes:
    """Payload of an IDENTITY answer with a recogniser on board."""
    head = struct.pack("<8IiI", protocol, 0, 0, 4096, 65536, 1 << 20, 1 << 20, 1, 0, 64)
    name = board.encode()
    return head + b"digestxx" + NO_BOOT + bytes([len(name)]) + name + b"\x04test" + b"\x01\x01"


def status(code: int, request: int) -> bytes:
    """Payload of STATUS."""
    return struct.pack("<iB", code, request)


Reply = Callable[[Frame], bytes | None]  # None: the port vanishes


def well_behaved(frame: Frame) -> bytes:
    """Right answers of an idle recogniser that hears nothing."""
    answers = {
        Message.HELLO: (Message.IDENTITY, identity()),
        Message.PING: (Message.PONG, frame.payload),
        Message.FINISH: (Message.FINAL, struct.pack("<i4I", 0, 0, 0, 0, 0)),
        Message.AUDIO: (Message.AUDIO_TAKEN, struct.pack("<iI", 0, 0)),
    }
    kind, payload = answers.get(Message(frame.type), (Message.STATUS, status(0, frame.type)))
    return encode(kind, frame.seq, payload)


@dataclass
class FakeDevice:
    """Answers frames by `reply` until it is closed; `url` is what pyserial opens."""

    reply: Reply = well_behaved
    first_words: bytes = b""
    scheme: str = "socket"  # or rfc2217: the telnet protocol of serial servers
    url: str = ""

    def __enter__(self) -> "FakeDevice":
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()
        self.url = f"{self.scheme}://{host}:{port}"
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._listener.close()
        self._thread.join(5)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        self._listener.settimeout(5)
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(0.05)
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        decoder = Decoder(4096)
        telnet, words = None, self.first_words
        if self.scheme == "rfc2217":
            telnet = PortManager(serial.serial_for_url("loop://"), _Writer(connection))
        while not self._done.is_set():
            try:
                data = connection.recv(4096)
            except TimeoutError:
                continue
            if not data:
                return
            connection.sendall(words)
            words = b""
            if telnet is not None:
                data = b"".join(telnet.filter(data))
            for frame in decoder.feed(data):
                if not isinstance(frame, Frame):
                    continue
                answer = self.reply(frame)
                if answer is None:
                    return
                connection.sendall(answer if telnet is None else b"".join(telnet.escape(answer)))


class _Writer:
    """What PortManager calls a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.write = connection.sendall


class PtyDevice:
    """A device on a pseudo-terminal, to be pulled out; or one that never reads."""

    def __init__(self, *, serves: bool = True) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.url = os.ttyname(slave)
        self._slave = slave
        self._thread = threading.Thread(target=self._serve, daemon=True)
        if serves:
            self._thread.start()

    def _serve(self) -> None:
        decoder = Decoder(4096)
        with contextlib.suppress(OSError):
            while data := os.read(self._master, 4096):
                for frame in decoder.feed(data):
                    if isinstance(frame, Frame) and frame.type == Message.FINISH:
                        os.close(self._master)
                        return
                    if isinstance(frame, Frame):
                        os.write(self._master, well_behaved(frame))

    def release(self) -> None:
        """Give up our hold of the slave, so that closing the master hangs up."""
        os.close(self._slave)
