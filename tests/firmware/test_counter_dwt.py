"""The cycle counter of a Cortex-M (Arm DDI 0403 C1.8), also once a debugger has turned it off."""

import ctypes
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PORTS = HERE.parents[1] / "firmware_templates/ports"
DEMCR, CTRL, CYCCNT, LAR = 0xE000EDFC, 0xE0001000, 0xE0001004, 0xE0001FB0
TRCENA, CYCCNTENA = 1 << 24, 1
READ = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)
WRITE = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)

pytestmark = pytest.mark.needs_cc


class Dwt:
    """Counts 10 cycles with every access, if it is unlocked as a Cortex-M7's, traced and on."""

    def __init__(self) -> None:
        self.demcr = self.control = self.cycles = 0
        self.unlocked = False

    def read(self, address: int, _bytes: int) -> int:
        on = self.demcr & TRCENA and self.control & CYCCNTENA
        self.cycles += 10 if on else 0
        return {DEMCR: self.demcr, CTRL: self.control, CYCCNT: self.cycles}[address]

    def write(self, address: int, _bytes: int, value: int) -> None:
        if address == DEMCR:
            self.demcr = value
        elif not self.demcr & TRCENA:
            return
        elif address == LAR:
            self.unlocked = value == 0xC5AC_CE55
        elif self.unlocked and address == CTRL:
            self.control = value
        elif self.unlocked and address == CYCCNT:
            self.cycles = value


def _library(folder: Path) -> ctypes.CDLL:
    """counter_dwt.c as a shared library."""
    driver = folder / "counter_dwt.c"  # apart from the ports, whose core.h it would find first
    driver.write_text((PORTS / "cortex_m/counter_dwt.c").read_text(encoding="utf-8"))
    (folder / "core.h").write_text("", encoding="utf-8")
    (folder / "counter.h").write_text((PORTS / "bare/counter.h").read_text(encoding="utf-8"))
    command = ["g++", "-std=c++20", "-O1", "-w", "-shared", "-fPIC", "-x", "c++", f"-I{folder}"]
    command += [f'-DDRIVER="{driver}"', "-o", str(folder / "counter.so")]
    subprocess.run([*command, str(HERE / "counter_model.hpp")], check=True)
    return ctypes.CDLL(str(folder / "counter.so"))


def test_it_counts_also_after_a_debugger_has_gone(tmp_path: Path) -> None:
    dwt, library = Dwt(), _library(tmp_path)
    read, write = READ(dwt.read), WRITE(dwt.write)
    library.model_attach(read, write)
    dwt.cycles = 1 << 30  # whatever it holds after power-on
    library.model_init()
    first = library.model_read()
    assert 0 < first < 100, "from zero"
    assert library.model_read() > first
    dwt.demcr = 0  # pyOCD: CortexM.disconnect
    found = library.model_read()
    assert 0 < found < 1000, "goes on where it was"
    assert library.model_read() > found
