"""An ELF file's loaded sections: their sizes, and what goes on a board."""

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


@dataclass(frozen=True)
class LoadedPart:
    """Bytes and the address that they are stored at (where .data lies before it is copied)."""

    address: int
    data: bytes


def read_parts(elf: bytes, where: str) -> list[LoadedPart]:
    """What has to be stored on a board, by ascending address.

    Sections and not segments, because a linker may put the file's own headers into a segment.

    Raises:
        BuildError: not an ELF file, a damaged one, or one that stores nothing.
    """
    again = f"{where}: not a whole ELF file; build it again"
    parts = []
    try:
        file = ELFFile(io.BytesIO(elf))
        segments = [segment for segment in file.iter_segments() if segment["p_type"] == "PT_LOAD"]
        for section in file.iter_sections():
            stored = section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_size"]
            if not stored or section["sh_type"] == "SHT_NOBITS":
                continue
            offset, size = section["sh_offset"], section["sh_size"]
            data = elf[offset : offset + size]
            home = [
                segment["p_paddr"] + offset - segment["p_offset"]
                for segment in segments
                if 0 <= offset - segment["p_offset"] <= segment["p_filesz"] - size
            ]
            if not home or len(data) != size:
                raise BuildError(again)
            parts.append(LoadedPart(home[0], data))
    except (ELFError, UnicodeDecodeError, ValueError) as error:
        raise BuildError(again) from error
    if not parts:
        raise BuildError(again)
    return sorted(parts, key=lambda part: part.address)
