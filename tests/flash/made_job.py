"""Things to flash, made by hand: an ELF file, an image, a job for the board of the tests."""

import random
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

from edgesdk.board import Board, load_board
from edgesdk.build import Image
from edgesdk.elf import Sizes
from edgesdk.flash.job import FlashJob, make_job

HERE = Path(__file__).parent
NAME = "simulated-chip"
STACK, ENTRY = 0x2000_8000, 0x0000_0101


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes without a pattern."""
    return random.Random(seed).randbytes(size)


def firmware(size: int, seed: int = 1) -> bytes:
    """Noise behind two words of a vector table."""
    return struct.pack("<II", STACK, ENTRY) + noise(size - 8, seed)


def make_elf(parts: Sequence[tuple[int, bytes]], virtual: int | None = None) -> bytes:
    """An ELF file that stores each part at its address; it runs at `virtual` where that differs.

    As some linkers do, the first segment begins with the file's own headers.
    """
    count = len(parts)
    front = 52 + 32 * count
    segments, sections, content = b"", bytes(40), b""
    for index, (address, data) in enumerate(parts):
        offset = front + len(content)
        run = address if virtual is None else virtual
        extra = front if index == 0 and address >= front else 0
        segments += struct.pack(
            *("<8I", 1, offset - extra, run - extra, address - extra),
            *(len(data) + extra, len(data) + extra, 5, 4),
        )
        sections += struct.pack("<10I", 0, 1, 2, run, offset, len(data), 0, 0, 4, 0)
        content += data
    start = struct.pack(
        *("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 40, 1, 0, 52, front + len(content)),
        *(0x0500_0000, 52, 32, count, 40, count + 1, 0),
    )
    return start + segments + content + sections


def make_board(folder: Path, **replaced: str) -> Board:
    """The board of the tests from a copy of its file; `replaced` texts in it by keyword order."""
    for name in (f"{NAME}.toml", "chip.cfg"):
        shutil.copy(HERE / name, folder)
    path = folder / f"{NAME}.toml"
    text = path.read_text(encoding="utf-8")
    for old, new in zip(
        replaced["old"].split("|") if replaced else (),
        replaced["new"].split("|") if replaced else (),
        strict=True,
    ):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return load_board(path)


def make_image(
    board: Board, folder: Path, parts: Sequence[tuple[int, bytes]], bundle: bytes | None
) -> Image:
    """An image as a build would return it."""
    path = folder / "firmware.elf"
    path.write_bytes(make_elf(parts))
    sizes = Sizes(sum(len(data) for _, data in parts), 0, 0)
    return Image(board, path, "0" * 16, "0" * 64, sizes, "gcc", (), "uart", (), bundle)


def small_job(board: Board, folder: Path, size: int = 3000) -> FlashJob:
    """Firmware and a bundle's image of `size` bytes each."""
    return make_job(make_image(board, folder, [(0, firmware(size))], noise(size, 2)))
