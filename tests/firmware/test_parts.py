"""Firmware without biasing, end-pointers, lattices and NPU: small, and honest about it."""

from pathlib import Path

import numpy as np
import pytest
from attention_bundle import attention_bundle
from edgesdk.board import load_board
from edgesdk.build import BuildOptions, Image, build
from edgesdk.bundle import BiasSection, Bundle
from edgesdk.firmware_sources import PARTS
from edgesdk.flash.store import store
from edgesdk.link.channel import RefusedError
from edgesdk.link.device import open_device
from edgesdk.link.messages import Message
from edgesdk.link.status import Status
from edgesdk.needed import needed_kernels, needed_parts
from graph_seeds import seed_bundle
from small_bundle import recogniser_bundle, single_bundle

M4, M55 = "qemu-mps2-an386", "qemu-mps3-an547"
# Kernels of the shipped recogniser (examples/commands).
KERNELS = ("ADD_S8", "FULLY_CONNECTED_S8", "GATHER", "LSTM_S8", "LUT_8")
MOST_BYTES = 40 * 1024


def _without(bundle: Bundle, *tags: str) -> Bundle:
    kept = {tag: data for tag, data in bundle.sections.items() if tag not in tags}
    return Bundle(kept, "small")


PLAIN = _without(recogniser_bundle(), "ENDP")
WITH_PART = {
    "attention": attention_bundle(),
    "bias": PLAIN.with_sections(BIAS=BiasSection(1024, ()).encode()),
    "endpoint": recogniser_bundle(),
    "lattice": _without(recogniser_bundle(beam=4), "ENDP"),
}


def _firmware(board: str, *parts: str, kernels: tuple[str, ...] = KERNELS) -> Image:
    return build(load_board(board), None, BuildOptions(kernels=kernels, parts=parts))


@pytest.mark.needs_gcc
@pytest.mark.parametrize("board", [M4, M55])
def test_recogniser_with_its_search_and_link_takes_at_most_40_kb(board: str) -> None:
    assert _firmware(board).sizes.text + _firmware(board).sizes.data <= MOST_BYTES


@pytest.mark.needs_gcc
def test_recogniser_on_an_npu_takes_less_than_with_the_kernels_of_the_cpu() -> None:
    firmware = _firmware(f"{M55}-u55", "npu", kernels=("COPY", "GATHER", "NPU_ETHOSU"))
    assert firmware.sizes.text < _firmware(M55).sizes.text


def test_a_bundle_asks_for_the_parts_that_its_sections_need() -> None:
    assert needed_parts(PLAIN) == needed_parts(single_bundle()) == ()
    assert {part: needed_parts(bundle) for part, bundle in WITH_PART.items()} == {
        "attention": ("attention", "bias"),
        "bias": ("bias",),
        "endpoint": ("endpoint",),
        "lattice": ("lattice",),
    }


@pytest.mark.needs_qemu
@pytest.mark.needs_gcc
@pytest.mark.parametrize("board", ["host", M4])
def test_firmware_without_parts_hears_alike_and_refuses_what_needs_one(
    board: str, tmp_path: Path
) -> None:
    noise = np.random.default_rng(1).integers(-3000, 3000, 8000).astype(np.int16)
    kernels = tuple(sorted({*KERNELS, *needed_kernels(WITH_PART["attention"])}))
    heard = []
    for name, parts in (("with", tuple(PARTS)), ("without", ())):
        folder = tmp_path / name
        store(_firmware(board, *parts, kernels=kernels), folder)
        with open_device(load_board(board), devices=folder) as device:
            device.load(PLAIN.device_bytes())
            heard.append(device.recognise([noise]).tokens)
            assert not device.bias.stored.tables
            for part, bundle in WITH_PART.items():
                if part in parts:
                    device.load(bundle.device_bytes())
                    continue
                with pytest.raises(RefusedError) as caught:
                    device.load(bundle.device_bytes())
                assert caught.value.code == Status.NO_PART, part
            with pytest.raises(RefusedError) as caught:
                device.load(seed_bundle("NPU_ETHOSU").device_bytes())
            assert caught.value.code == Status.NO_KERNEL
            if not parts:
                device.load(PLAIN.device_bytes())
                for message, payload in ((Message.BIAS_BEGIN, bytes(8)), (Message.BIAS_END, b"")):
                    with pytest.raises(RefusedError) as caught:
                        device.channel.request(message, payload)
                    assert caught.value.code == Status.NO_PART
                heard.append(device.recognise([noise]).tokens)
    assert heard[0]
    assert heard[0] == heard[1] == heard[2]
