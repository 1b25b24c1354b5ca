"""Sizes of an ELF file's loaded sections."""

import io
from dataclasses import dataclass

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from edgesdk.errors import BuildError


@dataclass(frozen=True)
class Sizes:
    """Bytes as the `size` tool counts them: text includes read-only data, bss has no content."""

    text: int
    data: int
    bss: int


def read_sizes(elf: bytes, where: str) -> Sizes:
    """Sum the allocated sections.

    Raises:
        BuildError: not an ELF file, or a damaged one.
    """
    sizes = {"text": 0, "data": 0, "bss": 0}
    try:
        for section in ELFFile(io.BytesIO(elf)).iter_sections():
            flags = section["sh_flags"]
            if flags & SH_FLAGS.SHF_ALLOC:
                empty = section["sh_type"] == "SHT_NOBITS"
                part = "bss" if empty else "data" if flags & SH_FLAGS.SHF_WRITE else "text"
                sizes[part] += section["sh_size"]
    except (ELFError, UnicodeDecodeError, ValueError) as error:
        raise BuildError(f"{where}: not a whole ELF file; build it again") from error
    return Sizes(**sizes)
