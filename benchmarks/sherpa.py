"""Compares the C core on the int8 bundle with sherpa-onnx on the float ONNX model it is made of.

python benchmarks/sherpa.py [--model examples/commands] [--clips FOLDER...] [--phrases FILE]

A folder of clips has .wav files and clips.tsv. Phrases, one a line, are what both sides are told
to prefer; recall is the share of their occurrences in the references that was heard.
"""

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from edgesdk.biasing.compile import compile_phrases
from edgesdk.biasing.phrases import Phrase, read_phrases
from edgesdk.bundle import Bundle
from edgesdk.clips import read_expected
from edgesdk.emulate import Clip, Emulator, load_clips
from edgesdk.recipe import Recipe, SearchRecipe
from edgesdk.report.wer import word_errors
from edgesdk_converters.frontends.onnx import load_source
from edgesdk_converters.pipeline import convert_model
from rich.console import Console
from rich.table import Table
from sherpa_model import tokens_per_frame, write_model

ROOT = Path(__file__).resolve().parents[1]
RATE = 16000
TAIL = RATE * 400 // 1000  # zeros, as the device's own tail_padding_ms
# sherpa-onnx leaves a chunk alone until one more frame is there.
ONE_FRAME = RATE * 10 // 1000
RESAMPLES = 2000  # of the clips, for the interval of a difference
Recognise = Callable[[Clip], str]
Contender = tuple[str, Recognise]


@dataclasses.dataclass(frozen=True)
class Heard:
    """What one recogniser made of a set; errors and words are per clip."""

    name: str
    errors: np.ndarray
    words: np.ndarray
    found: int
    spoken: int
    false: int

    @property
    def rate_pct(self) -> float:
        """Word error rate."""
        return float(100 * self.errors.sum() / max(self.words.sum(), 1))


def occurrences(phrase: tuple[str, ...], words: Sequence[str]) -> int:
    """How often the words of a phrase follow one another."""
    size = len(phrase)
    return sum(tuple(words[at : at + size]) == phrase for at in range(len(words) - size + 1))


def phrase_counts(phrases: Sequence[str], pairs: Sequence[tuple[str, str]]) -> tuple[int, int, int]:
    """Over (reference, text): phrases found, spoken, and heard where nobody said them."""
    found = spoken = false = 0
    for reference, text in pairs:
        for phrase in phrases:
            said, heard = (
                occurrences(tuple(phrase.split()), line.split()) for line in (reference, text)
            )
            found, spoken = found + min(said, heard), spoken + said
            false += max(0, heard - said)
    return found, spoken, false


def hear(name: str, recognise: Recognise, clips: Sequence[Clip], phrases: Sequence[str]) -> Heard:
    """Recognise a set of clips with references."""
    pairs = [(clip.reference or "", recognise(clip)) for clip in clips]
    errors = [word_errors(reference, text) for reference, text in pairs]
    totals = (np.array([e.total for e in errors]), np.array([e.words for e in errors]))
    return Heard(name, *totals, *phrase_counts(phrases, pairs))


def difference(ours: Heard, theirs: Heard) -> tuple[float, float, float]:
    """WER of ours less theirs in points, and its 95 % interval by resampling the clips."""
    rng = np.random.default_rng(1)
    picks = rng.integers(0, len(ours.words), (RESAMPLES, len(ours.words)))
    change = (ours.errors - theirs.errors)[picks].sum(1) / np.maximum(ours.words[picks].sum(1), 1)
    low, high = np.percentile(100 * change, (2.5, 97.5))
    return ours.rate_pct - theirs.rate_pct, float(low), float(high)


class Sherpa:
    """sherpa-onnx's own runtime on the float graphs in a folder of write_model."""

    def __init__(self, package: Any, folder: Path, bins: int) -> None:
        self._package = package
        self._files = {p: str(folder / f"{p}.onnx") for p in ("encoder", "decoder", "joiner")}
        self._folder, self._bins = folder, bins

    def _hotwords(self, phrases: Sequence[str]) -> str:
        """A file of phrases, each written in its letters as tokens of their own."""
        path = self._folder / "hotwords.txt"
        spelled = (" ".join("▁" + "▁".join(phrase.split())) for phrase in phrases)
        path.write_text("".join(f"{line}\n" for line in spelled), encoding="utf-8")
        return str(path)

    def recogniser(self, beam: int, phrases: Sequence[str] = (), weight: float = 0.0) -> Recognise:
        """A function from a clip to its text; phrases need a beam."""
        biased = (
            {"hotwords_file": self._hotwords(phrases), "hotwords_score": weight} if phrases else {}
        )
        recogniser = self._package.OnlineRecognizer.from_transducer(
            tokens=str(self._folder / "tokens.txt"),
            **self._files,
            **biased,
            num_threads=1,
            feature_dim=self._bins,
            snip_edges=True,
            model_type="lstm",
            decoding_method="greedy_search" if beam == 1 else "modified_beam_search",
            max_active_paths=beam,
        )

        def recognise(clip: Clip) -> str:
            stream = recogniser.create_stream()
            samples = np.concatenate([clip.samples, np.zeros(TAIL + ONE_FRAME, np.int16)])
            stream.accept_waveform(RATE, samples.astype(np.float32) / 32768)
            stream.input_finished()
            while recogniser.is_ready(stream):
                recogniser.decode_stream(stream)
            return str(recogniser.get_result(stream)).strip()

        return recognise


def ours(bundle: Bundle, phrases: Sequence[str] = (), weight: float = 0.0) -> Recognise:
    """The C core on an int8 bundle, with a table of phrases."""
    lines = [Phrase(p, weight, "phrases", f"phrase {at}") for at, p in enumerate(phrases)]
    tables = [table.data for table in compile_phrases(lines, bundle).tables] if lines else []
    emulator = Emulator(bundle, "core", tables)
    return lambda clip: emulator.recognise(clip).text


def convert(model: Path, beam: int) -> Bundle:
    """The bundle of an example, with room for phrases."""
    calibration = load_clips(sorted((model / "calibration").glob("*.wav")), RATE)
    recipe = Recipe(bias_bytes=1 << 18, search=SearchRecipe(beam=beam))
    return convert_model(load_source(model / "onnx"), calibration, recipe).bundle


def read_clips(folder: Path) -> list[Clip]:
    """The clips of a folder with what is said in them."""
    paths = sorted(folder.glob("*.wav"))
    return list(load_clips(paths, RATE, read_expected(folder / "clips.tsv", paths)))


def contenders(
    sherpas: dict[int, Sherpa],
    bundles: dict[int, Bundle],
    phrases: Sequence[str],
    weights: Sequence[float],
) -> list[Contender]:
    """All recognisers to compare, by name; sherpas by tokens a frame, bundles by beam."""
    listed: list[Contender] = []
    beam = max(bundles)
    for tokens, sherpa in sherpas.items():
        name = f"sherpa-onnx, float, {tokens} token{'s' * (tokens > 1)} a frame"
        listed += [(f"{name}, greedy", sherpa.recogniser(1))]
        listed += [(f"{name}, beam {beam}", sherpa.recogniser(beam))]
    for width, bundle in bundles.items():
        listed.append((f"edgesdk, int8, {_search(width)}", ours(bundle)))
    for weight in weights if phrases else ():
        for tokens, sherpa in sherpas.items():
            name = f"sherpa-onnx, float, {tokens} token{'s' * (tokens > 1)} a frame, beam {beam}"
            biased = sherpa.recogniser(beam, phrases, weight)
            listed.append((f"{name}, hotwords {weight:g}", biased))
        for width, bundle in bundles.items():
            name = f"edgesdk, int8, {_search(width)}, table {weight:g}"
            listed.append((name, ours(bundle, phrases, weight)))
    return listed


def _search(beam: int) -> str:
    return "greedy" if beam == 1 else f"beam {beam}"


def show(title: str, heard: Sequence[Heard], base: Heard) -> Table:
    """A table with a line for each recogniser; differences are those to `base`."""
    table = Table("", "WER %", "errors", title=title, box=None, title_justify="left")
    table.add_column("against the first line, points (95 %)")
    for column in ("recall %", "false"):
        table.add_column(column, justify="right")
    for row in heard:
        less, low, high = difference(row, base)
        table.add_row(
            row.name,
            f"{row.rate_pct:.1f}",
            str(row.errors.sum()),
            "" if row is base else f"{less:+.1f} ({low:+.1f} to {high:+.1f})",
            f"{100 * row.found / row.spoken:.1f}" if row.spoken else "",
            str(row.false) if row.spoken else "",
        )
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "examples" / "commands")
    parser.add_argument("--clips", type=Path, nargs="+", help="folders; default: the model's own")
    parser.add_argument("--phrases", type=Path, help="one a line; their weights are left aside")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.3, 0.6], help="a letter")
    parser.add_argument("--beam", type=int, default=4)
    return parser.parse_args()


def main() -> None:
    """Parse the command line and print a table for each set of clips."""
    args = _arguments()
    try:
        import sherpa_onnx
    except ImportError:
        sys.exit("sherpa-onnx is not installed: .venv/bin/python -m pip install sherpa-onnx")
    source = args.model / "onnx"
    bins = int(load_source(source).features["num_mel_bins"])
    phrases = [phrase.text for phrase in read_phrases(args.phrases, "")] if args.phrases else []
    bundles = {beam: convert(args.model, beam) for beam in (1, args.beam)}
    console = Console(width=150)
    with tempfile.TemporaryDirectory() as folder:
        sherpas = {}
        for tokens in (tokens_per_frame(source), 1):
            out = Path(folder) / str(tokens)
            write_model(source, out, tokens)
            sherpas[tokens] = Sherpa(sherpa_onnx, out, bins)
        everyone = contenders(sherpas, bundles, phrases, args.weights)
        for clips in args.clips or [args.model / "clips"]:
            read = read_clips(clips)
            heard = [hear(name, recognise, read, phrases) for name, recognise in everyone]
            words = int(heard[0].words.sum())
            title = f"{clips.name}: {len(read)} clips, {words} words, {heard[0].spoken} phrases"
            console.print(show(title, heard, heard[0]), "")


if __name__ == "__main__":
    main()
