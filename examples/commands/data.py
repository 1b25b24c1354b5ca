"""Clips of real and synthetic speech, and their mixing into training utterances."""

import csv
import itertools
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from features import FRAME_SHIFT, SAMPLE_RATE, TAIL_PADDING_MS, fbank
from model import CHUNK_FRAMES
from synthesis import Samples, synthesise
from vocabulary import DIGITS, PHONES_OF_WORD, WORDS, encode, encode_phones, is_in_vocabulary

Sound = npt.NDArray[np.float32]
BATCH_FRAMES = 10_000
POOL_UTTERANCES = 256
TAIL_SAMPLES = SAMPLE_RATE * TAIL_PADDING_MS // 1000
# Sentences teach the model to stay silent, but not where they hold a word or sound like one.
_SOUND_ALIKES = frozenset(
    (*WORDS, "to", "too", "for", "ate", "won", "tree", "know", "write", "follow", "forward", "oh")
)
_SOURCE_WEIGHT = {
    "digit": {"fsdd": 0.42, "speech_commands": 0.23, "synthetic": 0.35},
    "command": {"speech_commands": 0.65, "synthetic": 0.35},
}
_WORD_COUNTS = (1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6)


@dataclass(frozen=True)
class Clip:
    """A piece of speech; `text` is empty where nothing should be recognised."""

    source: str
    speaker: str
    text: str
    samples: Samples


@dataclass
class Corpus:
    """All clips of one split, and its noises."""

    clips: list[Clip]
    noises: list[Samples]
    by_word: dict[tuple[str, str], list[Clip]] = field(default_factory=dict)
    by_speaker: dict[str, list[Clip]] = field(default_factory=dict)
    strings: list[Clip] = field(default_factory=list)
    other: list[Clip] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Index the clips by what they are used for."""
        by_word: dict[tuple[str, str], list[Clip]] = defaultdict(list)
        by_speaker: dict[str, list[Clip]] = defaultdict(list)
        for clip in self.clips:
            if clip.text in PHONES_OF_WORD:
                by_word[clip.source, clip.text].append(clip)
                by_speaker[clip.speaker].append(clip)
            else:
                (self.strings if clip.text else self.other).append(clip)
        self.by_word, self.by_speaker = dict(by_word), dict(by_speaker)


def trim(samples: Samples, margin_ms: int = 40) -> Samples:
    """Return the samples without quiet ends; unchanged where speech does not stand out."""
    hop = SAMPLE_RATE // 100
    count = len(samples) // hop
    if count < 10:
        return samples
    blocks = samples[: count * hop].astype(np.float32).reshape(count, hop)
    level = 10 * np.log10(np.square(blocks).mean(axis=1) + 1.0)
    threshold = max(level.max() - 32, np.percentile(level, 10) + 6)
    loud = np.flatnonzero(level > threshold)
    if len(loud) == 0 or level.max() - np.percentile(level, 10) < 15:
        return samples
    margin = margin_ms * SAMPLE_RATE // 1000
    return samples[max(loud[0] * hop - margin, 0) : (loud[-1] + 1) * hop + 2 * margin]


def read_manifest(data: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of a manifest of the speech folder."""
    with (data / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def load_real_clips(data: Path, split: str) -> list[Clip]:
    """Return the recorded clips of a split; speech outside the vocabulary has no text."""
    clips = []
    for row in read_manifest(data, "manifest.tsv"):
        if row["split"] != split:
            continue
        text = row["text"]
        if not is_in_vocabulary(text):
            if _SOUND_ALIKES & set(text.split()) or float(row["seconds"]) > 4.0:
                continue
            text = ""
        samples, _ = soundfile.read(data / row["path"], dtype="int16")
        clips.append(Clip(Path(row["path"]).parent.name, row["speaker"], text, samples))
    return clips


def load_noises(data: Path, split: str) -> list[Samples]:
    """Return the background noises of a split."""
    return [
        soundfile.read(data / row["path"], dtype="int16")[0]
        for row in read_manifest(data, "noise_manifest.tsv")
        if row["split"] == split
    ]


def load_training_corpus(data: Path, work: Path, seed: int) -> Corpus:
    """Return real and synthetic clips for training, trimmed."""
    clips = load_real_clips(data, "train")
    clips += [Clip("synthetic", *parts) for parts in synthesise(seed, work)]
    trimmed = [Clip(c.source, c.speaker, c.text, trim(c.samples)) for c in clips]
    return Corpus(trimmed, load_noises(data, "train"))


def pick_clips(corpus: Corpus, rng: random.Random) -> list[Clip]:
    """Return the clips to say one after another; half the time by one speaker."""
    draw = rng.random()
    if draw < 0.08:
        return [rng.choice(corpus.other)] if rng.random() < 0.6 else []
    if draw < 0.22:
        real = rng.random() < 0.6
        return [rng.choice([c for c in corpus.strings if (c.source == "synthetic") != real])]
    clips: list[Clip] = []
    one_speaker = rng.random() < 0.5
    for _ in range(rng.choice(_WORD_COUNTS)):
        if clips and one_speaker:
            clips.append(rng.choice(corpus.by_speaker[clips[0].speaker]))
            continue
        word = rng.choice(WORDS)
        weights = _SOURCE_WEIGHT["digit" if word in DIGITS else "command"]
        source = rng.choices(list(weights), list(weights.values()))[0]
        clips.append(rng.choice(corpus.by_word[source, word]))
    return clips


def change_speed(samples: Samples, factor: float) -> Sound:
    """Return the samples played `factor` times as fast (pitch moves too)."""
    positions = np.arange(0, len(samples) - 1, factor, dtype=np.float32)
    return np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)


def background(corpus: Corpus, rng: random.Random, count: int) -> Sound:
    """Return `count` samples of noise of unit power: recorded, or white to brown."""
    if rng.random() < 0.75:
        noise = rng.choice(corpus.noises).astype(np.float32)
        start = rng.randrange(len(noise))
        noise = np.resize(np.roll(noise, -start), count)
    else:
        generator = np.random.default_rng(rng.getrandbits(32))
        spectrum = np.fft.rfft(generator.standard_normal(1 << max(count - 1, 1).bit_length()))
        tilt = np.arange(1, len(spectrum) + 1, dtype=np.float32) ** -rng.uniform(0.0, 1.0)
        noise = np.fft.irfft(spectrum * tilt)[:count].astype(np.float32)
    return noise / (np.sqrt(np.square(noise).mean()) + 1e-3)


def _join(clips: list[Clip], rng: random.Random) -> Sound:
    """Return the clips one after another, each with its own speed and nearly one loudness."""
    tight = rng.random() < 0.35
    speed = rng.uniform(0.88, 1.14)
    parts = [np.zeros(int(rng.uniform(0, 0.6) ** 1.5 * SAMPLE_RATE), np.float32)]
    for clip in clips:
        part = change_speed(clip.samples, speed * rng.uniform(0.96, 1.04))
        part *= 1000.0 / (np.sqrt(np.square(part).mean()) + 1.0) * rng.uniform(0.6, 1.5)
        ramp = np.linspace(0, 1, 80, dtype=np.float32)
        part[:80] *= ramp
        part[-80:] *= ramp[::-1]
        gap = rng.uniform(0, 0.04) if tight else rng.uniform(0, 0.5)
        parts += [part, np.zeros(int(gap * SAMPLE_RATE), np.float32)]
    if not clips:
        parts.append(np.zeros(rng.randrange(4000, 32000), np.float32))
    return np.concatenate(parts)


def _channel(samples: Sound, rng: random.Random) -> Sound:
    """Return the samples through a random room, microphone and band limit."""
    size = 1 << (len(samples) + 4000).bit_length()
    spectrum = np.fft.rfft(samples, size)
    freq = np.linspace(0, SAMPLE_RATE / 2, len(spectrum), dtype=np.float32)
    if rng.random() < 0.7:
        knots = np.sort([rng.uniform(0, 8000) for _ in range(6)])
        gains = [rng.uniform(-8, 8) for _ in knots]
        spectrum *= 10 ** (np.interp(freq, knots, gains) / 20)
    if rng.random() < 0.35:
        cutoff = rng.uniform(3300, 4000)
        spectrum /= 1 + np.exp(np.minimum((freq - cutoff) / rng.uniform(10, 60), 60))
    if rng.random() < 0.35:
        generator = np.random.default_rng(rng.getrandbits(32))
        decay = np.exp(-np.arange(4000) / (SAMPLE_RATE * rng.uniform(0.01, 0.06)))
        room = generator.standard_normal(4000) * decay
        room *= rng.uniform(0.1, 0.8) / np.sqrt(np.square(room).sum())
        room[0] = 1.0
        spectrum *= np.fft.rfft(room, size)
    return np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)


def mix(corpus: Corpus, rng: random.Random, easy: bool = False) -> tuple[Samples, str]:
    """Return a random utterance (int16, with the device's tail of zeros) and its text.

    An `easy` one is a single word without noise, room or microphone.
    """
    clips = pick_clips(corpus, rng)[:1] if easy else pick_clips(corpus, rng)
    samples = _join(clips, rng)
    samples = np.concatenate([samples, np.zeros(int(rng.uniform(0, 0.4) * 16000), np.float32)])
    level = 1000.0
    if not easy and rng.random() < 0.65:
        level *= 10 ** (-rng.uniform(5, 35) / 20)
        samples += level * background(corpus, rng, len(samples))
    if not easy and rng.random() < 0.65:
        samples = _channel(samples, rng)
    peak = 32000 * 10 ** (-rng.uniform(0, 30) / 20)
    samples *= peak / (np.abs(samples).max() + 1.0)
    samples = np.concatenate([np.rint(samples), np.zeros(TAIL_SAMPLES, np.float32)])
    return samples.astype(np.int16), " ".join(clip.text for clip in clips if clip.text)


def warped_features(samples: Samples, rng: random.Random) -> torch.Tensor:
    """Return features with random formants (VTLP) and tempo, a whole number of chunks."""
    warp = round(rng.uniform(0.88, 1.15), 2) if rng.random() < 0.75 else 1.0
    shift = int(FRAME_SHIFT * rng.uniform(0.85, 1.18)) if rng.random() < 0.5 else FRAME_SHIFT
    features = fbank(torch.from_numpy(samples) / 32768.0, warp, shift)
    return features[: len(features) // CHUNK_FRAMES * CHUNK_FRAMES]


def mask(features: torch.Tensor, rng: random.Random, fill: torch.Tensor) -> None:
    """Blank random bands and moments of the features in place (SpecAugment)."""
    for _ in range(rng.randrange(3)):
        low, width = rng.randrange(features.shape[1]), rng.randrange(1, 6)
        features[:, low : low + width] = fill[low : low + width]
    for _ in range(rng.randrange(2)):
        start, width = rng.randrange(len(features)), rng.randrange(1, 7)
        features[start : start + width] = fill


@dataclass(frozen=True)
class Batch:
    """Padded features and targets, in use up to the counts."""

    features: torch.Tensor
    frame_counts: torch.Tensor
    tokens: torch.Tensor
    token_counts: torch.Tensor
    phones: torch.Tensor
    phone_counts: torch.Tensor


def _pad(rows: list[list[int]]) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(row, dtype=torch.long) for row in rows], batch_first=True
    )


def collate(utterances: list[tuple[torch.Tensor, str]]) -> Batch:
    """Return one batch of (features, text) pairs."""
    features = [f for f, _ in utterances]
    tokens = [encode(text) for _, text in utterances]
    phones = [encode_phones(text) for _, text in utterances]
    return Batch(
        torch.nn.utils.rnn.pad_sequence(features, batch_first=True),
        torch.tensor([len(f) // CHUNK_FRAMES for f in features]),
        _pad(tokens),
        torch.tensor([len(row) for row in tokens]),
        _pad(phones),
        torch.tensor([len(row) for row in phones]),
    )


def batches(corpus: Corpus, seed: int, easy_pools: int = 0) -> Iterator[Batch]:
    """Yield batches of about 10,000 frames for ever, each of similar lengths.

    The share of easy utterances falls from one to zero over the first `easy_pools` pools.
    """
    rng = random.Random(seed)
    for index in itertools.count():
        utterances = []
        for _ in range(POOL_UTTERANCES):
            easy = rng.random() * easy_pools > index
            samples, text = mix(corpus, rng, easy)
            features = warped_features(samples, rng)
            mask(features, rng, features.mean(dim=0))
            utterances.append((features, text))
        utterances.sort(key=lambda pair: len(pair[0]))
        groups, group = [], utterances[:0]
        for pair in utterances:
            if group and (len(group) + 1) * len(pair[0]) > BATCH_FRAMES:
                groups.append(group)
                group = []
            group.append(pair)
        groups.append(group)
        rng.shuffle(groups)
        yield from map(collate, groups)
