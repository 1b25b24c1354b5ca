"""A quantised .tflite graph under construction: every method appends operators, returns values."""

import math
from collections.abc import Sequence

import numpy as np
import tflite
from edgesdk_converters.tflite.model import OptionValue, Quantisation

from conformance.moves import Moves, Pair
from conformance.sketch import SPREAD, Array, Value

__all__ = ["SAME", "VALID", "Array", "Builder", "Pair", "Value"]

_WEIGHT_SPREAD = 30.0  # standard deviation of weights drawn by `weights`
_FUSED = {
    name: getattr(tflite.ActivationFunctionType, name)
    for name in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
}
SAME, VALID = tflite.Padding.SAME, tflite.Padding.VALID


class Builder(Moves):
    """Operators that compute; `rng` draws weights, whose spread decides the outputs' scales."""

    def weights(
        self, shape: Sequence[int], axis: int | None, kind: str = "normal"
    ) -> tuple[int, Array]:
        """Constant int8 weights and their scales, [1] or one per index of `axis`.

        `kind`: normal, full (every value of the type), sparse (three of four are 0), palette (16
        values), few (4 values), wide (both ends of the type only).
        """
        shape = tuple(shape)
        draw = np.round(self.rng.normal(0.0, _WEIGHT_SPREAD, shape))
        if kind == "full":
            draw = self.rng.integers(-127, 128, shape).astype(float)
        elif kind == "sparse":
            draw = np.where(self.rng.random(shape) < 0.75, 0.0, draw)
        elif kind in ("palette", "few"):
            step = 8.0 if kind == "palette" else 40.0
            draw = np.clip(np.round(draw / step), -8, 7) * step
        elif kind == "wide":
            draw = self.rng.choice([-127.0, 127.0], shape)
        data = np.clip(draw, -127, 127).astype(np.int8)
        if axis is None:
            scale = np.array([0.011], np.float32)
            return self.constant(data, Quantisation.single(float(scale[0]))), scale
        scale = self.rng.uniform(0.004, 0.02, shape[axis]).astype(np.float32)
        zeros = np.zeros(shape[axis], np.int64)
        return self.constant(data, Quantisation(scale, zeros, axis)), scale

    def _bias(self, x: Value, scale: Array, count: int, spread: float) -> int:
        """int32 beside int8, int64 beside int16, in reals of the products' spread."""
        steps = np.float64(x.scale) * np.asarray(scale, np.float64)
        values = np.round(self.rng.normal(0.0, spread, count) / steps)
        wide = x.dtype == "int16"
        quantisation = Quantisation(steps.astype(np.float32), np.zeros(steps.size, np.int64))
        return self.constant(values.astype(np.int64 if wide else np.int32), quantisation)

    def _weighted(
        self,
        code: str,
        x: Value,
        weight: tuple[int, Array],
        taps: int,
        shape: Sequence[int],
        options_type: str,
        bias: bool = True,
        act: str = "NONE",
        zero: int = -7,
        **options: OptionValue,
    ) -> Value:
        index, scale = weight
        spread = x.spread * float(np.mean(scale)) * _WEIGHT_SPREAD * math.sqrt(taps)
        inputs = [x.index, index]
        inputs.append(self._bias(x, scale, shape[-1], spread / 2) if bias else -1)
        out = self.tensor(shape, x.dtype, spread / SPREAD[x.dtype] * 2, zero)
        versions = {"FULLY_CONNECTED": 4, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3}
        self.op(
            code,
            inputs,
            [out.index],
            options_type,
            version=versions[code],
            fused_activation_function=_FUSED[act],
            **options,
        )
        return out

    def dense(
        self,
        x: Value,
        count: int,
        bias: bool = True,
        per_channel: bool = False,
        act: str = "NONE",
        kind: str = "normal",
        zero: int = -7,
    ) -> Value:
        """FULLY_CONNECTED over the last axis."""
        width = x.shape[-1]
        weight = self.weights((count, width), 0 if per_channel else None, kind)
        shape = (*x.shape[:-1], count)
        keep = len(x.shape) > 2
        return self._weighted(
            "FULLY_CONNECTED",
            x,
            weight,
            width,
            shape,
            "FullyConnectedOptions",
            bias,
            act,
            zero,
            keep_num_dims=keep,
        )

    def conv(
        self,
        x: Value,
        count: int,
        kernel: Pair,
        stride: Pair = (1, 1),
        dilation: Pair = (1, 1),
        padding: int = SAME,
        act: str = "NONE",
        kind: str = "normal",
        per_channel: bool = True,
        bias: bool = True,
        zero: int = -7,
    ) -> Value:
        """CONV_2D; pairs are (height, width)."""
        weight = self.weights((count, *kernel, x.shape[3]), 0 if per_channel else None, kind)
        taps = kernel[0] * kernel[1] * x.shape[3]
        options = _window_options(stride, padding, dilation)
        shape = _window_shape(x.shape, count, kernel, stride, dilation, padding)
        return self._weighted(
            "CONV_2D", x, weight, taps, shape, "Conv2DOptions", bias, act, zero, **options
        )

    def depthwise(
        self,
        x: Value,
        kernel: Pair,
        stride: Pair = (1, 1),
        dilation: Pair = (1, 1),
        padding: int = SAME,
        act: str = "NONE",
        multiplier: int = 1,
        kind: str = "normal",
        zero: int = -7,
    ) -> Value:
        """DEPTHWISE_CONV_2D with weights per channel."""
        count = x.shape[3] * multiplier
        weight = self.weights((1, *kernel, count), 3, kind)
        options = _window_options(stride, padding, dilation) | {"depth_multiplier": multiplier}
        shape = _window_shape(x.shape, count, kernel, stride, dilation, padding)
        return self._weighted(
            "DEPTHWISE_CONV_2D",
            x,
            weight,
            kernel[0] * kernel[1],
            shape,
            "DepthwiseConv2DOptions",
            True,
            act,
            zero,
            **options,
        )

    def transpose_conv(
        self, x: Value, count: int, kernel: Pair, stride: Pair, padding: int, bias: bool = True
    ) -> Value:
        """TRANSPOSE_CONV with weights per channel."""
        index, scale = self.weights((count, *kernel, x.shape[3]), 0)
        pairs = list(zip(x.shape[1:3], kernel, stride, strict=True))
        sizes = [n * s + (max(k - s, 0) if padding == VALID else 0) for n, k, s in pairs]
        shape = (1, sizes[0], sizes[1], count)
        taps = max(kernel[0] * kernel[1] * x.shape[3] // (stride[0] * stride[1]), 1)
        spread = x.spread * float(np.mean(scale)) * _WEIGHT_SPREAD * math.sqrt(taps)
        inputs = [self.constant(np.array(shape, np.int32)), index, x.index]
        if bias:
            inputs.append(self._bias(x, scale, count, spread / 2))
        out = self.tensor(shape, x.dtype, spread / SPREAD[x.dtype] * 2, 5)
        self.op(
            "TRANSPOSE_CONV",
            inputs,
            [out.index],
            "TransposeConvOptions",
            version=3,
            padding=padding,
            stride_h=stride[0],
            stride_w=stride[1],
        )
        return out

    def pool(
        self,
        x: Value,
        code: str,
        kernel: Pair,
        stride: Pair = (1, 1),
        padding: int = VALID,
        act: str = "NONE",
    ) -> Value:
        """AVERAGE_POOL_2D or MAX_POOL_2D, the quantisation kept."""
        shape = _window_shape(x.shape, x.shape[3], kernel, stride, (1, 1), padding)
        out = self.tensor(shape, x.dtype, x.scale, x.zero)
        self.op(
            code,
            [x.index],
            [out.index],
            "Pool2DOptions",
            version=2,
            padding=padding,
            stride_h=stride[0],
            stride_w=stride[1],
            filter_height=kernel[0],
            filter_width=kernel[1],
            fused_activation_function=_FUSED[act],
        )
        return out

    def binary(
        self,
        code: str,
        a: Value,
        b: Value,
        act: str = "NONE",
        scale: float | None = None,
        zero: int = 11,
    ) -> Value:
        """ADD, SUB, MUL, SQUARED_DIFFERENCE with an output scale that fits, MINIMUM, MAXIMUM."""
        shape = np.broadcast_shapes(a.shape, b.shape)
        fit = math.hypot(a.spread, b.spread) / SPREAD[a.dtype] * 1.2
        if code == "MUL":
            fit = a.spread * b.spread / SPREAD[a.dtype] * 1.5
        elif code == "SQUARED_DIFFERENCE":
            fit = (a.spread**2 + b.spread**2) / SPREAD[a.dtype] * 1.5
        same = code in ("MINIMUM", "MAXIMUM")
        out = self.tensor(
            shape, a.dtype, a.scale if same else scale or fit, a.zero if same else zero
        )
        if same or code == "SQUARED_DIFFERENCE":
            kind = "SquaredDifferenceOptions" if not same else "MaximumMinimumOptions"
            self.op(code, [a.index, b.index], [out.index], kind, version=2)
            return out
        options: dict[str, OptionValue] = {"fused_activation_function": _FUSED[act]}
        if code != "MUL":
            options["pot_scale_int16"] = False
        kind = f"{code.capitalize()}Options"
        self.op(code, [a.index, b.index], [out.index], kind, version=2, **options)
        return out

    def unary(
        self,
        code: str,
        x: Value,
        scale: float | None = None,
        zero: int | None = None,
        options_type: str = "NONE",
        **options: OptionValue,
    ) -> Value:
        """One input, one output of its shape; the quantisation is kept unless given."""
        out = self.tensor(x.shape, x.dtype, scale or x.scale, x.zero if zero is None else zero)
        self.op(code, [x.index], [out.index], options_type, version=2, **options)
        return out

    def curve(self, code: str, x: Value) -> Value:
        """LOGISTIC and TANH at the output scale that TFLite prescribes."""
        if x.dtype == "int16":
            return self.unary(code, x, 1 / 32768, 0)
        return self.unary(code, x, *((1 / 256, -128) if code == "LOGISTIC" else (1 / 128, 0)))

    def softmax(self, x: Value, beta: float = 1.0) -> Value:
        """SOFTMAX over the last axis."""
        form = (1 / 32768, 0) if x.dtype == "int16" else (1 / 256, -128)
        return self.unary("SOFTMAX", x, *form, "SoftmaxOptions", beta=beta)

    def leaky(self, x: Value, alpha: float, scale: float | None = None) -> Value:
        """LEAKY_RELU."""
        return self.unary("LEAKY_RELU", x, scale, None, "LeakyReluOptions", alpha=alpha)

    def quantize(self, x: Value, dtype: str, scale: float, zero: int = 0) -> Value:
        """QUANTIZE from one integer form to another."""
        out = self.tensor(x.shape, dtype, scale, zero)
        self.op("QUANTIZE", [x.index], [out.index], "QuantizeOptions", version=2)
        return out

    def reduce(
        self, code: str, x: Value, axes: Sequence[int], keep: bool, scale: float | None = None
    ) -> Value:
        """MEAN, SUM, REDUCE_MAX, REDUCE_MIN."""
        sizes = [1 if k in axes else n for k, n in enumerate(x.shape)]
        shape = sizes if keep else [n for k, n in enumerate(x.shape) if k not in axes]
        out = self.tensor(shape, x.dtype, scale or x.scale, x.zero)
        inputs = [x.index, self.constant(np.array(axes, np.int32))]
        self.op(code, inputs, [out.index], "ReducerOptions", version=2, keep_dims=keep)
        return out

    def batch_matmul(self, a: Value, b: Value, adj_y: bool = False) -> Value:
        """BATCH_MATMUL of two feature maps."""
        columns = b.shape[-2] if adj_y else b.shape[-1]
        shape = (*a.shape[:-1], columns)
        scale = a.spread * b.spread * math.sqrt(a.shape[-1]) / SPREAD[a.dtype] * 1.5
        out = self.tensor(shape, a.dtype, scale, -4)
        self.op(
            "BATCH_MATMUL",
            [a.index, b.index],
            [out.index],
            "BatchMatMulOptions",
            version=2,
            adj_x=False,
            adj_y=adj_y,
            asymmetric_quantize_inputs=False,
        )
        return out


def _window_options(stride: Pair, padding: int, dilation: Pair) -> dict[str, OptionValue]:
    return {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "dilation_h_factor": dilation[0],
        "dilation_w_factor": dilation[1],
    }


def _window_shape(
    shape: Sequence[int], count: int, kernel: Pair, stride: Pair, dilation: Pair, padding: int
) -> tuple[int, int, int, int]:
    """NHWC shape behind a window."""
    sizes = []
    for n, k, s, d in zip(shape[1:3], kernel, stride, dilation, strict=True):
        reach = (k - 1) * d + 1
        sizes.append(-(-n // s) if padding == SAME else (n - reach) // s + 1)
    return (shape[0], sizes[0], sizes[1], count)
