"""Requests and answers over a transport: sequence numbers, flow control, time limits, faults."""

import re
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from edgesdk.errors import IdentityError, NoAnswerError, WireError
from edgesdk.link.boot import Boot, read_boot
from edgesdk.link.frames import Console, Damage, Decoder, Frame, encode
from edgesdk.link.messages import (
    FIRST_EVENT,
    PROTOCOL_VERSION,
    Identity,
    Message,
    read_identity,
    read_status,
)
from edgesdk.link.payload import PayloadError, VersionError
from edgesdk.link.status import Status, next_step, status_text
from edgesdk.link.transport import Transport

PAYLOAD_MAX = 65536  # longest payload that we accept from any device
HELLO_EVERY_S = 0.25
READ_PIECE_S = 0.25
CONSOLE_KEPT = 65536
# What firmware of app/mlperf_tiny says when it is ready, and to frames.
BENCH_WORDS = re.compile(rb"m-ready\r\n|this firmware speaks MLPerf Tiny")
PATIENCE = 10  # an answer may take so many times the longest silence, where events show life


SEQ_MAY_GROW = 8  # bytes that another seq and its CRC may take in escapes


@dataclass(frozen=True)
class Outstanding:
    """A request that is not answered yet."""

    seq: int
    request: Message
    payload: bytes
    encoded_bytes: int
    answer: Message


T = TypeVar("T")

Handler = Callable[[Message, bytes], None]


class LineError(WireError):
    """Bytes were lost or damaged on the way, which is noticed and can be mended."""


class Channel:
    """One conversation with a device. Every wait ends in time, with an answer or an EdgeError."""

    mends = False  # whether what was lost is sent again, rather than an error

    def __init__(self, transport: Transport, timeout_s: float) -> None:
        """`timeout_s` is the longest silence that counts as life while an answer is due."""
        self.transport = transport
        self.timeout_s = timeout_s
        self.mended = 0  # faults after which what was lost was sent again
        self.console = bytearray()
        self.receive_bytes = 1024  # until the device has told its own
        self._decoder = Decoder(PAYLOAD_MAX)
        self._frames: deque[Frame] = deque()
        self._outstanding: deque[Outstanding] = deque()
        self._abandoned: deque[int] = deque()  # seqs whose answers nobody waits for any more
        self._unanswered_bytes = 0
        self._waiting_since = 0.0  # for the oldest outstanding answer
        self._seq = 0
        self._event_seq: int | None = None  # of the last one; None: any may come next
        self._heard_bytes = self._heard_frames = 0
        self.boot: Boot | None = None  # the last one that came while we said hello
        self._heard_at = 0.0

    @property
    def where(self) -> str:
        """The port, for messages."""
        return self.transport.where

    def hello(self, timeout_s: float) -> Identity:
        """Ask who is there, again and again until the device has started.

        Raises:
            NoAnswerError: silence.
            WireError: bytes that are no frames, another protocol.
        """
        deadline = time.monotonic() + timeout_s
        heard_before = self._heard_bytes
        while time.monotonic() < deadline:
            seq = self._next_seq()
            payload = struct.pack("<H", PROTOCOL_VERSION)
            self.transport.write(encode(Message.HELLO, seq, payload), timeout_s)
            frame = self._await_identity(seq, min(deadline, time.monotonic() + HELLO_EVERY_S))
            if frame is not None:
                identity = self.parse(read_identity, frame.payload)
                self.receive_bytes = identity.receive_bytes
                self._start_over()
                return identity
        heard = self._heard_bytes - heard_before
        if heard and not self._heard_frames:
            raise WireError(
                f"{self.where}: {heard} bytes came within {timeout_s:g} s, none of them a frame; "
                "check the baud rate, and that edgesdk firmware is flashed"
            )
        raise NoAnswerError(
            f"{self.where}: no answer to HELLO within {timeout_s:g} s; {self.transport.remedy}"
        )

    def _await_identity(self, seq: int, deadline: float) -> Frame | None:
        while (left := deadline - time.monotonic()) > 0:
            self._read(left, strict=False)
            self._refuse_benches()
            while self._frames:
                frame = self._frames.popleft()
                if frame.type == Message.BOOT:
                    self.boot = self.parse(read_boot, frame.payload)
                if frame.seq != seq:
                    continue
                if frame.type == Message.IDENTITY:
                    return frame
                if frame.type == Message.STATUS:
                    self._refuse_hello(frame)
        return None

    def _refuse_benches(self) -> None:
        """Refuse firmware for MLPerf Tiny, which greets when it starts and answers frames."""
        if not self._heard_frames and BENCH_WORDS.search(self.console):
            raise IdentityError(
                f"{self.where}: the firmware there speaks MLPerf Tiny's protocol, not edgesdk's; "
                "drive it with such a runner (docs/mlperf-tiny.md), or flash it without --protocol"
            )

    def _refuse_hello(self, frame: Frame) -> None:
        code = self.parse(read_status, frame.payload).code
        if code == Status.BAD_VERSION:
            raise IdentityError(
                f"{self.where}: the device does not speak protocol {PROTOCOL_VERSION}; "
                "flash the firmware of this edgesdk version"
            )
        raise RefusedError(self.where, Message.HELLO.name, code)

    def request(
        self,
        request: Message,
        payload: bytes = b"",
        answer: Message = Message.STATUS,
        on_event: Handler | None = None,
    ) -> bytes:
        """Send one request and wait for its answer's payload; STATUS answers must be OK."""
        result: list[bytes] = []
        self.post(request, payload, answer, on_event=on_event)
        self.drain(lambda message, data: result.append(data), on_event)
        return result[-1]

    def ask(
        self,
        request: Message,
        payload: bytes,
        answer: Message,
        read: Callable[[bytes], T],
        on_event: Handler | None = None,
    ) -> T:
        """Send one request and wait for its answer, as a value."""
        return self.parse(read, self.request(request, payload, answer, on_event))

    def parse(self, read: Callable[[bytes], T], payload: bytes) -> T:
        """A payload as a value; its errors name the port."""
        try:
            return read(payload)
        except PayloadError as error:
            kind = IdentityError if isinstance(error, VersionError) else WireError
            raise kind(f"{self.where}: {error}") from error

    def post(
        self,
        request: Message,
        payload: bytes,
        answer: Message,
        on_answer: Handler | None = None,
        on_event: Handler | None = None,
    ) -> None:
        """Send without waiting for the answer, except to keep within the device's buffer.

        Answers and events that come in meanwhile go to the handlers.
        """
        size = len(encode(request, 0, payload)) + SEQ_MAY_GROW
        while self._outstanding and self._unanswered_bytes + size > self._room:
            self._step(on_answer, on_event)
        if not self._outstanding:
            self._waiting_since = time.monotonic()
        seq = self._next_seq()
        self._outstanding.append(Outstanding(seq, request, payload, size, answer))
        self._unanswered_bytes += size
        self.transport.write(encode(request, seq, payload), self.timeout_s)

    def drain(self, on_answer: Handler | None = None, on_event: Handler | None = None) -> None:
        """Wait until every request is answered."""
        while self._outstanding:
            self._step(on_answer, on_event)

    def forget(self) -> None:
        """Stop waiting for what is outstanding: its answers will be dropped when they come."""
        self._abandoned.extend(waiting.seq for waiting in self._outstanding)
        self._outstanding.clear()
        self._unanswered_bytes = 0

    def _start_over(self) -> None:
        """Nothing is on the way any more: the device has just started, or just said hello."""
        self._outstanding.clear()
        self._abandoned.clear()
        self._unanswered_bytes = 0
        self._event_seq = None

    def _next_seq(self) -> int:
        self._seq = (self._seq + 1) & 0xFF
        return self._seq

    def _step(self, on_answer: Handler | None, on_event: Handler | None) -> None:
        """Handle one frame, waiting for it if need be."""
        if time.monotonic() - self._waiting_since > PATIENCE * self.timeout_s:
            raise NoAnswerError(
                f"{self.where}: no answer to {self._outstanding[0].request.name} for "
                f"{PATIENCE * self.timeout_s:g} s, only events; reset the board and try again"
            )
        try:
            frame = self._next_frame()
            if not self._take_event(frame, on_event) and not self._is_stale(frame):
                self._take_answer(frame, on_answer)
        except LineError as error:
            self._lose(error, on_answer, on_event)

    @property
    def _room(self) -> int:
        """Most bytes on the way unanswered."""
        return self.receive_bytes

    @property
    def _silence_s(self) -> float:
        """Silence after which something is wrong."""
        return self.timeout_s

    def _silent(self, asked: str) -> NoAnswerError | LineError:
        return NoAnswerError(
            f"{self.where}: no answer to {asked} for {self._silence_s:g} s; "
            "reset the board and try again"
        )

    def _lose(self, fault: LineError, on_answer: Handler | None, on_event: Handler | None) -> None:
        """What to do about a fault of the line."""
        raise fault

    def _take_event(self, frame: Frame, on_event: Handler | None) -> bool:
        """Take an event; False for another frame."""
        if frame.type < FIRST_EVENT:
            return False
        self._check_event(frame)
        self._hand_over(on_event, Message(frame.type), frame.payload)
        return True

    def _take_answer(self, frame: Frame, on_answer: Handler | None) -> None:
        """Take the answer that is due."""
        waiting = self._outstanding[0]
        self._check_answer(frame, waiting)
        self._outstanding.popleft()
        self._waiting_since = time.monotonic()
        self._unanswered_bytes -= waiting.encoded_bytes
        if frame.type == Message.STATUS:
            self._check_status(frame, waiting)
        self._hand_over(on_answer, waiting.request, frame.payload)

    def begin_events(self) -> None:
        """START was answered: its events count from 0."""
        self._event_seq = 0xFF

    def forget_events(self) -> None:
        """START is about to be sent: the events before it are of no use any more."""
        self._event_seq = None

    def check_events(self, on_event: Handler | None = None) -> None:
        """Make sure that no event behind the last one that came was lost.

        Raises:
            LineError: one was, and we are not to mend.
        """
        assert self._event_seq is not None
        last = self._event_seq
        first = bytes([(last + 1) & 0xFF])
        self.request(Message.EVENTS, first, on_event=on_event)
        if not self.mends and self._event_seq != last:
            raise LineError(
                f"{self.where}: event {first[0]} was lost; check the cable or lower the baud rate"
            )

    def _hand_over(self, handler: Handler | None, message: Message, payload: bytes) -> None:
        if handler is not None:
            self.parse(lambda data: handler(message, data), payload)

    def _is_stale(self, frame: Frame) -> bool:
        """Whether it answers a repeated HELLO, or what was abandoned."""
        due = self._outstanding[0]
        if frame.type == Message.IDENTITY:
            return True
        if frame.seq in self._abandoned and frame.seq != due.seq:
            while self._abandoned.popleft() != frame.seq:
                continue
            return True
        return False

    def _next_frame(self) -> Frame:
        deadline = time.monotonic() + self._silence_s
        while not self._frames:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._silent(self._outstanding[0].request.name)
            self._read(min(left, READ_PIECE_S), strict=True)
        return self._frames.popleft()

    def _read(self, timeout_s: float, *, strict: bool) -> None:
        data = self.transport.read(timeout_s)
        self._heard_bytes += len(data)
        if data:
            self._heard_at = time.monotonic()
        for event in self._decoder.feed(data):
            if isinstance(event, Console):
                self.console += event.data
                del self.console[:-CONSOLE_KEPT]
            elif isinstance(event, Frame):
                self._heard_frames += 1
                self._frames.append(event)
            elif isinstance(event, Damage) and strict:
                raise LineError(
                    f"{self.where}: a damaged frame arrived ({event.status.name}: "
                    f"{event.status.text}); check the cable or lower the baud rate"
                )

    def _check_event(self, frame: Frame) -> None:
        if frame.type == Message.BOOT:
            self._start_over()
            raise WireError(
                f"{self.where}: the device restarted in the middle "
                f"({self.parse(read_boot, frame.payload).describe()}); report it with this line"
            )
        if frame.type not in Message.__members__.values():
            raise WireError(
                f"{self.where}: event 0x{frame.type:02x} is unknown; "
                "flash the firmware of this edgesdk version"
            )
        expected = frame.seq if self._event_seq is None else (self._event_seq + 1) & 0xFF
        if frame.seq != expected:
            raise LineError(
                f"{self.where}: event {expected} was lost (next was {frame.seq}); "
                "check the cable or lower the baud rate"
            )
        self._event_seq = frame.seq

    def _check_answer(self, frame: Frame, waiting: Outstanding) -> None:
        name = waiting.request.name
        if frame.type == Message.STATUS:
            reply = self.parse(read_status, frame.payload)
            if reply.request == 0:
                raise LineError(
                    f"{self.where}: the device received a damaged frame "
                    f"({status_text(reply.code)}); check the cable or lower the baud rate"
                )
        fits = frame.type in (waiting.answer, Message.STATUS) and frame.seq == waiting.seq
        if not fits:
            raise LineError(
                f"{self.where}: {name} number {waiting.seq} was answered by message "
                f"0x{frame.type:02x} number {frame.seq}; flash the firmware of this edgesdk version"
            )

    def _check_status(self, frame: Frame, waiting: Outstanding) -> None:
        code = self.parse(read_status, frame.payload).code
        if code != Status.OK:
            self.forget()
            raise RefusedError(self.where, waiting.request.name, code)
        if waiting.answer != Message.STATUS:
            raise WireError(
                f"{self.where}: {waiting.request.name} was answered by STATUS alone; "
                "flash the firmware of this edgesdk version"
            )

    def await_boot(self, timeout_s: float) -> Boot:
        """Wait for the device to say that it has started.

        Raises:
            NoAnswerError: it does not.
        """
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            self._read(min(left, READ_PIECE_S), strict=False)
            while self._frames:
                frame = self._frames.popleft()
                if frame.type == Message.BOOT:
                    self._start_over()
                    return self.parse(read_boot, frame.payload)
        raise NoAnswerError(
            f"{self.where}: the device did not start again within {timeout_s:g} s; reset it by hand"
        )


class RefusedError(WireError):
    """The device answered a request with a status other than OK, which `code` holds."""

    def __init__(
        self,
        where: str,
        request: str,
        code: int,
        remedy: str = "check that bundle, board and firmware belong together",
    ) -> None:
        super().__init__(
            f"{where}: the device refused {request} ({status_text(code)}); "
            f"{next_step(code, remedy)}"
        )
        self.code = code
