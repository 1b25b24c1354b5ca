"""From what a device did to a report: sums, shares, the first difference, and no figures then."""

import dataclasses
from typing import Any

import pytest
from edgesdk.board import load_board
from edgesdk.core import EndpointKind
from edgesdk.emulate import Transcript
from edgesdk.endpoints import Endpoint, decisions
from edgesdk.lattice import Hypothesis, LatticeToken, Results
from edgesdk.link.messages import ClockKind, GraphId, Metrics, NpuCounts, OpCost
from edgesdk.report.make import ROLES, DeviceClip, RunFacts, first_difference, make_report
from edgesdk.report.metrics import RECORDS
from front_sections import endpoint_section
from small_bundle import recogniser_bundle, with_scorer

METRICS = Metrics(
    features=100,
    encoder=600,
    adapter=0,
    predictor=50,
    joiner=200,
    search=50,
    bias=0,
    lattice=0,
    endpoint=0,
    encoder_calls=10,
    adapter_calls=0,
    predictor_calls=3,
    joiner_calls=12,
    endpoint_calls=0,
    predictor_hits=5,
    samples=16000,
    arena_bytes=4096,
    state_bytes=512,
    workspace_bytes=8192,
    stack_bytes=32768,
    stack_high_water=1500,
    receive_bytes=1024,
    receive_high_water=10,
    receive_lost=0,
)
HEARD = Transcript(
    clip="a.wav",
    text="yes",
    tokens=("yes",),
    timestamps=(0.4,),
    ys_probs=(-0.1,),
    logits_sha256="00",
    logits_count=2,
    reference="yes no",
    logits=(b"\x01\xff", b"\x03\x04"),
)
CLIP = DeviceClip(
    clip="a.wav", audio_s=2.0, heard=HEARD, laptop=HEARD, metrics=METRICS, operators={}
)
FACTS = RunFacts(
    board=load_board("qemu-mps3-an547"),
    bundle=None,
    clock=ClockKind.INSTRUCTIONS,
    firmware_bytes=30_000,
    tools={},
)


def test_costs_are_per_second_and_time_is_an_estimate() -> None:
    report = make_report(FACTS, [CLIP, dataclasses.replace(CLIP, clip="b.wav")])
    assert report.correct is True
    assert report.value("cost of a second of audio") == 500
    factor = next(record for record in report.records if record.name == "real-time factor")
    assert factor.value == pytest.approx(500 / 32_000_000)
    assert factor.fidelity == "estimate"
    assert report.value("word error rate") == 50.0
    assert report.value("stack high-water") == 1500
    assert [stage.cost for stage in report.stages] == [200, 1200, 100, 400, 100]
    assert [stage.calls for stage in report.stages] == [None, 20, 6, 24, None]


@pytest.mark.parametrize(
    ("laptop", "sentence"),
    [
        ({"logits": (b"\x01\xff", b"\x03\x05")}, "joiner call 1, logit 1: device 4, laptop 5"),
        ({"logits": (b"\x01\xfe", b"\x03\x04")}, "joiner call 0, logit 1: device -1, laptop -2"),
        ({"logits": (b"\x01\xff",)}, "joiner call 1, logit 0: device 3, laptop None"),
        ({"timestamps": (0.44,)}, "timestamps 0: device 0.4, laptop 0.44"),
        ({"tokens": ("yes", "no")}, "tokens 1: device None, laptop no"),
        ({"ys_probs": (-0.2,)}, "ys_probs 0: device -0.1, laptop -0.2"),
    ],
)
def test_first_difference_is_named_and_no_figure_shown(
    laptop: dict[str, Any], sentence: str
) -> None:
    other = dataclasses.replace(HEARD, **laptop)
    wrong = dataclasses.replace(CLIP, clip="b.wav", laptop=other)
    found = first_difference([CLIP, wrong])
    assert found is not None
    assert found.sentence() == f"b.wav: {sentence}"
    report = make_report(FACTS, [CLIP, wrong])
    assert report.correct is False
    assert [record.name for record in report.records] == ["device == laptop"]
    assert not report.stages and not report.operators
    assert all(clip.cost is None for clip in report.clips)


def test_difference_after_the_last_end_point_is_named() -> None:
    def left(acoustic: int) -> Transcript:
        best = Hypothesis((LatticeToken(3, "▁no", 9, -5, 0),), acoustic, 0)
        return dataclasses.replace(HEARD, rest=Results(40_000, 0, 0, 0, (best,), 0, ()))

    assert [it["text"] for it in left(-5).document()["rest"]["nbest"]] == ["no"]
    assert "nbest" not in left(-5).document()
    found = first_difference([dataclasses.replace(CLIP, heard=left(-5), laptop=left(-6))])
    assert found is not None
    assert found.place == "last utterance, hypotheses 0"
    found = first_difference([dataclasses.replace(CLIP, heard=left(-5))])
    assert found is not None
    assert found.laptop == "None"


def test_graph_whose_operators_were_not_counted_is_one_entry() -> None:
    bundle = recogniser_bundle(joiner_operators=2)
    counted = {graph: [OpCost(0, 15, 30)] for graph in (GraphId.PREDICTOR,)}
    counted[GraphId.ENCODER] = [OpCost(at, 12, 100) for at in range(3)]
    clip = dataclasses.replace(CLIP, operators={**counted, GraphId.JOINER: []})
    report = make_report(dataclasses.replace(FACTS, bundle=bundle), [clip])
    joiner = [
        (one.index, one.operator, one.cost) for one in report.operators if one.graph == "joiner"
    ]
    assert joiner == [(None, "not profiled", METRICS.joiner)]
    assert sum(one.cost for one in report.operators) == 850


def test_tables_and_lattice_are_stages_where_they_cost_something() -> None:
    plain = make_report(FACTS, [CLIP])
    names = ["features", "encoder", "predictor", "joiner", "search"]
    assert [it.stage for it in plain.stages] == names
    metrics = dataclasses.replace(METRICS, bias=30, lattice=20)
    report = make_report(FACTS, [dataclasses.replace(CLIP, metrics=metrics), CLIP])
    assert [it.stage for it in report.stages] == [*names, "bias", "lattice"]
    assert [(it.calls, it.cost) for it in report.stages[-2:]] == [(None, 30), (None, 20)]
    assert report.value("cost of a second of audio") == round((1000 + 50 + 1000) / 4)


def test_operators_of_the_end_pointers_graph_are_counted() -> None:
    bundle = with_scorer(recogniser_bundle().with_sections(ENDP=endpoint_section()))
    assert bundle.endpoint_plan is not None
    count = len(bundle.endpoint_plan.records)
    metrics = dataclasses.replace(METRICS, endpoint=100, endpoint_calls=7)
    operators = {graph: [] for graph in ROLES}
    operators[GraphId.ENDPOINT] = [OpCost(at, 12, 10) for at in range(count)]
    clip = dataclasses.replace(CLIP, metrics=metrics, operators=operators)
    report = make_report(dataclasses.replace(FACTS, bundle=bundle), [clip])
    found = [(it.index, it.calls, it.cost) for it in report.operators if it.graph == "endpoint"]
    assert found == [*((at, 7, 10) for at in range(count)), (None, 7, 100 - 10 * count)]
    assert report.operators[-1].operator == "outside its graph"
    assert (report.stages[-1].calls, report.stages[-1].cost) == (7, 100)


def test_without_comparison_there_is_no_cost() -> None:
    report = make_report(FACTS, [dataclasses.replace(CLIP, laptop=None)])
    assert report.correct is None
    assert report.value("cost of a second of audio") is None
    assert report.value("word error rate") == 50.0


def test_silence_after_a_clip_counts_as_audio() -> None:
    """2 s of audio and the bundle's tail, at a cost of 1000."""
    bundle = recogniser_bundle()
    tail_s = bundle.features.tail_padding / bundle.features.sample_rate_hz
    assert tail_s > 0
    facts = dataclasses.replace(FACTS, bundle=bundle)
    operators = {
        graph: [OpCost(at, 12, 1) for at in range(len(bundle.graphs[role].records))]
        for graph, role in ROLES.items()
        if role in bundle.graphs
    }
    report = make_report(facts, [dataclasses.replace(CLIP, operators=operators)])
    assert report.value("cost of a second of audio") == round(1000 / (2.0 + tail_s))
    assert report.clips[0].processed_s == 2.0 + tail_s
    note = next(it.note for it in report.records if it.name == "cost of a second of audio")
    assert f"{tail_s:g} s of silence after each clip counted as audio" in note


def test_end_points_are_counted_and_timed_where_the_end_of_speech_is_known() -> None:
    early, final = EndpointKind.SPECULATIVE, EndpointKind.FINAL
    points = (Endpoint(early, 0, 1, 1400, "yes"), Endpoint(final, 0, 1, 1600, "yes"))
    heard = dataclasses.replace(HEARD, endpoints=points)
    metrics = dataclasses.replace(METRICS, endpoint=40)
    clip = dataclasses.replace(CLIP, heard=heard, laptop=heard, metrics=metrics, end_s=1.1)
    report = make_report(FACTS, [clip])
    assert report.value("end points") == 2
    assert report.value("early end point") == 300
    assert report.value("final end point") == 500
    assert report.value("cut off early") == 0
    assert report.value("provisional results that stood") == 100
    assert report.clips[0].end_s == 1.1
    assert report.clips[0].endpoints == decisions(points)
    assert make_report(FACTS, [CLIP]).clips[0].endpoints is None
    assert [(it.stage, it.cost) for it in report.stages][-1] == ("endpoint", 40)
    assert report.value("cost of a second of audio") == 520
    unknown = make_report(FACTS, [dataclasses.replace(clip, end_s=None)])
    assert unknown.value("end points") == 2
    assert unknown.value("early end point") is None
    other = dataclasses.replace(heard, endpoints=points[:1])
    found = first_difference([dataclasses.replace(clip, laptop=other)])
    assert found is not None
    assert found.place == "end point 1"


def test_an_npu_is_shown_by_what_it_counted() -> None:
    counts = NpuCounts(3, 0, 0, 100, 7, 0)
    clip = dataclasses.replace(CLIP, metrics=dataclasses.replace(METRICS, npu=counts))
    records = make_report(FACTS, [clip, clip, CLIP]).records
    shown = [(it.name, it.value, it.fidelity) for it in records if it.name.startswith("NPU")]
    assert shown == [
        ("NPU jobs", 6, "functional"),
        ("NPU read on AXI port 0", 200, "estimate"),
        ("NPU wrote on AXI port 0", 14, "estimate"),
    ]
    notes = {it.name: it.note for it in records}
    assert notes["real-time factor"].endswith(", the NPU's time left out")


def test_all_that_an_npu_counts_can_be_compared() -> None:
    counted = dataclasses.replace(METRICS, npu=NpuCounts(1, 2, 3, 4, 5, 6))
    records = make_report(FACTS, [dataclasses.replace(CLIP, metrics=counted)]).records
    shown = [it.name for it in records if it.name.startswith("NPU")]
    assert shown == [name for name in RECORDS if name.startswith("NPU")]


def test_a_moment_of_audio_has_no_cost_per_second() -> None:
    report = make_report(FACTS, [dataclasses.replace(CLIP, audio_s=0.05)])
    assert report.value("cost of a second of audio") == "not meaningful"
    assert report.value("real-time factor") is None


@pytest.mark.parametrize(
    ("tier", "fidelity"),
    [("emulated", "functional"), ("hardware", "hardware"), ("host", "estimate")],
)
def test_what_firmware_counts_of_itself_is_only_as_good_as_its_board(
    tier: str, fidelity: str
) -> None:
    facts = dataclasses.replace(FACTS, board=dataclasses.replace(FACTS.board, tier=tier))
    found = {it.name: it.fidelity for it in make_report(facts, [CLIP]).records}
    assert found["stack high-water"] == found["cost of a second of audio"] == fidelity
    assert found["firmware"] == ("estimate" if tier == "host" else "functional")
    assert found["workspace"] == found["word error rate"] == "functional"


def test_host_has_no_clock_to_show() -> None:
    report = make_report(dataclasses.replace(FACTS, board=load_board("host")), [CLIP])
    assert "clock_hz" not in report.board


def test_device_without_a_clock_reports_no_cost() -> None:
    facts = dataclasses.replace(FACTS, clock=ClockKind.NONE)
    report = make_report(facts, [CLIP])
    assert report.correct is True
    assert report.value("real-time factor") is None
    assert not report.stages


def test_every_figure_of_a_report_has_a_name_that_policies_know() -> None:
    point = Endpoint(EndpointKind.SPECULATIVE, 0, 1, 1200, "yes")
    end = Endpoint(EndpointKind.FINAL, 0, 1, 1400, "yes")
    heard = dataclasses.replace(HEARD, endpoints=(point, end))
    metrics = dataclasses.replace(METRICS, npu=NpuCounts(*range(1, 7)))
    clip = dataclasses.replace(CLIP, heard=heard, laptop=heard, end_s=1.1, metrics=metrics)
    report = make_report(dataclasses.replace(FACTS, bundle=recogniser_bundle()), [clip])
    said = {"device == laptop", "audio", "beam", "end points"}  # of the run, not measured by it
    assert {record.name for record in report.records} - said == set(RECORDS)
