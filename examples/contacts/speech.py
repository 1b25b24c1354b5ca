"""Synthetic speech of random sentences as cached features, and their augmentation in batches."""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path

import commands_path  # noqa: F401
import espeak
import numpy as np
import numpy.typing as npt
import torch
from data import Batch, mask, trim
from features import NUM_BINS, TAIL_PADDING_MS, fbank
from letters import encode, phones_of_words
from model import CHUNK_FRAMES
from sentences import carrier_words, read_list, split_names, training_text
from synthesis import Voice, training_voices
from torch import Tensor

FLITE_SHARE = 0.1
BATCH_FRAMES = 5000
POOL_UTTERANCES = 512
SHARD_UTTERANCES = 4000
TAIL_FRAMES = TAIL_PADDING_MS // 10
# The features of digital silence, as of the device's tail of zeros: the filter bank's floor.
SILENCE = math.log(1.1920928955078125e-07)
_DB = math.log(10) / 10


@dataclass(frozen=True)
class Speech:
    """Utterances of training voices at full level: log-mel rows, their ends, texts, phones."""

    features: npt.NDArray[np.float16]
    ends: npt.NDArray[np.int64]
    texts: list[str]
    phones: dict[str, list[int]]
    num_phones: int

    def clip(self, index: int) -> Tensor:
        """Return the features [T, 40] of one utterance."""
        start = int(self.ends[index - 1]) if index else 0
        return torch.from_numpy(self.features[start : int(self.ends[index])].astype(np.float32))


def _say(job: tuple[Voice, str]) -> npt.NDArray[np.float16]:
    """Return the features of a text without quiet ends, its peak at full scale."""
    torch.set_num_threads(1)
    voice, text = job
    spoken = espeak.speak(voice, text) if voice.name.startswith("espeak") else voice.speak(text)
    samples = trim(spoken).astype(np.float32)
    samples /= np.abs(samples).max() + 1.0
    return fbank(torch.from_numpy(samples)).numpy().astype(np.float16)


def _jobs(count: int, seed: int) -> list[tuple[Voice, str]]:
    """Return which training voice says what."""
    names, _ = split_names()
    words = read_list("words")
    rng = random.Random(seed)
    voices = training_voices(seed, espeak_count=480, flite_count=60)
    espeak = [voice for voice in voices if voice.name.startswith("espeak")]
    flite = [voice for voice in voices if voice.name.startswith("flite")]
    jobs = []
    for _ in range(count):
        kind = flite if rng.random() < FLITE_SHARE else espeak
        jobs.append((rng.choice(kind), training_text(names, words, rng)))
    return jobs


def load_speech(count: int, seed: int, folder: Path) -> Speech:
    """Return `count` training utterances, cached in `folder`; the count may grow later."""
    jobs = _jobs(count, seed)
    starts = range(0, count, SHARD_UTTERANCES)
    paths = [folder / f"contacts-{seed}-{start}.npz" for start in starts]
    folder.mkdir(parents=True, exist_ok=True)
    with Pool(2) as pool:
        for start, path in zip(starts, paths, strict=True):
            if not path.exists():
                clips = pool.map(_say, jobs[start : start + SHARD_UTTERANCES], chunksize=50)
                lengths = np.array([len(clip) for clip in clips])
                np.savez(path, features=np.concatenate(clips), lengths=lengths)
    names, _ = split_names()
    phones = phones_of_words(sorted({*names.all(), *read_list("words"), *carrier_words()}))
    symbols = sorted({phone for word in phones.values() for phone in word})
    index = {phone: i + 1 for i, phone in enumerate(symbols)}
    coded = {word: [index[p] for p in word_phones] for word, word_phones in phones.items()}
    shards = [np.load(path) for path in paths]
    features = np.concatenate([shard["features"] for shard in shards])
    ends = np.cumsum(np.concatenate([shard["lengths"] for shard in shards]))
    texts = [text for _, text in jobs]
    return Speech(features, ends, texts, coded, len(symbols) + 1)


def warp_bins(features: Tensor, factor: float) -> Tensor:
    """Return features whose bands moved by a factor, as another vocal tract's would."""
    position = (torch.arange(NUM_BINS) * factor).clamp_max(NUM_BINS - 1)
    low = position.floor().long().clamp_max(NUM_BINS - 2)
    share = position - low
    return features[:, low] * (1 - share) + features[:, low + 1] * share


def change_tempo(features: Tensor, factor: float) -> Tensor:
    """Return features played `factor` times as fast."""
    position = torch.arange(0, len(features) - 1, factor)
    low = position.floor().long().clamp_max(len(features) - 2)  # arange rounds past its end
    share = (position - low)[:, None]
    return features[low] * (1 - share) + features[low + 1] * share


def _curve(rng: random.Random, size_db: float) -> Tensor:
    """Return a smooth random gain over the bands, in nepers of power."""
    knots = [rng.uniform(-size_db, size_db) * _DB for _ in range(6)]
    curve = np.interp(np.linspace(0, 5, NUM_BINS), np.arange(6), knots)
    return torch.from_numpy(curve.astype(np.float32))


def _noise(rng: random.Random, frames: int, level: float) -> Tensor:
    """Return the features of steady noise: narrow bands flicker more than wide ones."""
    tilt = torch.linspace(0, rng.uniform(-3, 3), NUM_BINS)
    flicker = torch.linspace(0.9, 0.3, NUM_BINS)
    generator = torch.Generator().manual_seed(rng.getrandbits(32))
    shape = level + tilt + _curve(rng, 6.0)
    return shape + flicker * torch.randn(frames, NUM_BINS, generator=generator)


def augment(features: Tensor, rng: random.Random) -> Tensor:
    """Return an utterance [T, 40] as it might reach the device, a whole number of chunks.

    Formants, tempo, quiet ends, microphone, level and noise change; the tail is digital silence.
    """
    if rng.random() < 0.6:
        features = warp_bins(features, rng.uniform(0.9, 1.12))
    if rng.random() < 0.6:
        features = change_tempo(features, rng.uniform(0.85, 1.2))
    before, after = rng.randrange(2, 50), rng.randrange(2, 40)
    quiet = torch.full((before + len(features) + after, NUM_BINS), SILENCE)
    quiet[before : before + len(features)] = features
    loudness = features.mean().item()
    features = quiet
    if rng.random() < 0.6:
        features = features + _curve(rng, 6.0)
    if rng.random() < 0.6:
        noise = _noise(rng, len(features), loudness - rng.uniform(-5, 30) * _DB)
        features = torch.logaddexp(features, noise)
    features = (features - rng.uniform(0, 30) * _DB).clamp_min(SILENCE)
    features = torch.cat([features, torch.full((TAIL_FRAMES, NUM_BINS), SILENCE)])
    return features[: len(features) // CHUNK_FRAMES * CHUNK_FRAMES]


def _pad(rows: list[list[int]]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(row, dtype=torch.long) for row in rows], batch_first=True
    )


def collate(speech: Speech, utterances: list[tuple[Tensor, str]]) -> Batch:
    """Return one batch of (features, text) pairs."""
    features = [f for f, _ in utterances]
    tokens = [encode(text) for _, text in utterances]
    phones = [[p for word in text.split() for p in speech.phones[word]] for _, text in utterances]
    return Batch(
        torch.nn.utils.rnn.pad_sequence(features, batch_first=True),
        torch.tensor([len(f) // CHUNK_FRAMES for f in features]),
        _pad(tokens),
        torch.tensor([len(row) for row in tokens]),
        _pad(phones),
        torch.tensor([len(row) for row in phones]),
    )


def batches(speech: Speech, seed: int, easy_pools: int = 0) -> Iterator[Batch]:
    """Yield batches of about 5,000 frames for ever, each of similar lengths.

    The first `easy_pools` pools hold short utterances only.
    """
    rng = random.Random(seed)
    lengths = np.diff(speech.ends, prepend=0)
    short = np.flatnonzero(lengths < 90).tolist()
    everything = list(range(len(lengths)))
    for pool in itertools.count():
        utterances = []
        chosen = short if pool < easy_pools else everything
        for index in rng.sample(chosen, min(POOL_UTTERANCES, len(chosen))):
            features = augment(speech.clip(index), rng)
            mask(features, rng, features.mean(dim=0))
            utterances.append((features, speech.texts[index]))
        utterances.sort(key=lambda pair: len(pair[0]))
        groups, group = [], utterances[:0]
        for pair in utterances:
            if group and (len(group) + 1) * len(pair[0]) > BATCH_FRAMES:
                groups.append(group)
                group = []
            group.append(pair)
        groups.append(group)
        rng.shuffle(groups)
        yield from (collate(speech, group) for group in groups)
