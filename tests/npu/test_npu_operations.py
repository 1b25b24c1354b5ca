"""Random operations on the emulator against plain loops: every byte of memory afterwards."""

import numpy as np
import obvious_npu
import pytest
from edgesdk.npu.accelerators import ACCELERATORS
from edgesdk.npu.emulator import Npu
from ethosu import mlw_codec
from random_operations import Case, Maker, encode, sets

pytestmark = pytest.mark.needs_cc

CASES = {"CONV": 25, "DEPTHWISE": 25, "POOL": 40, "ELEMENTWISE": 150}


def _run_obvious(case: Case) -> None:
    r = case.all_registers()
    scales = {"OPA_SCALE": (0, 0), "OPB_SCALE": (0, 0)} | case.scales
    out = obvious_npu.Output(r, scales, case.tables)
    if case.operation == "POOL":
        obvious_npu.pool(r, scales, out, case.memory, case.mode)
    elif case.operation == "ELEMENTWISE":
        obvious_npu.elementwise(r, scales, out, case.memory, case.mode)
    else:
        obvious_npu.convolve(r, out, case.memory, case.weights, case.channels)


@pytest.mark.parametrize("operation", CASES)
@pytest.mark.parametrize("name", ACCELERATORS)
def test_random_operation_then_leaves_the_memory_of_plain_loops(name: str, operation: str) -> None:
    full, tight = Npu(name), Npu(name, work_bytes=20000)
    for seed in range(CASES[operation]):
        case = Maker(seed, ACCELERATORS[name]).make(operation)
        found = [[np.frombuffer(bytes(m), np.uint8).copy() for m in case.memory] for _ in "12"]
        full.run(case.words(), found[0])
        tight.run(case.words(), found[1])
        _run_obvious(case)
        for region, expected in enumerate(case.memory):
            for memory in found:
                wrong = np.flatnonzero(memory[region] != np.frombuffer(expected, np.uint8))
                told = f"seed {seed} mode {case.mode} region {region} {case.registers}"
                assert not wrong.size, f"{wrong[:5]} {told}"


@pytest.mark.parametrize(("dtype", "depth"), [("int8", 65536), ("int16", 4000)])
def test_largest_sums_of_a_long_row_then_stay_exact(dtype: str, depth: int) -> None:
    size = np.dtype(dtype).itemsize
    weights = np.full((2, 1, 1, depth), 255, np.int16)
    weights[1] = -255
    stream = bytes(mlw_codec.reorder_encode(8, 8, weights, 8, 0, 0, 8 * size, 8, 8)[0])
    scale = (0).to_bytes(5, "little") + (1 << 30).to_bytes(4, "little") + bytes([31])
    constants = np.frombuffer((2 * scale).ljust(32, b"\0") + stream, np.uint8)
    values = np.full(depth, np.iinfo(dtype).min, dtype)
    scratch = np.concatenate([values.view(np.uint8), np.zeros(16, np.uint8)])
    registers = {"IFM_PRECISION": 1 | (size - 1) << 2, "IFM_ZERO_POINT": 127 * (size == 1)}
    registers |= {"IFM_REGION": 1, "IFM_DEPTH_M1": depth, "OFM_DEPTH_M1": 2, "OFM_REGION": 1}
    registers |= {"OFM_BASE0": depth * size, "OFM_PRECISION": 5 | 2 << 14, "ACC_FORMAT": 1}
    registers |= {"SCALE_LENGTH": 32, "WEIGHT_BASE": 32, "WEIGHT_LENGTH": len(stream)}
    registers |= {"OFM_BLK_DEPTH_M1": 8}
    words = sets(registers) + encode("CONV", 0) + encode("STOP", 0)
    Npu("ethos-u55-128").run(np.array(words, np.uint32), [constants, scratch])
    total = (int(values[0]) - registers["IFM_ZERO_POINT"]) * 255 * depth
    expected = [max(-(1 << 31), min((1 << 31) - 1, (t + 1) >> 1)) for t in (total, -total)]
    assert scratch[depth * size :].view(np.int32)[:2].tolist() == expected
