"""The boot loader of an ESP32-C3 on a socket: esptool talks to it and writes its flash.

Espressif, "Serial Protocol" (docs.espressif.com, esptool): SLIP frames, commands of the ROM and of
the stub that esptool uploads, which is not run: from then on this peer answers as the stub does.
"""

import hashlib
import socket
import struct
import threading
import zlib

FLASH_BYTES = 0x40_0000
CHIP_ID = 5  # ESP32-C3
SPI_W0 = 0x6000_2058  # first data word of the flash controller
JEDEC = 0x16_40C8  # GigaDevice, 4 MiB
END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
SYNC, READ_REG, MEM_END, SECURITY = 0x08, 0x0A, 0x06, 0x14
BEGIN, DATA, DEFLATED_BEGIN, DEFLATED_DATA, MD5, ERASE = 0x02, 0x03, 0x10, 0x11, 0x13, 0xD0


def _frame(data: bytes) -> bytes:
    escaped = data.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return bytes([END]) + escaped + bytes([END])


class EspPeer(threading.Thread):
    """One chip; `flash` is what it holds, `sleeping` makes it silent."""

    def __init__(self) -> None:
        """Listens at once, on `self.url`."""
        super().__init__(daemon=True)
        self.flash = bytearray(b"\xff" * FLASH_BYTES)
        self.chip_id = CHIP_ID
        self.sleeping = False
        self.rotten = False  # one bit of what is written is lost
        self.erased = 0
        self._stub = False
        self._place, self._inflate = 0, zlib.decompressobj()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self.start()

    def run(self) -> None:
        """Serve one host after another."""
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            with link:
                self._stub = False
                try:
                    self._serve(link)
                except OSError:
                    continue

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _serve(self, link: socket.socket) -> None:
        pending = b""
        while data := link.recv(65536):
            if self.sleeping:
                continue
            *frames, pending = (pending + data).split(bytes([END]))
            for frame in frames:
                whole = frame.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
                if len(whole) >= 8 and whole[0] == 0:
                    link.sendall(self._answer(whole))

    def _answer(self, frame: bytes) -> bytes:
        _, command, _, _ = struct.unpack_from("<BBHI", frame)
        value, data = self._do(command, frame[8:])
        status = bytes(2 if self._stub else 4)
        said = struct.pack("<BBHI", 1, command, len(data) + len(status), value) + data + status
        if command == SYNC:
            return _frame(said) * 8
        if command == MEM_END:
            self._stub = True
            return _frame(said) + _frame(b"OHAI")
        return _frame(said)

    def _do(self, command: int, body: bytes) -> tuple[int, bytes]:
        """What a command returns: a value and data."""
        if command == SYNC:
            return 0x2012_0707, b""  # the ROM's; the stub says 0
        if command == READ_REG:
            (address,) = struct.unpack_from("<I", body)
            return (JEDEC if address == SPI_W0 else 0), b""
        if command == SECURITY:
            return 0, struct.pack("<IB7sII", 0, 0, bytes(7), self.chip_id, 0)
        if command in (BEGIN, DEFLATED_BEGIN):
            _, _, _, self._place = struct.unpack_from("<4I", body)
            self._inflate = zlib.decompressobj()
        elif command == DATA:
            self._write(body[16:])
        elif command == DEFLATED_DATA:
            self._write(self._inflate.decompress(body[16:]))
        elif command == MD5:
            start, size = struct.unpack_from("<2I", body)
            digest = hashlib.md5(self.flash[start : start + size])
            return 0, digest.digest() if self._stub else digest.hexdigest().encode()
        elif command == ERASE:
            self.flash[:] = b"\xff" * FLASH_BYTES
            self.erased += 1
        return 0, b""

    def _write(self, data: bytes) -> None:
        if self.rotten and data:
            data = bytes([data[0] ^ 1]) + data[1:]
        self.flash[self._place : self._place + len(data)] = data
        self._place += len(data)
