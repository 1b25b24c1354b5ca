"""Vela behind `compile_npu`: the same bytes each time, its table, and its refusals."""

import importlib.metadata
from dataclasses import replace

import numpy as np
import pytest
from edgesdk.errors import ConvertError
from edgesdk_converters.npu import VELA_VERSION, compile_npu, describe, vela
from npu_graphs import board_config, embedding_net, linear, random_weights
from single_op import Net
from test_lower_variables import VariableNet, _start


def test_the_same_file_gives_the_same_bytes() -> None:
    first, again = (compile_npu(embedding_net(), board_config()) for _ in range(2))
    assert first == again


def test_every_operator_has_its_row() -> None:
    compiled = compile_npu(embedding_net(), board_config())
    rows = compiled.operators
    assert [row.operator for row in rows] == [
        *("GATHER", "RESHAPE", "FULLY_CONNECTED", "TANH", "FULLY_CONNECTED"),
    ]
    assert [row.target for row in rows] == ["CPU", "-", "NPU", "NPU", "NPU"]
    assert [row.reason for row in rows] == ["Unsupported opType", "", "", "", ""]
    assert [row.tensor for row in rows] == ["rows", "flat", "hidden", "bent", "out"]
    assert [row.macs for row in rows] == [0, 0, 64 * 64, 0, 24 * 64]
    # One row of a matrix is read from flash once, at a byte per cycle of this board.
    assert rows[2].bound_by == rows[4].bound_by == "flash"
    assert rows[4].cycles == rows[4].stored_bytes
    assert sum(row.stored_bytes for row in rows) == compiled.constant_bytes
    assert compiled.weight_bytes == 64 * 64 + 24 * 64
    assert describe(compiled)["cycles_estimate"] == sum(row.cycles for row in rows)


def test_estimates_follow_the_board_file() -> None:
    fast = board_config()
    slow = replace(fast, system={**fast.system, "OffChipFlash_clock_scale": 0.0625})
    data = embedding_net()
    assert compile_npu(data, slow).cycles > 1.5 * compile_npu(data, fast).cycles
    everything = {name: "Axi0" for name in fast.memory_mode}
    in_sram = compile_npu(data, replace(fast, memory_mode=everything))
    assert {row.bound_by for row in in_sram.operators} <= {"", "MAC", "SRAM"}
    assert in_sram.cycles < compile_npu(data, fast).cycles


def test_zeros_and_few_values_make_a_stream_smaller() -> None:
    dense = random_weights(64, 64)
    kept = np.random.default_rng(5).random(dense.shape) < 0.25
    few = (np.rint(dense / 16.0) * 16).clip(-112, 112).astype(np.int8)
    ratios = [
        compile_npu(embedding_net(weights), board_config()).ratio
        for weights in (dense, few, np.where(kept, dense, 0).astype(np.int8))
    ]
    assert 1.1 > ratios[0] > ratios[1] > ratios[2] > 0


def test_variables_do_not_hide_the_table() -> None:
    """Vela's own figures are of the file's last subgraph alone."""
    net = VariableNet()
    x = net.input((1, 16), scale=0.05, zero_point=3)
    handle = net.variable("kept", _start(1))
    total = net.add(net.read(handle), x)
    net.assign(handle, total)
    rows = compile_npu(net.file(total), board_config()).operators
    assert [(row.operator, row.target) for row in rows] == [
        *(("CALL_ONCE", "-"), ("VAR_HANDLE", "CPU"), ("READ_VARIABLE", "CPU")),
        *(("ADD", "NPU"), ("ASSIGN_VARIABLE", "CPU")),
    ]
    assert [row.index for row in rows] == [0, 1, 2, 3, 4]
    assert rows[3].cycles > 0 and rows[3].bound_by in ("MAC", "SRAM")


def test_a_graph_without_weights_has_ratio_one() -> None:
    net = Net()
    a, b = (net.input((1, 16), scale=0.05) for _ in range(2))
    y = net.tensor("y", (1, 16), "int8", 0.07)
    net.op("ADD", [a, b], [y], "AddOptions")
    compiled = compile_npu(net.file(y), board_config())
    assert (compiled.weight_bytes, compiled.ratio) == (0, 1.0)


def test_vela_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "4.2.0")
    with pytest.raises(ConvertError, match=f"4.2.0 is installed, .* as {VELA_VERSION} writes"):
        compile_npu(embedding_net(), board_config())


def test_vela_missing_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(ConvertError, match=r"pip install 'edgesdk\[npu\]'"):
        compile_npu(embedding_net(), board_config())


def test_vela_that_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vela, "_LIMIT_S", 0.01)
    with pytest.raises(ConvertError, match="did not end within"):
        compile_npu(embedding_net(), board_config(), "net.tflite")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accelerator": "ethos-u55-12"}, "exit 2: .*invalid choice"),
        ({"memory_mode": {"const_mem_area": "Axi1"}}, "exit 1: .*Error"),
    ],
)
def test_what_vela_refuses_is_said_in_one_line(change: dict[str, object], message: str) -> None:
    config = replace(board_config(), **change)  # type: ignore[arg-type]
    with pytest.raises(ConvertError, match=rf"^net.tflite: Vela stopped \({message}") as caught:
        compile_npu(embedding_net(), config, "net.tflite")
    assert "\n" not in str(caught.value)


def test_vela_that_crashes_is_survived() -> None:
    """It trusts the file's offsets."""
    with pytest.raises(ConvertError, match=r"Vela stopped \(SIG[A-Z]+: "):
        vela.run_vela(embedding_net()[:2000], board_config(), "cut.tflite")


def test_changed_ports_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net()
    net_out = linear(net, net.input((1, 16), scale=0.1, name="other"), random_weights(8, 16))
    other = compile_npu(net.file(net_out), board_config())
    run = vela.run_vela(embedding_net(), board_config(), "net.tflite")
    changed = replace(run, tflite=other.tflite)
    monkeypatch.setattr("edgesdk_converters.npu.compile.run_vela", lambda *given: changed)
    with pytest.raises(ConvertError, match="Vela turned the inputs y into other"):
        compile_npu(embedding_net(), board_config())


def test_a_read_that_passes_an_assignment_is_refused() -> None:
    """Vela 5.2.0 puts the assignment first where an operator of the CPU makes its value."""
    net = VariableNet()
    x = net.input((1, 16), scale=0.05, zero_point=3)
    handle = net.variable("kept", _start(1))
    old = net.read(handle)
    new = linear(net, x, random_weights(16, 16), name="new")
    net.assign(handle, new)
    data = net.file(net.add(old, new))
    assert compile_npu(data, board_config()).cycles > 0
    options = ("--ignore-ops", "FULLY_CONNECTED")
    with pytest.raises(ConvertError, match=r"^net: Vela .* variable 'kept' in another order"):
        compile_npu(data, board_config(), "net", options)
