"""Streams clips over a link with faults for an hour of audio; nothing wrong may be accepted.

python benchmarks/soak.py [--minutes 60] [--board host] [--lost R --doubled R --corrupt R]

An hour means an hour of accepted audio, 16,000 samples a second in pieces of 10 ms, as fast as
device and link take it, every joiner call's logits traced. Audio that was streamed in vain comes on
top and is counted apart.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from edgesdk.board import load_board
from edgesdk.build import build
from edgesdk.bundle import Bundle
from edgesdk.clips import find_clips
from edgesdk.emulate import Clip, Transcript, load_clips
from edgesdk.errors import GoneError, NoAnswerError, WireError
from edgesdk.flash.store import store
from edgesdk.link.device import Device, open_device
from edgesdk.link.messages import Metrics
from edgesdk.needed import needed_options
from edgesdk.recipe import Recipe
from edgesdk.session import emulate_clips, run_clip
from edgesdk_converters.frontends.onnx import load_source
from edgesdk_converters.pipeline import convert_model
from faulty_line import FaultyLine, Rates

MODEL = Path(__file__).resolve().parents[1] / "examples" / "commands"
RATE = 16_000
TRIES = 1000
TIMEOUT_S = 1.0
SAMPLES = 200  # of memory and descriptors, over the whole run
PAGE = os.sysconf("SC_PAGE_SIZE")
LEAK_BYTES = 512 * 1024  # of growth in the second half: less is the allocator's


@dataclass(frozen=True)
class Usage:
    """Of one process at one time."""

    audio_s: float
    resident: int  # bytes
    descriptors: int


def usage(process: int, audio_s: float) -> Usage:
    """What a process of this computer takes now."""
    proc = Path(f"/proc/{process}")
    resident = int((proc / "statm").read_text().split()[1]) * PAGE
    return Usage(audio_s, resident, len(list((proc / "fd").iterdir())))


@dataclass
class Soak:
    """What happened."""

    wanted_s: float
    accepted: int = 0
    wrong: int = 0
    audio_s: float = 0.0  # accepted
    vain_s: float = 0.0
    began_again: dict[str, int] = field(default_factory=dict)  # utterances, by the cause's kind
    host: list[Usage] = field(default_factory=list)
    device: list[Usage] = field(default_factory=list)
    metrics: dict[str, Metrics] = field(default_factory=dict)  # of each clip's first utterance
    drifted: int = 0
    mended: int = 0  # faults after which the link sent again what was lost
    seconds: list[float] = field(default_factory=list)  # of the wall, per second of audio

    def begin_again(self, error: WireError | NoAnswerError, audio_s: float) -> None:
        """An utterance was lost."""
        kind = type(error).__name__
        self.began_again[kind] = self.began_again.get(kind, 0) + 1
        self.vain_s += audio_s


def growth(points: Sequence[Usage]) -> int:
    """Bytes that resident memory grows by over the second half, along the line of least squares."""
    half = points[len(points) // 2 :]
    if len(half) < 3:
        return 0
    times = np.array([it.audio_s for it in half])
    slope = np.polyfit(times, [it.resident for it in half], 1)[0]
    return round(float(slope * (times[-1] - times[0])))


def stream(
    device: Device, line: FaultyLine, right: Sequence[tuple[Clip, Transcript]], soak: Soak
) -> None:
    """Clips over and over until enough audio was accepted, each held to the laptop's transcript."""
    process = line.transport.process.pid  # type: ignore[attr-defined]
    while soak.audio_s < soak.wanted_s:
        for clip, transcript in right:
            begin = time.monotonic()
            heard, metrics = utterance(device, clip, soak)
            audio_s = len(clip.samples) / RATE
            soak.seconds.append((time.monotonic() - begin) / audio_s)
            soak.accepted += 1
            soak.audio_s += audio_s
            soak.wrong += heard != transcript
            soak.drifted += soak.metrics.setdefault(clip.name, metrics) != metrics
            if soak.audio_s >= len(soak.host) * soak.wanted_s / SAMPLES:
                soak.host.append(usage(os.getpid(), soak.audio_s))
                soak.device.append(usage(process, soak.audio_s))


def utterance(device: Device, clip: Clip, soak: Soak) -> tuple[Transcript, Metrics]:
    """One clip, begun again after every fault, as docs/protocol.md has it."""
    for _ in range(TRIES):
        try:
            heard = run_clip(device, clip, RATE)
            return heard.transcript, steady(heard.metrics)
        except GoneError:
            raise
        except (WireError, NoAnswerError) as error:
            soak.begin_again(error, len(clip.samples) / RATE)
            greet(device)
    raise NoAnswerError(f"{clip.name} did not get through in {TRIES} tries; lower the rates")


def greet(device: Device) -> None:
    """Say hello until it is answered: everything before is then over."""
    for _ in range(TRIES):
        try:
            device.hello(10 * TIMEOUT_S)
            return
        except GoneError:
            raise
        except (WireError, NoAnswerError):
            continue
    raise NoAnswerError(f"no hello in {TRIES} tries; lower the rates")


def steady(metrics: Metrics) -> Metrics:
    """Without what a faulty line changes: marks of the receive buffer and the stack."""
    return replace(metrics, receive_high_water=0, receive_lost=0, stack_high_water=0)


def joined(clips: Sequence[Clip], seconds: float) -> list[Clip]:
    """The clips again and again, as streams of at least so many seconds; a different order each."""
    if seconds <= 0:
        return list(clips)
    streams = []
    for first in range(min(len(clips), 4)):
        samples: list[np.ndarray] = []
        while sum(map(len, samples)) < seconds * RATE:
            samples.append(clips[(first + len(samples) * (first + 1)) % len(clips)].samples)
        streams.append(Clip(f"stream {first}", np.concatenate(samples)))
    return streams


def shipped_bundle() -> Bundle:
    """The shipped recogniser, calibrated in a hurry: here it is about the link."""
    some = sorted((MODEL / "calibration").glob("*.wav"))[:3]
    return convert_model(load_source(MODEL / "onnx"), load_clips(some, RATE), Recipe()).bundle


def soak(
    bundle: Bundle,
    clips: Sequence[Clip],
    board: str,
    rates: Rates,
    wanted_s: float,
    mends: bool = True,
    seed: int = 6,
) -> tuple[Soak, FaultyLine]:
    """Stream `wanted_s` of accepted audio to an emulated board of ours."""
    judged = emulate_clips(bundle, clips).transcripts
    done = Soak(wanted_s)
    with tempfile.TemporaryDirectory() as name:
        folder, our_board = Path(name), load_board(board)
        store(build(our_board, bundle, needed_options(bundle)), folder)
        with open_device(our_board, timeout_s=TIMEOUT_S, devices=folder, mends=mends) as device:
            line = FaultyLine(device.channel.transport, rates, seed)
            device.channel.transport = line
            stream(device, line, list(zip(clips, judged, strict=True)), done)
            done.mended = device.channel.mended
    return done, line


def show(done: Soak, line: FaultyLine, rates: Rates, wall_s: float) -> None:
    """The figures, one a line."""
    tenth = max(1, len(done.seconds) // 10)
    first, last = np.mean(done.seconds[:tenth]), np.mean(done.seconds[-tenth:])
    print(f"audio accepted       {done.audio_s:,.0f} s in {done.accepted} utterances")
    print(f"of the wall          {wall_s:,.0f} s ({done.audio_s / wall_s:.1f} times real time)")
    print(f"rates per byte       {rates}")
    print(f"bytes on the line    {line.carried:,}, faults {line.faults}")
    print(f"mended               {done.mended} times")
    print(f"begun again          {done.began_again}, {done.vain_s:,.0f} s of audio in vain at most")
    print(f"wrong and accepted   {done.wrong}")
    print(f"drift                {done.drifted} utterances with other counts than their first")
    print(f"wall per audio s     first tenth {first * 1e3:.1f} ms, last tenth {last * 1e3:.1f} ms")
    for name, points in (("host", done.host), ("device", done.device)):
        memory = f"{points[0].resident:,} -> {points[-1].resident:,} bytes"
        print(f"{name:<7}resident      {memory}, second half grows {growth(points):,}")
        print(f"{name:<7}descriptors   {points[0].descriptors} -> {points[-1].descriptors}")


def faults_of(done: Soak) -> list[str]:
    """What must not be."""
    said = []
    if done.wrong:
        said.append(f"{done.wrong} wrong transcripts were accepted")
    if done.drifted:
        said.append(f"{done.drifted} utterances drifted")
    for name, points in (("host", done.host), ("device", done.device)):
        if growth(points) > LEAK_BYTES:
            said.append(f"the {name}'s memory grows by {growth(points):,} bytes")
        if points[-1].descriptors > points[len(points) // 2].descriptors:
            said.append(f"the {name}'s descriptors grow")
    return said


def main() -> None:
    """Parse, stream, show; exit 1 where something must not be."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="of accepted audio")
    parser.add_argument("--board", default="host")
    parser.add_argument("--stream-s", type=float, default=0.0, help="join clips to such streams")
    for kind in ("lost", "doubled", "corrupt"):
        parser.add_argument(f"--{kind}", type=float, default=1e-4, help="faults per byte")
    parser.add_argument("--strict", action="store_true", help="mend nothing, begin again instead")
    given = parser.parse_args()
    clips = joined(load_clips(find_clips([MODEL / "clips"]), RATE), given.stream_s)
    rates = Rates(given.lost, given.doubled, given.corrupt)
    begin = time.monotonic()
    done, line = soak(
        shipped_bundle(), clips, given.board, rates, given.minutes * 60, not given.strict
    )
    show(done, line, rates, time.monotonic() - begin)
    said = faults_of(done)
    print("; ".join(said) or "nothing wrong, nothing leaks, nothing drifts")
    sys.exit(1 if said else 0)


if __name__ == "__main__":
    main()
