"""The [riscv] table: what it makes of its facts, its faults, and the words for a trap."""

from pathlib import Path

import pytest
from edgesdk.board import faults_of, load_board
from edgesdk.board.files import render_header, render_linker_script
from edgesdk.link.boot import Boot
from edgesdk.resources import resource_dir

VIRT = (resource_dir("boards") / "qemu-riscv-virt.toml").read_text(encoding="utf-8")


def _file(tmp_path: Path, old: str, new: str) -> Path:
    assert old in VIRT
    path = tmp_path / "qemu-riscv-virt.toml"
    path.write_text(VIRT.replace(old, new), encoding="utf-8")
    return path


def test_facts_become_macros() -> None:
    header = render_header(load_board("qemu-riscv-virt"))
    for line in (
        "#define EDGE_PLIC_BASE 0x0C000000u",
        "#define EDGE_PLIC_CONTEXT 0x00000000u",
        "#define EDGE_CLINT_BASE 0x02000000u",
        "#define EDGE_TIMER_HZ 10000000u",
        "#define EDGE_RESTART_ADDRESS 0x00100000u",
        "#define EDGE_RESTART_BITS 0x00007777u",
        "#define EDGE_UART_STRIDE 1",
    ):
        assert line in header.splitlines()


def test_loads_find_constants_where_the_board_says(tmp_path: Path) -> None:
    template = "@CONSTANTS@"
    board = load_board(_file(tmp_path, "restart =", "constants = 0x9000_0000\nrestart ="))
    assert render_linker_script(board, template) == "0x90000000"
    assert render_linker_script(load_board("qemu-riscv-virt"), template) == "0x80000000"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('interrupts = "plic"', 'interrupts = "plik"', "[riscv] 'plik' is none of port 'riscv'"),
        ("clint = 0x0200_0000\n", "", "[riscv] clint is missing"),
        ("context = 0", "context = 15_872", "context = 15872 must lie in 0..15871"),
        ("timer_hz = 10_000_000", "timer_hz = 999", "timer_hz = 999 must lie in 1000..250000000"),
        ("restart_bits = 0x7777\n", "", "restart and restart_bits go together"),
        ("plic = 0x0C00_0000", "plic = 0x0C00_0002", "plic = 0xC000002 is no address"),
        ("stride = 1", "stride = 2", "[uart] stride = 2 must be 1 or 4 bytes"),
        ('core = "rv32imac"', 'core = "cortex-m3"', "[riscv] is for a core of that architecture"),
    ],
)
def test_faults_are_told(old: str, new: str, expected: str, tmp_path: Path) -> None:
    assert any(expected in fault for fault in faults_of(_file(tmp_path, old, new)))


def test_port_needs_the_table(tmp_path: Path) -> None:
    path = _file(tmp_path, "[riscv]", "[riscv_]")
    assert any("needs a [riscv] table" in fault for fault in faults_of(path))


def test_a_trap_is_told_in_the_names_of_its_registers() -> None:
    trap = Boot(2, 0x10007, 0x8000_0124, 0x8000_0100, 0x8010_0400, 0x1880, 0, 0, 0x44)
    assert trap.describe() == (
        "fault: store access fault at pc 0x80000124, ra 0x80000100, sp 0x80100400, "
        "mstatus 0x00001880, mtval 0x00000044"
    )
    assert "mcause 24" in Boot(2, 0x10018, 0, 0, 0, 0, 0, 0, 0).describe()
