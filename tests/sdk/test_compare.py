"""`edgesdk compare`: refusals, limits, injected regressions, exit codes."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgesdk.cli import main
from edgesdk.endpoints import Decision
from edgesdk.report.compare import Comparison, IncomparableError, compare
from edgesdk.report.metrics import NAMES, final_delays_ms, metrics_of, percentile
from edgesdk.report.policy import Policy, default_policy, default_policy_text, read_policy
from edgesdk.report.read import load_run
from edgesdk.report.records import Report
from made_runs import MANIFEST, REPORT, save_run, with_record

RunCli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> RunCli:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main.main(["compare", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def _compare(
    tmp_path: Path, changed: Report, policy: Policy | None = None, **facts: Any
) -> Comparison:
    a, b = save_run(tmp_path / "a"), save_run(tmp_path / "b", changed, **facts)
    return compare(load_run(a), load_run(b), policy or default_policy())


def _policy(limits: str) -> Policy:
    return read_policy(f'schema = 1\nname = "mine"\n{limits}', "mine.toml")


def test_a_run_equals_itself(tmp_path: Path, cli: RunCli) -> None:
    folder = save_run(tmp_path / "a")
    code, out, err = cli(folder, folder)
    assert (code, err) == (0, "")
    assert "nothing is worse than allowed" in out
    document = json.loads(cli(folder, folder, "--json")[1])
    assert (document["schema"], document["version"]) == ("edgesdk.compare", 1)
    assert document["regressions"] == document["differs"] == []
    assert {entry["verdict"] for entry in document["metrics"]} == {"same"}
    assert "final end point" in document["absent"]


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("word error rate", 12.75, "within"),
        ("word error rate", 13.0, "within"),
        ("word error rate", 13.01, "regression"),
        ("word error rate", 0.0, "better"),
        ("cost of a second of audio", 1_010_000, "within"),
        ("cost of a second of audio", 1_010_001, "regression"),
        ("cost of a second of audio", 500_000, "better"),
        ("arena", 4136, "within"),
        ("arena", 4137, "regression"),
        ("stack high-water", 1576, "regression"),
        ("firmware", 30_301, "regression"),
        ("firmware", None, "regression"),
        ("real-time factor", 9.0, "changed"),
        ("real-time factor", None, "missing"),
    ],
)
def test_injected_change_gets_its_verdict_and_exit_code(
    tmp_path: Path, cli: RunCli, name: str, value: float | None, verdict: str
) -> None:
    done = _compare(tmp_path, with_record(REPORT, name, value))
    found = {delta.name: delta for delta in done.deltas}
    assert found.pop(name).verdict == verdict
    assert {delta.verdict for delta in found.values()} == {"same"}
    assert done.regressions == ((name,) if verdict == "regression" else ())
    code, out, _ = cli(tmp_path / "a", tmp_path / "b")
    assert code == (1 if verdict == "regression" else 0)
    assert (f"worse than allowed: {name}" in out) == (verdict == "regression")


def test_one_slow_clip_shows_in_the_percentile(tmp_path: Path) -> None:
    slow = dataclasses.replace(REPORT.clips[1], cost=630_000)
    done = _compare(tmp_path, dataclasses.replace(REPORT, clips=(REPORT.clips[0], slow)))
    assert done.regressions == ("cost of a second of audio, P95 clip",)
    delta = next(it for it in done.deltas if it.name in done.regressions)
    assert (delta.a, delta.b, delta.change) == (1_200_000, 1_260_000, 60_000)
    assert delta.change_pct == pytest.approx(5.0)


def test_what_only_the_later_run_has_is_new(tmp_path: Path) -> None:
    done = _compare(tmp_path, REPORT)
    a = save_run(tmp_path / "a", with_record(REPORT, "firmware", None))
    done = compare(load_run(a), done.b, default_policy())
    assert [delta.name for delta in done.deltas if delta.verdict == "new"] == ["firmware"]
    assert done.regressions == ()


def test_device_that_no_longer_does_what_the_laptop_does_is_a_regression(
    tmp_path: Path, cli: RunCli
) -> None:
    wrong = dataclasses.replace(
        REPORT, correct=False, records=(), stages=(), operators=(), memory=()
    )
    done = _compare(tmp_path, wrong)
    assert done.regressions[0] == "device == laptop"
    assert "cost of a second of audio" in done.regressions
    assert cli(tmp_path / "a", tmp_path / "b")[0] == 1
    code, _, err = cli(tmp_path / "b", tmp_path / "a")
    assert code == 6
    assert "in b, device and laptop differ" in err
    unknown = dataclasses.replace(wrong, correct=None)
    policy = _policy('[metrics."arena"]\nbetter = "lower"\nmissing = "ignore"\n')
    assert _compare(tmp_path, unknown, policy).regressions == ("device == laptop",)


def _board(**facts: Any) -> dict[str, Any]:
    return {"board": dataclasses.replace(MANIFEST.board, **facts)}


def _clip(**facts: Any) -> dict[str, Any]:
    return {"clips": (dataclasses.replace(MANIFEST.clips[0], **facts), MANIFEST.clips[1])}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (_board(core="cortex-m4"), "core cortex-m55 against cortex-m4"),
        (_board(tier="hardware"), "tier of the board emulated against hardware"),
        (_board(clock_hz=None), "clock of the board 32,000,000 Hz against unknown"),
        (
            {"bundle": dataclasses.replace(MANIFEST.bundle, kind="single")},
            "kind of bundle recogniser against single",
        ),
        ({"clock": "cycles"}, "kind of clock instructions against cycles"),
        (_clip(sha256="ff" * 32), "clips: a.wav has other samples"),
    ],
)
def test_other_conditions_are_refused_by_name(
    tmp_path: Path, cli: RunCli, facts: dict[str, Any], said: str
) -> None:
    a, b = save_run(tmp_path / "a"), save_run(tmp_path / "b", **facts)
    code, out, err = cli(a, b, "--json")
    document = json.loads(out)
    assert code == document["exit_code"] == 6
    assert document["schema"] == "edgesdk.error"
    assert document["reasons"] == [said]
    assert err.count("\n") == 1
    assert said in err and str(a) in err and str(b) in err


def test_all_reasons_are_told_at_once(tmp_path: Path) -> None:
    renamed = dataclasses.replace(REPORT, board=REPORT.board | {"name": "other"})
    facts = _board(name="other") | {"clock": "cycles"}
    with pytest.raises(IncomparableError) as refused:
        _compare(tmp_path, renamed, **facts)
    reasons = (refused.value.details or {})["reasons"]
    assert reasons == [
        "board made-up against other",
        "kind of clock instructions against cycles",
    ]


def test_other_clips_or_expectations_are_refused_in_any_order(tmp_path: Path) -> None:
    first, second = REPORT.clips
    fewer = dataclasses.replace(REPORT, clips=(first,))
    with pytest.raises(IncomparableError, match=r"b\.wav only in a"):
        _compare(tmp_path, fewer, clips=MANIFEST.clips[:1])
    twice = dataclasses.replace(REPORT, clips=(first, second, second))
    with pytest.raises(IncomparableError, match="2 against 3"):
        _compare(tmp_path, twice, clips=(*MANIFEST.clips, MANIFEST.clips[1]))
    other = dataclasses.replace(first, reference="no yes")
    with pytest.raises(IncomparableError, match=r"a\.wav has another expected text"):
        _compare(tmp_path, dataclasses.replace(REPORT, clips=(other, second)))
    ends = dataclasses.replace(second, end_s=0.25)
    with pytest.raises(IncomparableError, match=r"b\.wav has another .* end of speech"):
        _compare(tmp_path, dataclasses.replace(REPORT, clips=(first, ends)))
    turned = dataclasses.replace(REPORT, clips=(second, first))
    assert not _compare(tmp_path, turned, clips=MANIFEST.clips[::-1]).regressions


def test_what_may_differ_is_listed(tmp_path: Path, cli: RunCli) -> None:
    facts = {
        "bundle": dataclasses.replace(MANIFEST.bundle, digest="44556677"),
        "git": None,
        "tools": MANIFEST.tools | {"compiler": "clang 14"},
        "choices": dataclasses.replace(MANIFEST.choices, bias={"names (tables)": "ee" * 32}),
    }
    done = _compare(tmp_path, REPORT, **facts)
    assert [(fact.name, fact.a, fact.b) for fact in done.differs] == [
        ("bundle", "commands 00112233", "commands 44556677"),
        ("commit", "abababababab", "none"),
        ("compiler", "gcc 12.2 -O3", "clang 14"),
        ("phrases names (tables)", "none", "eeeeeeeeeeeeeeee"),
    ]
    assert "clang 14" in cli(tmp_path / "a", tmp_path / "b")[1]


def test_another_schema_is_exit_6_and_a_damaged_run_exit_2(tmp_path: Path, cli: RunCli) -> None:
    a, b = save_run(tmp_path / "a"), save_run(tmp_path / "b")
    manifest = b / "manifest.json"
    whole = manifest.read_text()
    manifest.write_text(whole.replace('"version": 1', '"version": 2'))
    code, _, err = cli(a, b)
    assert code == 6 and "schema edgesdk.run 2 is not edgesdk.run 1" in err
    manifest.write_text(whole[:-9])
    code, _, err = cli(a, b)
    assert code == 2 and "manifest.json: damaged" in err and err.count("\n") == 1
    code, _, err = cli(a, tmp_path / "absent")
    assert code == 2 and "there is no manifest" in err
    code, _, err = cli(a)
    assert code == 2 and "two folders" in err


@pytest.mark.parametrize(
    ("limit", "worst_allowed", "least_refused"),
    [
        ('better = "lower"', 4096, 4097),
        ('better = "lower"\nallowed = 4', 4100, 4101),
        ('better = "lower"\nallowed_pct = 50', 6144, 6145),
        ('better = "lower"\nallowed = 4\nallowed_pct = 50', 6144, 6145),
        ('better = "higher"\nallowed = 96', 4000, 3999),
        ('better = "same"', 4096, 4095),
    ],
)
def test_limits_hold_to_the_unit(
    tmp_path: Path, limit: str, worst_allowed: int, least_refused: int
) -> None:
    policy = _policy(f"[metrics.arena]\n{limit}\n")
    for value, regressed in ((worst_allowed, ()), (least_refused, ("arena",))):
        done = _compare(tmp_path, with_record(REPORT, "arena", value), policy)
        assert done.regressions == regressed
        assert done.policy == "mine"


def test_binary_fractions_do_not_tip_the_scale(tmp_path: Path) -> None:
    policy = _policy('[metrics."word error rate"]\nbetter = "lower"\nallowed = 0.2\n')
    a = save_run(tmp_path / "a", with_record(REPORT, "word error rate", 0.1))
    b = save_run(tmp_path / "b", with_record(REPORT, "word error rate", 0.1 + 0.2))
    assert compare(load_run(a), load_run(b), policy).regressions == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema = 1", "policy.name is missing"),
        ("schema = [", "no policy"),
        ('schema = 2\nname = "x"\n[metrics]', "schema 2 is not 1"),
        ('schema = 1\nname = "x"\n[metrics.areana]\nbetter = "lower"', "did you mean 'arena'"),
        ('schema = 1\nname = "x"\n[metrics.arena]\nbetter = "less"', "'less' is none of"),
        ('schema = 1\nname = "x"\n[metrics.arena]', "better is missing"),
        (
            'schema = 1\nname = "x"\n[metrics.arena]\nbetter = "lower"\nalowed = 1',
            "did you mean 'allowed'",
        ),
        (
            'schema = 1\nname = "x"\n[metrics.arena]\nbetter = "lower"\nallowed = -1',
            "is below 0",
        ),
        (
            'schema = 1\nname = "x"\n[metrics.arena]\nbetter = "lower"\nallowed_pct = nan',
            "not finite",
        ),
        (
            'schema = 1\nname = "x"\n[metrics.arena]\nbetter = "same"\nallowed = 1',
            "leaves no room for allowed",
        ),
    ],
)
def test_policy_that_means_nothing_is_refused(
    tmp_path: Path, cli: RunCli, text: str, said: str
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    code, _, err = cli(tmp_path, tmp_path, "--policy", path)
    assert code == 2 and err.count("\n") == 1
    assert said in err and "policy.toml" in err and "--print-policy" in err


def test_policy_file_that_cannot_be_read(tmp_path: Path, cli: RunCli) -> None:
    assert "cannot be read" in cli(tmp_path, tmp_path, "--policy", tmp_path / "none.toml")[2]
    (tmp_path / "latin.toml").write_bytes(b"# \xff")
    assert "not UTF-8" in cli(tmp_path, tmp_path, "--policy", tmp_path / "latin.toml")[2]


def test_printed_policy_is_the_default_one(tmp_path: Path, cli: RunCli) -> None:
    code, out, _ = cli("--print-policy")
    assert code == 0
    assert read_policy(out, "printed") == default_policy()
    path = tmp_path / "mine.toml"
    path.write_text(out.replace('"default"', '"mine"'))
    assert 'name = "mine"' in cli("--print-policy", "--policy", path)[1]
    document = json.loads(cli("--print-policy", "--json", "--policy", path)[1])
    assert document["policy"]["name"] == "mine"
    assert set(default_policy().metrics) <= set(NAMES)
    assert default_policy_text().startswith("# How much worse")


def test_policy_of_the_documentation_is_one(repository: Path) -> None:
    page = (repository / "docs" / "runs.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```toml\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert read_policy(text, "docs/runs.md").metrics["image"].better == "same"


def test_python_of_the_documentation_runs(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    page = (repository / "docs" / "runs.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    save_run(tmp_path / "out" / "monday")
    save_run(tmp_path / "out" / "tuesday", with_record(REPORT, "arena", 5000))
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "docs/runs.md", "exec"), {})
    assert "arena 4096 5000 bytes regression\n" in (out := capsys.readouterr().out)
    assert out.endswith("('arena',)\n")


def test_final_end_points_after_the_end_of_speech_make_a_percentile() -> None:
    def watched(at: int, *finals: float) -> Any:
        decided = tuple(Decision(0, None, None, None, "x", it, stood=None) for it in finals)
        return dataclasses.replace(REPORT.clips[at], end_s=0.25, endpoints=decided)

    report = dataclasses.replace(REPORT, clips=(watched(0, 0.5, 0.75), watched(1, 0.125)))
    metric = metrics_of(report)["final end point, P95"]
    assert (metric.value, metric.unit) == (250, "ms")
    assert final_delays_ms(report) == [250.0]  # the second clip was cut off
    assert "final end point, P95" not in metrics_of(REPORT)


def test_too_little_audio_for_a_cost_has_none_by_clip_either() -> None:
    short = with_record(REPORT, "cost of a second of audio", "not meaningful")
    assert not [name for name in metrics_of(short) if "audio" in name or "stage" in name]


def test_percentile_is_the_nearest_rank() -> None:
    values = [15.0, 20.0, 35.0, 40.0, 50.0]
    assert [percentile(values, it) for it in (0.05, 0.3, 0.4, 0.5, 0.95, 1.0)] == [
        *(15.0, 20.0, 20.0, 35.0, 50.0, 50.0)
    ]
    with pytest.raises(ValueError):
        percentile([], 0.5)
