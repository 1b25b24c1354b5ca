"""Tools that cannot run here (closed, or no package), played by programs that say their words.

J-Link Commander's words are from SEGGER UM08001 and transcripts in public issues, those of
STM32_Programmer_CLI from ST UM2237 and such transcripts, those of picotool from its main.cpp, those
of st-flash from a public transcript of 1.7.0. They show that our side fits these words, no more.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from edgesdk.board import Board
from edgesdk.cli.terminal import Terminal
from edgesdk.errors import DeviceError, EdgeError, FlashError, HopelessError
from edgesdk.flash import uf2_drop
from edgesdk.flash.tool import Choice
from edgesdk.flash.uf2_drop import INFO, find_drive
from edgesdk.flash.write import Written, write_board
from made_job import make_board, noise, small_job
from rich.console import Console

CONNECTED = "SEGGER J-Link Commander V7.94e\nConnecting to J-Link via USB...O.K.\nJ-Link>r\n"
JLINK = (
    CONNECTED
    + """J-Link>loadfile firmware.hex
Downloading file [firmware.hex]...
Comparing flash   [100%] Done.
Erasing flash     [100%] Done.
Programming flash [ 40%] Done.
Programming flash [100%] Done.
O.K.
J-Link>verifybin flash.bin, 0x00000000
Reading 3000 bytes data from target memory @ 0x00000000.
Verify successful.
"""
)
SECOND = "J-Link>verifybin flash_model.bin, 0x00040000\nVerify successful.\n"
CUBE = """ST-LINK SN  : 066FFF5
Memory Programming ...
Opening and parsing file: firmware.hex
Erasing internal memory sectors [0 1]
Download in Progress:
████████████ 50%
████████████████████████ 100%
File download complete
Verifying ...
"""
CUBE_DONE = CUBE + "Download verified successfully\nMCU Reset\n"
ST = """st-flash 1.7.0
2026-01-01T00:00:00 INFO flash_loader.c: Successfully loaded flash loader in sram
\r  1/2 pages written\r  2/2 pages written
2026-01-01T00:00:00 INFO common.c: Starting verification of write complete
2026-01-01T00:00:00 INFO common.c: Flash written and verified! jolly good!
"""
PICO = "Loading into Flash:   [==============================]  100%\n"
PICO_BAR = PICO + "Verifying Flash:      [==============================]  100%\n"
PICO_DONE = PICO_BAR + "  OK\n\nThe device was rebooted to start the application.\n"
PICO_FAILED = PICO_BAR + "  FAILED\nERROR: The device contents did not match the file\n"


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    """On a machine that has none of the tools."""
    monkeypatch.setenv("EDGESDK_HOME", str(tmp_path / "home"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return make_board(tmp_path)


def _fake(folder: Path, name: str, says: str, code: int = 0, script: str = "") -> None:
    """A program that logs its arguments and the files of its folder, and says something."""
    (folder / f"{name}.says").write_text(says, encoding="utf-8")
    path = folder / "bin" / name
    path.write_text(
        f'#!/bin/sh\necho "$@" >>"{folder}/log"\n[ -f flash.jlink ] && '
        f'/bin/cat flash.jlink >>"{folder}/log"\n/bin/cat "{folder}/{name}.says"\n'
        f"{script}\nexit {code}\n",
        encoding="utf-8",
    )
    path.chmod(0o755)


def _write(
    board: Board,
    method: str,
    folder: Path,
    probe: str | None = None,
    *,
    erase: bool = False,
    limit_s: float = 30,
) -> tuple[Written, list[tuple[str, float | None]]]:
    shown: list[tuple[str, float | None]] = []
    job = small_job(board, folder)
    choice = Choice(probe, erase)
    written = write_board(job, method, choice, lambda *told: shown.append(told), limit_s)
    return written, shown


def _log(folder: Path) -> list[str]:
    return (folder / "log").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("openocd", "openocd is not installed; apt-get install openocd"),
        ("jlink", "JLinkExe or JLink is not installed; install SEGGER's"),
        ("stm32", "STM32_Programmer_CLI or st-flash is not installed; .*stlink-tools"),
        ("picotool", "picotool is not installed"),
    ],
)
def test_missing_tool_is_named_with_what_brings_it(
    method: str, said: str, board: Board, tmp_path: Path
) -> None:
    with pytest.raises(HopelessError, match=said) as caught:
        _write(board, method, tmp_path)
    assert caught.value.exit_code == 4 and caught.value.lasting


@pytest.mark.parametrize("method", ["pyocd", "esptool"])
def test_missing_package_is_named_with_the_extra(
    method: str, board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgesdk.flash.programs.find_spec", lambda name: None)
    with pytest.raises(HopelessError, match=rf"package {method} .*pip install 'edgesdk\[flash\]'"):
        _write(board, method, tmp_path, "/dev/ttyUSB0")


def test_jlink_verifies_every_piece(board: Board, tmp_path: Path) -> None:
    _fake(tmp_path, "JLinkExe", JLINK + SECOND)
    written, shown = _write(board, "jlink", tmp_path, "000123456789", erase=True)
    call, *script = _log(tmp_path)
    assert call == (
        "-device nRF52840_xxAA -if SWD -speed 4000 -USB 000123456789 -autoconnect 1 "
        "-ExitOnError 1 -NoGui 1 -CommandFile flash.jlink"
    )
    assert script == [
        *("ExitOnError 1", "r", "h", "erase", "loadfile firmware.hex"),
        *("verifybin flash.bin, 0x00000000", "verifybin flash_model.bin, 0x00040000"),
        *("r", "g", "exit"),
    ]
    assert shown[-3:] == [("erasing", 1.0), ("writing", 0.4), ("writing", 1.0)]
    folder = tmp_path / "home" / "flash"
    assert written.commands[0].startswith(f"cd {folder}/simulated-chip-")
    assert f" && {tmp_path}/bin/JLinkExe -device" in written.commands[0]
    _fake(tmp_path, "JLinkExe", JLINK)  # exit code 0, and one piece of two verified
    with pytest.raises(FlashError, match=r"read back differs .*it never said that it verified"):
        _write(board, "jlink", tmp_path)


@pytest.mark.parametrize(
    ("tool", "says", "error", "said"),
    [
        ("JLinkExe", "Connecting to J-Link via USB...FAILED: No J-Links connected.", DeviceError,
         "no probe is connected"),
        ("JLinkExe", CONNECTED + "Cannot connect to target.", FlashError, "chip does not answer"),
        ("JLinkExe", JLINK + "Verify failed @ address 0x0000001C.\nExpected 0C read 8A",
         FlashError, "read back differs .*0x0000001C.*half a firmware"),
        ("JLinkExe", 'Device "NRF9" is unknown to this software version.', HopelessError,
         "does not know the board"),
        ("STM32_Programmer_CLI", "Error: No debug probe detected.", DeviceError, "no probe is"),
        ("STM32_Programmer_CLI", "Error: No STM32 target found!", FlashError, "does not answer"),
        ("STM32_Programmer_CLI", CUBE + "Error: Data mismatch found at address 0x08000010",
         FlashError, "read back differs .*half a firmware"),
        ("STM32_Programmer_CLI", "Error: ST-LINK error (DEV_USB_COMM_ERR)", FlashError,
         "probe is in use"),
        ("st-flash", ST.replace("Flash written and verified! jolly good!",
         "Verification of flash failed at offset: 0"), FlashError, "read back differs"),
        ("picotool", "No accessible RP-series devices in BOOTSEL mode were found.", DeviceError,
         "no probe is connected"),
        ("picotool", PICO_FAILED, FlashError, "read back .*did not match .*half a firmware"),
        ("picotool", "Multiple RP-series devices in BOOTSEL mode found:", DeviceError, "several"),
        ("picotool", "ERROR: The RP2350 device returned an error: permission failure",
         HopelessError, "the flash is protected"),
        ("picotool", "Device at bus 1, address 2 could not be opened. Maybe try 'sudo' or check "
         "your permissions.", HopelessError, "this user may not open the probe"),
    ],
)  # fmt: skip
def test_failures_are_sorted(
    tool: str, says: str, error: type[EdgeError], said: str, board: Board, tmp_path: Path
) -> None:
    """Whatever the exit code: J-Link Commander ends with 0 where a user's script does not exist."""
    method = {"JLinkExe": "jlink", "picotool": "picotool"}.get(tool, "stm32")
    for code in (1, 0):
        _fake(tmp_path, tool, says + "\n", code)
        with pytest.raises(error, match=said) as caught:
            _write(board, method, tmp_path)
        assert type(caught.value) is error and "; by hand: " in str(caught.value)
        assert "\n" not in str(caught.value)


def test_cube_programmer_comes_before_st_flash(board: Board, tmp_path: Path) -> None:
    _fake(tmp_path, "st-flash", ST)
    _fake(tmp_path, "STM32_Programmer_CLI", CUBE_DONE)
    written, shown = _write(board, "stm32", tmp_path, "066FFF5", erase=True)
    (call,) = _log(tmp_path)
    start = "-c port=SWD mode=NORMAL reset=SWrst sn=066FFF5 -e all -w "
    assert call.startswith(start) and call.endswith("/firmware.hex -v -rst")
    assert written.tool == "STM32_Programmer_CLI" and ("writing", 0.5) in shown


def test_st_flash_writes_each_piece_and_resets_behind_the_last(
    board: Board, tmp_path: Path
) -> None:
    _fake(tmp_path, "st-flash", ST)
    written, shown = _write(board, "stm32", tmp_path, "066FFF5", erase=True)
    erase, code, model = (line.split() for line in _log(tmp_path))
    assert erase == ["--serial", "066FFF5", "erase"]
    assert code[:3] == ["--serial", "066FFF5", "write"] and code[4] == "0x00000000"
    assert model[2:4] == ["--reset", "write"] and model[5] == "0x00040000"
    assert len(written.commands) == 3 and ("writing flash", 0.5) in shown


def test_external_loader_needs_cube_programmer(board: Board, tmp_path: Path) -> None:
    _fake(tmp_path, "st-flash", ST)
    text = (tmp_path / "simulated-chip.toml").read_text()
    assert "[flash.stm32]\n" in text
    new = '[flash.stm32]\nexternal_loader = "MT25.stldr"\n'
    board = make_board(tmp_path, old="[flash.stm32]\n", new=new)
    with pytest.raises(HopelessError, match="STM32_Programmer_CLI is not installed"):
        _write(board, "stm32", tmp_path)
    _fake(tmp_path, "STM32_Programmer_CLI", CUBE_DONE)
    _write(board, "stm32", tmp_path)
    assert "-el MT25.stldr" in _log(tmp_path)[0]


def test_picotool_loads_a_uf2_file_and_starts_it(board: Board, tmp_path: Path) -> None:
    _fake(tmp_path, "picotool", PICO_DONE)
    _write(board, "picotool", tmp_path, "E66058388343A12B", erase=True)
    erase, load = _log(tmp_path)
    assert erase == "erase -a --ser E66058388343A12B"
    assert load.startswith("load -v -x ") and load.endswith("/firmware.uf2 --ser E66058388343A12B")


def test_silence_about_verifying_is_no_success(board: Board, tmp_path: Path) -> None:
    _fake(tmp_path, "picotool", PICO_BAR)
    with pytest.raises(FlashError, match="never said that it verified; last: Verifying"):
        _write(board, "picotool", tmp_path)


def _ends(path: Path) -> bool:
    """Whether the process whose number a file holds is no more, or will not be in a moment."""
    stat = Path(f"/proc/{path.read_text().strip()}/stat")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not stat.is_file() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_tool_that_hangs_is_killed_with_its_children(board: Board, tmp_path: Path) -> None:
    script = f"trap '' TERM\n/bin/sleep 60 &\necho $! >{tmp_path}/child\nwait; wait"
    _fake(tmp_path, "picotool", "Loading into Flash: [==  ] 5%\n", 0, script)
    with pytest.raises(FlashError, match=r"no end in time \(after 1 s\).*half a firmware"):
        _write(board, "picotool", tmp_path, limit_s=1)
    assert _ends(tmp_path / "child")


def test_what_a_tool_leaves_behind_does_not_hold_its_end_up(board: Board, tmp_path: Path) -> None:
    """As J-Link's window server does, which keeps the tool's output open."""
    _fake(tmp_path, "picotool", PICO_DONE, 0, f"/bin/sleep 60 &\necho $! >{tmp_path}/child")
    _write(board, "picotool", tmp_path, limit_s=20)
    assert _ends(tmp_path / "child")


def test_files_are_private_and_old_ones_go(board: Board, tmp_path: Path) -> None:
    _fake(tmp_path, "JLinkExe", JLINK + SECOND)
    _fake(tmp_path, "picotool", PICO_DONE)
    _write(board, "jlink", tmp_path)
    (folder,) = (tmp_path / "home" / "flash").iterdir()
    assert folder.stat().st_mode & 0o77 == 0
    assert {path.name for path in folder.iterdir()} == {
        *("firmware.hex", "flash.jlink", "flash.bin", "flash_model.bin")
    }
    _write(board, "picotool", tmp_path)
    assert [path.name for path in folder.iterdir()] == ["firmware.uf2"]


def test_two_never_flash_by_one_probe_at_a_time(board: Board, tmp_path: Path) -> None:
    _fake(tmp_path, "picotool", PICO_DONE, 0, f"echo $$ >{tmp_path}/tool\n/bin/sleep 60")
    stop = threading.Event()
    job = small_job(board, tmp_path)

    def flash() -> None:
        with pytest.raises(FlashError, match="interrupted"):
            write_board(job, "picotool", Choice(), lambda *_: None, 30, stop)

    first = threading.Thread(target=flash)
    first.start()
    try:
        while not (tmp_path / "tool").is_file():
            time.sleep(0.02)
        with pytest.raises(FlashError, match="simulated-chip: somebody else flashes it"):
            _write(board, "picotool", tmp_path)
    finally:
        stop.set()
        first.join()
    _fake(tmp_path, "picotool", PICO_DONE)
    _write(board, "picotool", tmp_path)


def _drive(folder: Path) -> Path:
    drive = folder / "media" / "CHIP"
    drive.mkdir(parents=True)
    (drive / INFO).write_text("UF2 Bootloader v1.0\nBoard-ID: CHIP\n")
    return drive


def test_uf2_is_accepted_where_the_drive_goes(board: Board, tmp_path: Path) -> None:
    """A thread plays the boot ROM: it takes the file away and its drive with it."""
    drive = _drive(tmp_path)
    taken: list[bytes] = []

    def take() -> None:
        file = drive / "firmware.uf2"
        while not file.is_file() or file.stat().st_size < 12288:
            time.sleep(0.01)
        taken.append(file.read_bytes())
        (drive / INFO).unlink()

    rom = threading.Thread(target=take, daemon=True)
    rom.start()
    written, _ = _write(board, "uf2", tmp_path, str(drive))
    rom.join(5)
    assert len(taken[0]) == 12288 and taken[0][:4] == b"UF2\n"
    assert f"--drive {drive}" in written.commands[0]


def test_uf2_that_stays_on_the_drive_was_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drive = _drive(tmp_path)
    (tmp_path / "x.uf2").write_bytes(bytes(512))
    assert uf2_drop.drop(tmp_path / "x.uf2", drive, patience_s=0.2) == 1
    assert "refused: " in capsys.readouterr().out


@pytest.mark.parametrize("when", ["before", "within", "behind"])
def test_uf2_that_breaks_off_is_not_accepted_though_the_drive_goes(
    when: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only with all its bytes written may the drive's going mean that the board restarts."""
    drive = _drive(tmp_path)
    (tmp_path / "x.uf2").write_bytes(bytes(3 * uf2_drop.CHUNK))

    def vanish(*_: object) -> None:
        (drive / INFO).unlink()
        raise OSError(5, "Input/output error")

    if when == "before":
        shutil.rmtree(drive)
    elif when == "behind":
        monkeypatch.setattr(os, "fsync", vanish)
    else:
        monkeypatch.setattr(
            uf2_drop, "say", lambda text: vanish() if text == "writing 33 %" else print(text)
        )
    code = uf2_drop.drop(tmp_path / "x.uf2", drive, patience_s=0.2)
    said = capsys.readouterr().out.splitlines()[-1]
    sent = {"before": 0, "within": uf2_drop.CHUNK}.get(when)
    assert code == int(sent is not None)
    if sent is None:
        assert said.startswith("accepted")
    else:
        assert said.startswith(f"error: {drive}: ")
        assert said.endswith(f" after {sent} of {3 * uf2_drop.CHUNK} bytes")


def test_uf2_finds_no_drive_and_cannot_erase(board: Board, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"no probe .*no drive CHIP with INFO_UF2.TXT.*BOOTSEL"):
        _write(board, "uf2", tmp_path)
    with pytest.raises(FlashError, match="uf2 cannot erase"):
        _write(board, "uf2", tmp_path, erase=True)


def test_drives_are_found_by_name_and_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = tmp_path / "a b" / "CHIP"
    drive.mkdir(parents=True)
    mounts = tmp_path / "mounts"
    escaped = str(drive).replace(" ", "\\040")
    mounts.write_text(f"/dev/sdb1 {escaped} vfat rw 0 0\n/dev/sda1 / ext4 rw 0 0\n")
    monkeypatch.setattr(uf2_drop, "MOUNTS", mounts)
    assert find_drive("CHIP") == []
    (drive / INFO).write_text("UF2 Bootloader\n")
    assert find_drive("CHIP") == [drive] and find_drive("CHOP") == []


def test_ctrl_c_leaves_no_tool_behind(board: Board, tmp_path: Path) -> None:
    """The process that flashes is interrupted while the tool writes."""
    script = f"echo $$ >{tmp_path}/tool\n/bin/sleep 60"
    _fake(tmp_path, "picotool", "Loading into Flash: [==  ] 5%\n", 0, script)
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from test_flash_recorded import _write, make_board\n"
        "folder = Path(sys.argv[2])\n"
        "try:\n    _write(make_board(folder), 'picotool', folder)\n"
        "except KeyboardInterrupt as end:\n    print(*end.__notes__); sys.exit(130)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)],
        stdout=subprocess.PIPE,
        env=os.environ,
    )
    while not (tmp_path / "tool").is_file() or not (tmp_path / "tool").read_text():
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(2)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said.decode() == "simulated-chip: the board may hold half a firmware: flash it again\n"
    assert _ends(tmp_path / "tool")


@pytest.mark.parametrize("seed", range(8))
def test_any_bytes_of_a_tool_are_one_line(seed: int, board: Board, tmp_path: Path) -> None:
    _fake(tmp_path, "picotool", "", 1)
    (tmp_path / "picotool.says").write_bytes(noise(5000, seed) + b"\x1b[31m 999999999999 %\n")
    with pytest.raises(EdgeError) as caught:
        _write(board, "picotool", tmp_path)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_progress_is_a_bar_on_a_terminal_and_a_line_elsewhere(
    board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _fake(tmp_path, "picotool", PICO_DONE, 0, "/bin/sleep 0.3")
    job = small_job(board, tmp_path)
    for terminal in (True, False):
        term = Terminal(verbose=1)
        screen = io.StringIO()
        if terminal:
            term.err = Console(file=screen, force_terminal=True, width=80)
        with term.bar("flashing") as show:
            write_board(job, "picotool", Choice(), show)
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
        if terminal:
            assert "verifying" in shown and "100%" in shown
        else:
            assert shown == "" and capsys.readouterr().err == "flashing ...\n"


def test_stopped_bench_ends_its_tools(board: Board, tmp_path: Path) -> None:
    _fake(tmp_path, "picotool", PICO, 0, f"echo $$ >{tmp_path}/tool\n/bin/sleep 60")
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    job = small_job(board, tmp_path)
    with pytest.raises(FlashError, match=r"^simulated-chip: picotool: interrupted; .*half"):
        write_board(job, "picotool", Choice(), lambda *_: None, 30, stop)
    assert _ends(tmp_path / "tool")
