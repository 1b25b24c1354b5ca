"""FEAT, TOKS and SRCH as values (docs/image.md has them byte for byte)."""

import itertools
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesdk.errors import BundleError

FEATURE_HEADER_BYTES = 112
SEARCH_BYTES = 64 + 4 * 256
WINDOW_TYPES = {"povey": 1, "hanning": 2, "hamming": 3, "rectangular": 4}
REMOVE_DC_OFFSET = 1
USE_POWER = 2
SNIP_EDGES = 4
BEAM = 2

_FEATURE_WORDS = "<10I6f2i7I3I"


@dataclass(frozen=True)
class MelBand:
    """One triangle: weights f32 of the power bins from `first_bin` on."""

    first_bin: int
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """Log-mel features with all tables the device needs; times in samples."""

    sample_rate_hz: int
    frame_length: int
    frame_shift: int
    window_frames: int
    window_shift: int
    tail_padding: int
    flags: int
    window_type: str
    preemph_coeff: float
    sample_scale: float
    energy_floor: float
    low_freq_hz: float
    high_freq_hz: float
    input_inv_scale: float
    input_zero_point: int
    padding_q: int
    window: NDArray[np.float32]
    twiddles: NDArray[np.float32]
    bands: tuple[MelBand, ...]
    mean: NDArray[np.float32]
    inv_std: NDArray[np.float32]

    @property
    def fft_size(self) -> int:
        """Points of the FFT."""
        return int(self.twiddles.size)

    @property
    def mel_bins(self) -> int:
        """Features per frame."""
        return len(self.bands)

    def encode(self) -> bytes:
        """The FEAT section."""
        weights = np.concatenate([b.weights for b in self.bands]).astype("<f4")
        records, first = b"", 0
        for band in self.bands:
            records += struct.pack("<HHI", band.first_bin, band.weights.size, first)
            first += band.weights.size
        window, twiddles, mean, inv_std = (
            table.astype("<f4").tobytes()
            for table in (self.window, self.twiddles, self.mean, self.inv_std)
        )
        pieces = [window, twiddles, records, weights.tobytes(), mean, inv_std]
        starts = np.cumsum([FEATURE_HEADER_BYTES] + [len(p) for p in pieces]).tolist()
        header = struct.pack(
            _FEATURE_WORDS,
            *(self.sample_rate_hz, self.frame_length, self.frame_shift, self.fft_size),
            *(self.mel_bins, self.window_frames, self.window_shift, self.tail_padding),
            *(self.flags, WINDOW_TYPES[self.window_type]),
            *(self.preemph_coeff, self.sample_scale, self.energy_floor),
            *(self.low_freq_hz, self.high_freq_hz, self.input_inv_scale),
            *(self.input_zero_point, self.padding_q),
            *starts[:4],
            weights.size,
            *starts[4:6],
            *(0, 0, 0),
        )
        return header + b"".join(pieces)


def read_features(data: bytes, source: str) -> Features:
    """The features in a FEAT section.

    Raises:
        BundleError: a table lies outside the section, or a field is out of range.
    """
    try:
        words = struct.unpack_from(_FEATURE_WORDS, data)
        rate, length, shift, fft, mels, frames, step, tail, flags, kind = words[:10]
        window, twiddles, bands, weights, count, mean, inv_std = words[18:25]
        table = np.frombuffer(data, "<f4", count, weights)
        return Features(
            sample_rate_hz=rate,
            frame_length=length,
            frame_shift=shift,
            window_frames=frames,
            window_shift=step,
            tail_padding=tail,
            flags=flags,
            window_type={number: name for name, number in WINDOW_TYPES.items()}[kind],
            preemph_coeff=words[10],
            sample_scale=words[11],
            energy_floor=words[12],
            low_freq_hz=words[13],
            high_freq_hz=words[14],
            input_inv_scale=words[15],
            input_zero_point=words[16],
            padding_q=words[17],
            window=np.frombuffer(data, "<f4", length, window),
            twiddles=np.frombuffer(data, "<f4", fft, twiddles),
            bands=tuple(_band(data, bands + 8 * m, table) for m in range(mels)),
            mean=np.frombuffer(data, "<f4", mels, mean),
            inv_std=np.frombuffer(data, "<f4", mels, inv_std),
        )
    except (struct.error, ValueError, KeyError) as err:
        raise BundleError(
            f"{source}: damaged section FEAT ({err}); convert the model again"
        ) from None


def _band(data: bytes, at: int, weights: NDArray[np.float32]) -> MelBand:
    first_bin, count, first = struct.unpack_from("<HHI", data, at)
    if first + count > weights.size:
        raise ValueError("a mel band reaches behind the weights")
    return MelBand(first_bin, weights[first : first + count])


def encode_tokens(tokens: list[str]) -> bytes:
    """The TOKS section of `tokens`, by id."""
    texts = [t.encode() for t in tokens]
    offsets = np.cumsum([0] + [len(t) for t in texts]).astype("<u4")
    head = struct.pack("<II", len(tokens), int(offsets[-1]))
    return head + offsets.tobytes() + b"".join(texts)


def read_tokens(data: bytes, source: str) -> list[str]:
    """Token texts by id.

    Raises:
        BundleError: the section is damaged.
    """
    try:
        count, size = struct.unpack_from("<II", data)
        offsets = np.frombuffer(data, "<u4", count + 1, 8).astype(np.int64)
        text = data[8 + 4 * (count + 1) :]
        ordered = offsets[0] == 0 and np.all(np.diff(offsets) >= 0) and offsets[-1] == size
        if not ordered or len(text) != size:
            raise ValueError("offsets do not ascend to the end of the text")
        return [text[a:b].decode() for a, b in itertools.pairwise(offsets)]
    except (struct.error, ValueError) as err:
        raise BundleError(
            f"{source}: damaged section TOKS ({err}); convert the model again"
        ) from None


@dataclass(frozen=True)
class Search:
    """Transducer search with `beam` hypotheses; `logit_scale` is that of the joiner's output.

    Tokens of an utterance lie in a pool of `max_tokens`, outputs of the predictor in one of
    `cache`; results have `nbest` hypotheses and a lattice of at most `max_arcs` words. Hypotheses
    `prune` (natural log, 0: any) below the best are dropped.
    """

    blank: int
    start: int
    context_size: int
    max_symbols: int
    vocab: int
    joiner_dim: int
    frames_out: int
    frame_us: int
    logit_scale: float
    beam: int = 1
    prune: float = 0.0
    max_tokens: int = 1
    cache: int = 2
    nbest: int = 0
    max_arcs: int = 0

    @property
    def exp_q24(self) -> NDArray[np.uint32]:
        """u32[256]: exp(-d * logit_scale) in Q8.24."""
        steps = np.arange(256, dtype=np.float64)
        table: NDArray[np.float64] = np.rint(np.exp(-steps * self.logit_scale) * (1 << 24))
        return table.astype(np.uint32)

    def encode(self) -> bytes:
        """The SRCH section."""
        head = struct.pack(
            "<16I",
            *(BEAM, self.blank, self.start, self.context_size, self.max_symbols, self.vocab),
            *(self.joiner_dim, self.frames_out, self.frame_us),
            *(round(self.logit_scale * (1 << 24)), self.beam, round(self.prune * (1 << 16))),
            *(self.max_tokens, self.cache, self.nbest, self.max_arcs),
        )
        return head + self.exp_q24.astype("<u4").tobytes()


def read_search(data: bytes, source: str) -> Search:
    """The search settings; `logit_scale` comes back within 2^-25, `prune` within 2^-17.

    Raises:
        BundleError: the section is damaged or of another kind.
    """
    if len(data) != SEARCH_BYTES:
        raise BundleError(
            f"{source}: damaged section SRCH ({len(data)} of {SEARCH_BYTES} bytes); "
            "convert the model again"
        )
    words: tuple[int, ...] = struct.unpack_from("<16I", data)
    if words[0] != BEAM:
        raise BundleError(f"{source}: search kind {words[0]} is not known; convert the model again")
    return Search(
        blank=words[1],
        start=words[2],
        context_size=words[3],
        max_symbols=words[4],
        vocab=words[5],
        joiner_dim=words[6],
        frames_out=words[7],
        frame_us=words[8],
        logit_scale=words[9] / (1 << 24),
        beam=words[10],
        prune=words[11] / (1 << 16),
        max_tokens=words[12],
        cache=words[13],
        nbest=words[14],
        max_arcs=words[15],
    )


BIAS_HEADER_BYTES = 16
MAX_BIAS_TABLES = 4  # of each kind
MAX_BIAS_ROOM = 1 << 24


@dataclass(frozen=True)
class BiasSection:
    """Bias tables of the image (docs/biasing.md), and room in RAM for those that arrive later."""

    room_bytes: int  # a multiple of 16
    tables: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        """The BIAS section."""
        head = struct.pack("<4I", self.room_bytes, len(self.tables), 0, 0)
        return head + b"".join(self.tables)


def read_bias(data: bytes, source: str) -> BiasSection:
    """The tables and the room in a BIAS section.

    Raises:
        BundleError: the section is damaged.
    """
    try:
        room, count, *reserved = struct.unpack_from("<4I", data)
        tables, at = [], BIAS_HEADER_BYTES
        for _ in range(min(count, 2 * MAX_BIAS_TABLES)):
            size = struct.unpack_from("<I", data, at + 4)[0]
            tables.append(data[at : at + size])
            at += max(size, 1)
        if at != len(data) or count > 2 * MAX_BIAS_TABLES or room % 16 or any(reserved):
            raise ValueError("its tables do not fill it")
    except (struct.error, ValueError) as err:
        raise BundleError(
            f"{source}: damaged section BIAS ({err}); convert the model again"
        ) from None
    return BiasSection(room, tuple(tables))
