"""Full-integer .tflite graphs -> plans and bundles."""

from edgesdk_converters.lower.graph import Lowered, lower_graph
from edgesdk_converters.lower.packing import Packing, core_of
from edgesdk_converters.lower.recogniser import lower_recogniser, lower_single

__all__ = [
    "Lowered",
    "Packing",
    "core_of",
    "lower_graph",
    "lower_recogniser",
    "lower_single",
]
