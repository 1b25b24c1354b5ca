"""Times and a trained score -> the settings of the end-pointers."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from edgesdk.bundle import EndpointRule, EndpointSection, EndpointSettings
from edgesdk.bundle.endpoint import FEATURES, MOST_WEIGHT, NO_RULE
from edgesdk.errors import ConvertError

_THRESHOLDS = ("speculative", "final", "resume")


@dataclass(frozen=True)
class Scorer:
    """A score of `FEATURES` in natural log odds, and its three thresholds; linear, or a graph."""

    bias: float
    weights: tuple[float, ...]
    speculative: float
    final: float
    resume: float
    graph: bytes | None = None  # .tflite; bias and weights are not used then


# What `examples/commands/endpoint.py --train` finds on the training speakers.
TRAINED = Scorer(
    bias=-2.598,
    weights=(1.732, 1.732, 0.084, 0.443, -1.036, 1.028, -0.358, 0.147),
    speculative=1.5,
    final=2.5,
    resume=0.5,
)


@dataclass(frozen=True)
class EndpointTimes:
    """The rules' times in seconds, as sherpa-onnx has them: silence without a word; after words
    (the score decides sooner); length. The early end-pointer fires `early_s` sooner by rule."""

    no_speech_s: float
    pause_s: float
    length_s: float
    early_s: float
    min_pause_s: float


def make_endpoint(times: EndpointTimes, scorer: Scorer | None) -> EndpointSection:
    """The ENDP section of both end-pointers; without `scorer` by rules alone."""

    def settings(pause_s: float, final: bool) -> EndpointSettings:
        threshold = 0.0 if scorer is None else scorer.final if final else scorer.speculative
        return EndpointSettings(
            rules=(
                EndpointRule(round(1000 * times.no_speech_s)) if final else NO_RULE,
                EndpointRule(round(1000 * pause_s), must_speak=True),
                EndpointRule(0, round(1000 * times.length_s)) if final else NO_RULE,
            ),
            scored=scorer is not None,
            min_pause_ms=round(1000 * times.min_pause_s),
            threshold=threshold,
            bias=0.0 if scorer is None else scorer.bias,
            weights=(0.0,) * 8 if scorer is None else scorer.weights,
        )

    early = settings(max(times.pause_s - times.early_s, 0.001), final=False)
    resume = 0.0 if scorer is None else scorer.resume
    return EndpointSection(early, settings(times.pause_s, final=True), resume)


def load_scorer(path: Path) -> Scorer:
    """A score from JSON: thresholds `speculative`, `final`, `resume`, and either `bias` and
    `weights` by feature or `graph`, a .tflite file beside it.

    Raises:
        ConvertError: unreadable, or a number is missing, unknown or too large.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        graph = (path.parent / values["graph"]).read_bytes() if "graph" in values else None
        own = {"graph"} if graph is not None else {"bias", "weights"}
        weights = dict.fromkeys(FEATURES, 0.0) if graph is not None else values["weights"]
        numbers = {name: float(values[name]) for name in _THRESHOLDS}
        numbers["bias"] = 0.0 if graph is not None else float(values["bias"])
        ordered = tuple(float(weights[name]) for name in FEATURES)
        unknown = (set(values) - {*_THRESHOLDS, *own}) | (set(weights) - set(FEATURES))
    except OSError as error:
        raise ConvertError(
            f"{path}: cannot be read ({error.filename}: {error.strerror}); check endpoint.scorer"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConvertError(
            f"{path}: not a score ({error!r}); see docs/endpointing.md for the file"
        ) from error
    large = [v for v in (*numbers.values(), *ordered) if not math.fabs(v) <= MOST_WEIGHT]
    if unknown or large:
        what = f"{sorted(unknown)[0]!r} is unknown" if unknown else f"{large[0]} is out of range"
        raise ConvertError(
            f"{path}: {what}; numbers lie within +-{MOST_WEIGHT:g}, see docs/endpointing.md"
        )
    return Scorer(weights=ordered, graph=graph, **numbers)
