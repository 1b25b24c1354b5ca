"""An Ethos-U operation by plain loops, from named registers: slow on purpose, and of its own.

Memory is one bytearray per region; registers are those of edgesdk.npu.stream.Operation.
"""

from collections.abc import Callable, Iterator, Mapping

from edgesdk_converters.lower.tables import logistic_u16

Registers = Mapping[str, int]
Scales = Mapping[str, tuple[int, int]]
DOUBLE, TRUNCATE, NATURAL = range(3)
_CURVE = [int(v) for v in logistic_u16()]


def signed(value: int, bits: int) -> int:
    """The low bits of `value` as two's complement."""
    value &= (1 << bits) - 1
    return value - (value >> (bits - 1) << bits)


class Map:
    """A feature map: where its elements lie, and what they are."""

    def __init__(self, registers: Registers, name: str) -> None:
        self._r, self._name = registers, name
        precision = self._of("PRECISION")
        self.signed = precision & 1
        self.bytes = 1 << (precision >> (1 if name == "OFM" else 2) & 3)
        self._bricks = precision >> 6 & 1
        self.region = self._of("REGION")
        zero = self._of("ZERO_POINT")
        self.zero = signed(zero, 16) if self.signed else zero

    def _of(self, field: str) -> int:
        return self._r[f"{self._name}_{field}"]

    def _place(self, y: int, x: int, c: int) -> int:
        tile = 0
        height = self._of("HEIGHT0_M1")
        if x >= self._of("WIDTH0_M1"):
            tile, height, x = 1, self._of("HEIGHT1_M1"), x - self._of("WIDTH0_M1")
        if y >= height:
            tile, y = tile + 2, y - height
        at = self._of(f"BASE{tile}") + y * self._of("STRIDE_Y")
        if self._bricks:
            return at + (x * 16 + c % 16) * self.bytes + c // 16 * self._of("STRIDE_C")
        return at + x * self._of("STRIDE_X") + c * self.bytes

    def load(self, memory: list[bytearray], y: int, x: int, c: int) -> int:
        """An element less the zero point."""
        at = self._place(y, x, c)
        raw = bytes(memory[self.region][at : at + self.bytes])
        return int.from_bytes(raw, "little", signed=bool(self.signed)) - self.zero

    def store(self, memory: list[bytearray], y: int, x: int, c: int, value: int) -> None:
        """Set an element."""
        at = self._place(y, x, c)
        raw = (value & ((1 << 8 * self.bytes) - 1)).to_bytes(self.bytes, "little")
        memory[self.region][at : at + self.bytes] = raw


def rescale(v: int, scale: tuple[int, int], rounding: int, lift: int = 0) -> int:
    """v times multiplier / 2^shift, in whole numbers."""
    multiplier, shift = scale
    product = v * multiplier
    if rounding == TRUNCATE:
        return product >> shift if product >= 0 else -(-product >> shift)
    nudge = 1 << (shift - 1) if shift else 0
    if rounding == DOUBLE and shift > 31 - lift:
        nudge += (1 << (30 - lift)) * (1 if v >= 0 else -1)
    return (product + nudge) >> shift


def _between(magnitude: int, bits: int, far: int) -> int:
    index = magnitude >> bits
    if index >= 255:
        return far
    step = _CURVE[index + 1] - _CURVE[index]
    return (_CURVE[index] << bits) + (magnitude & ((1 << bits) - 1)) * step


def sigmoid(x: int) -> int:
    """TFLite's int16 logistic, of x in 1 / (3 * 4096)."""
    y = _between(abs(x), 9, 0x7FFF << 10)
    return (y + 512) >> 10 if x >= 0 else ((1 << 25) - y + 511) >> 10


def tanh(x: int) -> int:
    """TFLite's int16 tanh, of x in 1 / (3 * 4096)."""
    y = _between(abs(x), 8, 0xFFFF << 8)
    return (y - (1 << 23) + 128) >> 8 if x >= 0 else (-y + (1 << 23) + 127) >> 8


class Output:
    """What becomes of an accumulator: scale, curve, zero point, range, table."""

    def __init__(self, r: Registers, scales: Scales, tables: bytes) -> None:
        self.map = Map(r, "OFM")
        self.rounding = r["OFM_PRECISION"] >> 14
        self._global = scales["OFM_SCALE"] if r["OFM_PRECISION"] >> 8 & 1 else None
        self._function, clip = r["ACTIVATION"] & 31, r["ACTIVATION"] >> 12
        is_signed = self.map.signed or clip in (3, 5)
        limits = r["ACTIVATION_MIN"], r["ACTIVATION_MAX"]
        self._low, self._high = (signed(v, 16) if is_signed else v for v in limits)
        self._wide = self.map.bytes == 4 and not clip
        if self._wide:
            self._low, self._high = -(1 << 31), (1 << 31) - 1
        self._tables = tables

    def finish(self, v: int, scale: tuple[int, int] | None = None, scaled: bool = True) -> int:
        """The output's element; `scale` is the channel's own."""
        chosen = self._global or scale
        if scaled and chosen is not None:
            v = rescale(v, chosen, self.rounding)
        if self._function == 3:
            v = tanh(v)
        elif self._function == 4:
            v = sigmoid(v)
        v += 0 if self._wide else self.map.zero
        v = max(self._low, min(self._high, v))
        return self._look_up(v) if self._function >= 16 else v

    def _look_up(self, v: int) -> int:
        table = self._tables[(self._function - 16) * 256 :]
        if self.map.bytes == 1:
            entry = table[v + 128 if self.map.signed else v]
            return signed(entry, 8) if self.map.signed else entry
        if self.map.bytes == 4:
            return int.from_bytes(table[4 * (v + 128) :][:4], "little", signed=True)
        x = v if self.map.signed else v - 32768
        line = table[4 * ((x >> 7) + 256) :]
        base = int.from_bytes(line[:2], "little", signed=True)
        slope = int.from_bytes(line[2:4], "little", signed=True)
        return base + ((slope * (x & 127) + 64) >> 7)


Element = Callable[[int, int, int], int]


class Window:
    """The taps that an output reads, in the input after upscaling and before padding."""

    def __init__(self, r: Registers) -> None:
        self._r = r
        stride = r["KERNEL_STRIDE"]
        self.stride = (
            (stride >> 1 & 1) + (stride >> 9 & 1) * 2 + 1,
            (stride & 1) + (stride >> 6 & 1) * 2 + 1,
        )
        self.step = (stride >> 4 & 1) + 1, (stride >> 3 & 1) + 1
        self.rows = (r["OFM_HEIGHT_M1"] - 1) * self.stride[0] + r["KERNEL_HEIGHT_M1"]
        self.rows -= r["IFM_PAD_TOP"] + r["IFM_PAD_BOTTOM"]
        self.columns = (r["OFM_WIDTH_M1"] - 1) * self.stride[1] + r["KERNEL_WIDTH_M1"]
        self.columns -= r["IFM_PAD_LEFT"] + r["IFM_PAD_RIGHT"]

    def taps(self, y: int, x: int) -> Iterator[tuple[int, int, int, int, bool]]:
        """(tap row, tap column, input row, input column, reads a zero) of taps in the input."""
        for i, tap_y in enumerate(range(0, self._r["KERNEL_HEIGHT_M1"], self.step[0])):
            for j, tap_x in enumerate(range(0, self._r["KERNEL_WIDTH_M1"], self.step[1])):
                row = y * self.stride[0] + tap_y - self._r["IFM_PAD_TOP"]
                column = x * self.stride[1] + tap_x - self._r["IFM_PAD_LEFT"]
                if not (0 <= row < self.rows and 0 <= column < self.columns):
                    continue
                if self._r["IFM_UPSCALE"]:
                    between = self._r["IFM_UPSCALE"] == 2 and bool(row % 2 or column % 2)
                    yield i, j, row // 2, column // 2, between
                else:
                    yield i, j, row, column, False


def _outputs(r: Registers) -> Iterator[tuple[int, int, int]]:
    for y in range(r["OFM_HEIGHT_M1"]):
        for x in range(r["OFM_WIDTH_M1"]):
            for c in range(r["OFM_DEPTH_M1"]):
                yield y, x, c


Weights = Mapping[tuple[int, int, int, int], int]
"""Of output channel, tap row, tap column and input channel (0 for depthwise)."""
Channels = list[tuple[int, int, int]]
"""Bias, multiplier and shift of every output channel."""


def convolve(
    r: Registers, out: Output, memory: list[bytearray], weights: Weights, channels: Channels
) -> None:
    """CONV; DEPTHWISE where IFM_DEPTH is 0 inputs per output, marked by weights of input 0."""
    ifm, window = Map(r, "IFM"), Window(r)
    depthwise = r["depthwise"]
    for y, x, c in _outputs(r):
        bias, *scale = channels[c]
        total = bias
        for i, j, row, column, zero in window.taps(y, x):
            for k in range(1 if depthwise else r["IFM_DEPTH_M1"]):
                if not zero:
                    value = ifm.load(memory, row, column, c if depthwise else k)
                    total += value * weights[c, i, j, k]
        out.map.store(memory, y, x, c, out.finish(total, (scale[0], scale[1])))


def pool(r: Registers, scales: Scales, out: Output, memory: list[bytearray], mode: int) -> None:
    """POOL 0 maximum, 1 average, 2 sum over the window and all channels."""
    ifm, window = Map(r, "IFM"), Window(r)
    padded = any(r[f"IFM_PAD_{side}"] for side in ("TOP", "LEFT", "RIGHT", "BOTTOM"))
    unscaled = not r["OFM_PRECISION"] >> 8 & 1
    by_count = mode == 1 and (unscaled or (padded and scales["OFM_SCALE"] == (1, 0)))
    for y, x, c in _outputs(r):
        values = [
            0 if zero else ifm.load(memory, row, column, k)
            for _, _, row, column, zero in window.taps(y, x)
            for k in (range(r["IFM_DEPTH_M1"]) if mode == 2 else [c])
        ]
        total = max(values) if mode == 0 else sum(values)
        if by_count:
            half = len(values) // 2
            magnitude = (abs(total) + half) // len(values)
            total = magnitude if total >= 0 else -magnitude
        out.map.store(memory, y, x, c, out.finish(total, scaled=not by_count))


def _pair(mode: int, r: Registers, scales: Scales, a: int, b: int) -> int:
    """ADD 1 and SUB 2 in their three scalings."""
    scaling, rounding = r["IFM_PRECISION"] >> 8 & 3, r["IFM_PRECISION"] >> 14
    left = 19 if r["IFM_PRECISION"] >> 2 & 3 == 0 else 14
    if scaling == 0:
        a, b = a * (scales["OPA_SCALE"][0] & 0xFFFF), b * (scales["OPB_SCALE"][0] & 0xFFFF)
    elif scaling == 1:
        a, b = rescale(a, scales["OPA_SCALE"], rounding, left + 1), b << left
    else:
        a, b = a << left, rescale(b, scales["OPA_SCALE"], rounding, left + 1)
    return a + b if mode == 1 else a - b


def _shift_right(a: int, b: int, rounding: int) -> int:
    if rounding == TRUNCATE:
        return a >> b if a >= 0 else -(-a >> b)
    half = 1 << (b - 1) if b else 0
    return (a + half - (1 if rounding == DOUBLE and a < 0 and b else 0)) >> b


def _combined(mode: int, r: Registers, scales: Scales, a: int, b: int) -> tuple[int, bool]:
    """Value and whether OFM_SCALE is still to be applied."""
    rounding = r["OFM_PRECISION"] >> 14
    wide = r["IFM_PRECISION"] >> 2 & 3 == 2
    if mode == 0 and wide:
        product = rescale(a * b, (1, scales["OFM_SCALE"][1]), rounding)
        return max(-(1 << 31), min((1 << 31) - 1, product)), False
    if mode == 5:
        return (a if a >= 0 else rescale(a, scales["OFM_SCALE"], rounding)), False
    if mode in (1, 2):
        return _pair(mode, r, scales, a, b), True
    simple = {
        0: lambda: a * b,
        3: lambda: min(a, b),
        4: lambda: max(a, b),
        6: lambda: abs(a),
        7: lambda: 32 - (a & 0xFFFFFFFF).bit_length(),
        8: lambda: _shift_right(a, b, rounding),
        9: lambda: signed(a << b, 32),
    }
    return simple[mode](), True


def elementwise(
    r: Registers, scales: Scales, out: Output, memory: list[bytearray], mode: int
) -> None:
    """ELEMENTWISE 0 MUL, ADD, SUB, MIN, MAX, 5 LRELU, ABS, CLZ, 8 SHR, SHL."""
    ifm, ifm2, repeat = Map(r, "IFM"), Map(r, "IFM2"), r["IFM2_BROADCAST"]
    unary = mode in (5, 6, 7)
    for y, x, c in _outputs(r):
        a, b = ifm.load(memory, y, x, c), 0
        if repeat & 0x80:
            b = signed(r["IFM2_SCALAR"], 16) if ifm2.signed else r["IFM2_SCALAR"]
            b -= ifm2.zero
        elif not unary:
            place = [0 if repeat & bit else at for bit, at in ((1, y), (2, x), (4, c))]
            b = ifm2.load(memory, place[0], place[1], place[2])
        if repeat & 0x40 and not unary:
            a, b = b, a
        value, scaled = _combined(mode, r, scales, a, b)
        out.map.store(memory, y, x, c, out.finish(value, scaled=scaled))
