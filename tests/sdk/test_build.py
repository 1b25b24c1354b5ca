"""Building firmware: cache, sizes, compilers, and each way to fail."""

import dataclasses
import hashlib
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from edgesdk import build as build_module
from edgesdk.board import load_board
from edgesdk.board.files import render_header, render_linker_script
from edgesdk.build import BuildOptions, build, build_commands
from edgesdk.cli.flash import Link
from edgesdk.elf import read_sizes
from edgesdk.errors import BuildError, FitError
from edgesdk.resources import resource_dir

M4 = "qemu-mps2-an386"


def _board_file(tmp_path: Path, old: str, new: str) -> Path:
    text = (resource_dir("boards") / f"{M4}.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / f"{M4}.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


class _Bundle:
    def __init__(self, size: int) -> None:
        self.size = size

    def device_bytes(self) -> bytes:
        return bytes(self.size)


def test_header_tells_of_the_npu() -> None:
    lines = render_header(load_board("qemu-mps3-an547-u55")).splitlines()
    for line in (
        "#define EDGE_NPU_BASE 0x72440000u",
        "#define EDGE_NPU_INTERRUPT 35",
        "#define EDGE_NPU_DOORBELL_BASE 0x59304000u",
        "#define EDGE_NPU_CONFIG_WORD 0x00001807u",
        "#define EDGE_NPU_LIMIT_MS 10000u",
        "#define EDGE_NPU_QUEUE_CONFIG 0x2u",  # streams and weights by port 1, the rest by port 0
        "#define EDGE_NPU_REGION_CONFIG 0x2u",
        "#define EDGE_NPU_AXI_LIMIT0 0x3030020u",  # 4 reads and 4 writes of 64 bytes
        "#define EDGE_NPU_AXI_LIMIT2 0x10021u",  # 2 reads and 1 write of 128 bytes
    ):
        assert line in lines
    linked = render_header(load_board("host-u55"))
    assert "EDGE_NPU_LIMIT_MS" in linked and "EDGE_NPU_BASE" not in linked
    assert "NPU" not in render_header(load_board("qemu-mps3-an547"))


@pytest.mark.needs_gcc
def test_build_is_cached_by_what_goes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    image = build(load_board(M4))
    again = build(load_board(M4))
    assert again == image
    monkeypatch.setattr(build_module, "_compile_into", None)  # must not be called
    assert build(load_board(M4)).firmware_id == image.firmware_id
    assert (
        build_module._digest(build_module._plan(load_board(M4), BuildOptions(link="uart")))
        != image.firmware_id
    )


@pytest.mark.needs_gcc
def test_sizes_agree_with_the_size_tool() -> None:
    image = build(load_board(M4))
    listed = subprocess.run(
        ["arm-none-eabi-size", str(image.firmware)], capture_output=True, text=True, check=True
    )
    text, data, bss = map(int, listed.stdout.splitlines()[1].split()[:3])
    assert (image.sizes.text, image.sizes.data, image.sizes.bss) == (text, data, bss)
    assert image.deepest_frames[0].bytes >= image.deepest_frames[-1].bytes > 0


@pytest.mark.needs_cc
def test_sizes_of_a_64_bit_file_agree_with_the_size_tool() -> None:
    image = build(load_board("host"))
    listed = subprocess.run(
        ["size", str(image.firmware)], capture_output=True, text=True, check=True
    )
    assert list(map(int, listed.stdout.splitlines()[1].split()[:3])) == [
        image.sizes.text,
        image.sizes.data,
        image.sizes.bss,
    ]


@pytest.mark.needs_gcc
def test_firmware_holds_only_the_kernels_asked_for() -> None:
    everything = build(load_board(M4))
    few = build(load_board(M4), None, BuildOptions(kernels=("COPY", "LUT_8")))
    assert few.sizes.text < everything.sizes.text - 8000
    assert few.firmware_id != everything.firmware_id


def test_linker_script_and_header_come_from_the_board() -> None:
    board = load_board(M4)
    header = render_header(board)
    assert '#define EDGE_BOARD_NAME "qemu-mps2-an386"' in header
    assert "#define EDGE_COUNTER_TICK 40u" in header
    root = resource_dir("firmware_templates")
    script = render_linker_script(board, (root / "ports/cortex_m/memory.ld.in").read_text())
    assert "ssram1 : ORIGIN = 0x00000000, LENGTH = 0x400000" in script
    assert "edge_stack_limit = .;\n    . += 32768;" in script
    assert "@" not in script


@pytest.mark.needs_gcc
def test_firmware_that_overflows_a_memory_is_refused_with_the_missing_bytes(
    tmp_path: Path,
) -> None:
    small = _board_file(tmp_path, "size_bytes = 0x40_0000", "size_bytes = 0x4000")
    with pytest.raises(FitError, match=r"does not fit memory 'ssram1' of .*: \d+ bytes missing"):
        build(load_board(small))


def test_bundle_that_exceeds_the_model_memory_is_refused_before_any_compiler_runs() -> None:
    with pytest.raises(FitError, match=r"'psram_model' of .*: 16 bytes missing"):
        build(load_board(M4), _Bundle(0xF0_0000 + 16))


@pytest.mark.parametrize(
    ("board", "package"), [(M4, "gcc-arm-none-eabi"), ("host", "gcc")], ids=["cross", "host"]
)
def test_missing_compiler_names_its_package(
    board: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BuildError, match=f"not installed; install it: .* {package}$"):
        build(load_board(board))


@pytest.mark.needs_cc
@pytest.mark.parametrize(
    ("options", "flag", "says"),
    [
        ("optimise", "-include=none", r"gcc failed: .*error: .*none"),
        ("target", "-Wl,--defsym=here=absent", r"gcc failed: .*undefined symbol `absent'"),
    ],
    ids=["compiler", "linker"],
)
def test_failing_tool_is_quoted_with_a_command_that_repeats_it(
    options: str, flag: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGESDK_HOME", str(tmp_path))
    host = load_board("host")
    flags = (*getattr(host.compiler, options), flag)
    spoiled = dataclasses.replace(
        host, compiler=dataclasses.replace(host.compiler, **{options: flags})
    )
    for _ in range(2):
        with pytest.raises(BuildError, match=says) as caught:
            build(spoiled)
        assert [path.name for path in (tmp_path / "firmware").iterdir()] == ["failed"]
    said, command = str(caught.value).split("; run it by hand: ")
    assert len(str(caught.value)) < 400
    again = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    assert again.returncode != 0
    assert said.removeprefix("gcc failed: ") in again.stderr


@pytest.mark.needs_cc
@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "build.json").write_text(""),
        lambda folder: (folder / "build.json").write_text("[]"),
        lambda folder: (folder / "build.json").unlink(),
        lambda folder: (folder / "firmware.elf").unlink(),
        lambda folder: (folder / "firmware.elf").write_bytes(
            (folder / "firmware.elf").read_bytes().replace(b"edge", b"fake", 1)
        ),
    ],
    ids=["empty", "another type", "no facts", "no firmware", "changed firmware"],
)
def test_damaged_cache_is_built_again(
    damage: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One small source stands for the firmware: what is tested is the cache around it."""
    home = tmp_path / "home"
    monkeypatch.setenv("EDGESDK_HOME", str(home))
    source = tmp_path / "sources" / "edge.c"
    source.parent.mkdir()
    source.write_text('const char *edge(void);\nconst char *edge(void) { return "edge"; }\n')
    source.write_text(source.read_text() + "int main(void) { return edge()[0]; }\n")
    plan = build_module._Plan(
        source.parent, "gcc", "gcc", "1", ("-fstack-usage",), (), (), (), (source,), "", None
    )
    monkeypatch.setattr(build_module, "_plan", lambda board, options: plan)
    monkeypatch.setattr(build_module, "link_of", lambda board, options: "stdio")
    image = build(load_board("host"))
    damage(image.firmware.parent)
    again = build(load_board("host"))
    assert again == image
    assert hashlib.sha256(again.firmware.read_bytes()).hexdigest() == image.firmware_sha256
    assert [path.name for path in (home / "firmware").iterdir()] == [image.firmware_id]


@pytest.mark.needs_cc
def test_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "firmware").write_text("in the way")
    monkeypatch.setenv("EDGESDK_HOME", str(tmp_path))
    with pytest.raises(
        BuildError, match=r"firmware: .*set EDGESDK_HOME or XDG_CACHE_HOME"
    ) as caught:
        build(load_board("host"))
    assert "\n" not in str(caught.value)


@pytest.mark.needs_cc
def test_wrong_choices_are_refused() -> None:
    for link in ("mailbox", Link.MAILBOX):  # the port has one, the board no memory for it
        with pytest.raises(BuildError, match="pico has no link 'mailbox'; choose one of uart"):
            build_commands(load_board("pico"), BuildOptions(link=link))
    with pytest.raises(BuildError, match="has no link 'uart'; choose one of stdio"):
        build(load_board("host"), None, BuildOptions(link="uart"))
    with pytest.raises(BuildError, match="compiler 'icc' is unknown"):
        build(load_board("host"), None, BuildOptions(compiler="icc"))
    with pytest.raises(BuildError, match="sanitizers need the host board"):
        build(load_board(M4), None, BuildOptions(sanitize=True))


@pytest.mark.needs_gcc
def test_commands_of_a_build_name_every_source_and_the_linker_script() -> None:
    commands = build_commands(load_board(M4))
    assert any("app/session.c" in command for command in commands)
    assert "-T" in commands[-1]
    assert commands[-1].endswith("firmware.elf")


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\x01\x01" + bytes(60), b"MZ" * 50])
def test_what_is_no_elf_file_is_refused(data: bytes) -> None:
    if data[:4] == b"\x7fELF" and len(data) > 52:
        data = data[:32] + b"\xff\xff\0\0" + data[36:48] + b"\x01\0" + data[50:]
    with pytest.raises(BuildError):
        read_sizes(data, "file")
