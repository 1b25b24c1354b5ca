"""A Cortex-M's rest: no interrupt may come between the last look and the sleep."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FIRMWARE = HERE.parents[1] / "firmware_templates"
PORTS = FIRMWARE / "ports"
FACTS = {
    "EDGE_CPU_CLOCK_HZ": "64000000u",
    "EDGE_INTERRUPTS": "32",
    "EDGE_UART_INTERRUPT": "2",
}
RESTS = {0: "off sleep on ", 1: "off ask sleep on ", 2: "off ask on "}

pytestmark = pytest.mark.needs_cc


def _rests(folder: Path, text: str) -> dict[int, str]:
    """What rests for time, for what has not come and for what has come do, in order."""
    source = folder / "core.c"
    source.write_text(text, encoding="utf-8")
    header = (PORTS / "bare/core.h").read_text(encoding="utf-8")
    register = "(*(volatile uint32_t *)(uintptr_t)(address))"
    assert header.count(register) == 1
    (folder / "core.h").write_text(header.replace(register, "(*model_register(address))"))
    shutil.copyfile(PORTS / "cortex_m/cache.h", folder / "cache.h")
    facts = "".join(f"#define {name} {value}\n" for name, value in FACTS.items())
    (folder / "edge_board.h").write_text(facts, encoding="utf-8")
    includes = [folder, PORTS / "bare", FIRMWARE / "runtime/include"]
    command = ["gcc", "-std=gnu11", "-O1", "-w", "-shared", "-fPIC", f'-DSOURCE="{source}"']
    command += [*(f"-I{include}" for include in includes), str(HERE / "core_model.c")]
    subprocess.run([*command, "-o", str(folder / "core.so")], check=True)
    library = ctypes.CDLL(str(folder / "core.so"))
    library.model_rest.restype = ctypes.c_char_p
    done = {}
    for kind in RESTS:
        cycles = ctypes.c_uint32()
        done[kind] = library.model_rest(kind, ctypes.byref(cycles)).decode()
        assert cycles.value > 0
    return done


def test_what_comes_before_the_sleep_keeps_from_it(tmp_path: Path) -> None:
    """Where the sleep stops the timer, a byte that came in between would be waited for for ever."""
    assert _rests(tmp_path, (PORTS / "cortex_m/core.c").read_text(encoding="utf-8")) == RESTS


def test_a_look_before_interrupts_are_off_is_found(tmp_path: Path) -> None:
    text = (PORTS / "cortex_m/core.c").read_text(encoding="utf-8")
    asked = "over != NULL && over()"
    off = "  disable_interrupts();\n"
    at = text.index(off, text.index("uint32_t edge_core_rest("))
    text = (
        text[:at]
        + f"  const bool has = {asked};\n"
        + off
        + text[at + len(off) :].replace(asked, "has", 1)
    )
    assert _rests(tmp_path, text) != RESTS
