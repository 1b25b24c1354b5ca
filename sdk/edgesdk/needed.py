"""The firmware that a bundle needs: its kernels and parts."""

from edgesdk.build import BuildOptions
from edgesdk.bundle import Bundle
from edgesdk.bundle.layout import BIAS, ENDPOINT, GRAPHS


def needed_kernels(bundle: Bundle) -> tuple[str, ...]:
    """Kernels that the bundle's operators need, in the list's order."""
    return tuple(sorted({record.op for plan in bundle.plans for record in plan.records}))


def needed_parts(bundle: Bundle) -> tuple[str, ...]:
    """Parts of the firmware (`edgesdk.build.PARTS`) that the bundle's sections ask for."""
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
