"""Board files: the shipped ones hold, and every mistake is refused in one sentence."""

import re
from pathlib import Path

import pytest
from edgesdk.board import CHECKS, load_board, load_boards, validate
from edgesdk.errors import BoardError
from edgesdk.resources import resource_dir

GOOD = (resource_dir("boards") / "qemu-mps3-an547.toml").read_text(encoding="utf-8")


def _file(tmp_path: Path, text: str, name: str = "qemu-mps3-an547") -> Path:
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("board", load_boards(), ids=lambda board: board.name)
def test_shipped_boards_hold_and_cite_their_sources(board: object) -> None:
    assert validate(board) == []  # type: ignore[arg-type]
    text = board.path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    facts = re.findall(r"^\[+(cpu|memory|uart|counter|emulator|compiler)\]+$", text, re.MULTILINE)
    assert len(re.findall(r"^source = \"[^\"]{8,}\"$", text, re.MULTILINE)) == len(facts) + 1


def test_board_names_are_those_of_the_three_ports() -> None:
    boards = {board.name: board for board in load_boards()}
    assert set(boards) == {"host", "qemu-mps2-an386", "qemu-mps3-an547"}


def test_a_users_own_file_is_a_board(tmp_path: Path) -> None:
    path = _file(tmp_path, GOOD.replace('name = "qemu-mps3-an547"', 'name = "mine"'), "mine")
    assert load_board(path).name == "mine"
    assert load_board(str(path)).cpu.core == "cortex-m55"


def test_unknown_board_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(BoardError, match="did you mean 'qemu-mps3-an547'"):
        load_board("qemu-mps3-an574")
    with pytest.raises(BoardError, match="boards: host, qemu-mps2-an386, qemu-mps3-an547"):
        load_board("zzz")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("clock_hz = 32_000_000\nsource", "clock_mhz = 32\nsource", "did you mean 'clock_hz'"),
        ("schema = 1", "schema = 2", "schema = 2, this edgesdk reads 1"),
        ("schema = 1", "", "schema is missing"),
        ('core = "cortex-m55"', 'core = "cortex-m555"', "did you mean 'cortex-m55'"),
        ('core = "cortex-m55"', 'core = "cortex-m4"', "['mve'] is not offered by cortex-m4"),
        ('tier = "emulated"', 'tier = "hardware"', "[emulator] disagree"),
        ('tier = "emulated"', "tier = 3", "tier = 3 is a int, not a str"),
        ('port = "mps"', 'port = "mpss"', "is no folder of firmware_templates/ports"),
        ('name = "qemu-mps3-an547"', 'name = "other"', "differs from the file's name"),
        ("base = 0x3000_0000", "base = 0x1004_0000", "'itcm' (0x10000000..0x1007FFFF) overlaps"),
        ("base = 0x3000_0000", "base = 0x3000_0001", "is no multiple of 16"),
        ("base = 0x3000_0000\n", "", "memory 'dtcm' has no base"),
        ('holds = ["workspace"]', 'holds = ["workspce"]', "did you mean 'workspace'"),
        ('holds = ["workspace"]', 'holds = ["data"]', "'data' is held by dtcm and sram"),
        ('holds = ["workspace"]', "holds = []", "'workspace' is held by no memory"),
        ('holds = ["workspace"]', "holds = [7]", "must be a list of texts"),
        ("size_bytes = 0x8000", "size_bytes = 100", "multiple of 16, at least 4096"),
        ("size_bytes = 0x8000", "size_bytes = 0x100_0000", "exceeds memory 'dtcm'"),
        ("payload_bytes = 4096", "payload_bytes = 511", "must lie in 512..65536"),
        ("payload_bytes = 4096", "payload_bytes = 60000", "one frame may take 120014"),
        ("receive_bytes = 16384", "receive_bytes = 9000", "must be a power of two"),
        ("interrupt = 33", "interrupt = 333", "must lie in 0..95"),
        ("size_bytes = 0x4_0000", "size_bytes = 0x3_0000", "must be a power of two"),
        ("size_bytes = 0x20", "size_bytes = -1 # 0x20", "must be above 0"),
        ("size_bytes = 0x200_0000", "size_bytes = 0xF000_0000", "ends beyond 32 bits"),
        ("[counter]", "[countr]", "did you mean 'counter'"),
        ("icount_shift = 7", "icount_shift = 6", "counts are not exact"),
        ("icount_shift = 7", "icount_shift = -7", "must lie in 0..10"),
        ("[[memory]]", "[[memry]]", "key 'memry' is unknown"),
        ('machine = "mps3-an547"\n', "", "of kind qemu needs machine"),
        ("ram_base = 0x6000_0000", "ram_base = 0x8000_0000", "outside the RAM that a file backs"),
        ('default = "gcc"', 'default = "icc"', "is none of gcc, clang"),
        ("[stack]", "[stack", "not valid TOML"),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert GOOD.count(old) >= 1
    with pytest.raises(BoardError) as caught:
        load_board(_file(tmp_path, GOOD.replace(old, new, 1)))
    text = str(caught.value)
    assert expected in text
    assert "qemu-mps3-an547.toml" in text
    assert "\n" not in text


def test_table_that_the_port_needs_is_missed(tmp_path: Path) -> None:
    begin, end = GOOD.index("[counter]"), GOOD.index("[emulator]")
    with pytest.raises(BoardError, match=r"port 'mps' needs a \[counter\] table"):
        load_board(_file(tmp_path, GOOD[:begin] + GOOD[end:]))


def test_list_of_no_tables_is_refused(tmp_path: Path) -> None:
    head = GOOD.split("[[memory]]")[0]
    tail = GOOD[GOOD.index("[stack]") :]
    text = "memory = [1]\n" + head + tail
    with pytest.raises(BoardError, match=r"memory must be tables, each under \[\[memory\]\]"):
        load_board(_file(tmp_path, text))


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="cannot be read"):
        load_board(tmp_path / "absent.toml")


def test_every_check_can_fail() -> None:
    """The list above reaches each check; a new one without a case shows here."""
    assert len(CHECKS) == 10
