"""Graphs of operators that move values: slices, joins, pads, transposes, resizes."""

from collections.abc import Iterator

from conformance.build import SAME, Builder, Value
from conformance.case import Case

_TYPES = ("int8", "int16")
_FEW = ("random", "ramp")


def movement_cases() -> Iterator[Case]:
    """Movement, each between or behind operators that the NPU computes."""
    yield from _cuts()
    yield from _joins()
    yield from _orders()
    yield from _pads()
    yield from _resizes()


def _cuts() -> Iterator[Case]:
    for dtype in _TYPES:

        def split(b: Builder, d=dtype) -> list[Value]:
            a, c, e = b.split(b.input((1, 4, 5, 24), d), 3, 3)
            return [b.binary("ADD", a, c), b.curve("TANH", e)]

        yield Case(f"split_depth_{dtype}", split, kinds=_FEW)

        def split_w(b: Builder, d=dtype) -> list[Value]:
            a, c = b.split(b.input((1, 3, 8, 7), d), 2, 2)
            return [b.binary("SUB", a, c)]

        yield Case(f"split_width_{dtype}", split_w, kinds=_FEW)

        def gates(b: Builder, d=dtype) -> list[Value]:
            i, f, g, o = b.split(b.input((1, 52), d), 1, 4)
            return [b.binary("MUL", b.curve("LOGISTIC", i), b.curve("TANH", g)), f, o]

        yield Case(f"split_gates_{dtype}", gates, kinds=_FEW)

        def sized(b: Builder, d=dtype) -> list[Value]:
            a, c = b.split_v(b.input((1, 3, 5, 19), d), 3, (6, 13))
            return [b.unary("RELU", a), b.unary("RELU", c)]

        yield Case(f"split_v_{dtype}", sized, kinds=_FEW)

        def cut(b: Builder, d=dtype) -> list[Value]:
            x = b.slice(b.input((1, 9, 8, 21), d), (0, 2, 1, 3), (1, 5, 6, 17))
            return [b.unary("RELU", x)]

        yield Case(f"slice_{dtype}", cut, kinds=_FEW)

        def stream(b: Builder, d=dtype) -> list[Value]:
            x = b.input((1, 12, 1, 10), d)
            kept = b.slice(x, (0, 8, 0, 0), (1, 4, 1, 10))
            return [b.depthwise(x, (5, 1), padding=1), b.unary("RELU", kept)]

        yield Case(f"slice_context_{dtype}", stream, kinds=_FEW)

        def strided(b: Builder, d=dtype) -> list[Value]:
            x = b.strided_slice(
                b.input((1, 9, 10, 7), d), (0, 1, 0, 2), (1, 8, 10, 7), (1, 2, 3, 1)
            )
            return [b.unary("RELU", x)]

        yield Case(f"strided_slice_{dtype}", strided, kinds=_FEW)

        def shrink(b: Builder, d=dtype) -> list[Value]:
            x = b.strided_slice(b.input((1, 6, 14), d), (0, 5, 0), (1, 6, 14), (1, 1, 1), 2)
            return [b.dense(x, 9)]

        yield Case(f"strided_slice_shrink_{dtype}", shrink, kinds=_FEW)

        def unpack(b: Builder, d=dtype) -> list[Value]:
            rows = b.unpack(b.input((1, 3, 18), d), 1)
            return [b.binary("ADD", rows[0], b.binary("MUL", rows[1], rows[2]))]

        yield Case(f"unpack_{dtype}", unpack, kinds=_FEW)


def _joins() -> Iterator[Case]:
    for dtype in _TYPES:
        for axis, left, right in (
            (3, (1, 4, 5, 7), (1, 4, 5, 12)),
            (2, (1, 4, 3, 9), (1, 4, 6, 9)),
            (1, (1, 2, 5, 17), (1, 3, 5, 17)),
        ):

            def join(b: Builder, d=dtype, a=axis, le=left, r=right) -> list[Value]:
                x, y = b.input(le, d), b.input(r, d)
                return [b.unary("RELU", b.concat([b.unary("RELU6", x), y], a))]

            yield Case(f"concat_axis{axis}_{dtype}", join, kinds=_FEW)

        def recurrent(b: Builder, d=dtype) -> list[Value]:
            x, h = b.input((1, 23), d), b.input((1, 31), d)
            return [b.dense(b.concat([x, h], 1), 40)]

        yield Case(f"concat_dense_{dtype}", recurrent, kinds=_FEW)

        def pack(b: Builder, d=dtype) -> list[Value]:
            x, y = b.input((1, 13), d), b.input((1, 13), d)
            return [b.pack([b.binary("ADD", x, y), b.binary("SUB", x, y, zero=11)], 1)]

        yield Case(f"pack_{dtype}", pack, kinds=_FEW)


def _orders() -> Iterator[Case]:
    for dtype in _TYPES:
        for order in ((0, 2, 1, 3), (0, 3, 1, 2), (0, 1, 3, 2), (0, 2, 3, 1), (0, 3, 2, 1)):

            def turn(b: Builder, d=dtype, o=order) -> list[Value]:
                x = b.transpose(b.input((1, 5, 6, 11), d), o)
                return [b.unary("RELU", x)]

            yield Case(f"transpose_{''.join(map(str, order))}_{dtype}", turn, kinds=_FEW)

        def matrix(b: Builder, d=dtype) -> list[Value]:
            return [b.dense(b.transpose(b.input((9, 14), d), (1, 0)), 5)]

        yield Case(f"transpose_matrix_{dtype}", matrix, kinds=_FEW)

        def shape(b: Builder, d=dtype) -> list[Value]:
            x = b.conv(b.input((1, 6, 5, 4), d), 7, (3, 3), padding=SAME)
            return [b.dense(b.reshape(x, (1, 210)), 11)]

        yield Case(f"reshape_{dtype}", shape, kinds=_FEW)

        def heads(b: Builder, d=dtype) -> list[Value]:
            x = b.reshape(b.dense(b.input((1, 7, 12), d), 12), (1, 7, 3, 4))
            return [b.unary("RELU", b.transpose(x, (0, 2, 1, 3)))]

        yield Case(f"reshape_heads_{dtype}", heads, kinds=_FEW)


def _pads() -> Iterator[Case]:
    for dtype in _TYPES:

        def pad(b: Builder, d=dtype) -> list[Value]:
            x = b.input((1, 4, 6, 9), d)
            return [b.pad(x, ((0, 0), (1, 2), (3, 0), (0, 0)))]

        yield Case(f"pad_{dtype}", pad, kinds=_FEW)

        def conv(b: Builder, d=dtype) -> list[Value]:
            x = b.pad(b.input((1, 5, 6, 9), d), ((0, 0), (1, 1), (1, 1), (0, 0)))
            return [b.conv(x, 8, (3, 3), padding=1)]

        yield Case(f"pad_conv_{dtype}", conv, kinds=_FEW)

        def causal(b: Builder, d=dtype) -> list[Value]:
            x = b.pad(b.input((1, 1, 14, 9), d), ((0, 0), (0, 0), (4, 0), (0, 0)))
            return [b.depthwise(x, (1, 5), padding=1)]

        yield Case(f"pad_causal_{dtype}", causal, kinds=_FEW)

        def depth(b: Builder, d=dtype) -> list[Value]:
            x = b.input((1, 4, 6, 9), d)
            return [b.unary("RELU", b.pad(x, ((0, 0), (0, 0), (0, 0), (2, 5))))]

        yield Case(f"pad_depth_{dtype}", depth, kinds=_FEW)

    def mirror(b: Builder) -> list[Value]:
        x = b.pad(b.input((1, 5, 6, 4)), ((0, 0), (1, 2), (2, 1), (0, 0)), "MIRROR_PAD")
        return [b.unary("RELU", x)]

    yield Case("mirror_pad_int8", mirror, kinds=_FEW)


def _resizes() -> Iterator[Case]:
    forms = {
        "resize_nearest_2x": ("RESIZE_NEAREST_NEIGHBOR", (1, 4, 5, 7), (8, 10), False, False),
        "resize_nearest_4x": ("RESIZE_NEAREST_NEIGHBOR", (1, 3, 4, 5), (12, 16), False, False),
        "resize_nearest_aligned": ("RESIZE_NEAREST_NEIGHBOR", (1, 4, 5, 7), (7, 9), True, False),
        "resize_bilinear_2x": ("RESIZE_BILINEAR", (1, 4, 5, 7), (8, 10), False, False),
        "resize_bilinear_4x": ("RESIZE_BILINEAR", (1, 3, 4, 5), (12, 16), False, False),
        "resize_bilinear_aligned": ("RESIZE_BILINEAR", (1, 4, 5, 7), (7, 9), True, False),
        "resize_bilinear_half": ("RESIZE_BILINEAR", (1, 4, 5, 7), (8, 10), False, True),
        "resize_bilinear_1x1": ("RESIZE_BILINEAR", (1, 1, 1, 9), (4, 6), False, False),
    }
    for dtype in _TYPES:
        for name, (code, shape, size, align, half) in forms.items():

            def build(b: Builder, d=dtype, c=code, s=shape, z=size, a=align, h=half):
                return [b.resize(b.input(s, d), c, z, a, h)]

            missing = dtype == "int16" and "bilinear" in name  # in TFLM
            yield Case(f"{name}_{dtype}", build, reference="tflite" if missing else "tflm")
