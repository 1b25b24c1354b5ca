"""The frame of the command line: exit codes, one line per error, one JSON object, plain text."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from edgesdk import errors
from edgesdk.board import BoardError
from edgesdk.cli import boards, main
from edgesdk.cli.clips import find_clips, read_expected
from edgesdk.errors import EdgeError

ERRORS = [
    error for error in vars(errors).values() if isinstance(error, type) and error is not EdgeError
]


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main.main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_error_gives_its_exit_code_and_one_line(
    error: type[EdgeError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error("what: where\nwhy; next")

    monkeypatch.setattr(boards, "load_boards", fail)
    code, out, err = _run(capsys, "boards")
    assert (code, out, err) == (error.exit_code, "", "edgesdk boards: what: where why; next\n")


def test_error_with_json_is_one_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(capsys, "doctor", "--board", "qemu-mps3-an548", "--json")
    document = json.loads(out)
    assert code == document["exit_code"] == 2
    assert document["schema"] == "edgesdk.error"
    assert "did you mean 'qemu-mps3-an547'" in document["error"]
    assert err == f"edgesdk doctor: {document['error']}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bords"], "'boards'"),
        (["boards", "--jsn"], "--json"),
        (["doctor", "surplus"], "surplus"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_usage_is_exit_2_and_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _run(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_ctrl_c_is_130_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(boards, "load_boards", interrupt)
    code, _, err = _run(capsys, "boards")
    assert code == 130
    assert "Traceback" not in err


def test_defect_is_70_and_asks_for_a_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(boards, "load_boards", lambda: 1 / 0)
    code, _, err = _run(capsys, "boards")
    assert (code, err.count("\n")) == (70, 1)
    assert "defect in edgesdk: ZeroDivisionError" in err
    code, _, err = _run(capsys, "boards", "--debug")
    assert code == 70
    assert "Traceback" in err


def test_global_flags_may_stand_after_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, "boards", "--quiet", "--no-color")[0] == 0
    assert main.hoist_global_flags(["run", "-v", "--", "-q"]) == ["-v", "run", "--", "-q"]


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert re.fullmatch(r"edgesdk \d+\.\d+\.\d+\n", _run(capsys, "--version")[1])
    code, out, err = _run(capsys)
    assert (code, err) == (0, "")
    assert all(verb.__name__.rpartition(".")[2] in out for verb in main.VERBS)


@pytest.mark.parametrize("variable", [{}, {"NO_COLOR": "1"}])
def test_output_that_is_no_terminal_has_no_escape_codes(variable: dict[str, str]) -> None:
    environment = {**os.environ, **variable}
    command = [sys.executable, "-m", "edgesdk.cli.main", "doctor"]
    finished = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert b"\x1b" not in finished.stdout + finished.stderr


def test_reader_that_leaves_early_is_no_error() -> None:
    command = (
        f"{sys.executable} -m edgesdk.cli.main boards --json | head -c 1; echo ${{PIPESTATUS}}"
    )
    finished = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert finished.stderr == ""


def test_doctor_fails_where_the_boards_tool_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    code, out, _ = _run(capsys, "doctor", "--board", "qemu-mps3-an547", "--json")
    document = json.loads(out)
    missing = {tool["name"] for tool in document["tools"] if tool["required"] and not tool["found"]}
    assert (code, document["ready"]) == (1, False)
    assert {"arm-none-eabi-gcc", "qemu-system-arm", "newlib headers"} <= missing
    code, out, _ = _run(capsys, "doctor", "--board", "qemu-mps3-an547")
    assert "apt-get install qemu-system-arm" in out


def test_doctor_without_a_board_requires_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert _run(capsys, "doctor")[0] == 0


def test_boards_check_is_1_where_a_file_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(capsys, "boards", "--check")[0] == 0

    def refuse(path: Path) -> None:
        raise BoardError(f"{path.name}: memory overlaps; fix base")

    monkeypatch.setattr(boards, "load_board", refuse)
    code, out, _ = _run(capsys, "boards", "--check")
    assert code == 1
    assert "host.toml: memory overlaps; fix base" in out


def test_folder_stands_for_its_clips_in_order(tmp_path: Path) -> None:
    for name in ("b.wav", "a.wav", "c.txt"):
        (tmp_path / name).touch()
    assert [clip.name for clip in find_clips([tmp_path])] == ["a.wav", "b.wav"]
    with pytest.raises(EdgeError, match="share a file name"):
        find_clips([tmp_path, tmp_path / "a.wav"])
    with pytest.raises(EdgeError, match="no such file"):
        find_clips([tmp_path / "absent.wav"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(EdgeError, match=r"no \.wav file"):
        find_clips([tmp_path / "empty"])


def test_expected_texts_need_columns_and_every_clip(tmp_path: Path) -> None:
    table, clips = tmp_path / "t.tsv", [Path("a.wav"), Path("b.wav")]
    table.write_text("file\ttext\na.wav\tyes no\nb.wav\t\n")
    assert read_expected(table, clips) == {"a.wav": "yes no", "b.wav": ""}
    table.write_text("file\ttext\na.wav\tyes\n")
    with pytest.raises(EdgeError, match=r"no line for b\.wav"):
        read_expected(table, clips)
    for wrong in ("clip,text\na,b\n", "", "\x00"):
        table.write_text(wrong)
        with pytest.raises(EdgeError, match=r"t\.tsv"):
            read_expected(table, clips)
    with pytest.raises(EdgeError, match="cannot be read"):
        read_expected(tmp_path / "absent", clips)


def test_documented_exit_codes_are_the_ones_used(repository: Path) -> None:
    page = (repository / "docs" / "cli.md").read_text(encoding="utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)}
    used = {error.exit_code for error in ERRORS} | {0, main.USAGE, main.DEFECT, main.INTERRUPTED}
    assert documented == used


def test_every_verb_is_documented(repository: Path) -> None:
    page = (repository / "docs" / "cli.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(\w+)", page, flags=re.MULTILINE)
    verbs = [verb.__name__.rpartition(".")[2] for verb in main.VERBS]
    kinds = ("functional", "estimate", "hardware")
    assert list(dict.fromkeys(name for name in documented if name not in kinds)) == verbs
