"""Any Python callable as a language model: `module:function`."""

import importlib
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from edgesdk.errors import EdgeError
from edgesdk.rescore.paths import Scorer, Words


def load_scorer(name: str) -> Scorer:
    """The callable `module:function`; modules in the working folder are found too.

    Raises:
        EdgeError: the name is malformed, or there is no such module or callable.
    """
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise EdgeError(f"--scorer {name}: give it as module:function, such as my_model:score")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), function, None)
    except Exception as error:
        raise EdgeError(
            f"--scorer {name}: module {module} cannot be imported ({type(error).__name__}: "
            f"{error}); check its name and the working folder"
        ) from error
    if not callable(found):
        raise EdgeError(
            f"--scorer {name}: {module} has no callable {function}; name a function that takes "
            "a list of word lists and returns their natural logarithms"
        )
    scorer: Scorer = found
    return scorer


def call_scorer(scorer: Scorer, name: str, sequences: Sequence[Words]) -> list[float]:
    """A finite natural logarithm per word sequence.

    Raises:
        EdgeError: the callable failed, or returned anything else.
    """
    try:
        scores = [float(score) for score in scorer([list(words) for words in sequences])]
    except Exception as error:
        raise EdgeError(
            f"--scorer {name}: failed on {len(sequences)} word sequences "
            f"({type(error).__name__}: {error}); correct it"
        ) from error
    if len(scores) != len(sequences):
        raise EdgeError(
            f"--scorer {name}: returned {len(scores)} scores for {len(sequences)} word sequences; "
            "return one for each"
        )
    if not all(math.isfinite(score) for score in scores):
        raise EdgeError(
            f"--scorer {name}: returned a score that is not finite; return natural logarithms"
        )
    return scores
