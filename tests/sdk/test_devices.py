"""`edgesdk devices`: names of ports."""

from pathlib import Path

import pytest
from edgesdk.cli import devices


def test_ports_are_listed_by_the_name_that_survives_replugging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, other = tmp_path / "ttyACM0", tmp_path / "ttyACM1"
    port.touch()
    other.touch()
    monkeypatch.setattr(devices, "BY_ID", tmp_path / "by-id")
    assert devices.stable_name(str(port)) == str(port)
    devices.BY_ID.mkdir()
    link = devices.BY_ID / "usb-Board_123-if00"
    link.symlink_to("../ttyACM0")
    assert devices.stable_name(str(port)) == str(link)
    assert devices.stable_name(str(other)) == str(other)
