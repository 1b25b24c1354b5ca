"""What goes where in a real board's flash: the firmware's segments and the bundle's image."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgesdk.board import Board, Memory
from edgesdk.build import Image
from edgesdk.elf import LoadedPart, read_parts
from edgesdk.errors import BuildError

ERASED = 0xFF
FIRMWARE, IMAGE = "firmware", "bundle"


@dataclass(frozen=True)
class Piece:
    """What one memory gets from its base on."""

    memory: str
    address: int
    data: bytes
    holds: tuple[str, ...]  # FIRMWARE, IMAGE

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.address + len(self.data)

    @property
    def file(self) -> str:
        """Its name as a file."""
        return f"{self.memory}.bin"


@dataclass(frozen=True)
class FlashJob:
    """All that is written on one board; pieces ascend and lie apart."""

    board: Board
    pieces: tuple[Piece, ...]
    firmware: Path | None  # the ELF file; None where nothing was built
    image: bytes | None  # the bundle as a device takes it

    @property
    def image_in_flash(self) -> bool:
        """Whether the bundle is written too; else it is to be loaded over the link."""
        return any(IMAGE in piece.holds for piece in self.pieces)

    @property
    def size_bytes(self) -> int:
        """Bytes that are written."""
        return sum(len(piece.data) for piece in self.pieces)


def flash_memories(board: Board) -> tuple[Memory, ...]:
    """The memories that keep what is written without power."""
    return tuple(memory for memory in board.memories if memory.kind == "flash")


def make_job(image: Image, *, in_ram: bool = False) -> FlashJob:
    """Place a built firmware and its bundle; `in_ram` allows a firmware that runs from RAM.

    Raises:
        BuildError: a part lies outside the board's flash, or two parts overlap.
    """
    board = image.board
    parts = [
        (part, FIRMWARE) for part in read_parts(image.firmware.read_bytes(), str(image.firmware))
    ]
    model = board.memory("model")
    if image.bundle is not None and model.kind == "flash":
        parts.append((LoadedPart(model.base or 0, image.bundle), IMAGE))
    by_memory: dict[str, list[tuple[LoadedPart, str]]] = {}
    for part, what in parts:
        by_memory.setdefault(_home(board, part, what, in_ram=in_ram).name, []).append((part, what))
    pieces = [
        _piece(board, memory, by_memory[memory.name])
        for memory in sorted(board.memories, key=lambda memory: memory.base or 0)
        if memory.name in by_memory
    ]
    return FlashJob(board, tuple(pieces), image.firmware, image.bundle)


def planned_job(board: Board, *, in_ram: bool = False) -> FlashJob:
    """The job of a firmware that was not built: the right places, without content."""
    places: dict[Memory, tuple[str, ...]] = {board.memory("code"): (FIRMWARE,)}
    model = board.memory("model")
    if model.kind == "flash":
        places[model] = (*places.get(model, ()), IMAGE)
    pieces = [
        Piece(memory.name, memory.base or 0, b"", holds)
        for memory, holds in sorted(places.items(), key=lambda place: place[0].base or 0)
        if in_ram or memory.kind == "flash"
    ]
    return FlashJob(board, tuple(pieces), None, None)


def _home(board: Board, part: LoadedPart, what: str, *, in_ram: bool) -> Memory:
    """The memory that a part lies in."""
    end = part.address + len(part.data)
    place = f"the {what}'s part at 0x{part.address:08X}..0x{end - 1:08X}"
    for memory in board.memories:
        if memory.base is not None and memory.base <= part.address < memory.end:
            if end > memory.end:
                raise BuildError(
                    f"{board.name}: {place} ends beyond memory {memory.name!r}; correct the board "
                    "file"
                )
            if memory.kind != "flash" and not in_ram:
                raise BuildError(
                    f"{board.name}: {place} lies in memory {memory.name!r}, which is RAM and "
                    "forgets it at reset; place code in a memory of kind flash"
                )
            return memory
    raise BuildError(f"{board.name}: {place} lies in no memory; correct the board file")


def _piece(board: Board, memory: Memory, parts: list[tuple[LoadedPart, str]]) -> Piece:
    """Parts of one memory, from its base to their end; what lies between them is left erased."""
    base = memory.base or 0
    data = bytearray()
    last = FIRMWARE
    for part, what in sorted(parts, key=lambda pair: pair[0].address):
        start = part.address - base
        if start < len(data):
            raise BuildError(
                f"{board.name}: the {what} at 0x{part.address:08X} overlaps the {last} before it, "
                f"which ends at 0x{base + len(data):08X}; give the model a memory of its own"
            )
        data += bytes([ERASED]) * (start - len(data)) + part.data
        last = what
    return Piece(memory.name, base, bytes(data), tuple(dict.fromkeys(what for _, what in parts)))


def hex_file(job: FlashJob) -> bytes:
    """All pieces as one Intel HEX file."""
    from intelhex import IntelHex  # not for those who emulate only

    made = IntelHex()
    for piece in job.pieces:
        made.frombytes(piece.data, piece.address)
    text = io.StringIO()
    made.write_hex_file(text)
    return text.getvalue().encode()


def piece_files(job: FlashJob) -> dict[str, Callable[[], bytes]]:
    """Each piece as a file of its own."""
    return {piece.file: partial(bytes, piece.data) for piece in job.pieces}
