"""Tier `builds` is what this proves: firmware of every shipped board compiles, links and fits."""

import dataclasses
import json

import pytest
from edgesdk.board import Board, load_board, load_boards
from edgesdk.build import build
from edgesdk.cli.main import main
from edgesdk.flash.job import make_job, planned_job

MARKS = {
    "host": (pytest.mark.needs_cc,),
    "arm": (pytest.mark.needs_gcc,),
    "riscv": (pytest.mark.needs_riscv,),
}


@pytest.mark.parametrize(
    "board",
    [pytest.param(board.name, marks=MARKS.get(board.architecture, ())) for board in load_boards()],
)
def test_board_holds_and_its_firmware_links(board: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "--check", board, "--build", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["boards"]
    assert found["problems"] == []
    assert found["firmware"]["text_bytes"] > 20_000
    _check_places(load_board(board))


def _check_places(board: Board) -> None:
    """What is stored on a real board lies where `flash --dry-run` says, and in flash."""
    if board.flash is None:
        return
    by_hand = board.flash.offered == ("vendor",)  # such firmware may run from RAM
    image = dataclasses.replace(build(board), bundle=bytes(16))
    job, planned = make_job(image, in_ram=by_hand), planned_job(board, in_ram=by_hand)
    assert [(p.memory, p.address, p.holds) for p in job.pieces] == [
        (p.memory, p.address, p.holds) for p in planned.pieces
    ]
