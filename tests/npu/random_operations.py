"""Random operations for an Ethos-U: registers, memory and weights that fit together."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from edgesdk.npu.accelerators import Accelerator
from edgesdk.npu.commands import COMMANDS
from edgesdk.npu.stream import RESET
from ethosu import mlw_codec
from obvious_npu import Channels

FORMS = {command.name: command for command in COMMANDS.values()}
REGION_BYTES = 1 << 16


def encode(name: str, value: int | tuple[int, int]) -> list[int]:
    """The words of a command; the value as edgesdk.npu.stream reads it."""
    command = FORMS[name]
    if isinstance(value, tuple):
        return [command.code | value[1] << 16, value[0]]
    if command.form in ("raw", "count", "operation"):
        return [command.code | ((value - (command.form == "count")) & 0xFFFF) << 16]
    if command.form == "length":
        return [command.code, value]
    return [command.code | (value >> 32 & 0xFF) << 16, value & 0xFFFFFFFF]


def sets(registers: Mapping[str, int | tuple[int, int]]) -> list[int]:
    """The words that set registers."""
    return [word for name, value in registers.items() for word in encode(name, value)]


@dataclass
class Case:
    """One operation: registers that differ from their start, and memory of regions 0, 1, 2."""

    operation: str
    mode: int
    accelerator: Accelerator
    registers: dict[str, int] = field(default_factory=dict)
    scales: dict[str, tuple[int, int]] = field(default_factory=dict)
    memory: list[bytearray] = field(default_factory=list)
    weights: dict[tuple[int, int, int, int], int] = field(default_factory=dict)
    channels: Channels = field(default_factory=list)
    tables: bytes = b""
    taken: int = 0

    def all_registers(self) -> dict[str, int]:
        """Every register, with `depthwise` for the plain convolution."""
        start = {name: value for name, value in RESET.items() if isinstance(value, int)}
        return start | self.registers | {"depthwise": int(self.operation == "DEPTHWISE")}

    def words(self) -> np.ndarray:
        """Transfer of the tables, the operation, STOP."""
        words: list[int] = []
        if self.tables:
            at = (self.accelerator.shram_banks - 2) * 1024
            moves = {
                "DMA0_SRC_REGION": 0,
                "DMA0_SRC": REGION_BYTES - 2048,
                "DMA0_DST_REGION": 0x103,
            }
            for name, value in (moves | {"DMA0_DST": at, "DMA0_LEN": 2048}).items():
                words += encode(name, value)
            words += encode("DMA_START", 0) + encode("DMA_WAIT", 0)
        for name, value in (self.registers | self.scales).items():
            words += encode(name, value)
        words += encode(self.operation, self.mode) + encode("STOP", 0xFFFF)
        return np.array(words, np.uint32)


class Maker:
    """Draws cases; the same seed gives the same case."""

    def __init__(self, seed: int, accelerator: Accelerator) -> None:
        self.chance = random.Random(seed)
        self._accelerator = accelerator

    def make(self, operation: str) -> Case:
        """A case of CONV, DEPTHWISE, POOL or ELEMENTWISE."""
        modes = {"POOL": 3, "ELEMENTWISE": 10}
        case = Case(operation, self.chance.randrange(modes.get(operation, 1)), self._accelerator)
        data = np.random.default_rng(self.chance.randrange(1 << 30))
        case.memory = [bytearray(data.bytes(REGION_BYTES)) for _ in range(3)]
        if operation == "ELEMENTWISE":
            self._elementwise(case)
        else:
            self._windowed(case)
        self._activation(case)
        return case

    def _map(self, case: Case, name: str, shape: tuple[int, int, int], precision: int) -> None:
        """Place a map in four tiles in a fresh part of region 1, or 2 for the output."""
        height, width, depth = shape
        output = name == "OFM"
        size = 1 << (precision >> (1 if output else 2) & 3)
        bricks = self.chance.random() < 0.5
        signed, r = precision & 1, case.registers
        r[f"{name}_PRECISION"] = precision | bricks << 6
        if name != "IFM2":
            r[f"{name}_DEPTH_M1"] = depth
        zero = self.chance.randrange(-128, 128) if signed else self.chance.randrange(256)
        r[f"{name}_ZERO_POINT"] = (zero if size == 1 else 0) & 0xFFFF
        r[f"{name}_REGION"] = 2 if output else 1
        bound = (max(height, 1), max(width, 1))
        r[f"{name}_HEIGHT0_M1"] = self.chance.randint(1, bound[0])
        r[f"{name}_HEIGHT1_M1"] = self.chance.randint(1, bound[0])
        r[f"{name}_WIDTH0_M1"] = self.chance.randint(1, bound[1])
        whole = -(-depth // 16) * 16 if bricks else depth
        gap = self.chance.choice([0, 16]) * size
        if bricks:
            r[f"{name}_STRIDE_C"] = width * 16 * size + gap
            r[f"{name}_STRIDE_Y"] = r[f"{name}_STRIDE_C"] * (whole // 16)
        else:
            r[f"{name}_STRIDE_X"] = depth * size + gap
            r[f"{name}_STRIDE_Y"] = width * r[f"{name}_STRIDE_X"] + gap
        bytes_of_tile = r[f"{name}_STRIDE_Y"] * height
        for tile in range(4):
            r[f"{name}_BASE{tile}"] = case.taken
            case.taken += -(-bytes_of_tile // 16) * 16
        if case.taken > REGION_BYTES - 4096:
            raise AssertionError("the case is too large for its region")

    def _windowed(self, case: Case) -> None:
        draw, r = self.chance.randint, case.registers
        taps = draw(1, 4), draw(1, 4)
        if case.operation != "POOL" and draw(0, 5) == 0:
            taps = draw(8, 10), draw(1, 10)
        steps = (1, 1) if case.operation == "POOL" else (draw(1, 2), draw(1, 2))
        strides = draw(1, 4), draw(1, 4)
        kernel = [(taps[i] - 1) * steps[i] + 1 for i in (0, 1)]
        r["KERNEL_HEIGHT_M1"], r["KERNEL_WIDTH_M1"] = kernel
        part = case.operation == "CONV" and draw(0, 1)
        bits = [(strides[1] - 1) & 1, ((strides[0] - 1) & 1) << 1, part << 2]
        bits += [(steps[1] - 1) << 3, (steps[0] - 1) << 4]
        bits += [(strides[1] - 1) >> 1 << 6, (strides[0] - 1) >> 1 << 9]
        r["KERNEL_STRIDE"] = sum(bits)
        out = [draw(1, 4), draw(1, 4), draw(1, 40)]
        inputs = draw(1, 40) if case.operation == "CONV" or case.mode == 2 else out[2]
        if case.mode == 2:
            out[2] = 1
        pads = [draw(0, kernel[0] - 1), draw(0, kernel[1] - 1)]
        far = [draw(0, kernel[0] - 1), draw(0, kernel[1] - 1)]
        size = [(out[i] - 1) * strides[i] + kernel[i] - pads[i] - far[i] for i in (0, 1)]
        for i in (0, 1):  # the input is at least one element
            pads[i] -= min(pads[i], max(0, 1 - size[i]))
            size[i] = (out[i] - 1) * strides[i] + kernel[i] - pads[i] - far[i]
            far[i] -= max(0, 1 - size[i])
            size[i] = max(size[i], 1)
        r["IFM_PAD_TOP"], r["IFM_PAD_LEFT"] = pads
        r["IFM_PAD_BOTTOM"], r["IFM_PAD_RIGHT"] = far
        r["IFM_UPSCALE"] = self.chance.choice([0, 0, 1, 2]) if case.mode != 2 else 0
        if r["IFM_UPSCALE"]:
            size = [-(-n // 2) for n in size]
        r["OFM_HEIGHT_M1"], r["OFM_WIDTH_M1"] = out[:2]
        wide = [9] if case.operation == "POOL" else []
        kinds = [0, 1, 5, *wide] if case.mode == 2 else [0, 1, 5]
        precision = self.chance.choice(kinds)
        self._map(case, "IFM", (size[0], size[1], inputs), precision)
        case.taken = 0
        self._ofm(case, (out[0], out[1], out[2]))
        case.scales["OFM_SCALE"] = self._scale(case)
        if case.operation != "POOL":
            self._weights(case, taps, inputs)
        elif case.mode == 1 and draw(0, 2) == 0:
            case.scales["OFM_SCALE"] = 1, 0

    def _ofm(self, case: Case, shape: tuple[int, int, int]) -> None:
        rounding = self.chance.choice([0, 0, 1, 2])
        precision = self.chance.choice([0, 1, 1, 2, 3, 5]) | rounding << 14
        if case.operation in ("POOL", "ELEMENTWISE"):
            precision |= self.chance.randint(0, 1) << 8
        self._map(case, "OFM", shape, precision)

    def _scale(self, case: Case) -> tuple[int, int]:
        """A factor that leaves most outputs inside their range."""
        size = 1 << (case.registers["OFM_PRECISION"] >> 1 & 3)
        target = {1: 8, 2: 16, 4: 24}[size]
        multiplier = self.chance.randrange(1 << 30, 1 << 31)
        shift = 31 + self.chance.randint(0, 18) - (target - 8) // 2
        return multiplier, max(0, min(63, shift))

    def _activation(self, case: Case) -> None:
        r, draw = case.registers, self.chance.randint
        size = 1 << (r["OFM_PRECISION"] >> 1 & 3)
        bits = {1: 8, 2: 16, 4: 16}[size]
        half = 1 << bits - 1 if r["OFM_PRECISION"] & 1 else 0
        low, high = -half, (1 << bits) - 1 - half
        if draw(0, 2) == 0:
            low, high = sorted((self.chance.randint(low, high), self.chance.randint(low, high)))
        r["ACTIVATION_MIN"], r["ACTIVATION_MAX"] = low & 0xFFFF, high & 0xFFFF
        r["ACTIVATION"] = self.chance.choice([0, 0, 0, 3, 4, 16])
        if r["ACTIVATION"] == 0 and draw(0, 2) == 0:  # the range of another type
            clip = 2 if r["OFM_PRECISION"] & 1 else self.chance.choice([3, 5])
            r["ACTIVATION"] = clip << 12
            low, high = {2: (0, 255), 3: (-128, 127), 5: (-32768, 32767)}[clip]
            r["ACTIVATION_MIN"], r["ACTIVATION_MAX"] = low & 0xFFFF, high & 0xFFFF
        if r["ACTIVATION"] == 16:
            case.tables = bytes(case.memory[0][REGION_BYTES - 2048 :])
            if size == 1:
                r["ACTIVATION"] += draw(0, 7)
            elif size == 4:
                r["ACTIVATION"] += draw(0, 4)
                r["ACTIVATION"] |= 3 << 12
                r["ACTIVATION_MIN"], r["ACTIVATION_MAX"] = 0xFF80, 0x7F

    def _weights(self, case: Case, taps: tuple[int, int], inputs: int) -> None:
        """Weights, biases and scales as Vela lays them, for both cores where there are two."""
        r = case.registers
        outputs, depthwise = r["OFM_DEPTH_M1"], case.operation == "DEPTHWISE"
        data = np.random.default_rng(self.chance.randrange(1 << 30))
        shape = outputs, *taps, 1 if depthwise else inputs
        weights = data.integers(-128, 128, shape) * (data.random(shape) < 0.7)
        case.weights = {tuple(map(int, at)): int(v) for at, v in np.ndenumerate(weights)}
        case.channels = [
            (self.chance.randrange(-(1 << 20), 1 << 20), *self._scale(case)) for _ in range(outputs)
        ]
        depth = self.chance.choice([8, 16, 24, 32, 128])
        r["OFM_BLK_DEPTH_M1"] = depth
        cores = self._accelerator.cores
        if self._accelerator.product == "u65":
            r["PARALLEL_MODE"] = cores - 1
        at = 0
        for core in range(cores):
            at = self._stream(case, weights, core, (depth + cores - 1 - core) // cores, at)

    def _stream(self, case: Case, weights: np.ndarray, core: int, depth: int, at: int) -> int:
        r, cores = case.registers, self._accelerator.cores
        name = "1" if core else ""
        own = weights[core::cores]
        r[f"WEIGHT{name}_BASE"] = r[f"SCALE{name}_BASE"] = at
        r[f"WEIGHT{name}_LENGTH"] = r[f"SCALE{name}_LENGTH"] = 0
        if not len(own):
            return at
        scales = b"".join(
            (bias & ((1 << 40) - 1)).to_bytes(5, "little")
            + multiplier.to_bytes(4, "little")
            + bytes([shift])
            for bias, multiplier, shift in case.channels[core::cores]
        )
        stride, wide = r["KERNEL_STRIDE"], r["IFM_PRECISION"] >> 2 & 3 == 1
        stream, _ = mlw_codec.reorder_encode(
            self._accelerator.ifm_block[2],
            self._accelerator.ofm_block[2],
            own.astype(np.int16),
            depth,
            case.operation == "DEPTHWISE",
            bool(stride >> 2 & 1),
            16 if wide else 8,
            8 // ((stride >> 4 & 1) + 1),
            8 // ((stride >> 3 & 1) + 1),
        )
        padded = -(-len(scales) // 16) * 16
        r[f"SCALE{name}_LENGTH"] = padded
        r[f"WEIGHT{name}_BASE"], r[f"WEIGHT{name}_LENGTH"] = at + padded, len(stream)
        case.memory[0][at : at + len(scales)] = scales
        case.memory[0][at + padded : at + padded + len(stream)] = bytes(stream)
        return at + padded + -(-len(stream) // 16) * 16

    def _elementwise(self, case: Case) -> None:
        draw, r = self.chance.randint, case.registers
        shape = draw(1, 5), draw(1, 5), draw(1, 40)
        kinds = {0: [0, 1, 5, 9], 7: [9], 8: [9], 9: [9]}
        precision = self.chance.choice(kinds.get(case.mode, [0, 1, 5]))
        scaling = self.chance.randint(0, 2) if case.mode in (1, 2) and precision != 9 else 0
        rounding = self.chance.choice([0, 1, 2])
        self._map(case, "IFM", shape, precision | scaling << 8 | rounding << 14)
        repeat = self.chance.choice([0, 0, 1, 2, 4, 5, 7, 0x80])
        repeat |= self.chance.choice([0, 0x40])
        r["IFM2_BROADCAST"] = repeat
        r["IFM2_SCALAR"] = draw(0, 30) if case.mode > 7 else draw(0, 0xFF)
        second = (1 if repeat & 1 else shape[0], 1 if repeat & 2 else shape[1])
        self._map(case, "IFM2", (*second, 1 if repeat & 4 else shape[2]), precision)
        if case.mode in (8, 9):
            self._small_shifts(case)
        case.taken = 0
        r["OFM_HEIGHT_M1"], r["OFM_WIDTH_M1"] = shape[:2]
        self._ofm(case, shape)
        case.scales["OFM_SCALE"] = self._scale(case)
        case.scales["OPA_SCALE"] = self._operand(scaling)
        case.scales["OPB_SCALE"] = draw(1, 0xFFFF), 0

    def _operand(self, scaling: int) -> tuple[int, int]:
        if scaling == 0:
            return self.chance.randint(1, 0xFFFF), 0
        return self.chance.randrange(1 << 30, 1 << 31), self.chance.randint(10, 20)

    def _small_shifts(self, case: Case) -> None:
        """Shift counts of 0 to 31 in every element of both operands."""
        words = np.frombuffer(case.memory[1], np.uint32) & 31
        case.memory[1][:] = words.astype(np.uint32).tobytes()
        if case.registers["IFM2_BROADCAST"] & 0x40:
            return
        case.registers["IFM2_SCALAR"] &= 31
