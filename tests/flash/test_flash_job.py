"""What goes where: segments by physical address, the image behind them, nothing twice."""

import io
from pathlib import Path

import pytest
from edgesdk.board import Board
from edgesdk.elf import LoadedPart, read_parts
from edgesdk.errors import BuildError, FlashError
from edgesdk.flash.esptool import offset_of
from edgesdk.flash.job import Piece, hex_file, make_job, planned_job
from edgesdk.flash.uf2_file import uf2_file
from edgesdk.flash.vendor import vendor_files, vendor_steps
from intelhex import IntelHex
from made_job import firmware, make_board, make_elf, make_image, noise
from uf2utils.file import UF2File


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return make_board(tmp_path)


def test_parts_are_sections_by_physical_address() -> None:
    """Without the headers that a linker put into the first segment."""
    elf = make_elf([(0x800_0400, b"code"), (0x800_1000, b"data")], virtual=0x2000_0000)
    assert read_parts(elf, "x") == [
        LoadedPart(0x800_0400, b"code"),
        LoadedPart(0x800_1000, b"data"),
    ]


@pytest.mark.parametrize("cut", [0, 30, 60, 120, 200])
def test_damaged_elf_is_refused(cut: int) -> None:
    elf = make_elf([(0x800_0400, b"code" * 20)])
    with pytest.raises(BuildError, match="x: not a whole ELF file"):
        read_parts(elf[:cut], "x")


def test_flipped_bits_never_break_out() -> None:
    """Whatever the file says, there are parts of the file's size at most, or one error."""
    elf = make_elf([(0x800_0400, b"code" * 20)])
    for bit in range(8 * len(elf)):
        damaged = bytearray(elf)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            parts = read_parts(bytes(damaged), "x")
        except BuildError:
            continue
        assert sum(len(part.data) for part in parts) <= len(elf)


def test_pieces_begin_at_their_memory_and_gaps_are_erased(board: Board, tmp_path: Path) -> None:
    parts = [(0x10, b"code"), (0x20, b"more")]
    job = make_job(make_image(board, tmp_path, parts, noise(100)))
    code, model = job.pieces
    gap = b"\xff" * 12
    assert (code.address, code.data) == (0, b"\xff" * 16 + b"code" + gap + b"more")
    assert (model.address, model.data, model.holds) == (0x4_0000, noise(100), ("bundle",))
    assert job.image_in_flash and job.size_bytes == 136
    planned = planned_job(board)
    assert [(p.memory, p.address, p.holds) for p in planned.pieces] == [
        (p.memory, p.address, p.holds) for p in job.pieces
    ]


def test_image_for_ram_is_not_flashed(tmp_path: Path) -> None:
    board = make_board(
        tmp_path,
        old='holds = ["model"]|holds = ["workspace"]',
        new='holds = []|holds = ["workspace", "model"]',
    )
    job = make_job(make_image(board, tmp_path, [(0, b"code")], noise(100)))
    assert [piece.memory for piece in job.pieces] == ["flash"]
    assert not job.image_in_flash and not planned_job(board).image_in_flash


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([(0x3_FFFE, b"code")], "0x0003FFFE..0x00040001 ends beyond memory 'flash'"),
        ([(0x2000_0000, b"code")], "lies in memory 'ram', which is RAM and forgets it"),
        ([(0x9000_0000, b"code")], "at 0x90000000..0x90000003 lies in no memory"),
        ([(0, b"code"), (2, b"more")], "firmware at 0x00000002 overlaps the firmware before it"),
        ([(0, b"code"), (0x4_0000, b"x")], "at 0x00040000 overlaps the (firmware|bundle)"),
    ],
)
def test_what_has_no_place_of_its_own_is_refused(
    parts: list[tuple[int, bytes]], said: str, board: Board, tmp_path: Path
) -> None:
    with pytest.raises(BuildError, match=said):
        make_job(make_image(board, tmp_path, parts, noise(100)))


def test_only_a_makers_tool_takes_firmware_that_runs_from_ram(board: Board, tmp_path: Path) -> None:
    image = make_image(board, tmp_path, [(0x2000_0000, b"code")], None)
    assert [piece.memory for piece in make_job(image, in_ram=True).pieces] == ["ram"]


def test_hex_file_is_read_by_others_as_it_was_written(board: Board, tmp_path: Path) -> None:
    job = make_job(make_image(board, tmp_path, [(0, firmware(70_000))], noise(5000)))
    read = IntelHex(io.StringIO(hex_file(job).decode()))
    assert [(start, stop) for start, stop in read.segments()] == [(0, 70_000), (0x40000, 0x41388)]
    assert read.tobinstr(0, 69_999) == firmware(70_000)
    assert read.tobinstr(0x40000, 0x41387) == noise(5000)


def test_uf2_file_is_read_by_others_as_it_was_written(board: Board, tmp_path: Path) -> None:
    job = make_job(make_image(board, tmp_path, [(0, firmware(1000))], noise(600)))
    path = tmp_path / "x.uf2"
    path.write_bytes(uf2_file(job.pieces, 0xE48B_FF56))
    blocks = UF2File.readBlocks(str(path))
    found = b"".join(bytes(block.payload) for block in blocks)
    headers = [block.header for block in blocks]
    starts = [header.address for header in headers]
    assert starts == [0, 0x100, 0x200, 0x300, 0x40000, 0x40100, 0x40200]
    assert found == firmware(1000) + b"\xff" * 24 + noise(600) + b"\xff" * 168
    assert {header.family.id for header in headers} == {0xE48B_FF56}
    assert [header.block_number for header in headers] == list(range(7))
    assert {header.total_blocks for header in headers} == {7}


def test_uf2_needs_whole_blocks() -> None:
    with pytest.raises(FlashError, match=r"begins at 0x00000010, no multiple of 256"):
        uf2_file([Piece("flash", 0x10, b"x", ())], 1)


def test_window_gives_the_offset_in_flash(board: Board) -> None:
    assert board.flash and board.flash.esptool
    facts = board.flash.esptool
    assert offset_of(Piece("flash", 0x4_0000, b"x", ()), facts) == 0x5_0000
    with pytest.raises(FlashError, match="lies in no"):
        offset_of(Piece("flash", 0xF_FFFF, b"xx", ()), facts)


def test_vendor_gets_every_kind_of_file(board: Board, tmp_path: Path) -> None:
    job = make_job(make_image(board, tmp_path, [(0, b"code")], noise(100)))
    assert board.flash
    files = {name: content() for name, content in vendor_files(job, board.flash).items()}
    assert set(files) == {
        *("firmware.elf", "firmware.hex", "firmware.uf2", "model.image"),
        *("flash.bin", "flash_model.bin"),
    }
    assert files["model.image"] == noise(100) == files["flash_model.bin"]
    steps = vendor_steps(board.flash, Path("out"))
    assert steps.startswith("Open out/firmware.hex in the maker's tool, or out/firmware.elf;")
