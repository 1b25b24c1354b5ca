"""Boards whose image lies in flash, some of a few kilobytes: the whole application, bit for bit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from edgesdk.board import load_board
from edgesdk.build import build
from edgesdk.bundle import Bundle
from edgesdk.emulate import Clip
from edgesdk.flash.store import store
from edgesdk.link.channel import RefusedError
from edgesdk.link.device import Device, open_device
from edgesdk.link.messages import ClockKind, Content, GraphId, Reset, TensorKind
from edgesdk.link.status import Status
from edgesdk.session import run_clip
from firmware_boards import FLASH_BOARDS
from small_bundle import recogniser_bundle, single_bundle
from test_boards import _agree, _noise, _pieces

IN_FLASH = pytest.mark.parametrize("board", FLASH_BOARDS)


@contextmanager
def _powered(board: str, bundle: Bundle, devices: Path) -> Iterator[Device]:
    known = load_board(board)
    store(build(known, bundle), devices)
    with open_device(known, devices=devices, timeout_s=20) as device:
        yield device


@IN_FLASH
def test_recogniser_in_flash_equals_the_laptop(board: str, devices: Path) -> None:
    bundle = recogniser_bundle()
    samples = _noise(0.5)
    with _powered(board, bundle, devices) as device:
        assert device.identity.clock == ClockKind.INSTRUCTIONS
        device.check_bundle(bundle.digest)
        for piece in (160, 8000):
            _agree(device.recognise(_pieces(samples, piece), trace=True), bundle, samples)
        metrics = device.metrics()
        device.recognise(_pieces(samples, piece), trace=True)
        again = device.metrics()
        parts = ("features", "encoder", "predictor", "joiner", "search", "total")
        assert all(getattr(metrics, part) == getattr(again, part) > 0 for part in parts)
        assert metrics.workspace_bytes == bundle.workspace_bytes
        assert metrics.receive_lost == 0
        assert 0 < metrics.stack_high_water < metrics.stack_bytes * 3 // 4
        with pytest.raises(RefusedError) as caught:
            device.load(bundle.device_bytes())
        assert caught.value.code == Status.READ_ONLY
        boot = device.reset(Reset.REBOOT)
        assert boot is not None and boot.describe() == "restart on request"
        _agree(device.recognise(_pieces(samples, 160), trace=True), bundle, samples)
        boot = device.reset(Reset.TRAP)
        assert boot is not None and boot.faulted
        code = device.board.memory("code")
        assert (code.base or 0) <= boot.pc < code.end
        assert device.identity.content_status == Status.FAULT
        device.reset(Reset.REBOOT)
        assert device.identity.bundle_digest == bundle.digest


@IN_FLASH
def test_counts_of_a_graph_are_exact(board: str, devices: Path) -> None:
    costs = []
    for count in (64, 128, 192):
        bundle = single_bundle(count)
        with _powered(board, bundle, devices) as device:
            device.graph_reset(GraphId.SINGLE, profile=True)
            values = np.arange(count).astype(np.int8)
            state = np.full(count, 5)
            for _ in range(10):
                device.graph_write(GraphId.SINGLE, 0, values.tobytes())
                device.graph_run(GraphId.SINGLE)
                state = np.clip(state + (-1 - values.astype(int)), -128, 127)
            got = device.graph_read(GraphId.SINGLE, TensorKind.OUTPUT, 0)
            np.testing.assert_array_equal(got, state[np.newaxis])
            look_up, _ = device.op_costs(GraphId.SINGLE)
            costs.append(look_up.cost)
    first, second, third = costs
    assert third - second == second - first > 0
    assert first % 10 == 0


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_profile_has_room_for_as_many_operators_as_the_board_says(devices: Path) -> None:
    board = "qemu-microbit"
    counter = load_board(board).counter
    assert counter is not None and counter.operators == 64
    clip = Clip("noise", _noise(0.2))
    for operators, counted in ((60, 60), (61, 0)):  # with those of encoder and predictor: 64, 65
        with _powered(board, recogniser_bundle(joiner_operators=operators), devices) as device:
            costs = run_clip(device, clip, 16000, profile=True).operators
        assert {graph: len(costs[graph]) for graph in costs} == {
            GraphId.ENCODER: 3,
            GraphId.PREDICTOR: 1,
            GraphId.JOINER: counted,
        }


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_beam_that_lacks_memory_is_refused(devices: Path) -> None:
    with _powered("qemu-microbit", recogniser_bundle(beam=2), devices) as device:
        assert device.identity.content == Content.NONE
        assert device.identity.content_status == Status.NO_MEMORY
