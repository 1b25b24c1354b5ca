"""The estimate of cycles, on loops that were weighed by hand."""

import pytest
from cycles import estimate
from executions import Block, Instruction

M4, M55 = ("dsp", "fp32"), ("dsp", "fp32", "mve")


def _block(text: str, runs: int = 1, jumps: int = 0) -> Block:
    """One instruction per line: mnemonic, operands."""
    lines = [line.strip().partition(" ") for line in text.strip().splitlines()]
    made = tuple(Instruction(4 * i, name, rest) for i, (name, _, rest) in enumerate(lines))
    return Block(made, runs, jumps)


# (instructions, cycles at least, cycles at most) on a Cortex-M4, Arm 100166 table 3-1
M4_CASES = [
    ("add r0, r1\nsmlad r2, r3, r4, r2", 2, 2),
    ("ldr r0, [r1]\nldr r2, [r1, #4]\nldr r3, [r1, #8]", 4, 4),
    ("ldr r0, [r1]\nldr r2, [r0]", 4, 4),  # the address is what was just loaded
    ("ldr r0, [r1]\nmov r4, r5\nldrb.w r2, [r1, #4]", 5, 5),
    ("str r0, [r1, #4]\nldr r2, [r3]", 2, 3),
    ("str r0, [r1, r2]", 2, 2),
    ("ldr.w r3, [r1, r5]\nstr.w r0, [r1, r2]", 3, 3),
    ("ldrd r0, r1, [r2]", 3, 3),
    ("ldmia.w r0!, {r1, r2, r4-r7}", 7, 7),
    ("push {r4, r5, lr}", 4, 4),
    ("udiv r0, r1, r2", 2, 12),
    ("it ge\nmovge r0, r1", 1, 2),
    ("vldr s0, [r0]\nvmul.f32 s0, s0, s1\nvdiv.f32 s0, s0, s1", 17, 17),
    ("vpush {d8-d9}", 5, 5),
]


@pytest.mark.parametrize(("text", "low", "high"), M4_CASES, ids=[c[0] for c in M4_CASES])
def test_m4_instructions_take_what_the_manual_says(text: str, low: float, high: float) -> None:
    assert estimate([_block(text)], M4) == (low, high)


def test_m4_pays_for_jumps_that_were_taken() -> None:
    assert estimate([_block("subs r0, #1\nbne.n 10", runs=10, jumps=9)], M4) == (20 + 9, 20 + 27)


# CMSIS-NN's inner loop by clang 19: five loads, four products, 64 multiplications
PRODUCT = "\n".join(
    ["vldrb.u8 q0, [r0], #16"]
    + ["vldrb.u8 q1, [r1], #16\nvmladava.s8 lr, q0, q1"] * 4
    + ["letp lr, 10"]
)
M55_CASES = [
    (PRODUCT, 10, 18),
    ("vadd.i32 q0, q1, q2\nvadd.i32 q3, q1, q2", 4, 4),
    ("vadd.i32 q0, q1, q2\nvqrdmulh.s32 q3, q1, r2\nldr r0, [r1]", 3, 5),
    ("vldrb.u8 q0, [r0, q1]", 2, 16),  # a gather: an element a cycle at worst
    ("vldrw.u32 q0, [q1, #4]", 2, 4),
    ("vldrw.u32 q0, [r0, #16]", 2, 2),
    ("pop {r4-r7, pc}", 3, 5),
    ("ldrd r0, r1, [r2]", 1, 2),
    ("vmov r0, r1, d0\nadd r0, r1\nle lr, 10", 2, 2),
    ("vpst\nvqrdmulht.s16 q0, q1, q2", 2, 3),
]


@pytest.mark.parametrize(("text", "low", "high"), M55_CASES)
def test_m55_takes_its_busiest_unit_at_least(text: str, low: float, high: float) -> None:
    assert estimate([_block(text)], M55) == (low, high)


def test_blocks_add_up() -> None:
    assert estimate([_block(PRODUCT, runs=3), _block("nop", runs=2)], M55) == (32, 56)
