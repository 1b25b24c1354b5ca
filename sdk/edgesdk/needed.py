"""What a bundle needs: kernels and parts of the firmware, and the core it was packed for."""

from edgesdk.board import Board
from edgesdk.build import BuildOptions
from edgesdk.bundle import Bundle
from edgesdk.bundle.layout import BIAS, ENDPOINT, GRAPHS

_PACKED_FOR = {1: "dsp", 2: "mve"}  # layouts of weights (docs/image.md) and what reads them fast


def needed_kernels(bundle: Bundle) -> tuple[str, ...]:
    """Kernels that the bundle's operators need, in the list's order."""
    return tuple(sorted({record.op for plan in bundle.plans for record in plan.records}))


def needed_parts(bundle: Bundle) -> tuple[str, ...]:
    """Parts (`edgesdk.firmware_sources.PARTS`) that the bundle's sections ask for."""
    npu = ("npu",) if "NPU_ETHOSU" in needed_kernels(bundle) else ()
    if not bundle.is_recogniser:
        return npu
    search = bundle.search
    attends = GRAPHS["adapter"] in bundle.sections
    asked = {
        "attention": attends,
        "bias": attends or BIAS in bundle.sections,
        "endpoint": ENDPOINT in bundle.sections,
        "lattice": search.nbest > 0 or search.max_arcs > 0,
    }
    return (*(part for part, wanted in asked.items() if wanted), *npu)


def needed_options(bundle: Bundle) -> BuildOptions:
    """Firmware with what the bundle needs and nothing else."""
    return BuildOptions(kernels=needed_kernels(bundle), parts=needed_parts(bundle))


def layout_note(bundle: Bundle, board: Board) -> str | None:
    """What to say where weights are packed for another class of cores; None where they are not.

    They run everywhere, bit for bit the same, but by plain code: a bundle of a Cortex-M4 took 13
    times the instructions of its own on a Cortex-M55.
    """
    fast = next((isa for isa in ("mve", "dsp") if isa in board.cpu.isa), None)
    layouts = {_PACKED_FOR.get(r.variant) for plan in bundle.plans for r in plan.records}
    others = sorted(isa for isa in layouts if isa is not None and isa != fast)
    if not others or board.cpu.core == "host":
        return None
    return (
        f"{bundle.source}: weights are packed for cores with {' and '.join(others)}, which "
        f"{board.name} runs many times slower than its own; convert with --board {board.name}"
    )
