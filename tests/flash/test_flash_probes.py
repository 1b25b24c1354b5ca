"""Which probe or port is meant: the only one, or the one that is named, and never a guess."""

import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from edgesdk.errors import DeviceError
from edgesdk.flash import esptool, pyocd_session
from edgesdk.flash.esptool import serial_port


@dataclass(frozen=True)
class Port:
    device: str
    serial_number: str | None
    vid: int | None = 0x303A


LEFT, RIGHT = Port("/dev/ttyACM0", "AA"), Port("/dev/ttyACM1", "BB")
BUILT_IN = Port("/dev/ttyS0", None, None)


@pytest.mark.parametrize(
    ("ports", "probe", "expected"),
    [
        ([LEFT, BUILT_IN], None, "/dev/ttyACM0"),
        ([LEFT, RIGHT], "BB", "/dev/ttyACM1"),
        ([], "/dev/ttyUSB9", "/dev/ttyUSB9"),
        ([LEFT, RIGHT], "rfc2217://lab:4000", "rfc2217://lab:4000"),
        ([LEFT], "COM3", "COM3"),
    ],
)
def test_port_is_the_only_one_or_the_named(
    ports: list[Port], probe: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(esptool, "comports", lambda: ports)
    assert serial_port(probe) == expected


@pytest.mark.parametrize(
    ("ports", "probe", "said"),
    [
        ([BUILT_IN], None, "no USB serial port is connected"),
        ([LEFT], "CC", "no USB serial port with the serial number CC is connected"),
        (
            [LEFT, RIGHT],
            None,
            r"several USB .*: /dev/ttyACM0 \(AA\), /dev/ttyACM1 \(BB\); name one",
        ),
    ],
)
def test_no_port_and_several_are_told(
    ports: list[Port], probe: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(esptool, "comports", lambda: ports)
    with pytest.raises(DeviceError, match=said):
        serial_port(probe)


@dataclass(frozen=True)
class Probe:
    unique_id: str
    description: str = "a probe"


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Probe]]:
    """Probes that pyOCD would find: it takes any part of a name for it."""
    connected: list[Probe] = []

    def found(blocking: bool, unique_id: str | None) -> list[Probe]:
        assert not blocking
        return [probe for probe in connected if unique_id is None or unique_id in probe.unique_id]

    monkeypatch.setattr(pyocd_session.ConnectHelper, "get_all_connected_probes", found)
    monkeypatch.setattr(pyocd_session, "flash", lambda probe, *_: int(probe.unique_id, 16))
    (tmp_path / "x.bin").write_bytes(b"x")
    arguments = ["x", "--target", "t", "--reset", "none", f"0={tmp_path / 'x.bin'}"]
    monkeypatch.setattr(sys, "argv", arguments)
    before = signal.getsignal(signal.SIGTERM)
    yield connected
    signal.signal(signal.SIGTERM, before)


def test_pyocd_takes_the_only_probe_or_the_named(session: list[Probe]) -> None:
    session.append(Probe("12"))
    assert pyocd_session.main() == 0x12
    session.append(Probe("123"))
    sys.argv += ["--probe", "12"]
    assert pyocd_session.main() == 0x12
    session[:] = [Probe("123")]  # whose name only begins so
    assert pyocd_session.main() == 1


def test_pyocd_never_guesses(session: list[Probe], capsys: pytest.CaptureFixture[str]) -> None:
    session += [Probe("12"), Probe("34")]
    assert pyocd_session.main() == 1
    assert capsys.readouterr().out == "several probes: 12 (a probe), 34 (a probe)\n"
    sys.argv += ["--probe", "1"]
    assert pyocd_session.main() == 1
    assert capsys.readouterr().out == "no probe with the name 1 is connected\n"
