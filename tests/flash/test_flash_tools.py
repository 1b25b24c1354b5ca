"""Real flash tools on simulated devices: what they write, and how their failures are sorted.

OpenOCD and pyOCD run their own loaders on chip.py, esptool talks to esp_peer.py; st-flash, which
has no way around USB, only finds no probe.
"""

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from chip import Chip, DebugPort
from edgesdk.board import Board
from edgesdk.errors import DeviceError, EdgeError, FlashError, HopelessError
from edgesdk.flash.pyocd import TOOL as PYOCD
from edgesdk.flash.tool import Choice, Step, run_step
from edgesdk.flash.write import Written, write_board
from esp_peer import EspPeer
from jtag_peer import JtagPeer
from made_job import firmware, make_board, noise, small_job
from pyocd_peer import ProbeServer

SIZE = 3000  # bytes of firmware and of the bundle: less than a page
MODEL = 0x4_0000
LIMIT_S = 60.0


@dataclass
class Bench:
    """A simulated chip, and how a tool reaches it."""

    chip: Chip
    board: Board
    method: str
    probe: str | None
    folder: Path
    shown: list[tuple[str, float | None]] = field(default_factory=list)

    def write(self, *, erase: bool = False, limit_s: float = LIMIT_S) -> Written:
        """Flash firmware and a bundle."""
        job = small_job(self.board, self.folder, SIZE)
        choice = Choice(self.probe, erase)
        return write_board(
            job, self.method, choice, lambda *shown: self.shown.append(shown), limit_s
        )


def _openocd(chip: Chip, folder: Path) -> tuple[Bench, Callable[[], None]]:
    peer = JtagPeer(DebugPort(chip))
    board = make_board(folder, old="port 1", new=f"port {peer.number}")
    return Bench(chip, board, "openocd", None, folder), peer.close


def _pyocd(chip: Chip, folder: Path) -> tuple[Bench, Callable[[], None]]:
    server = ProbeServer(DebugPort(chip))
    return Bench(chip, make_board(folder), "pyocd", server.name, folder), server.close


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tools find their files."""
    monkeypatch.setenv("EDGESDK_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "flash"


@pytest.fixture(params=[pytest.param("openocd", marks=pytest.mark.needs_openocd), "pyocd"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made, close = {"openocd": _openocd, "pyocd": _pyocd}[request.param](Chip(), tmp_path)
    yield made
    close()


@pytest.fixture
def openocd(tmp_path: Path) -> Iterator[Bench]:
    made, close = _openocd(Chip(), tmp_path)
    yield made
    close()


@pytest.fixture
def pyocd(tmp_path: Path) -> Iterator[Bench]:
    made, close = _pyocd(Chip(), tmp_path)
    yield made
    close()


@pytest.fixture
def esp(tmp_path: Path) -> Iterator[tuple[EspPeer, Bench]]:
    peer = EspPeer()
    board = make_board(tmp_path, old='reset = "software"', new='reset = "hardware"')
    yield peer, Bench(Chip(), board, "esptool", peer.url, tmp_path)
    peer.close()


def test_flash_holds_firmware_and_bundle_and_nothing_else(bench: Bench) -> None:
    bench.chip.flash[0x2000 : 0x2000 + 4] = b"keep"
    written = bench.write()
    flash = bench.chip.flash
    assert flash[:SIZE] == firmware(SIZE) and flash[MODEL : MODEL + SIZE] == noise(SIZE, 2)
    assert flash[0x2000:0x2004] == b"keep"
    assert flash.count(0xFF) > len(flash) - 2 * SIZE - 4
    assert bench.chip.resets >= 1 and not bench.chip.core.halted
    assert (bench.chip.erased_pages, bench.chip.erased_chip) == (2, 0)
    assert written.tool == bench.method and 0 < written.seconds < LIMIT_S
    assert bench.shown[0] == ("writing", None)


def test_erase_leaves_nothing_of_what_was_there(bench: Bench) -> None:
    bench.chip.flash[0x2000:0x2004] = b"gone"
    bench.write(erase=True)
    assert bench.chip.flash[:SIZE] == firmware(SIZE)
    assert bench.chip.flash[0x2000:0x2004] == b"\xff" * 4
    assert bench.chip.erased_chip == 1 or bench.chip.erased_pages == 256


def test_bit_that_is_not_taken_is_found_by_reading_back(bench: Bench) -> None:
    at = MODEL + 1234
    bench.chip.stuck_bits[at] = 0xFF ^ noise(SIZE, 2)[1234]
    with pytest.raises(FlashError, match="what was read back differs") as caught:
        bench.write()
    assert "the board may hold half a firmware: flash it again; by hand: " in str(caught.value)
    assert not caught.value.lasting and caught.value.exit_code == 4


def test_protected_chip_is_never_erased_unasked(pyocd: Bench) -> None:
    pyocd.chip.locked = True
    pyocd.chip.flash[:4] = b"mine"
    with pytest.raises(HopelessError, match="the flash is protected"):
        pyocd.write()
    assert pyocd.chip.flash[:4] == b"mine" and not pyocd.chip.erased_chip
    pyocd.write(erase=True)
    assert pyocd.chip.flash[:SIZE] == firmware(SIZE) and pyocd.chip.erased_chip


def test_chip_without_power_does_not_answer(bench: Bench) -> None:
    bench.chip.deaf = True
    with pytest.raises(FlashError, match="the chip does not answer") as caught:
        bench.write()
    assert "half a firmware" not in str(caught.value)


@pytest.mark.needs_openocd
@pytest.mark.parametrize(
    ("config", "error", "said"),
    [
        ('"board/nordic_nrf52_dk.cfg"', DeviceError, "no probe is connected"),
        ('"board/stm32f4discovery.cfg"', DeviceError, r"no probe .*\(Error: open failed\)"),
        ('"interface/cmsis-dap.cfg", "target/nrf52.cfg"', DeviceError, "no probe is connected"),
        ('"board/no_such.cfg"', HopelessError, r"does not know the board .*no_such\.cfg"),
    ],
)
def test_openocd_without_a_probe(
    config: str, error: type[EdgeError], said: str, tmp_path: Path
) -> None:
    board = make_board(tmp_path, old='"chip.cfg"|["remote_bitbang port 1"]', new=f"{config}|[]")
    bench = Bench(Chip(), board, "openocd", None, tmp_path)
    with pytest.raises(error, match=said) as caught:
        bench.write()
    assert "; by hand: " in str(caught.value) and "half a firmware" not in str(caught.value)


def test_pyocd_without_a_probe(tmp_path: Path) -> None:
    bench = Bench(Chip(), make_board(tmp_path), "pyocd", "066FFF5", tmp_path)
    with pytest.raises(DeviceError, match=r"no probe with the name 066FFF5 is connected"):
        bench.write()
    closed = socket.create_server(("127.0.0.1", 0))
    bench.probe = f"remote:localhost:{closed.getsockname()[1]}"
    closed.close()
    with pytest.raises(DeviceError, match=r"no probe is connected .*Connection refused"):
        bench.write()


def test_cause_that_a_tool_says_in_the_same_words_is_said_once() -> None:
    words = "import sys; print('no probe is connected'); sys.exit(1)"
    step = Step("writing", (sys.executable, "-c", words))
    with pytest.raises(DeviceError, match=r"^b: pyocd: no probe is connected; connect it"):
        run_step(step, PYOCD, "b", 10.0, lambda *_: None)


def test_pyocd_names_the_pack_of_a_target_that_it_lacks(tmp_path: Path) -> None:
    bench, close = _pyocd(Chip(), tmp_path)
    bench.board = make_board(tmp_path, old='target = "nrf52840"', new='target = "nrf99"')
    with pytest.raises(
        HopelessError, match=r"does not know the board .*pack Nordic.*install nrf99"
    ):
        bench.write()
    close()


@pytest.mark.needs_openocd
def test_probe_that_goes_in_the_middle_leaves_half_a_firmware(openocd: Bench) -> None:
    """And the tool's own repeating of what fails ends with its time."""
    chip, write = openocd.chip, openocd.chip.write

    def vanish(address: int, size: int, value: int) -> None:
        write(address, size, value)
        chip.deaf = chip.deaf or chip.erased_pages > 0

    chip.write = vanish  # type: ignore[method-assign]
    with pytest.raises(FlashError, match="the board may hold half a firmware"):
        openocd.write(limit_s=20)
    assert chip.flash[:SIZE] != firmware(SIZE)


@pytest.mark.needs_openocd
def test_tool_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """An adapter that takes everything and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    links: list[socket.socket] = []
    thread = threading.Thread(target=lambda: links.append(listener.accept()[0]), daemon=True)
    thread.start()
    number = listener.getsockname()[1]
    board = make_board(tmp_path, old="port 1", new=f"port {number}")
    bench = Bench(Chip(), board, "openocd", None, tmp_path)
    start = time.monotonic()
    with pytest.raises(FlashError, match=r"no end in time \(after 1 s\)"):
        bench.write(limit_s=1)
    assert time.monotonic() - start < 8
    links[0].settimeout(5)
    while links[0].recv(65536):  # until the tool, and with it its end of the line, is gone
        pass
    links[0].close()
    listener.close()


def test_esptool_writes_pieces_at_their_offsets(esp: tuple[EspPeer, Bench]) -> None:
    peer, bench = esp
    peer.flash[0x4000:0x4004] = b"keep"
    written = bench.write()
    assert peer.flash[0x1_0000 : 0x1_0000 + SIZE] == firmware(SIZE)
    assert peer.flash[0x5_0000 : 0x5_0000 + SIZE] == noise(SIZE, 2)
    assert peer.flash[0x4000:0x4004] == b"keep" and peer.erased == 0
    assert ("writing", 1.0) in bench.shown
    assert written.commands[0].startswith(f"{sys.executable} -m esptool --chip esp32c3 --port")
    bench.write(erase=True)
    assert peer.flash[0x4000:0x4004] == b"\xff" * 4 and peer.erased == 1


def test_esptool_failures_are_sorted(esp: tuple[EspPeer, Bench]) -> None:
    peer, bench = esp
    peer.rotten = True
    with pytest.raises(FlashError, match=r"read back differs .*MD5.*half a firmware"):
        bench.write()
    peer.rotten, peer.chip_id = False, 9
    with pytest.raises(HopelessError, match=r"another chip .*This chip is ESP32-S3, not ESP32-C3"):
        bench.write()
    bench.probe = "/dev/no-such-port"
    with pytest.raises(DeviceError, match=r"no probe is connected .*no-such-port"):
        bench.write()
    bench.board = make_board(bench.folder, old='chip = "esp32c3"', new='chip = "esp99"')
    with pytest.raises(HopelessError, match="does not know the board"):
        bench.write()


def test_esptool_and_a_chip_that_sleeps(esp: tuple[EspPeer, Bench]) -> None:
    peer, bench = esp
    peer.sleeping = True
    with pytest.raises(FlashError, match=r"the chip does not answer .*No serial data received"):
        bench.write()


@pytest.mark.needs_st_flash
def test_st_flash_without_a_probe(tmp_path: Path) -> None:
    bench = Bench(Chip(), make_board(tmp_path), "stm32", None, tmp_path)
    with pytest.raises(DeviceError, match=r"st-flash: no probe .*Couldn't find any ST-Link"):
        bench.write()
    bench.probe = "066FFF5"
    with pytest.raises(DeviceError, match="--serial 066FFF5"):
        bench.write(erase=True)
