"""Graphs of a bundle behind the interface by which the C core asks for them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesdk.bundle import Bundle
from edgesdk.bundle.layout import GRAPHS
from edgesdk.core import Graph
from edgesdk.core.features import Quantised
from edgesdk.emulate.tflite import TfliteGraph
from edgesdk.errors import BundleError


class GraphRunner:
    """Graphs by role, on whatever computes them; see edgesdk.core.recogniser.Runner."""

    def __init__(self, graphs: Mapping[str, TfliteGraph | Graph], *, stateful: bool) -> None:
        self.graphs = graphs
        self.stateful = stateful
        self._kept: dict[int, Any] = {}

    def reset(self) -> None:
        """Set all states to their start values."""
        for graph in self.graphs.values():
            graph.reset()

    def _run(self, role: str, *inputs: npt.NDArray[np.generic]) -> Quantised:
        graph = self.graphs[role]
        shapes = [info.shape for info in graph.inputs]
        shaped = [values.reshape(shape) for values, shape in zip(inputs, shapes, strict=True)]
        return np.asarray(graph.run(*shaped)[0], np.int8)

    def encode(self, features: Quantised) -> Quantised:
        """Encoder frames of one window of features."""
        return self._run("encoder", features)

    def adapt(self, keys: Quantised, values: Quantised, encoder_out: Quantised) -> Quantised:
        """Encoder frames as phrases change them."""
        return self._run("adapter", encoder_out, keys, values)

    def predict(self, history: npt.NDArray[np.int32]) -> Quantised:
        """Predictor output of a history."""
        return self._run("predictor", history)

    def join(self, encoder_out: Quantised, predictor_out: Quantised) -> Quantised:
        """Logits of one encoder frame and one predictor output."""
        return self._run("joiner", encoder_out, predictor_out)

    def restart(self) -> None:
        """Set the states of predictor and joiner to their start values."""
        self.graphs["predictor"].reset()
        self.graphs["joiner"].reset()

    def save(self, place: int) -> None:
        """Keep the predictor's state."""
        self._kept[place] = self.graphs["predictor"].state

    def restore(self, place: int) -> None:
        """Go on from a kept state of the predictor."""
        self.graphs["predictor"].state = self._kept[place]


class TfliteRunner(GraphRunner):
    """The .tflite files of a bundle, on TFLite's reference kernels."""

    def __init__(self, bundle: Bundle) -> None:
        graphs = {
            role: TfliteGraph(bundle.tflite(role), f"{bundle.source}: {role}")
            for role in bundle.roles
        }
        predictor = graphs["predictor"]
        super().__init__(graphs, stateful=predictor.keeps_resources or bool(predictor.state))
        if predictor.keeps_resources and bundle.search.beam > 1:
            raise BundleError(
                f"{bundle.source}: predictor: its state lies in resource variables, which no "
                f"interpreter keeps for a beam of {bundle.search.beam}; emulate it on the C "
                "kernels (engine core), or convert with beam = 1"
            )


class CoreRunner(GraphRunner):
    """The plans of a bundle, on the C kernels and, for its steps, an emulated NPU."""

    def __init__(self, bundle: Bundle) -> None:
        graphs = {role: Graph(bundle.section(GRAPHS[role])) for role in bundle.roles}
        super().__init__(graphs, stateful=graphs["predictor"].state_bytes > 0)


def plan_outputs(
    bundle: Bundle,
    role: str,
    inputs: Sequence[npt.NDArray[Any]],
    earlier: Sequence[Sequence[npt.NDArray[Any]]] = (),
) -> list[npt.NDArray[Any]]:
    """Outputs of all operators of a plan in one run, with those of `earlier` inputs before it."""
    graph = Graph(bundle.section(GRAPHS[role]))
    for step in earlier:
        graph.run(*step)
    state, found = graph.state, []
    for number in range(graph.op_count):
        graph.state = state
        for index, values in enumerate(inputs):
            graph.write(index, values)
        graph.invoke(number + 1)
        found.append(graph.op(number)[1])
    return found
