"""A graph that scores end points: the same score as the interpreter's, or refused on load."""

from dataclasses import replace

import numpy as np
import pytest
from edgesdk.bundle import Bundle, EndpointSection, EndpointSettings
from edgesdk.bundle.endpoint import RANGES
from edgesdk.bundle.plan import Plan, Ref, read_plan
from edgesdk.core import EndpointKind, EndpointMode, Image, Recogniser
from edgesdk.emulate import Clip, Emulator, TfliteGraph
from edgesdk.errors import BundleError, ConvertError
from edgesdk_converters.lower.scorer import lower_scorer
from small_bundle import recogniser_bundle, with_scorer
from weight_forms import fully_connected

RATE = 16000
PIECE = RATE // 100


def by_score(bundle: Bundle, threshold: float) -> Bundle:
    """Only the speculative end-pointer, only by score, whatever the pause."""
    early = EndpointSettings(scored=True, threshold=threshold)
    section = EndpointSection(early, EndpointSettings(), resume=-1e4)
    return bundle.with_sections(ENDP=section.encode())


def noisy() -> np.ndarray:
    rng = np.random.default_rng(5)
    loud = np.repeat(rng.random(30) < 0.5, 6 * RATE // 30)
    return (rng.normal(0, 3000, 6 * RATE) * loud).astype(np.int16)


def traced(bundle: Bundle, samples: np.ndarray) -> list[tuple[int, list[int]]]:
    """Time in ms and features (Q8) after every encoder frame that ends a piece of 10 ms."""
    frames: list[int] = []
    recogniser = Recogniser(
        Image(by_score(bundle, 30000.0).device_bytes()),
        on_logits=lambda frame, *_: frames.append(frame),
    )
    recogniser.set_endpoint(EndpointMode.WATCH)
    recogniser.reset()
    found: list[tuple[int, list[int]]] = []
    last = -1
    for start in range(0, len(samples), PIECE):
        recogniser.push(samples[start : start + PIECE])
        if frames and frames[-1] != last:
            last = frames[-1]
            found.append(((start + PIECE) // 16, list(recogniser.endpoint_features())))
    return found


def obvious_scores(tflite: bytes, rows: list[list[int]]) -> list[float]:
    """By the interpreter, on features rounded half away from zero."""
    graph = TfliteGraph(tflite, "scorer")
    given, out = graph.inputs[0], graph.outputs[0]
    scores = []
    for row in rows:
        shares = [
            np.float32(q8) / np.float32(256 * span) for q8, span in zip(row, RANGES, strict=True)
        ]
        steps = [share * (np.float32(1) / np.float32(given.scale)) for share in shares]
        whole = [int(abs(it) + np.float32(0.5)) * (1 if it >= 0 else -1) for it in steps]
        values = np.clip(np.array(whole) + given.zero_point, -128, 127).astype(np.int8)
        q = int(graph.run(values)[0].ravel()[0])
        scores.append((q - out.zero_point) * round(out.scale * 65536) / 65536)
    return scores


@pytest.mark.parametrize("seed", range(4))
def test_score_is_that_of_the_interpreter(seed: int) -> None:
    bundle, samples = with_scorer(recogniser_bundle(beam=2), seed), noisy()
    trace = traced(bundle, samples)
    scores = obvious_scores(bundle.section("tend"), [row for _, row in trace])
    spoken = [row[3] > 0 for _, row in trace]
    assert len(set(scores)) > 20
    decided = set()
    for threshold in np.quantile(scores, (0.02, 0.5, 0.8, 0.9, 0.97, 0.99, 1.0)):
        exact = float(round(threshold * 65536) / 65536)
        wanted = next(
            time
            for (time, _), score, spoke in zip(trace, scores, spoken, strict=True)
            if spoke and score >= exact
        )
        heard = Emulator(by_score(bundle, exact), "core", endpoint=EndpointMode.WATCH)
        said = heard.recognise(Clip("noise", samples)).endpoints or ()
        assert said[0].kind is EndpointKind.SPECULATIVE
        assert -(-said[0].time_ms // 10) * 10 == wanted
        decided.add(wanted)
    assert len(decided) > 1


def test_workspace_is_as_predicted() -> None:
    bundle = by_score(with_scorer(recogniser_bundle(beam=2), 2), 0.5)
    assert bundle.memory()[0].size_bytes == max(plan.arena_bytes for plan in bundle.plans)
    recogniser = Recogniser(Image(bundle.device_bytes()))
    assert recogniser.workspace_bytes == bundle.workspace_bytes


def changed(plan: Plan) -> list[Plan]:
    given, out = plan.inputs[0], plan.outputs[0]
    return [
        replace(plan, inputs=(replace(given, shape=(1, 7)),)),
        replace(plan, inputs=(replace(given, scale=0.0),)),
        replace(plan, inputs=(replace(given, scale=float("nan")),)),
        replace(plan, inputs=(replace(given, zero_point=128),)),
        replace(plan, inputs=(given, given)),
        replace(plan, outputs=(replace(out, scale=65.0),)),
        replace(plan, outputs=(replace(out, scale=-1.0),)),
        replace(plan, outputs=(replace(out, dtype="uint8"),)),
        replace(plan, outputs=(out, out)),
        replace(plan, outputs=(replace(out, ref=Ref("arena", 0), shape=(1, 2)),)),
        replace(plan, state_bytes=16),
    ]


def test_other_graphs_are_refused() -> None:
    bundle = with_scorer(recogniser_bundle())
    plan = read_plan(bundle.section("GEND"), "scorer")
    Recogniser(Image(bundle.device_bytes()))
    for number, wrong in enumerate(changed(plan)):
        image = Image(bundle.with_sections(GEND=wrong.encode()).device_bytes())
        with pytest.raises(BundleError):
            Recogniser(image)
            pytest.fail(f"form {number} was taken")
    lonely = {tag: data for tag, data in bundle.sections.items() if tag != "ENDP"}
    with pytest.raises(BundleError):
        Recogniser(Image(Bundle(lonely).device_bytes()))
    with pytest.raises(BundleError):
        Recogniser(Image(bundle.with_sections(GEND=b"\0" * 64).device_bytes()))


def test_converter_refuses_other_graphs() -> None:
    rng = np.random.default_rng(1)
    for shape in ((1, 7), (2, 8)):
        weights = rng.integers(-127, 128, shape).astype(np.int8)
        with pytest.raises(ConvertError, match=r"endpoint\.tflite: int8 \[1, 8\] to int8"):
            lower_scorer(fully_connected(rng, weights, 1))
    good = lower_scorer(fully_connected(rng, np.ones((1, 8), np.int8), 1))
    assert good.state_bytes == 0
