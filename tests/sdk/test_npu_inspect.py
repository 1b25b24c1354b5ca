"""`edgesdk inspect --npu`: streams of bundles, payloads and words, for people and as JSON."""

import json
import struct
from pathlib import Path

import pytest
from edgesdk.bundle import Bundle, Plan
from edgesdk.bundle.plan import Record, Ref
from edgesdk.cli.inspect import streams_of
from edgesdk.cli.main import main
from edgesdk.errors import NpuError
from edgesdk.npu.commands import CODES

CONFIG = 0x1807


def _set(name: str, value: int, second: int | None = None) -> list[int]:
    return [(value & 0xFFFF) << 16 | CODES[name], *([] if second is None else [second])]


STREAM = [
    *_set("DMA0_DST_REGION", 0x103), *_set("DMA0_SRC", 0, 0x40), *_set("DMA0_DST", 0, 0x5800),
    *_set("DMA0_LEN", 0, 256), *_set("DMA_START", 0),
    *_set("IFM_REGION", 1), *_set("IFM_BASE0", 0, 0x10), *_set("IFM_PRECISION", 1),
    *_set("IFM_ZERO_POINT", -3), *_set("OFM_REGION", 2), *_set("OFM_BASE0", 0, 0x20),
    *_set("OFM_HEIGHT_M1", 3), *_set("OFM_WIDTH_M1", 1), *_set("OFM_DEPTH_M1", 15),
    *_set("OFM_HEIGHT0_M1", 1), *_set("OFM_WIDTH0_M1", 7), *_set("OFM_BASE2", 0, 0x400),
    *_set("OFM_PRECISION", 0x8143), *_set("OFM_SCALE", 31, 1 << 30), *_set("ACTIVATION", 16),
    *_set("ACTIVATION_MIN", -128), *_set("ACTIVATION_MAX", 127), *_set("BLOCKDEP", 2),
    *_set("IFM2_BROADCAST", 0xC0), *_set("IFM2_SCALAR", 7), *_set("DMA_WAIT", 0),
    *_set("ELEMENTWISE", 2), *_set("STOP", 0xFFFF),
]  # fmt: skip
LINES = """\
#0 DMA_START at word 7
    256 bytes from constants+0x40 to shram+0x5800
    sets DMA0: DST_REGION 259, SRC 0x40, DST 0x5800, LEN 256
#1 DMA_WAIT at word 32
    until 0 are outstanding
#2 ELEMENTWISE SUB at word 33
    ifm  4x2x16 int8 NHWC at scratch+0x10, zero point -3, \
tiles 0: 0x10, 1: 0x0, 2: 0x0, 3: 0x0, split at width 1, heights 1 and 1
"""
DETAILS = """\
    ofm  4x2x16 int16 NHCWB16 at fast+0x20, \
tiles 0: 0x20, 2: 0x400, split at width 8, heights 2 and 1
    scalar 7, operands reversed, scale 1073741824/2^31, \
operands scaled 16-bit by 0/2^0 and 0/2^0, rounding natural, table 0, clamp -128..127
    block 1x1x1, 32-bit sums, block dependency 2
"""


def _payload() -> bytes:
    words = [1 << 20 | 1, CONFIG, 0x10066001, len(STREAM) << 16 | 2, *STREAM]
    return b"COP1" + struct.pack(f"<{len(words)}I", *words)


def _bundle() -> bytes:
    values = {
        "stream": Ref("const", 16).encode(), "weights": 0, "scratch": Ref("arena", 0).encode(),
        "fast": Ref("arena", 0).encode(), "stream_words": len(STREAM), "weights_bytes": 0,
        "scratch_bytes": 4096, "fast_bytes": 4096, "config": CONFIG, "id": 0x10066001,
    }  # fmt: skip
    record = Record("NPU_ETHOSU", Ref("arena", 0), 16, "int8", values)
    constants = bytes(16) + struct.pack(f"<{len(STREAM)}I", *STREAM)
    plan = Plan((record,), (), (), (), constants, 4096, 0)
    return Bundle({"GNET": plan.encode()}).to_bytes()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    contents = {
        "net.edge": _bundle(),
        "payload.bin": _payload(),
        "words.bin": struct.pack(f"<{len(STREAM)}I", *STREAM),
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in contents}


def test_streams_come_from_bundles_payloads_and_words(files: dict[str, Path]) -> None:
    found = {name: streams_of(path) for name, path in files.items()}
    for (stream,) in found.values():
        assert stream.words.tolist() == STREAM
        assert stream.product == "u55"
    named = {name: one.accelerator and one.accelerator.name for name, (one,) in found.items()}
    assert named == {"net.edge": "ethos-u55-128", "payload.bin": "ethos-u55-128", "words.bin": None}
    assert found["net.edge"][0].region_bytes == (0, 4096, 4096)
    assert found["net.edge"][0].name == "net, step 0"


def test_words_of_two_cores_are_of_a_u65(tmp_path: Path) -> None:
    words = [*_set("PARALLEL_MODE", 1), *_set("STOP", 0)]
    (tmp_path / "words").write_bytes(struct.pack("<2I", *words))
    assert streams_of(tmp_path / "words")[0].product == "u65"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "neither a payload"),
        (b"abc", "neither a payload"),
        (struct.pack("<2I", 2, 3), "neither a payload"),
        (_payload()[:-4], "ends 1 words before"),
    ],
)
def test_other_files_are_refused(data: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "words").write_bytes(data)
    with pytest.raises(NpuError, match=why):
        streams_of(tmp_path / "words")


def test_bundle_without_an_npu_is_refused(tmp_path: Path) -> None:
    fill = Record("FILL", Ref("arena", 0), 4, "int8", {"count": 4, "width": 1, "value": 0})
    plan = Plan((fill,), (), (), (), b"", 16, 0)
    (tmp_path / "net.edge").write_bytes(Bundle({"GNET": plan.encode()}).to_bytes())
    with pytest.raises(NpuError, match="nothing in it runs on an NPU"):
        streams_of(tmp_path / "net.edge")


def test_people_see_operands_and_what_is_set(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", "--npu", str(files["net.edge"])]) == 0
    shown = capsys.readouterr().out
    assert f"net, step 0: {len(STREAM)} words for ethos-u55-128\n" in shown
    assert "1 DMA_START, 1 DMA_WAIT, 1 ELEMENTWISE SUB, 1 STOP\n" in shown
    assert "scratch: 4,096 bytes\n" in shown
    assert LINES in shown
    assert DETAILS in shown
    assert "OFM: REGION 2, BASE0 0x20, HEIGHT_M1 3, WIDTH_M1 1, DEPTH_M1 15, " in shown


def test_programs_get_the_same(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--npu", str(files["payload.bin"]), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["version"]) == ("edgesdk.inspect.npu", 1)
    (stream,) = document["streams"]
    assert [one["operation"] for one in stream["operations"]] == [
        *("DMA_START", "DMA_WAIT", "ELEMENTWISE SUB", "STOP"),
    ]
    block = stream["operations"][2]
    assert block["ifm"]["zero_point"] == -3
    assert block["ofm"]["tiles"] == {"0": 0x20, "2": 0x400}
    assert {"word": 16, "register": "OFM_HEIGHT_M1", "value": 3} in block["sets"]
    assert "ifm2" not in block and block["scalar"] == 7


def test_damaged_stream_is_an_error_with_its_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words").write_bytes(struct.pack("<3I", CODES["IRQ"], 0x4, CODES["STOP"]))
    assert main(["inspect", "--npu", str(tmp_path / "words")]) == 2
    said = capsys.readouterr().err
    assert "word 1: 0x00000004 is no command" in said
    assert said.count(str(tmp_path)) == 1
