"""Validation of a bundle for an NPU: the device's steps beside those of the emulated NPU."""

from dataclasses import replace

import numpy as np
import pytest
from edgesdk.board import load_board
from edgesdk.bundle import Bundle
from edgesdk.bundle.layout import SAMPLES
from edgesdk.core import Graph
from edgesdk.emulate import judge_of, npu_of, read_samples
from edgesdk.emulate.samples import make_graph_samples
from edgesdk.link.messages import GraphId, TensorKind
from edgesdk.link.validate import Difference, validate
from edgesdk.npu.accelerators import accelerator_of
from edgesdk.npu.stream import read_stream
from edgesdk.recipe import Recipe
from edgesdk.session import lacking_interpreter
from edgesdk_converters.pipeline import convert_graph
from npu_graphs import embedding_net
from numpy.typing import NDArray

pytestmark = pytest.mark.needs_cc


class _Device:
    """What validation asks of a device, answered by a plan of its own."""

    def __init__(self, bundle: Bundle) -> None:
        self.graph = Graph(bundle.section("GNET"))

    def check_bundle(self, digest: str) -> None:
        """Any bundle may be compared."""

    def graph_reset(self, graph: GraphId) -> None:
        self.graph.reset()

    def graph_write(self, graph: GraphId, index: int, data: bytes) -> None:
        info = self.graph.inputs[index]
        self.graph.write(index, np.frombuffer(data, info.dtype).reshape(info.shape))

    def graph_run(self, graph: GraphId, stop: int | None = None) -> None:
        self.graph.invoke(stop)

    def graph_read(self, graph: GraphId, kind: TensorKind, index: int) -> NDArray[np.generic]:
        if kind is TensorKind.OPERATOR:
            return self.graph.op(index)[1]
        return self.graph.read(index)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    made = convert_graph(embedding_net(), Recipe(), board=load_board("host-u55")).bundle
    rng = np.random.default_rng(7)
    steps = [[rng.integers(0, 20, (1, 2)).astype(np.int32)] for _ in range(3)]
    return made.with_sections(**{SAMPLES: make_graph_samples(made, steps)})


def _changed(bundle: Bundle, at: int, value: int) -> Bundle:
    """The bundle with one byte of its constants complemented in `value`'s bits."""
    plan = bundle.graphs["net"]
    constants = bytearray(plan.constants)
    constants[at] ^= value
    section = replace(plan, constants=bytes(constants)).encode()
    return bundle.with_sections(GNET=section)


def _difference(bundle: Bundle, changed: Bundle) -> Difference | None:
    return validate(_Device(changed), bundle).difference  # type: ignore[arg-type]


def test_samples_are_those_of_the_emulated_npu(bundle: Bundle) -> None:
    assert (judge_of(bundle), npu_of(bundle)) == ("core", "ethos-u55-128")
    assert lacking_interpreter(bundle) is None
    graph = Graph(bundle.section("GNET"))
    steps = read_samples(bundle)["net"].steps
    assert len(steps) == 3
    for step in steps:
        np.testing.assert_array_equal(graph.run(*step.inputs)[0], step.outputs[0])
    assert _difference(bundle, bundle) is None


def test_a_step_of_the_cpu_that_parts_is_named(bundle: Bundle) -> None:
    table = bundle.graphs["net"].records[0].refs()["table"].offset
    row = int(read_samples(bundle)["net"].steps[0].inputs[0].reshape(-1)[0])
    found = _difference(bundle, _changed(bundle, table + 32 * row, 0x40))
    assert found is not None
    assert (found.op, found.operator, found.tensor) == (0, "GATHER", "rows")
    assert (found.step, found.element, found.device ^ found.laptop) == (0, 0, 0x40)


def test_the_npus_step_that_parts_is_named(bundle: Bundle) -> None:
    plan = bundle.graphs["net"]
    step = plan.records[1]
    words, stream = step.values["stream_words"], step.refs()["stream"].offset
    config = step.values["config"]
    assert isinstance(words, int) and isinstance(config, int)
    commands = np.frombuffer(plan.constants, "<u4", words, stream)
    layers = [
        operation
        for operation in read_stream(commands, accelerator_of(config).product)
        if operation.command.name == "CONV"
    ]
    scales = layers[-1].registers["SCALE_BASE"]
    assert isinstance(scales, int)
    bias = step.refs()["weights"].offset + scales + 1  # its second byte, of the first channel
    found = _difference(bundle, _changed(bundle, bias, 0x20))
    assert found is not None
    assert (found.op, found.operator, found.tensor) == (1, "NPU_ETHOSU", "out")
    assert found.element == 0 and found.device != found.laptop
