"""What end-pointers said, in words and in figures, and where their settings come from."""

import json
from pathlib import Path

import pytest
from edgesdk.bundle import EndpointSection
from edgesdk.bundle.endpoint import FEATURES, read_endpoint
from edgesdk.cli.endpoint_choice import EndpointChoice, endpoint_mode
from edgesdk.clips import read_ends
from edgesdk.core import EndpointEvent, EndpointKind, EndpointMode
from edgesdk.endpoints import (
    Decision,
    Endpoint,
    decisions,
    describe_endpoints,
    make_endpoint,
    summarise,
)
from edgesdk.errors import ConvertError, EdgeError
from edgesdk.recipe import EndpointRecipe
from edgesdk_converters.pipeline import chosen_endpoint, chosen_scorer
from small_bundle import recogniser_bundle

EARLY, RESUMED, FINAL = EndpointKind.SPECULATIVE, EndpointKind.RESUMED, EndpointKind.FINAL


def point(kind: EndpointKind, version: int, time_ms: int, utterance: int = 0) -> Endpoint:
    return Endpoint(kind, utterance, version, time_ms, "")


def settings(recipe: EndpointRecipe) -> EndpointSection | None:
    return chosen_endpoint(recipe, chosen_scorer(recipe))


def test_words_say_what_became_of_a_provisional_result() -> None:
    said = [point(EARLY, 1, 800), point(RESUMED, 1, 900), point(EARLY, 2, 1500)]
    said += [
        point(FINAL, 2, 1700),
        point(EARLY, 1, 2000),
        point(FINAL, 2, 2200),
        point(FINAL, 1, 9),
    ]
    assert describe_endpoints(said) == (
        "early 0.80, resumed 0.90, early 1.50, final 1.70 confirmed, "
        "early 2.00, final 2.20 revised, final 0.01"
    )
    assert describe_endpoints([]) == ""


@pytest.mark.parametrize(
    ("told", "untold", "tokens", "text"),
    [
        (["▁a", "b", "▁c"], [], 3, "ab c"),
        (["▁a", "b", "▁c"], ["d"], 2, "cd"),
        (["▁a", "b"], ["▁c", "d"], 2, "cd"),
        ([], [], 0, ""),
    ],
)
def test_text_is_that_of_the_utterance(
    told: list[str], untold: list[str], tokens: int, text: str
) -> None:
    event = EndpointEvent(FINAL, 3, 1, 40, tokens, ())
    made = make_endpoint(event, told, untold)
    assert (made.text, made.utterance, made.document()["time"]) == (text, 3, 0.04)


def test_each_provisional_result_is_paired_with_what_settled_it() -> None:
    said = [
        Endpoint(EARLY, 0, 1, 500, "go"),
        Endpoint(RESUMED, 0, 1, 600, "go left"),
        Endpoint(EARLY, 0, 2, 1000, "go left"),
        Endpoint(FINAL, 0, 2, 1200, "go left"),
        Endpoint(FINAL, 1, 1, 3600, ""),
        Endpoint(EARLY, 2, 1, 4000, "one"),
        Endpoint(FINAL, 2, 2, 4200, "on"),
        Endpoint(EARLY, 3, 1, 5000, "yes"),
    ]
    assert decisions(said) == (
        Decision(0, "go", 0.5, 0.6, None, None, stood=False),
        Decision(0, "go left", 1.0, None, "go left", 1.2, stood=True),
        Decision(1, None, None, None, "", 3.6, stood=None),
        Decision(2, "one", 4.0, None, "on", 4.2, stood=False),
        Decision(3, "yes", 5.0, None, None, None, stood=None),
    )
    assert decisions(()) == ()


def test_summary_counts_until_the_first_final_decision() -> None:
    streams = [
        ([point(EARLY, 1, 1200), point(FINAL, 1, 1500), point(EARLY, 1, 3000)], 1.0),
        ([point(EARLY, 1, 900), point(RESUMED, 1, 950), point(EARLY, 2, 1400)], 1.0),
        ([point(EARLY, 1, 900), point(FINAL, 1, 950)], 1.0),
        ([point(EARLY, 1, 1100), point(FINAL, 2, 1700)], 1.0),
    ]
    found = summarise(streams)
    assert (found.streams, found.without_final, found.provisional) == (4, 1, 5)
    assert found.final.median_ms == 600
    assert found.early.median_ms == 150
    assert found.early_cut_off_pct == 50
    assert found.final_cut_off_pct == 25
    assert found.stood_pct == 20
    assert summarise([]).stood_pct is None


def test_recipe_becomes_settings() -> None:
    assert settings(EndpointRecipe()) is None
    rules = settings(EndpointRecipe(kind="rules", pause=1.0, early=0.3, no_speech=3.0))
    assert rules is not None
    early, final = rules.speculative, rules.final
    assert [(it.trailing_ms, it.must_speak) for it in early.rules if it.enabled] == [(700, True)]
    assert [(it.trailing_ms, it.length_ms) for it in final.rules] == [
        (3000, 0),
        (1000, 0),
        (0, 20_000),
    ]
    assert not early.scored
    scored = settings(EndpointRecipe(kind="scored"))
    assert scored is not None
    assert scored.final.scored
    assert scored.speculative.threshold < scored.final.threshold
    read = read_endpoint(scored.encode(), "made")
    assert read.final.weights == pytest.approx(scored.final.weights, abs=2**-16)


SCORE = {
    "bias": 1.0,
    "weights": dict.fromkeys(FEATURES, 0.5),
    "speculative": 1.0,
    "final": 2.0,
    "resume": 0.0,
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bias": "x"}, "not a score"),
        ({"weights": {}}, "not a score"),
        ({"weights": []}, "not a score"),
        ({"weights": {**SCORE["weights"], "loud": 1.0}}, "'loud' is unknown"),
        ({"more": 1}, "'more' is unknown"),
        ({"final": 257}, "257.0 is out of range"),
        ({"final": float("nan")}, "nan is out of range"),
    ],
)
def test_a_score_of_ones_own_is_checked(tmp_path: Path, change: dict, said: str) -> None:
    path = tmp_path / "score.json"
    path.write_text(json.dumps(SCORE))
    section = settings(EndpointRecipe(kind="scored", scorer=str(path)))
    assert section is not None
    assert section.final.weights == (0.5,) * 8
    path.write_text(json.dumps({**SCORE, **change}))
    with pytest.raises(ConvertError, match=said):
        settings(EndpointRecipe(kind="scored", scorer=str(path)))
    path.unlink()
    with pytest.raises(ConvertError, match="cannot be read"):
        settings(EndpointRecipe(kind="scored", scorer=str(path)))


def test_a_score_may_be_a_graph_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "score.json"
    score = {"graph": "net.tflite", "speculative": 1.0, "final": 2.0, "resume": 0.0}
    path.write_text(json.dumps(score))
    recipe = EndpointRecipe(kind="scored", scorer=str(path))
    with pytest.raises(ConvertError, match=r"net\.tflite: No such file"):
        chosen_scorer(recipe)
    (tmp_path / "net.tflite").write_bytes(b"net")
    scorer = chosen_scorer(recipe)
    assert scorer is not None
    assert scorer.graph == b"net"
    made = settings(recipe)
    assert made is not None
    assert (made.final.threshold, made.final.weights) == (2.0, (0.0,) * 8)
    path.write_text(json.dumps({**score, "weights": {}}))
    with pytest.raises(ConvertError, match="'weights' is unknown"):
        chosen_scorer(recipe)


def test_choice_follows_the_bundle() -> None:
    with_settings = recogniser_bundle()
    sections = {tag: it for tag, it in with_settings.sections.items() if tag != "ENDP"}
    without = type(with_settings)(sections, "plain.edge")
    assert endpoint_mode(None, with_settings) is EndpointMode.WATCH
    assert endpoint_mode(None, without) is endpoint_mode(None, None) is EndpointMode.OFF
    assert endpoint_mode(EndpointChoice.STOP, with_settings) is EndpointMode.STOP
    assert endpoint_mode(EndpointChoice.OFF, without) is EndpointMode.OFF
    with pytest.raises(EdgeError, match=r"plain\.edge: has no settings for end points"):
        endpoint_mode(EndpointChoice.SEGMENT, without)


def test_ends_of_speech_are_seconds(tmp_path: Path) -> None:
    table = tmp_path / "clips.tsv"
    table.write_text("file\ttext\tend\na.wav\tyes\t1.25\nb.wav\tno\t\n")
    assert read_ends(table) == {"a.wav": 1.25}
    table.write_text("file\ttext\na.wav\tyes\n")
    assert read_ends(table) == {}
    table.write_text("file\ttext\tend\na.wav\tyes\tsoon\n")
    with pytest.raises(EdgeError, match=r"end = 'soon' of a\.wav"):
        read_ends(table)
