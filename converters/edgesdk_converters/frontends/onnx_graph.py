"""One ONNX file to a float graph: constants folded for the given shapes, batch 1.

Every shape is known, so Shape, Gather, Concat and Reshape chains of exporters are evaluated here
(by onnx's own reference evaluator) and never reach the quantiser.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import onnx
from edgesdk.errors import ConvertError
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from edgesdk_converters.execute import run_node
from edgesdk_converters.graph import Array, Attribute, Node


@dataclass
class Importer:
    """What is known while one file is read, node by node."""

    file: str
    opsets: list[onnx.OperatorSetIdProto]
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)  # ONNX name -> value
    names: dict[str, str] = field(default_factory=dict)  # ONNX name -> graph value
    samples: dict[str, Array] = field(default_factory=dict)  # graph value -> zeros run through
    implied: list[tuple[str, str]] = field(default_factory=list)  # state in, state out
    notes: list[str] = field(default_factory=list)

    def refuse(self, node: onnx.NodeProto, reason: str, way_out: str) -> NoReturn:
        """Raise the one line that a user needs to change their export."""
        raise ConvertError(
            f"{self.file}: node {node.name or node.output[0]} ({node.op_type}): {reason}; {way_out}"
        )

    def constant(self, name: str) -> Array | None:
        """The folded value of an ONNX value, or None where it depends on the inputs."""
        return self.constants.get(name)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a constant or a computed value."""
        if name in self.constants:
            return self.constants[name].shape
        return self.samples[self.names[name]].shape

    def is_index(self, name: str) -> bool:
        """Whether a computed value holds token indices rather than reals."""
        return name in self.names and self.samples[self.names[name]].dtype.kind == "i"

    def alias(self, new: str, old: str) -> None:
        """Give an ONNX value the meaning of another."""
        if old in self.constants:
            self.constants[new] = self.constants[old]
        else:
            self.names[new] = self.names[old]

    def emit(
        self,
        op: str,
        inputs: list[str],
        outputs: list[str],
        params: Mapping[str, Array] | None = None,
        **attrs: Attribute,
    ) -> str:
        """Append a node over graph values; `outputs` are new graph values. Return the first."""
        floats = {key: np.asarray(value, np.float32) for key, value in (params or {}).items()}
        node = Node(op, outputs[0], tuple(inputs), tuple(outputs), floats, attrs)
        self.nodes.append(node)
        self.samples.update(zip(outputs, run_node(node, self.samples), strict=True))
        return outputs[0]

    def bind(self, onnx_name: str, value: str) -> None:
        """Record which graph value an ONNX value is."""
        self.names[onnx_name] = value

    def reshape(self, value: str, shape: tuple[int, ...], output: str) -> str:
        """`value` in another shape, through a node only where it differs."""
        if self.samples[value].shape == shape:
            return value
        return self.emit("reshape", [value], [output], shape=shape)

    def fold(self, node: onnx.NodeProto) -> None:
        """Evaluate a node whose inputs are all constants."""
        feeds = {name: self.constants[name] for name in node.input if name}
        infos = [helper.make_tensor_value_info(n, 0, None) for n in feeds]
        results = [helper.make_tensor_value_info(n, 0, None) for n in node.output if n]
        graph = helper.make_graph([node], "constant", infos, results)
        model = helper.make_model(graph, opset_imports=self.opsets)
        try:
            values = ReferenceEvaluator(model).run(None, feeds)
        except Exception as err:  # the evaluator raises whatever numpy does
            self.refuse(node, f"cannot be evaluated ({type(err).__name__})", "simplify the export")
        self.constants.update(
            zip((n for n in node.output if n), map(np.asarray, values), strict=True)
        )


Handler = Callable[[Importer, onnx.NodeProto, dict[str, Any]], None]


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Attributes by name, strings decoded."""
    result = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in result.items()}


def import_nodes(
    importer: Importer, graph: onnx.GraphProto, handlers: Mapping[str, Handler]
) -> None:
    """Read the nodes of `graph`; its inputs are bound already.

    Raises:
        ConvertError: a node that has no integer form here, with a way out.
    """
    for initializer in graph.initializer:
        importer.constants[initializer.name] = numpy_helper.to_array(initializer)
    for node in graph.node:
        missing = [
            n for n in node.input if n and n not in importer.constants and n not in importer.names
        ]
        if missing:
            importer.refuse(node, f"reads {missing[0]}, which nothing makes", "export it again")
        constant = all(n in importer.constants for n in node.input if n)
        if node.op_type == "If" and constant:
            _import_branch(importer, node, handlers)
        elif constant and node.op_type not in _NEVER_FOLDED:
            importer.fold(node)
        else:
            _handle(importer, node, handlers)


_NEVER_FOLDED = ("Loop", "Scan", "RandomNormal", "RandomUniform", "Multinomial", "Bernoulli")


def _import_branch(
    importer: Importer, node: onnx.NodeProto, handlers: Mapping[str, Handler]
) -> None:
    """The branch that a constant condition takes, as if it stood in the graph."""
    condition = bool(importer.constants[node.input[0]].reshape(-1)[0])
    branch = attributes(node)["then_branch" if condition else "else_branch"]
    import_nodes(importer, branch, handlers)
    for outer, inner in zip(node.output, branch.output, strict=True):
        importer.alias(outer, inner.name)


def _handle(importer: Importer, node: onnx.NodeProto, handlers: Mapping[str, Handler]) -> None:
    handler = handlers.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if handler is None:
        importer.refuse(
            node,
            "this operator has no integer form here",
            "re-express it with supported operators "
            f"({', '.join(sorted(handlers))}) or keep that part off the device",
        )
    handler(importer, node, attributes(node))
