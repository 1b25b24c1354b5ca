"""The [flash] tables of the shipped boards, held to the tools that they name."""

from pathlib import Path

import pytest
from edgesdk.board import Board, load_boards
from edgesdk.errors import DeviceError
from edgesdk.flash.job import planned_job
from edgesdk.flash.openocd import plan as plan_openocd
from edgesdk.flash.tool import Choice, run_step
from edgesdk.flash.vendor import vendor_steps
from edgesdk.flash.write import VENDOR, make_plan
from esptool import CHIP_LIST
from pyocd.core.memory_map import MemoryMap
from pyocd.target.builtin import BUILTIN_TARGETS

BOARDS = [board for board in load_boards() if board.flash is not None]


def _with(method: str) -> list[object]:
    found = [board for board in BOARDS if board.flash and method in board.flash.offered]
    return [pytest.param(board, id=board.name) for board in found]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_methods_have_a_place_for_everything(board: Board) -> None:
    assert board.flash
    job = planned_job(board, in_ram=board.flash.offered == ("vendor",))
    assert job.pieces
    steps = vendor_steps(board.flash, Path("out")) if board.flash.vendor else ""
    assert "{firmware}" not in steps and "{image}" not in steps


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_every_method_has_a_plan_without_tool_and_device(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a dry run prints: with every option, on a machine that has nothing."""
    assert board.flash
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("edgesdk.flash.programs.find_spec", lambda name: None)
    monkeypatch.setattr("edgesdk.flash.esptool.comports", list)
    for method in set(board.flash.offered) - {VENDOR}:
        for erase in {False, method != "uf2"}:
            choice = Choice(erase=erase, dry_run=True)
            plan = make_plan(planned_job(board), method, choice)
            shown = " ".join(step.by_hand for step in plan.steps)
            assert plan.files and any(name in shown for name in plan.files)


@pytest.mark.needs_openocd
@pytest.mark.parametrize("board", _with("openocd"))
def test_openocd_reads_the_boards_configuration(board: Board, tmp_path: Path) -> None:
    """It gets as far as a probe, which nobody has connected."""
    assert board.flash
    plan = plan_openocd(planned_job(board), board.flash, Choice("NOBODY"), tmp_path)
    with pytest.raises(DeviceError, match="no probe is connected"):
        run_step(plan.steps[0], plan.tool, board.name, 30, lambda *_: None)


@pytest.mark.parametrize("board", _with("pyocd"))
def test_pyocd_knows_the_target_or_a_pack_is_named(board: Board) -> None:
    assert board.flash and board.flash.pyocd
    facts = board.flash.pyocd
    builtin = facts.target in BUILTIN_TARGETS
    assert builtin != (facts.pack is not None)
    if builtin:
        target = BUILTIN_TARGETS[facts.target]
        values = [value for kind in target.__mro__ for value in vars(kind).values()]
        maps = [value for value in values if isinstance(value, MemoryMap)]
        regions = [region for found in maps for region in found]
        for piece in planned_job(board).pieces:
            assert any(
                region.is_flash and region.start <= piece.address <= region.end
                for region in regions
            ), f"{piece.memory} is no flash of pyOCD's {facts.target}"


@pytest.mark.parametrize("board", _with("esptool"))
def test_esptool_knows_the_chip(board: Board) -> None:
    assert board.flash and board.flash.esptool
    assert board.flash.esptool.chip in CHIP_LIST
