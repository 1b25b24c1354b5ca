"""`edgesdk flash` for a real board, from the command line to the flash of a simulated chip."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from chip import Chip, DebugPort
from edgesdk.build import BuildOptions
from edgesdk.bundle import Bundle, save_bundle
from edgesdk.cli import main
from edgesdk.cli.target import find_target
from edgesdk.elf import read_parts
from edgesdk.firmware_project import project_files
from edgesdk.flash.kept import keep
from edgesdk.flash.store import flashed_boards, manifest_of
from jtag_peer import JtagPeer
from made_job import make_board
from pyocd_peer import ProbeServer
from small_bundle import recogniser_bundle

MODEL = 0x4_0000


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Firmware is compiled once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def bundle(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """In a file of tmp_path; what edgesdk keeps goes there too, but compiled firmware."""
    shutil.rmtree(cache / "edgesdk" / "flash", ignore_errors=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.delenv("EDGESDK_HOME", raising=False)
    made = recogniser_bundle()
    save_bundle(made, tmp_path / "model.edge")
    return made


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[Chip]:
    """Behind a JTAG adapter that the board's file of tmp_path names."""
    made = Chip()
    peer = JtagPeer(DebugPort(made))
    make_board(tmp_path, old="port 1", new=f"port {peer.number}")
    yield made
    peer.close()


def _flash(
    capsys: pytest.CaptureFixture[str], folder: Path, *options: str
) -> tuple[int, dict[str, object], str]:
    board = ["--board", str(folder / "simulated-chip.toml")]
    code = main.main(["flash", str(folder / "model.edge"), *board, *options, "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out), captured.err


@pytest.mark.needs_gcc
@pytest.mark.needs_openocd
def test_firmware_and_bundle_get_on_the_chip_by_two_tools(
    chip: Chip, bundle: Bundle, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, plan, _ = _flash(capsys, tmp_path, "--dry-run")
    assert code == 0 and chip.resets == 0 and not (cache / "edgesdk" / "flash").exists()
    code, document, _ = _flash(capsys, tmp_path)
    assert code == 0
    assert (document["tool"], document["verified"]) == ("openocd", True)
    assert document["commands"] == plan["flash"]["commands"]  # type: ignore[index]
    firmware_id = str(document["firmware_id"])
    elf = cache / "edgesdk" / "firmware" / firmware_id / "firmware.elf"
    parts = read_parts(elf.read_bytes(), "x")
    assert sum(len(part.data) for part in parts) == document["firmware_bytes"]
    for part in parts:
        assert chip.flash[part.address : part.address + len(part.data)] == part.data
    image = bundle.device_bytes()
    assert chip.flash[MODEL : MODEL + len(image)] == image
    assert manifest_of(firmware_id)["bundle_digest"] == bundle.digest
    assert flashed_boards() == []  # it is no emulated board that could be powered on
    board, kept = find_target("simulated-chip", "/dev/ttyUSB0", None)
    assert board and board.name == "simulated-chip" and kept and kept.digest == bundle.digest

    other = Chip()
    server = ProbeServer(DebugPort(other))
    code, document, _ = _flash(capsys, tmp_path, "--with", "pyocd", "--probe", server.name)
    server.close()
    assert (code, document["tool"]) == (0, "pyocd")
    assert other.flash == chip.flash


@pytest.mark.needs_gcc
def test_failure_has_its_exit_code_and_keeps_nothing(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """OpenOCD finds nobody at port 1; pyOCD finds no probe."""
    make_board(tmp_path)
    code, document, err = _flash(capsys, tmp_path, "--with", "pyocd", "--probe", "nobody")
    assert code == document["exit_code"] == 3
    assert (
        "no probe is connected (no probe with the name nobody is connected)" in err.splitlines()[-1]
    )
    assert find_target(str(tmp_path / "simulated-chip.toml"), "x", None)[1] is None
    code, document, err = _flash(capsys, tmp_path, "--with", "jlink", "--compiler", "clang")
    assert code == 4 and "JLinkExe or JLink is not installed" in str(document["error"])
    assert "building" not in err  # for nothing


def test_dry_run_shows_the_tools_calls_and_with_v_the_compilers_too(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_board(tmp_path)
    board = str(tmp_path / "simulated-chip.toml")
    flash = [
        "flash",
        str(tmp_path / "model.edge"),
        "--board",
        board,
        "--with",
        "jlink",
        "--dry-run",
    ]
    assert main.main(flash) == 0
    short = capsys.readouterr().out.splitlines()
    assert main.main(["-v", *flash]) == 0
    long = capsys.readouterr().out.splitlines()
    assert short[0] == (
        f"# {len(long) - len(short) + 1} compiler commands come first; edgesdk -v prints them"
    )
    assert "JLinkExe" in short[1] and long[-len(short) + 1 :] == short[1:]
    assert all("gcc" in line for line in long[: 1 - len(short)])


@pytest.mark.needs_gcc
def test_vendor_gets_files_and_words(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_board(tmp_path)
    out = tmp_path / "out"
    code, document, _ = _flash(capsys, tmp_path, "--with", "vendor", "-o", str(out))
    assert (code, document["verified"]) == (0, False)
    assert str(document["steps"]).startswith(f"Open {out}/firmware.hex in the maker's tool")
    assert (out / "model.image").read_bytes() == bundle.device_bytes()
    assert (out / "firmware.elf").read_bytes()[:4] == b"\x7fELF"
    (out / "notes").write_text("mine")
    code, document, _ = _flash(capsys, tmp_path, "--with", "vendor", "-o", str(out))
    assert code == 2 and "notes is not of edgesdk" in str(document["error"])


def test_doctor_asks_for_the_tool_that_the_board_names_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_board(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    board = str(tmp_path / "simulated-chip.toml")
    assert main.main(["doctor", "--board", board, "--json"]) == 1
    tools = {tool["purpose"]: tool for tool in json.loads(capsys.readouterr().out)["tools"]}
    required = {name: tool["required"] for name, tool in tools.items() if "--with" in name}
    assert required == {
        "flash --with openocd": True,
        **{f"flash --with {name}": False for name in ("jlink", "stm32", "picotool")},
        **{f"flash --with {name}": False for name in ("pyocd", "esptool")},
    }
    assert tools["flash --with openocd"]["install"] == "apt-get install openocd"
    assert tools["flash --with pyocd"]["found"]
    (tmp_path / "st-flash").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "st-flash").chmod(0o755)
    main.main(["doctor", "--json"])
    tools = {tool["purpose"]: tool for tool in json.loads(capsys.readouterr().out)["tools"]}
    assert tools["flash --with stm32"]["found"] == str(tmp_path / "st-flash")
    new = '[flash.stm32]\nexternal_loader = "MT25.stldr"\n'
    make_board(tmp_path, old="[flash.stm32]\n", new=new)
    main.main(["doctor", "--board", board, "--json"])
    tools = {tool["purpose"]: tool for tool in json.loads(capsys.readouterr().out)["tools"]}
    assert tools["flash --with stm32"]["found"] is None  # st-flash takes no loader


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--with", "vendor"], "name a folder for the files with -o"),
        (["--with", "vendor", "-o", "x", "--erase"], "--probe and --erase are for tools"),
        (["-o", "x"], "-o is for --with vendor, not for openocd"),
        (["--with", "picotol"], "'picotol'"),
        (["--port", "x", "--erase"], "--port replaces the bundle over the link"),
    ],
)
def test_options_that_do_not_go_together(
    options: list[str],
    said: str,
    bundle: Bundle,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_board(tmp_path)
    code, document, _ = _flash(capsys, tmp_path, *options)
    assert code == 2 and said in str(document["error"])


def test_kept_board_finds_its_own_driver(bundle: Bundle, tmp_path: Path) -> None:
    """And no longer needs the folder that it was flashed from."""
    there = tmp_path / "drivers"
    there.mkdir()
    (there / "mine.c").write_text("/* a UART */\n")
    board = make_board(tmp_path, old='driver = "cmsdk"', new="driver = 'drivers/mine.c'")
    keep(bundle, board)
    home = project_files(board, None, BuildOptions(link="uart"))  # where it lies alike
    assert b"driver = 'mine.c'" in home["board/simulated-chip.toml"]
    assert home["board/mine.c"] == b"/* a UART */\n"
    shutil.rmtree(there)
    board.path.unlink()
    found, kept = find_target("simulated-chip", "/dev/ttyUSB0", None)
    assert found and found.uart and found.uart.driver == "mine.c"
    assert (found.path.parent / "mine.c").read_text() == "/* a UART */\n"
    assert kept and kept.digest == bundle.digest


def test_emulated_board_and_missing_method_are_refused(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "model.edge")
    assert main.main(["flash", path, "--board", "host", "--with", "pyocd"]) == 2
    assert "host is emulated: flashing it needs no tool" in capsys.readouterr().err
    make_board(tmp_path, old="[flash.stm32]\n", new="")
    code, document, _ = _flash(capsys, tmp_path, "--with", "stm32")
    assert code == 2 and "simulated-chip has no [flash.stm32]" in str(document["error"])
