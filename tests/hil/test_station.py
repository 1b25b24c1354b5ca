"""A desk in use: what it puts on a board, what it leaves alone, and how it measures."""

import time
from pathlib import Path
from threading import Event, Timer

import numpy as np
import pytest
from edgesdk.bench.desk import Commands, Desk, emulated_bench
from edgesdk.bench.recogniser import Oracle, Recogniser, check_budgets, percentile
from edgesdk.bench.station import LimitedTransport, Station
from edgesdk.bench.verdict import Verdict, WrongResultError, is_retried, one_line, verdict_of
from edgesdk.biasing.table import Spelling, compile_table
from edgesdk.board import load_board
from edgesdk.build import build
from edgesdk.bundle import BiasSection, Bundle
from edgesdk.emulate import Clip, load_clips
from edgesdk.errors import (
    BuildError,
    DeviceError,
    EdgeError,
    FitError,
    GoneError,
    HeldError,
    HopelessError,
    IdentityError,
    NoAnswerError,
    WireError,
)
from edgesdk.flash.store import store
from edgesdk.link.device import open_device
from edgesdk.needed import needed_options
from edgesdk.npu.accelerators import ACCELERATORS
from edgesdk.session import run_clip
from faulty_line import FaultyLine, Rates
from small_bundle import VOCAB, npu_bundle, recogniser_bundle, single_bundle

HOST = load_board("host")


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (WrongResultError("x"), Verdict.FAILED),
        (FitError("x"), Verdict.FLASH_ERROR),
        (HeldError("x"), Verdict.NO_DEVICE),
        (HopelessError("x"), Verdict.FLASH_ERROR),
        (IdentityError("x"), Verdict.FLASH_ERROR),
        (GoneError("x"), Verdict.NO_DEVICE),
        (WireError("x"), Verdict.LINK_ERROR),
        (EdgeError("x"), Verdict.BAD_INPUT),
    ],
)
def test_every_error_has_a_verdict(error: EdgeError, verdict: Verdict) -> None:
    assert verdict_of(error) is verdict


def test_only_what_may_end_otherwise_is_tried_again() -> None:
    tried = [BuildError("busy"), DeviceError("no port"), GoneError("cable"), NoAnswerError("mute")]
    assert all(is_retried(error) for error in tried)
    ends = [HopelessError("no tool"), HeldError("busy"), WireError("noise"), WrongResultError("x")]
    assert not any(is_retried(error) for error in ends)


def test_cause_is_one_line_that_xml_can_hold() -> None:
    assert one_line("a\n  b\x00\x1b[0m\tc") == "a b??[0m c"


def test_percentile_is_a_value_that_was_measured() -> None:
    assert [percentile(range(1, 101), percent) for percent in (0, 50, 95, 100)] == [1, 50, 95, 100]
    assert percentile([7], 95) == 7
    assert percentile([3, 1, 2], 95) == 3


def test_budget_that_was_not_measured_fails() -> None:
    check_budgets({"wer": 5.0}, {"wer": 5.0})
    with pytest.raises(WrongResultError, match=r"wer is 5\.5, the budget 5; arena_bytes has"):
        check_budgets({"wer": 5.0, "arena_bytes": 9}, {"wer": 5.5})


def test_bundle_for_another_npu_is_no_wrong_result() -> None:
    bundle = npu_bundle(ACCELERATORS["ethos-u55-128"].config)
    station = Station(Desk("soft", HOST, "emulated"), "test")
    with pytest.raises(BuildError, match="compiled for ethos-u55-128, the board has no NPU") as it:
        station._flash(bundle, "")
    assert (it.value.exit_code, verdict_of(it.value)) == (4, Verdict.FLASH_ERROR)
    assert not is_retried(it.value)


@pytest.mark.needs_cc
def test_bundle_is_loaded_only_where_it_or_its_tables_differ(tmp_path: Path) -> None:
    """On a board behind a port; tables of whoever had the desk before us do not stay."""
    plain = recogniser_bundle()
    bundle = plain.with_sections(BIAS=BiasSection(4096, ()).encode())
    table = compile_table("names", [Spelling((3, 4), (1, 2))], 1, VOCAB, bundle.tokens_crc)
    station = Station(Desk("far", HOST, "socket://lab:4000"), "test")
    store(build(HOST, plain), tmp_path)
    with open_device(HOST, devices=tmp_path) as device:
        loads: list[int] = []
        load = device.load
        device.load = lambda image: loads.append(len(image)) or load(image)  # type: ignore
        station._give(device, bundle)
        assert device.identity.bundle_digest == bundle.digest and len(loads) == 1
        station._give(device, bundle)
        assert len(loads) == 1
        device.bias.load(table.data)
        station._give(device, bundle)
        assert len(loads) == 2 and not device.bias.stored.tables


@pytest.mark.needs_cc
def test_recogniser_needs_a_judge_and_a_recogniser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = recogniser_bundle()
    store(build(HOST, bundle, needed_options(bundle)), tmp_path)
    clip = Clip("noise", np.zeros(1600, np.int16))
    monkeypatch.setattr("edgesdk.bench.recogniser.lacking_interpreter", lambda: "none installed")
    with open_device(HOST, devices=tmp_path) as device:
        with pytest.raises(EdgeError, match="holds one graph"):
            Recogniser(device, single_bundle(), Oracle())
        recogniser = Recogniser(device, bundle, Oracle())
        with pytest.raises(EdgeError, match="nothing can judge what is heard: none installed"):
            recogniser.hear_clips([clip])
        recogniser.hear_clips([Clip("noise", clip.samples, "")])
        assert set(recogniser.figures()) == {"arena_bytes", "wer"}


def _command(
    tmp_path: Path, script: str, stop: Event | None = None, limit_s: float = 20
) -> Station:
    """A desk whose reset is a script; the file `child` names what the script starts."""
    text = script.replace("CHILD", f"echo $! >{tmp_path}/child")
    commands = Commands(reset=("sh", "-c", text))
    return Station(Desk("x", HOST, "/dev/null", commands=commands, limit_s=limit_s), "test", stop)


def _lives(path: Path) -> bool:
    stat = Path(f"/proc/{path.read_text().strip()}/stat")
    return stat.is_file() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def _ends(path: Path) -> bool:
    """Whether a process that was killed is gone soon; what started it does not wait for it."""
    deadline = time.monotonic() + 10
    while _lives(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not _lives(path)


def test_command_ends_in_time_with_what_it_started(tmp_path: Path) -> None:
    slow = "sleep 60 & CHILD; wait"
    with pytest.raises(DeviceError, match=r"^sh did not end within 0\.3 s; it was ended$"):
        _command(tmp_path, slow, limit_s=0.3)._recover()
    assert _ends(tmp_path / "child")
    stop = Event()
    Timer(0.3, stop.set).start()
    with pytest.raises(DeviceError, match=r"^sh was interrupted"):
        _command(tmp_path, slow, stop)._recover()
    assert _ends(tmp_path / "child")


def test_command_may_leave_something_running_and_says_why_it_fails(tmp_path: Path) -> None:
    _command(tmp_path, "sleep 3 & CHILD")._recover()  # a supply that is switched by a program
    assert _lives(tmp_path / "child")
    with pytest.raises(DeviceError, match=r"^sh failed \(exit code 7: no \ufffd relay\)$"):
        _command(tmp_path, "echo 'no \\377 relay' >&2; echo done; exit 7")._recover()


@pytest.mark.parametrize("interrupts", [False, True])
def test_desk_streams_over_its_link_as_anybody_does(interrupts: bool) -> None:
    """Where bytes interrupt the device, its counts are exact only if no piece comes meanwhile."""

    class Link:
        where = remedy = "x"

        def __init__(self) -> None:
            self.interrupts = interrupts

        read = write = close = lambda *_: None

    assert LimitedTransport(Link(), 1, Event()).interrupts is interrupts
    assert FaultyLine(Link(), Rates(), 1).interrupts is interrupts


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_latency_is_of_every_window_and_measuring_costs_nothing(
    commands: Bundle, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (desk,) = emulated_bench(["qemu-mps2-an386"]).desks
    station = Station(desk, "test")
    path = repository / "examples" / "commands" / "clips" / "00_yes.wav"
    with station.open(commands) as device:
        recogniser = Recogniser(device, commands, Oracle())
        (heard,) = recogniser.hear([str(path)])
        plain = run_clip(device, load_clips([path], 16000)[0], 16000)
    station.close()
    assert plain.metrics.total == heard.metrics.total > 0
    windows = recogniser._windows
    # FINISH works on windows of its own: those of the silence behind the clip.
    assert 0 < len(windows) < heard.metrics.encoder_calls
    assert sum(windows) < heard.metrics.total
    assert min(windows) > heard.metrics.encoder // heard.metrics.encoder_calls
    clock_hz = desk.board.cpu.clock_hz
    assert clock_hz is not None
    latency = percentile(windows, 95) / clock_hz * 1e6
    assert recogniser.figures()["latency_p95_us"] == pytest.approx(latency)
