"""Secure Armv8-M Mainline without Helium: a Cortex-M33, from its Secure aliases, bit for bit."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from edgesdk.board import load_board
from edgesdk.flash.store import store
from edgesdk.link.device import Device, open_device
from edgesdk.link.messages import Reset
from firmware_boards import QEMU, firmware
from small_bundle import recogniser_bundle
from test_boards import _agree, _noise, _pieces
from test_boards import test_counts_are_exact as test_counts_are_exact
from test_kernels_on_boards import (  # noqa: F401 - pytest runs them here, too
    test_kernels_equal_the_reference_on_every_board,
    test_models_by_others_equal_the_reference_on_every_board,
)

pytestmark = list(QEMU)
BOARD = "qemu-mps2-an505"


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    folder = tmp_path_factory.mktemp("devices")
    store(firmware(BOARD), folder)
    with open_device(load_board(BOARD), devices=folder) as opened:
        yield opened


def test_stream_equals_the_laptop(device: Device) -> None:
    bundle, samples = recogniser_bundle(beam=4), _noise(0.5)
    device.load(bundle.device_bytes())
    _agree(device.recognise(_pieces(samples, 160), trace=True), bundle, samples)


def test_fault_is_reported_from_the_secure_alias(device: Device) -> None:
    boot = device.reset(Reset.TRAP)
    assert boot is not None and boot.faulted
    code = device.board.memory("code")
    assert (code.base or 0) <= boot.pc < code.end


def test_uart_and_its_interrupt_carry_a_stream(devices: Path) -> None:
    bundle, samples = recogniser_bundle(), _noise(0.5)
    built = dataclasses.replace(firmware(BOARD, link="uart"), bundle=bundle.device_bytes())
    store(built, devices)
    with open_device(load_board(BOARD), devices=devices) as opened:
        _agree(opened.recognise(_pieces(samples, 160), trace=True), bundle, samples)
        assert opened.metrics().receive_lost == 0
