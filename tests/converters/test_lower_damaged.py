"""Damaged .tflite files: refused in one line, or lowered to a plan that the device accepts."""

import numpy as np
import pytest
import test_lower_foreign_kernels as foreign
import test_lower_kernels as kernels
import test_lower_movement as movement
import test_lower_variables as variables
from edgesdk.core.graph import Graph
from edgesdk.errors import ConvertError
from edgesdk_converters.lower import lower_graph
from single_op import Net
from test_lower_lstm import draw, layer

pytestmark = pytest.mark.needs_cc
_WORDS = (0, 1, 2, 255, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def _seeds(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Three graphs of each family of operators, as the other tests make them."""
    rng = np.random.default_rng(0)
    taken: list[bytes] = [layer(draw(rng, 5, 6), 2), variables.accumulating()]

    def take(data: bytes, *_: object, **__: object) -> float:
        taken.append(data)
        return 1.0

    monkeypatch.setattr(kernels, "check_agreement", take)
    monkeypatch.setattr(movement, "check_agreement", take)
    monkeypatch.setattr(foreign, "check_agreement", take)
    for make in (
        lambda: kernels.test_fully_connected(False),
        lambda: kernels.test_convolution(False),
        lambda: kernels.test_convolution(True),
        lambda: kernels.test_pool("AVERAGE_POOL_2D"),
        lambda: kernels.test_arithmetic("ADD", "int8"),
        lambda: kernels.test_mean("int8"),
        kernels.test_softmax,
        lambda: movement.test_concatenation("int8"),
        lambda: movement.test_slices("int8"),
        lambda: movement.test_strided_slices("int8"),
        lambda: movement.test_transpose("int8"),
        movement.test_pad_with_the_zero_point_and_with_a_value,
        movement.test_split_v_with_uneven_parts,
        lambda: movement.test_pack_and_unpack("int8"),
        lambda: foreign.test_extreme("MAXIMUM", "int8"),
        lambda: foreign.test_batch_matmul((False, True)),
        foreign.test_prelu,
        foreign.test_svdf_over_many_runs,
        foreign.test_softmax_int16,
        lambda: foreign.test_arg_extreme("ARG_MAX", ("int8", "int64")),
        foreign.test_log_softmax,
        kernels.test_convolution_in_groups,
    ):
        before = len(taken)
        make()
        del taken[before + 3 :]
    return taken


def _damaged(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(changed)))
        if rng.random() < 0.5:
            changed[at] ^= 1 << int(rng.integers(0, 8))
        else:
            at &= ~3
            changed[at : at + 4] = int(rng.choice(_WORDS)).to_bytes(4, "little")
    return bytes(changed[: len(data)])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_damage_is_refused_or_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    lowered = refused = 0
    for seed in _seeds(monkeypatch):
        for _ in range(40):
            try:
                plan = lower_graph(_damaged(seed, rng)).plan
            except ConvertError as error:
                assert "\n" not in str(error)
                refused += 1
            else:
                Graph(plan.encode())
                lowered += 1
    assert lowered > 50 and refused > 500


@pytest.mark.parametrize(
    ("output", "message"),
    [((1, 5), r"ADD \(tensor 'y'\): it computes \[1, 4\], the output is \[1, 5\]")],
)
def test_a_file_that_contradicts_itself_is_told_so(output: tuple[int, ...], message: str) -> None:
    net = Net()
    x = net.input((1, 4), "int8", 0.1)
    y = net.tensor("y", output, "int8", 0.1)
    net.op("ADD", [x, x], [y], "AddOptions")
    with pytest.raises(ConvertError, match=message):
        lower_graph(net.file(y))


def test_an_output_scale_that_is_far_too_small_is_told_so() -> None:
    net = Net()
    x = net.input((1, 4), "int8", 0.1)
    y = net.tensor("y", (1, 4), "int8", 1e-12)
    net.op("MUL", [x, x], [y], "MulOptions")
    with pytest.raises(ConvertError, match=r"MUL .*a factor of 1e\+10.*Calibrate"):
        lower_graph(net.file(y))
