"""The shipped recogniser on boards with an NPU: words, counts, and what happens when it fails."""

import dataclasses
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import CommandLine
from edgesdk.board import load_board, load_boards
from edgesdk.build import build
from edgesdk.bundle import load_bundle
from edgesdk.emulate import Clip, load_clips
from edgesdk.errors import NoAnswerError, WireError
from edgesdk.flash.store import store
from edgesdk.link import power
from edgesdk.link.device import Device, open_device
from edgesdk.link.messages import Reset
from edgesdk.link.npu_device import BoardNpu
from edgesdk.npu.accelerators import ACCELERATORS
from edgesdk.session import run_clip

QEMU_BOARD = "qemu-mps3-an547-u55"
QEMU = [pytest.mark.needs_gcc, pytest.mark.needs_qemu]
BOARDS = [
    pytest.param("host-u55", marks=pytest.mark.needs_cc),
    pytest.param(QEMU_BOARD, marks=QEMU),
]
REAL = [
    board.name
    for board in load_boards()
    if board.npu is not None and board.npu.attachment == "registers"
]
LIMIT_MS = 400
MARGIN_S = 5.0  # of a busy machine
CMD, RUN = 0x08, 1
Convert = Callable[[str], Path]


@pytest.mark.parametrize("board", BOARDS)
def test_every_logit_of_every_clip_is_the_laptops(
    board: str, edgesdk: CommandLine, convert: Convert, model: Path, tmp_path: Path
) -> None:
    clips = model / "clips"
    edgesdk.ok("flash", convert(board), "--board", board)
    options = ("--expect", clips / "clips.tsv", "--report", tmp_path / "report", "--json")
    ran = edgesdk.ok("run", clips, "--board", board, *options).document
    assert ran["device_equals_laptop"] is True
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["correct"] is True


@pytest.mark.needs_gcc
@pytest.mark.parametrize("name", REAL)
def test_real_npu_has_commands_and_firmware_with_its_driver(name: str, convert: Convert) -> None:
    """As far as it goes without the hardware: Vela compiles for it, all links and fits."""
    board, bundle = load_board(name), load_bundle(convert(name))
    assert board.npu is not None
    assert bundle.npu_config == ACCELERATORS[board.npu.accelerator].config
    firmware = build(board, bundle).firmware
    symbols = subprocess.run(["arm-none-eabi-nm", firmware], capture_output=True, check=True).stdout
    assert b" edge_ethosu_run\n" in symbols
    assert (b" edge_cache_drop\n" in symbols) == ("data" in board.cpu.caches)


class Faulty(BoardNpu):
    """Asks `on_run` before each job, where there is one, whether to run it."""

    on_run: Callable[[], bool] | None = None

    def write(self, offset: int, value: int) -> None:
        """Jobs are run, or forgotten."""
        if offset == CMD and value & RUN and Faulty.on_run is not None and not Faulty.on_run():
            return
        super().write(offset, value)


@pytest.fixture
def clip(model: Path) -> Clip:
    return load_clips([sorted((model / "clips").glob("*.wav"))[0]], 16000)[0]


@contextmanager
def _device(bundle: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """The QEMU board with a faulty NPU and little patience."""
    board = load_board(QEMU_BOARD)
    assert board.npu is not None
    board = dataclasses.replace(board, npu=dataclasses.replace(board.npu, limit_ms=LIMIT_MS))
    monkeypatch.setattr(power, "BoardNpu", Faulty)
    monkeypatch.setattr(Faulty, "on_run", None)
    store(build(board, load_bundle(bundle)), folder)
    with open_device(board, devices=folder) as device:
        yield device


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_counts_of_the_core_are_the_same_each_time(
    convert: Convert, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the NPU takes."""
    counts = []
    for on_run in (None, lambda: time.sleep(0.003) is None):
        with _device(convert(QEMU_BOARD), tmp_path, monkeypatch) as device:
            monkeypatch.setattr(Faulty, "on_run", on_run)
            heard = run_clip(device, clip, 16000, profile=True)
            metrics = dataclasses.replace(heard.metrics, receive_high_water=0)  # the host's haste
            counts.append((heard.transcript, metrics, heard.operators))
    assert counts[0] == counts[1]
    assert heard.metrics.npu is not None and heard.metrics.npu.jobs > 50


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_npu_that_never_completes_is_named_and_may_come_back(
    convert: Convert, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _device(convert(QEMU_BOARD), tmp_path, monkeypatch) as device:
        good = run_clip(device, clip, 16000).transcript
        monkeypatch.setattr(Faulty, "on_run", lambda: False)
        begin = time.monotonic()
        with pytest.raises(WireError, match=r"^[^\n]*\(NPU_TIMEOUT: NPU did not end[^\n]*$"):
            run_clip(device, clip, 16000)
        assert time.monotonic() - begin < LIMIT_MS / 1000 + MARGIN_S
        monkeypatch.setattr(Faulty, "on_run", None)
        for kind in (Reset.UTTERANCE, Reset.REBOOT):
            device.reset(kind)
            assert run_clip(device, clip, 16000).transcript == good


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_thread_that_dies_ends_the_session_with_one_line(
    convert: Convert, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> bool:
        raise MemoryError("of the test")

    with _device(convert(QEMU_BOARD), tmp_path, monkeypatch) as device:
        monkeypatch.setattr(Faulty, "on_run", die)
        with pytest.raises(
            NoAnswerError, match=r"emulated NPU failed \(MemoryError: of the test\)"
        ):
            run_clip(device, clip, 16000)
        process = device.channel.transport.process  # type: ignore[attr-defined]
    assert process.returncode is not None
