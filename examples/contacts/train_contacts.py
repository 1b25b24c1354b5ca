"""Trains the recogniser of names on synthetic speech; writes all but adapter and ONNX graphs.

python examples/contacts/train_contacts.py --minutes 65
"""

import argparse
import copy
import logging
import time
from pathlib import Path

import commands_path  # noqa: F401
import torch
from clips_contacts import write_shipped_files
from evaluate_contacts import evaluate, test_sets, torch_decoder
from letters import TOKENS
from model import Config, Transducer, load_checkpoint, save_checkpoint
from speech import Speech, batches, load_speech
from torch import nn
from train import CTC_READY, CTC_WEIGHT, Progress, average_into, ctc_loss, transducer_loss

HERE = Path(__file__).parent
COMMANDS = HERE.parent / "commands" / "checkpoint.pt"
EASY_POOLS = 2
# The shipped figures come from another seed: these clips only watch the training.
WATCH_SEED = 1009
log = logging.getLogger("train_contacts")


def new_model(num_phones: int) -> Transducer:
    """Return a model with the encoder and the feature settings of examples/commands.

    Its encoder knows sounds already; the letters, phones and the joiner start from nothing.
    """
    model = Transducer(Config(vocab_size=len(TOKENS), num_phones=num_phones, dropout=0.1))
    commands = load_checkpoint(COMMANDS)
    model.encoder.load_state_dict(commands.encoder.state_dict())
    model.feature_mean.copy_(commands.feature_mean)
    model.feature_inv_std.copy_(commands.feature_inv_std)
    return model


class Meter:
    """Sums losses between two reports."""

    def __init__(self) -> None:
        """Start at zero."""
        self.ctc = self.rnnt = 0.0
        self.phones = self.tokens = 1
        self.since = time.monotonic()

    def add(self, ctc: float, phones: int, rnnt: float, tokens: int) -> None:
        """Add one batch."""
        self.ctc, self.phones = self.ctc + ctc, self.phones + phones
        self.rnnt, self.tokens = self.rnnt + rnnt, self.tokens + tokens

    def text(self) -> str:
        """Return the losses a symbol."""
        ctc, rnnt = self.ctc / self.phones, self.rnnt / self.tokens
        return f"ctc {ctc:.3f} a phone, rnnt {rnnt:.3f} a token"


def train(args: argparse.Namespace, speech: Speech) -> Transducer:
    """Return the averaged model after the given minutes; a checkpoint at every report."""
    torch.manual_seed(args.seed)
    model = load_checkpoint(args.init).train() if args.init else new_model(speech.num_phones)
    average = copy.deepcopy(model).eval()
    log.info("%d parameters, %.1f hours", model.num_parameters(), speech.ends[-1] / 360_000)
    watched = test_sets(WATCH_SEED, limit=24)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    progress = Progress(args.minutes, args.peak_rate, time.monotonic())
    meter, smooth_ctc, transducing = Meter(), 4.0, args.init is not None
    source = batches(speech, args.seed + 2, 0 if args.init else EASY_POOLS)
    step = 0
    while progress.share() < 1.0:
        batch = next(source)
        x = (batch.features - model.feature_mean) * model.feature_inv_std
        hidden, _ = model.encoder.hidden_states(x, model.encoder.initial_state(len(x)))
        loss = ctc = ctc_loss(model, hidden, batch)
        weight, rnnt = batch.phone_counts.sum(), torch.zeros(())
        smooth_ctc += 0.02 * (ctc.item() / int(weight) - smooth_ctc)
        transducing = transducing or smooth_ctc < CTC_READY or progress.share() > args.ctc_share
        if transducing:
            rnnt = transducer_loss(model, hidden, batch)
            loss, weight = rnnt + CTC_WEIGHT * ctc, batch.token_counts.sum()
        optimizer.zero_grad()
        (loss / weight).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        for group in optimizer.param_groups:
            group["lr"] = progress.learning_rate()
        optimizer.step()
        step += 1
        average_into(average, model, step)
        tokens = int(batch.token_counts.sum()) if transducing else 0
        meter.add(ctc.item(), int(batch.phone_counts.sum()), rnnt.item(), tokens)
        if time.monotonic() - meter.since > args.report_seconds:
            rows = evaluate(torch_decoder(average), watched) if transducing else {}
            figures = ", ".join(f"{title}:{scores.line()}" for title, scores in rows.items())
            log.info("step %d, share %.2f: %s; %s", step, progress.share(), meter.text(), figures)
            save_checkpoint(average, args.out / "checkpoint.pt")
            meter = Meter()
    return average


def main() -> None:
    """Parse the command line, train, export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=65.0, help="training time")
    parser.add_argument("--utterances", type=int, default=16_000, help="how many to synthesise")
    parser.add_argument("--ctc-share", type=float, default=0.2, help="most CTC alone")
    parser.add_argument("--peak-rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--init", type=Path, help="checkpoint to go on from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report-seconds", type=float, default=180.0)
    parser.add_argument("--out", type=Path, default=HERE)
    default_work = Path.home() / ".cache" / "edgesdk-contacts"
    parser.add_argument("--work", type=Path, default=default_work, help="cache of voices")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)  # the matrices are small: a second thread only waits
    args.out.mkdir(parents=True, exist_ok=True)
    speech = load_speech(args.utterances, args.seed, args.work)
    model = train(args, speech)
    write_shipped_files(model, args.out)


if __name__ == "__main__":
    main()
