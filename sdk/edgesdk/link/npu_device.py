"""The emulated NPU of a board in QEMU: it reaches the memories of the board that a file backs."""

import mmap

import numpy as np
from numpy.typing import NDArray

from edgesdk.board import Board, Memory
from edgesdk.core.npu import EmulatedNpu

SHARED = {"model": mmap.PROT_READ, "workspace": mmap.PROT_READ | mmap.PROT_WRITE}  # by role


class BoardNpu(EmulatedNpu):
    """The accelerator of a board, on its model and workspace."""

    def __init__(self, board: Board, ram: int) -> None:
        """Map what lies in the file descriptor that backs the board's RAM.

        Raises:
            BuildError: the C core cannot be compiled.
        """
        assert board.npu is not None
        super().__init__(board.npu.accelerator)
        self.place(
            {
                memory.base or 0: _array(board, memory, ram, access)
                for memory, access in _memories(board)
            }
        )

    def close(self) -> None:
        """Let go of the board's memory."""
        self.map(())


def _memories(board: Board) -> list[tuple[Memory, int]]:
    """Each memory that the NPU reaches, with what it may do there."""
    access: dict[str, tuple[Memory, int]] = {}
    for role, may in SHARED.items():
        memory = board.memory(role)
        access[memory.name] = memory, may | access.get(memory.name, (memory, 0))[1]
    return list(access.values())


def _array(board: Board, memory: Memory, ram: int, access: int) -> NDArray[np.uint8]:
    offset = board.ram_offset(memory.base)
    shared = mmap.mmap(ram, memory.size_bytes, offset=offset, prot=access)
    return np.frombuffer(shared, np.uint8)
