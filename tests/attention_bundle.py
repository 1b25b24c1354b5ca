"""The tiny model with a random adapter, converted: what biasing by attention is tested with."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from edgesdk.biasing.phrases import Phrase
from edgesdk.bundle import Bundle
from edgesdk.emulate import Clip
from edgesdk.recipe import AttentionRecipe, Recipe
from edgesdk_converters.frontends.onnx import load_source
from edgesdk_converters.pipeline import convert_model
from tiny_attention import write_tiny_attention
from tiny_model import write_tiny_model

RATE = 16000
ROOM = 8192
PHRASES = tuple(Phrase(text) for text in ("abc", "dean", "a fig", "mili", "jan", "egg", "bell k"))


def noise(seconds: float, seed: int = 3) -> np.ndarray:
    """Samples that swell, so that a tiny model hears something."""
    steps = np.random.default_rng(seed).normal(0, 1, int(seconds * RATE))
    swell = 0.2 + np.abs(np.sin(np.arange(steps.size) / 1500))
    return np.asarray((3000 * steps * swell).clip(-32768, 32767), np.int16)


@cache
def attention_bundle(phrases: int = 20) -> Bundle:
    """A bundle that attends to at least so many phrases; without an adapter where 0."""
    clips = [Clip(str(seed), noise(0.6, seed)) for seed in range(4)]
    recipe = Recipe(bias_bytes=ROOM, ranges="minmax", attention=AttentionRecipe(phrases), samples=1)
    with tempfile.TemporaryDirectory() as folder:
        model = write_tiny_attention(write_tiny_model(Path(folder)))
        source = load_source(model, phrases=phrases)
    return convert_model(source, clips, recipe, phrases=PHRASES).bundle


def base_bundle() -> Bundle:
    """The same model without its adapter."""
    whole = attention_bundle()
    gone = ("GADA", "tada", "gcat", "tcat")
    return Bundle({tag: data for tag, data in whole.sections.items() if tag not in gone}, "base")
