"""Layer normalisation as exporters before opset 17 spell it, back to one node.

ReduceMean, Sub, Pow or Mul, ReduceMean, Add epsilon, Sqrt, Div (then Mul gamma, Add beta)
-> LayerNormalization with scale [1], which stands for the whole dimension (gamma and beta stay
products with constants).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper


@dataclass(frozen=True)
class _Index:
    makers: Mapping[str, onnx.NodeProto]
    constants: Mapping[str, onnx.TensorProto]

    def maker(self, name: str, *ops: str) -> onnx.NodeProto | None:
        """The node that makes `name`, where it is one of `ops`."""
        node = self.makers.get(name)
        return node if node is not None and node.op_type in ops else None

    def number(self, name: str) -> float | None:
        """A constant of one element."""
        if name in self.constants:
            value = numpy_helper.to_array(self.constants[name])
            return float(value.reshape(-1)[0]) if value.size == 1 else None
        node = self.maker(name, "Constant")
        if node is None or not node.attribute[0].HasField("t"):
            return None
        value = numpy_helper.to_array(node.attribute[0].t)
        return float(value.reshape(-1)[0]) if value.size == 1 else None


def fuse_layer_norm(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with every spelled layer normalisation as one node; others are untouched."""
    graph = model.graph
    index = _Index(
        {name: node for node in graph.node for name in node.output},
        {i.name: i for i in graph.initializer},
    )
    found = {}
    for node in graph.node:
        match = _match(index, node)
        if match is not None:
            found[node.output[0]] = match
    if not found:
        return model
    fused = onnx.ModelProto()
    fused.CopyFrom(model)
    for number, node in enumerate(list(fused.graph.node)):
        if node.output[0] not in found:
            continue
        x, epsilon = found[node.output[0]]
        scale = f"{node.output[0]}.scale"
        ones = np.ones(1, np.float32)
        fused.graph.initializer.append(numpy_helper.from_array(ones, scale))
        fused.graph.node[number].CopyFrom(
            helper.make_node(
                "LayerNormalization",
                [x, scale],
                [node.output[0]],
                name=node.name,
                axis=-1,
                epsilon=epsilon,
            )
        )
    return _without_unused(fused)


def _match(index: _Index, div: onnx.NodeProto) -> tuple[str, float] | None:
    """(x, epsilon) where `div` ends a layer normalisation over the last dimension."""
    if div.op_type != "Div":
        return None
    centred = index.maker(div.input[0], "Sub")
    root = index.maker(div.input[1], "Sqrt")
    shifted = index.maker(root.input[0], "Add") if root is not None else None
    if centred is None or shifted is None:
        return None
    left, right = shifted.input
    constant, variance = (left, right) if index.number(left) is not None else (right, left)
    epsilon, mean_square = index.number(constant), index.maker(variance, "ReduceMean")
    square = index.maker(mean_square.input[0], "Pow", "Mul") if mean_square is not None else None
    mean = index.maker(centred.input[1], "ReduceMean")
    if epsilon is None or square is None or mean is None or mean_square is None:
        return None
    squared = square.op_type == "Mul" or index.number(square.input[1]) == 2.0
    same = mean.input[0] == centred.input[0] and square.input[0] == centred.output[0]
    last = _over_last(index, mean) and _over_last(index, mean_square)
    if not squared or not same or not last:
        return None
    return centred.input[0], epsilon


def _over_last(index: _Index, node: onnx.NodeProto) -> bool:
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    axes = given.get("axes")
    if axes is None and len(node.input) > 1:
        number = index.number(node.input[1])
        axes = None if number is None else [int(number)]
    return axes == [-1] and given.get("keepdims", 1) == 1


def _without_unused(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without nodes that nothing reads any more."""
    needed = {v.name for v in model.graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))
    return model
