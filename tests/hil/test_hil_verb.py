"""`edgesdk hil` and `edgesdk devices --bench`: a bench for those who write no Python."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bad_desk import BadDesk
from edgesdk.board import load_board
from edgesdk.build import build
from edgesdk.bundle import Bundle
from edgesdk.cli.main import main
from edgesdk.flash.store import Flashed, load, store
from edgesdk.needed import needed_options

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.needs_cc

HEAD = """
schema = 1
[run]
bundle = "{bundle}"
clips = ["{clips}/00_yes.wav"]
expect = "{clips}/clips.tsv"
budget = {{ wer = 0, arena_bytes = 20000 }}
"""
DESK = """
[[desk]]
name = "{name}"
board = "host"
port = "{port}"
timeout_s = 1.5
"""


@pytest.fixture(scope="module")
def bare(commands: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Flashed:
    """The host's firmware without a bundle, which has to come over the link."""
    folder = tmp_path_factory.mktemp("devices")
    store(build(load_board("host"), None, needed_options(commands)), folder)
    return load("host", folder)


def _hil(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    code = main(["hil", "--json", "-q", *map(str, arguments)])
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["version"]) == ("edgesdk.hil", 1)
    return code, document


def test_bench_of_good_and_bad_desks(
    commands_file: Path,
    repository: Path,
    bare: Flashed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Six desks at once: every verdict where it belongs, in the table, in JSON and in JUnit."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    bench, junit = tmp_path / "bench.toml", tmp_path / "out" / "junit.xml"
    clips = repository / "examples" / "commands" / "clips"
    with (
        BadDesk(bare, scheme="rfc2217") as far,
        BadDesk(bare, ["gone"]) as shaky,
        BadDesk(bare, 2 * ["noise"]) as noisy,
    ):
        text = HEAD.format(bundle=commands_file, clips=clips)
        text += DESK.format(name="here", port="emulated")
        text += DESK.format(name="far", port=far.url)
        text += DESK.format(name="shaky", port=shaky.url)
        text += DESK.format(name="noisy", port=noisy.url)
        text += (
            DESK.format(name="greedy", port="emulated") + "run = { budget = { arena_bytes = 9 } }"
        )
        text += DESK.format(name="timed", port="emulated")
        text += "run = { budget = { latency_p95_us = 1e9 } }"
        text += DESK.format(name="off", port="emulated") + 'disabled = "at the doctor"'
        bench.write_text(text)
        code, document = _hil(capsys, "--bench", bench, "--junit", junit)
        assert (far.connections, shaky.connections, noisy.connections) == (1, 2, 2)
        # The noise has gone, and the desk works.
        assert _hil(capsys, "--bench", bench, "--desk", "noisy")[0] == 0
    assert code == 1
    found = {desk["desk"]: desk for desk in document["desks"]}
    assert {name: desk["verdict"] for name, desk in found.items()} == {
        "here": "passed",
        "far": "passed",
        "shaky": "passed",
        "noisy": "flash_error",  # the bundle did not arrive
        "greedy": "failed",
        "timed": "failed",
        "off": "disabled",
    }
    assert [it["verdict"] for it in found["shaky"]["attempts"]] == ["no_device", "passed"]
    assert "the budget 9" in found["greedy"]["cause"]
    assert "no window of audio was timed" in found["timed"]["cause"]  # the host counts nothing
    assert found["far"]["figures"]["wer"] == 0
    _check_junit(junit)


def _check_junit(path: Path) -> None:
    suite = ElementTree.parse(path).getroot()[0]
    counts = [suite.attrib[key] for key in ("tests", "failures", "errors", "skipped")]
    assert counts == ["7", "2", "1", "1"]
    cases = {case.attrib["name"]: case for case in suite}
    (error,) = cases["noisy"].findall("error")
    assert error.attrib["type"] == "flash_error"
    assert error.attrib["message"].startswith("flash_error: the bundle did not get on the board: ")
    assert "\n" not in error.attrib["message"]
    assert cases["greedy"].find("failure") is not None and cases["greedy"].find("error") is None
    facts = {it.attrib["name"]: it.attrib["value"] for it in cases["shaky"].iter("property")}
    assert facts["tries"] == "2" and facts["first_try"].startswith("no_device: ")


@pytest.mark.parametrize(
    ("lines", "code", "verdict"),
    [
        ('port = "socket://127.0.0.1:1"', 3, "no_device"),
        ('port = "emulated"\nrun = { bundle = "none.edge" }', 2, "bad_input"),
        ('port = "socket://127.0.0.1:1"\nflash = ["no-such-tool"]', 4, "flash_error"),
    ],
)
def test_exit_code_tells_the_cause_where_no_result_is_wrong(
    lines: str,
    code: int,
    verdict: str,
    tmp_path: Path,
    commands_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EDGESDK_HOME", str(tmp_path / "home"))
    head = HEAD.format(bundle=commands_file, clips=tmp_path)
    (tmp_path / "bench.toml").write_text(f'{head}[[desk]]\nname = "a"\nboard = "host"\n{lines}\n')
    found, document = _hil(capsys, "--bench", tmp_path / "bench.toml")
    assert (found, document["desks"][0]["verdict"]) == (code, verdict)
    tries = len(document["desks"][0]["attempts"])
    assert tries == (2 if verdict == "no_device" else 1)  # a missing tool stays missing


def test_ctrl_c_ends_all_waiting(commands_file: Path, bare: Flashed, tmp_path: Path) -> None:
    """Two desks, one silent for a minute, one free to go: exit 130 at once, in one line."""
    clips = REPOSITORY / "examples" / "commands" / "clips"
    with BadDesk(bare, ["silence"]) as desk:
        text = HEAD.format(bundle=commands_file, clips=clips)
        text += DESK.format(name="silent", port=desk.url).replace("1.5", "60")
        (tmp_path / "bench.toml").write_text(text + DESK.format(name="here", port="emulated"))
        command = [sys.executable, "-m", "edgesdk.cli.main", "hil", "--bench", "bench.toml"]
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        ) as process:
            assert process.stderr is not None
            said = b""
            while b"here: passed" not in said:
                said += process.stderr.readline()
            process.send_signal(signal.SIGINT)
            begin = time.monotonic()
            out, rest = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, b"")
    assert rest.decode().splitlines()[-1] == "edgesdk hil: interrupted"
    assert b"Traceback" not in rest and time.monotonic() - begin < 20


def test_junit_file_that_cannot_be_written_is_refused_before_any_desk_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = tmp_path / "bench.toml"
    desk = '[[desk]]\nname = "a"\nboard = "host"\nport = "emulated"\n'
    bench.write_text(f'schema = 1\n{desk}run = {{ bundle = "none.edge", clips = ["none"] }}\n')
    assert main(["hil", "--bench", str(bench), "--junit", str(bench / "out.xml")]) == 2
    captured = capsys.readouterr()
    assert "bench.toml is no folder); name another file with --junit" in captured.err
    assert "bad_input" not in captured.err and captured.err.count("\n") == 1


def test_devices_shows_a_bench_and_stops_at_two_candidates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from test_bench_file import PLUGGED

    monkeypatch.setenv("EDGESDK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("edgesdk.cli.devices.usb_ports", lambda: PLUGGED)
    bench = tmp_path / "bench.toml"
    one = '[[desk]]\nname = "a"\nboard = "host"\nport = { serial = "066F" }\n'
    bench.write_text(f"schema = 1\n{one}")
    assert main(["devices", "--bench", str(bench), "--json"]) == 0
    (desk,) = json.loads(capsys.readouterr().out)["desks"]
    assert (desk["matches"], desk["problem"], desk["held_by"]) == (["/dev/ttyX0"], None, None)
    absent = tmp_path / "unplugged"
    bench.write_text(f'schema = 1\n[[desk]]\nname = "a"\nboard = "host"\nport = "{absent}"\n')
    assert main(["devices", "--bench", str(bench), "--json"]) == 0
    (desk,) = json.loads(capsys.readouterr().out)["desks"]
    assert desk["problem"] == f"{absent} is not there; plug it in, see `edgesdk devices`"
    two = '[[desk]]\nname = "b"\nboard = "host"\nport = { vid = 0x0483 }\n'
    bench.write_text(f"schema = 1\n{one}{two}")
    assert main(["devices", "--bench", str(bench)]) == 3
    shown = " ".join(capsys.readouterr().out.split())
    assert "2 ports are vid 0x0483: /dev/ttyX0 and /dev/ttyX1" in shown
