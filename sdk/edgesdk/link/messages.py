"""Messages of the link: numbers as in edge/wire.h (held by a test), payloads as values."""

from dataclasses import dataclass, field, replace
from enum import IntEnum

from edgesdk.link.boot import Boot, take_boot
from edgesdk.link.payload import Cursor, VersionError

PROTOCOL_VERSION = 2
IMAGE_DIGEST_BYTES = 8


class Message(IntEnum):
    """Below 0x80 requests, 0x80 to 0xBF answers, from 0xC0 events."""

    HELLO = 0x01
    PING = 0x02
    RESET = 0x03
    LOAD_BEGIN = 0x10
    LOAD_DATA = 0x11
    LOAD_END = 0x12
    START = 0x20
    AUDIO = 0x21
    FINISH = 0x22
    METRICS = 0x23
    OP_COSTS = 0x24
    RESULTS = 0x25
    EVENTS = 0x26
    GRAPH_INFO = 0x30
    GRAPH_TENSOR = 0x31
    GRAPH_WRITE = 0x32
    GRAPH_READ = 0x33
    GRAPH_RUN = 0x34
    GRAPH_RESET = 0x35
    BIAS_BEGIN = 0x40
    BIAS_DATA = 0x41
    BIAS_END = 0x42
    BIAS_USE = 0x43
    BIAS_CLEAR = 0x44
    BIAS_LIST = 0x45
    STATUS = 0x80
    IDENTITY = 0x81
    PONG = 0x82
    AUDIO_TAKEN = 0x83
    FINAL = 0x84
    METRIC_VALUES = 0x85
    OP_COST_VALUES = 0x86
    GRAPH_FACTS = 0x87
    TENSOR_FACTS = 0x88
    TENSOR_DATA = 0x89
    RUN_COST = 0x8A
    RESULTS_DATA = 0x8B
    BIAS_TABLES = 0x90
    BOOT = 0xC0
    TOKEN = 0xC1
    LOGITS = 0xC2
    ENDPOINT = 0xC3
    UTTERANCE_RESULTS = 0xC4


FIRST_EVENT = 0xC0
START_LOGITS = 1
START_PROFILE = 2
START_ENDPOINT_SHIFT = 2


class Reset(IntEnum):
    """Kinds of RESET."""

    UTTERANCE = 0
    REBOOT = 1
    TRAP = 2


class ClockKind(IntEnum):
    """What a device's clock counts."""

    NONE = 0
    INSTRUCTIONS = 1
    CYCLES = 2


class Content(IntEnum):
    """What a device can run."""

    NONE = 0
    RECOGNISER = 1
    SINGLE = 2


class GraphId(IntEnum):
    """Graphs of a bundle."""

    ENCODER = 0
    PREDICTOR = 1
    JOINER = 2
    SINGLE = 3
    ADAPTER = 4
    ENDPOINT = 5


class TensorKind(IntEnum):
    """Where a tensor stands in its graph."""

    INPUT = 0
    OUTPUT = 1
    OPERATOR = 2


@dataclass(frozen=True)
class Identity:
    """Who a device is and what it can take; sizes in bytes."""

    protocol: int
    clock: ClockKind
    clock_hz: int
    payload_max: int
    receive_bytes: int
    model_bytes: int
    workspace_bytes: int
    content: Content
    content_status: int
    image_bytes: int
    bundle_digest: str  # hexadecimal; "" where there is no content
    boot: Boot
    board: str
    firmware_id: str
    kernels: tuple[int, ...]


def read_identity(payload: bytes) -> Identity:
    """Payload of IDENTITY; only the version is looked at where it is not ours."""
    cursor = Cursor(payload, "IDENTITY")
    protocol = cursor.numbers("I")[0]
    if protocol != PROTOCOL_VERSION:
        raise VersionError(
            f"the device speaks protocol {protocol}, this edgesdk {PROTOCOL_VERSION}; "
            "flash the firmware of this edgesdk version"
        )
    clock, clock_hz, payload_max, receive, model, workspace, content = cursor.numbers("7I")
    content_status, image_bytes = cursor.numbers("iI")
    digest = cursor.take(IMAGE_DIGEST_BYTES).hex()
    boot = take_boot(cursor)
    board, firmware_id = cursor.text(), cursor.text()
    kernels = tuple(cursor.take(cursor.take(1)[0]))
    cursor.end()
    return Identity(
        protocol=protocol,
        clock=ClockKind(clock),
        clock_hz=clock_hz,
        payload_max=payload_max,
        receive_bytes=receive,
        model_bytes=model,
        workspace_bytes=workspace,
        content=Content(content),
        content_status=content_status,
        image_bytes=image_bytes,
        bundle_digest=digest if content else "",
        boot=boot,
        board=board,
        firmware_id=firmware_id,
        kernels=kernels,
    )


@dataclass(frozen=True)
class StatusReply:
    """Payload of STATUS: a code, and the request's type (0: no request, a damaged frame)."""

    code: int
    request: int


def read_status(payload: bytes) -> StatusReply:
    """Payload of STATUS."""
    cursor = Cursor(payload, "STATUS")
    reply = StatusReply(*cursor.numbers("iB"))
    cursor.end()
    return reply


@dataclass(frozen=True)
class AudioTaken:
    """Status of an AUDIO piece and samples taken since START."""

    code: int
    samples: int


def read_audio_taken(payload: bytes) -> AudioTaken:
    """Payload of AUDIO_TAKEN."""
    cursor = Cursor(payload, "AUDIO_TAKEN")
    taken = AudioTaken(*cursor.numbers("iI"))
    cursor.end()
    return taken


@dataclass(frozen=True)
class Token:
    """One emitted token: log probability (natural), time of its encoder frame, text."""

    id: int
    logprob: float
    time_ms: int
    piece: str


def read_token(payload: bytes) -> Token:
    """Payload of TOKEN."""
    cursor = Cursor(payload, "TOKEN")
    token, logprob_q16, time_ms = cursor.numbers("iiI")
    piece = cursor.text()
    cursor.end()
    return Token(token, logprob_q16 / 65536, time_ms, piece)


@dataclass(frozen=True)
class LogitsPart:
    """A part of one joiner call's int8 logits: bytes [offset, offset + len(data)) of total."""

    frame: int
    symbol: int
    total: int
    offset: int
    data: bytes


def read_logits(payload: bytes) -> LogitsPart:
    """Payload of LOGITS."""
    cursor = Cursor(payload, "LOGITS")
    frame, symbol, total, offset = cursor.numbers("4I")
    return LogitsPart(frame, symbol, total, offset, cursor.rest())


@dataclass(frozen=True)
class Final:
    """End of an utterance: status, how many samples, tokens and joiner calls it had; bytes."""

    code: int
    samples: int
    tokens: int
    logits: int
    result_bytes: int  # 0: the bundle asks for no n-best list and no lattice


def read_final(payload: bytes) -> Final:
    """Payload of FINAL."""
    cursor = Cursor(payload, "FINAL")
    final = Final(*cursor.numbers("i4I"))
    cursor.end()
    return final


@dataclass(frozen=True)
class ResultsPart:
    """A part of an utterance's results: bytes [offset, offset + len(data)) of total."""

    total: int
    offset: int
    data: bytes


def read_results_part(payload: bytes) -> ResultsPart:
    """Payload of RESULTS_DATA."""
    cursor = Cursor(payload, "RESULTS_DATA")
    total, offset = cursor.numbers("II")
    return ResultsPart(total, offset, cursor.rest())


@dataclass(frozen=True)
class NpuCounts:
    """What an NPU's own counters say of the last utterance; an emulated NPU has no cycles.

    Beats are those of the AXI ports, 8 bytes each on U55, 16 on U65.
    """

    jobs: int
    cycles: int
    mac_cycles: int
    axi0_read_beats: int
    axi0_written_beats: int
    axi1_read_beats: int


@dataclass(frozen=True)
class Metrics:
    """Costs of the last utterance in the device's clock, and memory in bytes."""

    features: int
    encoder: int
    adapter: int
    predictor: int
    joiner: int
    search: int
    bias: int
    lattice: int
    endpoint: int
    encoder_calls: int
    adapter_calls: int
    predictor_calls: int
    joiner_calls: int
    endpoint_calls: int
    predictor_hits: int
    samples: int
    arena_bytes: int
    state_bytes: int
    workspace_bytes: int
    stack_bytes: int
    stack_high_water: int
    receive_bytes: int
    receive_high_water: int
    receive_lost: int
    npu: NpuCounts | None = field(default=None, kw_only=True)  # None: the board has none

    @property
    def total(self) -> int:
        """Sum of all parts' costs."""
        graphs = self.encoder + self.adapter + self.predictor + self.joiner
        return self.features + graphs + self.search + self.bias + self.lattice + self.endpoint


def read_metrics(payload: bytes) -> Metrics:
    """Payload of METRIC_VALUES."""
    cursor = Cursor(payload, "METRIC_VALUES")
    metrics = Metrics(*cursor.numbers("9Q15I"))
    npu = NpuCounts(*cursor.numbers("6Q")) if cursor.at < len(payload) else None
    cursor.end()
    return replace(metrics, npu=npu)


@dataclass(frozen=True)
class OpCost:
    """Cost of one plan operator, summed since START or GRAPH_RESET."""

    index: int
    code: int
    cost: int


@dataclass(frozen=True)
class OpCosts:
    """Some operators' costs, and how many operators the graph has."""

    total: int
    costs: tuple[OpCost, ...]


def read_op_costs(payload: bytes) -> OpCosts:
    """Payload of OP_COST_VALUES."""
    cursor = Cursor(payload, "OP_COST_VALUES")
    first, total = cursor.numbers("II")
    costs: list[OpCost] = []
    while cursor.at < len(payload):
        code, cost = cursor.numbers("IQ")
        costs.append(OpCost(first + len(costs), code, cost))
    return OpCosts(total, tuple(costs))


@dataclass(frozen=True)
class GraphFacts:
    """Counts and sizes of a graph."""

    op_count: int
    input_count: int
    output_count: int
    arena_bytes: int
    state_bytes: int


def read_graph_facts(payload: bytes) -> GraphFacts:
    """Payload of GRAPH_FACTS."""
    cursor = Cursor(payload, "GRAPH_FACTS")
    facts = GraphFacts(*cursor.numbers("5I"))
    cursor.end()
    return facts


@dataclass(frozen=True)
class TensorFacts:
    """A tensor as edge_tensor_t has it; code is the operator's (0 for inputs and outputs)."""

    bytes: int
    dtype: int
    dims: tuple[int, ...]
    scale: float
    zero_point: int
    code: int


def read_tensor_facts(payload: bytes) -> TensorFacts:
    """Payload of TENSOR_FACTS."""
    cursor = Cursor(payload, "TENSOR_FACTS")
    size, dtype, rank, *dims = cursor.numbers("7I")
    scale, zero_point, code = cursor.numbers("fiI")
    cursor.end()
    return TensorFacts(size, dtype, tuple(dims[:rank]), float(scale), zero_point, code)


def read_tensor_data(payload: bytes) -> bytes:
    """Payload of TENSOR_DATA behind its offset."""
    cursor = Cursor(payload, "TENSOR_DATA")
    cursor.numbers("I")
    return cursor.rest()


def read_run_cost(payload: bytes) -> int:
    """Payload of RUN_COST."""
    cursor = Cursor(payload, "RUN_COST")
    cost = cursor.numbers("Q")[0]
    cursor.end()
    return cost
