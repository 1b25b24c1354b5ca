"""A stream with TFLM's constants wherever Vela is known to choose others."""

from collections.abc import Callable

import numpy as np
from edgesdk_converters.tflite.model import Graph, Operator, Tensor
from edgesdk_converters.tflite.read import read_tflite

from conformance.build import Array
from conformance.compile import Compiled
from conformance.explain import with_multiplier, with_points, with_records, with_rounding

_DOUBLE = 0
_WEIGHTED = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")


def cured(data: bytes, compiled: Compiled) -> tuple[Compiled, tuple[str, ...]]:
    """The stream of the graph `data` with TFLM's constants; and the causes it had (explain.py).

    RSQRT stays as it is: Vela's table has no form that would equal TFLM's function.
    """
    graph = read_tflite(data).graphs[0]
    causes = set()
    for operator in graph.operators:
        tensors = [graph.tensors[k] for k in (*operator.inputs, *operator.outputs) if k >= 0]
        for cause, cure in _CURES.get(operator.code, {}).items():
            compiled, count = cure(graph, operator, tensors, compiled)
            causes |= {cause} if count else set()
    return compiled, tuple(sorted(causes))


def _scale(tensor: Tensor) -> float:
    assert tensor.quantisation is not None
    return float(tensor.quantisation.scale[0])


def _product(
    graph: Graph, operator: Operator, tensors: list[Tensor], compiled: Compiled
) -> tuple[Compiled, int]:
    a, b, out = tensors
    if out.dtype != "int16":
        return compiled, 0
    return with_multiplier(compiled, _scale(a) * _scale(b) / _scale(out))


def _sum(
    graph: Graph, operator: Operator, tensors: list[Tensor], compiled: Compiled
) -> tuple[Compiled, int]:
    return with_rounding(compiled, _DOUBLE), 1


def _softmax(
    graph: Graph, operator: Operator, tensors: list[Tensor], compiled: Compiled
) -> tuple[Compiled, int]:
    if tensors[0].dtype != "int16":
        return compiled, 0
    ours, theirs = reciprocals(np.float32), reciprocals(np.float64)
    change = {int(k): int(ours[k] - theirs[k]) for k in np.flatnonzero(ours - theirs)}
    return with_points(compiled, theirs, change)


def _weighted(
    graph: Graph, operator: Operator, tensors: list[Tensor], compiled: Compiled
) -> tuple[Compiled, int]:
    first = 1 if operator.code == "TRANSPOSE_CONV" else 0
    x, weight = (graph.tensors[operator.inputs[k]] for k in (2 * first, 1))
    out = graph.tensors[operator.outputs[0]]
    if x.dtype != "int16" or weight.quantisation is None:
        return compiled, 0
    scales = weight.quantisation.scale.astype(float).tolist()
    scales = scales if len(scales) > 1 else scales * out.shape[-1]
    biases = [0] * len(scales)
    if len(operator.inputs) > 2 + first and operator.inputs[2 + first] >= 0:
        constant = graph.tensors[operator.inputs[2 + first]].data
        assert constant is not None
        biases = [int(v) for v in constant.ravel()]
    exact = [_scale(x) * scale / _scale(out) for scale in scales]
    return with_records(compiled, biases, exact)


def reciprocals(number: type) -> Array:
    """32768 / (1 + x) at 513 points over 0..1, moved by half of what lines between them miss.

    int64, computed in the floating-point type `number`: TFLM's float32, Vela's float64.
    """

    def value(x: Array) -> Array:
        return number(32768) / (number(1) + x.astype(number))

    def whole(x: Array) -> Array:
        return np.floor(x.astype(number) + number(0.5))

    step = number(1) / number(512)
    x = np.arange(512).astype(number) * step
    between = whole((value(x + step) + whole(value(x))) / number(2))
    missed = between - whole(value(x + step / number(2)))
    points = [*(whole(value(x)) - np.trunc(missed / 2 + np.copysign(0.5, missed))), 16384]
    return np.minimum(np.array(points, np.int64), 32767)


_Cure = Callable[[Graph, Operator, list[Tensor], Compiled], tuple[Compiled, int]]
_CURES: dict[str, dict[str, _Cure]] = {
    "MUL": {"float32": _product},
    "SUM": {"rounding": _sum},
    "SOFTMAX": {"points": _softmax},
    **{code: {"float32": _weighted} for code in _WEIGHTED},
}
