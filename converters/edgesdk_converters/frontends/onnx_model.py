"""One ONNX file to a float graph with its states."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from edgesdk.errors import ConvertError
from onnx import TensorProto

from edgesdk_converters.frontends.onnx_graph import Importer, import_nodes
from edgesdk_converters.frontends.onnx_layer_norm import fuse_layer_norm
from edgesdk_converters.frontends.onnx_ops import HANDLERS
from edgesdk_converters.frontends.roles import pair_states
from edgesdk_converters.graph import Graph, State, prune

INTEGERS = (TensorProto.INT64, TensorProto.INT32)


def load_model(path: Path) -> onnx.ModelProto:
    """The model in a file.

    Raises:
        ConvertError: it is missing or damaged.
    """
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as err:  # protobuf, checker and file errors have no common class
        reason = (str(err).strip().splitlines() or [type(err).__name__])[0][:120]
        raise ConvertError(
            f"{path}: not a readable ONNX model ({reason}); export or copy it again"
        ) from None
    return model


def signature(model: onnx.ModelProto) -> tuple[dict[str, Any], list[str]]:
    """Inputs (name -> declared dims, 0 where symbolic) that no initialiser fills, and outputs."""
    filled = {i.name for i in model.graph.initializer}
    inputs = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in model.graph.input
        if value.name not in filled
    }
    return inputs, [value.name for value in model.graph.output]


def import_graph(
    role: str,
    file: str,
    model: onnx.ModelProto,
    shapes: Mapping[str, tuple[int, ...]],
    mains: Sequence[str],
    results: int = 1,
) -> tuple[Graph, list[str]]:
    """The float graph of one model, and notes.

    `shapes` has every input; those outside `mains` are states. The first outputs are the results,
    the others are the next states.
    """
    importer = Importer(file, list(model.opset_import))
    kinds = {v.name: v.type.tensor_type.elem_type for v in model.graph.input}
    for name, shape in shapes.items():
        dtype = np.int64 if kinds[name] in INTEGERS else np.float32
        importer.samples[name] = np.zeros(shape, dtype)
        importer.names[name] = name
    import_nodes(importer, fuse_layer_norm(model).graph, HANDLERS)
    outputs = [v.name for v in model.graph.output]
    for name in outputs:
        if name not in importer.names:
            raise ConvertError(f"{file}: output {name} does not depend on the input; export again")
    state_in = {n: shapes[n] for n in shapes if n not in mains}
    state_out = {n: importer.shape(n) for n in outputs[results:]}
    pairs = pair_states(file, state_in, state_out)
    states = [State(before, before, importer.names[after]) for before, after in pairs]
    states += [State(before, before, after) for before, after in importer.implied]
    notes = list(importer.notes)
    if importer.implied:
        notes.append(f"{file}: recurrent layers without state inputs keep their state themselves")
    graph = Graph(
        name=role,
        inputs=tuple(mains),
        outputs=tuple(importer.names[name] for name in outputs[:results]),
        states=tuple(states),
        nodes=tuple(importer.nodes),
        shapes={name: sample.shape for name, sample in importer.samples.items()},
    )
    return prune(graph), notes
