"""FEAT, SRCH and TOKS sections packed from docs/image.md alone, and slow float64 oracles."""

import math
import struct
from dataclasses import dataclass, field

import numpy as np
from edgesdk.bundle.layout import align
from edgesdk.bundle.plan import Plan, Port, Record, Ref
from numpy.typing import NDArray

FLOOR = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class FrontEnd:
    """Options of Kaldi's filterbank and of the windows, with this project's usual values."""

    sample_rate: int = 16000
    frame_length: int = 400
    frame_shift: int = 160
    mel_bins: int = 40
    low_freq: float = 20.0
    high_freq: float = -400.0
    preemph: float = 0.97
    window_type: str = "povey"
    remove_dc: bool = True
    snip_edges: bool = True
    use_power: bool = True
    sample_scale: float = 1.0 / 32768.0
    window_frames: int = 4
    window_shift: int = 4
    tail_padding: int = 6400
    input_scale: float = 0.05
    input_zero_point: int = -3
    padding_q: int = -100
    mean: tuple[float, ...] = field(default=())
    inv_std: tuple[float, ...] = field(default=())

    @property
    def fft_size(self) -> int:
        return 1 << (self.frame_length - 1).bit_length()

    def means(self) -> NDArray[np.float64]:
        return np.array(self.mean or [-6.0] * self.mel_bins)

    def inv_stds(self) -> NDArray[np.float64]:
        return np.array(self.inv_std or [0.4] * self.mel_bins)


def window_function(front: FrontEnd) -> NDArray[np.float64]:
    cosine = np.cos(2 * np.pi * np.arange(front.frame_length) / (front.frame_length - 1))
    return {
        "povey": (0.5 - 0.5 * cosine) ** 0.85,
        "hanning": 0.5 - 0.5 * cosine,
        "hamming": 0.54 - 0.46 * cosine,
        "rectangular": np.ones(front.frame_length),
    }[front.window_type]


def mel_bank(front: FrontEnd) -> NDArray[np.float64]:
    """Triangular filters [mel_bins, fft_size / 2]."""
    nyquist = front.sample_rate / 2
    high = front.high_freq + nyquist if front.high_freq <= 0 else front.high_freq

    def mel(frequency: float) -> float:
        return 1127.0 * math.log(1.0 + frequency / 700.0)

    corners = np.linspace(mel(front.low_freq), mel(high), front.mel_bins + 2)
    bank = np.zeros((front.mel_bins, front.fft_size // 2))
    for m in range(front.mel_bins):
        left, centre, right = corners[m : m + 3]
        for k in range(front.fft_size // 2):
            at = mel(k * front.sample_rate / front.fft_size)
            if left < at <= centre:
                bank[m, k] = (at - left) / (centre - left)
            elif centre < at < right:
                bank[m, k] = (right - at) / (right - centre)
    return bank


def _frame_starts(front: FrontEnd, count: int) -> list[int]:
    if front.snip_edges:
        frames = 0
        if count >= front.frame_length:
            frames = 1 + (count - front.frame_length) // front.frame_shift
        return [t * front.frame_shift for t in range(frames)]
    frames = (count + front.frame_shift // 2) // front.frame_shift
    offset = front.frame_shift // 2 - front.frame_length // 2
    return [t * front.frame_shift + offset for t in range(frames)]


def log_mel(front: FrontEnd, samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """Kaldi's filterbank of a whole utterance, sample by sample, in float64."""
    bank = mel_bank(front)
    window = window_function(front)
    frames = []
    for start in _frame_starts(front, len(samples)):
        at = np.arange(start, start + front.frame_length)
        while np.any((at < 0) | (at >= len(samples))):
            at = np.where(at < 0, -1 - at, at)
            at = np.where(at >= len(samples), 2 * len(samples) - 1 - at, at)
        frame = samples[at].astype(np.float64) * front.sample_scale
        if front.remove_dc:
            frame = frame - frame.mean()
        frame = frame - front.preemph * np.concatenate([frame[:1], frame[:-1]])
        spectrum = np.abs(np.fft.rfft(frame * window, front.fft_size))[:-1]
        energy = bank @ (spectrum**2 if front.use_power else spectrum)
        frames.append(np.log(np.maximum(energy, FLOOR)))
    return np.array(frames).reshape(-1, front.mel_bins)


def quantise(front: FrontEnd, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantised features before rounding and clamping."""
    normal = (features - front.means()) * front.inv_stds()
    return normal / front.input_scale + front.input_zero_point


def features_section(front: FrontEnd) -> bytes:
    """FEAT."""
    size = front.fft_size
    angle = 2 * np.pi * np.arange(size // 2) / size
    twiddles = np.stack([np.cos(angle), -np.sin(angle)], axis=1)
    bands, weights = b"", []
    for row in mel_bank(front):
        used = np.flatnonzero(row)
        first, count = (int(used[0]), int(used[-1] - used[0] + 1)) if used.size else (0, 0)
        bands += struct.pack("<HHI", first, count, len(weights))
        weights += list(row[first : first + count])

    def floats(values: object) -> bytes:
        return np.asarray(values, "<f4").tobytes()

    tables = [
        floats(window_function(front)),
        floats(twiddles),
        bands,
        floats(weights),
        floats(front.means()),
        floats(front.inv_stds()),
    ]
    offsets = [112 + sum(map(len, tables[:i])) for i in range(len(tables))]
    flags = front.remove_dc | front.use_power << 1 | front.snip_edges << 2
    header = struct.pack(
        "<9I I 5f f 2i",
        front.sample_rate,
        front.frame_length,
        front.frame_shift,
        size,
        front.mel_bins,
        front.window_frames,
        front.window_shift,
        front.tail_padding,
        flags,
        ["povey", "hanning", "hamming", "rectangular"].index(front.window_type) + 1,
        front.preemph,
        front.sample_scale,
        FLOOR,
        front.low_freq,
        front.high_freq,
        1.0 / front.input_scale,
        front.input_zero_point,
        front.padding_q,
    )
    header += struct.pack("<7I", *offsets[:4], len(weights), *offsets[4:]) + bytes(12)
    assert len(header) == 112
    return header + b"".join(tables)


@dataclass(frozen=True)
class Search:
    """Settings of the transducer search."""

    vocab: int = 16
    joiner_dim: int = 24
    frames_out: int = 1
    frame_us: int = 40000
    blank: int = 0
    start: int = 0
    context_size: int = 2
    max_symbols: int = 3
    logit_scale: float = 0.1
    beam: int = 1
    prune_q16: int = 0
    max_tokens: int = 1
    cache: int = 2
    nbest: int = 0
    max_arcs: int = 0


def search_section(search: Search) -> bytes:
    """SRCH."""
    header = struct.pack(
        "<16I",
        2,
        search.blank,
        search.start,
        search.context_size,
        search.max_symbols,
        search.vocab,
        search.joiner_dim,
        search.frames_out,
        search.frame_us,
        round(search.logit_scale * 2**24),
        search.beam,
        search.prune_q16,
        search.max_tokens,
        search.cache,
        search.nbest,
        search.max_arcs,
    )
    table = [round(math.exp(-d * search.logit_scale) * 2**24) for d in range(256)]
    return header + struct.pack("<256I", *table)


def tokens_section(pieces: list[str]) -> bytes:
    """TOKS."""
    encoded = [piece.encode() for piece in pieces]
    ends = np.cumsum([0] + [len(piece) for piece in encoded])
    text = b"".join(encoded)
    return struct.pack(f"<{2 + len(ends)}I", len(pieces), len(text), *map(int, ends)) + text


def _constant_plan(
    inputs: list[tuple[str, tuple[int, ...], float, int]], outputs: int, scale: float
) -> bytes:
    """A graph section that ignores its inputs and answers 1, 1, 1..."""
    ports, at = [], 0
    for dtype, shape, input_scale, zero_point in inputs:
        ports.append(Port(Ref("arena", at), dtype, shape, input_scale, zero_point))
        at += align(ports[-1].size_bytes)
    out = Port(Ref("arena", at), "int8", (1, outputs), scale, 0)
    fill = Record("FILL", out.ref, outputs, "int8", {"count": outputs, "width": 1, "value": 1})
    return Plan((fill,), tuple(ports), (out,), (), b"", at + align(outputs), 0).encode()


def endpoint_section(pause_ms: int = 300, weight: float = 1.0) -> bytes:
    """ENDP: the early end-pointer after half the pause, by rule or by score."""
    settings = b""
    for share, threshold in ((1, 0.3), (2, 0.6)):
        settings += struct.pack(
            "<9I", *(1, 8 * pause_ms, 0), *(3, share * pause_ms // 2, 0), *[0] * 3
        )
        numbers = (threshold, -0.5, weight, weight, 0.01, 0.1, -0.2, weight, -0.1, 0.1)
        settings += struct.pack("<2I", 1, 80) + struct.pack(
            "<10i", *(round(number * 65536) for number in numbers)
        )
    return struct.pack("<Ii2I", 1, 1000, 0, 0) + settings


def recogniser_image(front: FrontEnd, search: Search, pieces: list[str]) -> dict[str, bytes]:
    """Sections of a recogniser whose own graphs answer constants; tests bring their runners."""
    joiner = ("int8", (1, search.joiner_dim), 0.02, 0)
    encoder = ("int8", (1, front.window_frames, front.mel_bins), front.input_scale)
    outputs = search.frames_out * search.joiner_dim
    return {
        "FEAT": features_section(front),
        "TOKS": tokens_section(pieces),
        "SRCH": search_section(search),
        "ENDP": endpoint_section(),
        "GEND": _constant_plan([("int8", (1, 8), 0.01, 3)], 1, 0.5),
        "GENC": _constant_plan([(*encoder, front.input_zero_point)], outputs, 0.02),
        "GPRE": _constant_plan(
            [("int32", (1, search.context_size), 0.0, 0)], search.joiner_dim, 0.02
        ),
        "GJNT": _constant_plan([joiner, joiner], search.vocab, search.logit_scale),
    }
