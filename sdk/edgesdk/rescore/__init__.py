"""A second pass on the host: re-ranks the lattices of `emulate` and `run` (docs/rescoring.md)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgesdk.errors import EdgeError
from edgesdk.report.wer import WordErrors, sum_errors, word_errors
from edgesdk.rescore.clip import HeardClip, member, read_clip
from edgesdk.rescore.ngram import NgramModel, load_arpa
from edgesdk.rescore.paths import (
    BoundedModel,
    Lattice,
    Scorer,
    Weights,
    WordPath,
    best_paths,
    nearest_words,
    rank_by_scorer,
)
from edgesdk.rescore.scorer import call_scorer, load_scorer

__all__ = [
    "BoundedModel",
    "Errors",
    "HeardClip",
    "Lattice",
    "NgramModel",
    "Rescored",
    "Scorer",
    "SecondPass",
    "Weights",
    "WordPath",
    "best_paths",
    "load_arpa",
    "load_scorer",
    "nearest_words",
    "read_results",
    "rescore",
]
SCHEMA, VERSION = "edgesdk.transcripts", 1


@dataclass(frozen=True)
class SecondPass:
    """How paths are ranked: by a model over the whole lattice, or a callable over its best."""

    weights: Weights = field(default_factory=Weights)
    nbest: int = 16
    model: BoundedModel | None = None
    scorer: Scorer | None = None
    name: str = "none"  # of the model or the callable, for people

    def rank(self, lattice: Lattice) -> list[WordPath]:
        """The best distinct word sequences, best first."""
        paths = best_paths(lattice, self.weights, self.nbest, self.model)
        if self.scorer is None:
            return paths
        scores = call_scorer(self.scorer, self.name, [path.words for path in paths])
        return rank_by_scorer(paths, self.weights, scores)


@dataclass(frozen=True)
class Errors:
    """Word errors of the clips whose text is known; `oracle` is those of the nearest paths."""

    before: WordErrors
    after: WordErrors
    oracle: WordErrors


@dataclass(frozen=True)
class Rescored:
    """Results in the schema that they came in, and their errors where a text is known."""

    document: Mapping[str, Any]
    errors: Errors | None


def read_results(document: Any, where: str) -> list[HeardClip]:
    """The clips of a JSON document of `emulate` or `run`.

    Raises:
        EdgeError: it is another document, or a clip has no lattice.
    """
    schema = document.get("schema") if isinstance(document, Mapping) else None
    if schema != SCHEMA or document.get("version") != VERSION:
        raise EdgeError(
            f"{where}: is no {SCHEMA} of version {VERSION}; give what emulate or run wrote with "
            "--json"
        )
    return [read_clip(clip, where) for clip in member(document, "clips", list, where)]


def _errors(clips: list[tuple[HeardClip, str]]) -> Errors | None:
    known = [(clip, text) for clip, text in clips if clip.reference is not None]
    if not known:
        return None
    before, after, oracle = [], [], []
    for clip, text in known:
        reference = clip.reference or ""
        nearest = nearest_words(clip.lattice, tuple(reference.split())) or ()
        before.append(word_errors(reference, clip.text))
        after.append(word_errors(reference, text))
        oracle.append(word_errors(reference, " ".join(nearest)))
    return Errors(*(sum_errors(parts) for parts in (before, after, oracle)))


def rescore(document: Mapping[str, Any], clips: list[HeardClip], second: SecondPass) -> Rescored:
    """The results with the texts of the second pass; `clips` are read_results(document).

    Raises:
        EdgeError: a lattice has no path, or the callable failed.
    """
    changed, said = [], []
    for clip in clips:
        paths = second.rank(clip.lattice)
        if not paths:
            raise EdgeError(
                f"{clip.where}: no path of the lattice leads from state 0 to the last "
                "one; write the results anew"
            )
        changed.append(clip.rescored(paths))
        said.append((clip, changed[-1]["text"]))
    errors = _errors(said)
    made: dict[str, Any] = {**document, "clips": changed}
    made["rescoring"] = {"model": second.name, "nbest": second.nbest, **asdict(second.weights)}
    if errors is not None:
        made["word_errors"] = errors.after.document()
        made["rescoring"] |= {
            "word_errors_before": errors.before.document(),
            "word_errors_oracle": errors.oracle.document(),
        }
    return Rescored(made, errors)
