"""`edgesdk boards`: a line for each board in 80 columns, and one board whole."""

import json

import pytest
from edgesdk.board import load_boards
from edgesdk.cli.main import main


def _words(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["boards", *arguments]) == 0
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_list_has_a_line_for_each_board_and_fits_80_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = _words(capsys)
    assert max(map(len, lines)) <= 80
    rows = {line.split()[0]: line.split()[1:] for line in lines[1 : lines.index("")]}
    assert list(rows) == [board.name for board in load_boards()]
    for board in load_boards():
        npu = board.npu.accelerator.removeprefix("ethos-") if board.npu else "-"
        sizes = [f"{board.memory(r).size_bytes // 1024:,}" for r in ("model", "workspace")]
        assert rows[board.name] == [board.cpu.core, npu, board.tier, *sizes]
    assert any("never run by us" in line for line in lines)


def test_a_board_that_is_named_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _words(capsys, "stm32f4-discovery", "host")
    assert "tier        builds: compiles, never run by us" in lines
    assert any(line.startswith("core        cortex-m4 dsp fp32, 168 MHz") for line in lines)
    (flashed,) = [line for line in lines if line.startswith("flashed by")]
    assert "openocd, or --with" in flashed and "pyocd" in flashed
    memories = [line.split()[:4] for line in lines]
    assert ["flash_model", "flash", "0x08020000", "896"] in memories
    assert any(line.split() == ["model", "ram", "-", "65,536", "model"] for line in lines)


def test_json_has_what_the_views_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "stm32f4-discovery", "--json"]) == 0
    (board,) = json.loads(capsys.readouterr().out)["boards"]
    assert (board["name"], board["tier"], board["flash_default"]) == (
        *("stm32f4-discovery", "builds", "openocd"),
    )
    assert {"openocd", "pyocd"} <= set(board["flash"])
    (model,) = [memory for memory in board["memories"] if "model" in memory["holds"]]
    assert (model["kind"], model["base"]) == ("flash", 0x0802_0000)
    assert main(["boards", "--json"]) == 0
    assert board in json.loads(capsys.readouterr().out)["boards"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["picco"], "did you mean 'pico'"),
        (["pico", "--build"], "--build is for --check only"),
        (["missing.toml"], "missing.toml"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["boards", *arguments]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.err.count("\n") == 1 and not captured.out
