"""Graphs of pointwise operators, curves, pools and reductions."""

from collections.abc import Iterator

import numpy as np
from edgesdk_converters.tflite.model import Quantisation, Tensor

from conformance.build import SAME, VALID, Builder, Value
from conformance.case import Case

_TYPES = ("int8", "int16")


def pointwise_cases() -> Iterator[Case]:
    """Everything without weights that computes."""
    yield from _binary()
    yield from _unary()
    yield from _softmax()
    yield from _pools()
    yield from _reductions()
    yield from _requantised()


def _binary() -> Iterator[Case]:
    shapes = {
        "": ((1, 5, 7, 11), (1, 5, 7, 11)),
        "_row": ((1, 5, 7, 11), (1, 1, 1, 11)),
        "_column": ((1, 5, 7, 11), (1, 5, 1, 11)),
        "_outer": ((1, 1, 7, 11), (1, 5, 1, 11)),
        "_flat": ((1, 37), (1, 37)),
    }
    for dtype in _TYPES:
        for code in ("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM"):
            for suffix, (left, right) in shapes.items():

                def build(b: Builder, d=dtype, c=code, le=left, r=right) -> list[Value]:
                    same = c in ("MINIMUM", "MAXIMUM")
                    x = b.input(le, d, 0.05, 3)
                    y = b.input(r, d, 0.05 if same else 0.013, 3 if same else -20)
                    return [b.binary(c, x, y)]

                yield Case(f"{code.lower()}{suffix}_{dtype}", build)

        for code in ("ADD", "SUB", "MUL"):

            def scalar(b: Builder, d=dtype, c=code) -> list[Value]:
                return [b.binary(c, b.input((1, 3, 5, 9), d), b.fixed((), d, 0.0003, 2))]

            yield Case(f"{code.lower()}_scalar_{dtype}", scalar)

            def constant(b: Builder, d=dtype, c=code) -> list[Value]:
                scale = 0.02 if d == "int8" else 0.0001
                return [b.binary(c, b.fixed((1, 1, 1, 9), d, scale, 2), b.input((1, 3, 5, 9), d))]

            yield Case(f"{code.lower()}_constant_{dtype}", constant)

            def fused(b: Builder, d=dtype, c=code) -> list[Value]:
                x, y = b.input((1, 4, 5, 9), d), b.input((1, 4, 5, 9), d, 0.02, -9)
                return [b.binary(c, x, y, act="RELU")]

            yield Case(f"{code.lower()}_relu_{dtype}", fused)

        def equal(b: Builder, d=dtype) -> list[Value]:
            x, y = b.input((1, 4, 5, 9), d), b.input((1, 4, 5, 9), d)
            return [b.binary("ADD", x, y, scale=x.scale, zero=x.zero)]

        yield Case(f"add_equal_scales_{dtype}", equal)

        def apart(b: Builder, d=dtype) -> list[Value]:
            x, y = b.input((1, 4, 5, 9), d, 0.9), b.input((1, 4, 5, 9), d, 0.002, 5)
            return [b.binary("ADD", x, y)]

        yield Case(f"add_scales_apart_{dtype}", apart)

        def square(b: Builder, d=dtype) -> list[Value]:
            x = b.input((1, 4, 5, 9), d)
            return [b.binary("MUL", x, x)]

        yield Case(f"mul_square_{dtype}", square)

    def difference(b: Builder) -> list[Value]:
        x, y = b.input((1, 4, 5, 9)), b.input((1, 4, 5, 9), "int8", 0.04, -9)
        return [b.binary("SQUARED_DIFFERENCE", x, y, zero=-128)]

    yield Case("squared_difference_int8", difference)


def _unary() -> Iterator[Case]:
    for dtype in _TYPES:
        for code in ("LOGISTIC", "TANH"):
            for suffix, scale in (("", 0.02), ("_steep", 0.2), ("_flat", 0.003)):

                def curve(b: Builder, d=dtype, c=code, s=scale) -> list[Value]:
                    return [b.curve(c, b.input((1, 4, 8, 33), d, s, -5))]

                yield Case(f"{code.lower()}{suffix}_{dtype}", curve)

        for code in ("RELU", "RELU6", "ABS"):

            def plain(b: Builder, d=dtype, c=code) -> list[Value]:
                return [b.unary(c, b.input((1, 5, 6, 11), d))]

            yield Case(f"{code.lower()}_{dtype}", plain)

        def scaled(b: Builder, d=dtype) -> list[Value]:
            x = b.input((1, 5, 6, 11), d)
            return [b.unary("RELU", x, x.scale * 0.6, -128)]

        yield Case(f"relu_rescaled_{dtype}", scaled)

        for name, alpha, ratio in (
            ("leaky", 0.1, 1.0),
            ("leaky_rescaled", 0.3, 0.7),
            ("leaky_steep", 1.5, 1.0),
        ):

            def leaky(b: Builder, d=dtype, a=alpha, r=ratio) -> list[Value]:
                x = b.input((1, 5, 6, 11), d)
                return [b.leaky(x, a, x.scale * r)]

            yield Case(f"{name}_{dtype}", leaky)

        def rsqrt(b: Builder, d=dtype) -> list[Value]:
            """Of values above zero, which is all that TFLM takes."""
            zero = -128 if d == "int8" else 0
            x = b.input((1, 4, 8, 16), d, 0.02, zero)
            least = b.constant(
                np.full((1, 1, 1, 1), zero + 1, d), Quantisation.single(x.scale, zero)
            )
            x = b.binary("MAXIMUM", x, Value(least, (1, 1, 1, 1), d, x.scale, zero))
            return [b.unary("RSQRT", x, 0.03 if d == "int8" else 0.0005, -128)]

        yield Case(f"rsqrt_{dtype}", rsqrt)

        def exp(b: Builder, d=dtype) -> list[Value]:
            return [b.unary("EXP", b.input((1, 4, 8, 16), d, 0.03, 100), 0.02, -128)]

        yield Case(f"exp_{dtype}", exp, reference="tflite")

    def swish(b: Builder) -> list[Value]:
        x = b.input((1, 4, 8, 16), "int8", 0.06)
        return [b.unary("HARD_SWISH", x, 0.04, -100)]

    yield Case("hard_swish_int8", swish)

    def elu(b: Builder) -> list[Value]:
        return [b.unary("ELU", b.input((1, 4, 8, 16)), 0.045, -80)]

    yield Case("elu_int8", elu)

    def prelu(b: Builder) -> list[Value]:
        x = b.input((1, 4, 6, 9))
        alpha = b.fixed((1, 1, 9), "int8", 0.004)
        out = b.tensor(x.shape, x.dtype, x.scale, 4)
        b.op("PRELU", [x.index, alpha.index], [out.index])
        return [out]

    yield Case("prelu_int8", prelu)


def _softmax() -> Iterator[Case]:
    for dtype in _TYPES:
        for shape in ((1, 1), (1, 10), (3, 17), (1, 257), (1, 2, 3, 40)):

            def build(b: Builder, d=dtype, s=shape) -> list[Value]:
                return [b.softmax(b.input(s, d, 0.03))]

            yield Case(f"softmax_{'x'.join(map(str, shape))}_{dtype}", build)

        def beta(b: Builder, d=dtype) -> list[Value]:
            return [b.softmax(b.input((2, 21), d, 0.1), 0.35)]

        yield Case(f"softmax_beta_{dtype}", beta)


def _pools() -> Iterator[Case]:
    forms = {
        "2x2": ((1, 8, 10, 9), (2, 2), (2, 2), VALID, "NONE"),
        "3x3_same": ((1, 9, 8, 7), (3, 3), (1, 1), SAME, "NONE"),
        "3x3_stride2_same": ((1, 9, 8, 7), (3, 3), (2, 2), SAME, "RELU"),
        "2x3_stride3": ((1, 11, 10, 17), (2, 3), (3, 3), VALID, "NONE"),
        "8x8_same": ((1, 11, 10, 5), (8, 8), (1, 1), SAME, "NONE"),
        "global": ((1, 12, 9, 20), (12, 9), (1, 1), VALID, "NONE"),
        "stride4": ((1, 16, 16, 5), (4, 4), (4, 4), VALID, "NONE"),
    }
    for dtype in _TYPES:
        for code in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
            for name, form in forms.items():

                def build(b: Builder, d=dtype, c=code, f=form) -> list[Value]:
                    return [b.pool(b.input(f[0], d), c, *f[1:])]

                yield Case(f"{code.lower()[:-8]}_pool_{name}_{dtype}", build)


def _reductions() -> Iterator[Case]:
    for dtype in _TYPES:
        for name, shape, axes, keep, ratio in (
            ("mean_hw", (1, 7, 5, 12), (1, 2), False, 1.0),
            ("mean_hw_keep", (1, 8, 8, 19), (1, 2), True, 0.4),
            ("mean_w", (1, 6, 9, 5), (2,), True, 1.0),
            ("mean_h_odd", (1, 13, 6, 7), (1,), False, 0.8),
            ("mean_depth", (1, 1, 9, 40), (3,), True, 1.0),
            ("mean_rows", (1, 31, 24), (1,), False, 1.0),
        ):

            def mean(b: Builder, d=dtype, s=shape, a=axes, k=keep, r=ratio) -> list[Value]:
                x = b.input(s, d)
                return [b.reduce("MEAN", x, a, k, x.scale * r)]

            yield Case(f"{name}_{dtype}", mean)

        def total(b: Builder, d=dtype) -> list[Value]:
            x = b.input((1, 1, 9, 24), d)
            return [b.reduce("SUM", x, (3,), True, x.scale * 8)]

        yield Case(f"sum_depth_{dtype}", total)

    def highest(b: Builder) -> list[Value]:
        return [b.reduce("REDUCE_MAX", b.input((1, 6, 7, 9)), (1, 2), True)]

    yield Case("reduce_max_int8", highest)

    def best(b: Builder) -> list[Value]:
        x = b.input((1, 3, 4, 60))
        axis = b.constant(np.array(3, np.int32))
        b.tensors.append(Tensor(f"t{len(b.tensors)}", "int32", (1, 3, 4)))
        out = Value(len(b.tensors) - 1, (1, 3, 4), "int32", 1.0, 0)
        b.op("ARG_MAX", [x.index, axis], [out.index], "ArgMaxOptions", output_type=2)
        return [out]

    yield Case("arg_max_int8", best)


def _requantised() -> Iterator[Case]:
    forms = {
        "int8_int8": ("int8", "int8", 0.031, 7),
        "int8_int8_finer": ("int8", "int8", 0.013, -40),
        "int8_int16": ("int8", "int16", 0.0004, 0),
        "int16_int8": ("int16", "int8", 0.06, -3),
        "int16_int16": ("int16", "int16", 0.0007, 0),
    }
    for name, (source, target, scale, zero) in forms.items():

        def build(b: Builder, s=source, t=target, sc=scale, z=zero) -> list[Value]:
            return [b.quantize(b.input((1, 5, 6, 19), s), t, sc, z)]

        yield Case(f"quantize_{name}", build)
