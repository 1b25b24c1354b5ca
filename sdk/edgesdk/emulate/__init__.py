"""Recognisers and single graphs on the laptop, with the device's own C core."""

from edgesdk.emulate.apart import run_tflite_apart
from edgesdk.emulate.recognise import (
    Clip,
    Emulation,
    Emulator,
    Engine,
    default_mode,
    emulate,
    has_whole_results,
    judge_of,
    load_clips,
    npu_of,
)
from edgesdk.emulate.runners import plan_outputs
from edgesdk.emulate.samples import GraphSamples, Step, make_samples, read_samples
from edgesdk.emulate.single import GraphRun, load_array, run_graph, stack_steps
from edgesdk.emulate.tflite import (
    NoInterpreterError,
    TfliteGraph,
    find_interpreter,
    op_outputs,
)
from edgesdk.emulate.transcript import Transcript, make_transcript

__all__ = [
    "Clip",
    "Emulation",
    "Emulator",
    "Engine",
    "GraphRun",
    "GraphSamples",
    "NoInterpreterError",
    "Step",
    "TfliteGraph",
    "Transcript",
    "default_mode",
    "emulate",
    "find_interpreter",
    "has_whole_results",
    "judge_of",
    "load_array",
    "load_clips",
    "make_samples",
    "make_transcript",
    "npu_of",
    "op_outputs",
    "plan_outputs",
    "read_samples",
    "run_graph",
    "run_tflite_apart",
    "stack_steps",
]
