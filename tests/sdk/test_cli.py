"""The frame of the command line: exit codes, one line per error, one JSON object, plain text."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from edgesdk import errors
from edgesdk.cli import application, boards, main, terminal
from edgesdk.clips import find_clips, read_expected
from edgesdk.errors import EdgeError
from edgesdk.resources import resource_dir

ERRORS = [
    error
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, EdgeError) and error is not EdgeError
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
        (["flash", "x", "--board", "pico", "--with", "nope"], "'--with': 'nope' is not one of"),
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
    code, out, err = _run(capsys, "boards")
    assert (code, out, err) == (130, "", "edgesdk boards: interrupted\n")
    code, out, err = _run(capsys, "boards", "--json")
    assert (code, err) == (130, "edgesdk boards: interrupted\n")
    assert json.loads(out)["exit_code"] == 130


@pytest.mark.parametrize("module", ["typer", "rich.console", "numpy"])
def test_ctrl_c_during_imports_is_no_traceback_either(module: str) -> None:
    program = f"""
import os, signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from edgesdk.cli.main import main
sys.exit(main(["boards"]))
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (finished.returncode, finished.stderr) == (130, "edgesdk boards: interrupted\n")


@pytest.mark.parametrize("arguments", [["boards"], ["boards", "--json"], ["--help"], ["--version"]])
def test_full_stdout_is_one_line_and_exit_2(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        finished = subprocess.run(
            [sys.executable, "-m", "edgesdk.cli.main", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (finished.returncode, finished.stderr.count("\n")) == (2, 1)
    assert "standard output" in finished.stderr
    assert "cannot be written (No space left on device); free space" in finished.stderr


def test_stdout_without_unicode_loses_characters_but_no_json() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    program = """
from edgesdk.cli.standard_output import accept_any_text
from edgesdk.cli.terminal import Terminal
accept_any_text()
Terminal().result({}, "▁yes")
Terminal(as_json=True).result({"token": "▁yes"})
"""
    finished = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=True
    )
    line, _, document = finished.stdout.partition(b"\n")
    assert (line, json.loads(document)) == (b"?yes", {"token": "▁yes"})


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
    assert all(verb.__name__.rpartition(".")[2] in out for verb in application.VERBS)


def _on_a_terminal(*arguments: str, **variables: str) -> bytes:
    """All that a verb writes to a terminal, both streams."""
    ours, theirs = os.openpty()
    finished = subprocess.run(
        [sys.executable, "-m", "edgesdk.cli.main", *arguments],
        env={**os.environ, "TERM": "xterm-256color", **variables},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    assert finished.returncode == 0
    written = bytearray()
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while read := os.read(ours, 65536):
            written += read
    os.close(ours)
    return bytes(written)


def test_plain_terminal_gets_no_escape_codes() -> None:
    assert b"\x1b" in _on_a_terminal("doctor")
    assert b"\x1b" not in _on_a_terminal("doctor", "--no-color")
    assert b"\x1b" not in _on_a_terminal("doctor", NO_COLOR="1")
    assert b"\x1b" not in _on_a_terminal("--help", NO_COLOR="1")


def test_long_work_is_named_where_no_spinner_can_turn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "PATIENCE_S", 0.05)
    with terminal.Terminal().progress("converting") as say:
        say("step 2")
        time.sleep(0.3)
    assert capsys.readouterr().err == "converting ...\n"
    monkeypatch.setattr(terminal, "PATIENCE_S", 60)
    with terminal.Terminal().progress("converting"):
        pass
    with terminal.Terminal(quiet=True, verbose=1).progress("converting"):
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("variable", [{}, {"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}])
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


def test_doctor_is_not_ready_where_flash_would_miss_its_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cc", "clang"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho a compiler 1.0\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    code, out, _ = _run(capsys, "doctor", "--board", "host", "--json")
    tools = {tool["name"]: tool for tool in json.loads(out)["tools"]}
    assert (code, tools["host C compiler"]["found"]) == (1, "a compiler 1.0")
    assert (tools["gcc"]["required"], tools["gcc"]["found"]) == (True, None)
    (tmp_path / "cc").rename(tmp_path / "gcc")
    assert _run(capsys, "doctor", "--board", "host")[0] == 0
    monkeypatch.setenv("CC", "absent-cc")
    assert _run(capsys, "doctor", "--board", "host")[0] == 1


def test_boards_check_takes_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = tmp_path / "mine.toml"
    board.write_text("schema = 0\n")
    code, out, _ = _run(capsys, "boards", "--check", str(board))
    assert (code, "mine" in out, "schema" in out, "host" in out) == (1, True, True, False)
    assert _run(capsys, "boards", str(board))[0] == 2


def test_doctor_without_a_board_requires_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert _run(capsys, "doctor")[0] == 0


def test_boards_check_is_1_and_tells_every_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(capsys, "boards", "--check")[0] == 0
    assert _run(capsys, "boards", "--check", "host")[0] == 0
    assert _run(capsys, "boards", "--check", "hots")[0] == 2
    text = (resource_dir("boards") / "host.toml").read_text(encoding="utf-8")
    path = tmp_path / "host.toml"
    path.write_text(text.replace('"gcc"', '"gc"').replace("0x4_0000", "17"), encoding="utf-8")
    code, out, _ = _run(capsys, "boards", "--check", str(path), "--json")
    (checked,) = json.loads(out)["boards"]
    assert (code, checked["file"]) == (1, str(path))
    (compiler, stack) = checked["problems"]
    assert "did you mean 'gcc'?" in compiler and "size_bytes = 17 must be a multiple" in stack
    assert _run(capsys, "boards", "--build")[0] == 2


@pytest.mark.needs_cc
def test_boards_check_builds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = _run(capsys, "boards", "--check", "host", "--build", "--json")
    (checked,) = json.loads(out)["boards"]
    assert (code, checked["problems"]) == (0, [])
    assert checked["firmware"]["text_bytes"] > 10000
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, _ = _run(capsys, "boards", "--check", "host", "--build")
    assert (code, "gcc is not installed" in out) == (4, True)


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
    verbs = [verb.__name__.rpartition(".")[2] for verb in application.VERBS]
    others = ("functional", "estimate", "hardware", *application.GROUPS)
    assert list(dict.fromkeys(name for name in documented if name not in others)) == verbs
    assert set(application.GROUPS) <= set(documented)
