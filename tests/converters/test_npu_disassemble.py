"""Our reading of command streams against what Vela itself prints about them, line by line."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from edgesdk.cli.inspect import streams_of
from edgesdk.npu import operands
from edgesdk.npu.stream import Operation, Write, read_stream
from npu_graphs import embedding_net

LINE = re.compile(
    r"^0x(\w{6}): ([0-9a-f ]{8}) (\w{4}) \w{4} - (?:cmd[01]\.)?NPU_(?:OP|SET)_(\w+) +\d+"
    r"(?:, (.*))?$",
    re.M,
)
MODELS = ("kws_ref_model", "trained_lstm_int8", "vww_96_int8", "hey_jarvis")
ROUNDINGS = {"DBL": "double", "TRUNCATE": "truncate", "NATURAL": "natural"}


class Printed(NamedTuple):
    """A command as Vela prints it; its older code generator prints no fields."""

    name: str
    param: int
    second: int
    fields: dict[str, str]


def _vela(model: Path, folder: Path, *options: str) -> tuple[dict[int, Printed], list[Operation]]:
    """What Vela prints, by word, and what we read in the file that it writes."""
    command = [sys.executable, "-m", "ethosu.vela", str(model), "--output-dir", str(folder)]
    command += ["--verbose-register-command-stream", *options]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    printed = {}
    for offset, second, param, name, fields in LINE.findall(said):
        values = dict(part.split(" = ") for part in fields.split(", ") if part)
        number = int(second.strip() or "0", 16)
        printed[int(offset, 16) // 4] = Printed(name, int(param, 16), number, values)
    (stream,) = streams_of(folder / f"{model.stem}_vela.tflite")
    return printed, read_stream(stream.words, stream.product)


def _names(operations: Sequence[Operation]) -> dict[int, str]:
    found = {}
    for one in operations:
        found |= {write.at: write.command.name for write in one.writes}
        found[one.at] = one.command.name
    return found


def _check_value(write: Write, printed: Printed) -> None:
    if isinstance(write.value, tuple):
        shown = {"scale": str(write.value[0]), "shift": str(write.value[1])}
        assert printed.fields.items() <= shown.items()
    elif "addr" in printed.fields:
        assert write.value == int(printed.fields["addr"], 16)
    elif len(printed.fields) == 1:
        ((field, text),) = printed.fields.items()
        if text.isdecimal():
            assert write.value == int(text) + field.endswith("_m1")
    else:
        value = write.value - (write.command.form == "count")
        assert value in (printed.param, printed.second)


def _last(name: str) -> str:
    return name.rpartition("_")[2]


def _check_feature_maps(operation: Operation, precisions: dict[str, Printed]) -> None:
    shapes = {
        "IFM": operands.ifm_shape(operation),
        "IFM2": operands.ifm2_shape(operation),
        "OFM": operands.ofm_shape(operation),
    }
    for name, shape in shapes.items():
        if shape is not None:
            found = operands.feature_map(operation, name, shape)
            fields = precisions[f"{name}_PRECISION"].fields
            sign = "u" if _last(fields["activation_type"]) == "UNSIGNED" else ""
            bits = _last(fields["activation_precision"])[1:]
            assert found.dtype == f"{sign}int{bits}"
            assert found.layout == _last(fields["activation_format"])
    mode = _last(precisions["OFM_PRECISION"].fields["round_mode"])
    assert operands.rounding(operation) == ROUNDINGS[mode]


def _check(printed: dict[int, Printed], operations: Sequence[Operation]) -> None:
    assert _names(operations) == {word: one.name for word, one in printed.items()}
    precisions: dict[str, Printed] = {}
    for operation in operations:
        for write in operation.writes:
            _check_value(write, printed[write.at])
            precisions[write.command.name] = printed[write.at]
        fields = printed[operation.at].fields
        for mode in ("pooling_mode", "elementwise_mode"):
            if mode in fields:
                shown = fields[mode].partition("_MODE_")[2]
                assert operands.mode_name(operation).partition(" ")[2] == shown
        annotated = "OFM_PRECISION" in precisions and precisions["OFM_PRECISION"].fields
        if operation.command.name in operands.BLOCKS and annotated:
            _check_feature_maps(operation, precisions)


@pytest.mark.needs_shared
@pytest.mark.parametrize("accelerator", ["ethos-u55-64", "ethos-u65-512"])
@pytest.mark.parametrize("name", MODELS)
def test_every_line_of_vela_says_what_we_read(
    name: str, accelerator: str, shared: Path, tmp_path: Path
) -> None:
    model = shared / "data/models" / f"{name}.tflite"
    printed, operations = _vela(model, tmp_path, "--accelerator-config", accelerator)
    assert len(printed) > 100
    _check(printed, operations)


@pytest.mark.parametrize("options", [(), ("--debug-force-legacy-core",)], ids=["regor", "legacy"])
def test_both_code_generators_print_what_we_read(options: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(embedding_net())
    printed, operations = _vela(tmp_path / "net.tflite", tmp_path, *options)
    assert len(operations) > 4
    _check(printed, operations)
