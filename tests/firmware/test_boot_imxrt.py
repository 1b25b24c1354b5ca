"""The header that the boot ROM of an i.MX RT reads, by the offsets of IMXRT1060RM, System Boot."""

import struct
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "firmware_templates/ports/cortex_m/boot_imxrt.c"
FLASH, IVT, VECTORS = 0x6000_0000, 0x1000, 0x2000

pytestmark = pytest.mark.needs_gcc


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("boot")
    made, content = folder / "boot.o", folder / "boot.bin"
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m7", "-mthumb", "-std=c11", "-Wall", "-Wextra"]
    subprocess.run([*command, "-Werror", "-c", str(SOURCE), "-o", str(made)], check=True)
    command = ["arm-none-eabi-objcopy", "-O", "binary", "-j", ".boot", str(made), str(content)]
    subprocess.run(command, check=True)
    return content.read_bytes()


def _word(header: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", header, at)[0])


def test_flash_is_read_as_the_kits_are(header: bytes) -> None:
    assert header[:4] == b"FCFB"
    assert _word(header, 0x04) == 0x5601_0400
    assert header[0x0C:0x10] == bytes([1, 3, 3, 0])  # DQS loopback, hold, set-up, no columns
    assert header[0x10] == 0  # no mode to configure
    assert _word(header, 0x40) == 1 << 4
    assert header[0x44:0x48] == bytes([1, 4, 7, 0])  # NOR, 4 pads, 120 MHz
    assert struct.unpack_from("<4I", header, 0x50) == (8 << 20, 0, 0, 0)
    assert struct.unpack_from("<2I", header, 0x80) == (0x0A18_04EB, 0x2604_3206)  # EBh, 6 dummies
    assert _word(header, 0x80 + 16 * 1) == 0x2404_0405
    assert _word(header, 0x80 + 16 * 3) == 0x0406
    assert _word(header, 0x80 + 16 * 5) == 0x0818_0420
    assert struct.unpack_from("<2I", header, 0x80 + 16 * 9) == (0x0818_0402, 0x2004)
    assert struct.unpack_from("<2I", header, 0x1C0) == (256, 4096)
    assert header[0x1C8] == 1
    assert _word(header, 0x1CC + 4) == 65536


def test_image_begins_with_the_vectors_behind_the_header(header: bytes) -> None:
    assert len(header) == VECTORS
    assert header[IVT : IVT + 4] == bytes([0xD1, 0x00, 0x20, 0x41])  # tag, length 32, version
    fields = struct.unpack_from("<7I", header, IVT + 4)
    assert fields == (FLASH + VECTORS, 0, 0, FLASH + IVT + 32, FLASH + IVT, 0, 0)
    assert struct.unpack_from("<3I", header, IVT + 32) == (FLASH, 8 << 20, 0)
