"""The bench file: strict, every fault explained; and which port is whose."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from edgesdk.bench import ports
from edgesdk.bench.desk import UsbPort, emulated_bench, load_bench
from edgesdk.errors import BenchError, DeviceError

WHOLE = """
schema = 1
lock_wait_s = 5
[run]
bundle = "model.edge"
clips = ["clips"]
expect = "clips/clips.tsv"
budget = { wer = 5, arena_bytes = 3000 }

[[desk]]
name = "left"
board = "host"
port = { vid = 0x0483, pid = 0x374b, serial = "066F" }
probe = "066F"
flash = ["tool", "--probe", "{probe}", "{firmware}"]
reset = ["tool", "reset"]
power = ["relay", "4"]
labels = ["m4", "quiet"]
timeout_s = 2.5
limit_s = 60
run = { clips = ["short"], budget = { wer = 0.5, latency_p95_us = 9000 } }

[[desk]]
name = "far"
board = "host"
port = "rfc2217://lab:4000"
labels = ["m4"]
disabled = "on loan"

[[desk]]
name = "soft"
board = "qemu-mps2-an386"
port = "emulated"
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "bench.toml"
    path.write_text(text)
    return path


def test_whole_bench_is_read(tmp_path: Path) -> None:
    left, far, soft = load_bench(_write(tmp_path, WHOLE)).desks
    assert left.port == UsbPort(0x0483, 0x374B, "066F")
    assert str(left.port) == "vid 0x0483, pid 0x374b, serial 066F"
    assert left.commands.flash == ("tool", "--probe", "{probe}", "{firmware}")
    assert (left.timeout_s, left.limit_s, left.lock_wait_s) == (2.5, 60, 5)
    assert left.task.bundle == tmp_path / "model.edge"
    assert left.task.clips == (tmp_path / "short",)
    assert left.task.budget == {"wer": 0.5, "arena_bytes": 3000, "latency_p95_us": 9000}
    assert (far.port, far.disabled, far.timeout_s) == ("rfc2217://lab:4000", "on loan", None)
    assert soft.emulated and soft.task.budget == {"wer": 5, "arena_bytes": 3000}
    assert len({left.key, far.key, soft.key}) == 3


def test_desks_are_chosen_by_name_and_label(tmp_path: Path) -> None:
    bench = load_bench(_write(tmp_path, WHOLE))
    assert [desk.name for desk in bench.choose(labels=["m4"]).desks] == ["left", "far"]
    assert [desk.name for desk in bench.choose(["far", "soft"]).desks] == ["far", "soft"]
    with pytest.raises(BenchError, match="no desk 'near'; desks: left, far, soft"):
        bench.choose(["near"])
    with pytest.raises(BenchError, match="carries the labels m4, loud"):
        bench.choose(labels=["m4", "loud"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("schema = 1", "schema = 2", "schema = 2, this edgesdk reads 1"),
        ("schema = 1", "schema = ", "not valid TOML"),
        ('name = "far"', 'name = "left"', "two desks are called 'left'"),
        ('name = "far"', 'name = "f/r"', "must consist of letters"),
        ('board = "qemu-mps2-an386"', 'board = "qemu-mps2"', "desk 'soft': board 'qemu-mps2' is"),
        ('board = "qemu-mps2-an386"', 'board = "own.toml"', "own.toml: cannot be read"),
        ('board = "qemu-mps2-an386"', "", "desk 'soft': board is missing; add it (docs/bench.md)"),
        ('port = "emulated"', 'prot = "emulated"', "key 'prot' is unknown; did you mean 'port'?"),
        ('port = "emulated"', 'port = "emulatd"', "'emulatd' is no port; did you mean 'emulated'"),
        ('port = "emulated"', "port = 4", "port = 4 is a int, not a str"),
        ('port = "emulated"', 'port = "rfc2217://lab:4000"', "share the port rfc2217://lab:4000"),
        ('port = "emulated"', 'port = "emulated"\nreset = ["x"]', "takes no flash, reset or power"),
        ('port = { vid = 0x0483, pid = 0x374b, serial = "066F" }', "port = {}", "port is empty"),
        ("{firmware}", "{elf}", "the placeholder {elf}, which is none of"),
        ('power = ["relay", "4"]', "power = []", "power = [] names no program"),
        ("timeout_s = 2.5", "timeout_s = 0", "timeout_s = 0 leaves no time"),
        ("timeout_s = 2.5", "timeout_s = -1", "timeout_s = -1 must be a number of at least 0"),
        ("limit_s = 60", "limit_s = nan", "limit_s = nan must be"),
        ("wer = 0.5", "war = 0.5", "key 'war' is unknown; did you mean 'wer'?"),
        ("wer = 0.5", 'wer = "low"', "wer = 'low' is a str, not a float"),
        ('labels = ["m4"]', "labels = [4]", "labels = [4] must be a list of texts"),
    ],
)
def test_fault_of_the_file_is_explained(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert WHOLE.count(old) == 1
    with pytest.raises(BenchError) as caught:
        load_bench(_write(tmp_path, WHOLE.replace(old, new)))
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert "bench.toml" in str(caught.value)


def test_file_without_desks_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"holds no \[\[desk\]\]"):
        load_bench(_write(tmp_path, "schema = 1\ndesk = []\n"))
    with pytest.raises(BenchError, match="cannot be read"):
        load_bench(tmp_path / "none.toml")


def test_emulated_bench_needs_emulators(tmp_path: Path) -> None:
    assert [desk.name for desk in emulated_bench(["host", "host-u55"]).desks] == [
        "host",
        "host-u55",
    ]
    with pytest.raises(BenchError, match="two desks are called 'host'"):
        emulated_bench(["host", "host"])
    with pytest.raises(BenchError, match="no board was named"):
        emulated_bench([])


@dataclass
class _Plugged:
    device: str
    serial_number: str | None
    location: str | None
    vid: int | None = 0x0483
    pid: int | None = 0x374B
    description: str = "ST-Link"


PLUGGED = [_Plugged("/dev/ttyX0", "066F", "1-2"), _Plugged("/dev/ttyX1", "0670", "1-3")]


def _match(wanted: UsbPort, folder: Path) -> ports.Match:
    desk = replace(load_bench(_write(folder, WHOLE)).desks[0], port=wanted)
    return ports.match(desk, PLUGGED)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (UsbPort(serial="066F"), ("/dev/ttyX0",)),
        (UsbPort(location="1-3"), ("/dev/ttyX1",)),
        (UsbPort(0x0483, 0x374B), ("/dev/ttyX0", "/dev/ttyX1")),
        (UsbPort(0x0483, 0x374C), ()),
        (UsbPort(0x0483, serial="0671"), ()),
    ],
)
def test_port_is_found_by_what_survives_replugging(
    wanted: UsbPort, found: tuple[str, ...], tmp_path: Path
) -> None:
    assert _match(wanted, tmp_path).ports == found


def test_two_candidates_are_both_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "usb_ports", lambda: PLUGGED)
    desk = replace(load_bench(_write(tmp_path, WHOLE)).desks[0], port=UsbPort(vid=0x0483))
    with pytest.raises(DeviceError) as caught:
        ports.find_port(desk)
    assert str(caught.value) == (
        "2 ports are vid 0x0483: /dev/ttyX0 and /dev/ttyX1; add serial or location"
    )
    with pytest.raises(DeviceError, match="no port is serial 1; plug it in"):
        ports.find_port(replace(desk, port=UsbPort(serial="1")))


def test_port_that_two_desks_mean_is_named(tmp_path: Path) -> None:
    one = _match(UsbPort(serial="066F"), tmp_path)
    other = replace(one, desk=replace(one.desk, name="right", port=UsbPort(location="1-2")))
    assert ports.clashes([one, other]) == [
        "desks 'left' and 'right' both mean /dev/ttyX0; add serial or location"
    ]
    assert ports.clashes([one]) == []
