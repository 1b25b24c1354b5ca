"""Every fault of a desk ends in its own verdict, in time, and the next test on the desk works."""

import pytest
from bad_desk import BadDesk
from edgesdk.board import load_board
from edgesdk.build import build
from edgesdk.flash.store import Flashed, load, store
from edgesdk.folders import desks_dir
from edgesdk.needed import needed_options
from one_desk import BUNDLE, GOOD, Bench, kinds, write_tests

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.needs_cc

HOST = load_board("host")


@pytest.fixture(scope="module")
def flashed(tmp_path_factory: pytest.TempPathFactory) -> Flashed:
    """The host's firmware with the small bundle, not yet running."""
    folder = tmp_path_factory.mktemp("devices")
    store(build(HOST, BUNDLE, needed_options(BUNDLE)), folder)
    return load("host", folder)


@pytest.fixture(scope="module")
def tests() -> str:
    """Three times the same: what counts is the one in the middle and the one behind it."""
    return write_tests("before", "then", "after")


@pytest.fixture
def bench(own_bench: Bench, tests: str) -> Bench:
    """A bench with these tests."""
    own_bench.pytester.makepyfile(test_desk=tests)
    return own_bench


@pytest.mark.parametrize(
    ("fault", "verdict", "cause"),
    [
        ("absent", "no_device", "port vanished"),
        ("mute", "timeout", "no answer to HELLO within 0.5 s"),
        ("babble", "link_error", "none of them a frame"),
        ("silence", "timeout", "no answer to AUDIO for 0.5 s"),
        ("gone", "no_device", "port vanished"),
        ("noise", "link_error", "a damaged frame arrived"),
        ("reboot", "link_error", "the device restarted in the middle"),
        ("corrupt", "link_error", "a damaged frame arrived (BAD_CRC"),
    ],
)
def test_fault_has_its_own_verdict_and_the_next_test_works(
    fault: str, verdict: str, cause: str, bench: Bench, flashed: Flashed
) -> None:
    retried = verdict in ("no_device", "timeout")
    with BadDesk(flashed, [None, fault, *([fault] if retried else []), None]) as desk:
        bench.write(desk.url)
        before, then, after = bench.run()
    assert desk.connections == (4 if retried else 3)
    assert kinds([before, then, after]) == [GOOD, ("error", verdict), GOOD]
    assert then.text == f"{verdict}: desk 'bad': {then.facts['cause']}"
    assert "\n" not in then.text and cause in then.text
    assert ("first_try" in then.facts) == retried
    bench.outcome.assert_outcomes(passed=2, errors=1)


def test_retry_that_helps_is_shown(bench: Bench, flashed: Flashed) -> None:
    with BadDesk(flashed, [None, "silence"]) as desk:
        bench.write(desk.url)
        cases = bench.run()
    assert kinds(cases) == [GOOD] * 3
    assert cases[1].facts["first_try"].startswith("timeout: socket://")
    bench.outcome.stdout.fnmatch_lines(
        ["*tried again*", "*test_desk?@bad-then?: timeout: desk 'bad': *", "*3 passed*1 retried*"]
    )


def test_wrong_result_alone_is_a_failure_and_never_tried_again(
    bench: Bench, flashed: Flashed
) -> None:
    with BadDesk(flashed, [None, "lie"]) as desk:
        bench.write(desk.url)
        cases = bench.run()
    assert kinds(cases) == [GOOD, ("failure", "failed"), GOOD]
    assert desk.connections == 3


def test_another_board_at_the_port_is_the_wrong_firmware(bench: Bench, flashed: Flashed) -> None:
    with BadDesk(flashed) as desk:
        bench.write(desk.url, board="host-u55")
        cases = bench.run("-k", "then")
    assert kinds(cases) == [("error", "flash_error")]
    assert "this is board 'host', not 'host-u55'" in cases[0].text


def test_missing_flash_tool_is_a_flash_error_until_it_is_installed(
    bench: Bench, flashed: Flashed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BadDesk(flashed) as desk:
        bench.write(desk.url, flash=["flash-it", "{firmware}", "{image}", "{probe}"], probe="P1")
        (case,) = bench.run("-k", "then")
        assert (case.kind, case.verdict) == ("error", "flash_error")
        assert "flash-it is not installed" in case.text and "first_try" not in case.facts
        assert desk.connections == 0
        tool = bench.pytester.path / "bin" / "flash-it"
        tool.parent.mkdir()
        tool.write_text('#!/bin/sh\necho "$3" >probe\ntest -s "$1" -a -s "$2"\n')
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
        assert kinds(bench.run("-k", "then")) == [GOOD]
        assert (bench.pytester.path / "probe").read_text() == "P1\n"
        tool.write_text("#!/bin/sh\necho no probe found >&2\nexit 3\n")
        (case,) = bench.run("-k", "then")
        assert "flash-it failed (exit code 3: no probe found)" in case.text
        assert "first_try" in case.facts  # the probe may come back


def test_board_is_powered_and_reset_before_it_is_used_after_a_fault(
    bench: Bench, flashed: Flashed
) -> None:
    tool = bench.pytester.path / "relay"
    tool.write_text('#!/bin/sh\necho "$@" >>log\n')
    tool.chmod(0o755)
    with BadDesk(flashed, [None, "noise", None]) as desk:
        commands = {"power": [str(tool), "4", "{board}"], "reset": [str(tool), "reset", "{probe}"]}
        bench.write(desk.url, probe="P1", **commands)
        cases = bench.run()
        assert kinds(cases) == [GOOD, ("error", "link_error"), GOOD]
        assert (bench.pytester.path / "log").read_text() == "4 host\nreset P1\n"


SPOILING = """
@pytest.fixture(autouse=True)
def spoilt(device, when):
    yield
    if when == "before":
        {deed}
"""


def test_emulated_board_with_the_wrong_firmware_is_flashed_again(bench: Bench, tests: str) -> None:
    """Somebody else's flash between two tests: an identity that differs, healed by the retry."""
    deed = "__import__('bad_flash').spoil()"
    bench.pytester.makepyfile(test_desk=tests + SPOILING.format(deed=deed))
    bench.pytester.makepyfile(
        bad_flash="""
        from edgesdk.folders import desks_dir

        def spoil():
            (manifest,) = desks_dir().glob("*/host/manifest.json")
            text = manifest.read_text()
            at = text.index('"firmware_id": "') + 16
            manifest.write_text(text[:at] + "0" * 16 + text[at + 16:])
        """
    )
    bench.write("emulated")
    cases = bench.run()
    assert kinds(cases) == [GOOD] * 3
    assert cases[1].facts["first_try"].startswith("flash_error: host: runs firmware")
    assert list(desks_dir().glob("bad-*/host/manifest.json"))


def test_killed_process_is_no_device_and_the_next_test_starts_another(
    bench: Bench, tests: str
) -> None:
    killing = """
@pytest.fixture(autouse=True)
def killed(device, when):
    if when == "then":
        import os, pathlib, signal
        for task in pathlib.Path("/proc/self/task").iterdir():
            for child in (task / "children").read_text().split():
                if b".elf" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(int(child), signal.SIGKILL)
"""
    bench.pytester.makepyfile(test_desk=tests + killing)
    bench.write("emulated")
    cases = bench.run()
    assert kinds(cases) == [GOOD, ("error", "no_device"), GOOD]
    assert "host (process): ended (signal 9)" in cases[1].text
    assert "first_try" in cases[1].facts


def test_device_that_never_ends_is_stopped_by_the_desks_limit(
    bench: Bench, flashed: Flashed
) -> None:
    endless = """
def test_endless(device):
    from edgesdk.link.messages import Message
    while True:
        device.channel.request(Message.PING, b"", Message.PONG)
"""
    with BadDesk(flashed) as desk:
        bench.pytester.makepyfile(test_desk=endless)
        bench.write(desk.url, limit_s=0.4)
        (case,) = bench.run()
    assert (case.kind, case.verdict) == ("error", "timeout")
    assert "not done after 0.4 s, the desk's limit_s" in case.text


def test_desk_that_somebody_holds_is_waited_for_and_named(bench: Bench, flashed: Flashed) -> None:
    from edgesdk.bench.desk import load_bench
    from edgesdk.bench.lock import DeskLock, who_holds

    with BadDesk(flashed) as desk:
        bench.write(desk.url)
        (held,) = load_bench(bench.pytester.path / "bench.toml").desks
        lock = DeskLock(held, "somebody's test")
        lock.acquire()
        assert "somebody's test" in (who_holds(held) or "")
        cases = bench.run()
        assert [case.seconds >= 1.0 for case in cases] == [True, False, False]  # waited for once
        assert kinds(cases) == 3 * [("error", "no_device")]
        for case in cases:
            assert "(somebody's test) since" in case.text and "1 s waited" in case.text
            assert "first_try" not in case.facts
        lock.release()
        assert who_holds(held) is None
        assert kinds(bench.run("-k", "then")) == [GOOD]


def test_disabled_desk_is_skipped_by_name(bench: Bench) -> None:
    bench.write("socket://127.0.0.1:1", disabled="at the doctor")
    cases = bench.run("-rs")
    assert [case.verdict for case in cases] == ["skipped"] * 3
    bench.outcome.stdout.fnmatch_lines(["*desk 'bad' is disabled: at the doctor*"])


def test_without_a_bench_nothing_passes(bench: Bench) -> None:
    bench.write("emulated")
    outcome = bench.pytester.runpytest_inprocess("-p", "edgesdk.pytest_plugin")
    outcome.assert_outcomes(errors=3)
    outcome.stdout.fnmatch_lines(["*no board to test on; give --edge-bench*"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--edge-boards", "hst"), "board 'hst' is unknown; did you mean 'host'?"),
        (("--edge-bench", "none.toml"), "none.toml: cannot be read"),
        (("--edge-bench", "a", "--edge-boards", "host"), "exclude each other; give one"),
    ],
)
def test_wrong_bench_stops_pytest_in_one_line(
    options: tuple[str, ...],
    said: str,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # an installed edgesdk brings it too
    pytester.makepyfile(test_desk="def test_board(board): pass")
    outcome = pytester.runpytest_subprocess("-p", "edgesdk.pytest_plugin", *options)
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in outcome.errlines if line]
    assert line.startswith("ERROR: ") and said in line
    assert not any("Traceback" in line or "Error" in line for line in outcome.outlines)
