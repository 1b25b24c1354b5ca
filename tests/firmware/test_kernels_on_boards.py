"""Every kernel on the real cores' instruction sets, against TFLite's reference kernels.

The graphs are those of the laptop's kernel tests; here each goes over the link and back.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import test_lower_foreign_kernels
import test_lower_kernels
from edgesdk.bundle import Bundle
from edgesdk.errors import ConvertError
from edgesdk.link.device import Device
from edgesdk.link.messages import GraphId, TensorKind
from edgesdk_converters.lower import lower_single
from single_op import interpreter, random_inputs, run_oracle

CASES_PER_TEST = 6
RUNS = 2


def _parametrised(function: Callable[..., None]) -> Iterator[dict[str, object]]:
    """Every combination of a test function's own pytest parameters."""
    axes = []
    for mark in getattr(function, "pytestmark", []):
        names, values = mark.args[:2]
        assert isinstance(names, str) and "," not in names
        axes.append([(names, getattr(v, "values", (v,))[0]) for v in values])
    for combination in itertools.product(*axes):
        yield dict(combination)


def _kernel_tests() -> Iterator[tuple[ModuleType, str, Callable[..., None]]]:
    for module in (test_lower_kernels, test_lower_foreign_kernels):
        for name, function in vars(module).items():
            if name.startswith("test_"):
                yield module, name, function


def _graphs(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[bytes]]:
    """The .tflite files of every kernel test that compares through check_agreement."""
    graphs: dict[str, list[bytes]] = {}
    for module, name, function in _kernel_tests():
        for arguments in _parametrised(function):
            taken = graphs.setdefault(f"{name}{list(arguments.values())}", [])

            def record(data: bytes, *_: object, into: list[bytes] = taken, **__: object) -> float:
                into.append(data)
                return 1.0

            monkeypatch.setattr(module, "check_agreement", record)
            function(**arguments)
    return {name: found for name, found in graphs.items() if found}


def _check(device: Device, data: bytes, rng: np.random.Generator) -> set[int]:
    """Same bits from the oracle and the device; returns the operator codes that ran."""
    oracle = interpreter(data)
    device.load(lower_single(data).device_bytes())
    for run in range(RUNS):
        inputs = random_inputs(oracle, rng, extreme=run == RUNS - 1)
        for index, values in enumerate(inputs):
            device.graph_write(GraphId.SINGLE, index, values.tobytes())
        device.graph_run(GraphId.SINGLE)
        for index, expected in enumerate(run_oracle(oracle, inputs)):
            got = device.graph_read(GraphId.SINGLE, TensorKind.OUTPUT, index)
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, expected.reshape(got.shape))
    count = device.graph_facts(GraphId.SINGLE).op_count
    return {device.tensor_facts(GraphId.SINGLE, TensorKind.OPERATOR, i).code for i in range(count)}


def test_kernels_equal_the_reference_on_every_board(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    covered: set[int] = set()
    for name, graphs in _graphs(monkeypatch).items():
        chosen = graphs[:: max(1, len(graphs) // CASES_PER_TEST)]
        for index, data in enumerate(chosen):
            try:
                covered |= _check(device, data, rng)
            except AssertionError as error:
                raise AssertionError(f"{name}, graph {index}: {error}") from error
    assert len(covered) >= 18, sorted(covered)


def _covered(data: bytes, name: str) -> Bundle | None:
    try:
        return lower_single(data, name=name)
    except ConvertError:
        return None  # an operator that edgesdk refuses; the converters' tests name it


@pytest.mark.needs_shared
def test_models_by_others_equal_the_reference_on_every_board(device: Device, shared: Path) -> None:
    rng = np.random.default_rng(6)
    ran = []
    for path in sorted((shared / "data/models").rglob("*.tflite")):
        data = path.read_bytes()
        bundle = _covered(data, path.name)
        if bundle is None or bundle.workspace_bytes > device.identity.workspace_bytes:
            continue
        _check(device, data, rng)
        ran.append(path.name)
    assert len(ran) >= 5, ran
