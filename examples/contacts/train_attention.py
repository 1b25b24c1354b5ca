"""Trains the attention adapter: the recogniser stays as it is.

python examples/contacts/train_attention.py --minutes 20
"""

import argparse
import itertools
import logging
import random
import time
from dataclasses import dataclass
from pathlib import Path

import commands_path  # noqa: F401
import torch
from alignment import Heard, Paths, hear, path_batches
from attention import HEADS, WIDTH, Adapter, Attention, Table, load_attention, save_attention
from letters import TOKENS, decode, encode
from model import CONTEXT_SIZE, Transducer, load_checkpoint
from sentences import Names, carrier_words, read_list, split_names
from speech import load_speech
from torch import Tensor, nn
from train import Progress
from vocabulary import BLANK

HERE = Path(__file__).parent
MOST_DISTRACTORS = 150
KEPT_SHARE = 0.85
ATTEND_WEIGHT = 0.3
SPELL_WEIGHT = 0.3
GATE_WEIGHT = 0.5
REPORT_STEPS = 100
log = logging.getLogger("train_attention")


@dataclass(frozen=True)
class PhraseList:
    """The phrases of a batch and, for each letter of its texts, the table's row: 0 is no phrase."""

    phrases: list[str]
    rows: Tensor


class PhraseLists:
    """Draws a list for a batch: most of the names in it, and names that nobody in it says."""

    def __init__(self, names: Names, seed: int) -> None:
        """Take the training names that are no common words."""
        self._names = names
        self._marks = names.all() - {*read_list("words"), *carrier_words()}
        self._rng = random.Random(seed)

    def spoken(self, text: str) -> str:
        """Return the first name in a text, a run of words that are only names, or nothing."""
        runs = itertools.groupby(text.split(), key=lambda word: word in self._marks)
        return next((" ".join(run) for is_name, run in runs if is_name), "")

    def draw(self, texts: list[str]) -> PhraseList:
        """Return a list in random order."""
        spoken = [self.spoken(text) for text in texts]
        chosen = {name for name in spoken if name and self._rng.random() < KEPT_SHARE}
        more = self._rng.randrange(MOST_DISTRACTORS)
        chosen |= {self._names.draw(self._rng) for _ in range(more)}
        phrases = self._rng.sample(sorted(chosen), len(chosen))
        index = {phrase: i for i, phrase in enumerate(phrases, 1)}
        rows: list[int] = []
        for text, name in zip(texts, spoken, strict=True):
            rows += rows_of_letters(text, name, index.get(name, 0))
        return PhraseList(phrases, torch.tensor(rows))


def rows_of_letters(text: str, name: str, row: int) -> list[int]:
    """Return `row` for the letters of a text that belong to a name, 0 for the others."""
    before = text.split()[: text.split().index(name.split()[0])] if name else text.split()
    start, length = len(encode(" ".join(before))), len(encode(name))
    rest = len(encode(text)) - start - length
    return [*[0] * start, *[row] * length, *[0] * rest]


def attend_loss(scores: Tensor, paths: Paths, rows: Tensor) -> Tensor:
    """Return the cross-entropy of the rows that letters belong to, the mean of all heads.

    Takes the scores [B, H, T, N + 1]; without it attention learns late which phrase is spoken.
    """
    is_letter = paths.target != BLANK
    heads = scores.transpose(1, 2)[paths.utterance[is_letter], paths.frame[is_letter]]
    return nn.functional.cross_entropy(heads.flatten(0, 1), rows.repeat_interleave(HEADS))


class Speller(nn.Module):
    """Reads phrases' letters out of their values without audio; only training uses it.

    It goes the adapter's way: a value times a gate, through the adapter's output to the joiner.
    Its gate follows from the last two letters, and the adapter's is taught to be like it. Without
    that values learn late how their phrases are spelled, and frames how to ask for a letter.
    """

    def __init__(self, width: int) -> None:
        """Make a gate for every letter of a context, and a frame [J] that says nothing."""
        super().__init__()
        self.gate = nn.ModuleList(nn.Embedding(len(TOKENS), WIDTH) for _ in range(CONTEXT_SIZE))
        self.blind = nn.Parameter(torch.zeros(width))

    def gates(self, contexts: Tensor) -> Tensor:
        """Return the gates [D, 64] of contexts [D, 2]."""
        gates: Tensor = sum(gate(contexts[:, i]) for i, gate in enumerate(self.gate))
        return gates

    def loss(self, model: Transducer, adapter: Adapter, table: Table, phrases: list[str]) -> Tensor:
        """Return the cross-entropy a letter of a table's phrases."""
        rows, contexts, letters = [], [], []
        for row, ids in enumerate(map(encode, phrases), 1):
            rows += [row] * len(ids)
            contexts += list(itertools.pairwise([BLANK, BLANK, *ids[:-1]]))
            letters += ids
        context = torch.tensor(contexts)
        change = adapter.output(table.values[rows] * self.gates(context))
        logits = model.joiner(self.blind + change, model.decoder(context))
        return nn.functional.cross_entropy(logits, torch.tensor(letters))


@dataclass(frozen=True)
class Losses:
    """A letter: of the best paths; of attending to its phrase; of spelling; of gates."""

    path: Tensor
    attend: Tensor
    spell: Tensor
    gate: Tensor

    def total(self) -> Tensor:
        """Return what training minimises."""
        helping = ATTEND_WEIGHT * self.attend + SPELL_WEIGHT * self.spell + GATE_WEIGHT * self.gate
        return self.path + helping


def gate_loss(speller: Speller, gates: Tensor, paths: Paths) -> Tensor:
    """Return how far the adapter's gates [B, T, 64] are from the speller's where a letter comes."""
    is_letter = paths.target != BLANK
    wanted = speller.gates(paths.context[is_letter]).detach()
    given = gates[paths.utterance[is_letter], paths.frame[is_letter]]
    return nn.functional.mse_loss(given, wanted) / wanted.var()


def path_losses(
    model: Transducer, attention: Attention, speller: Speller, paths: Paths, listed: PhraseList
) -> Losses:
    """Return the losses of a batch with a phrase list."""
    with torch.no_grad():
        encoder_out = model.encoder.project(paths.hidden)
        decoder_out = model.decoder(paths.context)
    attend = spell = gate = torch.zeros(())
    if listed.phrases:
        table = attention.catalog(listed.phrases)
        result = attention(paths.hidden, encoder_out, table)
        encoder_out = result.encoder_out
        attend = attend_loss(result.scores, paths, listed.rows)
        spell = speller.loss(model, attention.adapter, table, listed.phrases)
        gate = gate_loss(speller, result.gates, paths)
    logits = model.joiner(encoder_out[paths.utterance, paths.frame], decoder_out)
    loss = nn.functional.cross_entropy(logits, paths.target, reduction="sum")
    return Losses(loss / (paths.target != BLANK).sum(), attend, spell, gate)


def train(args: argparse.Namespace, model: Transducer, heard: list[Heard]) -> Attention:
    """Return the adapter after the given minutes; it is saved at every report."""
    torch.manual_seed(args.seed)
    config = model.config
    new = Attention(config.joiner_dim, config.hidden)
    attention = load_attention(args.init, config).train() if args.init else new
    log.info("%d weights", sum(p.numel() for p in attention.parameters()))
    names, _ = split_names()
    lists = PhraseLists(names, args.seed)
    speller = Speller(config.joiner_dim)
    parameters = [*attention.parameters(), *speller.parameters()]
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=0.01)
    progress = Progress(args.minutes, args.peak_rate, time.monotonic())
    sums, plain_sum = torch.zeros(4), 0.0
    for step, paths in enumerate(path_batches(heard, args.seed, args.batch), 1):
        if progress.share() >= 1.0:
            break
        listed = lists.draw([decode(row) for row in paths.texts])
        losses = path_losses(model, attention, speller, paths, listed)
        optimizer.zero_grad()
        losses.total().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = progress.learning_rate()
        optimizer.step()
        with torch.no_grad():
            sums += torch.stack([losses.path, losses.attend, losses.spell, losses.gate])
            plain = path_losses(model, attention, speller, paths, PhraseList([], torch.zeros(0)))
            plain_sum += plain.path.item()
        if step % REPORT_STEPS == 0:
            log.info(
                "step %d, share %.2f: %.3f a letter, attend %.2f, spell %.2f, gate %.2f; "
                "%.3f without phrases",
                *(step, progress.share(), *(sums / REPORT_STEPS).tolist()),
                plain_sum / REPORT_STEPS,
            )
            sums, plain_sum = torch.zeros(4), 0.0
            torch.save(attention.state_dict(), args.out / "attention.pt")
    return attention


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=HERE / "checkpoint.pt")
    parser.add_argument("--minutes", type=float, default=20.0, help="training time")
    parser.add_argument("--utterances", type=int, default=16_000, help="how many to synthesise")
    parser.add_argument("--heard", type=int, default=32_000, help="how many to train on, augmented")
    parser.add_argument("--batch", type=int, default=96, help="utterances of a step")
    parser.add_argument("--peak-rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--init", type=Path, help="attention.pt to go on from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=HERE / "attention")
    default_work = Path.home() / ".cache" / "edgesdk-contacts"
    parser.add_argument("--work", type=Path, default=default_work, help="cache of voices")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)  # the matrices are small: a second thread only waits
    args.out.mkdir(parents=True, exist_ok=True)
    model = load_checkpoint(args.checkpoint).requires_grad_(False)
    speech = load_speech(args.utterances, args.seed, args.work)
    heard = hear(model, speech, args.heard, args.seed)
    log.info("heard %d utterances", len(heard))
    attention = train(args, model, heard)
    save_attention(attention, args.out / "attention.pt")


if __name__ == "__main__":
    main()
