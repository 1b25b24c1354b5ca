"""A recogniser on a desk, judged by the laptop's: figures only where both agree."""

import math
import threading
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgesdk.bench.verdict import WrongResultError
from edgesdk.bundle import Bundle
from edgesdk.clips import find_clips, read_expected
from edgesdk.core import EndpointMode
from edgesdk.emulate import Clip, Transcript, load_clips
from edgesdk.errors import BundleError, EdgeError
from edgesdk.link.device import Device
from edgesdk.link.messages import Metrics
from edgesdk.report.make import DeviceClip, first_difference
from edgesdk.report.wer import sum_errors, word_errors
from edgesdk.session import Heard, emulate_clips, lacking_interpreter, run_clip

Place = str | Path

UNMEASURED = {
    "latency_p95_us": "no window of audio was timed on a board whose clock is known",
    "arena_bytes": "no clip was heard",
    "wer": "no expected words were given",
}


class Oracle:
    """What the laptop makes of clips; remembers it, for many desks ask the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[object, tuple[Transcript, ...]] = {}

    def transcripts(self, bundle: Bundle, clips: Sequence[Clip]) -> tuple[Transcript, ...] | None:
        """The same clips in an interpreter that rounds as devices do; None where there is none."""
        named = tuple((it.name, zlib.crc32(it.samples.tobytes()), it.reference) for it in clips)
        with self._lock:
            if lacking_interpreter() is not None:
                return None
            key = (bundle.digest, named)
            if key not in self._known:
                emulation = emulate_clips(bundle, clips, endpoint=EndpointMode.OFF)
                self._known[key] = tuple(emulation.transcripts)
            return self._known[key]


class Recogniser:
    """A device with a recogniser on it, and all that it heard."""

    def __init__(self, device: Device, bundle: Bundle, oracle: Oracle) -> None:
        """`device` holds `bundle`.

        Raises:
            BundleError: the bundle is a single graph.
        """
        if not bundle.is_recogniser:
            raise BundleError(f"{bundle.source}: holds one graph, no recogniser; use its device")
        self.device = device
        self.bundle = bundle
        self.heard: list[Heard] = []
        self._oracle = oracle
        self._windows: list[int] = []  # cost of each window of the encoder, in the device's clock

    def hear(
        self, clips: Place | Sequence[Place], expect: Place | None = None
    ) -> tuple[Heard, ...]:
        """Clips from files or folders; `expect` is a table of what is said in them.

        Raises:
            WrongResultError: device and laptop differ.
            EdgeError: a clip cannot be read, or nothing can judge what was heard.
        """
        named = [clips] if isinstance(clips, str | Path) else clips
        paths = find_clips([Path(place) for place in named])
        expected = None if expect is None else read_expected(Path(expect), paths)
        rate = self.bundle.features.sample_rate_hz
        return self.hear_clips(load_clips(paths, rate, expected))

    def hear_clips(self, clips: Sequence[Clip]) -> tuple[Heard, ...]:
        """As `hear`, for clips at hand."""
        laptop = self._oracle.transcripts(self.bundle, clips)
        if laptop is None and not all(clip.reference is not None for clip in clips):
            raise EdgeError(
                f"nothing can judge what is heard: {lacking_interpreter()}; or say what is expected"
            )
        rate = self.bundle.features.sample_rate_hz
        heard = tuple(self._hear(clip, rate) for clip in clips)
        if laptop is not None:
            _compare(clips, heard, laptop, rate)
        self.heard += heard
        return heard

    def _hear(self, clip: Clip, rate: int) -> Heard:
        calls = cost = 0

        def meter(metrics: Metrics) -> None:
            nonlocal calls, cost
            if metrics.encoder_calls > calls:
                self._windows.append(metrics.total - cost)
            calls, cost = metrics.encoder_calls, metrics.total

        return run_clip(self.device, clip, rate, meter=meter)

    def figures(self) -> dict[str, float]:
        """What budgets are about, as far as it was measured.

        `latency_p95_us`: the 95th percentile, over windows of the encoder, of the device's own
        work from the arrival of a window's last 10 ms to its tokens, in microseconds; on an
        emulated board an estimate, by one instruction per cycle. `arena_bytes`: of the largest
        graph. `wer`: word errors per hundred words.
        """
        found: dict[str, float] = {}
        clock_hz = self.device.identity.clock_hz or self.device.board.cpu.clock_hz
        if clock_hz and self._windows and any(self._windows):
            found["latency_p95_us"] = percentile(self._windows, 95) / clock_hz * 1e6
        if self.heard:
            found["arena_bytes"] = max(it.metrics.arena_bytes for it in self.heard)
        scored = [it.transcript for it in self.heard if it.transcript.reference is not None]
        if scored:
            errors = sum_errors(word_errors(it.reference or "", it.text) for it in scored)
            found["wer"] = errors.rate_pct
        return found


def percentile(values: Sequence[int], percent: int) -> int:
    """The smallest value that `percent` of all do not exceed."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100), 1) - 1]


def _compare(
    clips: Sequence[Clip], heard: Sequence[Heard], laptop: Sequence[Transcript], rate: int
) -> None:
    pairs = [
        DeviceClip(
            clip=clip.name,
            audio_s=len(clip.samples) / rate,
            heard=done.transcript,
            laptop=oracle,
            metrics=done.metrics,
            operators=done.operators,
        )
        for clip, done, oracle in zip(clips, heard, laptop, strict=True)
    ]
    unequal = [pair.clip for pair in pairs if not pair.equal]
    if unequal:
        difference = first_difference(pairs)
        sentence = unequal[0] if difference is None else difference.sentence()
        raise WrongResultError(f"device and laptop differ: {sentence}")


def check_budgets(budgets: Mapping[str, float], figures: Mapping[str, float]) -> None:
    """Hold figures to budgets.

    Raises:
        WrongResultError: one is exceeded, or was not measured.
    """
    faults = []
    for name, most in budgets.items():
        value = figures.get(name)
        if value is None:
            faults.append(f"{name} has a budget, but {UNMEASURED[name]}")
        elif value > most:
            faults.append(f"{name} is {value:,.10g}, the budget {most:,.10g}")
    if faults:
        raise WrongResultError("; ".join(faults))
