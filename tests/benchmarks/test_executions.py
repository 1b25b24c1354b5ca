"""The plugin that counts executions, and the measuring that rests on it."""

import subprocess
from pathlib import Path

import executions
import kernels
import models
import numpy as np
import pytest
import single
from edgesdk_converters.lower import lower_graph
from executions import Block, Instruction, joined
from single_op import interpreter, random_inputs, run_oracle
from weight_forms import fully_connected, lstm

LOOP = """
    .syntax unified
    .cpu cortex-m4
    .thumb
    .word 0x20001000, start + 1
    .thumb_func
start:
    bl region
    movs r0, #0x18      @ semihosting: SYS_EXIT
    ldr r1, =0x20026    @ ADP_Stopped_ApplicationExit
    bkpt #0xab
    .space 0x3fc - (. - start) - 8
    .thumb_func
region:
    movs r2, #0
    movw r0, #1000      @ at 0x3fe: crosses one of QEMU's pages
again:
    adds r2, #3
    subs r0, #1
    bne again
    bx lr
"""


@pytest.mark.needs_cc
@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_plugin_counts_a_known_loop_exactly(tmp_path: Path) -> None:
    (tmp_path / "loop.s").write_text(LOOP)
    elf, out = tmp_path / "loop.elf", tmp_path / "out"
    link = ["-nostdlib", "-Wl,-Ttext=0", "-Wl,-e,start", "-Wl,--no-warn-rwx-segments"]
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", *link, tmp_path / "loop.s", "-o", elf]
    subprocess.run(command, check=True)
    code = executions.disassemble(elf, ("dsp",))
    enter, leave = executions.region(code, "region")
    plugin = executions.build_plugin(tmp_path)
    option = executions.plugin_option(plugin, enter, leave, out)
    command = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-semihosting"]
    subprocess.run([*command, "-kernel", elf, "-plugin", option], check=True, timeout=60)
    blocks = executions.last_region(out, code)
    counts: dict[tuple[int, str], int] = {}
    for block in blocks:
        for one in block.instructions:
            place = (one.address, one.mnemonic)
            counts[place] = counts.get(place, 0) + block.runs
    assert counts == {
        **{(0x3FC, "movs"): 1, (0x3FE, "movw"): 1, (0x408, "bx"): 1},
        **{(0x402, "adds"): 1000, (0x404, "subs"): 1000, (0x406, "bne.n"): 1000},
    }
    assert sum(block.jumps for block in blocks) == 999 + 1  # the loop, and bx


def test_blocks_that_always_ran_together_become_one() -> None:
    def block(address: int, runs: int, jumps: int) -> Block:
        return Block((Instruction(address, "nop", ""),), runs, jumps)

    apart = [block(0, 5, 1), block(2, 5, 0), block(4, 5, 5), block(6, 5, 0), block(8, 6, 0)]
    lengths = [(len(b.instructions), b.runs, b.jumps) for b in joined(apart)]
    assert lengths == [(1, 5, 1), (2, 5, 5), (1, 5, 0), (1, 6, 0)]
    assert [len(b.instructions) for b in joined([block(0, 5, 0), block(8, 5, 0)])] == [1, 1]


def test_region_needs_one_call() -> None:
    call = Instruction(8, "bl", "100 <f>")
    after = Instruction(12, "nop", "")
    assert executions.region([call, after], "f") == (0x100, 12)
    with pytest.raises(ValueError, match="f is called in 2 places"):
        executions.region([call, after, call, after], "f")


@pytest.mark.needs_cc
@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_guest_and_plugin_count_the_same_on_every_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    weights = rng.integers(-127, 128, (40, 70)).astype(np.int8)
    dense = fully_connected(rng, weights, 1)
    per_channel = fully_connected(rng, weights, 1, per_row=True)
    cases = [
        single.Case("product", "dense", dense, dense),
        single.Case("per channel", "dense", per_channel, kernels.pointwise(per_channel)),
    ]
    monkeypatch.setattr(single, "code_bytes", lambda board, names: 0)
    with single.bench("qemu-mps2-an386") as on:
        counts = [single.measure(on, case) for case in cases]  # refuses other counts by itself
        with pytest.raises(SystemExit, match="device and reference differ"):
            single.measure(on, single.Case("wrong", "dense", dense, per_channel))
        monkeypatch.setattr(single, "OVERHEAD", single.OVERHEAD + 1)
        with pytest.raises(SystemExit, match=r"product: guest counts \d+, plugin \d+"):
            single.measure(on, cases[0])
    assert counts[0].macs == 40 * 70
    low, high = counts[0].cycles
    assert 0.5 * counts[0].instructions < low <= high < 4 * counts[0].instructions
    with single.bench("qemu-mps2-an386", plugin=False) as on:
        again = [single.measure(on, case).instructions for case in cases]
    assert again == [it.instructions for it in counts]


@pytest.mark.needs_cc
def test_a_product_and_its_convolution_are_the_same_sums() -> None:
    rng = np.random.default_rng(5)
    weights = rng.integers(-127, 128, (9, 33)).astype(np.int8)
    data = fully_connected(rng, weights, 3)
    product, convolution = interpreter(data), interpreter(kernels.pointwise(data))
    (x,) = random_inputs(product, rng)
    found = run_oracle(convolution, [x.reshape(3, 1, 1, 33)])[0]
    np.testing.assert_array_equal(found.reshape(3, 9), run_oracle(product, [x])[0])


def test_multiplications_are_those_of_the_dense_graph() -> None:
    rng = np.random.default_rng(6)
    product = lower_graph(fully_connected(rng, np.zeros((5, 7), np.int8), 2)).plan
    layer = lower_graph(lstm(rng, 6, 10, "dense", "dsp")).plan
    assert [single.macs(record) for record in product.records] == [2 * 5 * 7]
    assert [single.macs(record) for record in layer.records] == [2 * 4 * 10 * (6 + 10)]
    assert single.kernels(layer) == ("FULLY_CONNECTED_S8", "LSTM_S8")


@pytest.mark.needs_shared
def test_whole_models_have_the_multiplications_of_the_benchmark(shared: Path) -> None:
    """MLPerf Tiny's reference models, by the sizes of their layers."""
    assert shared == single.SHARED and len(models.cases()) == 8
    known = {"ad01_int8": 264_192, "trained_lstm_int8": 28 * 4 * 20 * 48 + 560 * 10}
    for case in models.cases():
        if case.name in known:
            plan = lower_graph(case.data).plan
            assert sum(map(single.macs, plan.records)) == known[case.name]
