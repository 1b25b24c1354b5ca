"""A conversation over a line that loses bytes: what was lost is sent again (docs/protocol.md)."""

import struct
import time
from dataclasses import replace

from edgesdk.errors import NoAnswerError, WireError
from edgesdk.link.channel import READ_PIECE_S, Channel, Handler, LineError, Outstanding
from edgesdk.link.frames import Frame, encode
from edgesdk.link.messages import Message, read_status
from edgesdk.link.status import Status
from edgesdk.link.transport import Transport

MENDING_BYTES = 1536  # most on the way where losses are mended: few events may follow a lost one
PROBE_S = 0.5  # silence after which we ask whether anything was lost
PING_S = 0.1  # until the first ping is repeated; each wait is twice the last
STUCK = 60  # faults in a row without an answer in between

# Requests that may come twice in a row without harm: docs/protocol.md, "A line that loses bytes".
REPEATABLE = frozenset(
    {
        *(Message.PING, Message.LOAD_BEGIN, Message.LOAD_DATA, Message.LOAD_END),
        *(Message.START, Message.AUDIO, Message.FINISH, Message.EVENTS),
        *(Message.METRICS, Message.OP_COSTS, Message.RESULTS),
        *(Message.GRAPH_INFO, Message.GRAPH_TENSOR, Message.GRAPH_WRITE, Message.GRAPH_READ),
        *(Message.GRAPH_RESET, Message.BIAS_BEGIN, Message.BIAS_USE, Message.BIAS_LIST),
    }
)


def is_repeatable(waiting: Outstanding) -> bool:
    """Whether a request may come twice."""
    if waiting.request == Message.RESET:
        return waiting.payload == bytes(1)  # forgets the utterance, and does not restart
    return waiting.request in REPEATABLE


class MendingChannel(Channel):
    """A channel that mends what the line does, and counts how often."""

    mends = True

    def __init__(self, transport: Transport, timeout_s: float) -> None:
        super().__init__(transport, timeout_s)
        self._pings = 0
        self._stuck = 0  # faults since the last answer

    @property
    def _room(self) -> int:
        return min(self.receive_bytes, MENDING_BYTES)

    @property
    def _silence_s(self) -> float:
        return min(self.timeout_s, PROBE_S)

    def _silent(self, asked: str) -> LineError:
        return LineError(f"{self.where}: no answer to {asked} for {self._silence_s:g} s")

    def _is_stale(self, frame: Frame) -> bool:
        """Also the answer to a repeated PING."""
        pong = frame.type == Message.PONG and self._outstanding[0].request != Message.PING
        return pong or super()._is_stale(frame)

    def _take_answer(self, frame: Frame, on_answer: Handler | None) -> None:
        super()._take_answer(frame, on_answer)
        self._stuck = 0

    def _lose(self, fault: LineError, on_answer: Handler | None, on_event: Handler | None) -> None:
        """Find out what was lost, have lost events again, and send lost requests again.

        The device answers in order: with the answer to a ping, what is unanswered was lost.
        """
        while True:
            self._stuck += 1
            waiting = [*self._outstanding]
            if self._stuck > STUCK or any(not is_repeatable(it) for it in waiting):
                raise fault
            try:
                self._ping(on_answer, on_event)
                if self._event_seq is not None:
                    self._fetch_events(on_event)
                break
            except LineError:
                continue
        self.mended += 1
        lost = [*self._outstanding]
        self._outstanding.clear()
        for it in lost:
            seq = self._next_seq()
            self._outstanding.append(replace(it, seq=seq))
            self.transport.write(encode(it.request, seq, it.payload), self.timeout_s)

    def _ping(self, on_answer: Handler | None, on_event: Handler | None) -> None:
        """Wait for a ping's answer, taking what comes before it as far as it is in order."""
        self._pings += 1
        mark, wait_s = struct.pack("<Q", self._pings), PING_S
        self._heard_at = time.monotonic()
        while time.monotonic() - self._heard_at < self.timeout_s:
            self.transport.write(encode(Message.PING, self._next_seq(), mark), self.timeout_s)
            deadline = time.monotonic() + wait_s
            wait_s *= 2
            while (frame := self._frame_before(deadline)) is not None:
                if (frame.type, frame.payload) == (Message.PONG, mark):
                    return
                self._take_if_due(frame, on_answer, on_event)
        raise NoAnswerError(
            f"{self.where}: no answer to PING for {self.timeout_s:g} s; "
            "reset the board and try again"
        )

    def _take_if_due(
        self, frame: Frame, on_answer: Handler | None, on_event: Handler | None
    ) -> None:
        try:
            if self._take_event(frame, on_event):
                return
            if self._outstanding and frame.seq == self._outstanding[0].seq:
                self._take_answer(frame, on_answer)
        except LineError:
            return  # what it belongs to will come again

    def _fetch_events(self, on_event: Handler | None) -> None:
        """Have all events again that followed the last one we know.

        Raises:
            WireError: the device keeps them no longer.
        """
        assert self._event_seq is not None
        first, seq = (self._event_seq + 1) & 0xFF, self._next_seq()
        self.transport.write(encode(Message.EVENTS, seq, bytes([first])), self.timeout_s)
        deadline = time.monotonic() + PROBE_S
        while (frame := self._frame_before(deadline)) is not None:
            if self._take_event(frame, on_event) or frame.seq != seq:
                continue
            reply = self.parse(read_status, frame.payload)
            if reply.code != Status.OK:
                raise WireError(
                    f"{self.where}: event {first} and others were lost, and the device keeps them "
                    "no longer; begin the utterance again"
                )
            return
        raise LineError(f"{self.where}: no answer to EVENTS")

    def _frame_before(self, deadline: float) -> Frame | None:
        """The next whole frame, whatever else comes; None at the deadline."""
        while not self._frames:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._read(min(left, READ_PIECE_S), strict=False)
        return self._frames.popleft()
