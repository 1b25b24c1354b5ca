"""Graphs of operators with weights: products, convolutions and their forms."""

from collections.abc import Iterator

from conformance.build import SAME, VALID, Builder, Pair, Value
from conformance.case import Case


def weighted_cases() -> Iterator[Case]:
    """FULLY_CONNECTED, CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV in int8 and int16."""
    yield from _dense()
    yield from _conv()
    yield from _depthwise()
    yield from _transposed()
    yield from _codec()


def _dense() -> Iterator[Case]:
    forms = {
        "dense_1x1": (1, 1, {}),
        "dense_bias": (64, 48, {}),
        "dense_no_bias": (40, 17, {"bias": False}),
        "dense_odd": (33, 9, {"zero": 19}),
        "dense_per_channel": (24, 40, {"per_channel": True}),
        "dense_relu": (37, 31, {"act": "RELU"}),
        "dense_relu6": (37, 31, {"act": "RELU6"}),
        "dense_relu_n1_to_1": (37, 31, {"act": "RELU_N1_TO_1"}),
        "dense_wide": (31, 200, {}),
        "dense_deep": (600, 7, {}),
    }
    for dtype in ("int8", "int16"):
        for name, (width, count, options) in forms.items():

            def build(b: Builder, d=dtype, w=width, n=count, o=options) -> list[Value]:
                return [b.dense(b.input((1, w), d), n, **o)]

            yield Case(f"{name}_{dtype}", build)

        def rows(b: Builder, d=dtype) -> list[Value]:
            return [b.dense(b.input((1, 5, 21), d), 13)]

        yield Case(f"dense_rows_{dtype}", rows)

        def chain(b: Builder, d=dtype) -> list[Value]:
            x = b.dense(b.input((1, 50), d), 70, act="RELU")
            return [b.dense(b.dense(x, 30, per_channel=True), 11)]

        yield Case(f"dense_chain_{dtype}", chain)

    def sums(b: Builder) -> list[Value]:
        """Sums beyond 32 bits: at the ends 1100 * 127 * 32768."""
        return [b.dense(b.input((1, 1100), "int16"), 9, kind="wide")]

    yield Case("dense_wide_sums_int16", sums)

    def batch(b: Builder) -> list[Value]:
        return [b.dense(b.input((6, 20)), 12)]

    yield Case("dense_batch_int8", batch)


# name -> input shape, count, kernel, stride, dilation, padding, more
_CONVS: dict[str, tuple[tuple[int, ...], int, Pair, Pair, Pair, int, dict]] = {
    "conv_1x1": ((1, 5, 7, 19), 23, (1, 1), (1, 1), (1, 1), SAME, {}),
    "conv_3x3_same": ((1, 9, 7, 5), 11, (3, 3), (1, 1), (1, 1), SAME, {}),
    "conv_3x3_valid": ((1, 9, 7, 5), 11, (3, 3), (1, 1), (1, 1), VALID, {"act": "RELU"}),
    "conv_stride2_same": ((1, 9, 10, 6), 8, (3, 3), (2, 2), (1, 1), SAME, {}),
    "conv_stride2_valid": ((1, 11, 8, 6), 8, (3, 3), (2, 2), (1, 1), VALID, {}),
    "conv_stride3": ((1, 13, 11, 4), 9, (3, 3), (3, 3), (1, 1), SAME, {}),
    "conv_stride12": ((1, 7, 12, 4), 9, (3, 4), (1, 2), (1, 1), SAME, {}),
    "conv_stride31": ((1, 13, 6, 4), 9, (5, 2), (3, 1), (1, 1), VALID, {}),
    "conv_stride4": ((1, 16, 16, 3), 6, (4, 4), (4, 4), (1, 1), VALID, {}),
    "conv_dilated": ((1, 11, 12, 5), 7, (3, 3), (1, 1), (2, 2), SAME, {}),
    "conv_dilated_valid": ((1, 12, 11, 5), 7, (3, 2), (1, 1), (2, 2), VALID, {}),
    "conv_dilated3": ((1, 14, 13, 4), 6, (3, 3), (1, 1), (3, 3), SAME, {}),
    "conv_even_kernel": ((1, 8, 9, 5), 6, (2, 4), (1, 1), (1, 1), SAME, {}),
    "conv_kernel_9x9": ((1, 12, 12, 3), 5, (9, 9), (1, 1), (1, 1), SAME, {}),
    "conv_kernel_1x17": ((1, 1, 40, 3), 5, (1, 17), (1, 1), (1, 1), SAME, {}),
    "conv_1d": ((1, 1, 31, 16), 24, (1, 5), (1, 2), (1, 1), VALID, {"act": "RELU"}),
    "conv_1d_dilated": ((1, 1, 30, 12), 10, (1, 3), (1, 1), (1, 2), VALID, {}),
    "conv_1d_high": ((1, 33, 1, 13), 12, (5, 1), (2, 1), (1, 1), VALID, {}),
    "conv_one_pixel": ((1, 3, 3, 9), 20, (3, 3), (1, 1), (1, 1), VALID, {}),
    "conv_first_layer": ((1, 17, 15, 3), 16, (3, 3), (2, 2), (1, 1), SAME, {"act": "RELU6"}),
    "conv_one_channel": ((1, 12, 14, 1), 8, (3, 3), (1, 1), (1, 1), SAME, {}),
    "conv_deep": ((1, 3, 4, 130), 70, (1, 1), (1, 1), (1, 1), SAME, {}),
    "conv_deep_3x3": ((1, 4, 5, 65), 34, (3, 3), (1, 1), (1, 1), SAME, {}),
    "conv_no_bias": ((1, 6, 5, 8), 9, (3, 3), (1, 1), (1, 1), SAME, {"bias": False}),
    "conv_per_tensor": ((1, 6, 5, 8), 9, (2, 2), (1, 1), (1, 1), SAME, {"per_channel": False}),
}


def _conv() -> Iterator[Case]:
    for dtype in ("int8", "int16"):
        for name, (shape, count, kernel, stride, dilation, padding, more) in _CONVS.items():

            def build(
                b: Builder,
                d=dtype,
                s=shape,
                n=count,
                k=kernel,
                st=stride,
                di=dilation,
                p=padding,
                m=more,
            ) -> list[Value]:
                return [b.conv(b.input(s, d), n, k, st, di, p, **m)]

            yield Case(f"{name}_{dtype}", build)


_DEPTHWISE: dict[str, tuple[tuple[int, ...], Pair, Pair, Pair, int, dict]] = {
    "depthwise_3x3": ((1, 8, 9, 13), (3, 3), (1, 1), (1, 1), SAME, {}),
    "depthwise_stride2": ((1, 9, 10, 8), (3, 3), (2, 2), (1, 1), SAME, {"act": "RELU"}),
    "depthwise_stride3": ((1, 10, 13, 8), (3, 3), (3, 3), (1, 1), VALID, {}),
    "depthwise_dilated": ((1, 11, 12, 6), (3, 3), (1, 1), (2, 2), SAME, {}),
    "depthwise_15x1": ((1, 20, 1, 24), (15, 1), (1, 1), (1, 1), VALID, {}),
    "depthwise_1x4": ((1, 1, 10, 17), (1, 4), (1, 1), (1, 1), VALID, {}),
    "depthwise_multiplier": ((1, 7, 8, 1), (3, 3), (1, 1), (1, 1), SAME, {"multiplier": 8}),
    "depthwise_10x4": ((1, 25, 10, 1), (10, 4), (2, 2), (1, 1), SAME, {"multiplier": 8}),
    "depthwise_9x9": ((1, 11, 12, 5), (9, 9), (1, 1), (1, 1), SAME, {}),
    "depthwise_wide": ((1, 4, 3, 150), (2, 3), (1, 1), (1, 1), SAME, {}),
}


def _depthwise() -> Iterator[Case]:
    for dtype in ("int8", "int16"):
        for name, (shape, kernel, stride, dilation, padding, more) in _DEPTHWISE.items():

            def build(
                b: Builder, d=dtype, s=shape, k=kernel, st=stride, di=dilation, p=padding, m=more
            ) -> list[Value]:
                return [b.depthwise(b.input(s, d), k, st, di, p, **m)]

            yield Case(f"{name}_{dtype}", build)


def _transposed() -> Iterator[Case]:
    forms = {
        "transpose_conv_2x2_same": ((1, 5, 6, 7), 6, (2, 2), (2, 2), SAME),
        "transpose_conv_3x3_same": ((1, 5, 4, 7), 6, (3, 3), (2, 2), SAME),
        "transpose_conv_3x3_valid": ((1, 4, 5, 7), 6, (3, 3), (2, 2), VALID),
        "transpose_conv_stride1": ((1, 6, 5, 4), 5, (3, 3), (1, 1), SAME),
        "transpose_conv_1d": ((1, 1, 9, 8), 6, (1, 4), (1, 2), SAME),
    }
    for dtype in ("int8", "int16"):
        for name, form in forms.items():

            def build(b: Builder, d=dtype, f=form) -> list[Value]:
                return [b.transpose_conv(b.input(f[0], d), *f[1:])]

            yield Case(f"{name}_{dtype}", build)


def _codec() -> Iterator[Case]:
    """Weights that the decoder sees in other forms: zero runs, palettes, both ends."""
    for kind in ("full", "sparse", "palette", "few", "wide"):

        def dense(b: Builder, k=kind) -> list[Value]:
            return [b.dense(b.input((1, 96)), 72, kind=k)]

        yield Case(f"weights_{kind}_dense_int8", dense)

        def conv(b: Builder, k=kind) -> list[Value]:
            return [b.conv(b.input((1, 5, 5, 12)), 20, (3, 3), kind=k)]

        yield Case(f"weights_{kind}_conv_int8", conv)
