"""Graphs with steps for an NPU: the core attaches an emulated one, and says what went wrong."""

from dataclasses import replace

import numpy as np
import pytest
from edgesdk.bundle.plan import Plan
from edgesdk.core import Graph
from edgesdk.errors import NpuError
from edgesdk_converters.lower import lower_graph
from edgesdk_converters.npu import compile_npu
from npu_graphs import board_config, embedding_net

pytestmark = pytest.mark.needs_cc


@pytest.fixture(scope="module", params=["host-u55", "host-u65"])
def plan(request: pytest.FixtureRequest) -> Plan:
    return lower_graph(compile_npu(embedding_net(), board_config(request.param)).tflite).plan


def test_graph_then_gives_what_the_cpu_kernels_give(plan: Plan) -> None:
    npu, cpu = Graph(plan.encode()), Graph(lower_graph(embedding_net()).plan.encode())
    assert npu.npu is not None and cpu.npu is None
    for step in range(20):
        indices = np.array([[step, 19 - step]], np.int32)
        np.testing.assert_array_equal(npu.run(indices)[0], cpu.run(indices)[0])
    counts = npu.npu.counts
    assert (counts.cycles, counts.jobs, npu.npu.fault) == (0, 20, None)
    assert counts.events[0] == 0 and min(counts.events[1:3]) > 0
    assert npu.npu.overflows == 0


def test_damaged_weights_then_name_the_accelerator_and_the_word(plan: Plan) -> None:
    step = next(record for record in plan.records if record.op == "NPU_ETHOSU")
    at, size = step.refs()["weights"].offset, step.values["weights_bytes"]
    assert isinstance(size, int)
    constants = plan.constants[:at] + b"\x55" * size + plan.constants[at + size :]
    graph = Graph(replace(plan, constants=constants).encode())
    with pytest.raises(NpuError, match=r"ethos-u\d+-\d+: word \d+: weights are damaged"):
        graph.run(np.zeros((1, 2), np.int32))
    with pytest.raises(NpuError):  # the driver has reset the NPU: the next job runs, and fails too
        graph.invoke()


def test_plan_for_an_npu_that_is_not_then_is_refused(plan: Plan) -> None:
    records = [
        replace(r, values={**r.values, "config": int(str(r.values["config"])) | 0xF})
        if r.op == "NPU_ETHOSU"
        else r
        for r in plan.records
    ]
    with pytest.raises(NpuError, match=r"compiled for CONFIG 0x.* has not"):
        Graph(replace(plan, records=tuple(records)).encode())
