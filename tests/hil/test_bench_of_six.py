"""Six emulated boards of five instruction-set levels, side by side under pytest-xdist."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from edgesdk.board import load_board
from edgesdk.build import build
from edgesdk.bundle import Bundle
from edgesdk.needed import needed_options
from edgesdk.pytest_plugin import scope_of

pytestmark = [
    *(pytest.mark.needs_cc, pytest.mark.needs_gcc, pytest.mark.needs_qemu),
    pytest.mark.needs_riscv,
]

BOARDS = (
    *("host", "qemu-mps2-an386", "qemu-netduinoplus2"),  # this computer's, Armv7E-M twice
    *("qemu-mps2-an505", "qemu-mps3-an547", "qemu-riscv-virt"),  # Armv8-M, with Helium; RV32IMAC
)
TESTS = """
import os
from pathlib import Path

import pytest

CLIPS = Path({clips!r})

@pytest.mark.wer(0)
@pytest.mark.arena_bytes(20000)
@pytest.mark.latency_p95_us(2e6, board="qemu-*")
def test_words(recogniser, record_property):
    record_property("worker", os.environ["PYTEST_XDIST_WORKER"])
    (heard,) = recogniser.hear(CLIPS / "00_yes.wav", CLIPS / "clips.tsv")
    assert heard.transcript.text == "yes"

def test_power_lost(device, record_property):
    record_property("worker", os.environ["PYTEST_XDIST_WORKER"])
    device.channel.transport._transport.process.kill()
    device.metrics()

def test_board_after_a_fault(device, board):
    assert device.identity.board == board.name
"""


@pytest.mark.parametrize(
    ("nodeid", "scope"),
    [
        ("test_a.py::test_b[@left]", "left"),
        ("test_a.py::test_b[@left-right]", "left"),
        ("test_a.py::test_b[@left-hand-3]", "left"),  # also desk left-hand's, always
        ("test_a.py::test_b[3-@right-4]", "right"),
        ("test_a.py::test_b[@lefty]", "test_a.py::test_b[@lefty]"),
        ("test_a.py::test_b[left]", "test_a.py::test_b[left]"),
        ("test_a.py::test_b", "test_a.py::test_b"),
    ],
)
def test_tests_of_a_desk_share_a_scope(nodeid: str, scope: str) -> None:
    assert scope_of(nodeid, ["left-hand", "left", "right"]) == scope


def test_six_boards_in_parallel(
    commands: Bundle, commands_file: Path, repository: Path, tmp_path: Path
) -> None:
    for name in BOARDS:  # once here, rather than in both workers at a time
        build(load_board(name), None, needed_options(commands))
    lines = ["schema = 1", "[run]", f'bundle = "{commands_file}"']
    for number, board in enumerate(BOARDS):
        lines += ["[[desk]]", f'name = "desk-{number}"', f'board = "{board}"', 'port = "emulated"']
    (tmp_path / "bench.toml").write_text("\n".join(lines))
    clips = repository / "examples" / "commands" / "clips"
    (tmp_path / "test_boards.py").write_text(TESTS.format(clips=str(clips)))
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "edgesdk.pytest_plugin", "-p", "xdist"),
            *("-n", "2", "--edge-bench", "bench.toml", "--junit-xml", "out.xml", "-q"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "XDG_STATE_HOME": str(tmp_path / "state"),
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert finished.returncode == 1, finished.stdout + finished.stderr
    assert "12 passed, 6 errors, 6 retried" in finished.stdout
    cases = list(ElementTree.parse(tmp_path / "out.xml").iter("testcase"))
    facts = [
        {it.attrib["name"]: it.attrib["value"] for it in case.iter("property")} for case in cases
    ]
    _check_words([it for it in facts if "wer" in it])
    lost = [it for it in facts if it["verdict"] == "no_device"]
    assert len(lost) == 6 and all("ended (signal 9)" in it["cause"] for it in lost)
    pairs = {(it["desk"], it["worker"]) for it in facts if "worker" in it}
    assert len(pairs) == 6 and len({worker for _, worker in pairs}) == 2


def _check_words(facts: list[dict[str, str]]) -> None:
    assert len(facts) == 6
    assert all((it["verdict"], it["wer"]) == ("passed", "0") for it in facts)
    timed = [float(it["latency_p95_us"]) for it in facts if "latency_p95_us" in it]
    assert len(timed) == 5 and min(timed) > 1000  # the host's process counts nothing
