"""Functions of one int8 element: all 256 inputs at many scales against TFLite's reference."""

import numpy as np
import pytest
from edgesdk.errors import ConvertError
from edgesdk_converters.lower import lower_graph
from single_op import Net, core, interpreter, run_oracle

pytestmark = pytest.mark.needs_cc
EVERY = np.arange(-128, 128).astype(np.int8)


def _table(code: str, scales: tuple[float, float], zeros: tuple[int, int], **more: object) -> bytes:
    kind, version, options = _OPTIONS.get(code, ("NONE", 1, {}))
    net = Net()
    x = net.input((256,), "int8", float(np.float32(scales[0])), zeros[0])
    y = net.tensor("y", (256,), "int8", float(np.float32(scales[1])), zeros[1])
    net.op(code, [x], [y], kind, version, **{**options, **more})  # type: ignore[arg-type]
    return net.file(y)


_OPTIONS: dict[str, tuple[str, int, dict[str, float | bool]]] = {
    "LEAKY_RELU": ("LeakyReluOptions", 2, {"alpha": 0.1}),
    "ABS": ("AbsOptions", 2, {}),
    "GELU": ("GeluOptions", 2, {"approximate": False}),
}


def _agree(data: bytes) -> np.ndarray:
    expected = run_oracle(interpreter(data), [EVERY])[0]
    found = core(data).run(EVERY)[0]
    np.testing.assert_array_equal(found, expected)
    return expected


@pytest.mark.parametrize("code", ["RELU_0_TO_1", "LEAKY_RELU", "ABS", "HARD_SWISH", "GELU"])
def test_every_input(code: str) -> None:
    rng = np.random.default_rng(1)
    different = 0
    for case in range(150):
        scales = 2.0 ** rng.uniform(-8, -3, 2)
        if case % 5 == 0:
            scales[1] = scales[0]
        zeros = rng.integers(-128, 128, 2)
        expected = _agree(_table(code, (scales[0], scales[1]), (int(zeros[0]), int(zeros[1]))))
        different += np.unique(expected).size > 20
    assert different > 50


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, 1.0, 1.7])
def test_slopes_of_leaky_relu(slope: float) -> None:
    rng = np.random.default_rng(2)
    for _ in range(30):
        scales = rng.uniform(0.01, 0.1, 2)
        _agree(_table("LEAKY_RELU", (scales[0], scales[1]), (-9, 20), alpha=slope))


def test_gelu_by_tanh() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        scales = 2.0 ** rng.uniform(-6, -3, 2)
        _agree(_table("GELU", (scales[0], scales[1]), (-3, -100), approximate=True))


@pytest.mark.parametrize("code", ["RELU", "LEAKY_RELU"])
def test_ratio_of_scales_in_float32(code: str) -> None:
    """Scales whose float32 ratio is exactly one half, and whose exact ratio lies below."""
    rng = np.random.default_rng(4)
    found = 0
    while found < 20:
        out = np.float32(rng.uniform(0.5, 1.0))
        scale = np.nextafter(np.float32(out / 2), np.float32(rng.choice([0.0, 1.0])))
        exact, single = float(scale) / float(out), float(scale / out)
        if exact == single:
            continue
        found += 1
        _agree(_table(code, (float(scale), float(out)), (0, 0)))


def test_an_output_too_fine_for_hard_swish_is_refused() -> None:
    with pytest.raises(ConvertError, match=r"HARD_SWISH \(tensor 'y'\).*too small.*Calibrate"):
        lower_graph(_table("HARD_SWISH", (0.5, 0.001), (0, 0)))


def test_a_negative_slope_is_refused() -> None:
    data = _table("LEAKY_RELU", (0.1, 0.1), (0, 0), alpha=-0.5)
    with pytest.raises(ConvertError, match=r"LEAKY_RELU \(tensor 'y'\).*slope of -0\.5"):
        lower_graph(data)
