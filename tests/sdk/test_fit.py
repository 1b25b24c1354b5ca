"""What a bundle takes of each memory of a board, and the refusal where it is too much."""

import dataclasses
import json
import re

import pytest
from edgesdk.board import Board, load_board
from edgesdk.bundle import Bundle
from edgesdk.elf import Sizes
from edgesdk.errors import FitError, NpuError
from edgesdk.fit import check_fit, memory_use, peak_of
from edgesdk.npu.accelerators import ACCELERATORS
from small_bundle import npu_bundle, recogniser_bundle

SIZES = Sizes(text=30_000, data=100, bss=50_000)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return recogniser_bundle()


def _shrunk(board: Board, role: str, size: int) -> Board:
    memories = tuple(
        dataclasses.replace(memory, size_bytes=size) if role in memory.holds else memory
        for memory in board.memories
    )
    return dataclasses.replace(board, memories=memories)


def test_every_byte_lies_in_one_memory(bundle: Bundle) -> None:
    board = load_board("qemu-mps3-an547")
    uses = {use.memory: use for use in memory_use(board, bundle, SIZES)}
    assert uses["itcm"].parts == (("firmware", 30_100),)
    assert uses["dtcm"].used_bytes == 50_100
    assert dict(uses["dtcm"].parts)["stack"] == board.stack_bytes
    assert uses["sram"].used_bytes == bundle.workspace_bytes
    assert uses["ddr_model"].used_bytes == len(bundle.device_bytes())


def test_firmware_is_left_out_while_it_is_unknown(bundle: Bundle) -> None:
    uses = memory_use(load_board("qemu-mps3-an547"), bundle)
    assert "firmware" not in {part for use in uses for part, _ in use.parts}


@pytest.mark.parametrize("role", ["workspace", "model"])
def test_one_byte_short_is_refused_and_the_exact_size_is_not(role: str, bundle: Bundle) -> None:
    board = load_board("qemu-mps3-an547")
    needed = bundle.workspace_bytes if role == "workspace" else len(bundle.device_bytes())
    fitting = _shrunk(board, role, needed)
    check_fit(fitting, bundle, memory_use(fitting, bundle, SIZES))
    short = _shrunk(board, role, needed - 1)
    why = "peak of the arena: " if role == "workspace" else "take a smaller model"
    with pytest.raises(FitError, match=f": 1 bytes missing; {why}") as refused:
        check_fit(short, bundle, memory_use(short, bundle, SIZES))
    assert re.search(rf"has {needed - 1} bytes, {needed} are needed", str(refused.value))


def test_every_memory_that_is_short_is_named(bundle: Bundle) -> None:
    board = _shrunk(_shrunk(load_board("qemu-mps3-an547"), "model", 16), "workspace", 16)
    with pytest.raises(FitError) as refused:
        check_fit(board, bundle, memory_use(board, bundle, SIZES))
    said = str(refused.value)
    assert re.findall(r"memory '(\w+)' has 16 bytes", said) == ["sram", "ddr_model"]
    assert said.count("peak of the arena: ") == 1 and "\n" not in said


def test_firmware_that_is_too_large_is_refused(bundle: Bundle) -> None:
    board = _shrunk(load_board("qemu-mps3-an547"), "code", 30_000)
    with pytest.raises(FitError, match="memory 'itcm' has 30000 bytes, 30100 are needed"):
        check_fit(board, bundle, memory_use(board, bundle, SIZES))


def test_bundle_for_another_npu_is_refused() -> None:
    bundle = npu_bundle(ACCELERATORS["ethos-u55-128"].config)
    fitting = load_board("host-u55")
    check_fit(fitting, bundle, memory_use(fitting, bundle))
    for name, has in {"host-u65": "ethos-u65-256", "host": "no NPU"}.items():
        board = load_board(name)
        with pytest.raises(FitError, match=f"compiled for ethos-u55-128, the board has {has}; "):
            check_fit(board, bundle, memory_use(board, bundle))
    unknown = npu_bundle(0x20000118)
    with pytest.raises(NpuError, match="CONFIG 0x20000118, an Ethos-U85, which edgesdk has not"):
        check_fit(fitting, unknown, memory_use(fitting, unknown))


def test_peak_names_a_graph(bundle: Bundle) -> None:
    role = max(bundle.roles, key=lambda role: bundle.graphs[role].arena_bytes)
    assert peak_of(bundle).startswith(role)
    peak = {"op": 0, "bytes": 3000, "tensors": [{"name": "x", "bytes": 2048}]}
    debug = {role: {"ops": [{"tflite_op": "ADD"}], "peak": peak}}
    told = bundle.with_sections(dbug=json.dumps(debug).encode())
    assert peak_of(told) == f"{role}, ADD (operator 0): x 2,048, 3,000 bytes"
