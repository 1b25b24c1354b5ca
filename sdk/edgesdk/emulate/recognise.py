"""Runs a bundle's recogniser on the laptop: TFLite or the C kernels, and the same C core."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgesdk.audio import Samples, read_wav
from edgesdk.bundle import Bundle
from edgesdk.core import EndpointEvent, EndpointKind, EndpointMode, Image, Recogniser, TokenEvent
from edgesdk.core.features import Quantised
from edgesdk.emulate.tflite import State, TfliteGraph, find_interpreter
from edgesdk.emulate.transcript import Transcript, make_transcript
from edgesdk.endpoints import Endpoint, make_endpoint
from edgesdk.errors import BundleError
from edgesdk.lattice import Results, join_tokens, read_results

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


class TfliteRunner:
    """The .tflite files of a bundle behind the core's runner interface."""

    def __init__(self, bundle: Bundle) -> None:
        self.graphs = {
            role: TfliteGraph(bundle.tflite(role), f"{bundle.source}: {role}")
            for role in bundle.roles
        }
        self._kept: dict[int, State] = {}
        predictor = self.graphs["predictor"]
        self.stateful = predictor.keeps_resources or bool(predictor.state)
        if predictor.keeps_resources and bundle.search.beam > 1:
            raise BundleError(
                f"{bundle.source}: predictor: its state lies in resource variables, which no "
                f"interpreter keeps for a beam of {bundle.search.beam}; emulate it on the C "
                "kernels (engine core), or convert with beam = 1"
            )

    def reset(self) -> None:
        """Set all states to their start values."""
        for graph in self.graphs.values():
            graph.reset()

    def _run(self, role: str, *inputs: npt.NDArray[np.generic]) -> Quantised:
        return np.asarray(self.graphs[role].run(*inputs)[0], np.int8)

    def encode(self, features: Quantised) -> Quantised:
        """Encoder frames of one window of features."""
        return self._run("encoder", features)

    def adapt(self, keys: Quantised, values: Quantised, encoder_out: Quantised) -> Quantised:
        """Encoder frames as phrases change them."""
        return self._run("adapter", encoder_out, keys, values)

    def predict(self, history: npt.NDArray[np.int32]) -> Quantised:
        """Predictor output of a history."""
        return self._run("predictor", history)

    def join(self, encoder_out: Quantised, predictor_out: Quantised) -> Quantised:
        """Logits of one encoder frame and one predictor output."""
        return self._run("joiner", encoder_out, predictor_out)

    def restart(self) -> None:
        """Set the states of predictor and joiner to their start values."""
        self.graphs["predictor"].reset()
        self.graphs["joiner"].reset()

    def save(self, place: int) -> None:
        """Keep the predictor's state."""
        self._kept[place] = self.graphs["predictor"].state

    def restore(self, place: int) -> None:
        """Go on from a kept state of the predictor."""
        self.graphs["predictor"].state = self._kept[place]


class Emulator:
    """A recogniser that takes one clip after the other; not for two threads at once."""

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine = "tflite",
        tables: Sequence[bytes] = (),
        endpoint: EndpointMode | None = None,
    ) -> None:
        """Prepare `bundle`, with bias tables in its room; without `endpoint`, end points are
        watched where it has settings.

        Raises:
            BundleError: it is no recogniser, its parts do not belong together, or a table does not
                fit it.
            EdgeError: no TFLite interpreter (engine "tflite").
        """
        if not bundle.is_recogniser:
            raise BundleError(
                f"{bundle.source}: holds a single graph, no recogniser; give it .npy inputs"
            )
        self._pieces = bundle.tokens
        self._has_results = bundle.search.nbest > 0 or bundle.search.max_arcs > 0
        self._events: list[TokenEvent] = []
        self._logits: list[bytes] = []
        self._endpoints: list[Endpoint] = []
        self._on_partial: Callable[[str], None] | None = None
        kind = find_interpreter() if engine == "tflite" else None
        self.engine = kind.name if kind is not None else "C core"
        self.caveat = kind.caveat if kind is not None else ""
        self._recogniser = Recogniser(
            Image(bundle.device_bytes()),
            TfliteRunner(bundle) if kind is not None else None,
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
    engine: Engine = "tflite",
    keep_logits: bool = False,
    on_partial: PartialHandler | None = None,
    tables: Sequence[bytes] = (),
    endpoint: EndpointMode | None = None,
) -> Emulation:
    """Recognise `clips` with the recogniser in `bundle`, in 10 ms pieces as on a device.

    `tables` are bias tables that a device would have been sent. Without `endpoint`, end points are
    watched where the bundle has settings for them.
    """
    emulator = Emulator(bundle, engine, tables, endpoint)
    transcripts = tuple(
        emulator.recognise(clip, keep_logits=keep_logits, on_partial=on_partial) for clip in clips
    )
    return Emulation(emulator.engine, emulator.caveat, transcripts)
