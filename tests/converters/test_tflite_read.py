"""The .tflite reader against tflite-runtime's own view, and on damaged files."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
from edgesdk.errors import ConvertError
from edgesdk_converters.tflite.read import option_fields, option_key, read_tflite
from tflite_runtime.interpreter import Interpreter

SHARED = Path(
    os.environ.get("EDGESDK_SHARED", Path(__file__).resolve().parents[2].parent / "shared")
)
MODELS = sorted((SHARED / "data/models").glob("*.tflite"))


@pytest.mark.needs_shared
@pytest.mark.skipif(not MODELS, reason="needs_shared: no models folder")
def test_read_public_models_then_tensors_equal_the_interpreters() -> None:
    for path in MODELS:
        graph = read_tflite(path.read_bytes(), path.name).graphs[0]
        if any(op.code == "VAR_HANDLE" for op in graph.operators):
            continue
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
        for detail in interpreter.get_tensor_details():
            if detail["index"] >= len(graph.tensors):
                continue  # scratch tensors of the interpreter
            tensor = graph.tensors[detail["index"]]
            assert tensor.name == detail["name"]
            assert tensor.dtype == np.dtype(detail["dtype"]).name
            assert list(tensor.shape) == list(detail["shape"])
            scales = detail["quantization_parameters"]["scales"]
            if tensor.quantisation is not None:
                np.testing.assert_array_equal(tensor.quantisation.scale, scales)
            if tensor.data is not None:
                np.testing.assert_array_equal(tensor.data, interpreter.get_tensor(detail["index"]))
        assert list(graph.inputs) == [d["index"] for d in interpreter.get_input_details()]
        assert list(graph.outputs) == [d["index"] for d in interpreter.get_output_details()]


@pytest.mark.needs_shared
@pytest.mark.skipif(not MODELS, reason="needs_shared: no models folder")
@pytest.mark.parametrize("seed", range(3))
def test_read_damaged_models_then_one_line_or_a_model(seed: int) -> None:
    rng = random.Random(seed)
    for path in MODELS:
        original = path.read_bytes()
        for trial in range(40):
            data = bytearray(original)
            if trial % 2:
                data = data[: rng.randrange(len(data))]
            else:
                for _ in range(rng.choice([1, 20])):
                    data[rng.randrange(min(len(data), 4000))] ^= 1 << rng.randrange(8)
            try:
                read_tflite(bytes(data), path.name)
            except ConvertError as err:
                assert str(err).startswith(path.name)
                assert "\n" not in str(err)


def test_read_other_bytes_then_says_not_a_tflite_file() -> None:
    with pytest.raises(ConvertError, match=r"^m\.bin: not a \.tflite file"):
        read_tflite(b"RIFF" * 10, "m.bin")
    with pytest.raises(ConvertError, match=r"not a \.tflite file"):
        read_tflite(b"")


def test_option_fields_keep_the_schema_order() -> None:
    assert option_fields("ReshapeOptions") == [("NewShape", "vector")]
    assert [name for name, _ in option_fields("FullyConnectedOptions")][:3] == [
        "FusedActivationFunction",
        "WeightsFormat",
        "KeepNumDims",
    ]


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("DilationHFactor", "dilation_h_factor"),
        ("PotScaleInt16", "pot_scale_int16"),
        ("StrideW", "stride_w"),
        ("FusedActivationFunction", "fused_activation_function"),
    ],
)
def test_option_key_is_the_schema_files_spelling(field: str, key: str) -> None:
    assert option_key(field) == key
