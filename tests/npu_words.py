"""Command streams of tests: registers and operations into words, and what they reach, slowly."""

from collections.abc import Mapping
from itertools import product

from edgesdk.npu.commands import CODES, COMMANDS
from edgesdk.npu.stream import Value

STOP = 0xFFFF0000
SHRAM = 8
BLOCKS = ("CONV", "DEPTHWISE", "POOL", "ELEMENTWISE")
PARTS = ("IFM", "IFM2", "OFM", "WEIGHTS", "SCALES", "LUT", "SOURCE", "DESTINATION")
REDUCE_SUM = 2
UNARY = (5, 6, 7)
LUT_BYTES = 2048

Registers = Mapping[str, Value]
Place = tuple[int, str, int]
"""Region, part of PARTS, tile or core."""


def operation(name: str, param: int = 0) -> int:
    """The word of an operation."""
    return param << 16 | CODES[name]


def setting(name: str, value: Value) -> list[int]:
    """The words that set one register."""
    command = COMMANDS[CODES[name]]
    if isinstance(value, tuple):
        return [value[1] << 16 | command.code, value[0]]
    if command.words == 1:
        return [(value - (command.form == "count") & 0xFFFF) << 16 | command.code]
    return [(value >> 32 & 0xFFFF) << 16 | command.code, value & 0xFFFFFFFF]


def settings(registers: Registers) -> list[int]:
    """The words that set all of them."""
    return [word for name, value in registers.items() for word in setting(name, value)]


def number(registers: Registers, name: str) -> int:
    """A register that is no scale."""
    value = registers[name]
    assert isinstance(value, int)
    return value


def ifm_size(r: Registers, name: str, param: int) -> tuple[int, int, int]:
    """Height, width, depth of the IFM: what the outputs' windows cover, less the padding."""
    out = tuple(number(r, f"OFM_{side}_M1") for side in ("HEIGHT", "WIDTH", "DEPTH"))
    if name == "ELEMENTWISE":
        return out  # type: ignore[return-value]
    packed = number(r, "KERNEL_STRIDE")
    step_x, step_y = 1 + (packed & 1) + (packed >> 5 & 2), 1 + (packed >> 1 & 1) + (packed >> 8 & 2)
    rows = {y * step_y + k for y in range(out[0]) for k in range(number(r, "KERNEL_HEIGHT_M1"))}
    columns = {x * step_x + k for x in range(out[1]) for k in range(number(r, "KERNEL_WIDTH_M1"))}
    height = max(rows) + 1 - number(r, "IFM_PAD_TOP") - number(r, "IFM_PAD_BOTTOM")
    width = max(columns) + 1 - number(r, "IFM_PAD_LEFT") - number(r, "IFM_PAD_RIGHT")
    if number(r, "IFM_UPSCALE"):
        height, width = -(-height // 2), -(-width // 2)
    deep = name == "CONV" or (name == "POOL" and param == REDUCE_SUM)
    return height, width, number(r, "IFM_DEPTH_M1") if deep else out[2]


def element(r: Registers, fm: str, y: int, x: int, c: int) -> tuple[int, range]:
    """Tile and bytes of one element of a feature map."""
    precision = number(r, f"{fm}_PRECISION")
    width = 1 << (precision >> (1 if fm == "OFM" else 2) & 3)
    left = number(r, f"{fm}_WIDTH0_M1")
    right = x >= left
    top = number(r, f"{fm}_HEIGHT1_M1" if right else f"{fm}_HEIGHT0_M1")
    tile = right + 2 * (y >= top)
    at_y, at_x = y - top * (y >= top), x - left * right
    address = number(r, f"{fm}_BASE{tile}") + at_y * number(r, f"{fm}_STRIDE_Y")
    if precision >> 6 & 1:
        address += at_x * 16 * width + c // 16 * number(r, f"{fm}_STRIDE_C") + c % 16 * width
    else:
        address += at_x * number(r, f"{fm}_STRIDE_X") + c * width
    return tile, range(address, address + width)


def reached(r: Registers, name: str, param: int, shram_bytes: int) -> dict[Place, set[int]]:
    """Every byte that an operation touches, by enumeration; shram_bytes of one core."""
    found: dict[Place, set[int]] = {}

    def touch(region: int, part: str, index: int, first: int, count: int) -> None:
        if count:
            found.setdefault((region, part, index), set()).update(range(first, first + count))

    def feature_map(fm: str, size: tuple[int, int, int]) -> None:
        for y, x, c in product(*map(range, size)):
            tile, where = element(r, fm, y, x, c)
            touch(number(r, f"{fm}_REGION"), fm, tile, where.start, len(where))

    if name == "DMA_START":
        for part, short in (("SOURCE", "SRC"), ("DESTINATION", "DST")):
            region = number(r, f"DMA0_{short}_REGION")
            region = SHRAM if region & 0x100 else region
            touch(region, part, 0, number(r, f"DMA0_{short}"), number(r, "DMA0_LEN"))
    if name not in BLOCKS:
        return found
    feature_map("IFM", ifm_size(r, name, param))
    out = ifm_size(r, "ELEMENTWISE", 0)
    feature_map("OFM", out)
    broadcast = number(r, "IFM2_BROADCAST")
    if name == "ELEMENTWISE" and param not in UNARY and not broadcast & 0x80:
        feature_map(
            "IFM2",
            tuple(  # type: ignore[arg-type]
                1 if broadcast >> axis & 1 else size for axis, size in enumerate(out)
            ),
        )
    if name in ("CONV", "DEPTHWISE"):
        for core in range(number(r, "PARALLEL_MODE") + 1):
            for part in ("WEIGHT", "SCALE"):
                prefix = f"{part}{core or ''}"
                region, base = number(r, f"{part}_REGION"), number(r, f"{prefix}_BASE")
                touch(region, f"{part}S", core, base, number(r, f"{prefix}_LENGTH"))
    table = number(r, "ACTIVATION") & 31
    if table >= 16:
        width = (256, 2048, 1024)[number(r, "OFM_PRECISION") >> 1 & 3]
        first = shram_bytes - LUT_BYTES + (table - 16) * 256
        touch(SHRAM, "LUT", 0, first, width)
    return found
