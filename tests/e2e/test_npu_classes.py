"""A classifier whose layer runs on the NPU and whose ends, which it cannot, on the processor."""

from pathlib import Path

import numpy as np
import pytest
from command_line import CommandLine
from edgesdk.bundle import load_bundle
from npu_graphs import linear, random_weights
from single_op import Net

BOARD = "host-u55"
pytestmark = pytest.mark.needs_cc


def _classifier(classes: int) -> bytes:
    """A layer, the logarithms of its probabilities, and the index of the largest one."""
    net = Net()
    x = net.input((1, 16), scale=0.05)
    scores = linear(net, x, random_weights(classes, 16) // 6)
    logs = net.tensor("logs", (1, classes), "int8", 16 / 256, 127)
    net.op("LOG_SOFTMAX", [scores], [logs], "LogSoftmaxOptions")
    best = net.tensor("best", (1,), "int32")
    axis = net.constant(np.array(-1, np.int32))
    net.op("ARG_MAX", [scores, axis], [best], "ArgMaxOptions", output_type=2)
    return net.file(logs, best)


# Vela's NPUs find the largest of at most 127.
@pytest.mark.parametrize(("classes", "argmax"), [(257, ["ARG_EXTREME"]), (127, [])])
def test_what_the_npu_leaves_equals_the_processor_alone(
    classes: int, argmax: list[str], edgesdk: CommandLine, tmp_path: Path
) -> None:
    model, values, out = tmp_path / "net.tflite", tmp_path / "x.npy", tmp_path / "out"
    model.write_bytes(_classifier(classes))
    given = np.random.default_rng(2).integers(-128, 128, (12, 1, 16)).astype(np.int8)
    np.save(values, given)
    made = edgesdk.ok("convert", model, "--board", BOARD, "-o", out, "--json").document
    rows = {row["operator"]: row for row in made["npu"]["graphs"]["net"]["operators"]}
    assert rows["FULLY_CONNECTED"]["target"] == "NPU"
    assert rows["LOG_SOFTMAX"]["target"] == "CPU" and rows["LOG_SOFTMAX"]["reason"]
    assert rows["ARG_MAX"]["target"] == ("CPU" if argmax else "NPU")
    bundle = out / "model.edge"
    ops = [record.op for record in load_bundle(bundle).graphs["net"].records]
    assert ops[0] == "NPU_ETHOSU" and sorted(ops[1:]) == [*argmax, "LOG_SOFTMAX_S8"]
    alone = edgesdk.ok("emulate", model, "--input", values, "--json").document["steps"]
    mixed = edgesdk.ok("emulate", bundle, "--input", values, "--json").document["steps"]
    assert mixed == alone and len(alone) == 12
    logs = np.array([step[0] for step in alone])
    assert np.unique(logs).size > 60 and len({step[1][0] for step in alone}) > 5
    edgesdk.ok("flash", bundle, "--board", BOARD)
    ran = edgesdk.ok("run", "--input", values, "--board", BOARD, "--json").document
    assert ran["steps"] == alone
