"""Graphs that Vela compiled, for `edgesdk emulate`; needs the converters."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
from edgesdk_converters.lower import lower_single
from edgesdk_converters.lower.graph import lower_graph
from edgesdk_converters.npu import VelaConfig, compile_npu
from edgesdk_converters.tflite.read import read_tflite

from edgesdk.cli.describe_models import npu_streams
from edgesdk.core import Graph
from edgesdk.emulate import GraphRun, TfliteGraph, run_graph
from edgesdk.emulate.against import Inputs, Parting, find_parting
from edgesdk.emulate.flatbuffer import with_outputs
from edgesdk.errors import EdgeError
from edgesdk.npu.stream import read_stream

Array = npt.NDArray[Any]
_INTEGERS = ("int8", "uint8", "int16", "int32", "int64")


def run_compiled(tflite: bytes, inputs: Sequence[Array], source: str) -> GraphRun:
    """Run the bytes of a .tflite file by Vela: streams on an emulated NPU, the rest on the core.

    The accelerator is the one that the file was compiled for.

    Raises:
        ConvertError: it is damaged, or neither NPU nor core has one of its operators.
        BundleError: the inputs do not fit.
        NpuError: a stream does what the NPU cannot.
    """
    try:
        return run_graph(lower_single(tflite, name=source), inputs, engine="core", source=source)
    except EdgeError as error:
        if str(error).startswith(source):
            raise
        for stream in npu_streams(tflite, source):  # names the word, where it is no command
            read_stream(stream.words, stream.product, f"{source}: {stream.name}")
        raise type(error)(f"{source}: {error}") from error


def name_parting(
    tflite: bytes, npu: Mapping[str, Any], steps: Sequence[Inputs], source: str
) -> Parting | None:
    """The operator of a .tflite file where NPU and CPU part on these steps; None where none does.

    The file is compiled once more with every operator's result as an output. `npu` is what the
    bundle's META says about it.

    Raises:
        ConvertError: Vela is not installed, or refuses that graph.
    """
    graph = read_tflite(tflite, source).graphs[0]
    results = {i: op.code for op in graph.operators for i in op.outputs}
    shown = [i for i in results if graph.tensors[i].dtype in _INTEGERS]
    open_file = with_outputs(tflite, shown, source)
    config = VelaConfig(npu["accelerator"], npu["system"], npu["memory_mode"])
    compiled = compile_npu(open_file, config, source)
    cpu, on_npu = TfliteGraph(open_file, source), Graph(lower_graph(compiled.tflite).plan.encode())
    states = {tensor for tensor in (graph.tensors[i].name for i in shown) if _is_state(tensor)}
    names = [(results[i], graph.tensors[i].name) for i in shown]
    names = [(operator, tensor) for operator, tensor in names if tensor not in states]
    return find_parting(names, steps, lambda step: on_npu.run(*step), lambda step: cpu.run(*step))


def _is_state(name: str) -> bool:
    return name.startswith("state.") and name.endswith(".next")
