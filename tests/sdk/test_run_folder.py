"""A run's folder: what the manifest says, and that a damaged one never passes for whole."""

import dataclasses
import json
import math
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from edgesdk.endpoints import Decision
from edgesdk.errors import EdgeError
from edgesdk.report.manifest import SCHEMA, check_run_folder, file_facts, git_facts
from edgesdk.report.read import SchemaError, load_run
from edgesdk.report.strict import read_as
from edgesdk.report.trade_off import TradePoint
from edgesdk.report.write import write_report
from hypothesis import given
from hypothesis import strategies as st
from made_runs import MANIFEST, REPORT, save_run


def test_what_is_written_is_read_back_the_same(tmp_path: Path) -> None:
    decided = (Decision(0, "yes", 0.5, None, "yes", 0.75, stood=True),)
    watched = dataclasses.replace(REPORT.clips[0], end_s=0.25, endpoints=decided)
    report = dataclasses.replace(
        REPORT,
        clips=(watched, REPORT.clips[1]),
        endpoint_curves={"silence": (TradePoint(0.5, 400.0, 6.0),)},
    )
    written = write_report(report, tmp_path, MANIFEST)
    assert [path.name for path in written] == ["report.json", "report.html", "manifest.json"]
    run = load_run(tmp_path)
    assert run.report == report
    listed = {name: file_facts((tmp_path / name).read_bytes()) for name in run.manifest.files}
    assert run.manifest.files == listed
    assert set(listed) == {"report.json", "report.html"}
    assert dataclasses.replace(run.manifest, files={}) == MANIFEST
    assert run.name == tmp_path.name


def _edit(folder: Path, file: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a document and, for the report, its digest, as a forger would."""
    path = folder / file
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    if file == "report.json":
        facts = dataclasses.asdict(file_facts(path.read_bytes()))
        _edit(folder, "manifest.json", lambda it: it["files"].update({"report.json": facts}))


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("manifest.json", lambda it: it.pop("schema"), "names no schema"),
        ("manifest.json", lambda it: it.pop("board"), r"manifest\.board is missing"),
        ("manifest.json", lambda it: it.update(bord={}), "did you mean 'board'"),
        ("manifest.json", lambda it: it.update(clips=3), "clips is a int, not a list"),
        ("manifest.json", lambda it: it["board"].update(clock_hz="fast"), r"board\.clock_hz"),
        ("manifest.json", lambda it: it["clips"].pop(), "clips are not those of"),
        ("manifest.json", lambda it: it["clips"].clear(), "clips are not those of"),
        ("manifest.json", lambda it: it.update(files={}), r"does not list report\.json"),
        ("manifest.json", lambda it: it["files"].update({"../x": {}}), "size_bytes is missing"),
        (
            "manifest.json",
            lambda it: it["files"].update({"../x": {"size_bytes": 1, "sha256": ""}}),
            "no file of this folder",
        ),
        (
            "manifest.json",
            lambda it: it["files"].update({"gone": {"size_bytes": 1, "sha256": ""}}),
            "gone: damaged",
        ),
        ("manifest.json", lambda it: it["board"].update(name="x"), "board is not the one"),
        ("manifest.json", lambda it: it.update(created="today"), "created: Invalid isoformat"),
        ("manifest.json", lambda it: it.update(created="2026-01-02"), "tells no time zone"),
        ("report.json", lambda it: it["records"][0].update(fidelity="sure"), "'sure' is none of"),
        ("report.json", lambda it: it["records"][1].update(value=math.nan), "not finite"),
        ("report.json", lambda it: it["stages"][0].update(cost=-1), "below 0"),
        ("report.json", lambda it: it["clips"][0]["stages"][0].update(calls=-1), "below 0"),
        ("report.json", lambda it: it["clips"][0].update(cost=1.5), r"clips\[0\]\.cost"),
        ("report.json", lambda it: it["clips"][0].update(processed_s=-1), "less than no time"),
        ("report.json", lambda it: it["memory"][0].update(size_bytes=0), "without a size"),
        ("report.json", lambda it: it["memory"][0]["parts"][0].pop(), "has 1 values, not 2"),
    ],
)
def test_damage_is_named_with_its_file(
    tmp_path: Path, file: str, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    folder = save_run(tmp_path / "run")
    load_run(folder)
    _edit(folder, file, change)
    with pytest.raises(EdgeError, match=said) as refused:
        load_run(folder)
    assert refused.value.exit_code == 2
    assert str(folder) in str(refused.value) and "make the run again" in str(refused.value)


def test_report_of_another_run_is_noticed(tmp_path: Path) -> None:
    one, other = save_run(tmp_path / "1"), tmp_path / "2"
    save_run(other, dataclasses.replace(REPORT, created="2026-01-03"))
    (one / "report.json").write_bytes((other / "report.json").read_bytes())
    with pytest.raises(EdgeError, match=r"report\.json: damaged .*manifest\.json lists"):
        load_run(one)


@pytest.mark.parametrize("file", ["manifest.json", "report.json"])
@pytest.mark.parametrize(("key", "value"), [("version", 2), ("schema", "edgesdk.other")])
def test_another_schema_is_refused_as_such(
    tmp_path: Path, file: str, key: str, value: object
) -> None:
    folder = save_run(tmp_path / "run")
    _edit(folder, file, lambda it: it.update({key: value}))
    with pytest.raises(SchemaError, match="one version of edgesdk") as refused:
        load_run(folder)
    assert refused.value.exit_code == 6


def test_no_run_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"there is no manifest; give a folder"):
        load_run(tmp_path)
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(EdgeError, match="no manifest beside its report"):
        load_run(tmp_path)


@given(st.integers(0), st.integers(0, 255), st.booleans())
def test_no_flipped_or_missing_byte_is_a_crash(at: int, bits: int, cut: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = save_run(Path(name))
        for file in ("manifest.json", "report.json"):
            path = folder / file
            whole = path.read_bytes()
            place = at % len(whole)
            bad = whole[:place] if cut else whole[:place] + bytes([whole[place] ^ bits])
            path.write_bytes(bad + (b"" if cut else whole[place + 1 :]))
            try:
                load_run(folder)
            except EdgeError as error:
                assert str(folder) in str(error)
            else:
                assert file == "manifest.json" or path.read_bytes() == whole
            path.write_bytes(whole)


def test_manifest_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    check_run_folder(tmp_path / "new")
    check_run_folder(save_run(tmp_path / "run"))
    for content in ('{"schema": "edgesdk.bundle-folder"}', "[]", "\xff"):
        (tmp_path / "manifest.json").write_text(content, encoding="latin-1")
        with pytest.raises(EdgeError, match="not replaced; give --report another folder"):
            check_run_folder(tmp_path)


def test_commit_is_the_folders_and_says_whether_files_differ(tmp_path: Path) -> None:
    assert git_facts(tmp_path) is None

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    assert git_facts(tmp_path) is None  # no commit yet
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-q", "-m", "First")
    facts = git_facts(tmp_path)
    assert facts is not None
    assert (facts.commit, facts.changed) == (git("rev-parse", "HEAD"), False)
    (tmp_path / "file").write_text("two")
    facts = git_facts(tmp_path)
    assert facts is not None and facts.changed
    (tmp_path / ".git" / "index").write_text("damaged")
    facts = git_facts(tmp_path)
    assert facts is not None and facts.changed is None


@dataclasses.dataclass(frozen=True)
class _Inner:
    name: str
    at: float = 0.5


@dataclasses.dataclass(frozen=True)
class _Outer:
    kind: Literal["a", "b"]
    value: float | int | bool | str
    maybe: _Inner | None
    pairs: tuple[tuple[str, int], ...]
    named: Mapping[str, Sequence[_Inner]]


def test_values_become_what_annotations_say() -> None:
    values = {
        "kind": "a",
        "value": True,
        "maybe": {"name": "x", "at": 2},
        "pairs": [["p", 1]],
        "named": {"n": [{"name": "y"}]},
    }
    read = read_as(_Outer, values, "it")
    assert read == _Outer("a", True, _Inner("x", 2.0), (("p", 1),), {"n": (_Inner("y"),)})
    assert type(read.value) is bool
    assert type(read_as(_Outer, values | {"value": 3}, "it").value) is int
    assert SCHEMA == "edgesdk.run"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "c"}, "it.kind = 'c' is none of 'a', 'b'"),
        ({"kind": []}, "it.kind = [] is none of"),
        ({"value": None}, "it.value is a NoneType"),
        ({"value": float("inf")}, "it.value = inf is not finite"),
        ({"maybe": 3}, "it.maybe is a int, not a table"),
        ({"maybe": {"name": True}}, "it.maybe.name is a bool, not a str"),
        ({"maybe": {"name": "x", "at": False}}, "it.maybe.at is a bool, not a float"),
        ({"pairs": [["p", 1, 2]]}, "it.pairs[0] has 3 values, not 2"),
        ({"pairs": "p"}, "it.pairs is a str, not a list"),
        ({"named": []}, "it.named is a list"),
        ({"named": {"n": [{}]}}, "it.named.n[0].name is missing"),
        ({"nmed": {}}, "it.nmed is unknown; did you mean 'named'?"),
    ],
)
def test_wrong_values_are_named_by_their_place(change: dict[str, Any], said: str) -> None:
    right = {"kind": "a", "value": 1, "maybe": None, "pairs": [], "named": {}}
    with pytest.raises(ValueError) as refused:
        read_as(_Outer, right | change, "it")
    assert said in str(refused.value)
