"""Boards under test: built once, powered on once, with every kernel."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from edgesdk.board import load_board
from edgesdk.flash.store import store
from edgesdk.link.device import Device, open_device
from firmware_boards import BOARDS, firmware


@pytest.fixture(scope="module", params=BOARDS)
def device(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Device]:
    """Every board in turn, empty, by its default link."""
    folder = tmp_path_factory.mktemp("devices")
    store(firmware(request.param), folder)
    with open_device(load_board(request.param), devices=folder) as opened:
        yield opened


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """An empty folder of device folders."""
    return tmp_path / "devices"
