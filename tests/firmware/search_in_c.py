"""The search of the C core alone, with graphs that are drawn from their inputs."""

import ctypes
import zlib
from collections.abc import Sequence

import front_sections
import numpy as np
from edgesdk.core.bias import Bias
from edgesdk.core.library import (
    ListenerStruct,
    LogitsFn,
    SinkStruct,
    TokenFn,
    WriteFn,
    address,
    aligned_copy,
    aligned_zeros,
    load_library,
)
from edgesdk.core.recogniser import _Bridge, _runner_struct
from edgesdk.lattice import Results, read_results
from front_sections import Search
from numpy.typing import NDArray

Int8 = NDArray[np.int8]


class DrawnGraphs:
    """A predictor that is a function of its history or, with a state, of all histories so far; a
    joiner whose logits lie within +-spread, so that few values mean many ties."""

    def __init__(self, search: Search, stateful: bool, spread: int, seed: int) -> None:
        self.search, self.stateful = search, stateful
        self.spread, self.seed = spread, seed
        self.state = 0
        self.kept: dict[int, int] = {}
        self.predicted: dict[tuple[int, ...], Int8] = {}
        self.predictions = self.joins = 0

    def reset(self) -> None:
        self.state = 0

    def encode(self, features: Int8) -> Int8:
        raise AssertionError("nothing is encoded here")

    def drawn(self, what: bytes, count: int, spread: int) -> Int8:
        rng = np.random.default_rng(zlib.crc32(what, self.seed))
        return rng.integers(-spread, spread + 1, count).astype(np.int8)

    def predict(self, history: NDArray[np.int32]) -> Int8:
        self.predictions += 1
        self.state = zlib.crc32(history.astype("<i4").tobytes(), self.state)
        what = self.state if self.stateful else zlib.crc32(history.astype("<i4").tobytes())
        return self.drawn(what.to_bytes(4, "little"), self.search.joiner_dim, 127)

    def join(self, encoder_out: Int8, predictor_out: Int8) -> Int8:
        self.joins += 1
        logits = self.drawn(
            encoder_out.tobytes() + predictor_out.tobytes(), self.search.vocab, self.spread
        )
        if encoder_out[0] > 0:  # as in speech, where most frames add nothing
            logits[self.search.blank] = min(127, int(logits.max()) + 2)
        return logits

    def save(self, place: int) -> None:
        self.kept[place] = self.state

    def restore(self, place: int) -> None:
        self.state = self.kept[place]

    def logits_of(self, history: tuple[int, ...], encoder_out: Int8) -> Int8:
        """What joiner and predictor say after a whole history."""
        size = self.search.context_size
        if history not in self.predicted:
            kept, counts = self.state, (self.predictions, self.joins)
            whole = (self.search.start,) * size + history
            self.state = 0
            for at in range(len(history) + 1):
                out = self.predict(np.array(whole[at : at + size], np.int32))
            self.predicted[history] = out
            self.state, (self.predictions, self.joins) = kept, counts
        joins = self.joins
        logits = self.join(encoder_out, self.predicted[history])
        self.joins = joins
        return logits


class SearchInC:
    """edge_search_t from reset to results."""

    def __init__(
        self,
        search: Search,
        graphs: DrawnGraphs,
        pieces: Sequence[str],
        bias: Bias | None = None,
    ) -> None:
        self._library = library = load_library()
        self._section = aligned_copy(front_sections.search_section(search))
        self._struct = library.struct("search")
        self._at = address(self._struct)
        section_bytes = len(front_sections.search_section(search))
        library.check("SRCH", "edge_search_open", self._at, address(self._section), section_bytes)
        self.memory_bytes = library.call("edge_search_memory", self._at)
        self._memory = aligned_zeros(self.memory_bytes)
        self._memory[:] = 0xA5
        library.call("edge_search_bind", self._at, address(self._memory))
        self._bias = bias
        if bias is not None:
            library.call("edge_binding_search_bias", self._at, address(bias._bias))
        text = front_sections.tokens_section(list(pieces))
        self._text, self._tokens = aligned_copy(text), library.struct("tokens")
        where = (address(self._tokens), address(self._text))
        library.check("TOKS", "edge_tokens_open", *where, len(text))
        self._bridge = _Bridge()
        self._bridge.vocab, self._bridge.joiner_dim = search.vocab, search.joiner_dim
        self._bridge.context = search.context_size
        self._runner = _runner_struct(self._bridge, graphs)
        self.told: list[tuple[int, int, int]] = []
        self._listener = ListenerStruct(
            None,
            TokenFn(lambda _, token, logprob, ms: self.told.append((token, logprob, ms))),
            LogitsFn(),
        )

    def decode(self, encoder_out: Int8) -> None:
        arguments = (ctypes.addressof(self._runner), ctypes.addressof(self._listener))
        self._library.check(
            "frame", "edge_search_frame", self._at, *arguments, address(encoder_out)
        )

    @property
    def path(self) -> int:
        """The number of the best hypothesis' tokens."""
        return int(self._library.call("edge_search_path", self._at))

    def finish(self) -> Results:
        self._library.call("edge_search_finish", self._at, ctypes.addressof(self._listener))
        self._library.call("edge_lattice_build", self._at, address(self._tokens))
        written: list[bytes] = []
        write = WriteFn(lambda _, data, size: written.append(ctypes.string_at(data, size)))
        sink = SinkStruct(None, write)
        self._library.call(
            "edge_lattice_write", self._at, address(self._tokens), ctypes.addressof(sink)
        )
        return read_results(b"".join(written))

    def reset(self) -> None:
        self._library.call("edge_search_reset", self._at)
        self.told.clear()
