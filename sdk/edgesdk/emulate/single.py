"""Runs a single graph, from a bundle or a plain .tflite file, on arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesdk.bundle import Bundle
from edgesdk.bundle.layout import GRAPHS
from edgesdk.core import Graph, TensorInfo
from edgesdk.emulate.recognise import Engine, engine_kind, judge_of
from edgesdk.emulate.tflite import TfliteGraph, find_interpreter
from edgesdk.errors import BundleError, EdgeError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class GraphRun:
    """Outputs [step][output] of a graph on consecutive steps; states went from step to step."""

    engine: str
    caveat: str
    outputs: tuple[tuple[Array, ...], ...]
    infos: tuple[TensorInfo, ...]

    def document(self) -> dict[str, Any]:
        """Plain JSON values: the quantised outputs, and their real values' quantisation."""
        tensors = [
            {
                "dtype": str(np.dtype(info.dtype)),
                "shape": list(info.shape),
                "scale": info.scale,
                "zero_point": info.zero_point,
            }
            for info in self.infos
        ]
        steps = [[values.tolist() for values in step] for step in self.outputs]
        return {"engine": self.engine, "caveat": self.caveat, "outputs": tensors, "steps": steps}


def load_array(path: Path) -> Array:
    """The array in a .npy file.

    Raises:
        EdgeError: it cannot be read or holds objects.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except OSError as error:
        raise EdgeError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, EOFError) as error:
        raise EdgeError(f"{path}: not a readable .npy file ({error}); save it anew") from error
    if not isinstance(values, np.ndarray):
        raise EdgeError(f"{path}: an archive of arrays; give one .npy file per input")
    return values


def _quantise(values: Array, info: TensorInfo) -> Array:
    limits = np.iinfo(str(np.dtype(info.dtype)))
    real = values.astype(np.float64) / info.scale
    rounded = np.sign(real) * np.floor(np.abs(real) + 0.5) + info.zero_point
    clipped: Array = np.clip(rounded, limits.min, limits.max).astype(info.dtype)
    return clipped


def _steps(values: Array, info: TensorInfo, index: int, source: str) -> Array:
    """`values` as [steps, *shape] of the input's own type; real numbers are quantised."""
    wanted = f"{np.dtype(info.dtype)}{list(info.shape)}, with or without a leading axis of steps"
    if values.shape == info.shape:
        values = values[np.newaxis]
    if values.shape[1:] != info.shape or len(values) == 0:
        raise BundleError(f"{source}: input {index} is {list(values.shape)}; it takes {wanted}")
    if values.dtype == info.dtype:
        return values
    if info.scale > 0 and np.issubdtype(values.dtype, np.floating):
        if np.isnan(values).any():
            raise BundleError(f"{source}: input {index} holds NaN, which no integer stands for")
        return _quantise(values, info)
    raise BundleError(f"{source}: input {index} is {values.dtype}; it takes {wanted}")


def stack_steps(
    inputs: Sequence[Array], infos: Sequence[TensorInfo], source: str
) -> list[tuple[Array, ...]]:
    """The inputs [step][input] that arrays of one or several steps hold.

    Raises:
        BundleError: their number, shapes, types or steps do not fit; `source` names the graph.
    """
    if len(inputs) != len(infos):
        raise BundleError(f"{source}: {len(inputs)} inputs given, it takes {len(infos)}")
    stacked = [
        _steps(values, info, index, source)
        for index, (values, info) in enumerate(zip(inputs, infos, strict=True))
    ]
    counts = {len(values) for values in stacked}
    if len(counts) > 1:
        raise BundleError(f"{source}: inputs of {sorted(counts)} steps; give all the same number")
    return list(zip(*stacked, strict=True))


def run_graph(
    model: Bundle | bytes,
    inputs: Sequence[Array],
    *,
    engine: Engine | None = None,
    source: str = "graph",
) -> GraphRun:
    """Run a single-graph bundle or the bytes of a .tflite file from its start state.

    `inputs` holds one array per graph input: one step of its shape, or steps stacked in front.
    Real numbers are quantised where the input is. Engine "core" needs a bundle,
    for which `judge_of` is the default.

    Raises:
        BundleError: the inputs do not fit, or the graph is not of this kind.
    """
    if isinstance(model, Bundle) and model.is_recogniser:
        raise BundleError(f"{model.source}: holds a recogniser; give it .wav clips")
    if engine is None:
        engine = judge_of(model) if isinstance(model, Bundle) else "tflite"
    graph: Graph | TfliteGraph
    if engine == "core":
        if not isinstance(model, Bundle):
            raise BundleError(f"{source}: the C kernels run bundles; convert the .tflite first")
        graph = Graph(model.section(GRAPHS["net"]))
        name, caveat = engine_kind(model, engine)
    else:
        kind = find_interpreter()
        data = model.tflite("net") if isinstance(model, Bundle) else model
        graph, name, caveat = TfliteGraph(data, source), kind.name, kind.caveat
    steps = stack_steps(inputs, graph.inputs, source)
    outputs = tuple(tuple(graph.run(*step)) for step in steps)
    return GraphRun(name, caveat, outputs, graph.outputs)
