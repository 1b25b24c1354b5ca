"""The .tflite graph that scores end points -> the plan of section GEND."""

import numpy as np
from edgesdk.bundle.endpoint import FEATURES
from edgesdk.bundle.plan import Plan, Port
from edgesdk.errors import ConvertError

from edgesdk_converters.lower.graph import lower_graph


def _fits(port: Port, size: int) -> bool:
    return port.dtype == "int8" and int(np.prod(port.shape)) == size


def lower_scorer(tflite: bytes) -> Plan:
    """The plan of section GEND.

    Raises:
        ConvertError: an operator is not covered, or the graph is not one of int8 features to one
            int8 number without a state.
    """
    plan = lower_graph(tflite, "endpoint.tflite").plan
    one_each = len(plan.inputs) == len(plan.outputs) == 1
    if not one_each or not _fits(plan.inputs[0], len(FEATURES)) or not _fits(plan.outputs[0], 1):
        raise ConvertError(
            f"endpoint.tflite: int8 [1, {len(FEATURES)}] to int8 [1, 1] is needed; train it with "
            "examples/commands/endpoint.py"
        )
    if plan.state_bytes:
        raise ConvertError("endpoint.tflite: has a state, which an end-pointer cannot keep")
    return plan
