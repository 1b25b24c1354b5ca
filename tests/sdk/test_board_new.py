"""A board file to complete: all that is open in it is marked, and the check tells of all of it."""

import json
from pathlib import Path

import pytest
from edgesdk.board import faults_of, load_board
from edgesdk.cli.main import main


def test_template_marks_all_that_is_open(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert main(["board", "new", "mine", "--template", "-o", str(path)]) == 0
    lines = [line.partition("#")[0] for line in path.read_text().splitlines()]
    marks = [line for line in lines if '"?"' in line]
    faults = faults_of(path)
    assert len(faults) == len(marks) > 20
    assert all("is still open; fill it in" in fault for fault in faults)
    assert main(["boards", "--check", str(path)]) == 1


@pytest.mark.parametrize("origin", ["qemu-mps3-an547-u55", "host"])
def test_board_like_another_holds_once_its_questions_are_answered(
    origin: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    assert main(["board", "new", "mine", "--from", origin, "-o", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [fault.split(" = ")[0] for fault in document["problems"]] == [
        "mine.toml: title",
        "mine.toml: source",
    ]
    again = ["board", "new", "mine", "--from", origin, "-o", str(tmp_path / "text" / "mine.toml")]
    assert main(again) == 0
    assert f"2 open questions; every other fact is still that of {origin}" in " ".join(
        capsys.readouterr().out.split()
    )
    path.write_text(path.read_text().replace('= "?"', '= "my manual"'))
    board, like = load_board(path), load_board(origin)
    assert (board.name, board.cpu, board.memories) == ("mine", like.cpu, like.memories)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mine"], "one of --from BOARD and --template is needed"),
        (["mine", "--template", "--from", "host"], "one of --from BOARD and --template"),
        (["../mine", "--template"], "is no name of a board"),
        (["mine", "--from", "hots"], "board 'hots' is unknown; did you mean 'host'?"),
        (["mine", "--template", "-o", "other.toml"], "is called mine.toml"),
        (["there", "--template"], "there.toml: exists and is not replaced"),
    ],
)
def test_what_cannot_be_begun_is_refused(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.toml").write_text("mine")
    assert main(["board", "new", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["there.toml"]
    assert Path("there.toml").read_text() == "mine"
