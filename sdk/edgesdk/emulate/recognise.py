"""Runs a bundle's recogniser on the laptop: TFLite or the C kernels, and the same C core."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgesdk.audio import Samples, read_wav
from edgesdk.bundle import Bundle
from edgesdk.core import EndpointEvent, EndpointKind, EndpointMode, Image, Recogniser, TokenEvent
from edgesdk.emulate.runners import CoreRunner, GraphRunner, TfliteRunner
from edgesdk.emulate.tflite import find_interpreter
from edgesdk.emulate.transcript import Transcript, make_transcript
from edgesdk.endpoints import Endpoint, make_endpoint
from edgesdk.errors import BundleError
from edgesdk.lattice import Results, join_tokens, read_results
from edgesdk.npu.accelerators import accelerator_of

NPU_CAVEAT = "equal to TFLM's semantics for the streams that Vela 5.2.0 emits; no timing"
Engine = Literal["tflite", "core"]
PartialHandler = Callable[[str, str], None]

PIECE_MS = 10
ROLES = ("encoder", "predictor", "joiner")


@dataclass(frozen=True)
class Clip:
    """Audio at the bundle's rate, and what is said in it where known."""

    name: str
    samples: Samples
    reference: str | None = None


@dataclass(frozen=True)
class Emulation:
    """Results of all clips; `engine` says what computed them, `caveat` where it may differ."""

    engine: str
    caveat: str
    transcripts: tuple[Transcript, ...]


def npu_of(bundle: Bundle) -> str | None:
    """The accelerator that a bundle's graphs were compiled for; None where all is for the core."""
    config = bundle.npu_config
    return None if config is None else accelerator_of(config).name


def judge_of(bundle: Bundle) -> Engine:
    """What a device has to agree with bit for bit.

    TFLite's reference kernels, or, where an NPU computes too, the device's plan with an emulated
    one: its compiler rounds some operators in another way than they do.
    """
    return "tflite" if bundle.npu_config is None else "core"


def engine_kind(bundle: Bundle, engine: Engine) -> tuple[str, str]:
    """What to call an engine that runs a bundle, and where it may differ from a device.

    Raises:
        EdgeError: no TFLite interpreter (engine "tflite").
    """
    if engine == "tflite":
        kind = find_interpreter()
        return kind.name, kind.caveat
    npu = npu_of(bundle)
    return ("C core", "") if npu is None else (f"C core, {npu} emulated", NPU_CAVEAT)


class Emulator:
    """A recogniser that takes one clip after the other; not for two threads at once."""

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine | None = None,
        tables: Sequence[bytes] = (),
        endpoint: EndpointMode | None = None,
    ) -> None:
        """Prepare `bundle`, with bias tables in its room; without `endpoint`, end points are
        watched where it has settings, without `engine`, it is that of `judge_of`.

        Raises:
            BundleError: it is no recogniser, its parts do not belong together, or a table does not
                fit it.
            EdgeError: no TFLite interpreter (engine "tflite").
        """
        if not bundle.is_recogniser:
            raise BundleError(
                f"{bundle.source}: holds a single graph, no recogniser; give it .npy inputs"
            )
        engine = engine or judge_of(bundle)
        self._pieces = bundle.tokens
        self._has_results = bundle.search.nbest > 0 or bundle.search.max_arcs > 0
        self._events: list[TokenEvent] = []
        self._logits: list[bytes] = []
        self._endpoints: list[Endpoint] = []
        self._on_partial: Callable[[str], None] | None = None
        self.engine, self.caveat = engine_kind(bundle, engine)
        self._recogniser = Recogniser(
            Image(bundle.device_bytes()),
            _runner(bundle, engine),
            self._take_token,
            lambda frame, symbol, logits: self._logits.append(logits.tobytes()),
            self._take_endpoint,
        )
        for table in tables:
            self._recogniser.bias.load(table)
        self._mode = default_mode(bundle) if endpoint is None else endpoint
        self._recogniser.set_endpoint(self._mode)
        self.sample_rate = self._recogniser.sample_rate

    def _take_token(self, event: TokenEvent) -> None:
        self._events.append(event)
        if self._on_partial is not None:
            self._on_partial(join_tokens(self._pieces[e.token] for e in self._events))

    def _take_endpoint(self, event: EndpointEvent) -> None:
        told = [self._pieces[e.token] for e in self._events]
        untold = [self._pieces[token] for token in event.untold]
        ends = event.kind is EndpointKind.FINAL and self._mode is EndpointMode.SEGMENT
        results = self._results() if ends else None
        self._endpoints.append(make_endpoint(event, told, untold, results))

    def _results(self) -> Results | None:
        return read_results(self._recogniser.results()) if self._has_results else None

    def recognise(
        self,
        clip: Clip,
        *,
        keep_logits: bool = False,
        on_partial: PartialHandler | None = None,
        piece_ms: int = PIECE_MS,
    ) -> Transcript:
        """Stream one clip in pieces of `piece_ms` and return what was heard.

        `on_partial` receives the clip's name and the text so far, after every token.
        """
        self._events.clear()
        self._logits.clear()
        self._endpoints.clear()
        self._on_partial = (lambda text: on_partial(clip.name, text)) if on_partial else None
        self._recogniser.reset()
        step = max(1, self.sample_rate * piece_ms // 1000)
        for start in range(0, len(clip.samples), step):
            self._recogniser.push(clip.samples[start : start + step])
        self._recogniser.finish()
        return make_transcript(
            clip.name,
            self._pieces,
            self._events,
            self._logits,
            len(self._logits),
            reference=clip.reference,
            keep_logits=keep_logits,
            results=self._results(),
            whole=has_whole_results(self._mode, self._endpoints),
            endpoints=None if self._mode is EndpointMode.OFF else self._endpoints,
        )


def _runner(bundle: Bundle, engine: Engine) -> GraphRunner | None:
    """Where the graphs run; None for the C core's own."""
    if engine == "tflite":
        return TfliteRunner(bundle)
    return None if bundle.npu_config is None else CoreRunner(bundle)


def default_mode(bundle: Bundle) -> EndpointMode:
    """End points are watched where the bundle has settings for them."""
    return EndpointMode.OFF if bundle.endpoint is None else EndpointMode.WATCH


def has_whole_results(mode: EndpointMode, endpoints: Sequence[Endpoint]) -> bool:
    """Whether the results at the end are those of the whole stream, not of its last utterance."""
    ended = any(endpoint.kind is EndpointKind.FINAL for endpoint in endpoints)
    return mode is not EndpointMode.SEGMENT or not ended


def load_clips(
    paths: Iterable[Path], sample_rate: int, references: dict[str, str] | None = None
) -> list[Clip]:
    """Clips from WAV files, named by their file names; `references` maps names to texts.

    Raises:
        EdgeError: a file is not mono 16-bit PCM at `sample_rate`.
    """
    known = references or {}
    return [Clip(path.name, read_wav(path, sample_rate), known.get(path.name)) for path in paths]


def emulate(
    bundle: Bundle,
    clips: Sequence[Clip],
    *,
    engine: Engine | None = None,
    keep_logits: bool = False,
    on_partial: PartialHandler | None = None,
    tables: Sequence[bytes] = (),
    endpoint: EndpointMode | None = None,
) -> Emulation:
    """Recognise `clips` with the recogniser in `bundle`, in 10 ms pieces as on a device.

    `tables` are bias tables that a device would have been sent. Without `endpoint`, end points are
    watched where the bundle has settings for them, without `engine`, it is that of `judge_of`.
    """
    emulator = Emulator(bundle, engine, tables, endpoint)
    transcripts = tuple(
        emulator.recognise(clip, keep_logits=keep_logits, on_partial=on_partial) for clip in clips
    )
    return Emulation(emulator.engine, emulator.caveat, transcripts)
