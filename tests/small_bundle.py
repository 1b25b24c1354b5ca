"""Bundles made by hand, without any converter: what the link and the boards are tested with."""

from dataclasses import replace

import numpy as np
from edgesdk.bundle import Bundle, Plan
from edgesdk.bundle.plan import Fill, Port, Record, Ref, Value
from edgesdk_converters.endpoint_graph import quantise_scorer
from edgesdk_converters.lower.scorer import lower_scorer
from front_sections import (
    FrontEnd,
    Search,
    endpoint_section,
    features_section,
    search_section,
    tokens_section,
)

VOCAB = 32
MEL_BINS = 8
WINDOW = 4
SCALE = 0.1


def _port(space: str, offset: int, shape: tuple[int, ...], dtype: str = "int8") -> Port:
    return Port(Ref(space, offset), dtype, shape, SCALE, 0)


def _add(out: Ref, left: Ref, right: Ref, count: int) -> Record:
    """Sum of two int8 tensors with equal quantisation, as TFLite prepares it."""
    half = 1 << 30
    values: dict[str, Value] = {
        "input1": left.encode(),
        "input2": right.encode(),
        "dims": (1, 1, 1, count),
        "strides1": (count, count, count, 1),
        "strides2": (count, count, count, 1),
        "offset1": 0,
        "offset2": 0,
        "left_shift": 20,
        "multiplier1": half,
        "shift1": 0,
        "multiplier2": half,
        "shift2": 0,
        "sign2": 1,
        "multiplier": half,
        "shift": -18,
        "zero_point": 0,
        "low": -128,
        "high": 127,
    }
    return Record("ADD_S8", out, count, "int8", values)


def _look_up(out: Ref, source: Ref, table: Ref, count: int) -> Record:
    values: dict[str, Value] = {
        "input": source.encode(),
        "table": table.encode(),
        "count": count,
        "flip": 0x80,
    }
    return Record("LUT_8", out, count, "int8", values)


def echo_plan(count: int = 32) -> Plan:
    """state = table[input] + state, starting at 5; the output is the state."""
    table = np.arange(-128, 128).astype(np.int8)[::-1].tobytes()
    arena, state = Ref("arena", 0), Ref("state", 0)
    looked_up = Ref("arena", count)
    records = (
        _look_up(looked_up, arena, Ref("const", 0), count),
        _add(state, looked_up, state, count),
    )
    outputs = (_port("state", 0, (1, count)),)
    inputs = (_port("arena", 0, (1, count)),)
    return Plan(records, inputs, outputs, (Fill(0, count, 1, 5),), table, 2 * count, count)


def single_bundle(count: int = 32) -> Bundle:
    """One graph with a state and two operators on `count` values, a multiple of 16."""
    return Bundle({"GNET": echo_plan(count).encode()}, "single")


def npu_bundle(config: int) -> Bundle:
    """One step for the NPU with that CONFIG word, with a stream that nothing may run."""
    values = dict.fromkeys(("stream", "weights", "scratch", "fast", "stream_words", "id"), 0)
    values |= {"weights_bytes": 0, "scratch_bytes": 16, "fast_bytes": 16, "config": config}
    step = Record("NPU_ETHOSU", Ref("arena", 0), 16, "int8", values)
    return Bundle({"GNET": Plan((step,), (), (), (), bytes(16), 16, 0).encode()}, "net.edge")


def _encoder(generator: np.random.Generator) -> Plan:
    table = generator.integers(-128, 128, 256).astype(np.int8).tobytes()
    count = WINDOW * MEL_BINS
    looked_up, state = Ref("arena", 32), Ref("state", 0)
    records = (
        _look_up(looked_up, Ref("arena", 0), Ref("const", 0), count),
        _add(state, looked_up, state, count),
        _look_up(Ref("arena", 64), state, Ref("const", 0), count),
    )
    inputs = (_port("arena", 0, (1, WINDOW, MEL_BINS)),)
    outputs = (_port("arena", 64, (1, 1, count)),)
    return Plan(records, inputs, outputs, (Fill(0, count, 1, 0),), table, 96, 32)


def _predictor(generator: np.random.Generator, *, stateful: bool) -> Plan:
    """A row per token; with a state, the sum of all rows so far."""
    table = generator.integers(-60, 60, (VOCAB, VOCAB)).astype(np.int8)
    values: dict[str, Value] = {
        "table": Ref("const", 0).encode(),
        "indices": Ref("arena", 0).encode(),
        "rows": VOCAB,
        "row_bytes": VOCAB,
        "count": 1,
    }
    row = Record("GATHER", Ref("arena", 16), VOCAB, "int8", values)
    inputs = (_port("arena", 0, (1, 1), "int32"),)
    if not stateful:
        return Plan((row,), inputs, (_port("arena", 16, (1, VOCAB)),), (), table.tobytes(), 48, 0)
    state = Ref("state", 0)
    records = (row, _add(state, Ref("arena", 16), state, VOCAB))
    outputs, fills = (_port("state", 0, (1, VOCAB)),), (Fill(0, VOCAB, 1, 0),)
    return Plan(records, inputs, outputs, fills, table.tobytes(), 48, VOCAB)


def _joiner(operators: int) -> Plan:
    """The sum of both inputs, computed as often as `operators` says."""
    left, right, out = (Ref("arena", at) for at in (0, 32, 64))
    inputs = (_port("arena", 0, (1, VOCAB)), _port("arena", 32, (1, VOCAB)))
    records = (_add(out, left, right, VOCAB),) * operators
    return Plan(records, inputs, (_port("arena", 64, (1, VOCAB)),), (), b"", 96, 0)


def with_scorer(bundle: Bundle, seed: int = 1) -> Bundle:
    """The bundle with a graph of 5 hidden cells that scores end points, and its .tflite file."""
    rng = np.random.default_rng(seed)
    sizes = ((5, 8), (1, 5))
    layers = [
        (rng.normal(0, 1.5, size).astype(np.float32), rng.normal(0, 0.5, size[0]).astype("<f4"))
        for size in sizes
    ]
    tflite = quantise_scorer(layers, rng.uniform(-1, 1, (200, 8)).astype(np.float32))
    return bundle.with_sections(GEND=lower_scorer(tflite).encode(), tend=tflite)


def recogniser_bundle(
    seed: int = 7, joiner_operators: int = 1, beam: int = 1, *, stateful: bool = False
) -> Bundle:
    """A recogniser of random tables: it hears nonsense, but the same nonsense everywhere."""
    generator = np.random.default_rng(seed)
    front = FrontEnd(
        mel_bins=MEL_BINS,
        window_frames=WINDOW,
        window_shift=WINDOW,
        input_scale=SCALE,
        input_zero_point=0,
    )
    search = Search(vocab=VOCAB, joiner_dim=VOCAB, context_size=1, max_symbols=2, logit_scale=SCALE)
    if beam > 1:
        sizes = {"max_tokens": 60 * beam, "cache": 2 * beam, "nbest": beam, "max_arcs": 40 * beam}
        search = replace(search, beam=beam, prune_q16=20 << 16, **sizes)
    pieces = ["<blk>", *(f"▁t{i}" if i % 3 == 0 else f"p{i}" for i in range(1, VOCAB))]
    return Bundle(
        {
            "FEAT": features_section(front),
            "TOKS": tokens_section(pieces),
            "SRCH": search_section(search),
            "ENDP": endpoint_section(),
            "GENC": _encoder(generator).encode(),
            "GPRE": _predictor(generator, stateful=stateful).encode(),
            "GJNT": _joiner(joiner_operators).encode(),
        },
        "small",
    )
