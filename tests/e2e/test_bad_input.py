"""What goes wrong for users: the documented exit code, one clear line, nothing left behind."""

import json
import random
import shutil
import struct
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import CommandLine, Outcome
from edgesdk.cli.main import main

Convert = Callable[[str], Path]
pytestmark = pytest.mark.needs_cc


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a command line in this process; it has to fail with one line and leave no file."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("EDGESDK_HOME", raising=False)

    def run(*arguments: object) -> tuple[int, str]:
        before = sorted(tmp_path.rglob("*"))
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        outcome = Outcome(code, captured.out, captured.err)
        assert sorted(tmp_path.rglob("*")) == before
        return code, outcome.error_line()

    return run


def _wav(path: Path, rate: int = 16000, channels: int = 1, samples: int = 1600) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(bytes(2 * channels * samples))
    return path


def _onnx_copy(model: Path, folder: Path) -> Path:
    shutil.copytree(model / "onnx", folder / "onnx")
    shutil.copytree(model / "calibration", folder / "calibration")
    return folder / "onnx"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"rate": 8000}, "8000 Hz, the model needs 16000 Hz"),
        ({"channels": 2}, "stereo, one channel expected"),
        ({"samples": 0}, "0 samples"),
    ],
)
def test_wrong_clip_is_refused(
    form: dict[str, int], said: str, fails, convert: Convert, tmp_path: Path
) -> None:
    bundle, clip = convert("host"), _wav(tmp_path / "clip.wav", **form)
    code, line = fails("emulate", bundle, clip)
    assert (code, said in line, "clip.wav" in line) == (2, True, True), line
    assert fails("run", clip, "--board", "host", "--bundle", bundle)[0] == 2


def test_truncated_clip_is_refused(fails, convert: Convert, tmp_path: Path) -> None:
    clip = _wav(tmp_path / "clip.wav")
    clip.write_bytes(clip.read_bytes()[:100])
    assert fails("emulate", convert("host"), clip)[0] == 2


@pytest.mark.parametrize("verb", ["inspect", "emulate", "flash"])
def test_truncated_bundle_is_refused(
    verb: str, fails, convert: Convert, model: Path, tmp_path: Path
) -> None:
    data, broken = convert("host").read_bytes(), tmp_path / "broken.edge"
    more = {"inspect": (), "emulate": (model / "clips",), "flash": ("--board", "host")}[verb]
    for size in (0, 3, 31, 100, len(data) // 2, len(data) - 1):
        broken.write_bytes(data[:size])
        code, line = fails(verb, broken, *more)
        assert (code, "broken.edge" in line) == (2, True), line


def test_bit_flipped_bundle_is_refused(fails, convert: Convert, tmp_path: Path) -> None:
    data, broken = convert("host").read_bytes(), tmp_path / "broken.edge"
    entries = struct.unpack_from("<H", data, 6)[0]
    table = [struct.unpack_from("<4sIII", data, 32 + 16 * i) for i in range(entries)]
    places = [*range(32), *range(32, 32 + 16 * entries, 3)]
    randomly = random.Random(1)
    places += [offset + randomly.randrange(size) for _, offset, size, _ in table]
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << randomly.randrange(8)
        broken.write_bytes(flipped)
        code, line = fails("inspect", broken)
        assert (code, "broken.edge" in line) == (2, True), (place, line)


@pytest.mark.parametrize("name", ["encoder.onnx", "decoder.onnx", "joiner.onnx"])
def test_truncated_onnx_is_refused(name: str, fails, model: Path, tmp_path: Path) -> None:
    source = _onnx_copy(model, tmp_path)
    data = (source / name).read_bytes()
    for size in (0, 10, len(data) // 2, len(data) - 1):
        (source / name).write_bytes(data[:size])
        code, line = fails("convert", source, "--board", "host", "-o", tmp_path / "made")
        assert (code, name in line) == (2, True), line
        assert fails("inspect", source / name)[0] == 2


@pytest.mark.parametrize("name", ["tokens.txt", "encoder.onnx"])
def test_missing_file_is_refused(name: str, fails, model: Path, tmp_path: Path) -> None:
    source = _onnx_copy(model, tmp_path)
    (source / name).unlink()
    code, line = fails("convert", source, "--board", "host", "-o", tmp_path / "made")
    assert (code, name in line) == (2, True), line


def _small_board(repository: Path, folder: Path, role: str, size: int) -> Path:
    """The M55 board with a smaller memory."""
    text = (repository / "boards" / "qemu-mps3-an547.toml").read_text(encoding="utf-8")
    head, *memories = text.split("[[memory]]")
    for index, memory in enumerate(memories):
        if f'"{role}"' in memory:
            lines = [
                f"size_bytes = {size}" if line.startswith("size_bytes") else line
                for line in memory.splitlines()
            ]
            memories[index] = "\n".join(lines) + "\n"
    path = folder / "small.toml"
    path.write_text("[[memory]]".join([head, *memories]).replace("qemu-mps3-an547", "small"))
    return path


@pytest.mark.parametrize(
    ("role", "size", "memory"),
    [("model", 262_144, "ddr_model"), ("workspace", 4096, "sram")],
    ids=["model", "workspace"],
)
def test_model_too_large_for_the_board_names_bytes_and_peak(
    role: str,
    size: int,
    memory: str,
    repository: Path,
    edgesdk: CommandLine,
    model: Path,
    tmp_path: Path,
) -> None:
    board = _small_board(repository, tmp_path, role, size)
    out = tmp_path / "made"
    clips = ("--calibration", model / "calibration")
    outcome = edgesdk(
        "convert", model / "onnx", *clips, "--board", board, "-o", out, "--json", "-q"
    )
    line = outcome.error_line()
    assert outcome.code == outcome.document["exit_code"] == 1
    assert {use["memory"] for use in outcome.document["memory"]} >= {"sram", "ddr_model"}
    assert "bytes missing; " in line and f"does not fit small: memory '{memory}' has" in line
    peak = "; peak of the arena: encoder, UNIDIRECTIONAL_SEQUENCE_LSTM"
    assert (peak in line) == (role == "workspace")
    assert sorted(tmp_path.iterdir()) == [board]
    missing = int(line.split(" bytes missing")[0].rsplit(" ", 1)[1])
    fitting = _small_board(repository, tmp_path, role, size + -(-missing // 16) * 16)
    edgesdk.ok("convert", model / "onnx", *clips, "--board", fitting, "-o", out)


@pytest.mark.needs_gcc
def test_firmware_too_large_for_the_board_is_refused_at_conversion(
    repository: Path, edgesdk: CommandLine, model: Path, tmp_path: Path
) -> None:
    board = _small_board(repository, tmp_path, "code", 16_384)
    convert = ("convert", model / "onnx", "--board", board, "-o", tmp_path / "made")
    outcome = edgesdk(*convert, "--json", "--quiet")
    assert outcome.code == outcome.document["exit_code"] == 1
    assert "firmware does not fit memory 'itcm' of small: " in outcome.error_line()
    assert outcome.error_line().endswith("missing; take a smaller model or a larger board")
    assert {use["memory"] for use in outcome.document["memory"]} >= {"sram", "ddr_model"}
    assert sorted(tmp_path.iterdir()) == [board]


def test_without_compiler_conversion_says_what_it_did_not_count(
    edgesdk: CommandLine, model: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"  # a compiler for the host, none for the board
    programs.mkdir()
    for name in ("gcc", "as", "ld"):
        (programs / name).symlink_to(shutil.which(name) or name)
    convert = ("convert", model / "onnx", "--board", "qemu-mps3-an547", "-o", tmp_path / "made")
    outcome = edgesdk(*convert, "--json", environment={"PATH": str(programs)})
    assert (outcome.code, outcome.document["firmware_counted"]) == (0, False)
    assert any(
        "firmware not counted (arm-none-eabi-gcc is not installed" in note
        for note in outcome.document["notes"]
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", "absent: no such folder or file; give the folder that holds encoder"),
        ("clip.wav", "clip.wav: not a model; give the folder that holds encoder"),
        ("encoder.onnx", "encoder.onnx: one of three files of a model; give the folder"),
        ("absent.tflite", "absent.tflite: cannot be read"),
    ],
)
def test_wrong_source_is_named_before_its_calibration(
    name: str, said: str, fails, tmp_path: Path
) -> None:
    for present in ("clip.wav", "encoder.onnx"):
        _wav(tmp_path / present)
    out = ("--board", "host", "-o", tmp_path / "made")
    code, line = fails("convert", tmp_path / name, *out)
    assert (code, said in line) == (2, True), line


@pytest.mark.parametrize(
    "wrong", [{"mean": "x"}, {"window_type": ["povey"]}, {"sample_rate": 1e300}, {"sample_rate": 0}]
)
def test_wrong_feature_setting_is_refused(
    wrong: dict[str, object], fails, model: Path, tmp_path: Path
) -> None:
    source = _onnx_copy(model, tmp_path)
    path = source / "features.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **wrong}))
    code, line = fails("convert", source, "--board", "host", "-o", tmp_path / "made")
    assert (code, "features.json: " in line, next(iter(wrong)) in line) == (2, True, True), line


def test_folder_with_other_content_is_not_replaced(fails, model: Path, tmp_path: Path) -> None:
    precious = tmp_path / "home"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    code, line = fails("convert", model / "onnx", "--board", "host", "-o", precious)
    assert (code, "is not replaced" in line) == (2, True)


def test_earlier_result_is_replaced_whole(
    edgesdk: CommandLine, model: Path, tmp_path: Path
) -> None:
    convert = ("convert", model / "onnx", "--board", "host", "-o", tmp_path / "made")
    edgesdk.ok(*convert)
    first = (tmp_path / "made" / "model.edge").read_bytes()
    edgesdk.ok(*convert)
    assert (tmp_path / "made" / "model.edge").read_bytes() == first
    manifest = json.loads((tmp_path / "made" / "manifest.json").read_text())
    assert sorted([*manifest["files"], "manifest.json"]) == sorted(
        path.name for path in (tmp_path / "made").iterdir()
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made"]


def test_missing_compiler_is_exit_4_with_the_package(
    edgesdk: CommandLine, convert: Convert, tmp_path: Path
) -> None:
    bundle = convert("host")
    nowhere = {"PATH": str(tmp_path / "empty"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for board, package in (("host", "gcc"), ("qemu-mps3-an547", "gcc-arm-none-eabi")):
        outcome = edgesdk("flash", bundle, "--board", board, environment=nowhere)
        assert outcome.code == 4
        assert outcome.error_line().endswith(f"sudo apt-get install {package}")
    assert edgesdk("devices", "--json").document["boards"] == []


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_missing_emulator_is_exit_4_with_the_package(
    edgesdk: CommandLine, convert: Convert, model: Path, tmp_path: Path
) -> None:
    board = "qemu-mps3-an547"
    edgesdk.ok("flash", convert(board), "--board", board)
    nowhere = {"PATH": str(tmp_path / "empty")}
    outcome = edgesdk("run", model / "clips", "--board", board, environment=nowhere)
    assert (outcome.code, "apt-get install qemu-system-arm" in outcome.error_line()) == (4, True)


def test_no_device_and_several_devices_are_exit_3(
    edgesdk: CommandLine, convert: Convert, model: Path
) -> None:
    clip = sorted((model / "clips").glob("*.wav"))[0]
    for options in (("--board", "host"), (), ("--port", "/dev/edgesdk-absent")):
        outcome = edgesdk("run", clip, *options)
        assert outcome.code == 3
        assert outcome.error_line().startswith("edgesdk run: ")
    assert "edgesdk devices" in outcome.err
    edgesdk.ok("flash", convert("host"), "--board", "host")
    assert edgesdk("run", clip, "--quiet").code == 0  # one device is the one that is meant
    state = edgesdk.state / "edgesdk" / "devices"
    shutil.copytree(state / "host", state / "other")
    manifest = state / "other" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"board": "host"', '"board": "other"'))
    outcome = edgesdk("run", clip)
    assert outcome.code == 3
    assert "several devices: host, other; choose one with --board" in outcome.error_line()
