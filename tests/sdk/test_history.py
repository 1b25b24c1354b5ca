"""`edgesdk history`: which runs stand together, in which order, and a page that opens offline."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgesdk.cli import main
from edgesdk.endpoints import Decision
from edgesdk.report.history import group_runs, render_history, run_labels
from edgesdk.report.policy import default_policy
from edgesdk.report.read import Run, load_run
from edgesdk.report.records import Report
from made_runs import MANIFEST, REPORT, save_run, with_record
from pages import table_rows

RunCli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> RunCli:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main.main(["history", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def _day(folder: Path, day: int, report: Report = REPORT, **facts: Any) -> Run:
    created = f"2026-01-{day:02}T00:00:00+00:00"
    changed = dataclasses.replace(report, created=created)
    return load_run(save_run(folder, changed, created=created, **facts))


def _wrong(report: Report) -> Report:
    clips = tuple(dataclasses.replace(it, cost=None, stages=()) for it in report.clips)
    nothing: dict[str, Any] = {"records": (), "stages": (), "operators": (), "memory": ()}
    return dataclasses.replace(report, correct=False, clips=clips, **nothing)


def test_page_tells_each_run_and_what_got_worse(tmp_path: Path) -> None:
    larger = with_record(REPORT, "firmware", 31_000)
    runs = [
        _day(tmp_path / "late", 9, with_record(larger, "arena", 5000)),
        _day(tmp_path / "broken", 5, _wrong(REPORT)),
        _day(tmp_path / "first", 1),
        _day(tmp_path / "a$b$<i>", 3, larger, git=None),
    ]
    page = render_history(runs, default_policy())
    rows = table_rows(page)
    assert [row[1] for row in rows[1:5]] == ["first", "a$b$<i>", "broken", "late"]
    assert rows[0][:4] == ["#", "run", "device = laptop", "word error rate"]
    assert rows[1] == [
        *("1", "first", "yes", "12.5", "1,000,000", "0.03125", "4,096", "1,500", "30,000")
    ]
    assert rows[3] == ["3", "broken", "no", *[""] * 6]
    (said, *worse) = [row[-1] for row in rows[6:10]]
    assert said == "nothing to hold it to\n"
    assert [it.strip() for it in (worse[0], worse[2])] == ["firmware", "arena"]
    assert worse[1].startswith("device == laptop; ")
    assert rows[7][1:3] == ["2026-01-03 00:00:00 UTC", ""]
    assert "real-time factor: estimate (one instruction per cycle);" in page
    assert re.search(r"<text[^>]*>a\$b\$&lt;i&gt;</text>", page)  # no formula, no tag


def test_page_opens_offline_and_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    runs = [_day(tmp_path / f"run{day}", day) for day in (1, 2)]
    runs.append(_day(tmp_path / "x", 3, clock="cycles"))
    page = render_history(runs, default_policy())
    assert table_rows(page) and "<script" not in page
    assert not re.search(r"""(src|href)=["'](?!#)""", page.replace("xlink:href", "href"))
    names = re.findall(r'aria-label="([^"]+)"', page)
    assert len(names) == len(set(names)) == 6 + 5  # one run alone has no sizes to follow
    ids = re.findall(r' id="(\w{10,})"', page)
    assert len(ids) == len(set(ids))
    assert render_history(runs[::-1], default_policy()) == page


def test_runs_stand_together_only_where_they_can_be_compared(tmp_path: Path) -> None:
    other = dataclasses.replace(MANIFEST.clips[0], sha256="ff" * 32)
    first = _day(tmp_path / "a", 4)
    cycles = _day(tmp_path / "b", 2, clock="cycles")
    clips = _day(tmp_path / "c", 3, clips=(other, MANIFEST.clips[1]))
    again = _day(tmp_path / "d", 1, bundle=dataclasses.replace(MANIFEST.bundle, digest="99"))
    assert group_runs([first, cycles, clips, again]) == [[again, first], [cycles], [clips]]


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = ("mon/report", "tue/report", "wed", "x/tue/report")
    runs = [_day(tmp_path / path, 1) for path in paths]
    assert run_labels(runs[:3]) == ["mon/report", "tue/report", "wed"]
    assert run_labels(runs) == ["mon/report", "2 tue/report", "wed", "4 tue/report"]


def test_many_runs_are_drawn_with_few_names_and_the_last_one_among_them(tmp_path: Path) -> None:
    decided = (Decision(0, None, None, None, "x", 0.75, stood=None),)
    watched = dataclasses.replace(REPORT.clips[0], end_s=0.5, endpoints=decided)
    report = dataclasses.replace(REPORT, clips=(watched, REPORT.clips[1]))
    runs = [_day(tmp_path / f"a rather long name {day:02}", day, report) for day in range(1, 31)]
    runs = [*runs[:9], _day(tmp_path / "broken", 10, _wrong(report)), *runs[10:]]
    page = render_history(runs, default_policy())
    assert "Final end points" in page and "The last 4 runs." in page
    spread = page[page.index("Cost of a second of audio, by clip") :]
    names = re.findall(r"<text[^>]*>([^<]*)</text>", spread[: spread.index("</svg>")])
    assert 5 < sum(name.startswith("a rather long nam") for name in names) <= 14


def test_run_that_counts_nothing_still_has_a_page(tmp_path: Path) -> None:
    clips = tuple(dataclasses.replace(it, cost=None, stages=()) for it in REPORT.clips)
    silent = dataclasses.replace(
        REPORT, cost_unit="", records=(), clips=clips, stages=(), operators=(), memory=()
    )
    page = render_history([_day(tmp_path / "a", 1, silent, clock="none")], default_policy())
    assert "no clock" in page and "<svg" not in page
    assert table_rows(page)[0] == ["#", "run", "device = laptop"]


def test_folders_of_runs_are_found_and_each_drawn_once(tmp_path: Path, cli: RunCli) -> None:
    for day in (1, 2):
        _day(tmp_path / "nightly" / f"run{day}", day)
    page = tmp_path / "out" / "page.html"
    code, out, _ = cli(tmp_path / "nightly", tmp_path / "nightly" / "run1", "-o", page, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["schema"] == "edgesdk.history"
    assert document["page"] == str(page) and page.is_file()
    assert [[Path(it).name for it in group] for group in document["groups"]] == [["run1", "run2"]]
    assert not list(page.parent.glob(".*"))


def test_run_that_is_damaged_or_none_stops_the_page(tmp_path: Path, cli: RunCli) -> None:
    page = tmp_path / "page.html"
    _day(tmp_path / "nightly" / "good", 1)
    (_day(tmp_path / "nightly" / "bad", 2).folder / "report.json").write_text("{}")
    code, _, err = cli(tmp_path / "nightly", "-o", page)
    assert code == 2 and "bad/report.json: damaged" in err and err.count("\n") == 1
    code, _, err = cli(tmp_path / "absent", "-o", page)
    assert code == 2 and "there is no manifest" in err
    assert not page.exists()
    code, _, err = cli(tmp_path / "nightly" / "good", "-o", tmp_path)
    assert code == 2 and "name a file with -o" in err
    policy = tmp_path / "policy.toml"
    policy.write_text("schema = 3")
    code, _, err = cli(tmp_path / "nightly" / "good", "-o", page, "--policy", policy)
    assert code == 2 and "policy.toml" in err
