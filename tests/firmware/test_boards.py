"""The firmware on every board: hello, loading, streaming, counting, faults, noise."""

import dataclasses
import shutil
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from edgesdk.board import load_board
from edgesdk.board.setup import Setup, Step
from edgesdk.build import build
from edgesdk.bundle import Bundle
from edgesdk.core import EndpointKind, EndpointMode, Image, Recogniser, TokenEvent
from edgesdk.emulate import Clip, Emulator
from edgesdk.errors import EdgeError, NoAnswerError, WireError
from edgesdk.flash.store import load, store
from edgesdk.lattice import read_results
from edgesdk.link.channel import RefusedError
from edgesdk.link.device import Device, Utterance, open_device
from edgesdk.link.frames import encode
from edgesdk.link.messages import ClockKind, Content, GraphId, Message, Reset, TensorKind
from edgesdk.link.power import qemu_command
from edgesdk.link.status import Status
from edgesdk.session import run_clip
from firmware_boards import CACHED_BOARDS, QEMU, QEMU_BOARDS, firmware
from front_sections import endpoint_section
from small_bundle import recogniser_bundle, single_bundle, with_scorer

RATE = 16000


def _noise(seconds: float, seed: int = 3) -> np.ndarray:
    values = np.random.default_rng(seed).normal(0, 3000, int(seconds * RATE))
    return values.clip(-32768, 32767).astype(np.int16)


def without_endpoint(bundle: Bundle) -> Bundle:
    kept = {tag: data for tag, data in bundle.sections.items() if tag not in ("ENDP", "GEND")}
    return Bundle(kept, "plain")


def _pieces(samples: np.ndarray, size: int) -> list[np.ndarray]:
    return [samples[at : at + size] for at in range(0, len(samples), size)]


def _laptop(bundle: Bundle, samples: np.ndarray) -> tuple[list[TokenEvent], list[bytes]]:
    """The same core in this process, without any link."""
    tokens: list[TokenEvent] = []
    logits: list[bytes] = []
    recogniser = Recogniser(
        Image(bundle.device_bytes()), None, tokens.append, lambda f, s, v: logits.append(bytes(v))
    )
    recogniser.push(samples)
    recogniser.finish()
    return tokens, logits


def _agree(heard: Utterance, bundle: Bundle, samples: np.ndarray) -> None:
    tokens, logits = _laptop(bundle, samples)
    assert [(t.id, round(t.logprob * 65536), t.time_ms) for t in heard.tokens] == [
        (t.token, t.logprob_q16, t.time_ms) for t in tokens
    ]
    assert heard.logits == tuple(logits)
    assert [t.piece for t in heard.tokens] == [bundle.tokens[t.token] for t in tokens]
    assert len(tokens) > 10


def test_identity_says_what_is_there(device: Device) -> None:
    identity = device.hello()
    assert identity.board == device.board.name
    assert identity.kernels == tuple(range(1, len(identity.kernels) + 1))
    assert identity.model_bytes == device.board.memory("model").size_bytes
    assert identity.workspace_bytes == device.board.memory("workspace").size_bytes
    if device.board.tier == "emulated":
        assert identity.clock == ClockKind.INSTRUCTIONS


@pytest.mark.parametrize("piece", [1, 160, 8000])
def test_stream_in_any_pieces_equals_the_laptop(device: Device, piece: int) -> None:
    bundle = recogniser_bundle()
    device.load(bundle.device_bytes())
    device.check_bundle(bundle.digest)
    samples = _noise(0.3 if piece == 1 else 1.5)
    heard = device.recognise(_pieces(samples, piece), trace=True)
    _agree(heard, bundle, samples)
    metrics = device.metrics()
    assert metrics.samples == len(samples)
    assert metrics.workspace_bytes == bundle.workspace_bytes
    assert metrics.arena_bytes == max(plan.arena_bytes for plan in bundle.graphs.values())
    assert metrics.state_bytes == sum(plan.state_bytes for plan in bundle.graphs.values())
    assert metrics.receive_lost == 0
    assert 0 < metrics.stack_high_water < metrics.stack_bytes // 2


@pytest.mark.parametrize("stateful", [False, True], ids=["history", "state"])
def test_beam_and_its_results_equal_the_laptop(device: Device, stateful: bool) -> None:
    """n-best and lattice of several frames' length, of predictors with and without a state."""
    bundle = recogniser_bundle(beam=4, stateful=stateful)
    device.load(bundle.device_bytes())
    samples = _noise(2.5)
    tokens: list[TokenEvent] = []
    recogniser = Recogniser(Image(bundle.device_bytes()), None, tokens.append)
    recogniser.push(samples)
    recogniser.finish()
    written = recogniser.results()
    heard = device.recognise(_pieces(samples, 160))
    assert [t.id for t in heard.tokens] == [t.token for t in tokens]
    assert heard.results == read_results(written)
    assert len(written) > 4096
    assert len(heard.results.hypotheses) == 4
    metrics = device.metrics()
    assert metrics.workspace_bytes == bundle.workspace_bytes == recogniser.workspace_bytes
    costs = recogniser.costs
    assert (metrics.predictor_calls, metrics.predictor_hits, metrics.joiner_calls) == (
        costs.predictor_calls,
        costs.predictor_hits,
        costs.joiner_calls,
    )
    assert (costs.predictor_hits > 0) == (not stateful)
    assert (metrics.lattice > 0) == (metrics.total > 0)
    assert metrics.bias == metrics.endpoint_calls == 0


@pytest.mark.parametrize(("beam", "graph"), [(1, False), (4, False), (4, True)])
def test_end_points_equal_the_laptop(device: Device, beam: int, graph: bool) -> None:
    """All modes: the same end points, tokens and results, by weights and by a graph."""
    settings = endpoint_section(pause_ms=300 if beam == 1 else 100)
    bundle = recogniser_bundle(beam=beam, stateful=beam > 1).with_sections(ENDP=settings)
    if graph:
        bundle = with_scorer(bundle, seed=15)
    device.load(bundle.device_bytes())
    loud = np.random.default_rng(5).random(40) < 0.5
    samples = (_noise(8.0) * np.repeat(loud, 8 * RATE // 40) // 4).astype(np.int16)
    clip, kinds = Clip("clip", samples), set()
    for mode in EndpointMode:
        expected = Emulator(bundle, "core", endpoint=mode).recognise(clip, keep_logits=True)
        heard = run_clip(device, clip, RATE, endpoint=mode).transcript
        assert heard == expected
        costs = device.metrics()
        assert (costs.endpoint > 0) == (mode is not EndpointMode.OFF and costs.total > 0)
        assert (costs.endpoint_calls > 0) == (mode is not EndpointMode.OFF and graph)
        if mode in (EndpointMode.OFF, EndpointMode.WATCH):
            plain = Emulator(without_endpoint(bundle), "core").recognise(clip, keep_logits=True)
            assert dataclasses.replace(heard, endpoints=None) == plain
        if mode is EndpointMode.SEGMENT:
            finals = [it for it in heard.endpoints if it.kind is EndpointKind.FINAL]
            assert len(finals) >= 2
            assert all((it.results is not None) == (beam > 1) for it in finals)
        kinds |= {endpoint.kind for endpoint in heard.endpoints or ()}
    assert kinds == set(EndpointKind)
    profiled = run_clip(device, clip, RATE, profile=True, endpoint=EndpointMode.WATCH)
    assert (GraphId.ENDPOINT in profiled.operators) == graph
    if graph:
        spent = sum(it.cost for it in profiled.operators[GraphId.ENDPOINT])
        assert bool(spent) == (costs.total > 0)
        assert spent <= profiled.metrics.endpoint
        scorer = bundle.endpoint_plan
        assert device.graph_facts(GraphId.ENDPOINT).op_count == len(scorer.records)


def test_end_points_need_settings(device: Device) -> None:
    device.load(without_endpoint(recogniser_bundle()).device_bytes())
    with pytest.raises(RefusedError, match="START"):
        device.recognise([_noise(0.1)], endpoint=EndpointMode.WATCH)
    assert device.recognise([_noise(0.2)]).endpoints == ()


def test_results_are_there_once_an_utterance_is_finished(device: Device) -> None:
    device.load(recogniser_bundle(beam=2).device_bytes())
    channel, first = device.channel, struct.pack("<I", 0)

    def status_of(payload: bytes) -> int:
        try:
            channel.request(Message.RESULTS, payload, Message.RESULTS_DATA)
        except RefusedError as error:
            return error.code
        return Status.OK

    assert status_of(first) == Status.BAD_STATE
    channel.request(Message.START, bytes(4))
    assert status_of(first) == Status.BAD_STATE
    device.recognise([_noise(0.2)])
    assert [status_of(first), status_of(first)] == [Status.OK, Status.OK]
    assert status_of(struct.pack("<I", 1 << 20)) == Status.BAD_ARGUMENT
    channel.request(Message.START, bytes(4))
    assert status_of(first) == Status.BAD_STATE
    device.load(recogniser_bundle().device_bytes())
    assert device.recognise([_noise(0.2)]).results is None


def test_counts_are_the_same_in_every_run_and_profiling_adds_little(device: Device) -> None:
    bundle = recogniser_bundle()
    device.load(bundle.device_bytes())
    samples = _pieces(_noise(1), 160)
    runs = []
    for profile in (False, False, True):
        device.recognise(samples, profile=profile)
        runs.append(device.metrics())
    if device.identity.clock == ClockKind.NONE:
        assert all(run.total == 0 for run in runs)
        assert device.op_costs(GraphId.ENCODER) == ()
        return
    costs = device.op_costs(GraphId.ENCODER)
    assert [cost.code for cost in costs] == [12, 8, 12]
    if device.board.tier == "emulated":
        parts = ("features", "encoder", "predictor", "joiner", "search")
        assert all(getattr(runs[0], part) == getattr(runs[1], part) > 0 for part in parts)
        assert costs[0].cost == costs[2].cost  # the same look-up on as many values
        assert runs[0].encoder <= runs[2].encoder <= 1.03 * runs[0].encoder
        assert sum(cost.cost for cost in costs) < runs[2].encoder


def test_graph_with_more_operators_than_can_be_counted_still_runs(device: Device) -> None:
    bundle = recogniser_bundle(joiner_operators=509)  # 513 with those of encoder and predictor
    device.load(bundle.device_bytes())
    heard = run_clip(device, Clip("noise", _noise(0.3)), RATE, profile=True)
    counted = {graph.name: len(costs) for graph, costs in heard.operators.items()}
    clock = device.identity.clock != ClockKind.NONE
    assert counted == {"ENCODER": 3 * clock, "PREDICTOR": clock, "JOINER": 0}
    device.load(recogniser_bundle(joiner_operators=508).device_bytes())
    heard = run_clip(device, Clip("noise", _noise(0.3)), RATE, profile=True)
    assert len(heard.operators[GraphId.JOINER]) == 508 * clock


def test_single_graph_keeps_its_state_and_shows_each_operator(device: Device) -> None:
    bundle = single_bundle()
    assert device.load(bundle.device_bytes()).content == Content.SINGLE
    facts = device.graph_facts(GraphId.SINGLE)
    assert (facts.op_count, facts.input_count, facts.output_count) == (2, 1, 1)
    values = np.arange(32, dtype=np.int8)
    state = np.full(32, 5)
    device.graph_reset(GraphId.SINGLE)
    for _ in range(3):
        device.graph_write(GraphId.SINGLE, 0, values.tobytes())
        device.graph_run(GraphId.SINGLE)
        state = state + (-1 - values.astype(int))
        got = device.graph_read(GraphId.SINGLE, TensorKind.OUTPUT, 0)
        np.testing.assert_array_equal(got, state[np.newaxis])
    device.graph_write(GraphId.SINGLE, 0, values.tobytes())
    device.graph_run(GraphId.SINGLE, 1)
    looked_up = device.graph_read(GraphId.SINGLE, TensorKind.OPERATOR, 0)
    np.testing.assert_array_equal(looked_up, -1 - values)
    assert device.tensor_facts(GraphId.SINGLE, TensorKind.OPERATOR, 0).code == 12
    unchanged = device.graph_read(GraphId.SINGLE, TensorKind.OUTPUT, 0)
    np.testing.assert_array_equal(unchanged, state[np.newaxis])


def test_counts_are_exact(device: Device) -> None:
    """A loop over n values takes a + b n instructions: no rounding, no noise, in any position."""
    if device.board.tier != "emulated":
        return
    costs = []
    for count in (64, 128, 192, 1024):
        device.load(single_bundle(count).device_bytes())
        device.graph_reset(GraphId.SINGLE, profile=True)
        for _ in range(10):
            device.graph_run(GraphId.SINGLE)
        look_up, _ = device.op_costs(GraphId.SINGLE)  # its work depends on no value
        costs.append(look_up.cost)
    first, second, third, last = costs
    assert third - second == second - first > 0
    assert last - third == 13 * (third - second)
    assert first % 10 == 0  # ten equal runs


def test_refused_images_leave_the_device_alive_and_empty(device: Device) -> None:
    good = recogniser_bundle().device_bytes()
    device.load(good)
    spoiled = bytearray(good)
    spoiled[len(good) // 2] ^= 1
    cases = [
        (bytes(spoiled), Status.BAD_CRC),
        (b"nonsense" * 100, Status.BAD_MAGIC),
        (good[:-16], Status.TRUNCATED),
        (b"", Status.TRUNCATED),
    ]
    for image, expected in cases:
        with pytest.raises(RefusedError) as caught:
            device.load(image)
        assert caught.value.code == expected
        assert device.hello().content == Content.NONE
        with pytest.raises(RefusedError):
            device.recognise([_noise(0.1)])
    with pytest.raises(WireError, match="has no bundle"):
        device.check_bundle("00")
    device.load(good)
    _agree(device.recognise([_noise(1)], trace=True), recogniser_bundle(), _noise(1))


def test_load_protocol_refuses_gaps_excess_and_wrong_checksums(device: Device) -> None:
    good = single_bundle().device_bytes()

    def status_of(message: Message, payload: bytes = b"") -> int:
        try:
            device.channel.request(message, payload)
        except RefusedError as error:
            return error.code
        return Status.OK

    too_large = struct.pack("<II", device.identity.model_bytes + 1, 0)
    device.load(good)
    assert status_of(Message.LOAD_BEGIN, too_large) == Status.NO_MEMORY
    assert device.hello().content == Content.SINGLE
    assert status_of(Message.LOAD_BEGIN, b"short") == Status.BAD_MESSAGE
    assert status_of(Message.LOAD_DATA, bytes(8)) == Status.BAD_STATE
    assert status_of(Message.LOAD_END) == Status.OK  # as it was answered before
    device.reset()
    assert status_of(Message.LOAD_END) == Status.BAD_STATE
    begin = struct.pack("<II", len(good), zlib.crc32(good) ^ 1)
    assert status_of(Message.LOAD_BEGIN, begin) == Status.OK
    assert status_of(Message.LOAD_DATA, struct.pack("<I", 4) + good[4:20]) == Status.BAD_ARGUMENT
    assert status_of(Message.LOAD_DATA, struct.pack("<I", 0) + good) == Status.OK
    assert status_of(Message.LOAD_DATA, struct.pack("<I", 4) + good[4:20]) == Status.OK
    assert status_of(Message.LOAD_DATA, struct.pack("<I", len(good)) + b"x") == Status.BAD_ARGUMENT
    assert status_of(Message.LOAD_END) == Status.BAD_CRC
    assert status_of(Message.LOAD_BEGIN, begin) == Status.OK
    assert status_of(Message.LOAD_END) == Status.TRUNCATED


@pytest.mark.parametrize(
    ("message", "payload", "expected"),
    [
        (0x7F, b"", Status.BAD_MESSAGE),
        (Message.HELLO, struct.pack("<H", 99), Status.BAD_VERSION),
        (Message.RESET, b"\x09", Status.BAD_ARGUMENT),
        (Message.START, b"\xff\xff\xff\xff", Status.BAD_ARGUMENT),
        (Message.FINISH, b"", Status.BAD_STATE),
        (Message.OP_COSTS, struct.pack("<BI", 0, 99), Status.BAD_ARGUMENT),
        (Message.OP_COSTS, struct.pack("<BI", 3, 0), Status.BAD_ARGUMENT),
        (Message.GRAPH_INFO, b"\x09", Status.BAD_ARGUMENT),
        (Message.GRAPH_TENSOR, struct.pack("<BBI", 0, 0, 99), Status.BAD_ARGUMENT),
        (Message.GRAPH_TENSOR, struct.pack("<BBI", 0, 7, 0), Status.BAD_ARGUMENT),
        (Message.GRAPH_WRITE, struct.pack("<BII", 0, 0, 31) + b"xy", Status.BAD_ARGUMENT),
        (Message.GRAPH_WRITE, struct.pack("<BII", 0, 0, 0xFFFFFFFF) + b"x", Status.BAD_ARGUMENT),
        (Message.GRAPH_READ, struct.pack("<BBIII", 0, 0, 0, 1, 32), Status.BAD_ARGUMENT),
        (Message.GRAPH_READ, struct.pack("<BBIII", 0, 0, 0, 0, 0xFFFFFFFF), Status.BAD_ARGUMENT),
    ],
)
def test_bad_requests_are_answered_with_a_status(
    device: Device, message: int, payload: bytes, expected: Status
) -> None:
    if device.hello().content != Content.RECOGNISER:
        device.load(recogniser_bundle().device_bytes())
    channel = device.channel
    channel.transport.write(encode(message, 77, payload), 1)
    frame = channel._next_frame()
    assert (frame.type, frame.seq) == (Message.STATUS, 77)
    assert struct.unpack("<iB", frame.payload) == (expected, message)


# Bytes of each request's payload; None: the second number or more, in steps of the third.
LENGTHS = {
    Message.HELLO: (2,),
    Message.PING: (None, 0, 1),
    Message.RESET: (1,),
    Message.LOAD_BEGIN: (8,),
    Message.LOAD_DATA: (None, 4, 1),
    Message.LOAD_END: (0,),
    Message.START: (4,),
    Message.AUDIO: (None, 4, 2),
    Message.FINISH: (0,),
    Message.METRICS: (0,),
    Message.OP_COSTS: (5,),
    Message.RESULTS: (4,),
    Message.EVENTS: (1,),
    Message.GRAPH_INFO: (1,),
    Message.GRAPH_TENSOR: (6,),
    Message.GRAPH_WRITE: (None, 9, 1),
    Message.GRAPH_READ: (14,),
    Message.GRAPH_RUN: (5,),
    Message.GRAPH_RESET: (2,),
    Message.BIAS_BEGIN: (8,),
    Message.BIAS_DATA: (None, 4, 1),
    Message.BIAS_END: (0,),
    Message.BIAS_USE: (None, 0, 1),
    Message.BIAS_CLEAR: (None, 0, 1),
    Message.BIAS_LIST: (1,),
}


@pytest.mark.parametrize("message", [m for m in Message if m < Message.STATUS])
def test_only_the_documented_lengths_of_requests_are_served(
    device: Device, message: Message
) -> None:
    """BAD_MESSAGE for every other length from 0 to 19, and for no right one."""
    exact, *more = LENGTHS[message]
    right = {exact} if exact is not None else set(range(more[0], 20, more[1]))
    channel = device.channel
    for size in range(20):
        channel.transport.write(encode(message, 78, b"\xff" * size), 1)
        frame = channel._next_frame()
        assert frame.seq == 78
        refused = frame.type == Message.STATUS and (
            struct.unpack("<iB", frame.payload) == (Status.BAD_MESSAGE, message)
        )
        assert refused == (size not in right), size


@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        (b"\x7e" + b"z" * 9000 + b"\x7e", Status.TOO_LONG),
        (b"\x7e123\x7e", Status.BAD_FRAME),
        (b"\x7e12345678\x7e", Status.BAD_CRC),
    ],
)
def test_damaged_frames_are_answered_and_the_next_one_is_served(
    device: Device, noise: bytes, expected: Status
) -> None:
    channel = device.channel
    channel.transport.write(noise, 1)
    frame = channel._next_frame()
    assert struct.unpack("<iB", frame.payload) == (expected, 0)
    assert device.channel.request(Message.PING, b"next", Message.PONG) == b"next"


def test_noise_between_frames_is_ignored(device: Device) -> None:
    generator = np.random.default_rng(11)
    for _ in range(20):
        noise = generator.integers(0, 256, 300).astype(np.uint8).tobytes().replace(b"\x7e", b"")
        device.channel.transport.write(noise, 1)
        assert device.channel.request(Message.PING, noise[:50], Message.PONG) == noise[:50]


def test_audio_that_skips_samples_is_refused(device: Device) -> None:
    device.load(recogniser_bundle().device_bytes())
    channel = device.channel
    channel.request(Message.START, bytes(4))
    answer = channel.request(Message.AUDIO, struct.pack("<I", 5) + bytes(8), Message.AUDIO_TAKEN)
    assert struct.unpack("<iI", answer) == (Status.BAD_ARGUMENT, 0)
    device.reset()
    answer = channel.request(Message.AUDIO, bytes(8), Message.AUDIO_TAKEN)
    assert struct.unpack("<iI", answer)[0] == Status.BAD_STATE


def test_device_restarts_on_request_and_after_a_fault_and_says_why(device: Device) -> None:
    boot = device.reset(Reset.REBOOT)
    assert boot is not None
    assert boot.describe() == "restart on request"
    boot = device.reset(Reset.TRAP)
    assert boot is not None
    assert boot.faulted
    assert device.identity.boot == boot
    assert (device.identity.content, device.identity.content_status) == (0, Status.FAULT)
    if device.board.tier == "emulated":
        code = device.board.memory("code")
        assert (code.base or 0) <= boot.pc < code.end
        if device.board.architecture == "riscv":
            assert boot.kind in (0x10002, 0x10003)  # mcause: illegal instruction, breakpoint
        else:
            assert boot.cfsr & 0x10000  # UNDEFINSTR (DDI 0403, B3.2.15)
    device.load(recogniser_bundle().device_bytes())
    _agree(device.recognise([_noise(1)], trace=True), recogniser_bundle(), _noise(1))


@pytest.mark.parametrize(
    "board", ["host", pytest.param("qemu-mps3-an547", marks=QEMU)], ids=["process", "qemu"]
)
def test_killed_emulator_is_named_at_once(board: str, devices: Path) -> None:
    bundle = recogniser_bundle()
    store(firmware(board), devices)
    with open_device(load_board(board), devices=devices) as device:
        device.load(bundle.device_bytes())

        def pieces() -> list[np.ndarray]:
            for _ in range(50):
                yield _noise(0.01)
            device.channel.transport.process.kill()  # type: ignore[attr-defined]
            for _ in range(5000):
                yield _noise(0.01)

        with pytest.raises(NoAnswerError, match=r"ended \(signal 9\)"):
            device.recognise(pieces())
    assert device.channel.transport.process.returncode is not None  # type: ignore[attr-defined]


OPENS_A_DEVICE = """
import sys, time
from pathlib import Path
from edgesdk.board import load_board
from edgesdk.link.device import open_device

device = open_device(load_board(sys.argv[1]), devices=Path(sys.argv[2]))
print(device.channel.transport.process.pid, flush=True)
time.sleep(60)
"""


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] != "Z"


@pytest.mark.parametrize(
    "board", ["host", pytest.param("qemu-mps3-an547", marks=QEMU)], ids=["process", "qemu"]
)
def test_emulator_dies_with_the_session_that_started_it(board: str, devices: Path) -> None:
    store(firmware(board), devices)
    command = [sys.executable, "-c", OPENS_A_DEVICE, board, str(devices)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None
        emulator = int(session.stdout.readline())
        assert _runs(emulator)
        session.kill()
    deadline = time.monotonic() + 5
    while _runs(emulator) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(emulator)


def test_a_fault_in_the_middle_of_an_utterance_is_reported(device: Device) -> None:
    device.load(recogniser_bundle().device_bytes())

    def pieces() -> list[np.ndarray]:
        yield _noise(0.2)
        device.channel.transport.write(encode(Message.RESET, 0, bytes([Reset.TRAP])), 1)
        yield _noise(0.2)

    with pytest.raises(EdgeError) as caught:
        device.recognise(pieces())
    assert caught.value.exit_code == 6
    device.channel.await_boot(10)
    device.hello()


@pytest.mark.parametrize("board", QEMU_BOARDS)
def test_real_uart_carries_a_stream(board: str, devices: Path) -> None:
    """The UART with its interrupt, through pyserial: slower, the same words."""
    bundle = recogniser_bundle()
    image = firmware(board, link="uart")
    store(image, devices)
    assert load(board, devices).link == "uart"
    with open_device(load_board(board), devices=devices) as device:
        device.load(bundle.device_bytes())
        samples = _noise(0.5)
        _agree(device.recognise(_pieces(samples, 160), trace=True), bundle, samples)
        assert device.metrics().receive_lost == 0


@pytest.mark.skipif(not shutil.which("clang"), reason="needs clang")
@pytest.mark.parametrize("board", QEMU_BOARDS)
def test_the_other_compiler_computes_the_same(board: str, devices: Path) -> None:
    bundle = recogniser_bundle()
    image = firmware(board, compiler="clang")
    assert "clang" in image.compiler
    store(image, devices)
    with open_device(load_board(board), devices=devices) as device:
        device.load(bundle.device_bytes())
        _agree(device.recognise([_noise(1)], trace=True), bundle, _noise(1))


@pytest.mark.needs_cc
def test_host_firmware_is_clean_under_sanitizers(devices: Path) -> None:
    """All requests once, under AddressSanitizer and UBSan; it ends with its host, without leaks."""
    store(firmware("host", sanitize=True), devices)
    bundle = recogniser_bundle()
    with open_device(load_board("host"), devices=devices) as device:
        device.load(bundle.device_bytes())
        _agree(device.recognise([_noise(1)], trace=True, profile=True), bundle, _noise(1))
        device.metrics()
        test_refused_images_leave_the_device_alive_and_empty(device)
        test_load_protocol_refuses_gaps_excess_and_wrong_checksums(device)
        test_single_graph_keeps_its_state_and_shows_each_operator(device)
        test_beam_and_its_results_equal_the_laptop(device, stateful=True)
        device.channel.transport.write(b"\x7e" + b"z" * 9000, 1)
        process = device.channel.transport.process  # type: ignore[attr-defined]
        process.stdin.close()
        assert process.wait(5) == 0, process.stderr.read().decode()


def _any_request(rng: np.random.Generator) -> tuple[int, bytes]:
    """A request with a likely type and a payload of likely and unlikely numbers."""
    known = [m for m in Message if m < Message.STATUS and m != Message.RESET]
    kind = int(rng.choice([*known, *known, *known, 0x44, 0x90]))
    numbers = [0, 1, 2, 3, 4, 31, 32, 33, 4096, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
    payload = b""
    for _ in range(int(rng.integers(0, 4))):
        if rng.random() < 0.5:
            payload += bytes([int(rng.integers(0, 5))])
        else:
            payload += struct.pack("<I", int(rng.choice(numbers)))
    return kind, payload + rng.bytes(int(rng.choice([0, 0, 2, 64, 1000])))


@pytest.mark.needs_cc
def test_host_firmware_survives_any_requests_under_sanitizers(devices: Path) -> None:
    """Seeded fuzzing of the messages: each is answered once, nothing leaves its buffers."""
    store(firmware("host", sanitize=True), devices)
    images = [
        bundle.device_bytes()
        for bundle in (recogniser_bundle(), single_bundle(), recogniser_bundle(beam=2))
    ]
    seed = 863031994  # of a run in which EVENTS brought BOOT again, as if the device had restarted
    rng = np.random.default_rng(seed)
    with open_device(load_board("host"), devices=devices, timeout_s=20) as device:
        channel = device.channel
        for round_number in range(40):
            device.load(images[round_number % 3])
            for seq in range(1, 60):
                kind, payload = _any_request(rng)
                channel.transport.write(encode(kind, seq, payload), 5)
                frame = channel._next_frame()
                while frame.type >= Message.BOOT:
                    assert frame.type != Message.BOOT, f"seed {seed}: restarted"
                    frame = channel._next_frame()
                assert frame.seq == seq, f"seed {seed}"
            channel._event_seq = None
            device.reset()


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
@pytest.mark.parametrize("early", [False, True], ids=["counter", "setup"])
def test_fault_at_every_start_ends_after_one_restart(early: bool, devices: Path) -> None:
    """A register that is not there: the first fault restarts the device, the second stops it.

    That of [setup] is written before variables have values.
    """
    board = "qemu-mps2-an386"
    known = load_board(board)
    assert known.counter is not None
    nowhere = Step("write", 32, 0xB000_0000, 0xFFFF_FFFF, 1, "nowhere")
    counter = dataclasses.replace(known.counter, address=nowhere.address)
    wrong = (
        dataclasses.replace(known, setup=Setup((nowhere,), "none: a test"))
        if early
        else dataclasses.replace(known, counter=counter)
    )
    store(build(wrong), devices)
    log = devices / "faults.txt"
    command = qemu_command(wrong, load(board, devices), "ram.bin", "")
    command[command.index("-object") + 1] = (
        f"memory-backend-ram,id=ram,size={known.emulator.ram_bytes}"  # type: ignore[union-attr]
    )
    with subprocess.Popen([*command, "-d", "int", "-D", str(log)]) as process:
        time.sleep(1.5)
        process.kill()
    said = log.read_text(encoding="utf-8")
    assert said.count("Taking exception") == 2, said


@pytest.mark.parametrize("board", [*QEMU_BOARDS, *CACHED_BOARDS])
def test_stack_overflow_is_reported_as_a_fault(board: str, devices: Path) -> None:
    """A stack that holds the idle loop, but not the opening of an image."""
    small = dataclasses.replace(load_board(board), stack_bytes=768)
    store(build(small), devices)
    with open_device(small, devices=devices, timeout_s=10) as device:
        with pytest.raises(
            WireError, match=r"restarted in the middle \(fault: (\w+F|store access f)ault at"
        ):
            device.load(recogniser_bundle().device_bytes())
        boot = device.hello().boot
        assert boot.faulted
        stack = small.memory("stack")
        guard = (
            small.stack_bytes // 16 if small.architecture == "riscv" else 0
        )  # below the stack, memory.ld.in
        assert boot.sp <= (stack.base or 0) + guard + 64
        assert device.channel.request(Message.PING, b"alive", Message.PONG) == b"alive"
