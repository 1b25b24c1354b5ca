"""Trains the recogniser and writes every shipped file.

python examples/commands/train.py --data PATH/TO/data/speech --minutes 65
"""

import argparse
import copy
import logging
import math
import multiprocessing
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from data import Batch, Corpus, batches, load_training_corpus
from demo_clips import write_demo_clips
from evaluate import isolated_sets, word_error_rates
from export import export
from model import CONTEXT_SIZE, Config, Transducer, load_checkpoint, save_checkpoint
from rnnt_loss import rnnt_loss
from torch import Tensor, nn
from vocabulary import BLANK

HERE = Path(__file__).parent
CTC_WEIGHT = 0.3
FAST_EMIT = 0.02
FINAL_RATE = 2e-5
EMA_DECAY = 0.999
EASY_POOLS = 150
# The transducer loss alone, from scratch, only learns the spelling; it starts where CTC knows the
# sounds.
CTC_READY = 1.0
log = logging.getLogger("train")


def measure_features(model: Transducer, corpus: Corpus, seed: int) -> None:
    """Set the model's feature mean and inverse deviation from a few batches."""
    source = batches(corpus, seed)
    rows = []
    for batch in (next(source) for _ in range(20)):
        used = torch.arange(batch.features.shape[1]) < 4 * batch.frame_counts[:, None]
        rows.append(batch.features[used])
    frames = torch.cat(rows)
    model.feature_mean.copy_(frames.mean(dim=0))
    model.feature_inv_std.copy_(1.0 / frames.std(dim=0))


def ctc_loss(model: Transducer, hidden: Tensor, batch: Batch) -> Tensor:
    """Return the phone CTC loss, summed over the batch."""
    scores = model.ctc(hidden).log_softmax(dim=-1).transpose(0, 1)
    return nn.functional.ctc_loss(
        scores,
        batch.phones,
        batch.frame_counts,
        batch.phone_counts,
        reduction="sum",
        zero_infinity=True,
    )


def transducer_loss(model: Transducer, hidden: Tensor, batch: Batch) -> Tensor:
    """Return the transducer loss, summed over the batch."""
    encoder_out = model.encoder.project(hidden)
    padded = nn.functional.pad(batch.tokens, (CONTEXT_SIZE, 0), value=BLANK)
    contexts = padded.unfold(1, CONTEXT_SIZE, 1)
    decoder_out = model.decoder(contexts.flatten(0, 1)).unflatten(0, contexts.shape[:2])
    logits = model.joiner(encoder_out[:, :, None], decoder_out[:, None])
    counts = batch.frame_counts, batch.token_counts
    return rnnt_loss(logits, batch.tokens, *counts, FAST_EMIT).sum()


def produce(
    corpus: Corpus, args: argparse.Namespace, queue: "multiprocessing.Queue[Batch]"
) -> None:
    """Fill the queue with batches for ever."""
    torch.set_num_threads(1)
    for batch in batches(corpus, args.seed + 2, 0 if args.init else EASY_POOLS):
        queue.put(batch)


@dataclass
class Progress:
    """Elapsed share of the time budget, 0 to 1."""

    minutes: float
    peak_rate: float
    started: float

    def share(self) -> float:
        """Return the share."""
        return (time.monotonic() - self.started) / (60 * self.minutes)

    def learning_rate(self) -> float:
        """Return a cosine from the peak to the final rate, after a short warm-up."""
        share = min(self.share(), 1.0)
        cosine = 0.5 * (1 + math.cos(math.pi * share))
        rate = FINAL_RATE + (self.peak_rate - FINAL_RATE) * cosine
        return rate * min(1.0, 0.05 + share / 0.02)


def average_into(
    average: Transducer, model: Transducer, step: int, most_decay: float = EMA_DECAY
) -> None:
    """Move the averaged weights towards the model's."""
    decay = min(most_decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)


def train(args: argparse.Namespace, corpus: Corpus) -> Transducer:
    """Return the averaged model after the given minutes."""
    torch.manual_seed(args.seed)
    if args.init:
        model = load_checkpoint(args.init).train()
    else:
        model = Transducer(Config())
        measure_features(model, corpus, args.seed + 1)
    average = copy.deepcopy(model).eval()
    log.info("%d parameters", model.num_parameters())
    dev_sets = isolated_sets(args.data)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.02)
    queue: multiprocessing.Queue[Batch] = multiprocessing.Queue(maxsize=40)
    worker = multiprocessing.Process(target=produce, args=(corpus, args, queue), daemon=True)
    worker.start()
    progress = Progress(args.minutes, args.peak_rate, time.monotonic())
    sums, reported = {"ctc": 0.0, "rnnt": 0.0, "phones": 1, "tokens": 1}, time.monotonic()
    step, smooth_ctc, transducing = 0, 4.0, args.init is not None
    while progress.share() < 1.0:
        batch = queue.get()
        x = (batch.features - model.feature_mean) * model.feature_inv_std
        hidden, _ = model.encoder.hidden_states(x, model.encoder.initial_state(len(x)))
        ctc = ctc_loss(model, hidden, batch)
        loss, weight = ctc, batch.phone_counts.sum().clamp_min(1)
        smooth_ctc += 0.02 * (ctc.item() / int(weight) - smooth_ctc)
        transducing = transducing or smooth_ctc < CTC_READY or progress.share() > args.ctc_share
        if transducing:
            rnnt = transducer_loss(model, hidden, batch)
            loss, weight = rnnt + CTC_WEIGHT * ctc, batch.token_counts.sum().clamp_min(1)
            sums["rnnt"] += rnnt.item()
        optimizer.zero_grad()
        (loss / weight).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        for group in optimizer.param_groups:
            group["lr"] = progress.learning_rate()
        optimizer.step()
        step += 1
        average_into(average, model, step)
        sums["ctc"] += ctc.item()
        sums["phones"] += int(batch.phone_counts.sum())
        sums["tokens"] += int(batch.token_counts.sum())
        if time.monotonic() - reported > args.report_seconds:
            rates = {name: word_error_rates(average, clips) for name, clips in dev_sets.items()}
            log.info(
                "step %d, share %.2f: ctc %.3f a phone, rnnt %.3f a token, WER %s",
                step,
                progress.share(),
                sums["ctc"] / sums["phones"],
                sums["rnnt"] / sums["tokens"],
                ", ".join(f"{name} {100 * rate:.1f} %" for name, rate in rates.items()),
            )
            save_checkpoint(average, args.out / "checkpoint.pt")
            sums, reported = {"ctc": 0.0, "rnnt": 0.0, "phones": 1, "tokens": 1}, time.monotonic()
    worker.terminate()
    return average


def main() -> None:
    """Parse the command line, train, export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the speech folder")
    parser.add_argument("--minutes", type=float, default=65.0, help="training time")
    parser.add_argument("--ctc-share", type=float, default=0.2, help="most CTC alone")
    parser.add_argument("--peak-rate", type=float, default=2.5e-3, help="highest learning rate")
    parser.add_argument("--init", type=Path, help="checkpoint to go on from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report-seconds", type=float, default=120.0)
    parser.add_argument("--out", type=Path, default=HERE)
    default_work = Path.home() / ".cache" / "edgesdk-commands"
    parser.add_argument("--work", type=Path, default=default_work, help="cache of voices")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)  # the matrices are small: a second thread only waits
    args.out.mkdir(parents=True, exist_ok=True)
    corpus = load_training_corpus(args.data, args.work, args.seed)
    model = train(args, corpus)
    save_checkpoint(model, args.out / "checkpoint.pt")
    export(model, args.out / "onnx")
    write_demo_clips(args.out, args.seed)


if __name__ == "__main__":
    main()
