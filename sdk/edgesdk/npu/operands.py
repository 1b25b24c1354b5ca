"""What an operation of a command stream works on: registers as feature maps, kernels and ranges.

Sizes of inputs are no registers: they follow from the output, the kernel and the padding.
"""

from dataclasses import dataclass

from edgesdk.npu.stream import Operation

SHRAM = 8
"""The memory inside the NPU, as a region."""

REGIONS = {0: "constants", 1: "scratch", 2: "fast", SHRAM: "shram"}
"""What Vela uses the regions for."""

BLOCKS = ("CONV", "DEPTHWISE", "POOL", "ELEMENTWISE")
POOLS = ("MAX", "AVERAGE", "REDUCE_SUM")
ELEMENTWISE = ("MUL", "ADD", "SUB", "MIN", "MAX", "LRELU", "ABS", "CLZ", "SHR", "SHL")
ROUNDINGS = ("double", "truncate", "natural")
_UNARY = ("LRELU", "ABS", "CLZ")
_UPSCALES = ("none", "nearest", "zeros")
_SCALE_MODES = ("16-bit", "first", "second")
_INTERNAL = 0x100


def region_name(region: int) -> str:
    """A region as people call it."""
    return REGIONS.get(region, f"region {region}")


@dataclass(frozen=True)
class FeatureMap:
    """An input or output: shape is (height, width, depth), strides are bytes per y, x and brick.

    `tiles` are the bases of those in use: left top, right top, left bottom, right bottom; with
    more than one, `splits` is the width of the left ones and the heights of the upper ones.
    """

    region: int
    shape: tuple[int, int, int]
    dtype: str
    layout: str
    zero_point: int
    strides: tuple[int, int, int]
    tiles: dict[int, int]
    splits: tuple[int, int, int]


@dataclass(frozen=True)
class Range:
    """Bytes of a region."""

    region: int
    address: int
    size_bytes: int


@dataclass(frozen=True)
class Kernel:
    """Of a window: (y, x) pairs; padding is top, left, bottom, right."""

    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]
    part_kernel: bool


def mode_name(operation: Operation) -> str:
    """What the operation does: CONV, POOL AVERAGE, ELEMENTWISE ADD, ..."""
    name, param = operation.command.name, operation.param
    modes = {"POOL": POOLS, "ELEMENTWISE": ELEMENTWISE}.get(name, ())
    if not modes:
        return name
    return f"{name} {modes[param] if param < len(modes) else param}"


def feature_map(operation: Operation, name: str, shape: tuple[int, int, int]) -> FeatureMap:
    """IFM, IFM2 or OFM of that shape."""
    number = operation.number
    precision = number(f"{name}_PRECISION")
    bits = 8 << (precision >> (1 if name == "OFM" else 2) & 3)
    zero, signed = number(f"{name}_ZERO_POINT"), precision & 1
    splits = (
        number(f"{name}_WIDTH0_M1"),
        number(f"{name}_HEIGHT0_M1"),
        number(f"{name}_HEIGHT1_M1"),
    )
    used = {0}
    if shape[1] > splits[0]:
        used |= {1, 3} if shape[0] > splits[2] else {1}
    if shape[0] > splits[1]:
        used.add(2)
    return FeatureMap(
        number(f"{name}_REGION"),
        shape,
        f"{'int' if signed else 'uint'}{bits}",
        "NHCWB16" if precision >> 6 & 1 else "NHWC",
        zero - 0x10000 if signed and zero & 0x8000 else zero,
        (
            number(f"{name}_STRIDE_Y"),
            number(f"{name}_STRIDE_X"),
            number(f"{name}_STRIDE_C"),
        ),
        {tile: number(f"{name}_BASE{tile}") for tile in sorted(used)},
        splits,
    )


def kernel(operation: Operation) -> Kernel:
    """The window of a convolution or pool."""
    number, packed = operation.number, operation.number("KERNEL_STRIDE")
    dilation = (packed >> 4 & 1) + 1, (packed >> 3 & 1) + 1
    return Kernel(
        (
            (number("KERNEL_HEIGHT_M1") - 1) // dilation[0] + 1,
            (number("KERNEL_WIDTH_M1") - 1) // dilation[1] + 1,
        ),
        ((packed >> 1 & 1) + (packed >> 8 & 2) + 1, (packed & 1) + (packed >> 5 & 2) + 1),
        dilation,
        (
            number("IFM_PAD_TOP"),
            number("IFM_PAD_LEFT"),
            number("IFM_PAD_BOTTOM"),
            number("IFM_PAD_RIGHT"),
        ),
        bool(packed >> 2 & 1),
    )


def ofm_shape(operation: Operation) -> tuple[int, int, int]:
    """Height, width, depth of the output."""
    number = operation.number
    return number("OFM_HEIGHT_M1"), number("OFM_WIDTH_M1"), number("OFM_DEPTH_M1")


def ifm_shape(operation: Operation) -> tuple[int, int, int]:
    """Height, width, depth of the input; 0 where padding leaves nothing."""
    height, width, depth = ofm_shape(operation)
    name = operation.command.name
    if name == "ELEMENTWISE":
        return height, width, depth
    if name == "CONV" or (name == "POOL" and operation.param == POOLS.index("REDUCE_SUM")):
        depth = operation.number("IFM_DEPTH_M1")
    window = kernel(operation)
    top, left, bottom, right = window.padding
    rows = (height - 1) * window.stride[0] + operation.number("KERNEL_HEIGHT_M1") - top - bottom
    columns = (width - 1) * window.stride[1] + operation.number("KERNEL_WIDTH_M1") - left - right
    if operation.number("IFM_UPSCALE"):
        rows, columns = -(-rows // 2), -(-columns // 2)
    return max(rows, 0), max(columns, 0), depth


def ifm2_shape(operation: Operation) -> tuple[int, int, int] | None:
    """Height, width, depth of the second input; None where none is read from memory."""
    if operation.command.name != "ELEMENTWISE" or mode_name(operation).split()[1] in _UNARY:
        return None
    broadcast = operation.number("IFM2_BROADCAST")
    if broadcast & 0x80:
        return None
    shape = ofm_shape(operation)
    height, width, depth = (1 if broadcast >> i & 1 else side for i, side in enumerate(shape))
    return height, width, depth


def scalar(operation: Operation) -> int | None:
    """The second operand of an elementwise operation that has it in a register."""
    if operation.command.name != "ELEMENTWISE" or mode_name(operation).split()[1] in _UNARY:
        return None
    if not operation.number("IFM2_BROADCAST") & 0x80:
        return None
    value = operation.number("IFM2_SCALAR")
    signed = operation.number("IFM2_PRECISION") & 1
    return value - 0x10000 if signed and value & 0x8000 else value


def per_core(operation: Operation, part: str) -> list[Range]:
    """WEIGHT or SCALE of each core at work."""
    region = operation.number(f"{part}_REGION")
    cores = operation.number("PARALLEL_MODE") + 1
    prefixes = (part, f"{part}1")[:cores]
    return [
        Range(region, operation.number(f"{prefix}_BASE"), operation.number(f"{prefix}_LENGTH"))
        for prefix in prefixes
    ]


def transfer(operation: Operation) -> tuple[Range, Range]:
    """Source and destination of DMA_START."""
    size = operation.number("DMA0_LEN")
    ends = []
    for end in ("SRC", "DST"):
        register = operation.number(f"DMA0_{end}_REGION")
        region = SHRAM if register & _INTERNAL else register & 7
        ends.append(Range(region, operation.number(f"DMA0_{end}"), size))
    return ends[0], ends[1]


def activation(operation: Operation) -> str:
    """none, tanh, sigmoid or table N."""
    function = operation.number("ACTIVATION") & 31
    if function >= 16:
        return f"table {function - 16}"
    return {0: "none", 3: "tanh", 4: "sigmoid"}.get(function, str(function))


def clamp(operation: Operation) -> tuple[int, int]:
    """Least and greatest value before the table; as signed numbers where the output is."""
    precision, force = operation.number("OFM_PRECISION"), operation.number("ACTIVATION") >> 12
    signed = force in (3, 5) if force else precision & 1
    low, high = operation.number("ACTIVATION_MIN"), operation.number("ACTIVATION_MAX")
    if signed:
        low, high = ((value ^ 0x8000) - 0x8000 for value in (low, high))
    return low, high


def upscale(operation: Operation) -> str:
    """How the input is spread: none, nearest or zeros."""
    mode = operation.number("IFM_UPSCALE")
    return _UPSCALES[mode] if mode < len(_UPSCALES) else str(mode)


def rounding(operation: Operation, fm: str = "OFM") -> str:
    """double, truncate or natural, of the output's or the input's scale."""
    mode = operation.number(f"{fm}_PRECISION") >> 14
    return ROUNDINGS[mode] if mode < len(ROUNDINGS) else str(mode)


def scaled_operand(operation: Operation) -> str:
    """What an addition scales: 16-bit (both), first or second."""
    mode = operation.number("IFM_PRECISION") >> 8 & 3
    return _SCALE_MODES[mode] if mode < len(_SCALE_MODES) else str(mode)
