"""The streaming recogniser of the C core, with its own graphs or the caller's."""

import ctypes
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgesdk.core.bias import BiasStore
from edgesdk.core.features import Quantised, Samples
from edgesdk.core.graph import Image
from edgesdk.core.library import (
    AdaptFn,
    CostsStruct,
    EncodeFn,
    EndpointEventStruct,
    EndpointFn,
    JoinFn,
    ListenerStruct,
    LogitsFn,
    PlaceFn,
    PredictFn,
    ResetFn,
    RunnerStruct,
    SinkStruct,
    TokenFn,
    WriteFn,
    address,
    aligned_zeros,
    load_library,
)
from edgesdk.core.npu import EmulatedNpu, emulated_npu
from edgesdk.errors import BundleError

_FAILED = -11  # EDGE_BAD_STATE: what C sees of an exception in a callback


class Runner(Protocol):
    """The three graphs as functions on int8 values; states are the runner's."""

    @property
    def stateful(self) -> bool:
        """Whether the predictor has a state besides its history."""

    def reset(self) -> None:
        """Set all states to their start values."""

    def encode(self, features: Quantised) -> Quantised:
        """encoder_out [frames_out * joiner_dim] of features [window_frames * mel_bins]."""

    def restart(self) -> None:
        """Set the states of predictor and joiner, but not the encoder's, to their start values."""

    def adapt(self, keys: Quantised, values: Quantised, encoder_out: Quantised) -> Quantised:
        """encoder_out as phrases change it; called where the image has an adapter and phrases."""

    def predict(self, history: npt.NDArray[np.int32]) -> Quantised:
        """decoder_out [joiner_dim] of history [context_size], oldest first."""

    def join(self, encoder_out: Quantised, predictor_out: Quantised) -> Quantised:
        """Logits [vocab] of two times [joiner_dim]."""

    def save(self, place: int) -> None:
        """Keep the predictor's state by a small number; a beam above 1 asks for it."""

    def restore(self, place: int) -> None:
        """Go on from the state kept by that number."""


@dataclass(frozen=True)
class TokenEvent:
    """An emitted token: id, natural log probability (Q16.16), time of its encoder frame."""

    token: int
    logprob_q16: int
    time_ms: int


class EndpointMode(IntEnum):
    """edge_endpoint_mode_t: what a recogniser does with end points."""

    OFF = 0
    WATCH = 1
    STOP = 2
    SEGMENT = 3


class EndpointKind(IntEnum):
    """edge_endpoint_kind_t."""

    SPECULATIVE = 1
    RESUMED = 2
    FINAL = 3


@dataclass(frozen=True)
class EndpointEvent:
    """What the end-pointers say, as edge_endpoint_event_t.

    `tokens` counts those of the best hypothesis in this utterance; `untold` are the ids of the last
    of them, which have not been told as token events yet.
    """

    kind: EndpointKind
    utterance: int
    version: int
    time_ms: int
    tokens: int
    untold: tuple[int, ...]


@dataclass(frozen=True)
class Costs:
    """How often each graph ran since the last reset; hits are predictions that were kept."""

    encoder_calls: int
    predictor_calls: int
    joiner_calls: int
    predictor_hits: int
    adapter_calls: int = 0
    endpoint_calls: int = 0


class _Bridge:
    """What the callbacks share: the user's functions, the dimensions, the first exception.

    C sees a failure status; the Python caller above the C frames gets the exception itself. The
    callbacks hold the bridge and the recogniser holds both, so nothing holds itself alive.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.features = self.encoder_out = self.context = self.joiner_dim = self.vocab = 0
        self.phrases = 0  # keys, and as many values

    def guard(self, action: Callable[[], None]) -> int:
        if self.error is not None:
            return _FAILED
        try:
            action()
        except BaseException as error:
            self.error = error
            return _FAILED
        return 0


def _read(at: int, count: int) -> Quantised:
    return np.frombuffer(ctypes.string_at(at, count), np.int8)


def _write(at: int, values: Quantised, count: int) -> None:
    content = np.ascontiguousarray(values, np.int8)
    if content.size != count:
        raise BundleError(f"runner: a graph returned {content.size} values, {count} expected")
    ctypes.memmove(at, address(content), count)


def _place_functions(bridge: _Bridge, runner: Runner) -> tuple[Any, Any]:
    """save and restore; null pointers tell the search that the history is all there is."""
    if not runner.stateful:
        return PlaceFn(), PlaceFn()
    return (
        PlaceFn(lambda _, place: bridge.guard(lambda: runner.save(place))),
        PlaceFn(lambda _, place: bridge.guard(lambda: runner.restore(place))),
    )


def _runner_struct(bridge: _Bridge, runner: Runner) -> RunnerStruct:
    def encode(_: int, features: int, out: int) -> int:
        return bridge.guard(
            lambda: _write(out, runner.encode(_read(features, bridge.features)), bridge.encoder_out)
        )

    def predict(_: int, history: int, out: int) -> int:
        def action() -> None:
            tokens = np.frombuffer(ctypes.string_at(history, 4 * bridge.context), np.int32)
            _write(out, runner.predict(tokens), bridge.joiner_dim)

        return bridge.guard(action)

    def join(_: int, encoder_out: int, predictor_out: int, out: int) -> int:
        def action() -> None:
            left = _read(encoder_out, bridge.joiner_dim)
            right = _read(predictor_out, bridge.joiner_dim)
            _write(out, runner.join(left, right), bridge.vocab)

        return bridge.guard(action)

    def adapt(_: int, keys: int, values: int, out: int) -> int:
        def action() -> None:
            left, right = _read(keys, bridge.phrases), _read(values, bridge.phrases)
            adapted = runner.adapt(left, right, _read(out, bridge.encoder_out))
            _write(out, adapted, bridge.encoder_out)

        return bridge.guard(action)

    return RunnerStruct(
        None,
        ResetFn(lambda _: bridge.guard(runner.reset)),
        EncodeFn(encode),
        PredictFn(predict),
        JoinFn(join),
        *_place_functions(bridge, runner),
        ResetFn(lambda _: bridge.guard(runner.restart)),
        AdaptFn(adapt),
    )


def _listener_struct(
    bridge: _Bridge,
    on_token: Callable[[TokenEvent], None] | None,
    on_logits: Callable[[int, int, Quantised], None] | None,
    on_endpoint: Callable[[EndpointEventStruct], None] | None,
) -> ListenerStruct:
    def token(_: int, token_id: int, logprob_q16: int, time_ms: int) -> None:
        if on_token is not None:
            bridge.guard(lambda: on_token(TokenEvent(token_id, logprob_q16, time_ms)))

    def logits(_: int, frame: int, symbol: int, values: int, size: int) -> None:
        if on_logits is not None:
            bridge.guard(lambda: on_logits(frame, symbol, _read(values, size)))

    def endpoint(_: int, event: int) -> None:
        if on_endpoint is not None:
            bridge.guard(lambda: on_endpoint(EndpointEventStruct.from_address(event)))

    return ListenerStruct(
        None,
        TokenFn(token) if on_token is not None else TokenFn(),
        LogitsFn(logits) if on_logits is not None else LogitsFn(),
        EndpointFn(endpoint) if on_endpoint is not None else EndpointFn(),
    )


def _endpoint_taker(recogniser: "Recogniser") -> Callable[[EndpointEventStruct], None]:
    """Reads an event while C waits; a weak reference, so that nothing holds itself alive."""
    weak = weakref.ref(recogniser)

    def take(event: EndpointEventStruct) -> None:
        owner = weak()
        if owner is not None:
            owner.take_endpoint(event)

    return take


class Recogniser:
    """PCM in, tokens out; not for use by two threads at once."""

    def __init__(
        self,
        image: Image,
        runner: Runner | None = None,
        on_token: Callable[[TokenEvent], None] | None = None,
        on_logits: Callable[[int, int, Quantised], None] | None = None,
        on_endpoint: Callable[[EndpointEvent], None] | None = None,
    ) -> None:
        """Open `image`; without `runner` its own graphs run on the C kernels.

        `on_logits` receives encoder frame, symbol index and logits [vocab] of every joiner call.

        Raises:
            BundleError: the image's sections do not belong together.
        """
        self._library = load_library()
        self._image = image
        self._struct = self._library.struct("recogniser")
        self._at = address(self._struct)
        self._bridge = _Bridge()
        self._runner = _runner_struct(self._bridge, runner) if runner is not None else None
        self._on_endpoint = on_endpoint
        taker = _endpoint_taker(self) if on_endpoint is not None else None
        self._listener = _listener_struct(self._bridge, on_token, on_logits, taker)
        size = ctypes.c_uint32()
        self._library.check(
            "image", "edge_recogniser_workspace", image.address, ctypes.addressof(size)
        )
        self.workspace_bytes = int(size.value)
        self._workspace = aligned_zeros(self.workspace_bytes)
        self._check(
            "edge_recogniser_open",
            image.address,
            ctypes.addressof(self._runner) if self._runner is not None else None,
            ctypes.addressof(self._listener),
            None,
            address(self._workspace),
            self.workspace_bytes,
        )
        self.npu = self._attach()
        self._read_dimensions()
        self._bias = self._library.call("edge_binding_recogniser_bias", self._at)

    def _attach(self) -> EmulatedNpu | None:
        """An emulated NPU for the image's own graphs, where they have steps for one."""
        memory = self._image.memory, self._workspace
        npu = emulated_npu("edge_binding_recogniser_npu", self._at, memory)
        if npu is not None:
            self._check("edge_recogniser_attach", npu.seam)
        return npu

    def _read_dimensions(self) -> None:
        features = (ctypes.c_uint32 * 7)()
        search = (ctypes.c_uint32 * 6)()
        at = self._library.call("edge_binding_recogniser_features", self._at)
        self._library.call("edge_binding_features", at, ctypes.addressof(features))
        self._search = self._library.call("edge_binding_recogniser_search", self._at)
        self._library.call("edge_binding_search", self._search, ctypes.addressof(search))
        bridge = self._bridge
        bridge.vocab, bridge.joiner_dim, frames_out, bridge.context = map(int, search[:4])
        self.frame_us, self.beam = int(search[4]), int(search[5])
        bridge.features = int(features[3]) * int(features[4])
        bridge.encoder_out = frames_out * bridge.joiner_dim
        self.sample_rate = int(features[0])
        attention = (ctypes.c_uint32 * 3)()
        self._library.call("edge_binding_attention", self._at, ctypes.addressof(attention))
        bridge.phrases = int(attention[0]) * int(attention[1]) * int(attention[2])

    def _check(self, name: str, *arguments: object) -> None:
        self._bridge.error = None
        try:
            self._library.check("recogniser", name, self._at, *arguments)
        except BundleError:
            if self._bridge.error is None:
                raise
        if self._bridge.error is not None:
            raise self._bridge.error

    def take_endpoint(self, event: EndpointEventStruct) -> None:
        """Hand an event of the C core over; called while it waits."""
        untold = (
            int(self._library.call("edge_search_untold_token", self._search, index))
            for index in range(event.untold)
        )
        if self._on_endpoint is not None:
            kind = EndpointKind(event.kind)
            place = event.utterance, event.version, event.time_ms, event.tokens
            self._on_endpoint(EndpointEvent(kind, *place, tuple(untold)))

    def push(self, samples: Samples) -> None:
        """Take int16 samples and run all that they complete."""
        content = np.ascontiguousarray(samples, np.int16)
        self._check("edge_recogniser_push", address(content), content.size)

    def finish(self) -> None:
        """End the utterance: tail of silence, last window."""
        self._check("edge_recogniser_finish")

    def results(self) -> bytes:
        """Best hypotheses and lattice of the finished utterance, as docs/protocol.md has them."""
        pieces: list[bytes] = []
        write = WriteFn(lambda _, data, size: pieces.append(ctypes.string_at(data, size)))
        sink = SinkStruct(None, write)
        self._check("edge_recogniser_results", ctypes.addressof(sink))
        return b"".join(pieces)

    def set_endpoint(self, mode: EndpointMode) -> None:
        """What to do with end points from the next reset on; OFF at first.

        Raises:
            BundleError: the image has no settings for end points.
        """
        self._check("edge_recogniser_endpoint", mode)

    def endpoint_features(self) -> npt.NDArray[np.int32]:
        """The features that the end-pointers looked at last, Q8 [8]."""
        at = self._library.call("edge_binding_recogniser_endpoint", self._at)
        features = np.zeros(8, np.int32)
        self._library.call("edge_endpoint_features", at, address(features))
        return features

    def reset(self) -> None:
        """Forget the utterance."""
        self._check("edge_recogniser_reset")

    @property
    def costs(self) -> Costs:
        """Calls of the graphs since the last reset."""
        at = self._library.call("edge_binding_costs", self._at)
        costs = CostsStruct.from_address(at)
        calls = costs.encoder_calls, costs.predictor_calls, costs.joiner_calls
        return Costs(*calls, costs.predictor_hits, costs.adapter_calls, costs.endpoint_calls)

    @property
    def bias(self) -> BiasStore:
        """Its bias tables, which resets keep; to change between two utterances."""
        return BiasStore(self._bias)
