"""Building firmware: cache, sizes, compilers, and each way to fail."""

import subprocess
from pathlib import Path

import pytest
from edgesdk import build as build_module
from edgesdk.board import load_board
from edgesdk.build import BuildOptions, build, build_commands, render_header, render_linker_script
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
    assert "#define EDGE_COUNTER_TICK_NS 40u" in header
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
def test_failing_compiler_is_quoted_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGESDK_HOME", str(tmp_path))
    monkeypatch.setattr(build_module, "WARNINGS", (*build_module.WARNINGS, "-include=none"))
    with pytest.raises(BuildError, match=r"gcc failed: .*run it by hand"):
        build(load_board("host"))
    assert list((tmp_path / "firmware").iterdir()) == []


@pytest.mark.needs_cc
def test_wrong_choices_are_refused() -> None:
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
