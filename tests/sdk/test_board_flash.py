"""The [flash] table of a board file: every fault in one sentence."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from edgesdk.board.flash import METHODS, Flash, check_flash, read_flash
from edgesdk.errors import BoardError
from edgesdk.toml_table import Table

WHOLE = """
default = "openocd"
reset = "hardware"
source = "UM1472"
[pyocd]
target = "stm32f407vg"
pack = "Keil.STM32F4xx_DFP"
clock_khz = 4000
[openocd]
config = ["board/stm32f4discovery.cfg"]
commands = ["adapter speed 1000"]
[jlink]
device = "STM32F407VG"
interface = "swd"
speed_khz = 4000
[stm32]
external_loader = "MT25.stldr"
[esptool]
chip = "esp32c3"
[[esptool.window]]
base = 0x4200_0000
size_bytes = 0x40_0000
offset = 0
[picotool]
family = 0xe48bff56
[uf2]
family = 0xe48bff56
volume = "RPI-RP2"
[vendor]
steps = "Open {hex} in the maker's tool."
"""
LEAST = 'default = "jlink"\nreset = "none"\nsource = "x"\n'
JLINK = '[jlink]\ndevice = "D"\ninterface = "swd"\nspeed_khz = 4000\n'


@dataclass(frozen=True)
class Region:
    name: str = "flash"
    kind: str = "flash"
    base: int | None = 0x4200_0000
    end: int = 0x4240_0000


def _read(text: str) -> Flash:
    return read_flash(Table(tomllib.loads(text), "b.toml [flash]"))


def _problems(flash: Flash | None, *memories: Region, emulated: bool = False) -> Sequence[str]:
    return list(check_flash(flash, memories, emulated=emulated))


def test_whole_table_is_read() -> None:
    flash = _read(WHOLE)
    assert flash.offered == METHODS and len(METHODS) == 8
    assert flash.pyocd and flash.pyocd.clock_khz == 4000
    assert flash.esptool and flash.esptool.baud == 460_800
    assert flash.uf2 and (flash.uf2.family, flash.uf2.volume) == (0xE48BFF56, "RPI-RP2")
    assert not _problems(flash, Region(), Region("sram", "ram", 0x2000_0000, 0x2002_0000))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LEAST.replace("jlink", "jlnk") + JLINK, "'jlnk' is none of .* did you mean 'jlink'"),
        (LEAST.replace('"none"', '"nrst"') + JLINK, "reset = 'nrst' is none of hardware"),
        (LEAST + JLINK + "speed = 1", "key 'speed' is unknown; did you mean 'speed_khz'"),
        (LEAST + "[openocd]\nconfig = []", "config is empty"),
        (LEAST + "[openocd]\nconfg = ['a']", "'confg' is unknown; did you mean 'config'"),
        (LEAST + JLINK.replace('"D"', '"D 1"'), "must be one word"),
        (LEAST + "[uf2]\nfamily = 0x1_0000_0000\nvolume = 'V'", "exceeds 32 bits"),
        (LEAST + "[uf2]\nfamily = 1\nvolume = ' '", "volume is empty"),
        (LEAST + "[vendor]\nsteps = 'take {hexx}'", "placeholder {hexx}.* did you mean 'hex'"),
        (LEAST + "[pyocd]\ntarget = '?'", "still open"),
        (LEAST + "[pyocd]\ntarget = 'x'\nclock_khz = 0", "must be above 0"),
        (LEAST + "[pyodc]\ntarget = 'x'", "'pyodc' is unknown; did you mean 'pyocd'"),
        (LEAST + "[esptool]\nchip = 'c'\nwindow = [{base = 1, size_bytes = 1, offset = -1}]",
         "offset = -1 must be at least 0"),
    ],
)  # fmt: skip
def test_every_fault_is_told(text: str, said: str) -> None:
    with pytest.raises(BoardError, match=said):
        _read(text)


def test_default_needs_its_table() -> None:
    (problem,) = _problems(_read(LEAST))
    assert "default = 'jlink' has no [flash.jlink] table" in problem and "(none)" in problem
    assert not _problems(_read(LEAST + JLINK))


def test_real_boards_have_it_and_emulated_ones_do_not() -> None:
    assert "real board needs a [flash] table" in _problems(None)[0]
    assert not _problems(None, emulated=True)
    assert "emulated board has no [flash]" in _problems(_read(LEAST + JLINK), emulated=True)[0]


def test_flash_outside_every_window_has_no_offset() -> None:
    flash = _read(WHOLE)
    (problem,) = _problems(flash, Region(end=0x4240_0010))
    assert "memory 'flash' lies in no [[flash.esptool.window]]" in problem
