"""Device: an open link to a running board, real or emulated."""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesdk.board import Board
from edgesdk.core import EndpointMode
from edgesdk.endpoints import Endpoint
from edgesdk.errors import DeviceError, IdentityError, WireError
from edgesdk.flash import store
from edgesdk.lattice import Results, read_results
from edgesdk.link.boot import Boot
from edgesdk.link.channel import Channel, Handler
from edgesdk.link.listener import Listener, TokenHandler
from edgesdk.link.mending import MendingChannel
from edgesdk.link.messages import (
    START_ENDPOINT_SHIFT,
    START_LOGITS,
    START_PROFILE,
    ClockKind,
    Content,
    Final,
    GraphFacts,
    GraphId,
    Identity,
    Message,
    Metrics,
    OpCost,
    Reset,
    TensorFacts,
    TensorKind,
    Token,
    read_audio_taken,
    read_final,
    read_graph_facts,
    read_metrics,
    read_op_costs,
    read_results_part,
    read_run_cost,
    read_tensor_data,
    read_tensor_facts,
)
from edgesdk.link.power import power_on
from edgesdk.link.status import Status, next_step, status_text
from edgesdk.link.tables import DeviceTables
from edgesdk.link.transport import SerialTransport, Transport

DEFAULT_BAUD = 115_200
HELLO_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 60.0  # an emulated M55 may take seconds for one window of a large encoder
MENDED_PAYLOAD_BYTES = 512
ALL_OPERATORS = 0xFFFFFFFF
DTYPES = {1: np.int8, 2: np.uint8, 3: np.int16, 4: np.int32, 5: np.int64}

Samples = npt.NDArray[np.int16]
Meter = Callable[[Metrics], None]


@dataclass(frozen=True)
class Utterance:
    """What a device heard: tokens in order, and the joiner's logits where they were traced."""

    tokens: tuple[Token, ...]
    logits: tuple[bytes, ...] | None  # int8, one per joiner call
    logits_count: int
    samples: int
    results: Results | None = None  # where the bundle asks for some
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def logits_sha256(self) -> str | None:
        """Digest over all logits in order; None without a trace."""
        if self.logits is None:
            return None
        return hashlib.sha256(b"".join(self.logits)).hexdigest()


class Device:
    """A running board. Use as a context manager; leaving it powers an emulated board off."""

    def __init__(
        self, board: Board, transport: Transport, timeout_s: float, mends: bool = False
    ) -> None:
        self.board = board
        self.channel = (MendingChannel if mends else Channel)(transport, timeout_s)
        self.identity: Identity

    def __enter__(self) -> "Device":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the link."""
        self.channel.transport.close()

    @property
    def console(self) -> str:
        """What the device printed outside frames, the last 64 KiB."""
        return self.channel.console.decode("utf-8", "replace")

    def hello(self, timeout_s: float = HELLO_TIMEOUT_S) -> Identity:
        """Ask who is there and check that it is our board.

        Raises:
            NoAnswerError: silence.
            WireError: not our protocol.
            IdentityError: another board, or another version of our protocol.
        """
        self.identity = self.channel.hello(timeout_s)
        if self.identity.board != self.board.name:
            raise IdentityError(
                f"{self.channel.where}: this is board {self.identity.board!r}, not "
                f"{self.board.name!r}; name the right port or board"
            )
        return self.identity

    def check_bundle(self, digest: str) -> None:
        """Refuse a device that runs another bundle than the one with this digest.

        Raises:
            IdentityError: it does, or has none.
        """
        identity = self.identity
        if identity.content == Content.NONE:
            boot = self.channel.boot
            if identity.content_status == Status.FAULT and boot is not None and boot.faulted:
                raise IdentityError(
                    f"{self.channel.where}: the device opened no bundle after a {boot.describe()}; "
                    "check the memories of its board file, and flash it again"
                )
            raise IdentityError(
                f"{self.channel.where}: the device has no bundle "
                f"({status_text(identity.content_status)}); "
                f"{next_step(identity.content_status, 'flash one or use load()')}"
            )
        if identity.bundle_digest != digest:
            raise IdentityError(
                f"{self.channel.where}: the device runs bundle {identity.bundle_digest}, "
                f"not {digest}; flash it again"
            )

    @property
    def _payload_bytes(self) -> int:
        """Longest payload to send or ask for; short where frames may have to go again."""
        longest = self.identity.payload_max
        return min(longest, MENDED_PAYLOAD_BYTES) if self.channel.mends else longest

    def load(self, image: bytes) -> Identity:
        """Replace the bundle by device image bytes (Bundle.device_bytes).

        Raises:
            RefusedError: too large, which changes nothing; damaged, or needs kernels that the
                firmware lacks: the device then has no bundle.
        """
        channel = self.channel
        begin = struct.pack("<II", len(image), zlib.crc32(image))
        channel.request(Message.LOAD_BEGIN, begin)
        step = self._payload_bytes - 4
        for offset in range(0, len(image), step):
            part = struct.pack("<I", offset) + image[offset : offset + step]
            channel.post(Message.LOAD_DATA, part, Message.STATUS)
        channel.drain()
        channel.request(Message.LOAD_END)
        return self.hello()

    def recognise(
        self,
        pieces: Iterable[Samples],
        on_token: TokenHandler | None = None,
        *,
        trace: bool = False,
        profile: bool = False,
        endpoint: EndpointMode = EndpointMode.OFF,
        meter: Meter | None = None,
    ) -> Utterance:
        """Stream one utterance of int16 samples; `pieces` may have any lengths, 0 included.

        `trace` collects every logit, `profile` counts per operator, `endpoint` says what the device
        does with end points (its bundle needs settings for them), and `meter` is told after each
        piece what the utterance has cost so far.
        """
        listener = Listener(on_token)
        flags = (START_LOGITS if trace else 0) | (START_PROFILE if profile else 0)
        flags |= endpoint << START_ENDPOINT_SHIFT
        self.channel.forget_events()
        self.channel.request(Message.START, struct.pack("<I", flags))
        self.channel.begin_events()
        try:
            sent, final = self._stream(pieces, listener, meter)
        except BaseException:
            self.channel.forget()
            raise
        counted = (final.samples, final.tokens, final.logits if trace else len(listener.logits))
        if counted != (sent, len(listener.tokens), len(listener.logits)):
            raise WireError(
                f"{self.channel.where}: the device counts {final.samples} samples, {final.tokens} "
                f"tokens, {final.logits} joiner calls, we {sent}, {len(listener.tokens)}, "
                f"{len(listener.logits)}; report it with this line"
            )
        logits = tuple(listener.logits) if trace else None
        results = self._results(final.result_bytes) if final.result_bytes else None
        return Utterance(
            tokens=tuple(listener.tokens),
            logits=logits,
            logits_count=final.logits,
            samples=sent,
            results=results,
            endpoints=tuple(listener.endpoints),
        )

    def _results(self, size: int) -> Results:
        data = b""
        while len(data) < size:
            part = self.channel.ask(
                Message.RESULTS,
                struct.pack("<I", len(data)),
                Message.RESULTS_DATA,
                read_results_part,
            )
            if (part.total, part.offset) != (size, len(data)) or not part.data:
                raise WireError(
                    f"{self.channel.where}: {len(data)} of {size} bytes of results came, then "
                    f"{len(part.data)} from {part.offset} of {part.total}; report it with this line"
                )
            data += part.data
        return self.channel.parse(read_results, data)

    def _stream(
        self, pieces: Iterable[Samples], listener: Listener, meter: Meter | None
    ) -> tuple[int, Final]:
        def answered(message: Message, payload: bytes) -> None:
            if message == Message.AUDIO:
                self._check_code(message, read_audio_taken(payload).code)
            elif meter is not None:
                meter(read_metrics(payload))

        sent = 0
        for piece in pieces:
            sent = self._send_audio(piece, sent, answered, listener)
            if meter is not None:
                self.channel.post(
                    *(Message.METRICS, b"", Message.METRIC_VALUES, answered, listener.handle)
                )
        self.channel.drain(answered, listener.handle)
        final = self.channel.ask(
            Message.FINISH, b"", Message.FINAL, read_final, on_event=listener.handle
        )
        self.channel.check_events(listener.handle)
        self._check_code(Message.FINISH, final.code)
        return sent, final

    def _send_audio(self, piece: Samples, sent: int, answered: Handler, listener: Listener) -> int:
        data = np.ascontiguousarray(piece, "<i2").tobytes()
        step = (self._payload_bytes - 4) // 2 * 2
        for at in range(0, len(data), step):
            part = data[at : at + step]
            self.channel.post(
                Message.AUDIO,
                struct.pack("<I", sent) + part,
                Message.AUDIO_TAKEN,
                on_answer=answered,
                on_event=listener.handle,
            )
            sent += len(part) // 2
            if self._counts_reception:
                self.channel.drain(answered, listener.handle)
        return sent

    @property
    def _counts_reception(self) -> bool:
        """Whether bytes that come while it computes would be in its counts of instructions.

        On a UART each of them is an interrupt. Counts are then exact only where the next piece
        waits for the answer to the one before.
        """
        counts = self.identity.clock == ClockKind.INSTRUCTIONS
        return counts and self.channel.transport.interrupts

    def _check_code(self, message: Message, code: int) -> None:
        if code != Status.OK:
            raise WireError(
                f"{self.channel.where}: {message.name} failed on the device "
                f"({status_text(code)}); {next_step(code, 'validate the bundle')}"
            )

    @property
    def bias(self) -> DeviceTables:
        """Its bias tables."""
        return DeviceTables(self.channel, self.identity.payload_max)

    def metrics(self) -> Metrics:
        """Costs of the last utterance, memory and stack figures."""
        return self.channel.ask(Message.METRICS, b"", Message.METRIC_VALUES, read_metrics)

    def op_costs(self, graph: GraphId) -> tuple[OpCost, ...]:
        """Cost of every operator of a graph, since the last profiled START or GRAPH_RESET.

        Empty where the device does not count them: its clock counts nothing, or the bundle has
        more operators than it has room for.
        """
        costs: list[OpCost] = []
        while self.identity.clock != ClockKind.NONE:
            payload = struct.pack("<BI", graph, len(costs))
            part = self.channel.ask(
                Message.OP_COSTS, payload, Message.OP_COST_VALUES, read_op_costs
            )
            costs += part.costs
            if len(costs) >= part.total or not part.costs:
                break
        return tuple(costs)

    def reset(self, kind: Reset = Reset.UTTERANCE) -> Boot | None:
        """Forget the utterance; or restart the device, and say what it reports as cause."""
        self.channel.request(Message.RESET, bytes([kind]))
        if kind == Reset.UTTERANCE:
            return None
        boot = self.channel.await_boot(HELLO_TIMEOUT_S)
        self.hello()
        return boot

    def graph_facts(self, graph: GraphId) -> GraphFacts:
        """Counts and sizes of a graph."""
        return self.channel.ask(
            Message.GRAPH_INFO, bytes([graph]), Message.GRAPH_FACTS, read_graph_facts
        )

    def tensor_facts(self, graph: GraphId, kind: TensorKind, index: int) -> TensorFacts:
        """Type, shape and quantisation of an input, an output, or an operator's output."""
        payload = struct.pack("<BBI", graph, kind, index)
        return self.channel.ask(
            Message.GRAPH_TENSOR, payload, Message.TENSOR_FACTS, read_tensor_facts
        )

    def graph_write(self, graph: GraphId, index: int, data: bytes) -> None:
        """Fill input `index`."""
        step = self._payload_bytes - 9
        for offset in range(0, len(data), step):
            head = struct.pack("<BII", graph, index, offset)
            self.channel.request(Message.GRAPH_WRITE, head + data[offset : offset + step])

    def graph_read(self, graph: GraphId, kind: TensorKind, index: int) -> npt.NDArray[Any]:
        """Values of a tensor, in its shape and type."""
        facts = self.tensor_facts(graph, kind, index)
        step = self._payload_bytes - 4
        data = b""
        while len(data) < facts.bytes:
            size = min(step, facts.bytes - len(data))
            payload = struct.pack("<BBIII", graph, kind, index, len(data), size)
            data += self.channel.ask(
                Message.GRAPH_READ, payload, Message.TENSOR_DATA, read_tensor_data
            )
        values = np.frombuffer(data, DTYPES[facts.dtype])
        shaped = values.size == np.prod(facts.dims, dtype=np.int64)
        return values.reshape(facts.dims) if shaped else values

    def graph_run(self, graph: GraphId, stop: int = ALL_OPERATORS) -> int:
        """Run operators [0, stop); returns the cost in the device's clock."""
        payload = struct.pack("<BI", graph, stop)
        return self.channel.ask(Message.GRAPH_RUN, payload, Message.RUN_COST, read_run_cost)

    def graph_reset(self, graph: GraphId, *, profile: bool = False) -> None:
        """Set the state block to its start value; with `profile`, count per operator from here."""
        self.channel.request(Message.GRAPH_RESET, bytes([graph, profile]))


def open_device(
    board: Board,
    port: str | None = None,
    *,
    timeout_s: float = ANSWER_TIMEOUT_S,
    hello_timeout_s: float = HELLO_TIMEOUT_S,
    devices: Path | None = None,
    mends: bool = False,
) -> Device:
    """Power on an emulated board from its device folder, or open `port`, and say hello.

    `port` is any pyserial URL. `devices` replaces the folder of device folders. With `mends`, what
    the line loses or damages is sent again (docs/protocol.md); otherwise it is an error.

    Raises:
        DeviceError: nothing flashed, no such port, or hardware without a port.
        NoAnswerError: silence.
        WireError: another protocol, board or firmware.
    """
    if port is not None:
        baud = board.uart.baud if board.uart is not None else DEFAULT_BAUD
        device = Device(board, SerialTransport(port, baud), timeout_s, mends)
        return _greet(device, hello_timeout_s)
    if board.emulator is None:
        raise DeviceError(f"{board.name} is real hardware; name its port, see `edgesdk devices`")
    flashed = store.load(board.name, devices)
    device = _greet(Device(board, power_on(board, flashed), timeout_s, mends), hello_timeout_s)
    if device.identity.firmware_id != flashed.firmware_id:
        device.close()
        raise IdentityError(
            f"{board.name}: runs firmware {device.identity.firmware_id}, "
            f"{flashed.firmware_id} was flashed; flash it again"
        )
    return device


def _greet(device: Device, timeout_s: float) -> Device:
    try:
        device.hello(timeout_s)
    except BaseException:
        device.close()
        raise
    return device
