"""Writes the demo and calibration clips: synthetic voices that training never heard.

python examples/commands/demo_clips.py
"""

import argparse
import random
from pathlib import Path

import numpy as np
import soundfile
from data import trim
from features import SAMPLE_RATE
from synthesis import Samples, Voice, held_out_voices, random_text

HERE = Path(__file__).parent
DEMO_TEXTS = (
    "yes",
    "no",
    "stop",
    "one two three",
    "four five six",
    "seven eight nine zero",
    "go left",
    "right up",
    "on off",
    "down two",
)
CALIBRATION_COUNT = 16


def quiet_ends(samples: Samples) -> Samples:
    """Return the clip trimmed, with 200 ms of digital silence at both ends."""
    pad = np.zeros(SAMPLE_RATE // 5, np.int16)
    return np.concatenate([pad, trim(samples), pad])


def noisy_clip(voice: Voice, text: str, rng: random.Random) -> Samples:
    """Return speech of random loudness over white noise 5 to 35 dB below it."""
    speech = quiet_ends(voice.speak(text)).astype(np.float64)
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(len(speech))
    noise *= np.sqrt(np.square(speech).mean()) * 10 ** (-rng.uniform(5, 35) / 20)
    mixed = speech + noise
    peak = 32000 * 10 ** (-rng.uniform(0, 24) / 20)
    return np.rint(mixed * peak / np.abs(mixed).max()).astype(np.int16)


def write_clips(folder: Path, clips: list[tuple[str, Samples]], table: str) -> None:
    """Write numbered WAV files named by their texts, and the table of both."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["file\ttext\n"]
    for index, (text, samples) in enumerate(clips):
        title = text.replace(" ", "_").replace("'", "")
        name = f"{index:02d}_{title}.wav"
        soundfile.write(folder / name, samples, SAMPLE_RATE, subtype="PCM_16")
        lines.append(f"{name}\t{text}\n")
    (folder / table).write_text("".join(lines), encoding="utf-8")


def write_demo_clips(out: Path, seed: int) -> None:
    """Write clips/ and calibration/ with their tables."""
    rng = random.Random(seed)
    voices = held_out_voices(seed)
    demo = [
        (text, quiet_ends(voices[i % len(voices)].speak(text))) for i, text in enumerate(DEMO_TEXTS)
    ]
    write_clips(out / "clips", demo, "clips.tsv")
    texts = [random_text(rng, 1 + i % 4) for i in range(CALIBRATION_COUNT)]
    noisy = [(text, noisy_clip(voices[i % len(voices)], text, rng)) for i, text in enumerate(texts)]
    write_clips(out / "calibration", noisy, "calibration.tsv")


def main() -> None:
    """Parse the command line and write the clips."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    write_demo_clips(args.out, args.seed)


if __name__ == "__main__":
    main()
