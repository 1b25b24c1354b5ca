"""What a lossy line loses is noticed always, and sent again where the host wants that."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from edgesdk.board import load_board
from edgesdk.build import build
from edgesdk.emulate import Clip, emulate
from edgesdk.errors import NoAnswerError, WireError
from edgesdk.flash.store import store
from edgesdk.link.channel import LineError, RefusedError
from edgesdk.link.device import Device, Utterance, open_device
from edgesdk.link.frames import Decoder, Frame, encode
from edgesdk.link.messages import GraphId, Message
from edgesdk.link.status import Status
from edgesdk.link.transport import Transport
from faulty_line import FaultyLine, Rates
from small_bundle import recogniser_bundle, single_bundle

pytestmark = pytest.mark.needs_cc

BUNDLE = recogniser_bundle()
PCM = np.random.default_rng(6).integers(-9000, 9000, 16000).astype(np.int16)
PIECES = [PCM[at : at + 160] for at in range(0, 16000, 160)]


class DroppingLine:
    """Drops the n-th frame of a kind on its way to the host; after it, none."""

    def __init__(self, transport: Transport, kind: Message, number: int) -> None:
        self.where = transport.where
        self.remedy = transport.remedy
        self.interrupts = transport.interrupts
        self.transport = transport
        self._kind, self._left = kind, number
        self._decoder = Decoder(65536)

    def read(self, timeout_s: float) -> bytes:
        """Some bytes, or none after `timeout_s`."""
        out = b""
        for event in self._decoder.feed(self.transport.read(timeout_s)):
            if not isinstance(event, Frame):
                continue
            if event.type == self._kind:
                self._left -= 1
                if self._left == 0:
                    continue
            out += encode(event.type, event.seq, event.payload)
        return out

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send all bytes."""
        self.transport.write(data, timeout_s)

    def close(self) -> None:
        """Release the port."""
        self.transport.close()


def _flash(board: str, folder: Path) -> None:
    store(build(load_board(board), BUNDLE), folder)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    _flash("host", tmp_path)
    with open_device(load_board("host"), devices=tmp_path, timeout_s=1) as device:
        yield device


@pytest.fixture
def mending(device: Device, tmp_path: Path) -> Iterator[Device]:
    """Another one that runs the same, behind a line that is mended."""
    with open_device(load_board("host"), devices=tmp_path, timeout_s=1, mends=True) as device:
        yield device


def _hear(device: Device) -> Utterance:
    return device.recognise(PIECES, trace=True)


def _is_right(heard: Utterance) -> bool:
    (right,) = emulate(BUNDLE, [Clip("noise", PCM)], engine="core").transcripts
    times = tuple(token.time_ms / 1000 for token in heard.tokens)
    assert len(heard.tokens) > 3 and heard.samples == len(PCM)
    return (heard.logits_sha256, times) == (right.logits_sha256, right.timestamps)


def _drop(device: Device, kind: Message, number: int) -> None:
    device.channel.transport = DroppingLine(device.channel.transport, kind, number)


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (Message.AUDIO_TAKEN, 1),
        (Message.AUDIO_TAKEN, len(PIECES)),
        (Message.TOKEN, 1),
        (Message.LOGITS, 3),
        (Message.FINAL, 1),
        (Message.STATUS, 1),  # START's
        (Message.STATUS, 2),  # that of EVENTS behind FINAL
    ],
)
def test_lost_frame_is_an_error_or_is_sent_again(
    kind: Message, number: int, device: Device, mending: Device
) -> None:
    _drop(device, kind, number)
    with pytest.raises((LineError, NoAnswerError)):
        _hear(device)
    assert device.channel.mended == 0
    _drop(mending, kind, number)
    assert _is_right(_hear(mending))
    assert mending.channel.mended == 1


def test_last_token_that_vanished_is_missed_and_fetched(device: Device, mending: Device) -> None:
    tokens = len(_hear(device).tokens)
    _drop(device, Message.TOKEN, tokens)
    with pytest.raises(LineError, match="was lost"):
        _hear(device)
    _drop(mending, Message.TOKEN, tokens)
    assert _is_right(_hear(mending))


@pytest.mark.parametrize(
    "board",
    [
        "host",
        pytest.param("qemu-mps2-an386", marks=[pytest.mark.needs_gcc, pytest.mark.needs_qemu]),
    ],
)
def test_bundle_and_utterance_survive_a_bad_line(board: str, tmp_path: Path) -> None:
    store(build(load_board(board), None), tmp_path)
    with open_device(load_board(board), devices=tmp_path, timeout_s=5, mends=True) as device:
        line = FaultyLine(device.channel.transport, Rates(1e-4, 1e-4, 1e-4), 6)
        device.channel.transport = line
        device.load(BUNDLE.device_bytes())
        for _ in range(3):
            assert _is_right(_hear_in_the_end(device))
        assert min(line.faults.values()) > 0 and device.channel.mended > 5


def _hear_in_the_end(device: Device) -> Utterance:
    """Begun again where more was lost at once than the device keeps."""
    for _ in range(10):
        try:
            return _hear(device)
        except WireError:
            device.hello()
    raise AssertionError("ten utterances were lost")


def test_events_come_again_as_they_were_while_they_are_kept(device: Device) -> None:
    seen: list[tuple[int, bytes]] = []
    _hear(device)
    last = device.channel._event_seq
    assert last is not None

    def ask(first: int) -> None:
        device.channel._event_seq = (first - 1) & 0xFF
        device.channel.request(
            Message.EVENTS, bytes([first]), on_event=lambda kind, data: seen.append((kind, data))
        )

    ask(last)
    ask((last - 1) & 0xFF)
    assert len(seen) == 3 and seen[0] == seen[2] != seen[1]
    ask((last + 1) & 0xFF)
    assert len(seen) == 3
    with pytest.raises(RefusedError) as caught:
        ask((last - 200) & 0xFF)
    assert caught.value.code == Status.BAD_ARGUMENT


def test_request_that_was_done_already_changes_nothing(device: Device) -> None:
    channel = device.channel
    ask = channel.request
    channel.forget_events()
    ask(Message.START, bytes(4))
    piece = struct.pack("<I", 0) + PCM[:160].tobytes()
    again = struct.pack("<I", 80) + PCM[80:160].tobytes()
    for payload in (piece, piece, again):
        answer = ask(Message.AUDIO, payload, Message.AUDIO_TAKEN)
        assert struct.unpack("<iI", answer) == (Status.OK, 160)
    overlap = struct.pack("<I", 80) + PCM[80:200].tobytes()
    answer = ask(Message.AUDIO, overlap, Message.AUDIO_TAKEN)
    assert struct.unpack("<iI", answer) == (Status.BAD_ARGUMENT, 160)
    finals = [ask(Message.FINISH, b"", Message.FINAL) for _ in range(2)]
    assert finals[0] == finals[1] and struct.unpack("<iI", finals[0][:8]) == (Status.OK, 160)
    image = BUNDLE.device_bytes()
    ask(Message.LOAD_BEGIN, struct.pack("<II", len(image), zlib.crc32(image)))
    for offset in (0, 1000, 0, 500, 1000, 2000):
        ask(Message.LOAD_DATA, struct.pack("<I", offset) + image[offset : offset + 1000])
    for offset in range(3000, len(image), 4000):
        ask(Message.LOAD_DATA, struct.pack("<I", offset) + image[offset : offset + 4000])
    for _ in range(2):
        ask(Message.LOAD_END)
    assert device.hello().bundle_digest == BUNDLE.digest


def test_what_cannot_come_twice_is_never_sent_again(tmp_path: Path) -> None:
    store(build(load_board("host"), single_bundle()), tmp_path)
    with open_device(load_board("host"), devices=tmp_path, timeout_s=1, mends=True) as device:
        _drop(device, Message.RUN_COST, 1)
        with pytest.raises(LineError):
            device.graph_run(GraphId.SINGLE)
        assert device.channel.mended == 0
