"""Synthetic speech: every word, and some strings, in many espeak-ng and flite voices."""

import random
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from features import SAMPLE_RATE
from scipy.signal import resample_poly
from vocabulary import WORDS

Samples = npt.NDArray[np.int16]

ACCENTS = (
    "en-us",
    "en-gb",
    "en-gb-scotland",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-029",
    "en-us-nyc",
)
_VARIANT_NAMES = """
m1 m2 m4 m5 m6 m7 m8 f1 f3 f4 f5 Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo
Jacky Lee Marco Mario Mike Nguyen adam anika antonio aunty belinda benjamin boris caleb croak david
ed edward grandma grandpa gustave iven iven2 iven3 john kaukovalta klatt klatt2 klatt3 klatt4
marcelo max miguel norbert pablo paul pedro quincy rob robert sandro shelby steph steph2 steph3
travis victor whisper whisperf zac
"""
VARIANTS = tuple(_VARIANT_NAMES.split())
FLITE_VOICES = ("kal16", "rms", "slt")
# Voices that training never hears: the demo and calibration clips are spoken by these.
HELD_OUT_VARIANTS = ("m3", "f2", "michel", "linda")
HELD_OUT_FLITE = "awb"


@dataclass(frozen=True)
class Voice:
    """One way of speaking; `name` is unique and serves as the speaker label."""

    name: str
    command: tuple[str, ...]

    def speak(self, text: str) -> Samples:
        """Return int16 samples at 16 kHz."""
        with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
            option = "-w" if self.command[0] == "espeak-ng" else "-o"
            flag = [text] if self.command[0] == "espeak-ng" else ["-t", text]
            subprocess.run(
                [*self.command, option, wav.name, *flag], check=True, capture_output=True
            )
            samples, rate = soundfile.read(wav.name, dtype="int16")
        return resample(samples, int(rate))


def resample(samples: Samples, rate: int) -> Samples:
    """Return int16 samples at 16 kHz."""
    if rate == SAMPLE_RATE:
        return samples
    divisor = gcd(rate, SAMPLE_RATE)
    out = resample_poly(samples.astype(np.float32), SAMPLE_RATE // divisor, rate // divisor)
    return np.clip(np.rint(out), -32768, 32767).astype(np.int16)


def _espeak(rng: random.Random, accent: str, variant: str, index: int) -> Voice:
    speed, pitch = rng.randint(110, 230), rng.randint(10, 90)
    voice = f"{accent}+{variant}"
    command = ("espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch))
    return Voice(f"espeak-{index}-{voice}", command)


def _flite(rng: random.Random, voice: str, index: int) -> Voice:
    low, high = (130, 260) if voice == "slt" else (75, 160)
    command = (
        "flite",
        *("-voice", voice),
        *("--setf", f"duration_stretch={rng.uniform(0.7, 1.4):.2f}"),
        *("--setf", f"int_f0_target_mean={rng.uniform(low, high):.0f}"),
        *("--setf", f"int_f0_target_stddev={rng.uniform(5, 30):.0f}"),
    )
    return Voice(f"flite-{index}-{voice}", command)


def training_voices(seed: int, espeak_count: int = 240, flite_count: int = 36) -> list[Voice]:
    """Return the voices that training hears."""
    rng = random.Random(seed)
    voices = [
        _espeak(rng, ACCENTS[i % len(ACCENTS)], rng.choice(VARIANTS), i)
        for i in range(espeak_count)
    ]
    return voices + [
        _flite(rng, FLITE_VOICES[i % len(FLITE_VOICES)], i) for i in range(flite_count)
    ]


def held_out_voices(seed: int) -> list[Voice]:
    """Return the voices of the demo and calibration clips."""
    rng = random.Random(seed)
    voices: list[Voice] = []
    for i, variant in enumerate(HELD_OUT_VARIANTS):
        voices.append(_flite(rng, HELD_OUT_FLITE, i))
        accent = ("en-us", "en-gb")[i % 2]
        name = f"{accent}+{variant}"
        command = ("espeak-ng", "-v", name, "-s", str(rng.randint(130, 170)))
        voices.append(Voice(f"espeak-{name}", command))
    return voices


def random_text(rng: random.Random, count: int) -> str:
    """Return `count` random words."""
    return " ".join(rng.choice(WORDS) for _ in range(count))


def _jobs(seed: int) -> Iterator[tuple[Voice, str]]:
    rng = random.Random(seed)
    for voice in training_voices(seed):
        for word in WORDS:
            yield voice, word
        for _ in range(5):
            yield voice, random_text(rng, rng.randint(2, 5))


def synthesise(seed: int, folder: Path) -> list[tuple[str, str, Samples]]:
    """Return (voice, text, samples) of all training clips, cached in `folder`."""
    cache = folder / f"synthetic-{seed}.npz"
    jobs = list(_jobs(seed))
    if not cache.exists():
        with ThreadPoolExecutor(2) as pool:
            clips = list(pool.map(lambda job: job[0].speak(job[1]), jobs))
        folder.mkdir(parents=True, exist_ok=True)
        ends = np.cumsum([len(clip) for clip in clips])
        np.savez(cache, samples=np.concatenate(clips), ends=ends)
    content = np.load(cache)
    parts = np.split(content["samples"], content["ends"][:-1])
    return [(voice.name, text, part) for (voice, text), part in zip(jobs, parts, strict=True)]
