"""Desks at labgrid places: a coordinator and an exporter of labgrid's own, an emulated board."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from bad_desk import BadDesk
from edgesdk.bench import place, place_keeper
from edgesdk.bench.desk import LabgridPort, load_bench
from edgesdk.bench.place import coordinator_of
from edgesdk.board import load_board
from edgesdk.build import build
from edgesdk.bundle import Bundle
from edgesdk.cli.main import main
from edgesdk.errors import BenchError, DeviceError
from edgesdk.flash.store import Flashed, load, store
from edgesdk.needed import needed_options
from lab import Lab, until
from one_desk import BUNDLE, GOOD, Bench, kinds, write_tests

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.needs_cc

FAULTS = [None, "killed", "killed", None]  # of connections: before, then and its retry, after
LIMIT_S = 20.0


@pytest.fixture(scope="module")
def flashed(tmp_path_factory: pytest.TempPathFactory) -> Flashed:
    """The host's firmware, that any bundle here can be loaded on."""
    folder = tmp_path_factory.mktemp("devices")
    store(build(load_board("host"), None, needed_options(BUNDLE)), folder)
    return load("host", folder)


@pytest.fixture
def desk(flashed: Flashed) -> Iterator[BadDesk]:
    with BadDesk(flashed, FAULTS, "rfc2217") as desk:
        yield desk


@pytest.fixture
def lab(desk: BadDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("LG_USERNAME", "tester")
    monkeypatch.setenv("LG_HOSTNAME", "bench")
    (tmp_path / "lab").mkdir()
    with Lab(tmp_path / "lab", desk.url) as lab:
        yield lab


def test_fault_at_a_place_is_judged_and_its_power_switched(
    own_bench: Bench, lab: Lab, desk: BadDesk
) -> None:
    own_bench.pytester.makepyfile(test_desk=write_tests("before", "then", "after"))
    own_bench.write(lab.port(), timeout_s=3)
    cases = own_bench.run()
    assert kinds(cases) == [GOOD, ("error", "no_device"), GOOD]
    assert desk.url in cases[1].text and desk.connections == 4
    assert lab.switched == 2 * ["/7/0", "/7/1"]  # off and on before each try after the fault
    assert lab.is_free()


def test_place_that_cannot_be_had_is_no_device_with_its_cause(own_bench: Bench, lab: Lab) -> None:
    """Held by somebody, no exporter, no coordinator: each within its time, each named."""
    own_bench.pytester.makepyfile(test_desk=write_tests("then"))
    own_bench.write(lab.port())
    causes = []

    def fail() -> None:
        begin = time.monotonic()
        (case,) = own_bench.run()
        assert (case.kind, case.verdict) == ("error", "no_device")
        assert time.monotonic() - begin < LIMIT_S
        causes.append(("first_try" in case.facts, case.facts["cause"]))

    lab.client("-p", "desk", "acquire", user="somebody")
    fail()
    lab.client("-p", "desk", "release", user="somebody")
    lab.end(lab.exporter)
    until(lambda: "shelf" not in lab.client("resources")[1], "exporter is still known")
    fail()
    lab.end(lab.coordinator)
    fail()
    assert [retried for retried, _ in causes] == [False, True, True]
    assert "held by elsewhere/somebody, 1 s waited" in causes[0][1]
    assert "no exporter offers shelf/board/*" in causes[1][1]
    assert f"no labgrid coordinator answers at {lab.address}" in causes[2][1]


GREEDY = """
import os, signal, sys
from threading import Event
from edgesdk.bench.desk import LabgridPort
from edgesdk.bench.place import Hold
print(Hold(LabgridPort("desk", sys.argv[1]), 1, Event()).url(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_place_is_given_back_by_whoever_dies_and_kept_by_who_had_it(
    lab: Lab, desk: BadDesk
) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", GREEDY, lab.address], capture_output=True, timeout=30, check=False
    )
    assert finished.returncode == -9 and finished.stdout.decode().strip() == desk.url
    until(lab.is_free, "the place stays acquired")
    subprocess.run(
        [*lab.command("-p", "desk", "acquire")], check=True, timeout=30, capture_output=True
    )  # by ourselves, as one does by hand
    finished = subprocess.run(
        [sys.executable, "-c", GREEDY, lab.address], capture_output=True, timeout=30, check=False
    )
    assert finished.returncode == -9
    assert place.look(LabgridPort("desk", lab.address)).owner == "bench/tester"


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_hil_and_devices_find_an_emulated_board_behind_a_place(
    commands: Bundle,
    commands_file: Path,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "qemu-mps2-an386"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    store(build(load_board(name), None, needed_options(commands)), tmp_path / "devices")
    clips = repository / "examples" / "commands" / "clips"
    bench = tmp_path / "bench.toml"
    (tmp_path / "lab").mkdir()
    with (
        BadDesk(load(name, tmp_path / "devices")) as desk,
        Lab(tmp_path / "lab", desk.url) as lab,
    ):
        monkeypatch.setenv("LG_COORDINATOR", lab.address)
        bench.write_text(
            f'schema = 1\n[run]\nbundle = "{commands_file}"\nclips = ["{clips}/00_yes.wav"]\n'
            f'expect = "{clips}/clips.tsv"\nbudget = {{ wer = 0 }}\n'
            f'[[desk]]\nname = "far"\nboard = "{name}"\nport = {{ labgrid = "desk" }}\n'
        )
        assert main(["hil", "--json", "-q", "--bench", str(bench)]) == 0
        (found,) = json.loads(capsys.readouterr().out)["desks"]
        assert (found["verdict"], found["figures"]["wer"]) == ("passed", 0)
        lab.client("-p", "desk", "acquire", user="somebody")
        assert main(["devices", "--json", "--bench", str(bench)]) == 0
        (shown,) = json.loads(capsys.readouterr().out)["desks"]
        assert shown["matches"] == [desk.url] and shown["problem"] is None
        assert (shown["port"], shown["held_by"]) == ("labgrid place 'desk'", "elsewhere/somebody")
        lab.end(lab.coordinator)
        assert main(["devices", "--bench", str(bench)]) == 0
        assert "no labgrid coordinator" in " ".join(capsys.readouterr().out.split())


HEAD = 'schema = 1\n[[desk]]\nname = "a"\nboard = "host"\n'


def test_port_of_a_place_is_read_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = tmp_path / "bench.toml"
    bench.write_text(HEAD + 'port = { labgrid = "desk", coordinator = "lab:20408" }\n')
    (desk,) = load_bench(bench).desks
    assert desk.port == LabgridPort("desk", "lab:20408")
    assert str(desk.port) == "labgrid place 'desk' at lab:20408"
    assert coordinator_of(LabgridPort("desk")) == "127.0.0.1:20408"
    monkeypatch.setenv("LG_COORDINATOR", "lab")
    assert coordinator_of(LabgridPort("desk")) == "lab"
    bench.write_text(HEAD + 'port = { labgrid = "desk", serial = "066F" }\n')
    with pytest.raises(BenchError, match="key 'serial' is unknown"):
        load_bench(bench)


SERIAL = {
    "class": "NetworkSerialPort",
    "name": "console",
    "exporter": "shelf",
    "available": True,
    "proxy": False,
    "host": "lab",
    "port": 4000,
    "protocol": "rfc2217",
}


@pytest.mark.parametrize(
    ("port", "serials", "found"),
    [
        (LabgridPort("p"), [{}], "rfc2217://lab:4000"),
        (LabgridPort("p"), [{"protocol": "raw"}], "socket://lab:4000"),
        (LabgridPort("p", None, "b"), [{}, {"name": "b", "port": 1}], "rfc2217://lab:1"),
        (LabgridPort("p"), [], r"no serial port is exported \(serial ports: none\)"),
        (LabgridPort("p", None, "b"), [{}], "no serial port 'b' is exported"),
        (LabgridPort("p"), [{}, {"name": "b"}], "several serial ports: console, b; add resource"),
        (LabgridPort("p"), [{"available": False}], "it is not available; check the board's cable"),
        (LabgridPort("p"), [{"proxy": True}], "forward lab:4000 by ssh -L"),
        (LabgridPort("p"), [{"protocol": "smoke"}], "'smoke' is not rfc2217 or raw"),
    ],
)
def test_serial_port_of_a_place_is_never_guessed(
    port: LabgridPort, serials: list[dict[str, object]], found: str
) -> None:
    state = {"resources": [{**SERIAL, **serial} for serial in serials]}
    if "://" in found:
        assert place._serial_url(port, state) == found
    else:
        with pytest.raises(DeviceError, match=found):
            place._serial_url(port, state)


def test_labgrid_that_is_not_installed_is_named_and_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    seen = place.look(LabgridPort("desk"))
    assert seen.url is None and "pip install 'edgesdk[labgrid]'" in (seen.problem or "")


class _SlowCoordinator:
    """A session with a coordinator that takes its time to give a place, and may lose its answer."""

    def __init__(self, answers: bool) -> None:
        self.place = SimpleNamespace(
            name="desk", aliases=(), acquired=None, unmatched=lambda paths: None
        )
        self.places, self.resources = {"desk": self.place}, {}
        self.stopping = asyncio.Event()
        self.stub = self
        self._answers = answers

    def gethostname(self) -> str:
        return "bench"

    def getuser(self) -> str:
        return "tester"

    async def AcquirePlace(self, request: object) -> None:
        await asyncio.sleep(0.2)
        self.place.acquired = "bench/tester"
        if not self._answers:
            raise TimeoutError

    async def nothing(self) -> None:
        return

    sync_with_coordinator = stop = close = nothing


@pytest.mark.parametrize("answers", [True, False])
def test_place_that_comes_when_nobody_waits_any_more_is_given_back(
    answers: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session, owners = _SlowCoordinator(answers), []

    async def questions() -> asyncio.StreamReader:
        reader = asyncio.StreamReader()
        if answers:  # else we wait, and are told that it does not answer
            asyncio.get_running_loop().call_later(0.1, reader.feed_eof)
        return reader

    async def connect(keeper: place_keeper.Keeper) -> None:
        keeper._session = session  # type: ignore[assignment]

    async def release(request: object) -> None:
        owners.append(session.place.acquired)
        session.place.acquired = None

    monkeypatch.setattr(place_keeper, "_questions", questions)
    monkeypatch.setattr(place_keeper.Keeper, "connect", connect)
    monkeypatch.setattr(session, "ReleasePlace", release, raising=False)
    asyncio.run(place_keeper._main("hold", "x:1", "desk", 1.0))
    assert owners == ["bench/tester"] and session.place.acquired is None
    assert ("does not answer" in capsys.readouterr().out) is not answers
