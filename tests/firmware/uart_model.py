"""UART drivers of ports/bare on the laptop, against models written from the reference manuals.

A driver is compiled as C++, where its EDGE_REG calls the model (uart_model.hpp): flags, side
effects of reads and waits are those of the manual, and no board or emulator is needed.
"""

import ctypes
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
FIRMWARE = HERE.parents[1] / "firmware_templates"
BARE = FIRMWARE / "ports/bare"
WINDOW = 0x1000  # bytes of a peripheral's registers

READ = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)
WRITE = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)
BYTE = ctypes.CFUNCTYPE(None, ctypes.c_uint8)
COUNT = ctypes.CFUNCTYPE(None, ctypes.c_uint32)


class UartModel(ABC):
    """A peripheral as its manual describes it; registers by their offset from the base.

    A transmitter that takes a byte while the one before has not left loses the older one, and
    needs `WAIT` reads of its flags for a byte: a driver that does not wait is found out.
    """

    WAIT = 3
    HOLDS = 1  # received bytes that the peripheral keeps until they are read
    TELLS_LOST = True  # whether it tells that it had no room for more

    def __init__(self, clock_hz: int) -> None:
        self.clock_hz = clock_hz
        self.sent = bytearray()
        self.anchor = 0  # an address near the driver's variables, for a DMA

    @abstractmethod
    def read(self, offset: int, width: int) -> int:
        """A register's value, with the side effects of reading it; `width` in bytes."""

    @abstractmethod
    def write(self, offset: int, width: int, value: int) -> None:
        """A write of `width` bytes; a register or bit that the manual reserves is an error."""

    @abstractmethod
    def arrive(self, byte: int) -> None:
        """A byte comes over the line."""

    @abstractmethod
    def pending(self) -> bool:
        """Whether the receive interrupt is asked for."""

    @abstractmethod
    def baud(self) -> float:
        """Bits a second of the divisor that was set; 0 where transmitter or receiver is off."""


class Driver:
    """A compiled driver with its model; what it hands over is in `received` and `lost`."""

    def __init__(self, library: Path, base: int, model: UartModel) -> None:
        self.model = model
        self.received = bytearray()
        self.lost = 0
        self._base = base
        self.meanwhile: int | None = None  # a byte that comes right after
        self.meanwhile_at = 0  # so many reads of registers and the next one
        self._error: Exception | None = None
        self._library = ctypes.CDLL(str(library))
        self._hooks = (READ(self._read), WRITE(self._write), BYTE(self._byte), COUNT(self._count))
        self._library.model_attach(*self._hooks)
        model.anchor = ctypes.cast(self._library.model_init, ctypes.c_void_p).value or 0

    def init(self) -> None:
        self._call(self._library.model_init)

    def send(self, data: bytes) -> None:
        for byte in data:
            self._call(self._library.model_send, byte)

    def interrupt(self) -> None:
        self._call(self._library.model_interrupt)

    def _call(self, function: Callable[..., int], *values: int) -> None:
        endless = function(*values)
        if self._error is not None:
            raise self._error
        assert not endless, "the driver waits for what never comes"

    def _offset(self, address: int) -> int:
        assert 0 <= address - self._base < WINDOW, f"0x{address:08X} is not this peripheral's"
        return address - self._base

    def _read(self, address: int, width: int) -> int:
        try:
            value = self.model.read(self._offset(address), width)
            if self.meanwhile is not None and self.meanwhile_at == 0:
                self.model.arrive(self.meanwhile)
                self.meanwhile = None
            self.meanwhile_at -= 1
            return value
        except Exception as error:  # cannot pass through C: _call raises it
            self._error = self._error or error
            return 0

    def _write(self, address: int, width: int, value: int) -> None:
        try:
            self.model.write(self._offset(address), width, value)
        except Exception as error:  # cannot pass through C: _call raises it
            self._error = self._error or error

    def _byte(self, byte: int) -> None:
        self.received.append(byte)

    def _count(self, count: int) -> None:
        self.lost += count


def compile_driver(
    source: Path, folder: Path, facts: dict[str, int], harness: str = "uart_model.hpp"
) -> Path:
    """A driver as shared library in `folder`; `facts` are the numbers of edge_board.h."""
    copy = folder / source.name  # apart from ports/bare/core.h, which `#include` would find first
    shutil.copyfile(source, copy)
    (folder / "core.h").write_text("static void edge_core_barrier() {}\n", encoding="utf-8")
    defines = "".join(f"#define {name} {value}u\n" for name, value in facts.items())
    (folder / "edge_board.h").write_text(defines, encoding="utf-8")
    library = folder / f"{source.stem}.so"
    command = ["g++", "-std=c++20", "-O1", "-w", "-shared", "-fPIC", "-x", "c++"]
    command += [
        f"-I{folder}",
        f"-I{BARE}",
        f"-I{source.parent}",
        f'-DDRIVER="{copy}"',
        "-o",
        str(library),
    ]
    subprocess.run([*command, str(HERE / harness)], check=True)
    return library
