"""Graph sections: operator records, inputs, outputs, start values; encoded and decoded.

`OPERATORS` mirrors include/edge/plan.h and kernels/kernels.def; a test compares both.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgesdk.bundle.layout import align
from edgesdk.errors import BundleError

HEADER_BYTES = 64
IO_BYTES = 40
FILL_BYTES = 16
HEAD_BYTES = 16
SPACES = ("none", "const", "arena", "state")
NPU_OPERATOR = "NPU_ETHOSU"
NPU_FORM = "by Vela"  # how reports call a matrix in an NPU's streams, whose sizes are by operator
DTYPES = {1: "int8", 2: "uint8", 3: "int16", 4: "int32", 5: "int64"}
DTYPE_CODES = {name: code for code, name in DTYPES.items()}

# A record's fields behind its head: "name" or "name*count". A leading "&" marks references, "u"
# unsigned fields; all others are signed.
_FULLY_CONNECTED = (
    "&input &weights &bias &scales &scratch ubatches udepth urows usum_bits multiplier shift "
    "zero_point low high"
)
_CONV = (
    "&input &weights &bias &scales &pad_row &scratch uin_h uin_w uin_c uout_h uout_w uout_c "
    "ukernel_h ukernel_w ustride_h ustride_w udilation_h udilation_w upad_top upad_left "
    "input_zero_point zero_point low high"
)
_POOL = (
    "&input uin_h uin_w uchannels uout_h uout_w ukernel_h ukernel_w ustride_h ustride_w "
    "upad_top upad_left low high"
)
_ARITHMETIC = (
    "&input1 &input2 udims*4 ustrides1*4 ustrides2*4 offset1 offset2 left_shift multiplier1 "
    "shift1 multiplier2 shift2 sign2 multiplier shift zero_point low high"
)
_CURVE = "&input &table ucount multiplier left_shift"
_LSTM = (
    "&input &hidden &cell &scratch &input_weights*4 &recurrent_weights*4 &input_bias*4 "
    "&recurrent_bias*4 input_multiplier*4 input_shift*4 recurrent_multiplier*4 "
    "recurrent_shift*4 usteps uinputs ucells ucell_fraction cell_clip hidden_multiplier "
    "hidden_shift hidden_zero_point"
)
_MATMUL = (
    "&left &right ubatches urows ucolumns udepth uleft_strides*3 uright_strides*3 "
    "left_zero_point right_zero_point multiplier shift zero_point"
)
_SVDF = (
    "&input &memory &feature_weights &feature_bias &time_weights &bias uinputs ufilters urank "
    "usteps feature_multiplier feature_shift multiplier shift zero_point"
)
_SOFTMAX16 = "&input &exp_table &reciprocal_table urows udepth multiplier shift"
_NPU = (
    "&stream &weights &scratch &fast ustream_words uweights_bytes uscratch_bytes ufast_bytes "
    "uconfig uid"
)


@dataclass(frozen=True)
class Field:
    """One field of a record: `count` 32-bit words."""

    name: str
    kind: str  # "ref", "u32" or "i32"
    count: int = 1


def _fields(text: str) -> tuple[Field, ...]:
    kinds = {"&": "ref", "u": "u32"}
    fields = []
    for word in text.split():
        name, _, count = word.partition("*")
        kind = kinds.get(name[0], "i32")
        fields.append(Field(name if kind == "i32" else name[1:], kind, int(count or 1)))
    return tuple(fields)


@dataclass(frozen=True)
class Operator:
    """A kind of record: its code in the image, its kernel's name, its fields."""

    code: int
    name: str
    fields: tuple[Field, ...]

    @property
    def record_bytes(self) -> int:
        """Length of a record with its head."""
        return HEAD_BYTES + 4 * sum(f.count for f in self.fields)


OPERATORS = {
    op.name: op
    for op in (
        Operator(1, "FULLY_CONNECTED_S8", _fields(_FULLY_CONNECTED)),
        Operator(2, "FULLY_CONNECTED_S16", _fields(_FULLY_CONNECTED)),
        Operator(3, "LSTM_S8", _fields(_LSTM)),
        Operator(4, "CONV_S8", _fields(_CONV)),
        Operator(5, "DEPTHWISE_CONV_S8", _fields(_CONV)),
        Operator(6, "AVERAGE_POOL_S8", _fields(_POOL)),
        Operator(7, "MAX_POOL_S8", _fields(_POOL)),
        Operator(8, "ADD_S8", _fields(_ARITHMETIC)),
        Operator(9, "ADD_S16", _fields(_ARITHMETIC)),
        Operator(10, "MUL_S8", _fields(_ARITHMETIC)),
        Operator(11, "MUL_S16", _fields(_ARITHMETIC)),
        Operator(12, "LUT_8", _fields("&input &table ucount uflip")),
        Operator(13, "LOGISTIC_S16", _fields(_CURVE)),
        Operator(14, "TANH_S16", _fields(_CURVE)),
        Operator(15, "GATHER", _fields("&table &indices urows urow_bytes ucount")),
        Operator(
            16,
            "COPY",
            _fields("&input uinput_bytes uwidth udims*4 uin_strides*4 uout_strides*4 uout_start"),
        ),
        Operator(17, "FILL", _fields("ucount uwidth value")),
        Operator(
            18,
            "REQUANTISE",
            _fields("&input uinput_dtype ucount multiplier shift input_zero_point zero_point"),
        ),
        Operator(
            19,
            "MEAN",
            _fields("&input uouter ureduce uinner multiplier shift input_zero_point zero_point"),
        ),
        Operator(20, "SOFTMAX_S8", _fields("&input &exp_table urows udepth")),
        Operator(21, "EXTREME_S8", _fields(_ARITHMETIC)),
        Operator(22, "EXTREME_S16", _fields(_ARITHMETIC)),
        Operator(23, "PRELU_S8", _fields(_ARITHMETIC)),
        Operator(24, "BATCH_MATMUL_S8", _fields(_MATMUL)),
        Operator(25, "SVDF_S8", _fields(_SVDF)),
        Operator(26, "SOFTMAX_S16", _fields(_SOFTMAX16)),
        Operator(27, NPU_OPERATOR, _fields(_NPU)),
        Operator(28, "ARG_EXTREME", _fields("&input uinput_dtype uouter ureduce uinner sign")),
        Operator(
            29,
            "LOG_SOFTMAX_S8",
            _fields("&input &exp_table urows udepth ureach multiplier shift"),
        ),
    )
}
_BY_CODE = {op.code: op for op in OPERATORS.values()}

Value = int | tuple[int, ...]


@dataclass(frozen=True)
class Ref:
    """A buffer: space ("const", "arena", "state" or "none") and byte offset."""

    space: str = "none"
    offset: int = 0

    def encode(self) -> int:
        """The 32-bit reference."""
        return SPACES.index(self.space) << 30 | self.offset

    @classmethod
    def decode(cls, word: int) -> "Ref":
        """The reference in `word`."""
        return cls(SPACES[word >> 30], word & 0x3FFFFFFF)

    def __str__(self) -> str:
        return "-" if self.space == "none" else f"{self.space}+{self.offset}"


@dataclass(frozen=True)
class Record:
    """One operator of a plan; references among `values` are encoded words."""

    op: str
    out: Ref
    out_bytes: int
    out_dtype: str
    values: dict[str, Value] = field(default_factory=dict)
    variant: int = 0

    def encode(self) -> bytes:
        """The record's bytes.

        Raises:
            KeyError, struct.error: `values` do not fit the operator's fields.
        """
        kind = OPERATORS[self.op]
        head = struct.pack(
            "<BBHIII",
            kind.code,
            self.variant,
            kind.record_bytes // 4,
            self.out.encode(),
            self.out_bytes,
            DTYPE_CODES[self.out_dtype],
        )
        if set(self.values) != {f.name for f in kind.fields}:
            raise KeyError(f"{self.op}: {set(self.values) ^ {f.name for f in kind.fields}}")
        words = []
        for f in kind.fields:
            value = self.values[f.name]
            items = value if isinstance(value, tuple) else (value,)
            words.append(struct.pack(f"<{f.count}{'i' if f.kind == 'i32' else 'I'}", *items))
        return head + b"".join(words)

    def refs(self) -> dict[str, Ref]:
        """Every buffer that the record reads, by field ("weights", "input_bias[2]")."""
        found = {}
        for f in OPERATORS[self.op].fields:
            if f.kind == "ref":
                value = self.values[f.name]
                items = value if isinstance(value, tuple) else (value,)
                for i, word in enumerate(items):
                    if word:
                        found[f.name if f.count == 1 else f"{f.name}[{i}]"] = Ref.decode(word)
        return found


@dataclass(frozen=True)
class Port:
    """An input or output of a graph."""

    ref: Ref
    dtype: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the tensor."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    def encode(self) -> bytes:
        """The 40 bytes of the record."""
        dims = self.shape + (1,) * (4 - len(self.shape))
        code, rank = DTYPE_CODES[self.dtype], len(self.shape)
        head = struct.pack("<IIBBH", self.ref.encode(), self.size_bytes, code, rank, 0)
        return head + struct.pack("<4IfiI", *dims, self.scale, self.zero_point, 0)


@dataclass(frozen=True)
class Fill:
    """A stretch of the state block's start value: `count` elements of `width` bytes."""

    offset: int
    count: int
    width: int
    value: int


@dataclass(frozen=True)
class Plan:
    """A lowered graph: what the device walks."""

    records: tuple[Record, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    fills: tuple[Fill, ...]
    constants: bytes
    arena_bytes: int
    state_bytes: int

    def encode(self) -> bytes:
        """The graph section."""
        ops = b"".join(r.encode() for r in self.records)
        ports = b"".join(p.encode() for p in self.inputs + self.outputs)
        fills = b"".join(
            struct.pack("<IIIi", f.offset, f.count, f.width, f.value) for f in self.fills
        )
        ops_offset = HEADER_BYTES
        io_offset = ops_offset + len(ops)
        fill_offset = io_offset + len(ports)
        const_offset = align(fill_offset + len(fills))
        header = struct.pack(
            "<16I",
            len(self.records),
            ops_offset,
            len(ops),
            len(self.inputs),
            len(self.outputs),
            io_offset,
            const_offset,
            len(self.constants),
            self.arena_bytes,
            self.state_bytes,
            fill_offset,
            len(self.fills),
            *(0, 0, 0, 0),
        )
        front = header + ops + ports + fills
        return front.ljust(const_offset, b"\0") + self.constants


def read_plan(section: bytes, source: str) -> Plan:
    """The plan in a graph section; `source` names it in errors.

    Raises:
        BundleError: a record or table lies outside the section, or an operator is unknown.
    """
    try:
        return _read_plan(section)
    except (struct.error, IndexError, KeyError, ValueError) as err:
        raise BundleError(f"{source}: damaged plan ({err}); convert the model again") from None


def _read_plan(section: bytes) -> Plan:
    words = struct.unpack_from("<16I", section)
    op_count, ops_offset, ops_bytes, inputs, outputs, io_offset = words[:6]
    const_offset, const_bytes, arena_bytes, state_bytes, fill_offset, fill_count = words[6:12]
    if max(op_count, inputs, outputs, fill_count) > len(section):
        raise ValueError("more records than bytes")
    if const_offset + const_bytes > len(section):
        raise ValueError("constants end behind the section")
    records, at = [], ops_offset
    for _ in range(op_count):
        records.append(_read_record(section, at))
        at += OPERATORS[records[-1].op].record_bytes
    if at != ops_offset + ops_bytes:
        raise ValueError("operator records do not fill their table")
    ports = [_read_port(section, io_offset + IO_BYTES * i) for i in range(inputs + outputs)]
    fills = tuple(
        Fill(*struct.unpack_from("<IIIi", section, fill_offset + FILL_BYTES * i))
        for i in range(fill_count)
    )
    constants = section[const_offset : const_offset + const_bytes]
    split = tuple(ports[:inputs]), tuple(ports[inputs:])
    return Plan(tuple(records), *split, fills, constants, arena_bytes, state_bytes)


def _read_record(section: bytes, at: int) -> Record:
    code, variant, words, out, out_bytes, dtype = struct.unpack_from("<BBHIII", section, at)
    if code not in _BY_CODE or words * 4 != _BY_CODE[code].record_bytes:
        raise ValueError(f"unknown operator {code} of {words} words")
    kind = _BY_CODE[code]
    values: dict[str, Value] = {}
    at += HEAD_BYTES
    for f in kind.fields:
        items = struct.unpack_from(f"<{f.count}{'i' if f.kind == 'i32' else 'I'}", section, at)
        values[f.name] = items if f.count > 1 else items[0]
        at += 4 * f.count
    return Record(kind.name, Ref.decode(out), out_bytes, DTYPES[dtype], values, variant)


def _read_port(section: bytes, at: int) -> Port:
    ref, _, code, rank, _ = struct.unpack_from("<IIBBH", section, at)
    dims = struct.unpack_from("<4I", section, at + 12)
    scale, zero_point = struct.unpack_from("<fi", section, at + 28)
    return Port(Ref.decode(ref), DTYPES[code], tuple(dims[:rank]), scale, zero_point)


def constant(plan: Plan, ref: Ref, dtype: str, shape: Sequence[int]) -> NDArray[np.generic]:
    """The constant at `ref` as an array."""
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(plan.constants, dtype, count, ref.offset).reshape(shape)
