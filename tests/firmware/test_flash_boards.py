"""Boards whose model lies in flash: what is flashed runs and stays; the link writes nothing."""

import dataclasses
import struct
from pathlib import Path

import pytest
from edgesdk.board import load_board
from edgesdk.bundle import Bundle
from edgesdk.flash.store import store
from edgesdk.link.channel import RefusedError
from edgesdk.link.device import Device, open_device
from edgesdk.link.messages import Content, GraphId, Message, Reset
from edgesdk.link.status import Status
from firmware_boards import FLASH_BOARDS, firmware
from small_bundle import recogniser_bundle, single_bundle
from test_boards import _agree, _noise, _pieces


def _flashed(board: str, bundle: Bundle | None, devices: Path) -> Device:
    data = None if bundle is None else bundle.device_bytes()
    store(dataclasses.replace(firmware(board), bundle=data), devices)
    return open_device(load_board(board), devices=devices)


@pytest.mark.parametrize("board", FLASH_BOARDS)
def test_the_link_does_not_write_flash(board: str, devices: Path) -> None:
    with _flashed(board, None, devices) as device:
        assert device.hello().content == Content.NONE
        assert device.identity.model_bytes == device.board.memory("model").size_bytes
        with pytest.raises(RefusedError, match=r"READ_ONLY.*edgesdk flash"):
            device.load(single_bundle().device_bytes())
        with pytest.raises(RefusedError) as caught:
            device.channel.request(Message.LOAD_DATA, struct.pack("<I", 0) + b"x")
        assert caught.value.code == Status.BAD_STATE
        assert device.hello().content == Content.NONE


@pytest.mark.parametrize("board", FLASH_BOARDS)
def test_what_is_flashed_runs_and_outlives_restarts_and_faults(board: str, devices: Path) -> None:
    bundle, samples = recogniser_bundle(), _noise(0.5)
    with _flashed(board, bundle, devices) as device:
        device.check_bundle(bundle.digest)
        _agree(device.recognise(_pieces(samples, 160), trace=True), bundle, samples)
        metrics = device.metrics()
        device.recognise(_pieces(samples, 160), trace=True)
        again = device.metrics()
        parts = ("features", "encoder", "predictor", "joiner", "search", "total")
        assert all(getattr(metrics, part) == getattr(again, part) > 0 for part in parts)
        assert metrics.receive_lost == 0
        assert 0 < metrics.stack_high_water < metrics.stack_bytes // 2
        boot = device.reset(Reset.REBOOT)
        assert boot is not None
        assert boot.describe() == "restart on request"
        assert device.hello().bundle_digest == bundle.digest
        boot = device.reset(Reset.TRAP)
        assert boot is not None
        assert boot.faulted
        code = device.board.memory("code")
        assert (code.base or 0) <= boot.pc < code.end
        assert (device.identity.content, device.identity.content_status) == (0, Status.FAULT)
        device.reset(Reset.REBOOT)
        _agree(device.recognise([samples], trace=True), bundle, samples)


@pytest.mark.parametrize("board", FLASH_BOARDS)
def test_counts_are_exact(board: str, devices: Path) -> None:
    """A loop over n values takes a + b n instructions."""
    costs = []
    for count in (64, 128, 1024):
        with _flashed(board, single_bundle(count), devices) as device:
            device.graph_reset(GraphId.SINGLE, profile=True)
            for _ in range(10):
                device.graph_run(GraphId.SINGLE)
            look_up, _ = device.op_costs(GraphId.SINGLE)
            costs.append(look_up.cost)
    first, second, last = costs
    assert last - second == 14 * (second - first) > 0
    assert first % 10 == 0
