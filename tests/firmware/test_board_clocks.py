"""The registers of [setup], by the formulas of the reference manuals, give a board's clocks."""

import pytest
from clocks_esp32 import ESP32
from clocks_nordic import NORDIC
from clocks_nxp import NXP
from clocks_rp import RASPBERRY
from clocks_stm32 import STM32
from edgesdk.board import load_board
from setup_registers import Registers

TREES = {**ESP32, **NORDIC, **NXP, **RASPBERRY, **STM32}


@pytest.mark.parametrize("name", TREES)
def test_setup_gives_the_clocks_of_the_board(name: str) -> None:
    tree, board = TREES[name], load_board(name)
    assert board.setup is not None
    assert board.uart is not None
    registers = Registers(tree.reset)
    registers.do(board.setup.steps)
    tree.uart(registers)
    clocks = tree.clocks(registers)
    assert clocks.cpu_hz == board.cpu.clock_hz
    assert clocks.uart_hz == board.uart.clock_hz


@pytest.mark.parametrize("name", [name for name, tree in TREES.items() if tree.switch])
def test_flash_power_and_buses_are_prepared_when_the_clock_is_switched(name: str) -> None:
    tree, board = TREES[name], load_board(name)
    assert board.setup is not None
    steps = board.setup.steps
    at = max(i for i, step in enumerate(steps) if (step.address, step.mask) == tree.switch)
    assert steps[at + 1].action == "wait", "until the clock is switched"
    waits = {(step.address, step.mask) for step in steps[:at] if step.action == "wait"}
    assert tree.ready in waits
    registers = Registers(tree.reset)
    registers.do(steps[: at + 1])
    assert tree.clocks(registers).cpu_hz == board.cpu.clock_hz
