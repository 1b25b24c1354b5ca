"""The n-gram model of the texts of training is a distribution, and its file says what it says."""

import itertools
import math
from pathlib import Path

import pytest
from edgesdk.rescore import load_arpa
from edgesdk.rescore.paths import sentence_score

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("scipy", reason="scipy is not installed")

from ngram import BEGIN, END, UNKNOWN, arpa_lines, witten_bell

TEXTS = ["a b", "b a b", "", "c", "a"]
EXAMPLE = Path(__file__).parents[2] / "examples" / "commands"


def test_file_then_scores_sum_to_one_after_every_history(tmp_path: Path) -> None:
    pytest.importorskip("arpa", reason="arpa is not installed")
    path = tmp_path / "model.arpa"
    path.write_text("\n".join(arpa_lines(witten_bell(TEXTS))) + "\n", encoding="utf-8")
    model = load_arpa(path, -20.0)
    words = ("a", "b", "c", END, UNKNOWN)
    for history in ((BEGIN,), ("a",), ("b",), ("c",)):
        total = sum(math.exp(model.score(history, word)) for word in words)
        assert total == pytest.approx(1.0, abs=1e-5)
    # By hand: a begins 2 of 5 texts, 4 kinds begin one; 3 of 13 words and ends are a, with <unk>.
    begins = (2 + 4 * 3 / 13) / (5 + 4)
    assert math.exp(model.score((BEGIN,), "a")) == pytest.approx(begins, abs=1e-5)


@pytest.mark.parametrize("name", ["commands.arpa", "digits.arpa"])
def test_shipped_models_then_prefer_no_unknown_word(name: str) -> None:
    pytest.importorskip("arpa", reason="arpa is not installed")
    model = load_arpa(EXAMPLE / name, -20.0)
    known = [sentence_score(model, words) for words in itertools.product(("one", "six"), repeat=2)]
    assert min(known) > sentence_score(model, ("one", "sticks"))
