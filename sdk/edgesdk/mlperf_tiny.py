"""Bundles behind MLPerf Tiny's protocol (docs/mlperf-tiny.md): what may be, and what it takes."""

from edgesdk.bundle import Bundle
from edgesdk.errors import BundleError

PROTOCOL = "mlperf-tiny"
# The benchmark whose host sends float32 and wants the mean square error of the output: values of
# its int8 input, which is also its output (firmware_templates/app/mlperf_tiny/model.c: ad01).
AD01_VALUES = 640
FLOAT_BYTES = 4


def check_single(bundle: Bundle) -> None:
    """Refuse what no bench can drive.

    Raises:
        BundleError: a recogniser: its audio would come by I2S, its detections go by pins.
    """
    if bundle.is_recogniser:
        raise BundleError(
            f"{bundle.source}: holds a recogniser, which --protocol {PROTOCOL} cannot drive; flash "
            "a bundle of a single graph, or leave --protocol out"
        )


def host_bytes(bundle: Bundle) -> int:
    """Bytes of the workspace that hold the host's input beside arena and states."""
    plan = bundle.graphs["net"]
    size = sum(port.size_bytes for port in plan.inputs)
    ports = [(port.dtype, port.size_bytes) for port in (*plan.inputs, *plan.outputs)]
    if ports == [("int8", AD01_VALUES)] * 2 and plan.inputs[0].scale > 0:
        return size + size * FLOAT_BYTES
    return size
