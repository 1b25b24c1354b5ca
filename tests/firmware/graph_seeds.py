"""One small single-graph bundle per operator of the runtime, from hand-written records."""

import numpy as np
from edgesdk.bundle import Bundle, Plan
from edgesdk.bundle.plan import Fill, Port, Record, Ref, Value
from edgesdk_converters.lower import Packing, lower_single
from weight_forms import convolution

UNIT = (1 << 30, 1)  # multiplier and shift of factor 1
ARENA, STATE = 1024, 64
NPU_CONFIG, NPU_ID = 0x00001807, 0x10060000  # Ethos-U55 of 128 MACs, 24 KB of SHRAM; 1.0.6
IN, IN2, OUT, SCRATCH = (Ref("arena", at) for at in (0, 128, 256, 512))


class Constants:
    """Constants of one plan, each at a multiple of 16."""

    def __init__(self) -> None:
        self.data = b""
        self.rng = np.random.default_rng(3)

    def add(self, values: np.ndarray) -> int:
        ref = Ref("const", len(self.data)).encode()
        raw = values.tobytes()
        self.data += raw.ljust(-(-len(raw) // 16) * 16, b"\0")
        return ref

    def weights(self, *shape: int) -> int:
        return self.add(self.rng.integers(-128, 128, shape).astype(np.int8))

    def bias(self, count: int, dtype: str = "int32") -> int:
        return self.add(self.rng.integers(-999, 999, count).astype(dtype))

    def pairs(self, count: int) -> int:
        return self.add(np.array([[1 << 30, -4]] * count, np.int32))


def _fully_connected(c: Constants, wide: bool) -> tuple[int, dict[str, Value]]:
    return 2 * 6, {
        "input": IN.encode(),
        "weights": c.weights(6, 9),
        "bias": c.bias(6, "int64" if wide else "int32"),
        "scales": 0 if wide else c.pairs(6),
        "scratch": 0,
        "batches": 2,
        "depth": 9,
        "rows": 6,
        "sum_bits": 64 if wide else 32,
        "multiplier": 1 << 30,
        "shift": -4,
        "zero_point": 0,
        "low": -32768 if wide else -128,
        "high": 127,
    }


def _conv(c: Constants, depthwise: bool) -> tuple[int, dict[str, Value]]:
    channels = 6 if depthwise else 5
    return 3 * 2 * channels, {
        "input": IN.encode(),
        "weights": c.weights(2 * 3 * channels) if depthwise else c.weights(5, 2, 3, 3),
        "bias": c.bias(channels),
        "scales": c.pairs(channels),
        "pad_row": 0 if depthwise else c.weights(3),
        "scratch": 0,
        "in_h": 5,
        "in_w": 4,
        "in_c": 3,
        "out_h": 3,
        "out_w": 2,
        "out_c": channels,
        "kernel_h": 2,
        "kernel_w": 3,
        "stride_h": 2,
        "stride_w": 2,
        "dilation_h": 1,
        "dilation_w": 1,
        "pad_top": 0,
        "pad_left": 1,
        "input_zero_point": -3,
        "zero_point": 4,
        "low": -128,
        "high": 127,
    }


def _pool(_: Constants) -> tuple[int, dict[str, Value]]:
    return 3 * 2 * 3, {
        "input": IN.encode(),
        "in_h": 5,
        "in_w": 4,
        "channels": 3,
        "out_h": 3,
        "out_w": 2,
        "kernel_h": 2,
        "kernel_w": 3,
        "stride_h": 2,
        "stride_w": 2,
        "pad_top": 0,
        "pad_left": 1,
        "low": -128,
        "high": 127,
    }


def _arithmetic(_: Constants, wide: bool) -> tuple[int, dict[str, Value]]:
    return 24, {
        "input1": IN.encode(),
        "input2": IN2.encode(),
        "dims": (1, 2, 3, 4),
        "strides1": (0, 12, 4, 1),
        "strides2": (0, 0, 0, 1),
        "offset1": 0 if wide else 5,
        "offset2": 0 if wide else -9,
        "left_shift": 15 if wide else 20,
        "multiplier1": 1 << 30,
        "shift1": 0,
        "multiplier2": 1 << 30,
        "shift2": -1,
        "sign2": -1,
        "multiplier": 1 << 30,
        "shift": -14 if wide else -18,
        "zero_point": 0,
        "low": -128,
        "high": 127,
    }


def _lstm(c: Constants) -> tuple[int, dict[str, Value]]:
    inputs, cells = 7, 6
    return 3 * cells, {
        "input": IN.encode(),
        "hidden": Ref("state", 0).encode(),
        "cell": Ref("state", 16).encode(),
        "scratch": SCRATCH.encode(),
        "input_weights": tuple(c.weights(cells, inputs) for _ in range(4)),
        "recurrent_weights": tuple(c.weights(cells, cells) for _ in range(4)),
        "input_bias": tuple(c.bias(cells) for _ in range(4)),
        "recurrent_bias": tuple(c.bias(cells) for _ in range(4)),
        "input_multiplier": (1 << 30,) * 4,
        "input_shift": (-2,) * 4,
        "recurrent_multiplier": (1 << 30,) * 4,
        "recurrent_shift": (-2,) * 4,
        "steps": 3,
        "inputs": inputs,
        "cells": cells,
        "cell_fraction": 11,
        "cell_clip": 5000,
        "hidden_multiplier": 1 << 30,
        "hidden_shift": -21,
        "hidden_zero_point": -2,
    }


def _matmul(_: Constants) -> tuple[int, dict[str, Value]]:
    return 2 * 3 * 4, {
        "left": IN.encode(),
        "right": IN2.encode(),
        "batches": 2,
        "rows": 3,
        "columns": 4,
        "depth": 5,
        "left_strides": (15, 5, 1),
        "right_strides": (20, 1, 4),
        "left_zero_point": 7,
        "right_zero_point": -20,
        "multiplier": 1 << 30,
        "shift": -6,
        "zero_point": 3,
    }


def _svdf(c: Constants) -> tuple[int, dict[str, Value]]:
    filters, inputs, steps = 12, 7, 2
    return 6, {
        "input": IN.encode(),
        "memory": Ref("state", 0).encode(),
        "feature_weights": c.weights(filters, inputs),
        "feature_bias": c.bias(filters),
        "time_weights": c.add(c.rng.integers(-32768, 32768, (filters, steps)).astype(np.int16)),
        "bias": c.bias(6),
        "inputs": inputs,
        "filters": filters,
        "rank": 2,
        "steps": steps,
        "feature_multiplier": 1 << 30,
        "feature_shift": 2,
        "multiplier": 1 << 30,
        "shift": -20,
        "zero_point": -3,
    }


def _softmax16(c: Constants) -> tuple[int, dict[str, Value]]:
    rising = np.linspace(2, 32767, 513).astype(np.int16)
    return 10, {
        "input": IN.encode(),
        "exp_table": c.add(rising),
        "reciprocal_table": c.add(rising[::-1]),
        "rows": 2,
        "depth": 5,
        "multiplier": 1 << 30,
        "shift": 1,
    }


def _copy(_: Constants) -> tuple[int, dict[str, Value]]:
    return 60, {
        "input": IN.encode(),
        "input_bytes": 48,
        "width": 2,
        "dims": (1, 2, 3, 4),
        "in_strides": (2, 2, 4, 12),
        "out_strides": (2, 24, 8, 2),
        "out_start": 6,
    }


def _small(c: Constants) -> dict[str, tuple[int, dict[str, Value]]]:
    """Operators with few fields: output elements and values."""
    exps = np.exp(-np.arange(256) / 9.0) * (2**31 - 1)
    curve = {
        "input": IN.encode(),
        "table": c.add(np.arange(32768, 65536, 128).astype(np.uint16)),
        "count": 20,
        "multiplier": 20000,
        "left_shift": 3,
    }
    return {
        "LUT_8": (20, {"input": IN.encode(), "table": c.weights(256), "count": 20, "flip": 0x80}),
        "LOGISTIC_S16": (20, curve),
        "TANH_S16": (20, curve),
        "GATHER": (
            15,
            {
                "table": c.weights(7, 5),
                "indices": IN.encode(),
                "rows": 7,
                "row_bytes": 5,
                "count": 3,
            },
        ),
        "FILL": (20, {"count": 20, "width": 2, "value": -5}),
        "REQUANTISE": (
            20,
            {
                "input": IN.encode(),
                "input_dtype": 3,
                "count": 20,
                "multiplier": UNIT[0],
                "shift": -7,
                "input_zero_point": 0,
                "zero_point": -3,
            },
        ),
        "MEAN": (
            8,
            {
                "input": IN.encode(),
                "outer": 2,
                "reduce": 5,
                "inner": 4,
                "multiplier": UNIT[0],
                "shift": -2,
                "input_zero_point": 3,
                "zero_point": -3,
            },
        ),
        "SOFTMAX_S8": (
            30,
            {
                "input": IN.encode(),
                "exp_table": c.add(exps.astype(np.int32)),
                "rows": 3,
                "depth": 10,
            },
        ),
    }


def _npu(c: Constants) -> tuple[int, dict[str, Value]]:
    """A stream that copies 16 bytes of the weights to the output: DMA, wait, stop."""
    stream = np.array(
        [
            *(0x0130 | 0 << 16, 0x0131 | 1 << 16),  # regions of source and destination
            *(0x4030, 0, 0x4031, OUT.offset, 0x4032, 16),  # their offsets, and the length
            *(0x0010, 0x0011, 0xFFFF0000),
        ],
        np.uint32,
    )
    return 16, {
        "stream": c.add(stream),
        "weights": c.weights(16),
        "scratch": Ref("arena", 0).encode(),
        "fast": Ref("arena", 0).encode(),
        "stream_words": len(stream),
        "weights_bytes": 16,
        "scratch_bytes": ARENA,
        "fast_bytes": ARENA,
        "config": NPU_CONFIG,
        "id": NPU_ID,
    }


def _arg_extreme(_: Constants) -> tuple[int, dict[str, Value]]:
    return 8, {
        "input": IN.encode(),
        "input_dtype": 1,
        "outer": 2,
        "reduce": 5,
        "inner": 4,
        "sign": 1,
    }


def _log_softmax(c: Constants) -> tuple[int, dict[str, Value]]:
    exps = np.exp(-np.arange(256) / 9.0) * 2**19
    return 30, {
        "input": IN.encode(),
        "exp_table": c.add(exps.astype(np.int32)),
        "rows": 3,
        "depth": 10,
        "reach": 143,
        "multiplier": 1908874353,
        "shift": 23,
    }


def _fields(op: str, c: Constants) -> tuple[int, dict[str, Value]]:
    wide = op.endswith("_S16")
    if op.startswith("FULLY_CONNECTED"):
        return _fully_connected(c, wide)
    if op in ("CONV_S8", "DEPTHWISE_CONV_S8"):
        return _conv(c, op.startswith("DEPTHWISE"))
    if op.endswith("_POOL_S8"):
        return _pool(c)
    if op[:3] in ("ADD", "MUL", "PRE", "EXT"):
        return _arithmetic(c, wide)
    others = {
        "BATCH_MATMUL_S8": _matmul,
        "SVDF_S8": _svdf,
        "SOFTMAX_S16": _softmax16,
        "NPU_ETHOSU": _npu,
        "ARG_EXTREME": _arg_extreme,
        "LOG_SOFTMAX_S8": _log_softmax,
    }
    if op in others:
        return others[op](c)
    if op == "LSTM_S8":
        return _lstm(c)
    return _copy(c) if op == "COPY" else _small(c)[op]


def seed_plan(op: str) -> Plan:
    """A plan of one `op`, and of a fill that leaves its input as it is given."""
    constants = Constants()
    count, values = _fields(op, constants)
    dtype = "int16" if op.endswith("_S16") or op in ("COPY", "FILL") else "int8"
    dtype = "int64" if op == "ARG_EXTREME" else dtype
    width = np.dtype(dtype).itemsize
    out_bytes = values_bytes = count * width
    if op == "COPY":
        out_bytes = values_bytes = 60
        count = 30
    record = Record(op, OUT, out_bytes, dtype, values)
    inputs = [Port(IN, "int32" if op == "GATHER" else "int8", (32,), 0.1, 0)]
    if op == "GATHER":
        inputs = [Port(IN, "int32", (3,), 0.0, 0)]
    inputs.append(Port(IN2, "int8", (64,), 0.1, 0))
    out = Port(OUT, dtype, (values_bytes // width,), 0.1, 0)
    fills = (Fill(0, 6, 1, -2), Fill(16, 6, 2, 7))
    return Plan((record,), tuple(inputs), (out,), fills, constants.data, ARENA, STATE)


def seed_bundle(op: str) -> Bundle:
    """The plan as an image."""
    return Bundle({"GNET": seed_plan(op).encode()}, op)


def packed_conv() -> Bundle:
    """A convolution with packed weights, whose scratch could be placed wrongly."""
    data = convolution(np.random.default_rng(8), 2, (5, 9), "dsp")
    return lower_single(data, packing=Packing("dsp", "dense"))
