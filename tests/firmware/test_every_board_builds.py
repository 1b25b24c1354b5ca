"""Tier `builds` is what this proves: firmware of every shipped board compiles, links and fits."""

import json

import pytest
from edgesdk.board import load_boards
from edgesdk.cli.main import main

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
