"""report.json, report.html and the terminal table, from one made-up report."""

import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from edgesdk.errors import EdgeError
from edgesdk.fit import MemoryUse
from edgesdk.report.records import (
    ClipRecord,
    Difference,
    OperatorCost,
    Record,
    Report,
    StageCost,
)
from edgesdk.report.table import report_views
from edgesdk.report.trade_off import TradePoint, read_trade_off, trade_off_document
from edgesdk.report.write import write_report
from rich.console import Console

REPORT = Report(
    created="2026-01-02T03:04:05Z",
    board={"name": "b", "title": "A <board>", "tier": "emulated", "clock_hz": 32_000_000},
    bundle={"name": "commands", "sha256": "ab" * 32},
    tools={"compiler": "gcc 12.2"},
    cost_unit="instructions",
    correct=True,
    difference=None,
    records=(
        Record("word error rate", 12.5, "%", "functional", "1 of 8 words"),
        Record("real-time factor", 0.42, "", "estimate", "at 32 MHz, one instruction per cycle"),
    ),
    clips=(
        ClipRecord("a.wav", 1.5, 1.9, "yes no", "yes go", "00", True, 3_000_000),
        ClipRecord("b.wav", 0.5, 0.9, None, "<stop>", "01", True, 900_000),
    ),
    stages=(StageCost("features", 150, 900_000), StageCost("encoder", 37, 3_000_000)),
    operators=tuple(
        OperatorCost("encoder", index, "FULLY_CONNECTED", f"t{index}", 37, 1000 * (index + 1))
        for index in range(30)
    ),
    memory=(MemoryUse("sram", 1000, (("arena", 400), ("state", 100))),),
)
WRONG = dataclasses.replace(
    REPORT,
    correct=False,
    difference=Difference("a.wav", "joiner call 7, logit 3", -5, -4),
    stages=(),
    operators=(),
    clips=(dataclasses.replace(REPORT.clips[0], equal=False, cost=None),),
)


class _Balance(HTMLParser):
    """Fails on tags that are not closed in order."""

    VOID = ("meta", "br", "hr", "use")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def _table(report: Report) -> str:
    console = Console(file=io.StringIO(), width=120)
    for view in report_views(report):
        console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_json_holds_schema_and_every_figure(tmp_path: Path) -> None:
    write_report(REPORT, tmp_path)
    document = json.loads((tmp_path / "report.json").read_text())
    assert (document["schema"], document["version"]) == ("edgesdk.report", 1)
    assert document["correct"] is True
    assert document["records"][1] == {
        "name": "real-time factor",
        "value": 0.42,
        "unit": "",
        "fidelity": "estimate",
        "note": "at 32 MHz, one instruction per cycle",
    }
    assert len(document["operators"]) == 30


def test_page_is_self_contained_balanced_and_escaped(tmp_path: Path) -> None:
    write_report(REPORT, tmp_path)
    page = (tmp_path / "report.html").read_text()
    parser = _Balance()
    parser.feed(page)
    assert parser.open == []
    assert page.count("<svg ") == 3
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["'](?!#)""", page.replace("xlink:href", "href"))
    assert "A &lt;board&gt;" in page
    assert "<del>no</del> <ins>go</ins>" in page
    assert "&lt;stop&gt;" in page


def test_page_shows_the_trade_off_of_end_pointers(tmp_path: Path) -> None:
    points = (TradePoint(0.5, 400.0, 60.0), TradePoint(1.0, 500.0, 9.0), TradePoint(2, 800, 2))
    curves = {"trained score": points, "silence alone": points[1:]}
    evaluation = tmp_path / "endpoint.json"
    evaluation.write_text(json.dumps(trade_off_document(curves, summary={"streams": 3})))
    assert read_trade_off(evaluation) == curves
    write_report(dataclasses.replace(REPORT, endpoint_curves=curves), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg ") == 4
    assert "streams cut off early, %" in page
    assert "silence alone" in page
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["endpoint_curves"]["silence alone"][0]["median_ms"] == 500


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ("[", "no evaluation of end-pointers"),
        ("{}", "no evaluation"),
        ('{"schema": "edgesdk.report", "version": 1, "curves": {}}', "another schema"),
        ('{"schema": "edgesdk.endpoint", "version": 1, "curves": {"a": [{}]}}', "threshold"),
        (
            '{"schema": "edgesdk.endpoint", "version": 1, "curves": {"a": '
            '[{"threshold": 1, "median_ms": NaN, "cut_off_pct": 1}]}}',
            "out of range",
        ),
    ],
)
def test_other_files_than_an_evaluation_are_refused(
    tmp_path: Path, content: str | None, said: str
) -> None:
    path = tmp_path / "curve.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(EdgeError, match=said) as refused:
        read_trade_off(path)
    assert "curve.json" in str(refused.value)


def test_page_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    write_report(REPORT, first)
    write_report(REPORT, second)
    assert (first / "report.html").read_bytes() == (second / "report.html").read_bytes()


def test_device_that_counts_nothing_says_so(tmp_path: Path) -> None:
    silent = dataclasses.replace(REPORT, cost_unit="", stages=(), operators=())
    write_report(silent, tmp_path)
    assert "This device counts no cost" in (tmp_path / "report.html").read_text()
    assert "this device counts no cost" in _table(silent)


def test_difference_is_named_and_costs_are_absent(tmp_path: Path) -> None:
    write_report(WRONG, tmp_path)
    page, table = (tmp_path / "report.html").read_text(), _table(WRONG)
    for text in (page, table):
        assert "a.wav: joiner call 7, logit 3: device -5, laptop -4" in text
        assert "instructions per" not in text
    assert "device == laptop: NO" in table


def test_table_shows_verdict_costliest_operator_and_fidelity() -> None:
    table = _table(REPORT)
    assert "device == laptop: yes" in table
    assert re.search(r"encoder 29 +FULLY_CONNECTED", table)
    assert "18 more" in table
    assert "estimate" in table


@pytest.mark.parametrize("count", [13, 14, 15])
def test_few_operators_are_all_named(count: int) -> None:
    table = _table(dataclasses.replace(REPORT, operators=REPORT.operators[:count]))
    assert ("more" in table) == (count == 15)
    assert ("encoder 0 " in table) == (count < 15)


def test_failed_report_leaves_the_earlier_one_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(REPORT, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    write = Path.write_text

    def full(self: Path, content: str, **options: str) -> int:
        if "html" in self.name:
            raise OSError(28, "No space left on device")
        return write(self, content, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(EdgeError, match="No space left on device; choose another folder"):
        write_report(WRONG, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(EdgeError, match=r"report not written: .*file"):
        write_report(REPORT, blocked)
