"""Firmware taken home: a CMake project that holds the same code as what edgesdk builds."""

import io
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from edgesdk.board import load_board
from edgesdk.build import BuildOptions, build
from edgesdk.bundle import load_bundle, save_bundle
from edgesdk.cli.main import main
from edgesdk.elf import read_sizes
from edgesdk.firmware_project import project_files
from edgesdk.flash.store import store
from edgesdk.link.device import open_device
from edgesdk.needed import needed_options
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from small_bundle import recogniser_bundle

pytestmark = pytest.mark.needs_cmake


def _loaded(elf: bytes) -> dict[str, bytes]:
    """Content of the sections that a device loads, but the linker's digest of the file."""
    sections = ELFFile(io.BytesIO(elf)).iter_sections()
    return {
        section.name: section.data()
        for section in sections
        if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_type"] != "SHT_NOBITS"
        if section.name != ".note.gnu.build-id"
    }


def _cmake(*arguments: object) -> str:
    """CMake as somebody without edgesdk calls it."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = ["cmake", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=bare)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _project(board: str, folder: Path) -> Path:
    save_bundle(recogniser_bundle(), folder / "model.edge")
    arguments = ["--board", board, "--bundle", str(folder / "model.edge")]
    assert main(["new", "firmware", *arguments, "-o", str(folder / "home")]) == 0
    return folder / "home"


@pytest.mark.parametrize(
    "board",
    [
        pytest.param("host-u55", marks=pytest.mark.needs_cc),
        pytest.param("qemu-mps2-an386", marks=pytest.mark.needs_gcc),
        pytest.param("qemu-riscv-virt", marks=pytest.mark.needs_riscv),
    ],
)
def test_project_builds_what_flash_builds(board: str, tmp_path: Path) -> None:
    home, made = _project(board, tmp_path), tmp_path / "made"
    bundle = load_bundle(home / "model" / "model.edge")
    image = build(load_board(board), bundle, needed_options(bundle))
    _cmake("-S", home, "-B", made, f"-DEDGE_FIRMWARE_ID={image.firmware_id}", "-DEDGE_WERROR=ON")
    _cmake("--build", made, "-j", "2")
    elf = (made / "firmware.elf").read_bytes()
    assert read_sizes(elf, "firmware.elf") == image.sizes
    assert _loaded(elf) == _loaded(image.firmware.read_bytes())
    assert (home / "model" / "model.image").read_bytes() == image.bundle
    if board == "host-u55":
        store(replace(image, firmware=made / "firmware.elf"), tmp_path / "devices")
        with open_device(load_board(board), devices=tmp_path / "devices") as device:
            assert device.identity.bundle_digest == image.bundle_digest


@pytest.mark.needs_cc
def test_identity_follows_the_sources(tmp_path: Path) -> None:
    home, made = _project("host", tmp_path), tmp_path / "made"
    commands = made / "compile_commands.json"
    identities = set()
    for change in ("", "/* mine */\n"):
        with (home / "app" / "session.c").open("a") as file:
            file.write(change)
        _cmake("-S", home, "-B", made, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
        (command,) = {
            word
            for entry in json.loads(commands.read_text())
            for word in entry["command"].split()
            if "EDGE_FIRMWARE_ID" in word
        }
        identities.add(command)
    assert len(identities) == 2


def test_project_has_what_the_bundle_needs_and_no_more(tmp_path: Path) -> None:
    bundle = recogniser_bundle()
    board = load_board("qemu-mps2-an386")
    files = project_files(board, bundle, needed_options(bundle))
    folders = {name.split("/")[2] for name in files if name.startswith("runtime/kernels/")}
    assert {"arithmetic", "gather", "lut"} <= folders
    assert not {"lstm", "conv", "npu"} & folders
    assert not [name for name in files if name.endswith("mve.c") or name.startswith("emulator/")]
    everything = project_files(load_board("qemu-mps3-an547-u55"), None, needed_options(bundle))
    assert "ports/bare/npu_page.c" in everything and "model/model.edge" not in everything
    linked = project_files(load_board("host-u55"), bundle, needed_options(bundle))
    assert "emulator/ethosu/mlw.h" in linked and "ports/host/npu_emulator.c" in linked


def test_readme_names_the_commands_that_write_flash() -> None:
    bundle = recogniser_bundle()
    options = needed_options(bundle)
    readme = project_files(load_board("stm32f4-discovery"), bundle, options)["README.md"].decode()
    assert (
        "openocd -f board/stm32f4discovery.cfg -c 'program build/firmware.elf verify'"
        " -c 'program model/model.image 0x08020000 verify' -c 'reset run' -c shutdown\n"
        "pyocd flash -t stm32f407vgtx build/firmware.hex\n"
        "pyocd flash -t stm32f407vgtx --format bin --base-address 0x08020000 model/model.image\n"
    ) in readme
    assert "edgesdk flash model/model.edge --port" not in readme


def test_folder_that_somebody_worked_in_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = _project("host", tmp_path)
    arguments = ["new", "firmware", "--board", "host", "-o", str(home)]
    assert main(arguments) == 0  # untouched: written anew
    assert not (home / "model").exists()
    (home / "app" / "mine.c").write_text("int mine;\n")
    assert main(arguments) == 2
    assert "app/mine.c is not of edgesdk" in capsys.readouterr().err
    (home / "app" / "mine.c").unlink()
    (home / "app" / "speech.c").write_text("int mine;\n")
    assert main(arguments) == 2
    assert "app/speech.c was changed" in capsys.readouterr().err
    assert main([*arguments[:-1], str(tmp_path)]) == 2
    assert "is no result of edgesdk" in capsys.readouterr().err


def test_readme_starts_qemu_with_all_that_the_board_needs() -> None:
    board = load_board("qemu-riscv-virt")
    assert board.emulator is not None
    emulator = replace(board.emulator, cpu="rv32", serial=2)
    board = replace(board, emulator=emulator)
    text = project_files(board, None, BuildOptions(link="uart"))["README.md"].decode()
    said = " ".join(text.replace("\\\n", " ").split())
    assert "qemu-system-riscv32 -M virt -cpu rv32 -bios none -display none" in said
    assert "-serial null -serial null -serial tcp::4000," in said
