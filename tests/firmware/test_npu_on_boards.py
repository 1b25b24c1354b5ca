"""Boards with an emulated NPU: equal to the CPU's kernels, and every fault by its name."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from edgesdk import firmware_sources
from edgesdk.board import load_board
from edgesdk.build import build
from edgesdk.bundle import Bundle
from edgesdk.bundle.plan import Plan, Record, Ref, read_plan
from edgesdk.cli import main as cli
from edgesdk.core.graph import Graph
from edgesdk.errors import WireError
from edgesdk.flash.store import store
from edgesdk.link.channel import RefusedError
from edgesdk.link.device import Device, open_device
from edgesdk.link.messages import GraphId
from edgesdk.link.status import Status
from edgesdk.needed import needed_options, needed_parts
from edgesdk.resources import resource_dir
from edgesdk.session import run_arrays
from edgesdk_converters.lower import lower_single
from edgesdk_converters.npu import compile_npu
from firmware_boards import firmware
from graph_seeds import seed_plan
from npu_graphs import board_config, embedding_net
from small_bundle import recogniser_bundle

pytestmark = pytest.mark.needs_cc

HERE = Path(__file__).parent
SANITIZED = "host-u55"
OTHER = {"host-u55": "host-u65", "host-u65": "host-u55", "qemu-mps3-an547-u55": "host-u65"}
BOARDS = [
    "host-u55",
    "host-u65",
    pytest.param("qemu-mps3-an547-u55", marks=[pytest.mark.needs_gcc, pytest.mark.needs_qemu]),
]
NET = embedding_net()
INDICES = np.random.default_rng(5).integers(0, 20, (6, 1, 2)).astype(np.int32)


@cache
def _bundle(board: str = "host-u55") -> Bundle:
    return lower_single(compile_npu(NET, board_config(board)).tflite)


@cache
def _expected() -> list[np.ndarray]:
    """What the CPU's kernels make of the graph as it was before Vela."""
    graph = Graph(lower_single(NET).sections["GNET"])
    return [graph.run(step)[0] for step in INDICES]


def _npu_step(plan: Plan) -> Record:
    return next(record for record in plan.records if record.op == "NPU_ETHOSU")


def _number(step: Record, name: str) -> int:
    value = step.values[name]
    assert isinstance(value, int)
    return value


def _single(plan: Plan) -> bytes:
    return Bundle({"GNET": plan.encode()}, "damaged").device_bytes()


def _with_stream(board: str, change: Callable[[np.ndarray], np.ndarray]) -> bytes:
    """The image with another stream."""
    plan = read_plan(_bundle(board).sections["GNET"], "test")
    step = _npu_step(plan)
    begin, size = step.refs()["stream"].offset, _number(step, "stream_words")
    stream = change(np.frombuffer(plan.constants, "<u4", size, begin).copy())
    place = -(-len(plan.constants) // 16) * 16
    values = {"stream": Ref("const", place).encode(), "stream_words": len(stream)}
    changed = replace(step, values={**step.values, **values})
    records = tuple(changed if record is step else record for record in plan.records)
    constants = plan.constants.ljust(place, b"\0") + stream.astype("<u4").tobytes()
    return _single(replace(plan, records=records, constants=constants))


def _with_value(board: str, name: str, flipped: int) -> bytes:
    """The image with bits of a value of the NPU's step flipped."""
    plan = read_plan(_bundle(board).sections["GNET"], "test")
    step = _npu_step(plan)
    values = {**step.values, name: _number(step, name) ^ flipped}
    changed = replace(step, values=values)
    records = tuple(changed if record is step else record for record in plan.records)
    return _single(replace(plan, records=records))


def _far(words: np.ndarray) -> np.ndarray:
    """The first operation's output a megabyte further away."""
    at = int(np.flatnonzero((words & 0xFFFF) == 0x4010)[0])  # NPU_SET_OFM_BASE0
    words[at + 1] += 1 << 20
    return words


def _unknown(words: np.ndarray) -> np.ndarray:
    words[0] = 0x03FF
    return words


FAULTS: dict[str, tuple[Callable[[str], bytes], Status]] = {
    "cut short": (lambda board: _with_stream(board, lambda it: it[:-1]), Status.NPU_STREAM),
    "cut in half": (
        lambda board: _with_stream(board, lambda it: it[: len(it) // 2]),
        Status.NPU_STREAM,
    ),
    "unknown command": (lambda board: _with_stream(board, _unknown), Status.NPU_STREAM),
    "out of bounds": (lambda board: _with_stream(board, _far), Status.NPU_BOUNDS),
    "other commands": (lambda board: _with_value(board, "config", 1 << 4), Status.NPU_CONFIG),
    "unknown product": (lambda board: _with_value(board, "config", 1 << 30), Status.NPU_CONFIG),
    "newer architecture": (lambda board: _with_value(board, "id", 1 << 29), Status.NPU_CONFIG),
}


@pytest.fixture(scope="module", params=BOARDS)
def device(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Device]:
    """Every board in turn; the first one's firmware, emulator included, under sanitizers."""
    folder = tmp_path_factory.mktemp("devices")
    store(firmware(request.param, sanitize=request.param == SANITIZED), folder)
    with open_device(load_board(request.param), devices=folder) as opened:
        yield opened


def _check_outputs(device: Device) -> None:
    outputs = run_arrays(device, [INDICES]).run.outputs
    assert np.array_equal([out[0] for out in outputs], _expected())


def test_npu_and_cpu_give_the_same(device: Device) -> None:
    device.load(_bundle(device.board.name).device_bytes())
    _check_outputs(device)
    npu = device.metrics().npu
    assert npu is not None
    assert (npu.jobs, npu.cycles) == (len(INDICES), 0)
    device.graph_reset(GraphId.SINGLE)
    assert device.metrics().npu == replace(
        npu, jobs=0, mac_cycles=0, axi0_read_beats=0, axi0_written_beats=0, axi1_read_beats=0
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_stream_is_named_and_the_next_load_works(device: Device, fault: str) -> None:
    make, status = FAULTS[fault]
    with pytest.raises(RefusedError) as caught:
        device.load(make(device.board.name))
    assert caught.value.code == status
    assert device.hello().content_status == status
    device.load(_bundle(device.board.name).device_bytes())
    _check_outputs(device)


def test_another_boards_image_is_refused(device: Device) -> None:
    with pytest.raises(RefusedError, match=r"NPU_CONFIG.*convert the model for this board"):
        device.load(_bundle(OTHER[device.board.name]).device_bytes())
    device.load(_bundle(device.board.name).device_bytes())
    _check_outputs(device)


def test_weights_that_the_npu_cannot_read_end_the_run(device: Device) -> None:
    """No check on load sees into compressed weights: the NPU says so, and is reset."""
    plan = read_plan(_bundle(device.board.name).sections["GNET"], "test")
    step = _npu_step(plan)
    begin, size = step.refs()["weights"].offset, _number(step, "weights_bytes")
    constants = plan.constants[:begin] + b"\xa5" * size + plan.constants[begin + size :]
    device.load(_single(replace(plan, constants=constants)))
    for _ in range(2):
        with pytest.raises(RefusedError) as caught:
            run_arrays(device, [INDICES])
        assert caught.value.code == Status.NPU_PARSE
    device.load(_bundle(device.board.name).device_bytes())
    _check_outputs(device)


def test_board_without_an_npu_says_so(tmp_path: Path) -> None:
    store(firmware("host"), tmp_path)
    with open_device(load_board("host"), devices=tmp_path) as device:
        with pytest.raises(RefusedError) as caught:
            device.load(_bundle().device_bytes())
        assert caught.value.code == Status.NPU_MISSING
        assert device.metrics().npu is None


def test_firmware_has_the_part_where_the_bundle_needs_it() -> None:
    assert needed_parts(_bundle()) == ("npu",)
    assert needed_parts(lower_single(NET)) == ()


@pytest.fixture
def wax(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """The host board with an NPU that fails, job after job, in every way."""
    templates = tmp_path / "firmware_templates"
    unused = shutil.ignore_patterns("emulator")
    shutil.copytree(resource_dir("firmware_templates"), templates, ignore=unused)
    shutil.copy(HERE / "npu_of_wax.c", templates / "ports" / "host" / "npu_emulator.c")
    monkeypatch.setattr(firmware_sources, "resource_dir", lambda name: tmp_path / name)
    board = load_board("host-u55")
    assert board.npu is not None
    quick = replace(board.compiler, optimise=("-O0",))
    board = replace(board, npu=replace(board.npu, limit_ms=200), compiler=quick)
    options = needed_options(_with_step(recogniser_bundle()))
    store(build(board, None, options), tmp_path / "devices")
    with open_device(board, devices=tmp_path / "devices") as opened:
        yield opened


def test_an_npu_that_fails_never_hangs_the_device(wax: Device) -> None:
    wax.load(_bundle().device_bytes())
    begin, seen = time.monotonic(), []
    for _ in range(7):
        try:
            wax.graph_run(GraphId.SINGLE)
            seen.append(Status.OK)
        except RefusedError as error:
            seen.append(Status(error.code))
    assert seen == [
        Status.NPU_TIMEOUT,
        Status.NPU_BUS,
        Status.NPU_PARSE,
        Status.NPU_FAULT,
        Status.NPU_FAULT,
        Status.OK,
        Status.NPU_TIMEOUT,
    ]
    assert time.monotonic() - begin < 5
    wax.load(_bundle().device_bytes())
    assert wax.hello().content_status == Status.OK


def _with_step(bundle: Bundle) -> Bundle:
    """The recogniser with one more step in its joiner, for an NPU, which changes nothing else."""
    plan, step = bundle.graphs["joiner"], seed_plan("NPU_ETHOSU")
    record, place = step.records[0], -(-len(plan.constants) // 16) * 16
    moved = {
        name: Ref(ref.space, ref.offset + (place if ref.space == "const" else plan.arena_bytes))
        for name, ref in record.refs().items()
    }
    out = replace(record.out, offset=record.out.offset + plan.arena_bytes)
    values = {**record.values, **{name: ref.encode() for name, ref in moved.items()}}
    added = replace(
        plan,
        records=(*plan.records, replace(record, out=out, values=values)),
        constants=plan.constants.ljust(place, b"\0") + step.constants,
        arena_bytes=plan.arena_bytes + step.arena_bytes,
    )
    return bundle.with_sections(GJNT=added.encode())


def test_an_utterance_that_an_npu_fails_is_followed_by_the_next(wax: Device) -> None:
    wax.load(_with_step(recogniser_bundle()).device_bytes())
    noise = np.random.default_rng(1).integers(-3000, 3000, 4000).astype(np.int16)
    for status in (Status.NPU_TIMEOUT, Status.NPU_BUS, Status.NPU_PARSE, *[Status.NPU_FAULT] * 2):
        with pytest.raises(WireError) as caught:
            wax.recognise([noise])
        line = str(caught.value)
        assert status.name in line and "failed on the device" in line and "\n" not in line
    wax.load(recogniser_bundle().device_bytes())
    assert wax.recognise([noise]).logits_count > 0


def test_command_line_gives_one_line_and_exit_code_6(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("EDGESDK_HOME", raising=False)
    make, status = FAULTS["out of bounds"]
    (tmp_path / "bad.edge").write_bytes(make("host-u65"))
    (tmp_path / "good.edge").write_bytes(_bundle("host-u65").with_sections(tnet=NET).to_bytes())
    np.save(tmp_path / "x.npy", INDICES)
    for name, code in (("bad", 6), ("good", 0)):
        flash = ["flash", str(tmp_path / f"{name}.edge"), "--board", "host-u65", "--all-kernels"]
        assert cli.main(flash) == 0
        capsys.readouterr()
        arguments = ["run", "--input", str(tmp_path / "x.npy"), "--board", "host-u65", "--json"]
        assert cli.main(arguments) == code
        shown = capsys.readouterr()
        if code:
            line = json.loads(shown.out)["error"]
            assert status.name in line and "convert the model again" in line and "\n" not in line
