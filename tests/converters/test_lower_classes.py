"""ARG_MAX, ARG_MIN and LOG_SOFTMAX at their extremes; see test_lower_foreign_kernels.py too."""

import numpy as np
import pytest
from edgesdk.errors import ConvertError
from edgesdk_converters.lower import lower_graph
from single_op import core, interpreter, run_oracle
from test_lower_foreign_kernels import ARRAYS, arg_extreme, log_softmax

pytestmark = pytest.mark.needs_cc


def tied(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> list[np.ndarray]:
    """Anything, few values, one value, and one that sticks out in the middle or at the end."""
    info = np.iinfo(dtype)
    arrays = [rng.integers(info.min, info.max + 1, shape), rng.integers(-1, 2, shape) + 1]
    arrays += [np.full(shape, v) for v in (info.min, info.max, 7)]
    for at in (0, arrays[0].size // 2, -1):
        for value in (info.min, info.max):
            lone = np.full(shape, 7)
            lone.reshape(-1)[at] = value
            arrays.append(lone)
    return [a.astype(dtype) for a in arrays]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("code", ["ARG_MAX", "ARG_MIN"])
def test_first_of_equal_extremes(code: str, dtype: str) -> None:
    """Against numpy, which takes the first too: tflite-runtime 2.14 has no int16."""
    rng = np.random.default_rng(8)
    best = np.argmax if code == "ARG_MAX" else np.argmin
    for shape in ARRAYS:
        for axis in range(len(shape)):
            device = core(arg_extreme(code, shape, axis, (dtype, "int64")))
            for given in tied(rng, shape, dtype):
                found = device.run(given)[0]
                np.testing.assert_array_equal(found, best(given, axis).reshape(found.shape))


def test_log_softmax_of_every_scale_and_extreme() -> None:
    """From scales that leave all classes alike to those of which one step is beyond the output."""
    rng = np.random.default_rng(10)
    edges = [2.0**k for k in range(-25, 8)] + [15.9, 15.99, 16.0, 16.1, 20.0, 31.9, 32.1]
    for case, scale in enumerate([*edges, *(2.0 ** rng.uniform(-12, 6, 60))]):
        shape = (3, 257) if case % 3 else (1, 4095)
        data = log_softmax(shape, scale)
        oracle, device = interpreter(data), core(data)
        rising = (np.arange(np.prod(shape)) % 256 - 128).reshape(shape).astype(np.int8)
        for given in (rising, *tied(rng, shape, "int8")):
            np.testing.assert_array_equal(run_oracle(oracle, [given])[0], device.run(given)[0])


@pytest.mark.parametrize("equals", [1, 200])
def test_log_softmax_of_every_difference(equals: int) -> None:
    """Scales just above a power of two are those of which TFLite drops what could be seen; just
    below one, and with many classes at the maximum, a difference less the logarithm needs 33 bits.
    """
    given = np.full((256, equals + 1), 127, np.int8)
    given[:, -1] -= np.arange(256).astype(np.uint8).view(np.int8)
    for power in range(-12, 6):
        for scale in (1.0, 1.001, 1.01, 1.03, 1.5, 1.99):
            data = log_softmax(given.shape, scale * 2.0**power)
            expected = run_oracle(interpreter(data), [given])[0]
            np.testing.assert_array_equal(core(data).run(given)[0], expected)


def test_log_softmax_is_the_logarithm_of_softmax() -> None:
    """Against real numbers, which TFLite's arithmetic misses by a unit where they lie between."""
    rng = np.random.default_rng(11)
    for scale in (0.01, 0.06, 0.4):
        device = core(log_softmax((4, 100), scale))
        given = rng.integers(-128, 128, (4, 100)).astype(np.int8)
        real = np.float32(scale) * (given.astype(float) + 5)
        real -= real.max(axis=1, keepdims=True)
        logs = real - np.log(np.exp(real).sum(axis=1, keepdims=True))
        expected = np.clip(np.rint(logs * 16) + 127, -128, 127)
        missed = np.abs(device.run(given)[0] - expected)
        assert missed.max() <= 1 and np.mean(missed) < 0.01


def test_a_log_softmax_beyond_tflite_is_refused() -> None:
    for data, reason in (
        (log_softmax((1, 9), 0.1, "int16"), "int16 to int16 is not covered"),
        (log_softmax((1, 9), 0.1, "uint8"), "uint8 to uint8 is not covered"),
        (log_softmax((1, 4096), 0.1), "4096 classes"),
        (log_softmax((1, 9), 2.0**-26), "its input's scale 1.49e-08 is too small"),
    ):
        with pytest.raises(ConvertError, match=rf"LOG_SOFTMAX \(tensor 'y'\): {reason}"):
            lower_graph(data)


def test_arg_extremes_of_other_types_and_axes_are_refused() -> None:
    for data, reason in (
        (arg_extreme("ARG_MAX", (2, 3), 1, ("int32", "int32")), "int32 to int32 is not covered"),
        (arg_extreme("ARG_MIN", (2, 3), 2, ("int8", "int32")), "axis 2 of a tensor with 2"),
    ):
        with pytest.raises(ConvertError, match=rf"ARG_M.. \(tensor 'y'\): {reason}"):
            lower_graph(data)
