"""A .tflite or ONNX model as plain JSON values, for `edgesdk inspect`; needs the converters."""

import math
from collections.abc import Iterable
from typing import Any

import onnx
from edgesdk_converters.frontends.onnx_ops import supported_operators
from edgesdk_converters.lower.graph import LOWERINGS
from edgesdk_converters.lower.npu import ETHOSU
from edgesdk_converters.tflite.model import Graph, Operator, Tensor
from edgesdk_converters.tflite.read import read_tflite
from google.protobuf.message import DecodeError

from edgesdk.errors import ConvertError, NpuError
from edgesdk.npu.sources import NpuStream, payload_stream

_NPU_INPUTS = 4  # of Vela's operator: payload, constants, scratch, fast scratch


def _tflite_tensor(tensor: Tensor) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
    }
    if tensor.quantisation is not None and tensor.quantisation.per_tensor:
        described["scale"] = float(tensor.quantisation.scale[0])
        described["zero_point"] = int(tensor.quantisation.zero_point[0])
    return described


def _tflite_graph(graph: Graph) -> dict[str, Any]:
    constants = [tensor.data for tensor in graph.tensors if tensor.data is not None]
    return {
        "name": graph.name or "main",
        "inputs": [_tflite_tensor(graph.tensors[index]) for index in graph.inputs],
        "outputs": [_tflite_tensor(graph.tensors[index]) for index in graph.outputs],
        "states": [_tflite_tensor(tensor) for tensor in graph.tensors if tensor.variable],
        "parameters": sum(constant.size for constant in constants),
        "constant_bytes": sum(constant.nbytes for constant in constants),
        "operators": [
            {
                "index": index,
                "operator": operator.code,
                "output": ", ".join(graph.tensors[at].name for at in operator.outputs),
                "supported": _runs(graph, operator),
            }
            for index, operator in enumerate(graph.operators)
        ],
    }


def _runs(graph: Graph, operator: Operator) -> bool:
    """Whether a device has the operator; one by Vela, an NPU that its stream is for."""
    if operator.code != ETHOSU:
        return operator.code in LOWERINGS
    data = graph.tensors[operator.inputs[0]].data if operator.inputs else None
    try:
        payload_stream(ETHOSU, b"" if data is None else data.tobytes())
    except NpuError:
        return False
    return True


def describe_tflite(data: bytes, source: str) -> dict[str, Any]:
    """Graphs of a .tflite file, and which of their operators run on a device.

    Raises:
        ConvertError: the file is damaged.
    """
    model = read_tflite(data, source)
    return {"graphs": [_tflite_graph(graph) for graph in model.graphs]}


def npu_streams(data: bytes, source: str) -> list[NpuStream]:
    """The command streams of a .tflite file that Vela wrote.

    Raises:
        ConvertError: the file is damaged.
        NpuError: a payload is, or it is for an NPU that is not known.
    """
    found = []
    for graph in read_tflite(data, source).graphs:
        for index, operator in enumerate(graph.operators):
            if operator.code == ETHOSU and len(operator.inputs) >= _NPU_INPUTS:
                code, *regions = (graph.tensors[at] for at in operator.inputs[:_NPU_INPUTS])
                payload = b"" if code.data is None else code.data.tobytes()
                sizes = tuple(math.prod(region.shape) for region in regions)
                found.append(payload_stream(f"operator {index}", payload, sizes))
    return found


def _onnx_values(values: Iterable[onnx.ValueInfoProto]) -> list[dict[str, Any]]:
    described = []
    for value in values:
        kind = value.type.tensor_type
        shape = [size.dim_param or size.dim_value for size in kind.shape.dim]
        dtype = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
        described.append({"name": value.name, "dtype": dtype, "shape": shape})
    return described


def describe_onnx(data: bytes, source: str) -> dict[str, Any]:
    """The graph of an ONNX model, and which of its operators convert.

    Raises:
        ConvertError: the file is damaged.
    """
    try:
        model = onnx.load_from_string(data)
    except DecodeError as error:
        raise ConvertError(
            f"{source}: no ONNX model, or a truncated one ({error}); export it again"
        ) from error
    graph = model.graph
    if not graph.node:
        raise ConvertError(f"{source}: no ONNX model, it has no nodes; export it again")
    supported = {"Constant", *(name for name, _ in supported_operators())}
    constants = {tensor.name for tensor in graph.initializer}
    described = {
        "name": graph.name,
        "inputs": _onnx_values(value for value in graph.input if value.name not in constants),
        "outputs": _onnx_values(graph.output),
        "states": [],
        "parameters": sum(onnx.numpy_helper.to_array(each).size for each in graph.initializer),
        "operators": [
            {
                "index": index,
                "operator": node.op_type,
                "output": ", ".join(node.output),
                "supported": node.op_type in supported,
            }
            for index, node in enumerate(graph.node)
        ],
    }
    made_by = {entry.key: entry.value for entry in model.metadata_props}
    return {"graphs": [described], "made_by": made_by}
