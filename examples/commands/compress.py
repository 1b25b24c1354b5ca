"""Prints what compression after training costs in words, on speakers that training never heard.

python examples/commands/compress.py --data PATH/TO/data/speech [--real-calibration 50]
python examples/commands/compress.py --data PATH --source sparse/onnx --only "nothing"
"""

import argparse
import random
from pathlib import Path

import numpy as np
from data import load_real_clips
from edgesdk.emulate import Clip, emulate
from edgesdk.recipe import CompressRecipe, Recipe
from edgesdk.report.wer import sum_errors, word_errors
from edgesdk_converters.frontends.onnx import load_source
from edgesdk_converters.pipeline import Conversion, convert_model
from evaluate import isolated_sets
from scipy.io import wavfile
from vocabulary import PHONES_OF_WORD

HERE = Path(__file__).parent
# Layers after the encoder's LSTMs are 8 % of the weights and bear least.
_KEEP = {"encoder.linear0", "predictor.linear0", "predictor.linear1", "joiner.linear0"}
CASES = {
    "nothing but int8": CompressRecipe(),
    "4 bits (16 values)": CompressRecipe(palette=16),
    "3 bits (8 values)": CompressRecipe(palette=8),
    "25 %, 8x16 blocks": CompressRecipe(sparsity=0.25),
    "50 %, 8x16 blocks": CompressRecipe(sparsity=0.5),
    "50 %, 8x16 blocks, LSTMs only": CompressRecipe(
        sparsity=0.5, levels="even", layers=dict.fromkeys(_KEEP, 0.0)
    ),
    "50 %, 4x4 blocks": CompressRecipe(sparsity=0.5, block="4x4"),
    "50 %, 4x4 blocks, not repaired": CompressRecipe(sparsity=0.5, block="4x4", repair="none"),
    "50 %, 4x4 blocks, 4 bits": CompressRecipe(sparsity=0.5, block="4x4", palette=16),
    "75 %, 4x4 blocks": CompressRecipe(sparsity=0.75, block="4x4"),
    "75 %, 8x16 blocks": CompressRecipe(sparsity=0.75),
    "75 %, 8x16 blocks, LSTMs only": CompressRecipe(
        sparsity=0.75, levels="even", layers=dict.fromkeys(_KEEP, 0.0)
    ),
}


def calibration_clips(data: Path, real: int) -> list[Clip]:
    """Return the shipped calibration clips and `real` strings of three words from training."""
    paths = sorted((HERE / "calibration").glob("*.wav"))
    clips = [Clip(path.name, wavfile.read(path)[1]) for path in paths]
    words = [c for c in load_real_clips(data, "train") if c.text in PHONES_OF_WORD] if real else []
    random.Random(1).shuffle(words)
    for index in range(real):
        mine = words[3 * index : 3 * index + 3]
        clips.append(Clip(f"real {index}", np.concatenate([c.samples for c in mine])))
    return clips


def count_errors(made: Conversion, spoken: list[Clip]) -> float:
    """Return the word error rate in per cent."""
    heard = emulate(made.bundle, spoken, engine="core").transcripts
    pairs = zip(spoken, heard, strict=True)
    return sum_errors(word_errors(clip.reference or "", it.text) for clip, it in pairs).rate_pct


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the speech folder")
    parser.add_argument("--source", type=Path, default=HERE / "onnx", help="folder of .onnx files")
    parser.add_argument("--real-calibration", type=int, default=0, metavar="STRINGS")
    parser.add_argument("--every", type=int, default=1, help="count on every Nth clip only")
    parser.add_argument("--only", default="", help="cases with this in their name")
    args = parser.parse_args()
    source = load_source(args.source)
    calibration = calibration_clips(args.data, args.real_calibration)
    sets = isolated_sets(args.data).values()
    dev = [clip for clips in sets for clip in clips][:: args.every]
    spoken = [Clip(str(i), clip.samples, clip.text) for i, clip in enumerate(dev)]
    print(f"{args.source}: {len(spoken)} clips, {len(calibration)} for calibration")
    print(f"{'case':34s} {'zeros':>6s} {'bytes':>8s} {'bits':>5s} {'SQNR dB':>8s} {'WER':>8s}")
    for name, compress in CASES.items():
        if args.only not in name:
            continue
        core = "dsp" if compress.block == "4x4" else "mve"
        made = convert_model(source, calibration, Recipe(core=core, compress=compress))
        tensors = [it for graph in made.graphs.values() for it in graph.tensors]
        weights = sum(it.bytes_before for it in tensors)
        packed, zeros = sum(it.bytes_after for it in tensors), sum(it.zeros for it in tensors)
        noise = min(min(graph.sqnr_db.values()) for graph in made.graphs.values())
        print(
            f"{name:34s} {zeros / weights:6.0%} {packed:8,d} {8 * packed / weights:5.2f}"
            f" {noise:8.1f} {count_errors(made, spoken):6.1f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
