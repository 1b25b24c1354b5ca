"""N-gram models in ARPA files, read by the package `arpa`, in natural logarithms."""

import math
from pathlib import Path
from typing import Any

from edgesdk.errors import EdgeError
from edgesdk.rescore.paths import Words

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
LN_10 = math.log(10.0)


class NgramModel:
    """A back-off model of any order; a BoundedModel.

    Words that it lacks take its `<unk>`, or `unknown` (a natural logarithm) where it lacks that
    too. A model without `</s>` says nothing about the end of a sentence.
    """

    def __init__(self, model: Any, unknown: float) -> None:
        self._model = model
        self._unknown = unknown
        self._scores: dict[tuple[Words, str], float] = {}
        self.order = int(model.order())

    @property
    def reach(self) -> int:
        """Words of history that a score depends on."""
        return self.order - 1

    def begin(self) -> Words:
        """The history before the first word."""
        return (BEGIN,)

    def score(self, history: Words, word: str) -> float:
        """Of a word after the last `reach` words."""
        known = self._scores.get((history, word))
        if known is None:
            known = self._look_up(history, word)
            self._scores[history, word] = known
        return known

    def end(self, history: Words) -> float:
        """Of the end of the sentence after the last `reach` words."""
        return self.score(history, END) if END in self._model else 0.0

    def _look_up(self, history: Words, word: str) -> float:
        if word not in self._model and UNKNOWN not in self._model:
            return self._unknown
        return float(self._model.log_p((*history, word))) * LN_10


def load_arpa(path: Path, unknown: float) -> NgramModel:
    """The model in an ARPA file, also compressed (.gz).

    Raises:
        EdgeError: the package `arpa` is missing, or the file cannot be read or holds no model.
    """
    try:
        import arpa
        from arpa.exceptions import ARPAException
    except ImportError:
        raise EdgeError(
            "--arpa needs the package arpa, which this installation lacks; install with: "
            "pip install 'edgesdk[rescore]'"
        ) from None
    try:
        models = arpa.loadf(path, encoding="utf-8")
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise EdgeError(f"{path}: cannot be read ({reason}); give an ARPA file") from error
    except (ARPAException, ValueError, KeyError) as error:
        line = " ".join(str(error).split())[:80] or "it breaks off"
        raise EdgeError(
            f"{path}: is no ARPA file, or is damaged, at {line!r}; write it anew"
        ) from error
    if len(models) != 1 or not models[0].order() or not models[0].vocabulary():
        raise EdgeError(f"{path}: holds no n-gram model; give an ARPA file with one")
    return NgramModel(models[0], unknown)
