"""`edgesdk devices`: names of ports."""

from pathlib import Path

import pytest
from edgesdk.bench import ports


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
