"""Writes the demo and calibration clips, the phrase lists, and a checkpoint in half precision.

python examples/contacts/clips_contacts.py
"""

import argparse
import random
from pathlib import Path

import commands_path  # noqa: F401
import torch
from demo_clips import noisy_clip, write_clips
from evaluate_contacts import speak, test_voices
from model import Transducer, load_checkpoint
from sentences import contacts_and_distractors, read_list, split_names, training_text
from synthesis import training_voices

HERE = Path(__file__).parent
CLIP_SEED = 5
CALIBRATION_COUNT = 16
# {0}, {1}, ... are the contacts of phrases.txt in their order.
DEMO_TEXTS = (
    *("call {0}", "text {1}", "play {2}", "navigate to {3}", "send a message to {4}"),
    *("remind me to call {5}", "what is the number of {6}", "call {7} at work"),
    *("turn on the light in the kitchen", "set a timer for ten minutes"),
    *("what is the weather tomorrow", "play the next song"),
)


def write_phrases(out: Path) -> None:
    """Write phrases.txt, the names that the tests speak, and distractors.txt, which nobody says."""
    contacts, distractors = contacts_and_distractors()
    (out / "phrases.txt").write_text("".join(f"{name}\n" for name in contacts), encoding="utf-8")
    lines = "".join(f"{name}\n" for name in distractors)
    (out / "distractors.txt").write_text(lines, encoding="utf-8")


def write_contact_clips(out: Path) -> None:
    """Write clips/, in voices that training never heard, and calibration/, in training voices."""
    rng = random.Random(CLIP_SEED)
    contacts, _ = contacts_and_distractors()
    voices = test_voices(CLIP_SEED)
    texts = [text.format(*contacts) for text in DEMO_TEXTS]
    spoken = [speak(voices[i], text) for i, text in enumerate(texts)]
    write_clips(out / "clips", list(zip(texts, spoken, strict=True)), "clips.tsv")
    names, _ = split_names()
    words = read_list("words")
    trained = training_voices(CLIP_SEED)
    calibration = [training_text(names, words, rng) for _ in range(CALIBRATION_COUNT)]
    noisy = [(text, noisy_clip(rng.choice(trained), text, rng)) for text in calibration]
    write_clips(out / "calibration", noisy, "calibration.tsv")


def write_shipped_files(model: Transducer, out: Path) -> None:
    """Write the checkpoint in half precision and all that goes with it but the ONNX graphs."""
    out.mkdir(parents=True, exist_ok=True)
    halves = {name: value.half() for name, value in model.state_dict().items()}
    model.load_state_dict(halves)
    config = {key: getattr(model.config, key) for key in model.config.__dataclass_fields__}
    torch.save({"config": config, "state_dict": halves}, out / "checkpoint.pt")
    write_phrases(out)
    write_contact_clips(out)


def main() -> None:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=HERE / "checkpoint.pt")
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    write_shipped_files(load_checkpoint(args.checkpoint), args.out)


if __name__ == "__main__":
    main()
