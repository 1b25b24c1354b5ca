"""A desk of a bench whose `flash` names a method of its board's file."""

from collections.abc import Callable
from pathlib import Path

import pytest
from chip import Chip, DebugPort
from edgesdk.bench import station as station_module
from edgesdk.bench.desk import Desk, load_bench
from edgesdk.bench.station import Station
from edgesdk.bench.verdict import Verdict, is_retried, verdict_of
from edgesdk.board import Board
from edgesdk.build import Image
from edgesdk.errors import BenchError, EdgeError
from esp_peer import EspPeer
from made_job import firmware, make_board, make_image
from pyocd_peer import ProbeServer
from small_bundle import single_bundle

DESK = """
schema = 1
[[desk]]
name = "left"
board = "./simulated-chip.toml"
port = "socket://127.0.0.1:9"
"""


def _desk(folder: Path, *lines: str) -> Desk:
    path = folder / "bench.toml"
    path.write_text(DESK + "\n".join(lines) + "\n", encoding="utf-8")
    return load_bench(path).desks[0]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Nothing is compiled; returns how often something would have been."""
    calls = []
    monkeypatch.setenv("EDGESDK_HOME", str(tmp_path / "home"))

    def made(board: Board, bundle: object, options: object) -> Image:
        calls.append(options)
        image = single_bundle().device_bytes() if bundle else None
        return make_image(board, tmp_path, [(0, firmware(3000))], image)

    monkeypatch.setattr(station_module, "build", made)
    return lambda: len(calls)


def test_method_is_the_boards_and_default_its_first(tmp_path: Path) -> None:
    make_board(tmp_path)
    assert _desk(tmp_path, 'flash = "pyocd"').method == "pyocd"
    assert _desk(tmp_path, 'flash = "default"').method == "openocd"
    assert _desk(tmp_path, 'flash = ["openocd"]').method is None
    assert _desk(tmp_path).method is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('flash = "pyodc"', "has no [flash.pyodc] in its board file; did you mean 'pyocd'"),
        ('flash = "vendor"', "is written with its maker's tool; give flash a command"),
        ("flash = 3", "flash = 3 is a int"),
    ],
)
def test_method_that_cannot_be_is_refused(line: str, said: str, tmp_path: Path) -> None:
    make_board(tmp_path)
    with pytest.raises(BenchError) as caught:
        _desk(tmp_path, line)
    assert said in str(caught.value) and "desk 'left'" in str(caught.value)


def test_emulated_desk_takes_no_method(tmp_path: Path) -> None:
    path = tmp_path / "bench.toml"
    text = DESK.replace("./simulated-chip.toml", "host").replace("socket://127.0.0.1:9", "emulated")
    path.write_text(text + 'flash = "pyocd"\n', encoding="utf-8")
    with pytest.raises(BenchError, match=r"host has no \[flash\]; leave flash out"):
        load_bench(path)


def test_desk_is_flashed_by_its_probe(build: Callable[[], int], tmp_path: Path) -> None:
    make_board(tmp_path)
    chip, bundle = Chip(), single_bundle()
    server = ProbeServer(DebugPort(chip))
    desk = _desk(tmp_path, 'flash = "pyocd"', f'probe = "{server.name}"')
    station = Station(desk, "test")
    station._flash(bundle, "socket://127.0.0.1:9")
    image = bundle.device_bytes()
    assert chip.flash[:3000] == firmware(3000)
    assert chip.flash[0x4_0000 : 0x4_0000 + len(image)] == image
    resets = chip.resets
    station._flash(bundle, "socket://127.0.0.1:9")  # it is there
    assert chip.resets == resets and build() == 1
    station._flashed = None
    chip.deaf = True
    with pytest.raises(EdgeError, match="the chip does not answer") as caught:
        station._flash(bundle, "socket://127.0.0.1:9")
    assert verdict_of(caught.value) is Verdict.FLASH_ERROR and is_retried(caught.value)
    server.close()


def test_boot_loader_is_at_the_desks_port(build: Callable[[], int], tmp_path: Path) -> None:
    make_board(tmp_path, old='reset = "software"', new='reset = "hardware"')
    peer = EspPeer()
    station = Station(_desk(tmp_path, 'flash = "esptool"'), "test")
    station._flash(single_bundle(), peer.url)
    assert peer.flash[0x1_0000 : 0x1_0000 + 3000] == firmware(3000)
    peer.close()


def test_missing_tool_is_told_before_anything_is_built(
    build: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_board(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    station = Station(_desk(tmp_path, 'flash = "jlink"'), "test")
    with pytest.raises(EdgeError, match="JLinkExe or JLink is not installed") as caught:
        station._flash(single_bundle(), "")
    assert verdict_of(caught.value) is Verdict.FLASH_ERROR and not is_retried(caught.value)
    assert build() == 0


def test_missing_probe_is_nobody_there(build: Callable[[], int], tmp_path: Path) -> None:
    make_board(tmp_path)
    station = Station(_desk(tmp_path, 'flash = "pyocd"', 'probe = "066FFF5"'), "test")
    with pytest.raises(EdgeError, match="no probe with the name 066FFF5") as caught:
        station._flash(single_bundle(), "")
    assert verdict_of(caught.value) is Verdict.NO_DEVICE and is_retried(caught.value)
