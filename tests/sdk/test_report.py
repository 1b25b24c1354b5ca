"""report.json, report.html and the terminal table, from one made-up report."""

import dataclasses
import io
import json
import re
from pathlib import Path

import pytest
from edgesdk.biasing.stored import StoredTable, StoredTables
from edgesdk.endpoints import Decision
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
from made_runs import MANIFEST
from pages import table_rows
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


def _table(report: Report) -> str:
    console = Console(file=io.StringIO(), width=120)
    for view in report_views(report):
        console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_json_holds_schema_and_every_figure(tmp_path: Path) -> None:
    write_report(REPORT, tmp_path, MANIFEST)
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
    write_report(REPORT, tmp_path, MANIFEST)
    page = (tmp_path / "report.html").read_text()
    assert table_rows(page)
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
    write_report(dataclasses.replace(REPORT, endpoint_curves=curves), tmp_path, MANIFEST)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg ") == 4
    assert "streams cut off early, %" in page
    assert "silence alone" in page
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["endpoint_curves"]["silence alone"][0]["median_ms"] == 500


def test_page_and_json_tell_end_points_of_each_clip(tmp_path: Path) -> None:
    decided = (
        Decision(0, "yes", 0.5, 0.75, None, None, stood=False),
        Decision(0, "yes go", 1.0, None, "yes go", 1.25, stood=True),
        Decision(1, None, None, None, "", 3.0, stood=None),
        Decision(2, "on", 4.0, None, "<one>", 4.2, stood=False),
        Decision(3, "", 5.0, None, "", 5.2, stood=False),
        Decision(4, "no", 6.0, None, None, None, stood=None),
    )
    first, second = REPORT.clips
    watched = dataclasses.replace(first, end_s=0.875, endpoints=decided)
    silent = dataclasses.replace(second, endpoints=())
    write_report(dataclasses.replace(REPORT, clips=(watched, silent)), tmp_path, MANIFEST)
    rows = table_rows((tmp_path / "report.html").read_text())
    at = rows.index(["clip", "end of speech", "early", "provisional result", "final", "stood"])
    assert rows[at + 1 : at + 8] == [
        ["a.wav", "0.88", "0.50", "yes", "", "no: speech went on at 0.75 s"],
        ["", "", "1.00", "yes go", "1.25", "yes"],
        ["", "", "", "", "3.00", ""],
        ["", "", "4.00", "on", "4.20", "no: revised to <one>"],
        ["", "", "5.00", "(nothing)", "5.20", "no: revised to nothing"],
        ["", "", "6.00", "no", "", "the clip ended first"],
        ["b.wav", "", "", "no end point", "", ""],
    ]
    clips = json.loads((tmp_path / "report.json").read_text())["clips"]
    assert clips[0]["end_s"] == 0.875
    assert clips[0]["endpoints"][1] == dataclasses.asdict(decided[1])
    assert clips[1]["endpoints"] == []
    unknown = dataclasses.replace(watched, end_s=None)
    write_report(dataclasses.replace(REPORT, clips=(unknown, second)), tmp_path, MANIFEST)
    rows = table_rows((tmp_path / "report.html").read_text())
    assert ["a.wav", "0.50", "yes", "", "no: speech went on at 0.75 s"] in rows
    assert sum(row[:1] == ["b.wav"] for row in rows) == 1  # its end points were off
    write_report(REPORT, tmp_path, MANIFEST)
    assert "provisional" not in (tmp_path / "report.html").read_text()


def test_page_and_json_tell_bias_tables(tmp_path: Path) -> None:
    tables = (
        StoredTable("rooms", True, False, 30, 1200, 7296, 7),
        StoredTable("<names>", False, True, 21, 20, 1984, 8, "attention"),
    )
    biased = dataclasses.replace(REPORT, bias=StoredTables(8192, 1984, tables))
    write_report(biased, tmp_path, MANIFEST)
    page = (tmp_path / "report.html").read_text()
    rows = table_rows(page)
    at = rows.index(["table", "by", "active", "from", "phrases", "bytes"])
    assert rows[at + 1 : at + 3] == [
        ["rooms", "tables", "yes", "the bundle", "1,200", "7,296"],
        ["<names>", "attention", "no", "the link", "20", "1,984"],
    ]
    assert "1,984 of 8,192\nbytes of room" in page
    bias = json.loads((tmp_path / "report.json").read_text())["bias"]
    assert (bias["room_bytes"], bias["used_bytes"]) == (8192, 1984)
    assert bias["tables"][1] == dataclasses.asdict(tables[1])
    write_report(dataclasses.replace(REPORT, bias=StoredTables(8192, 0, ())), tmp_path, MANIFEST)
    assert "bytes of room" not in (tmp_path / "report.html").read_text()


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
    write_report(REPORT, first, MANIFEST)
    write_report(REPORT, second, MANIFEST)
    assert (first / "report.html").read_bytes() == (second / "report.html").read_bytes()


def test_device_that_counts_nothing_says_so(tmp_path: Path) -> None:
    silent = dataclasses.replace(REPORT, cost_unit="", stages=(), operators=())
    write_report(silent, tmp_path, MANIFEST)
    assert "This device counts no cost" in (tmp_path / "report.html").read_text()
    assert "this device counts no cost" in _table(silent)


def test_difference_is_named_and_costs_are_absent(tmp_path: Path) -> None:
    write_report(WRONG, tmp_path, MANIFEST)
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
    write_report(REPORT, tmp_path, MANIFEST)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    write = Path.write_text

    def full(self: Path, content: str, **options: str) -> int:
        if "html" in self.name:
            raise OSError(28, "No space left on device")
        return write(self, content, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(EdgeError, match="No space left on device; choose another folder"):
        write_report(WRONG, tmp_path, MANIFEST)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(EdgeError, match=r"report not written: .*file"):
        write_report(REPORT, blocked, MANIFEST)
