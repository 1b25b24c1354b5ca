"""Graphs large enough that Vela cuts operators into stripes, cascades them and streams weights."""

from collections.abc import Iterator

from conformance.build import SAME, VALID, Builder, Value
from conformance.case import Case

_ONE = ("random",)


def large_cases() -> Iterator[Case]:
    """One vector each: what is new here is the layout in memory, not the numbers."""
    yield from _cascades()
    yield from _buffered()


def _cascades() -> Iterator[Case]:
    for dtype in ("int8", "int16"):

        def convs(b: Builder, d=dtype) -> list[Value]:
            x = b.input((1, 96, 96, 3), d)
            x = b.conv(x, 16, (3, 3), act="RELU", kind="few")
            x = b.conv(x, 16, (3, 3), act="RELU", kind="few")
            x = b.conv(x, 8, (3, 3), (2, 2), kind="few")
            return [b.pool(x, "MAX_POOL_2D", (8, 8), (3, 3))]

        yield Case(f"cascade_convs_{dtype}", convs, kinds=_ONE)

        def mobile(b: Builder, d=dtype) -> list[Value]:
            x = b.conv(b.input((1, 64, 64, 3), d), 8, (3, 3), (2, 2), act="RELU6", kind="few")
            for count in (24, 16):
                x = b.depthwise(x, (3, 3), act="RELU6", kind="few")
                x = b.conv(x, count, (1, 1), act="RELU6", kind="few")
            x = b.depthwise(x, (3, 3), (2, 2), act="RELU6", kind="few")
            return [b.reduce("MEAN", x, (1, 2), False, x.scale / 16)]

        yield Case(f"cascade_separable_{dtype}", mobile, kinds=_ONE)

        def time(b: Builder, d=dtype) -> list[Value]:
            x = b.input((1, 400, 1, 40), d)
            x = b.conv(x, 64, (5, 1), (2, 1), padding=VALID, act="RELU", kind="few")
            x = b.depthwise(x, (9, 1), padding=SAME, kind="few")
            x = b.conv(x, 32, (1, 1), (1, 1), act="RELU", kind="few")
            return [b.pool(x, "AVERAGE_POOL_2D", (22, 1), (3, 1))]

        yield Case(f"cascade_time_{dtype}", time, kinds=_ONE)

    def pools(b: Builder) -> list[Value]:
        x = b.conv(b.input((1, 80, 60, 2)), 24, (5, 5), act="RELU", kind="few")
        x = b.pool(x, "MAX_POOL_2D", (2, 2), (2, 2))
        x = b.conv(x, 16, (3, 3), padding=VALID, kind="few")
        x = b.pool(x, "AVERAGE_POOL_2D", (3, 3), (3, 3), SAME)
        return [b.pool(x, "MAX_POOL_2D", (4, 3), (3, 3))]

    yield Case("cascade_pools_int8", pools, kinds=_ONE)

    def dilated(b: Builder) -> list[Value]:
        x = b.input((1, 72, 72, 4))
        x = b.conv(x, 12, (3, 3), dilation=(2, 2), act="RELU", kind="few")
        x = b.conv(x, 12, (3, 3), padding=VALID, act="RELU", kind="few")
        x = b.conv(x, 6, (3, 3), (3, 3), kind="few")
        return [b.pool(x, "MAX_POOL_2D", (6, 6), (3, 3))]

    yield Case("cascade_dilated_int8", dilated, kinds=_ONE)

    def added(b: Builder) -> list[Value]:
        x = b.conv(b.input((1, 64, 48, 3)), 16, (3, 3), act="RELU", kind="few")
        y = b.conv(b.conv(x, 16, (3, 3), act="RELU", kind="few"), 16, (3, 3), kind="few")
        z = b.binary("ADD", x, y, act="RELU")
        z = b.conv(z, 8, (3, 3), (2, 2), kind="few")
        return [b.reduce("MEAN", z, (1, 2), True)]

    yield Case("cascade_residual_int8", added, kinds=_ONE)

    def upwards(b: Builder) -> list[Value]:
        x = b.conv(b.input((1, 24, 24, 4)), 16, (3, 3), act="RELU", kind="few")
        x = b.resize(x, "RESIZE_NEAREST_NEIGHBOR", (48, 48))
        x = b.conv(x, 12, (3, 3), act="RELU", kind="few")
        return [b.pool(b.conv(x, 6, (3, 3), kind="few"), "MAX_POOL_2D", (8, 8), (3, 3))]

    yield Case("cascade_upwards_int8", upwards, kinds=_ONE)

    def transposed(b: Builder) -> list[Value]:
        x = b.transpose_conv(b.input((1, 28, 24, 6)), 8, (3, 3), (2, 2), SAME)
        x = b.conv(x, 8, (3, 3), act="RELU", kind="few")
        return [b.pool(x, "MAX_POOL_2D", (8, 8), (3, 3))]

    yield Case("cascade_transposed_int8", transposed, kinds=_ONE)

    def wide(b: Builder) -> list[Value]:
        x = b.binary("ADD", b.input((1, 64, 64, 12)), b.input((1, 64, 64, 12), "int8", 0.02))
        x = b.curve("LOGISTIC", x)
        return [b.pool(x, "AVERAGE_POOL_2D", (8, 8), (3, 3))]

    yield Case("stripes_add_int8", wide, kinds=_ONE)


def _buffered() -> Iterator[Case]:
    for dtype in ("int8", "int16"):

        def dense(b: Builder, d=dtype) -> list[Value]:
            return [b.dense(b.input((1, 320), d), 600, kind="few")]

        yield Case(f"buffered_dense_{dtype}", dense, kinds=_ONE)

        def chain(b: Builder, d=dtype) -> list[Value]:
            x = b.input((1, 256), d)
            for _ in range(3):
                x = b.dense(x, 256, act="RELU", kind="few")
            return [x]

        yield Case(f"buffered_chain_{dtype}", chain, kinds=_ONE)

    def convs(b: Builder) -> list[Value]:
        x = b.input((1, 8, 8, 96))
        x = b.conv(x, 128, (3, 3), act="RELU", kind="few")
        x = b.conv(x, 96, (3, 3), (2, 2), act="RELU", kind="few")
        return [b.pool(x, "AVERAGE_POOL_2D", (4, 4))]

    yield Case("buffered_convs_int8", convs, kinds=_ONE)

    def deep(b: Builder) -> list[Value]:
        x = b.conv(b.input((1, 6, 6, 512)), 24, (1, 1), kind="few")
        return [b.conv(x, 300, (1, 1), kind="few")]

    yield Case("buffered_deep_int8", deep, kinds=_ONE)

    def depthwise(b: Builder) -> list[Value]:
        x = b.depthwise(b.input((1, 12, 12, 320)), (5, 5), kind="few")
        return [b.pool(x, "AVERAGE_POOL_2D", (6, 6), (3, 3))]

    yield Case("buffered_depthwise_int8", depthwise, kinds=_ONE)
