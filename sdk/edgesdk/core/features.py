"""The streaming feature extractor and the pieces of the search, from their sections."""

import ctypes

import numpy as np
import numpy.typing as npt

from edgesdk.core.library import address, aligned_copy, aligned_zeros, load_library

Samples = npt.NDArray[np.int16]
LogMel = npt.NDArray[np.float32]
Quantised = npt.NDArray[np.int8]


class Features:
    """Log-mel frames from int16 samples that come in any pieces."""

    def __init__(self, section: bytes) -> None:
        self._library = load_library()
        self._section = aligned_copy(section)
        self._struct = self._library.struct("features")
        self._at = address(self._struct)
        self._library.check(
            "FEAT", "edge_features_open", self._at, address(self._section), len(section)
        )
        values = (ctypes.c_uint32 * 7)()
        self._library.call("edge_binding_features", self._at, ctypes.addressof(values))
        self.sample_rate, self.frame_length, self.frame_shift, self.mel_bins = map(int, values[:4])
        self.window_frames, self.window_shift, self.tail_padding = map(int, values[4:])
        self._memory = aligned_zeros(self._library.call("edge_features_memory", self._at))
        self._library.call("edge_features_bind", self._at, address(self._memory))

    def reset(self) -> None:
        """Start a new utterance."""
        self._library.call("edge_features_reset", self._at)

    def _frame(self) -> tuple[LogMel, Quantised]:
        start = self._library.call("edge_binding_log_mel", self._at)
        log_mel = np.frombuffer(ctypes.string_at(start, 4 * self.mel_bins), np.float32)
        quantised = np.empty(self.mel_bins, np.int8)
        self._library.call("edge_features_quantise", self._at, address(quantised))
        return log_mel, quantised

    def _stack(self, frames: list[tuple[LogMel, Quantised]]) -> tuple[LogMel, Quantised]:
        log_mel = np.array([frame[0] for frame in frames], np.float32)
        quantised = np.array([frame[1] for frame in frames], np.int8)
        return log_mel.reshape(-1, self.mel_bins), quantised.reshape(-1, self.mel_bins)

    def push(self, samples: Samples) -> tuple[LogMel, Quantised]:
        """Frames that `samples` complete: log-mel [n, mel_bins], quantised [n, mel_bins]."""
        content = np.ascontiguousarray(samples, np.int16)
        taken = ctypes.c_uint32()
        done = 0
        frames = []
        while done < len(content):
            if self._library.call(
                "edge_features_push",
                self._at,
                address(content) + 2 * done,
                len(content) - done,
                ctypes.addressof(taken),
            ):
                frames.append(self._frame())
            done += int(taken.value)
        return self._stack(frames)

    def flush(self) -> tuple[LogMel, Quantised]:
        """Frames that reach beyond the last sample (none with snip_edges)."""
        frames = []
        while self._library.call("edge_features_flush", self._at):
            frames.append(self._frame())
        return self._stack(frames)


class LogProbabilities:
    """The search's argmax and fixed-point log softmax, from a SRCH section."""

    def __init__(self, section: bytes) -> None:
        self._library = load_library()
        self._section = aligned_copy(section)
        self._struct = self._library.struct("search")
        self._at = address(self._struct)
        self._library.check(
            "SRCH", "edge_search_open", self._at, address(self._section), len(section)
        )

    def argmax(self, logits: Quantised) -> int:
        """Index of the largest logit, the lowest one where several are."""
        content = np.ascontiguousarray(logits, np.int8)
        return int(self._library.call("edge_search_argmax", address(content), content.size))

    def logprob_q16(self, logits: Quantised, token: int) -> int:
        """Natural log of the softmax at `token`, Q16.16."""
        content = np.ascontiguousarray(logits, np.int8)
        return int(self._library.call("edge_search_logprob", self._at, address(content), token))


class Tokens:
    """Token pieces and their joining, from a TOKS section."""

    def __init__(self, section: bytes) -> None:
        self._library = load_library()
        self._section = aligned_copy(section)
        self._struct = self._library.struct("tokens")
        self._at = address(self._struct)
        self._library.check(
            "TOKS", "edge_tokens_open", self._at, address(self._section), len(section)
        )

    def piece(self, token: int) -> str:
        """UTF-8 piece of a token."""
        start = ctypes.c_void_p()
        size = ctypes.c_uint32()
        self._library.check(
            f"token {token}",
            "edge_tokens_piece",
            self._at,
            token,
            ctypes.addressof(start),
            ctypes.addressof(size),
        )
        return ctypes.string_at(start.value or 0, size.value).decode() if size.value else ""

    def text(self, tokens: list[int], capacity: int = 4096) -> str:
        """Joined pieces as the device writes them into a buffer of `capacity` bytes."""
        buffer = ctypes.create_string_buffer(max(capacity, 1))
        length = ctypes.c_uint32()
        for token in tokens:
            self._library.check(
                f"token {token}",
                "edge_tokens_append",
                self._at,
                token,
                ctypes.addressof(buffer),
                capacity,
                ctypes.addressof(length),
            )
        return buffer.value.decode()
