"""Depthwise convolutions over sizes, strides, dilations, paddings, repeats and extremes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from single_op import Net

SAME, VALID = 0, 1


@dataclass(frozen=True)
class Case:
    """Shape of one operator; `ends` draws weights from the ends of int8 only."""

    channels: int
    kernel: tuple[int, int]
    image: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: int = SAME
    repeats: int = 1
    ends: bool = False
    activation: int = 0


def cases(count: int) -> Iterator[Case]:
    """Every odd number of channels below 16, then 1 to 80; windows of 1 to 5, and long ones."""
    rng = np.random.default_rng(21)
    long = [((1, 10), (2, 30)), ((4, 10), (9, 14)), ((10, 8), (21, 19)), ((21, 1), (21, 1))]
    for i in range(count):
        channels = 2 * i + 1 if i < 8 else int(rng.integers(1, 81))
        kernel = (3, 3) if i % 3 == 0 else (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
        stride, dilation = (int(rng.integers(1, 4)), int(rng.integers(1, 4))), (1, 1)
        if i % 4 == 1:
            dilation = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        image = tuple(int(n) + (k - 1) * d + 1 for n, k, d in zip(
            rng.integers(0, 12, 2), kernel, dilation, strict=True))  # fmt: skip
        padding, repeats = (SAME, VALID)[i // 2 % 2], (1, 1, 2, 3, 1)[i % 5]
        if i % 9 == 8:
            kernel, image = long[i // 9 % 4]
            stride, dilation, padding = (1 + i % 2, 1 + i // 2 % 2), (1, 1), (i // 4) % 2
            channels = min(channels, 20)
        yield Case(
            channels, kernel, (image[0], image[1]), stride, dilation, padding,
            8 if channels == 1 else repeats, i % 7 == 3, (0, 1, 3)[i % 3],
        )  # fmt: skip
    for channels in (8, 16, 64):
        yield Case(channels, (3, 3), (48 if channels == 8 else 9, 47), activation=1)


def depthwise(rng: np.random.Generator, case: Case) -> bytes:
    """Scales follow the spread of the sums, so that outputs rarely saturate."""
    net = Net()
    (h, w), (kh, kw), (sh, sw), (dh, dw) = case.image, case.kernel, case.stride, case.dilation
    if case.padding == SAME:
        oh, ow = -(-h // sh), -(-w // sw)
    else:
        oh, ow = (h - (kh - 1) * dh - 1) // sh + 1, (w - (kw - 1) * dw - 1) // sw + 1
    channels = case.channels * case.repeats
    weights = rng.integers(-127, 128, (1, kh, kw, channels))
    if case.ends:
        weights = rng.choice([-127, 127], weights.shape)
    scale = float(np.float32(rng.uniform(0.01, 0.1)))
    scales = rng.uniform(0.001, 0.01, channels).astype(np.float32)
    limit = 3000 if not case.ends else 1 << 24
    bias = rng.integers(-limit, limit, channels).astype(np.int32)
    zero_point = int(rng.choice([-128, 127])) if case.ends else int(rng.integers(-128, 128))
    x = net.input((1, h, w, case.channels), "int8", scale, zero_point)
    inputs = [
        x,
        net.channels(weights.astype(np.int8), scales, 3),
        net.channels(bias, scales * np.float32(scale), 0),
    ]
    out_scale = float(np.float32(scale * scales.mean() * np.sqrt(kh * kw) * 70 * 90 / 40))
    if case.ends:
        out_scale *= 300
    y = net.tensor("y", (1, oh, ow, channels), "int8", out_scale, int(rng.integers(-40, 40)))
    options = {
        "padding": case.padding,
        "stride_h": sh,
        "stride_w": sw,
        "dilation_h_factor": dh,
        "dilation_w_factor": dw,
        "fused_activation_function": case.activation,
        "depth_multiplier": case.repeats,
    }
    net.op("DEPTHWISE_CONV_2D", inputs, [y], "DepthwiseConv2DOptions", 3, **options)
    return net.file(y)
