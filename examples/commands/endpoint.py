"""Trains the score of the end-pointers, and measures how soon and how rightly they decide.

The score is linear, or with --graph a small int8 network.

Streams are joined from clips of people: words with pauses between them, then silence, all over
noise. Their true end is where the energy of the last clip ends.

python examples/commands/endpoint.py MODEL.edge --data SPEECH --train scorer.json [--graph]
python examples/commands/endpoint.py MODEL.edge --data SPEECH --out REPORT
"""

import argparse
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from data import Clip, Corpus, background, load_noises, load_real_clips, trim
from edgesdk.bundle import Bundle, EndpointSection, EndpointSettings, load_bundle
from edgesdk.bundle.endpoint import FEATURES, RANGES
from edgesdk.bundle.layout import ENDPOINT_TFLITE
from edgesdk.core import EndpointMode, Image, Recogniser
from edgesdk.emulate import Clip as EmulatedClip
from edgesdk.emulate import Emulator, TfliteGraph
from edgesdk.endpoints import EndpointSummary, summarise
from edgesdk.report.plots import plot_trade_off
from edgesdk.report.trade_off import TradePoint, trade_off_document
from edgesdk_converters.endpoint_graph import Layer, quantise_scorer
from features import SAMPLE_RATE

Floats = npt.NDArray[np.float64]
Score = Callable[[Floats], Floats]  # of features [frames, 8]
HIDDEN = 16
SILENCE_S = 2.5
PIECE = SAMPLE_RATE // 100
TRAILING, TOKENS = FEATURES.index("trailing_s"), FEATURES.index("tokens")
MIN_PAUSE_S = 0.12
GAP_S = 0.2  # from the early decision to the final one, in the median
CUT_OFF_PCT = 3.0  # of streams that the final end-pointer may end too early


@dataclass(frozen=True)
class Stream:
    """Words with pauses inside and silence behind; `end_s` is the end of speech."""

    samples: npt.NDArray[np.int16]
    end_s: float
    text: str


def make_stream(clips: Sequence[Clip], corpus: Corpus, rng: random.Random) -> Stream:
    """Join `clips` of one kind of speech over noise 8 to 35 dB below it."""
    parts = [np.zeros(int(rng.uniform(0.1, 0.5) * SAMPLE_RATE))]
    for number, clip in enumerate(clips):
        speech = trim(clip.samples, margin_ms=0).astype(np.float64)
        speech *= 1000.0 / (np.sqrt(np.square(speech).mean()) + 1.0) * rng.uniform(0.7, 1.4)
        pause = rng.choice((rng.uniform(0.02, 0.25), rng.uniform(0.1, 0.6))) if number else 0.0
        parts += [np.zeros(int(pause * SAMPLE_RATE)), speech]
    end = sum(len(part) for part in parts)
    parts.append(np.zeros(int(SILENCE_S * SAMPLE_RATE)))
    mixed = np.concatenate(parts)
    mixed += background(corpus, rng, len(mixed)) * 1000.0 * 10 ** (-rng.uniform(8, 35) / 20)
    mixed *= rng.uniform(2000, 30000) / np.abs(mixed).max()
    text = " ".join(clip.text for clip in clips)
    return Stream(np.rint(mixed).astype(np.int16), end / SAMPLE_RATE, text)


def make_streams(data: Path, split: str, count: int, seed: int) -> list[Stream]:
    """Streams of one to five words of the vocabulary, from one split of the speech folder."""
    rng = random.Random(seed)
    clips = [clip for clip in load_real_clips(data, split) if clip.text]
    corpus = Corpus(clips, load_noises(data, split))
    return [
        make_stream(rng.choices(clips, k=rng.choice((1, 1, 2, 2, 3, 4, 5))), corpus, rng)
        for _ in range(count)
    ]


@dataclass(frozen=True)
class Trace:
    """What the end-pointers see in a stream: per encoder frame its time and its features."""

    times_s: Floats
    features: Floats  # [frames, 8]
    end_s: float

    @property
    def eligible(self) -> npt.NDArray[np.bool_]:
        """Frames at which the score counts."""
        paused = self.features[:, TRAILING] >= MIN_PAUSE_S - 1e-6
        return np.logical_and(self.features[:, TOKENS] > 0, paused)

    def decision_s(self, scores: Floats, threshold: float) -> float | None:
        """Time of the first frame whose score reaches the threshold."""
        found = np.flatnonzero(self.eligible & (scores >= threshold))
        return float(self.times_s[found[0]]) if found.size else None


def silent(bundle: Bundle) -> Bundle:
    """The bundle with end-pointers that never fire, so that their features run on."""
    never = EndpointSettings()
    return bundle.with_sections(ENDP=EndpointSection(never, never).encode())


def trace_streams(bundle: Bundle, streams: Sequence[Stream]) -> list[Trace]:
    """Features of every stream, on the C core."""
    frames: list[int] = []
    recogniser = Recogniser(
        Image(silent(bundle).device_bytes()), on_logits=lambda frame, *_: frames.append(frame)
    )
    recogniser.set_endpoint(EndpointMode.WATCH)
    traces = []
    for stream in streams:
        recogniser.reset()
        rows, times, last = [], [], -1
        for start in range(0, len(stream.samples), PIECE):
            recogniser.push(stream.samples[start : start + PIECE])
            if frames and frames[-1] != last:
                last = frames[-1]
                rows.append(recogniser.endpoint_features() / 256.0)
                times.append(min(start + PIECE, len(stream.samples)) / SAMPLE_RATE)
        traces.append(Trace(np.array(times), np.array(rows), stream.end_s))
    return traces


def examples(traces: Sequence[Trace]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Features, and whether speech has ended.

    Frames in which the score does not count are left out, and what follows 1.2 s after the end.
    """
    used = [t.eligible & (t.times_s < t.end_s + 1.2) for t in traces]
    x = np.concatenate([t.features[keep] for t, keep in zip(traces, used, strict=True)])
    y = np.concatenate([(t.times_s >= t.end_s)[keep] for t, keep in zip(traces, used, strict=True)])
    return x, y


def train_score(traces: Sequence[Trace], steps: int = 30, decay: float = 1e-3) -> Floats:
    """Bias and weights of a logistic regression: has speech ended? (Newton's method.)"""
    x, y = examples(traces)
    x = np.hstack([np.ones((len(x), 1)), x])
    weights = np.zeros(x.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        curvature = (x * (p * (1 - p))[:, None]).T @ x / len(x) + decay * np.eye(x.shape[1])
        weights -= np.linalg.solve(curvature, x.T @ (p - y) / len(x) + decay * weights)
    return weights


def train_layers(traces: Sequence[Trace], steps: int = 1500) -> list[Layer]:
    """A network of one hidden layer, on features divided by their ranges."""
    import torch

    x, y = examples(traces)
    torch.manual_seed(1)
    features = torch.tensor(x / RANGES, dtype=torch.float32)
    ended = torch.tensor(y, dtype=torch.float32)
    first, last = torch.nn.Linear(len(FEATURES), HIDDEN), torch.nn.Linear(HIDDEN, 1)
    parameters = [*first.parameters(), *last.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=2e-2, weight_decay=1e-2)
    rate = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (1024,))
        scores = last(torch.tanh(first(features[rows])))[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, ended[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
    return [(one.weight.detach().numpy(), one.bias.detach().numpy()) for one in (first, last)]


def linear(weights: Floats) -> Score:
    """The score of a bias and eight weights."""
    return lambda features: features @ weights[1:] + weights[0]


def integer(tflite: bytes) -> Score:
    """The score of an int8 graph, as the device quantises its features."""
    graph = TfliteGraph(tflite, "endpoint.tflite")
    given, out = graph.inputs[0], graph.outputs[0]

    def score(features: Floats) -> Floats:
        steps = np.round(features / RANGES / given.scale) + given.zero_point
        rows = steps.clip(-128, 127).astype(np.int8)
        found = [int(graph.run(row)[0].ravel()[0]) for row in rows]
        return (np.array(found, np.float64) - out.zero_point) * out.scale

    return score


@dataclass(frozen=True)
class Point:
    """Decisions of one threshold: cut off early in per cent, latencies of the others in ms."""

    threshold: float
    cut_off_pct: float
    median_ms: float
    p90_ms: float
    missed_pct: float


def decide(traces: Sequence[Trace], scores: Sequence[Floats], threshold: float) -> Point:
    """How early and how rightly the first decision of every stream comes."""
    late, early, missed = [], 0, 0
    for trace, found in zip(traces, scores, strict=True):
        at = trace.decision_s(found, threshold)
        if at is None:
            missed += 1
        elif at < trace.end_s:
            early += 1
        else:
            late.append(1000 * (at - trace.end_s))
    share = 100 / len(traces)
    median, p90 = np.percentile(late, (50, 90)) if late else (np.inf, np.inf)
    return Point(threshold, early * share, float(median), float(p90), missed * share)


def curve(traces: Sequence[Trace], score: Score) -> list[Point]:
    """The trade-off, from eager to patient."""
    scores = [score(trace.features) for trace in traces]
    return [decide(traces, scores, float(t)) for t in np.arange(-4.0, 8.01, 0.25)]


def choose(points: Sequence[Point]) -> tuple[Point, Point]:
    """The early and the final threshold, by CUT_OFF_PCT and GAP_S."""
    final = next((p for p in points if p.cut_off_pct <= CUT_OFF_PCT), points[-1])
    wanted = final.median_ms - 1000 * GAP_S
    return min(points, key=lambda p: abs(p.median_ms - wanted)), final


def by_silence(traces: Sequence[Trace]) -> list[Point]:
    """The same curve for the plainest end-pointer: silence since the last token alone."""
    scores = [trace.features[:, TRAILING] for trace in traces]
    return [decide(traces, scores, float(t)) for t in np.arange(0.2, 1.61, 0.1)]


def measure(bundle: Bundle, streams: Sequence[Stream]) -> EndpointSummary:
    """What the bundle's own settings decide, event by event."""
    emulator = Emulator(bundle, "core", endpoint=EndpointMode.WATCH)
    found = []
    for stream in streams:
        heard = emulator.recognise(EmulatedClip("stream", stream.samples))
        found.append((heard.endpoints or (), stream.end_s))
    return summarise(found)


def describe(summary: EndpointSummary) -> str:
    """The figures in a few lines."""
    lines = [f"{summary.streams} streams, {summary.without_final} without a final end point"]
    for name, latency, cut_off in (
        ("early", summary.early, summary.early_cut_off_pct),
        ("final", summary.final, summary.final_cut_off_pct),
    ):
        if latency.median_ms is not None:
            lines.append(
                f"{name}: median {latency.median_ms:.0f} ms, P90 {latency.p90_ms:.0f} ms after the "
                f"end of speech; {cut_off:.1f} % of streams cut off early"
            )
    if summary.stood_pct is not None:
        lines.append(
            f"{summary.stood_pct:.1f} % of {summary.provisional} provisional results stood"
        )
    return "\n".join(lines)


def train(bundle: Bundle, data: Path, count: int, out: Path, graph: bool) -> None:
    """Train on the training speakers and write the file that a recipe names as its scorer."""
    traces = trace_streams(bundle, make_streams(data, "train", count, seed=1))
    scorer: dict[str, object]
    if graph:
        tflite = quantise_scorer(train_layers(traces), examples(traces)[0] / RANGES)
        out.with_suffix(".tflite").write_bytes(tflite)
        scorer, score = {"graph": out.with_suffix(".tflite").name}, integer(tflite)
    else:
        weights = train_score(traces)
        named = dict(zip(FEATURES, weights[1:].round(3).tolist(), strict=True))
        scorer, score = {"bias": round(float(weights[0]), 3), "weights": named}, linear(weights)
    early, final = choose(curve(traces, score))
    scorer |= {
        "speculative": early.threshold,
        "final": final.threshold,
        "resume": early.threshold - 1.0,
    }
    out.write_text(json.dumps(scorer, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(scorer, indent=1))


def _trade(points: Sequence[Point]) -> tuple[TradePoint, ...]:
    shown = [p for p in points if np.isfinite(p.median_ms)]
    return tuple(TradePoint(p.threshold, p.median_ms, p.cut_off_pct) for p in shown)


def evaluate(bundle: Bundle, data: Path, count: int, out: Path) -> None:
    """Measure on speakers that training never heard; write endpoint.json and endpoint.svg."""
    section = bundle.endpoint
    if section is None:
        raise SystemExit("the bundle has no settings for end points; see docs/endpointing.md")
    streams = make_streams(data, "dev", count, seed=2)
    summary = measure(bundle, streams)
    traces = trace_streams(bundle, streams)
    score = linear(np.array([section.final.bias, *section.final.weights]))
    if bundle.endpoint_plan is not None:
        score = integer(bundle.section(ENDPOINT_TFLITE))
    lines = {"trained score": curve(traces, score), "silence alone": by_silence(traces)}
    out.mkdir(parents=True, exist_ok=True)
    curves = {name: _trade(points) for name, points in lines.items()}
    (out / "endpoint.svg").write_text(plot_trade_off(curves), encoding="utf-8")
    document = trade_off_document(curves, summary=asdict(summary))
    (out / "endpoint.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(describe(summary))
    print(f"wrote {out}: endpoint.json, endpoint.svg")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="model.edge of this recogniser")
    parser.add_argument("--data", type=Path, required=True, help="the speech folder")
    parser.add_argument("--train", type=Path, help="write the score that training finds there")
    parser.add_argument("--graph", action="store_true", help="train an int8 graph")
    parser.add_argument("--out", type=Path, default=Path("out/endpoint"), help="folder of results")
    parser.add_argument("--streams", type=int, default=200)
    chosen = parser.parse_args()
    bundle = load_bundle(chosen.bundle)
    if chosen.train is not None:
        train(bundle, chosen.data, chosen.streams, chosen.train, chosen.graph)
    else:
        evaluate(bundle, chosen.data, chosen.streams, chosen.out)


if __name__ == "__main__":
    main()
