"""Standard .tflite graphs -> .tflite graphs for an Arm Ethos-U, by Vela, with a report."""

from edgesdk_converters.npu.compile import ETHOSU, Compiled, compile_npu, describe
from edgesdk_converters.npu.table import NpuOperator
from edgesdk_converters.npu.vela import VELA_VERSION, VelaConfig

__all__ = [
    "ETHOSU",
    "VELA_VERSION",
    "Compiled",
    "NpuOperator",
    "VelaConfig",
    "compile_npu",
    "describe",
]
