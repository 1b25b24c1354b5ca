"""Sizes of an ELF file's loaded sections, 32 or 64 bit (System V gABI, chapter 4)."""

import struct
from dataclasses import dataclass

from edgesdk.errors import BuildError

_SHT_NOBITS = 8
_SHF_WRITE = 1
_SHF_ALLOC = 2


@dataclass(frozen=True)
class Sizes:
    """Bytes as the `size` tool counts them: text includes read-only data, bss has no content."""

    text: int
    data: int
    bss: int


def read_sizes(elf: bytes, where: str) -> Sizes:
    """Sum the allocated sections.

    Raises:
        BuildError: not a little-endian ELF file, or truncated.
    """
    if elf[:4] != b"\x7fELF" or len(elf) < 52 or elf[5] != 1:
        raise BuildError(f"{where}: not a little-endian ELF file; build it again")
    wide = elf[4] == 2
    try:
        table = struct.unpack_from("<Q" if wide else "<I", elf, 40 if wide else 32)[0]
        entry_bytes, count = struct.unpack_from("<HH", elf, 58 if wide else 46)
        sizes = {"text": 0, "data": 0, "bss": 0}
        for i in range(count):
            at = table + i * entry_bytes
            kind = struct.unpack_from("<I", elf, at + 4)[0]
            flags, size = (
                (
                    struct.unpack_from("<Q", elf, at + 8)[0],
                    struct.unpack_from("<Q", elf, at + 32)[0],
                )
                if wide
                else struct.unpack_from("<I8xI", elf, at + 8)[:1]
                + struct.unpack_from("<I", elf, at + 20)
            )
            if flags & _SHF_ALLOC:
                part = "bss" if kind == _SHT_NOBITS else "data" if flags & _SHF_WRITE else "text"
                sizes[part] += size
    except struct.error as error:
        raise BuildError(f"{where}: ELF section table is truncated; build it again") from error
    return Sizes(**sizes)
