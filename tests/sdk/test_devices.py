"""`edgesdk devices`: names of ports, and a table that fits."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from edgesdk.bench import ports
from edgesdk.board import load_boards
from edgesdk.cli.main import main


def test_ports_are_listed_by_the_name_that_survives_replugging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, other = tmp_path / "ttyACM0", tmp_path / "ttyACM1"
    port.touch()
    other.touch()
    monkeypatch.setattr(ports, "BY_ID", tmp_path / "by-id")
    assert ports.stable_name(str(port)) == str(port)
    ports.BY_ID.mkdir()
    link = ports.BY_ID / "usb-Board_123-if00"
    link.symlink_to("../ttyACM0")
    assert ports.stable_name(str(port)) == str(link)
    assert ports.stable_name(str(other)) == str(other)


def test_table_of_flashed_boards_fits_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [board.name for board in load_boards() if board.emulator is not None]
    facts = {"link": "mailbox", "firmware_id": "0" * 16, "bundle_digest": "f" * 16}
    flashed = [SimpleNamespace(board=name, **facts) for name in names]
    monkeypatch.setattr("edgesdk.cli.devices.flashed_boards", lambda: flashed)
    monkeypatch.setattr("edgesdk.cli.devices.usb_ports", list)
    assert main(["devices"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[1:]] == names
    assert max(len(line.rstrip()) for line in lines) <= 80
