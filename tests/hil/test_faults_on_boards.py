"""Faults of desks with emulated boards of several instruction sets, by socket and by RFC 2217."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from bad_desk import BadDesk
from edgesdk.board import load_board
from edgesdk.build import build
from edgesdk.flash.store import Flashed, load, store
from edgesdk.needed import needed_options
from one_desk import BUNDLE, GOOD, Bench, kinds, write_tests

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.needs_cc, pytest.mark.needs_gcc, pytest.mark.needs_qemu]

TIMEOUT_S = 2.0  # QEMU starts within
CASE_S = 15.0  # both tries of a test

FAULTS = {
    "absent": ("no_device", "port vanished"),
    "stranger": ("flash_error", "was flashed; check the desk's flash command"),
    "mute": ("timeout", "no answer to HELLO within 2 s"),
    "babble": ("link_error", "none of them a frame"),
    "silence": ("timeout", "no answer to AUDIO for 2 s"),
    "gone": ("no_device", "port vanished"),
    "killed": ("no_device", "port vanished"),
    "noise": ("link_error", "a damaged frame arrived"),
    "reboot": ("link_error", "the device restarted in the middle"),
    "corrupt": ("link_error", "a damaged frame arrived (BAD_CRC"),
    "lie": ("failed", "logits_sha256"),
}
RETRIED = ("no_device", "flash_error", "timeout")


def _names(faults: Sequence[str]) -> list[str]:
    """A whole board before, between and after the faults."""
    return ["whole", *(name for fault in faults for name in (fault, f"after-{fault}"))]


def _plan(faults: Sequence[str]) -> list[str | None]:
    plan: list[str | None] = [None]
    for fault in faults:
        plan += [fault] * (2 if FAULTS[fault][0] in RETRIED else 1) + [None]
    return plan


def _bare(board: str, folder: Path) -> Flashed:
    """What lies on the board before anybody flashed our bundle: firmware alone."""
    store(build(load_board(board), None, needed_options(BUNDLE)), folder)
    return load(board, folder)


@pytest.mark.parametrize(
    ("board", "scheme", "faults"),
    [
        ("qemu-mps2-an386", "socket", tuple(FAULTS)),
        ("qemu-mps3-an547", "rfc2217", ("killed", "reboot", "corrupt")),
        pytest.param(
            *("qemu-riscv-virt", "socket", ("killed", "corrupt")), marks=pytest.mark.needs_riscv
        ),
    ],
)
def test_each_fault_has_its_verdict_and_the_next_test_works(
    board: str, scheme: str, faults: tuple[str, ...], own_bench: Bench
) -> None:
    """A remote desk, the whole way: flashed by its own command, run, judged."""
    path = own_bench.pytester.path
    own_bench.pytester.makepyfile(test_desk=write_tests(*_names(faults)))
    plan = _plan(faults)
    with BadDesk(_bare(board, path / "devices"), plan, scheme) as desk:
        command = desk.flash_command(path / "slot")
        keys = {"board": board, "timeout_s": TIMEOUT_S}
        own_bench.write(desk.url, flash=["no-such-flash-tool", *command[1:]], **keys)
        (missing,) = own_bench.run("-k", "whole")
        assert desk.connections == 0 and "first_try" not in missing.facts
        assert "no-such-flash-tool is not installed" in missing.text
        own_bench.write(desk.url, flash=command, **keys)
        cases = own_bench.run(limit_s=120)
    assert missing.verdict == "flash_error"
    assert desk.connections == len(plan)
    assert (path / "slot" / "image").read_bytes() == BUNDLE.device_bytes()
    assert kinds(cases[::2]) == [GOOD] * (len(faults) + 1)
    for fault, case in zip(faults, cases[1::2], strict=True):
        verdict, cause = FAULTS[fault]
        assert (fault, case.verdict) == (fault, verdict)
        assert case.kind == ("failure" if verdict == "failed" else "error")
        assert cause in case.text and case.seconds < CASE_S
        assert "\n" not in case.facts["cause"]
        assert ("first_try" in case.facts) == (verdict in RETRIED)
