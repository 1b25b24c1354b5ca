"""What Vela did with a graph: kernels, stripes, cascades, rolling buffers, streamed weights."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgesdk.npu.stream import Operation, Value, read_stream

from conformance.compile import Compiled

_KERNELS = ("CONV", "DEPTHWISE", "POOL", "ELEMENTWISE")
_WEIGHTED = ("CONV", "DEPTHWISE")
_INTERNAL = 0x100  # bit of a region: the NPU's own memory


@dataclass(frozen=True)
class Figures:
    """Counts of one stream."""

    words: int
    kernels: int
    striped: int
    """Weighted kernels that run over the rows in several pieces, the weights being the same."""
    cascades: int
    """Of those, kernels between whose pieces other kernels run."""
    tiled: int
    """Operations that find a feature map in more than one tile, as in a rolling buffer."""
    buffered: int
    """Copies into the arena: weights, or what a copy of the graph says."""
    tables: int
    """Copies into the NPU: look-up tables."""


def figures(compiled: Compiled) -> Figures:
    """The counts of a compiled graph."""
    product = compiled.accelerator.split("-")[1]
    operations = read_stream(compiled.words, product, compiled.accelerator)
    kernels = [op for op in operations if op.command.name in _KERNELS]
    copies = [op for op in operations if op.command.name == "DMA_START"]
    tables = sum(bool(_number(op.registers, "DMA0_DST_REGION") & _INTERNAL) for op in copies)
    striped, cascades = _stripes(kernels)
    return Figures(
        len(compiled.words),
        len(kernels),
        striped,
        cascades,
        sum(_tiled(op) for op in kernels),
        len(copies) - tables,
        tables,
    )


def _number(registers: Mapping[str, Value], name: str) -> int:
    value = registers[name]
    assert isinstance(value, int)
    return value


def _stripes(kernels: list[Operation]) -> tuple[int, int]:
    """Weighted kernels in several pieces, and how many of them are interleaved with others.

    Pieces of one kernel share the place of the scales, which no other kernel has.
    """
    places: dict[tuple[int, int, int], list[int]] = {}
    starts: dict[tuple[int, int, int], set[int]] = {}
    for at, op in enumerate(kernels):
        if op.command.name not in _WEIGHTED:
            continue
        names = ("SCALE_REGION", "SCALE_BASE", "WEIGHT_BASE")
        key = tuple(_number(op.registers, name) for name in names)
        assert len(key) == 3
        places.setdefault(key, []).append(at)
        starts.setdefault(key, set()).add(_number(op.registers, "OFM_BASE0"))
    several = [found for key, found in places.items() if len(starts[key]) > 1]
    apart = [found for found in several if found[-1] - found[0] >= len(found)]
    return len(several), len(apart)


def _tiled(op: Operation) -> bool:
    """Whether the input lies in two tiles, one below the other."""
    r = op.registers
    rows = _number(r, "OFM_HEIGHT_M1")
    if op.command.name != "ELEMENTWISE":
        stride = _number(r, "KERNEL_STRIDE")
        step = (stride >> 1 & 1) + ((stride >> 9 & 1) << 1) + 1
        pads = _number(r, "IFM_PAD_TOP") + _number(r, "IFM_PAD_BOTTOM")
        rows = (rows - 1) * step + _number(r, "KERNEL_HEIGHT_M1") - pads
        if _number(r, "IFM_UPSCALE"):
            rows = -(-rows // 2)
    return rows > _number(r, "IFM_HEIGHT0_M1")
