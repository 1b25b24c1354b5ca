"""A small trained network of the end-pointers' features -> an int8 .tflite graph."""

from collections.abc import Sequence

import numpy as np
from edgesdk import __version__
from edgesdk.bundle.endpoint import FEATURES
from numpy.typing import NDArray

from edgesdk_converters.execute import run_graph
from edgesdk_converters.graph import Graph, Node
from edgesdk_converters.quantise.calibrate import Observation
from edgesdk_converters.quantise.emit import quantise_graph
from edgesdk_converters.quantise.ranges import METHODS
from edgesdk_converters.tflite.model import Model
from edgesdk_converters.tflite.write import write_tflite

Floats = NDArray[np.float32]
Layer = tuple[Floats, Floats]  # weights [out, in], bias [out]


def scorer_graph(layers: Sequence[Layer]) -> Graph:
    """Features, each divided by its range, -> log odds; tanh between the linear layers."""
    nodes: list[Node] = []
    shapes: dict[str, tuple[int, ...]] = {"features": (1, len(FEATURES))}
    value = "features"
    for number, (weight, bias) in enumerate(layers):
        last = number == len(layers) - 1
        out = "score" if last else f"sum{number}"
        params = {"weight": weight, "bias": bias}
        nodes.append(Node("linear", f"linear{number}", (value,), (out,), params))
        shapes[out] = (1, len(bias))
        value = out
        if not last:
            value = f"hidden{number}"
            nodes.append(Node("tanh", f"tanh{number}", (out,), (value,)))
            shapes[value] = (1, len(bias))
    return Graph("endpoint", ("features",), ("score",), (), tuple(nodes), shapes)


def quantise_scorer(layers: Sequence[Layer], rows: Floats) -> bytes:
    """The int8 .tflite graph, calibrated on `rows` [n, 8] of features divided by their ranges."""
    graph, seen = scorer_graph(layers), Observation()
    for row in rows:
        run_graph(graph, {"features": row[None].astype(np.float32)}, seen)
    integer = quantise_graph(graph, seen, METHODS[0], {}).graph
    return write_tflite(Model((integer,), description=f"edgesdk {__version__}"))
