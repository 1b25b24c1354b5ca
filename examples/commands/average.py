"""Writes the mean of checkpoints, with blank made less likely.

python examples/commands/average.py A.pt B.pt --blank-penalty 0.5
"""

import argparse
from pathlib import Path

import torch
from model import Transducer, load_checkpoint, save_checkpoint
from vocabulary import BLANK

HERE = Path(__file__).parent


def average(paths: list[Path], blank_penalty: float) -> Transducer:
    """Return the mean model; the penalty is taken from the joiner's bias of blank."""
    models = [load_checkpoint(path) for path in paths]
    states = [model.state_dict() for model in models]
    mean = {name: torch.stack([s[name] for s in states]).mean(dim=0) for name in states[0]}
    mean["joiner.output.bias"][BLANK] -= blank_penalty
    models[0].load_state_dict(mean)
    return models[0]


def main() -> None:
    """Parse the command line and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--blank-penalty", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=HERE / "checkpoint.pt")
    args = parser.parse_args()
    save_checkpoint(average(args.checkpoints, args.blank_penalty), args.out)


if __name__ == "__main__":
    main()
