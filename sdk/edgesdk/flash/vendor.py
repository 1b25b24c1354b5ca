"""For boards that only their maker's tool can write: files, and what to do with them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from edgesdk.board.flash import Flash
from edgesdk.flash.job import FlashJob, hex_file, piece_files
from edgesdk.flash.uf2_file import UF2, uf2_file

ELF, HEX, IMAGE = "firmware.elf", "firmware.hex", "model.image"


def vendor_files(job: FlashJob, flash: Flash) -> dict[str, Callable[[], bytes]]:
    """Everything that a tool could want, by name; the steps name some of them."""
    files: dict[str, Callable[[], bytes]] = {HEX: partial(hex_file, job), **piece_files(job)}
    if job.firmware is not None:
        files[ELF] = job.firmware.read_bytes
    if job.image is not None:
        files[IMAGE] = partial(bytes, job.image)
    family = flash.uf2 or flash.picotool
    if family is not None:
        files[UF2] = partial(uf2_file, job.pieces, family.family)
    return files


def vendor_steps(flash: Flash, folder: Path) -> str:
    """What the board file says to do, with the paths of the files."""
    assert flash.vendor is not None
    names = {"firmware": ELF, "hex": HEX, "uf2": UF2, "image": IMAGE}
    steps = flash.vendor.steps.strip()
    for name, file in names.items():
        steps = steps.replace(f"{{{name}}}", str(folder / file))
    return steps.replace("{folder}", str(folder))
