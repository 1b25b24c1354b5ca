"""An estimate of cycles from executed instructions: for ratios on one core, never a measurement.

Cortex-M4: Arm 100166 (Cortex-M4 TRM), table 3-1 and "load/store timings", no wait states.
Cortex-M55: one instruction issued per cycle; the units for loads and stores, vector integers and
vector products are each taken for two cycles by a vector instruction, as in the model of the
SLOTHY optimiser (MIT, itself marked approximate). No latencies, no dual issue, no memory stalls.
"""

import re
from collections.abc import Callable, Iterable

from executions import Block, Instruction

Range = tuple[float, float]  # lowest and highest

_REFILL = (1, 3)  # of the M4's pipeline, after a jump
_DIVISION = (2, 12)
_FLOAT_DIVISION = 14
_CONDITION = "(?:eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?"
_LOAD = re.compile(rf"ldr(?:b|h|sb|sh)?{_CONDITION}(?:\.[wn])?$")
_STORE = re.compile(rf"str(?:b|h)?{_CONDITION}(?:\.[wn])?$")
_MULTIPLE = re.compile(r"ldm|stm|push|pop|vldm|vstm|vpush|vpop|ldrd|strd")
_PRODUCT = re.compile(r"v(?:q|r|h)*(?:d|r)*(?:mul|mla|mls|fma|fms)|vcmul|vcmla")


def estimate(blocks: Iterable[Block], isa: tuple[str, ...]) -> Range:
    """Cycles that the blocks of a region may take on the board's core."""
    cost: Callable[[Block], Range] = _m55_block if "mve" in isa else _m4_block
    ranges = [cost(block) for block in blocks]
    return sum(low for low, _ in ranges), sum(high for _, high in ranges)


def _m4_block(block: Block) -> Range:
    low = high = 0.0
    previous = None
    for one in block.instructions:
        least, most = _m4(one, previous)
        low, high, previous = low + least, high + most, one
    refills = block.jumps
    return low * block.runs + _REFILL[0] * refills, high * block.runs + _REFILL[1] * refills


def _m4(one: Instruction, previous: Instruction | None) -> Range:
    name = one.mnemonic
    after_load = previous is not None and _LOAD.match(previous.mnemonic) is not None
    after_store = previous is not None and _STORE.match(previous.mnemonic) is not None
    if _LOAD.match(name):
        if after_load and previous is not None and not _feeds(previous, one):
            return 1, 1
        return (1, 2) if after_store else (2, 2)
    if _STORE.match(name):  # with an immediate offset always one cycle
        return (1, 1) if after_load or not _register_offset(one) else (2, 2)
    if _MULTIPLE.match(name):
        count = _registers(one)
        return 1 + count, 1 + count
    if name.startswith(("sdiv", "udiv")):
        return _DIVISION
    if name.startswith(("tbb", "tbh")):
        return 2, 2
    if name.startswith("it"):  # may be folded into the instruction before it
        return 0, 1
    if name.startswith("v"):
        cost = _m4_float(name)
        return cost, cost
    return 1, 1


def _m4_float(name: str) -> int:
    if name.startswith(("vdiv", "vsqrt")):
        return _FLOAT_DIVISION
    if name.startswith(("vldr", "vstr")):
        return 2
    return 3 if name.startswith(("vmla", "vmls", "vnml", "vfma", "vfms", "vfnm")) else 1


def _feeds(load: Instruction, one: Instruction) -> bool:
    """Whether a load's result is in the address of the next load or store."""
    target = load.operands.split(",")[0].strip()
    return target in re.findall(r"\w+", one.operands.partition("[")[2])


def _register_offset(one: Instruction) -> bool:
    inside = one.operands.partition("[")[2].partition("]")[0]
    return "," in inside and "#" not in inside.split(",")[1]


def _registers(one: Instruction) -> int:
    """How many words a multiple load or store moves."""
    if one.mnemonic.startswith(("ldrd", "strd")):
        return 2
    listed = one.operands.partition("{")[2].partition("}")[0]
    count = 0
    for part in listed.split(","):
        numbers = [int(number) for number in re.findall(r"[rsd](\d+)", part)]
        words = 2 if part.strip().startswith("d") else 1
        count += words * (numbers[1] - numbers[0] + 1 if len(numbers) == 2 else 1)
    return count


def _m55_block(block: Block) -> Range:
    """Lowest: the busiest of the issue slot and the three units. Highest: nothing overlaps."""
    issued, apart = 0.0, 0.0
    busy = {"memory": 0.0, "integer": 0.0, "product": 0.0}
    for one in block.instructions:
        unit, least, most = _m55(one)
        if unit:
            busy[unit] += least
        if not one.mnemonic.startswith(("le", "letp")):  # free: the core keeps the loop's end
            issued += 1 if unit else least
            apart += most
    return max(issued, *busy.values()) * block.runs, apart * block.runs


def _m55(one: Instruction) -> tuple[str, float, float]:
    """Unit, and for how long it is taken at least and at most."""
    name, vector = one.mnemonic, re.search(r"\bq\d", one.operands) is not None
    if name.startswith(("vld", "vst")) and vector:
        return "memory", 2, _gathered(one) or 2
    if _MULTIPLE.match(name):
        count = _registers(one)
        return "memory", (count + 1) // 2, count
    if name.startswith(("ldr", "str", "vldr", "vstr")):
        return "memory", 1, 1
    if vector:
        return ("product" if _PRODUCT.match(name) else "integer"), 2, 2
    if name.startswith(("sdiv", "udiv")):
        return "", *_DIVISION
    if name.startswith(("vdiv", "vsqrt")):
        return "", _FLOAT_DIVISION, _FLOAT_DIVISION
    return "", 1, 1


def _gathered(one: Instruction) -> int:
    """Elements of a load or store whose addresses stand in a vector, else 0: one per cycle."""
    if not re.search(r"\[\w+, q\d|\[q\d", one.operands):
        return 0
    width = re.search(r"(\d+)$", one.mnemonic)
    return 128 // int(width[1]) if width else 4
