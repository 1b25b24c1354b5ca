"""Every fault of a link ends in time, with one line and the documented exit code."""

import fcntl
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from edgesdk.board import load_board
from edgesdk.build import build
from edgesdk.errors import DeviceError, EdgeError, NoAnswerError, WireError
from edgesdk.flash.store import store
from edgesdk.link import transport
from edgesdk.link.channel import RefusedError
from edgesdk.link.device import Device, open_device
from edgesdk.link.frames import Frame, encode
from edgesdk.link.messages import Message, NpuCounts
from edgesdk.link.status import Status
from edgesdk.link.transport import PipeTransport, SerialTransport
from fake_device import FakeDevice, PtyDevice, Reply, identity, status, well_behaved

HOST = load_board("host")
LIMIT_S = 0.6
SILENCE = np.zeros(160, np.int16)


def _open(url: str) -> Device:
    return open_device(HOST, url, timeout_s=LIMIT_S, hello_timeout_s=LIMIT_S)


def _recognise(device: Device) -> None:
    with device:
        device.recognise([SILENCE])


def _instead(wanted: Message, answer: Callable[[Frame], bytes | None]) -> Reply:
    """Well behaved except for one request."""
    return lambda frame: answer(frame) if frame.type == wanted else well_behaved(frame)


def _check(error: EdgeError, code: int, *words: str) -> None:
    text = str(error)
    assert error.exit_code == code
    assert "\n" not in text
    assert all(word in text for word in words), text


def test_a_well_behaved_device_is_served() -> None:
    def count(frame: Frame) -> bytes:
        if frame.type == Message.AUDIO:
            samples = len(frame.payload) // 2 - 2
            return encode(Message.AUDIO_TAKEN, frame.seq, struct.pack("<iI", 0, samples))
        if frame.type == Message.FINISH:
            return encode(Message.FINAL, frame.seq, struct.pack("<i4I", 0, 160, 0, 0, 0))
        return well_behaved(frame)

    with FakeDevice(count, first_words=b"boot: hello\r\n") as fake, _open(fake.url) as device:
        assert device.recognise([SILENCE]).samples == 160
        assert device.console == "boot: hello\r\n"


@pytest.mark.parametrize(
    ("reply", "words", "code", "expected"),
    [
        (lambda frame: b"", b"", 5, "no answer to HELLO within"),
        (lambda frame: b"", b"\xff\x00garbage" * 20, 6, "none of them a frame"),
        (
            lambda frame: encode(Message.IDENTITY, frame.seq, identity(protocol=9)),
            b"",
            6,
            "speaks protocol 9",
        ),
        (
            lambda frame: encode(
                Message.STATUS, frame.seq, status(Status.BAD_VERSION, Message.HELLO)
            ),
            b"",
            6,
            "the device does not speak protocol 2",
        ),
        (
            lambda frame: encode(Message.IDENTITY, frame.seq, identity(board="other")),
            b"",
            6,
            "this is board 'other', not 'host'",
        ),
        (
            lambda frame: encode(Message.IDENTITY, frame.seq, identity()[:40]),
            b"",
            6,
            "IDENTITY message ends after 40 bytes",
        ),
        (
            lambda frame: encode(Message.IDENTITY, frame.seq, identity() + b"x"),
            b"",
            6,
            "expected",
        ),
        (lambda frame: None, b"", 5, "port vanished"),
    ],
    ids=["silence", "garbage", "protocol", "version", "board", "short", "long", "hang-up"],
)
def test_hello_that_goes_wrong_is_named_in_time(
    reply: Reply, words: bytes, code: int, expected: str
) -> None:
    with FakeDevice(reply, first_words=words) as fake:
        begin = time.monotonic()
        with pytest.raises(EdgeError) as caught:
            _open(fake.url)
        assert time.monotonic() - begin < LIMIT_S + 1
    _check(caught.value, code, expected, fake.url)


BOOT_FAULT = struct.pack("<9I", 2, 3, 0x1234, 0x5678, 0x2000, 0, 0x10000, 0x40000000, 0)


@pytest.mark.parametrize(
    ("reply", "code", "expected"),
    [
        (_instead(Message.FINISH, lambda frame: b""), 5, "no answer to FINISH for 0.6 s"),
        (_instead(Message.FINISH, lambda frame: None), 5, "port vanished"),
        (
            _instead(Message.FINISH, lambda frame: well_behaved(frame)[:-3] + b"!\x7e"),
            6,
            "a damaged frame arrived (BAD_CRC",
        ),
        (
            _instead(Message.FINISH, lambda frame: encode(Message.BOOT, 0, BOOT_FAULT)),
            6,
            "restarted in the middle (fault: HardFault at pc 0x00001234",
        ),
        (
            _instead(Message.FINISH, lambda frame: encode(Message.PONG, frame.seq, b"")),
            6,
            "was answered by message 0x82",
        ),
        (
            _instead(Message.FINISH, lambda frame: encode(Message.FINAL, 99, bytes(16))),
            6,
            "number 99",
        ),
        (
            _instead(
                Message.START,
                lambda frame: encode(
                    Message.STATUS, frame.seq, status(Status.BAD_STATE, frame.type)
                ),
            ),
            6,
            "refused START (BAD_STATE: not possible in this state)",
        ),
        (
            _instead(
                Message.START, lambda frame: encode(Message.STATUS, 0, status(Status.BAD_CRC, 0))
            ),
            6,
            "the device received a damaged frame",
        ),
        (
            _instead(
                Message.AUDIO,
                lambda frame: encode(
                    Message.AUDIO_TAKEN, frame.seq, struct.pack("<iI", Status.NO_MEMORY, 0)
                ),
            ),
            6,
            "AUDIO failed on the device (NO_MEMORY",
        ),
        (
            _instead(
                Message.FINISH,
                lambda frame: encode(Message.TOKEN, 0, bytes(13)) + encode(Message.TOKEN, 2, b""),
            ),
            6,
            "event 1 was lost",
        ),
        (_instead(Message.FINISH, lambda frame: encode(0xF0, 0, b"")), 6, "event 0xf0 is unknown"),
        (well_behaved, 6, "the device counts 0 samples"),
    ],
    ids=[
        "silence",
        "hang-up",
        "bad checksum",
        "reboot",
        "wrong answer",
        "wrong number",
        "refused",
        "damage reported",
        "audio refused",
        "event lost",
        "unknown event",
        "miscounted",
    ],
)
def test_utterance_that_goes_wrong_is_named_in_time(reply: Reply, code: int, expected: str) -> None:
    with FakeDevice(reply) as fake:
        device = _open(fake.url)
        begin = time.monotonic()
        with pytest.raises(EdgeError) as caught:
            _recognise(device)
        assert time.monotonic() - begin < LIMIT_S + 1
    _check(caught.value, code, expected, fake.url)


def test_device_that_says_everything_but_the_answer_is_given_up() -> None:
    """Events without end: each is a sign of life, none is what was asked for."""
    token = struct.pack("<iiI", 1, 0, 0) + b"\0"
    events = b"".join(encode(Message.TOKEN, seq, token) for seq in range(256)) * 1000
    with FakeDevice(_instead(Message.FINISH, lambda frame: events)) as fake:
        device = open_device(HOST, fake.url, timeout_s=0.05)
        begin = time.monotonic()
        with pytest.raises(NoAnswerError) as caught:
            _recognise(device)
        assert time.monotonic() - begin < 2
    _check(caught.value, 5, "no answer to FINISH for 0.5 s, only events")


def test_device_that_takes_no_bytes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "WRITE_TIMEOUT_S", 0.3)
    stuck = PtyDevice(serves=False)
    port = SerialTransport(stuck.url, 115200)
    with pytest.raises(NoAnswerError) as caught:
        for _ in range(100):
            port.write(bytes(100_000), 1)
    _check(caught.value, 5, stuck.url, "took no bytes for 0.3 s")
    port.close()
    stuck.release()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # of pyserial
def test_serial_server_by_rfc2217_is_a_port() -> None:
    with FakeDevice(scheme="rfc2217") as fake, _open(fake.url) as device:
        assert device.channel.request(Message.PING, bytes(range(256)), Message.PONG) == bytes(
            range(256)
        )


def test_refusal_in_a_pipelined_load_leaves_the_link_usable() -> None:
    refused = _instead(
        Message.LOAD_DATA,
        lambda frame: encode(
            Message.STATUS, frame.seq, status(Status.BAD_ARGUMENT, Message.LOAD_DATA)
        ),
    )
    with FakeDevice(refused) as fake, _open(fake.url) as device:
        with pytest.raises(RefusedError) as caught:
            device.load(bytes(20000))
        assert caught.value.code == Status.BAD_ARGUMENT
        assert device.channel.request(Message.PING, b"still there", Message.PONG) == b"still there"


NPU_FAULTS = [status for status in Status if status.name.startswith("NPU_")]


def test_every_fault_of_an_npu_says_what_to_do() -> None:
    assert len(NPU_FAULTS) == 9
    for code in NPU_FAULTS:
        for error in (RefusedError("x", "LOAD_END", code), RefusedError("x", "GRAPH_RUN", code)):
            _check(error, 6, code.name, code.text)
            assert "check that bundle, board and firmware" not in str(error)


def test_an_utterance_that_an_npu_fails_is_named() -> None:
    def reply(frame: Frame) -> bytes:
        taken = struct.pack("<iI", Status.NPU_TIMEOUT, 0)
        return encode(Message.AUDIO_TAKEN, frame.seq, taken)

    with FakeDevice(_instead(Message.AUDIO, reply)) as fake, pytest.raises(WireError) as caught:
        _recognise(_open(fake.url))
    _check(caught.value, 6, "AUDIO failed on the device (NPU_TIMEOUT: NPU did not end a job")
    _check(caught.value, 6, "emulate the bundle", fake.url)


def test_counts_of_an_npu_come_where_a_board_has_one() -> None:
    plain = struct.pack("<9Q15I", *range(24))
    counted = plain + struct.pack("<6Q", *range(100, 106))
    for payload, expected in ((plain, None), (counted, NpuCounts(*range(100, 106)))):
        reply = _instead(
            Message.METRICS,
            lambda frame, sent=payload: encode(Message.METRIC_VALUES, frame.seq, sent),
        )
        with FakeDevice(reply) as fake, _open(fake.url) as device:
            metrics = device.metrics()
            assert (metrics.npu, metrics.receive_lost) == (expected, 23)


def test_port_pulled_out_mid_stream_is_named() -> None:
    pulled = PtyDevice()
    device = _open(pulled.url)
    pulled.release()
    with pytest.raises(NoAnswerError) as caught:
        _recognise(device)
    _check(caught.value, 5, pulled.url, "port vanished")


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("/dev/no-such-port", "list ports with `edgesdk devices`"),
        ("socket://127.0.0.1:{closed}", transport.SERVER),
        ("rfc2217://127.0.0.1:{closed}", transport.SERVER),
        ("nonsense://", "list ports with `edgesdk devices`"),
    ],
)
def test_port_that_does_not_open_is_no_device(url: str, remedy: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    with pytest.raises(DeviceError) as caught:
        _open(url.format(closed=closed))
    _check(caught.value, 3, "does not open", remedy)


def test_frames_never_exceed_what_the_device_buffers() -> None:
    """At most receive_bytes of encoded frames are on the way before an answer comes."""
    with FakeDevice() as fake, _open(fake.url) as device:
        sent: list[int] = []
        write = device.channel.transport.write
        device.channel.receive_bytes = 9000

        def spy(data: bytes, timeout_s: float) -> None:
            sent.append(device.channel._unanswered_bytes)
            write(data, timeout_s)

        device.channel.transport.write = spy  # type: ignore[method-assign]
        with pytest.raises(WireError, match="device counts"):
            device.recognise([np.zeros(1000, np.int16)] * 30)
        assert max(sent) <= 9000
        assert len(sent) > 30


@pytest.mark.needs_cc
def test_process_that_says_much_while_we_send_is_served(tmp_path: Path) -> None:
    """Both pipes as small as pipes get, and far more answers on the way than they hold."""
    store(build(HOST), tmp_path)
    with open_device(HOST, devices=tmp_path, timeout_s=5) as device:
        pipes = device.channel.transport
        assert isinstance(pipes, PipeTransport)
        pipe_bytes = fcntl.fcntl(pipes._in, fcntl.F_GETPIPE_SZ)
        assert device.identity.receive_bytes == pipe_bytes // 2
        for pipe in (pipes._in, pipes._out):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
        payload = bytes(range(256)) * 8
        for _ in range(50):
            device.channel.post(Message.PING, payload, Message.PONG)
        came: list[bytes] = []
        device.channel.drain(lambda message, data: came.append(data))
        assert set(came) == {payload}
