"""Takes blocks of weights from a trained recogniser and trains what is left.

python examples/commands/sparsify.py --data PATH/TO/data/speech --out sparse

Blocks go at once, as the converter takes them; with --gradual by magnitude, more and more.
`edgesdk convert sparse/onnx` finds the zero blocks by itself and packs them.
"""

import argparse
import copy
import logging
import multiprocessing
import random
import time
from pathlib import Path

import torch
from data import Batch, Corpus, load_training_corpus, mix
from decode import device_features
from edgesdk_converters.compress.pattern import parse_pattern
from evaluate import isolated_sets, word_error_rates
from export import export
from model import Transducer, load_checkpoint, save_checkpoint
from sparsity import EVERY_STEPS, GradualSparsity, prune_as_converted, share_of_zeros
from torch import Tensor, nn
from train import CTC_WEIGHT, Progress, average_into, ctc_loss, produce, transducer_loss

HERE = Path(__file__).parent
EMA_DECAY = 0.995
log = logging.getLogger("sparsify")


def loss_of(model: Transducer, zeros: GradualSparsity, batch: Batch, words: bool) -> Tensor:
    """Return the distance from the dense layers and, if asked, also what the `words` cost."""
    x = (batch.features - model.feature_mean) * model.feature_inv_std
    outputs, _ = model.encoder.layer_outputs(x, model.encoder.initial_state(len(x)))
    distance = zeros.distance(outputs, x)
    if not words:
        return distance
    hidden = outputs[-1]
    heard = transducer_loss(model, hidden, batch) + CTC_WEIGHT * ctc_loss(model, hidden, batch)
    return distance + heard / batch.token_counts.sum().clamp_min(1)


def sparsify(args: argparse.Namespace, corpus: Corpus) -> Transducer:
    """Return the averaged sparse model after the given minutes."""
    torch.manual_seed(args.seed)
    dense, model = load_checkpoint(args.dense), load_checkpoint(args.init).train()
    model.encoder.dropout.p = 0.0  # less is left to over-fit with, and it must meet exact outputs
    pattern = parse_pattern(args.block)
    zeros = GradualSparsity(dense, args.sparsity, pattern, args.ramp if args.gradual else 0.0)
    if not args.gradual and args.init == args.dense:
        rng = random.Random(args.seed)
        heard = (device_features(mix(corpus, rng)[0]) for _ in range(args.calibration))
        prune_as_converted(model, heard, args.sparsity, args.block)
    zeros.advance(model, 0.0)
    average = copy.deepcopy(model).eval()
    dev_sets = isolated_sets(args.data)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.0)
    queue: multiprocessing.Queue[Batch] = multiprocessing.Queue(maxsize=40)
    worker = multiprocessing.Process(target=produce, args=(corpus, args, queue), daemon=True)
    worker.start()
    progress = Progress(args.minutes, args.peak_rate, time.monotonic())
    step, smooth, reported = 0, 1.0, time.monotonic()
    while (share := progress.share()) < 1.0:
        words = share >= args.close_share and not zeros.rises(share)
        loss = loss_of(model, zeros, queue.get(), words)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        for group in optimizer.param_groups:
            group["lr"] = progress.learning_rate()
        optimizer.step()
        step += 1
        smooth += 0.02 * (loss.item() - smooth)
        average_into(average, model, step, EMA_DECAY)
        if step % EVERY_STEPS == 0:
            zeros.advance(model, share)
        zeros.hold(model, average)
        if time.monotonic() - reported > args.report_seconds:
            reported = time.monotonic()
            rates = {name: word_error_rates(average, clips) for name, clips in dev_sets.items()}
            told = ", ".join(f"{name} {100 * rate:.1f} %" for name, rate in rates.items())
            gone = 100 * share_of_zeros(average)
            log.info("step %d: %.0f %% zeros, loss %.3f, WER %s", step, gone, smooth, told)
            save_checkpoint(average, args.out / "checkpoint.pt")
    worker.terminate()
    return average


def main() -> None:
    """Parse the command line, train, export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the speech folder")
    parser.add_argument("--dense", type=Path, default=HERE / "checkpoint.pt", help="to learn from")
    parser.add_argument("--init", type=Path, help="sparse checkpoint to go on from")
    parser.add_argument("--sparsity", type=float, default=0.75, help="share of weights to drop")
    parser.add_argument("--block", default="8x16", help="rows x columns that go together")
    parser.add_argument("--gradual", action="store_true", help="by magnitude, more and more")
    parser.add_argument("--ramp", type=float, default=0.4, help="share of the time that takes")
    parser.add_argument("--close-share", type=float, default=0.2, help="of the time, without words")
    parser.add_argument("--calibration", type=int, default=100, help="utterances to prune by else")
    parser.add_argument("--minutes", type=float, default=30.0, help="training time")
    parser.add_argument("--peak-rate", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report-seconds", type=float, default=300.0)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    default_work = Path.home() / ".cache" / "edgesdk-commands"
    parser.add_argument("--work", type=Path, default=default_work, help="cache of voices")
    args = parser.parse_args()
    args.init = args.init or args.dense
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)  # the matrices are small: a second thread only waits
    args.out.mkdir(parents=True, exist_ok=True)
    model = sparsify(args, load_training_corpus(args.data, args.work, args.seed))
    save_checkpoint(model, args.out / "checkpoint.pt")
    export(model, args.out / "onnx")


if __name__ == "__main__":
    main()
