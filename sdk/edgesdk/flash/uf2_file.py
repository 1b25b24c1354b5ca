"""UF2 files: blocks of 512 bytes that a boot ROM takes from a drive, in any order.

github.com/microsoft/uf2, README.md: three magic words, flags, address, size, number, count, family.
"""

import struct
from collections.abc import Sequence

from edgesdk.errors import FlashError
from edgesdk.flash.job import ERASED, Piece

UF2 = "firmware.uf2"
PAYLOAD = 256  # bytes of a block that every boot ROM takes
HEADER = struct.Struct("<8I")
BLOCK = 512
START0, START1, END = 0x0A324655, 0x9E5D5157, 0x0AB16F30
HAS_FAMILY = 0x2000


def uf2_file(pieces: Sequence[Piece], family: int) -> bytes:
    """All pieces as one file; what lacks to a whole block is left erased.

    Raises:
        FlashError: a memory does not begin at a multiple of 256.
    """
    for piece in pieces:
        if piece.address % PAYLOAD:
            raise FlashError(
                f"memory {piece.memory!r} begins at 0x{piece.address:08X}, no multiple of "
                f"{PAYLOAD}, as UF2 files need; correct the board file"
            )
    blocks = [
        (piece.address + start, piece.data[start : start + PAYLOAD])
        for piece in pieces
        for start in range(0, len(piece.data), PAYLOAD)
    ]
    made = bytearray()
    for number, (address, data) in enumerate(blocks):
        header = (START0, START1, HAS_FAMILY, address, PAYLOAD, number, len(blocks), family)
        made += HEADER.pack(*header) + data.ljust(PAYLOAD, bytes([ERASED]))
        made += bytes(BLOCK - 4 - HEADER.size - PAYLOAD) + struct.pack("<I", END)
    return bytes(made)
