"""Operators that move values: reshapes, cuts, joins, pads, resizes."""

from collections.abc import Sequence

import numpy as np
from edgesdk_converters.tflite.model import OptionValue

from conformance.sketch import Array, Sketch, Value

Pair = tuple[int, int]


class Moves(Sketch):
    """Every method appends an operator and returns what comes out of it."""

    def _moved(
        self,
        code: str,
        x: Value,
        shape: Sequence[int],
        parameters: Sequence[Array] = (),
        options_type: str = "NONE",
        **options: OptionValue,
    ) -> Value:
        out = self.tensor(shape, x.dtype, x.scale, x.zero)
        inputs = [x.index, *(self.constant(p) for p in parameters)]
        self.op(code, inputs, [out.index], options_type, version=2, **options)
        return out

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """RESHAPE."""
        sizes = [int(n) for n in shape]
        return self._moved(
            "RESHAPE", x, shape, [np.array(sizes, np.int32)], "ReshapeOptions", new_shape=sizes
        )

    def transpose(self, x: Value, order: Sequence[int]) -> Value:
        """TRANSPOSE."""
        shape = [x.shape[k] for k in order]
        return self._moved("TRANSPOSE", x, shape, [np.array(order, np.int32)], "TransposeOptions")

    def slice(self, x: Value, begin: Sequence[int], size: Sequence[int]) -> Value:
        """SLICE."""
        parameters = [np.array(begin, np.int32), np.array(size, np.int32)]
        return self._moved("SLICE", x, size, parameters, "SliceOptions")

    def strided_slice(
        self,
        x: Value,
        begin: Sequence[int],
        end: Sequence[int],
        strides: Sequence[int],
        shrink: int = 0,
    ) -> Value:
        """STRIDED_SLICE with non-negative bounds; bit k of `shrink` takes axis k away."""
        sizes = [-(-(e - b) // s) for b, e, s in zip(begin, end, strides, strict=True)]
        shape = [n for k, n in enumerate(sizes) if not shrink >> k & 1]
        parameters = [np.array(v, np.int32) for v in (begin, end, strides)]
        return self._moved(
            "STRIDED_SLICE",
            x,
            shape,
            parameters,
            "StridedSliceOptions",
            begin_mask=0,
            end_mask=0,
            ellipsis_mask=0,
            new_axis_mask=0,
            shrink_axis_mask=shrink,
        )

    def pad(self, x: Value, widths: Sequence[Pair], code: str = "PAD") -> Value:
        """PAD with the zero point, or MIRROR_PAD without the edge."""
        shape = [n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)]
        parameters = [np.array(widths, np.int32)]
        if code == "PAD":
            return self._moved("PAD", x, shape, parameters, "PadOptions")
        return self._moved("MIRROR_PAD", x, shape, parameters, "MirrorPadOptions", mode=0)

    def resize(
        self, x: Value, code: str, size: Pair, align: bool = False, half: bool = False
    ) -> Value:
        """RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR to (height, width)."""
        kind = "ResizeBilinearOptions"
        if code == "RESIZE_NEAREST_NEIGHBOR":
            kind = "ResizeNearestNeighborOptions"
        shape = (1, *size, x.shape[3])
        return self._moved(
            code,
            x,
            shape,
            [np.array(size, np.int32)],
            kind,
            align_corners=align,
            half_pixel_centers=half,
        )

    def concat(self, values: Sequence[Value], axis: int, out: Value | None = None) -> Value:
        """CONCATENATION; into the first one's quantisation unless `out` is given."""
        first = values[0]
        shape = list(first.shape)
        shape[axis] = sum(v.shape[axis] for v in values)
        result = out or self.tensor(shape, first.dtype, first.scale, first.zero)
        self.op(
            "CONCATENATION",
            [v.index for v in values],
            [result.index],
            "ConcatenationOptions",
            version=2,
            axis=axis,
        )
        return result

    def split(self, x: Value, axis: int, count: int) -> list[Value]:
        """SPLIT into equal parts."""
        shape = list(x.shape)
        shape[axis] //= count
        outs = [self.tensor(shape, x.dtype, x.scale, x.zero) for _ in range(count)]
        inputs = [self.constant(np.array(axis, np.int32)), x.index]
        indices = [v.index for v in outs]
        self.op("SPLIT", inputs, indices, "SplitOptions", version=2, num_splits=count)
        return outs

    def split_v(self, x: Value, axis: int, sizes: Sequence[int]) -> list[Value]:
        """SPLIT_V into parts of the given sizes."""
        outs = []
        for size in sizes:
            shape = list(x.shape)
            shape[axis] = size
            outs.append(self.tensor(shape, x.dtype, x.scale, x.zero))
        parameters = [np.array(sizes, np.int32), np.array(axis, np.int32)]
        inputs = [x.index, *(self.constant(p) for p in parameters)]
        indices = [v.index for v in outs]
        self.op("SPLIT_V", inputs, indices, "SplitVOptions", version=2, num_splits=len(sizes))
        return outs

    def pack(self, values: Sequence[Value], axis: int) -> Value:
        """PACK."""
        first = values[0]
        shape = list(first.shape)
        shape.insert(axis, len(values))
        out = self.tensor(shape, first.dtype, first.scale, first.zero)
        indices = [v.index for v in values]
        count = len(values)
        self.op(
            "PACK", indices, [out.index], "PackOptions", version=2, values_count=count, axis=axis
        )
        return out

    def unpack(self, x: Value, axis: int) -> list[Value]:
        """UNPACK."""
        shape = [n for k, n in enumerate(x.shape) if k != axis]
        count = x.shape[axis]
        outs = [self.tensor(shape, x.dtype, x.scale, x.zero) for _ in range(count)]
        indices = [v.index for v in outs]
        self.op("UNPACK", [x.index], indices, "UnpackOptions", version=2, num=count, axis=axis)
        return outs
