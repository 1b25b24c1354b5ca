"""Interrupts of the ESP32-C3, which QEMU lacks, against a model of its matrix and system timer."""

import ctypes
from pathlib import Path

import pytest
from edgesdk.board import load_board
from uart_model import FIRMWARE, READ, WRITE, compile_driver

pytestmark = pytest.mark.needs_cc

MATRIX, SYSTIMER, TIMER_SOURCE = 0x600C_2000, 0x6002_3000, 37
ENABLE, TYPE, PRIORITY, THRESHOLD = 0x104, 0x108, 0x114, 0x194
CONF, UNIT0_OP, TARGET0_CONF, VALUE_LO = 0x00, 0x04, 0x34, 0x44
COMP0_LOAD, INT_ENA, INT_CLR = 0x50, 0x64, 0x6C


class Chip:
    """Technical reference manual 1.3, chapters 8 and 10: sources, lines, unit 0 and target 0."""

    def __init__(self) -> None:
        self.matrix = {ENABLE: 1 << 5, TYPE: 1 << 2, THRESHOLD: 0}
        self.timer = {CONF: 1 << 30, TARGET0_CONF: 0, INT_ENA: 0}
        self.now = self.latched = self.next = 0
        self.raw = self.valid_in = self.loaded = 0
        self.asking: set[int] = set()  # sources that ask, but the timer's

    def read(self, address: int, width: int) -> int:
        assert width == 4
        if address >= MATRIX:
            return self.matrix.get(address - MATRIX, 0)
        offset = address - SYSTIMER
        if offset == UNIT0_OP:
            self.valid_in -= 1
            return int(self.valid_in <= 0) << 29
        return self.latched if offset == VALUE_LO else self.timer[offset]

    def write(self, address: int, width: int, value: int) -> None:
        assert width == 4
        if address >= MATRIX:
            assert address - MATRIX <= THRESHOLD
            self.matrix[address - MATRIX] = value
            return
        offset = address - SYSTIMER
        if offset == UNIT0_OP:
            assert value == 1 << 30
            self.latched, self.valid_in = self.now & 0xFFFF_FFFF, 3
        elif offset == COMP0_LOAD:
            self.loaded = self.timer[TARGET0_CONF] & 0x3FF_FFFF
        elif offset == INT_CLR:
            self.raw &= ~value
        else:
            assert offset in self.timer, f"SYSTIMER offset 0x{offset:X}"
            if offset == CONF and value >> 24 & 1 and not self.timer[CONF] >> 24 & 1:
                self.next = self.now + self.loaded
            self.timer[offset] = value

    def advance(self, ticks: int) -> None:
        """Time passes; a periodic target asks each time that its period has passed."""
        self.now += ticks
        works = self.timer[CONF] >> 24 & 1 and self.timer[CONF] >> 30
        assert not works or self.timer[TARGET0_CONF] >> 30 == 1, "periodic, of unit 0"
        while works and self.loaded and self.next <= self.now:
            self.raw, self.next = 1, self.next + self.loaded

    def cause(self) -> int:
        """The line that interrupts the processor; 0 for none."""
        sources = self.asking | ({TIMER_SOURCE} if self.raw & self.timer[INT_ENA] else set())
        for line in {self.matrix.get(4 * source, 0) for source in sources} - {0}:
            priority = self.matrix.get(PRIORITY + 4 * line, 0)
            on = self.matrix[ENABLE] >> line & 1 and not self.matrix[TYPE] >> line & 1
            if on and 0 < priority >= self.matrix[THRESHOLD]:
                return line
        return 0


def test_timer_ticks_between_begin_and_end_and_the_uart_is_served(tmp_path: Path) -> None:
    board = load_board("esp32-c3-devkit")
    assert board.riscv is not None and board.uart is not None
    source = FIRMWARE / "ports/riscv/interrupts_esp32c3.c"
    facts = {"EDGE_TIMER_HZ": board.riscv.timer_hz}
    library = ctypes.CDLL(str(compile_driver(source, tmp_path, facts, "interrupts_model.hpp")))
    library.model_end_ticks.restype = ctypes.c_uint32
    chip = Chip()
    errors: list[AssertionError] = []

    def write(address: int, width: int, value: int) -> None:
        try:
            chip.write(address, width, value)
        except AssertionError as error:  # cannot pass through C
            errors.append(error)

    hooks = READ(chip.read), WRITE(write)
    library.model_attach(*hooks)
    assert library.model_init() == 0
    chip.advance(100_000)
    assert chip.cause() == 0, "it stands until a rest"
    assert library.model_begin_ticks() == 0
    for _ in range(3):  # a tick that is not the last: another one follows
        chip.advance(15_999)
        assert chip.cause() == 0
        chip.advance(1)
        line = chip.cause()
        assert line != 0, "a millisecond has passed"
        assert library.model_taken(line) == 0
        assert chip.cause() == 0
    assert library.model_end_ticks() == 48_000
    chip.advance(100_000)
    assert chip.cause() == 0

    chip.asking = {board.uart.interrupt}
    assert chip.cause() == 0, "not yet enabled"
    assert library.model_enable(board.uart.interrupt) == 0
    served = chip.cause()
    assert served not in (0, line)
    assert library.model_taken(served) == 0
    assert library.model_served() == 1
    assert errors == []
