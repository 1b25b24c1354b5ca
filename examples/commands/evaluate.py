"""Prints word error rates on speakers that training never heard.

python examples/commands/evaluate.py --data PATH/TO/data/speech

With --write FOLDER, writes the same clips for `edgesdk emulate --expect` instead: a folder of .wav
files and clips.tsv for each set.
"""

import argparse
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from data import TAIL_SAMPLES, Clip, load_noises, load_real_clips, trim
from decode import recognise, word_errors
from features import SAMPLE_RATE
from model import Transducer, load_checkpoint
from synthesis import Samples
from vocabulary import PHONES_OF_WORD

HERE = Path(__file__).parent
STRINGS_PER_SOURCE = 200


def with_tail(samples: Samples) -> Samples:
    """Return the clip as the device hears it: a tail of zeros at the end."""
    return np.concatenate([samples, np.zeros(TAIL_SAMPLES, np.int16)])


def isolated_sets(data: Path) -> dict[str, list[Clip]]:
    """Return the dev clips that hold exactly one word, by source."""
    sets: dict[str, list[Clip]] = defaultdict(list)
    for clip in load_real_clips(data, "dev"):
        if clip.text in PHONES_OF_WORD:
            sets[clip.source].append(clip)
    return {name: clips for name, clips in sets.items() if len(clips) > 20}


def word_error_rates(model: Transducer, clips: Sequence[Clip]) -> float:
    """Return the word error rate on the clips."""
    texts = recognise(model, [with_tail(clip.samples) for clip in clips])
    errors, words = word_errors([clip.text for clip in clips], texts)
    return errors / words


def joined_strings(clips: list[Clip], seed: int) -> list[Clip]:
    """Return strings of 2 to 5 words, each of one speaker's clips, with short pauses."""
    rng = random.Random(seed)
    by_speaker: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_speaker[clip.speaker].append(clip)
    strings = []
    for _ in range(STRINGS_PER_SOURCE):
        own = by_speaker[rng.choice(sorted(by_speaker))]
        words = [rng.choice(own) for _ in range(rng.randint(2, 5))]
        parts = []
        for word in words:
            pause = np.zeros(int(rng.uniform(0.05, 0.4) * 16000), np.int16)
            parts += [trim(word.samples), pause]
        text = " ".join(word.text for word in words)
        strings.append(Clip(words[0].source, words[0].speaker, text, np.concatenate(parts)))
    return strings


def add_noise(clips: list[Clip], noises: list[Samples], snr_db: float, seed: int) -> list[Clip]:
    """Return the clips over real noise at a signal-to-noise ratio of the whole clip."""
    rng = random.Random(seed)
    noisy = []
    for clip in clips:
        noise = rng.choice(noises).astype(np.float64)
        noise = np.resize(np.roll(noise, -rng.randrange(len(noise))), len(clip.samples))
        speech = clip.samples.astype(np.float64)
        scale = np.sqrt(np.square(speech).mean() / (np.square(noise).mean() + 1.0))
        mixed = speech + noise * scale * 10 ** (-snr_db / 20)
        mixed *= min(1.0, 32000 / np.abs(mixed).max())
        samples = np.rint(mixed).astype(np.int16)
        noisy.append(Clip(clip.source, clip.speaker, clip.text, samples))
    return noisy


def report(model: Transducer, name: str, clips: list[Clip], confusions: int = 0) -> None:
    """Print one line of the table and, if asked, the most frequent mistakes."""
    texts = recognise(model, [with_tail(clip.samples) for clip in clips])
    errors, words = word_errors([clip.text for clip in clips], texts)
    print(f"{name:44s} {len(clips):5d} {words:6d} {100 * errors / max(words, 1):7.1f} %")
    pairs = Counter((c.text, text) for c, text in zip(clips, texts, strict=True) if c.text != text)
    for (expected, got), count in pairs.most_common(confusions):
        print(f"    {count:3d} x '{expected}' heard as '{got}'")


def report_false_words(model: Transducer, name: str, clips: list[Samples]) -> None:
    """Print how many words are heard where there are none."""
    texts = recognise(model, [with_tail(clip) for clip in clips])
    heard = sum(len(text.split()) for text in texts)
    minutes = sum(map(len, clips)) / 16000 / 60
    print(f"{name:44s} {len(clips):5d} {heard:6d} words in {minutes:.1f} minutes")


def clip_sets(data: Path, seed: int) -> dict[str, list[Clip]]:
    """Return isolated words and strings of words of the dev speakers, by a name for each set."""
    isolated = isolated_sets(data)
    sets = {f"isolated, {name}": clips for name, clips in isolated.items()}
    for name, clips in isolated.items():
        sets[f"strings of 2 to 5, {name}"] = joined_strings(clips, seed)
    dev = load_real_clips(data, "dev")
    sets["connected digits of children, speechocean762"] = [c for c in dev if " " in c.text]
    return sets


def write_clips(folder: Path, clips: list[Clip]) -> None:
    """Write the clips, without the device's tail, and what is said in them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["file\ttext\n"]
    for index, clip in enumerate(clips):
        name = f"{index:03d}.wav"
        soundfile.write(folder / name, clip.samples, SAMPLE_RATE, subtype="PCM_16")
        lines.append(f"{name}\t{clip.text}\n")
    (folder / "clips.tsv").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the speech folder")
    parser.add_argument("--checkpoint", type=Path, default=HERE / "checkpoint.pt")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--confusions", type=int, default=0, help="mistakes to list per set")
    parser.add_argument("--write", type=Path, help="folder to write the clips to")
    args = parser.parse_args()
    noises, sets = load_noises(args.data, "dev"), clip_sets(args.data, args.seed)
    if args.write is not None:
        for name, clips in sets.items():
            short = re.sub("[^a-z0-9]+", "-", name)
            write_clips(args.write / f"{short}-clean", clips)
            write_clips(args.write / f"{short}-10db", add_noise(clips, noises, 10.0, args.seed))
        return
    torch.set_num_threads(1)  # the matrices are small: a second thread only waits
    model = load_checkpoint(args.checkpoint)
    print(f"{'set':44s} {'clips':>5s} {'words':>6s} {'WER':>9s}")
    for name, clips in sets.items():
        report(model, f"{name}, clean", clips, args.confusions)
        report(model, f"{name}, 10 dB", add_noise(clips, noises, 10.0, args.seed))
    report_false_words(model, "noise alone", noises)
    other = [c.samples for c in load_real_clips(args.data, "dev") if not c.text]
    report_false_words(model, "other speech", other)


if __name__ == "__main__":
    main()
