"""`edgesdk rescore`: results of the other verbs in, the same schema out; bad input in one line."""

import copy
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from edgesdk.cli import main
from edgesdk.cli.transcripts import transcripts_document
from edgesdk.emulate.transcript import Transcript
from edgesdk.errors import EdgeError
from edgesdk.lattice import Arc, Hypothesis, LatticeToken, Results, lattice_document
from edgesdk.rescore import SecondPass, Weights, read_results, rescore
from hypothesis import given, settings
from hypothesis import strategies as st

FRAME_US = 40_000
ARPA = """\\data\\
ngram 1=6

\\1-grams:
-1\t</s>
-99\t<s>
-3\t<unk>
-1\tgo
-1\tleft
-1\tno

\\end\\
"""
MODULE = '''
def likes_no(sequences):
    """Natural logarithms."""
    return [5.0 * words.count("no") for words in sequences]

def fails(sequences):
    raise RuntimeError("no\\nweights")

def too_few(sequences):
    return [0.0]

def not_finite(sequences):
    return [float("nan")] * len(sequences)

value = 3
'''


def _tokens(text: str, frame: int, piece_score: int, bias: int) -> tuple[LatticeToken, ...]:
    pieces = [piece for word in text.split() for piece in ("▁", *word)]
    return tuple(
        LatticeToken(1, piece, frame + at, piece_score, bias) for at, piece in enumerate(pieces)
    )


def _arc(source: int, target: int, text: str, frame: int, acoustic: float, bias: float = 0) -> Arc:
    pieces = tuple(piece for word in text.split() for piece in ("▁", *word))
    scores = (round(acoustic * 65536), round(bias * 65536))
    return Arc(source, target, frame, frame + len(text), *scores, (1,) * len(pieces), pieces)


def _transcript(
    name: str, results: Results, tokens: tuple[LatticeToken, ...], committed: tuple[str, ...] = ()
) -> Transcript:
    pieces = (*committed, *(token.piece for token in tokens))
    times = [at * 40 / 1000 for at in range(len(committed))]
    return Transcript(
        clip=name,
        text="".join(pieces).replace("▁", " ").strip(),
        tokens=pieces,
        timestamps=(*times, *(token.frame * 40 / 1000 for token in tokens)),
        ys_probs=(
            *(-0.25 for _ in committed),
            *(round(token.logprob_q16 / 65536, 5) for token in tokens),
        ),
        logits_sha256="0",
        logits_count=3,
        reference=None,
        results=results,
    )


def _go_or_no() -> Transcript:
    """'go left' before 'no left' by 0.5, of which biasing added 2; then an end."""
    arcs = (
        _arc(0, 1, "go", 2, -1.0, bias=2.0),
        _arc(0, 1, "no", 2, 0.5),
        _arc(1, 2, "left", 5, -0.25),
        _arc(2, 3, "", 20, -0.125),
    )
    tokens = _tokens("go left", 2, -6000, 100)
    best = Hypothesis(tokens, round(-1.375 * 65536), 2 * 65536)
    return _transcript("a.wav", Results(FRAME_US, 0, 0, 0, (best,), 4, arcs), tokens)


def _document(*transcripts: Transcript) -> dict[str, Any]:
    return transcripts_document({"kind": "laptop"}, transcripts)


def _silence() -> Transcript:
    return _transcript("b.wav", Results(FRAME_US, 0, 0, 0, (), 0, ()), ())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("results.json").write_text(json.dumps(_document(_go_or_no(), _silence())))
    Path("texts.tsv").write_text("file\ttext\na.wav\tno left\nb.wav\t\n")
    Path("lm.arpa").write_text(ARPA)
    Path("rescore_scorers.py").write_text(MODULE)
    yield tmp_path
    sys.modules.pop("rescore_scorers", None)


def _ok(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main.main(["rescore", "results.json", *arguments, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_first_pass_s_own_weights_then_change_no_text(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = json.loads(Path("results.json").read_text()), _ok(capsys)
    assert {**after, "clips": None, "rescoring": None} == {
        **before,
        "clips": None,
        "rescoring": None,
    }
    for old, new in zip(before["clips"], after["clips"], strict=True):
        assert {**new, "nbest": None} == {**old, "nbest": None}
    first, second = after["clips"][0]["nbest"]
    given_entry = before["clips"][0]["nbest"][0]
    assert first == {**given_entry, "lm_score": 0.0, "word_count": 2, "score": 0.625}
    assert (second["text"], second["acoustic_score"], second["bias_score"]) == ("no left", 0.125, 0)
    assert (second["score"], second["ys_probs"]) == (0.125, [])
    assert second["timestamps"] == [0.08] * 3 + [0.2] * 5
    assert [entry["text"] for entry in after["clips"][1]["nbest"]] == [""]


def test_bias_taken_out_then_another_text_with_its_words_and_errors(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = _ok(capsys, "--bias-weight", "0", "--expect", "texts.tsv", "--nbest", "1")
    clip = made["clips"][0]
    assert (clip["text"], clip["words"], clip["reference"]) == (
        "no left",
        ["no", "left"],
        "no left",
    )
    assert clip["tokens"] == ["▁", "n", "o", "▁", "l", "e", "f", "t"]
    assert [word["word"] for word in clip["word_times"]] == ["no", "left"]
    assert clip["word_times"][0]["start"] == 0.08
    assert [word["confidence"] for word in clip["word_times"]] == [0.37754, 1.0]
    assert len(clip["nbest"]) == 1
    rescoring = made["rescoring"]
    assert rescoring["word_errors_before"]["substitutions"] == 1
    assert made["word_errors"]["rate_pct"] == rescoring["word_errors_oracle"]["rate_pct"] == 0
    assert (rescoring["bias"], rescoring["model"], rescoring["nbest"]) == (0.0, "none", 1)


def test_ngram_and_callable_then_rank_by_their_scores(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("arpa", reason="arpa is not installed")
    model = _ok(capsys, "--arpa", "lm.arpa", "--lm-weight", "0.5", "--word-penalty", "1")
    entry = model["clips"][0]["nbest"][0]
    assert entry["lm_score"] == round(-3 * 2.302585092994046, 5)
    assert entry["score"] == round(0.625 - 1.5 * 2.302585092994046 + 2, 5)
    assert model["clips"][1]["nbest"][0]["lm_score"] == round(-2.302585092994046, 5)
    called = _ok(capsys, "--scorer", "rescore_scorers:likes_no", "--lm-weight", "0.2")
    assert [entry["text"] for entry in called["clips"][0]["nbest"]] == ["no left", "go left"]
    assert [entry["score"] for entry in called["clips"][0]["nbest"]] == [1.125, 0.625]


def test_out_then_holds_what_json_prints_and_people_get_a_table(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--bias-weight", "0", "--expect", "texts.tsv", "-o", "out.json")
    made = _ok(capsys, *arguments)
    assert json.loads(Path("out.json").read_text()) == made
    assert main.main(["rescore", "out.json", *arguments]) == 0
    said = capsys.readouterr().out
    assert (
        "word error rate before 0.0 % (0), after 0.0 % (0), best in the lattice 0.0 % (0)" in said
    )
    assert "wrote out.json" in said


def test_committed_tokens_then_begin_every_path_and_join_their_word() -> None:
    """'▁go▁le' left the pool; the lattice goes on with 'ft' or 'ss'."""
    committed = ("▁", "g", "o", "▁", "l", "e")
    arcs = (
        Arc(0, 1, 6, 7, -65536, 0, (1, 1), ("f", "t")),
        Arc(0, 1, 6, 7, -131072, 0, (1, 1), ("s", "s")),
        _arc(1, 2, "no", 9, -1.0),
        _arc(2, 3, "", 20, 0.0),
    )
    pieces = ("f", "t", "▁", "n", "o")
    tokens = tuple(LatticeToken(1, piece, 6 + at, -9, 0) for at, piece in enumerate(pieces))
    best = Hypothesis(tokens, -655360 - 131072, 65536)
    results = Results(FRAME_US, 6, -655360, 65536, (best,), 4, arcs)
    document = _document(_transcript("a.wav", results, tokens, committed))
    clips = read_results(document, "results")
    kept = rescore(document, clips, SecondPass()).document["clips"][0]
    assert {**kept, "word_times": None, "nbest": None} == {
        **document["clips"][0],
        "word_times": None,
        "nbest": None,
    }
    assert [kept["nbest"][0][name] for name in ("acoustic_score", "bias_score")] == [-12.0, 1.0]

    def likes_less(sequences: list[list[str]]) -> list[float]:
        assert sequences == [["go", "left", "no"], ["go", "less", "no"]]
        return [9.0 * words.count("less") for words in sequences]

    second = SecondPass(Weights(lm=1.0), scorer=likes_less, name="m:f")
    made = rescore(document, clips, second).document["clips"][0]
    assert (made["text"], made["nbest"][0]["text"]) == ("go less no", "ss no")
    words = [(word["word"], word["start"], word["end"]) for word in made["word_times"]]
    assert words == [("go", 0.0, 0.12), ("less", 0.12, 0.32), ("no", 0.36, 0.48)]
    assert made["ys_probs"] == []
    assert len(made["timestamps"]) == len(made["tokens"]) == 11


def test_lattice_too_small_for_a_word_then_keeps_the_text() -> None:
    tokens = _tokens("go", 2, -9, 0)
    results = Results(FRAME_US, 0, 0, 0, (), 0, ())
    document = _document(_transcript("a.wav", results, tokens))
    made = rescore(document, read_results(document, "r"), SecondPass()).document["clips"][0]
    assert {**made, "nbest": None} == {**document["clips"][0], "nbest": None}


BAD_CALLS = [
    (["none.json"], "none.json: cannot be read"),
    (["texts.tsv"], "texts.tsv: is no JSON"),
    (["deep.json"], "deep.json: is no JSON"),
    (["other.json"], "other.json: is no edgesdk.transcripts of version 1"),
    (["greedy.json"], "greedy.json, a.wav: has no lattice; convert with a beam"),
    (["parts.json"], "parts.json, a.wav: has a lattice for each utterance"),
    (["stuck.json"], "stuck.json, a.wav: no path of the lattice"),
    (["results.json", "--arpa", "lm.arpa", "--scorer", "m:f"], "exclude each other"),
    (["results.json", "--lm-weight", "nan"], "--lm-weight nan: is not finite"),
    (["results.json", "--bias-weight", "inf"], "--bias-weight inf: is not finite"),
    (["results.json", "--nbest", "0"], "--nbest"),
    (["results.json", "--expect", "short.tsv"], "short.tsv: no line for b.wav"),
    (["results.json", "--scorer", "rescore_scorers"], "give it as module:function"),
    (["results.json", "--scorer", "no_such_module:f"], "module no_such_module cannot be imported"),
    (["results.json", "--scorer", "rescore_scorers:value"], "has no callable value"),
    (["results.json", "--scorer", "rescore_scorers:fails"], "RuntimeError: no weights"),
    (["results.json", "--scorer", "rescore_scorers:too_few"], "returned 1 scores for 2"),
    (["results.json", "--scorer", "rescore_scorers:not_finite"], "not finite"),
    (["results.json", "-o", "none/out.json"], "none/out.json: cannot be written"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD_CALLS, ids=[said for _, said in BAD_CALLS])
def test_bad_call_then_one_line_and_exit_2(
    arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(Path("results.json").read_text())
    Path("deep.json").write_text("[" * 100_000)
    Path("other.json").write_text('{"schema": "edgesdk.report"}')
    Path("short.tsv").write_text("file\ttext\na.wav\tno left\n")
    greedy, stuck = copy.deepcopy(document), copy.deepcopy(document)
    del greedy["clips"][0]["lattice"]
    stuck["clips"][0]["lattice"]["states"] = 9
    Path("greedy.json").write_text(json.dumps(greedy))
    greedy["clips"][0]["endpoints"] = [{"kind": "speculative"}, {"kind": "final", "lattice": {}}]
    Path("parts.json").write_text(json.dumps(greedy))
    Path("stuck.json").write_text(json.dumps(stuck))
    assert main.main(["rescore", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.startswith("edgesdk rescore: ")
    assert captured.err.count("\n") == 1


def test_arpa_without_its_package_then_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "arpa", None)
    assert main.main(["rescore", "results.json", "--arpa", "lm.arpa"]) == 2
    assert capsys.readouterr().err == (
        "edgesdk rescore: --arpa needs the package arpa, which this installation lacks; install "
        "with: pip install 'edgesdk[rescore]'\n"
    )


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something could be wrong in a document."""
    if not isinstance(value, dict | list):
        return [path]
    members = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(place for name, member in members for place in _places(member, (*path, name)))]


DOCUMENT = json.loads(json.dumps(_document(_go_or_no())))
WRONG = st.sampled_from(
    (None, True, -1, 3, 10**30, 0.5, float("nan"), float("inf"), "", "x", [], [None], {}, {"a": 1})
)


@settings(max_examples=300)
@given(st.sampled_from(_places(DOCUMENT)[1:]), WRONG)
def test_any_wrong_member_then_one_line_or_a_result(place: tuple[Any, ...], wrong: Any) -> None:
    document = copy.deepcopy(DOCUMENT)
    inner = document
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = wrong
    try:
        made = rescore(document, read_results(document, "r"), SecondPass()).document
        json.dumps(made)
    except EdgeError as error:
        assert re.match(r"r[,:] .*; ", str(error))


def test_lattice_in_json_has_what_was_committed() -> None:
    document = lattice_document(Results(FRAME_US, 2, -5, 7, (), 0, ()))
    assert document["committed_acoustic_q16"] == -5
    assert document["committed_bias_q16"] == 7
