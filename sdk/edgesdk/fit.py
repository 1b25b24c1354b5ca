"""What a bundle and its firmware take of each memory of a board, and whether that fits."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgesdk.board import Board, Memory
from edgesdk.bundle import Bundle
from edgesdk.elf import Sizes
from edgesdk.errors import FitError
from edgesdk.mlperf_tiny import PROTOCOL as MLPERF_TINY
from edgesdk.mlperf_tiny import host_bytes
from edgesdk.npu.accelerators import accelerator_of

# Names of parts; every other part is a buffer of the workspace.
WHOLE_PARTS = ("firmware", "variables", "stack", "image", "link")


@dataclass(frozen=True)
class MemoryUse:
    """Bytes of one memory of the board, and what they are spent on."""

    memory: str
    size_bytes: int
    parts: tuple[tuple[str, int], ...]

    @property
    def used_bytes(self) -> int:
        """Sum of the parts."""
        return sum(size for _, size in self.parts)


def _parts(
    memory: Memory, board: Board, bundle: Bundle, firmware: Sizes | None, protocol: str
) -> list[tuple[str, int]]:
    parts: list[tuple[str, int]] = []
    if "code" in memory.holds and firmware is not None:
        parts.append(("firmware", firmware.text + firmware.data))
    if "data" in memory.holds and firmware is not None:
        # The stack is a section without content, which the sizes count as bss.
        stack = board.stack_bytes if "stack" in memory.holds else 0
        parts.append(("variables", firmware.data + firmware.bss - stack))
    if "stack" in memory.holds:
        parts.append(("stack", board.stack_bytes))
    if "workspace" in memory.holds:
        parts += [(it.name, it.size_bytes) for it in bundle.memory() if it.size_bytes]
        if protocol == MLPERF_TINY:
            parts.append(("host's bytes", host_bytes(bundle)))
    if "model" in memory.holds:
        parts.append(("image", len(bundle.device_bytes())))
    if "mailbox" in memory.holds:
        parts.append(("link", memory.size_bytes))
    return parts


def memory_use(
    board: Board, bundle: Bundle, firmware: Sizes | None = None, protocol: str = "edgesdk"
) -> tuple[MemoryUse, ...]:
    """Each memory of the board with what it will hold; code only where `firmware` is known.

    `protocol` is what the firmware speaks (edgesdk.firmware_sources.PROTOCOLS).
    """
    uses = []
    for memory in board.memories:
        parts = _parts(memory, board, bundle, firmware, protocol)
        if parts:
            uses.append(MemoryUse(memory.name, memory.size_bytes, tuple(parts)))
    return tuple(uses)


def peak_of(bundle: Bundle) -> str:
    """The operator and the tensors that make the arena as large as it is."""
    role = max(bundle.roles, key=lambda role: bundle.graphs[role].arena_bytes)
    peak = bundle.debug.get(role, {}).get("peak", {})
    if not peak:
        return f"{role}, arena of {bundle.graphs[role].arena_bytes:,} bytes"
    tensors = " + ".join(f"{tensor['name']} {tensor['bytes']:,}" for tensor in peak["tensors"][:3])
    more = f" + {len(peak['tensors']) - 3} more" if len(peak["tensors"]) > 3 else ""
    operator = bundle.debug[role]["ops"][peak["op"]]["tflite_op"]
    return f"{role}, {operator} (operator {peak['op']}): {tensors}{more}, {peak['bytes']:,} bytes"


def check_npu(board: Board, bundle: Bundle) -> None:
    """Refuse a bundle with steps for an NPU that the board does not have.

    Raises:
        FitError: names the bundle's NPU and the board's.
        NpuError: the bundle's is not known.
    """
    if bundle.npu_config is None:
        return
    wanted = accelerator_of(bundle.npu_config).name
    has = None if board.npu is None else board.npu.accelerator
    if wanted != has:
        raise FitError(
            f"{bundle.source}: does not fit {board.name}: it was compiled for {wanted}, the board "
            f"has {has or 'no NPU'}; convert the model for this board"
        )


def _has_buffers(use: MemoryUse) -> bool:
    """Whether buffers of the workspace lie there."""
    return any(name not in WHOLE_PARTS for name, _ in use.parts)


def _shortage(use: MemoryUse) -> str:
    """What is missing in a memory, and the parts that take the most of it."""
    parts = sorted(use.parts, key=lambda part: -part[1])[:3]
    largest = ", ".join(f"{name} {size}" for name, size in parts)
    return (
        f"memory {use.memory!r} has {use.size_bytes} bytes, {use.used_bytes} are needed "
        f"({largest}): {use.used_bytes - use.size_bytes} bytes missing"
    )


def check_fit(board: Board, bundle: Bundle, uses: Sequence[MemoryUse]) -> None:
    """Refuse what does not fit.

    Raises:
        FitError: names every memory, the missing bytes and the peak tensor; or the NPU.
    """
    check_npu(board, bundle)
    short = [use for use in uses if use.used_bytes > use.size_bytes]
    if not short:
        return
    # The peak is what the workspace is short of; an image too large is none of its doing.
    peak = [f"peak of the arena: {peak_of(bundle)}"] if any(map(_has_buffers, short)) else []
    found = "; ".join([*map(_shortage, short), *peak])
    raise FitError(
        f"{bundle.source}: does not fit {board.name}: {found}; take a smaller model or a larger "
        "board"
    )
