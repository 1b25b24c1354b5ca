"""Board files: the shipped ones hold, and every mistake is refused in one sentence."""

import re
from pathlib import Path

import pytest
from edgesdk.board import CHECKS, faults_of, load_board, load_boards, validate
from edgesdk.board.files import render_header
from edgesdk.board.setup import setup_macro
from edgesdk.errors import BoardError
from edgesdk.resources import resource_dir

GOOD = (resource_dir("boards") / "qemu-mps3-an547.toml").read_text(encoding="utf-8")
WITH_NPU = (resource_dir("boards") / "qemu-mps3-an547-u55.toml").read_text(encoding="utf-8")
HOST_WITH_NPU = (resource_dir("boards") / "host-u55.toml").read_text(encoding="utf-8")


def _file(tmp_path: Path, text: str, name: str = "qemu-mps3-an547") -> Path:
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("board", load_boards(), ids=lambda board: board.name)
def test_shipped_boards_hold_and_cite_their_sources(board: object) -> None:
    assert validate(board) == []  # type: ignore[arg-type]
    text = board.path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    tables = "cpu|memory|uart|counter|boot|setup|riscv|emulator|compiler|npu|npu\\.doorbell|flash"
    facts = re.findall(rf"^\[+({tables})\]+$", text, re.MULTILINE)
    assert len(re.findall(r"^source = \"[^\"]{8,}\"$", text, re.MULTILINE)) == len(facts) + 1


def test_no_board_claims_a_run_that_nobody_has_told_of() -> None:
    """A board becomes `hardware` with somebody's report; until then CI is all that knows it."""
    boards = load_boards()
    assert {board.name for board in boards} > {"host", "qemu-mps2-an386", "qemu-mps3-an547"}
    assert [board.name for board in boards if board.tier == "hardware"] == []
    assert {board.name for board in boards if board.tier == "host"} == {
        *("host", "host-u55", "host-u65")
    }


def test_a_users_own_file_is_a_board(tmp_path: Path) -> None:
    path = _file(tmp_path, GOOD.replace('name = "qemu-mps3-an547"', 'name = "mine"'), "mine")
    assert load_board(path).name == "mine"
    assert load_board(str(path)).cpu.core == "cortex-m55"


def test_unknown_board_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(BoardError, match="did you mean 'qemu-mps3-an547'"):
        load_board("qemu-mps3-an574")
    with pytest.raises(BoardError, match="'zzz' is unknown; edgesdk boards lists those"):
        load_board("zzz")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("clock_hz = 32_000_000\nsource", "clock_mhz = 32\nsource", "did you mean 'clock_hz'"),
        ("clock_hz = 32_000_000\nsource", "source", "[cpu] clock_hz is missing"),
        ("clock_hz = 32_000_000\nsource", "clock_hz = -1\nsource", "must lie in 1..4294967295"),
        ("clock_hz = 32_000_000\nsource", 'clock_hz = "?"\nsource', "is still open; fill it in"),
        ('source = "Arm 101273 (Cortex-M55 TRM)"', 'source = " "', "source is empty; name the"),
        ('holds = ["workspace"]', 'holds = ["?"]', 'holds = ["?"] is still open'),
        (
            'default = "mailbox"',
            'default = "stdio"',
            "'stdio' is no link of port cortex_m (mailbox, uart)",
        ),
        ("schema = 1", "schema = 2", "schema = 2, this edgesdk reads 1"),
        ("schema = 1", "", "schema is missing"),
        ('core = "cortex-m55"', 'core = "cortex-m555"', "did you mean 'cortex-m55'"),
        ('core = "cortex-m55"', 'core = "cortex-m4"', "['mve'] is not offered by cortex-m4"),
        ('tier = "emulated"', 'tier = "builds"', "[emulator] disagree"),
        ('tier = "emulated"', "tier = 3", "tier = 3 is a int, not a str"),
        ('port = "cortex_m"', 'port = "cortex"', "is no folder of firmware_templates/ports"),
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
        ("interrupt = 33", "interrupt = 480", "must lie in 0..479"),
        ("size_bytes = 0x4_0000", "size_bytes = 0x3_0000", "must be a power of two"),
        ("size_bytes = 0x20", "size_bytes = -1 # 0x20", "must be above 0"),
        ("size_bytes = 0x200_0000", "size_bytes = 0xF000_0000", "ends beyond 32 bits"),
        ("[counter]", "[countr]", "did you mean 'counter'"),
        ('kind = "instructions"', 'kind = "cycles"', "key 'tick_ns' is unknown"),
        ("tick_ns = 50", "tick_ns = 50.3", "is no multiple of 1/256 ns"),
        ("tick_ns = 50", "tick_ns = -50", "must be above 0"),
        ("[emulator]", "[emulator]\nserial = -1", "serial = -1 must be at least 0"),
        ("[counter]", '[counter]\ndriver = "dwtt"', "'dwtt' is none of port 'cortex_m'"),
        ("address = 0x5930_2018\n", "", "address is missing"),
        ('driver = "cmsdk"', 'driver = "cmdsk"', "did you mean 'cmsdk'"),
        ('driver = "cmsdk"', 'driver = "mine.c"', "'mine.c' is no file beside the board file"),
        ('driver = "cmsdk"\n', "", "driver is missing"),
        (
            'core = "cortex-m55"',
            'caches = ["l2"]\ncore = "cortex-m55"',
            "none of instruction, data",
        ),
        ('holds = ["data", "stack"]', 'kind = "flash"\nholds = ["data", "stack"]', "is flash, whi"),
        ('tier = "emulated"', 'tier = "emulated"\nreports = ["https://a"]', "reports go together"),
        ('["dsp", "fp32", "mve"]', '["dsp", "fp16"]', "isa ['fp16'] is not offered by"),
        ("ram_base = 0x6000_0000\n", "", "ram_base and ram_bytes go together"),
        ("ram_base = 0x6000_0000\nram_bytes = 0x8000_0000\n", "", "needs RAM that a file can"),
        ("[stack]", '[boot]\nheader = "grub"\nsource = "a book"\n[stack]', "'grub' is none of"),
        ("icount_shift = 7", "icount_shift = 6", "counts are not exact"),
        ("icount_shift = 7", "icount_shift = -7", "must lie in 0..10"),
        ("[[memory]]", "[[memry]]", "key 'memry' is unknown"),
        ('machine = "mps3-an547"\n', "", "of kind qemu needs a machine"),
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
    assert faults_of(tmp_path / "qemu-mps3-an547.toml")[0] == text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('accelerator = "ethos-u55-128"', 'accelerator = "ethos-u55-182"', "'ethos-u55-128'?"),
        ('attachment = "emulator"', 'attachment = "registers"', "needs hardware"),
        ("limit_ms = 10_000", "limit_ms = 0", "limit_ms = 0 must be above 0"),
        ("limit_ms = 10_000", "limit_ms = 30_001", "must be 30000 at most"),
        ("limit_ms = 10_000", "limit_s = 10", "did you mean 'limit_ms'"),
        ("limit_ms = 10_000", "limit_ms = 10_000\ninterrupt = 56", 'for attachment = "registers"'),
        ("base = 0x7244_0000\n", "", "needs base, a page of shared RAM"),
        ("base = 0x7244_0000", "base = 0x7244_0010", "0x72440010 is no address of 32 bits and"),
        ("base = 0x7244_0000", "base = 0x7243_F000", "lies in memory 'ddr_workspace'"),
        ("base = 0x7244_0000", "base = 0x5810_2000", "base = 0x58102000 lies outside the RAM"),
        ("base = 0x7204_0000", "base = 0x3100_0000", "'ddr_workspace' lies outside the RAM"),
        ("base = 0x5930_4000", "base = 0x5930_3000", "is the [uart]'s; choose another UART"),
        ("interrupt = 35", "interrupt = 480", "interrupt = 480 must lie in 0..479"),
        ("interrupt = 35", "interrupt = 33", "interrupt = 33 is the [uart]'s"),
        ("serial = 1", "serial = 0", "serial = 0 must be above 0"),
        ("[npu.doorbell]", "[npu.dorbell]", "did you mean 'doorbell'"),
        ("core_clock = 500e6", "core_clock = 0", "core_clock = 0 must be above 0"),
        ("core_clock = 500e6", "core_clock = inf", "core_clock = inf must be above 0 and finite"),
        ("core_clock = 500e6", 'core_clock = "500e6"', "is a str, not a float"),
        ('axi1_port = "OffChipFlash"', 'axi1_port = "OfChipFlash"', "did you mean 'OffChipFlash'"),
        ('axi1_port = "OffChipFlash"', 'axi1_port = "Dram"', "did you mean 'Dram_clock_scale'"),
        ("Sram_read_latency = 32", "Sram_read_latency = -1", "read_latency = -1 must not be neg"),
        ("OffChipFlash_max_writes", "OffChipFlash_most_writes", "'OffChipFlash_max_writes'?"),
        ('const_mem_area = "Axi1"', 'const_mem_area = "Axi2"', "is none of Axi0, Axi1"),
        ('axi0_port = "Sram"', 'axi0_port = "Floppy"', "OnChipFlash, OffChipFlash; choose one"),
        ('arena_mem_area = "Axi0"', 'arena_mem_area = "Axi1"', "arena_mem_area is OffChipFlash"),
        ('cache_mem_area = "Axi0"', 'cache_mem_area = "Axi1"', "cache_mem_area is OffChipFlash"),
        ("[npu.memory_mode]", "[npu.memory-mode]", "did you mean 'memory_mode'"),
    ],
)
def test_each_mistake_about_an_npu_is_named(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert WITH_NPU.count(old) >= 1
    path = _file(tmp_path, WITH_NPU.replace(old, new, 1), "qemu-mps3-an547-u55")
    with pytest.raises(BoardError) as caught:
        load_board(path)
    text = str(caught.value)
    assert expected in text
    assert "qemu-mps3-an547-u55.toml" in text
    assert "\n" not in text


def _hardware(text: str) -> str:
    """The same board as if it were no emulation, with an NPU of its own."""
    text = re.sub(r"\[(emulator|npu\.doorbell)\]\n(\w.*\n)+", "", text)
    text = text.replace('tier = "emulated"', 'tier = "builds"')
    text = text.replace('kind = "instructions"', 'kind = "cycles"')
    text = re.sub(r"(tick_ns|icount_shift) = .*\n", "", text)
    text = text.replace('attachment = "emulator"', 'attachment = "registers"\ninterrupt = 16')
    text += '\n[flash]\ndefault = "vendor"\nreset = "none"\nsource = "a manual"\n'
    text += '[flash.vendor]\nsteps = "write {firmware}"\n'
    return text.replace("base = 0x7244_0000", "base = 0x5810_2000")


def test_npu_of_a_real_board_is_its_registers(tmp_path: Path) -> None:
    path = _file(tmp_path, _hardware(WITH_NPU), "qemu-mps3-an547-u55")
    npu = load_board(path).npu
    assert npu is not None
    assert (npu.attachment, npu.base, npu.interrupt) == ("registers", 0x5810_2000, 16)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            'attachment = "registers"\ninterrupt = 16',
            'attachment = "emulator"',
            "needs an emulated",
        ),
        ("base = 0x5810_2000\n", "", "needs base, the address of the registers"),
        ("interrupt = 16", "interrupt = 33", "interrupt = 33 is the [uart]'s"),
        ('port = "cortex_m"', 'port = "host"', "has no [npu_sources] for attachment 'registers'"),
        (
            "[npu.system]",
            '[npu.doorbell]\nbase = 1\ninterrupt = 1\nserial = 1\nsource = "none"\n[npu.system]',
            '[npu.doorbell] is for attachment = "emulator" only',
        ),
        ('tier = "builds"', 'tier = "host"', "'host' and [emulator] disagree"),
        ('default = "vendor"', 'default = "uf2"', "'uf2' has no [flash.uf2] table"),
        ('tier = "builds"', 'tier = "hardware"', "somebody tells of a run on the board"),
        ('tier = "builds"', 'tier = "hardware"\nreports = ["a"]', "'a' is no https address"),
        ('kind = "cycles"', 'kind = "cycles"\ncycles_per_tick = 65536', "must lie in 1..65535"),
        ('kind = "cycles"', 'kind = "cycles"\ncycles_per_tick = 0', "must be above 0"),
        (
            'kind = "cycles"',
            'kind = "instructions"\ntick_ns = 50\nicount_shift = 7',
            'hardware counts "cycles"',
        ),
    ],
)
def test_each_mistake_about_a_real_board_is_named(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    text = _hardware(WITH_NPU)
    assert text.count(old) == 1
    with pytest.raises(BoardError, match=re.escape(expected)):
        load_board(_file(tmp_path, text.replace(old, new), "qemu-mps3-an547-u55"))


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ({"limit_ms": "base = 4096\nlimit_ms"}, "of a process is linked in"),
        (
            {"OffChipFlash": "Dram", 'arena_mem_area = "Axi0"': 'arena_mem_area = "Axi1"'},
            "a cache apart from the arena needs arena_cache_size",
        ),
        (
            {'axi1_port = "OffChipFlash"': 'axi1_port = "Sram"', "\nOffChipFlash_": "\n# "},
            "const_mem_area is Sram; Vela wants it there only with all else",
        ),
    ],
)
def test_each_mistake_about_a_linked_npu_is_named(
    tmp_path: Path, edits: dict[str, str], expected: str
) -> None:
    text = HOST_WITH_NPU
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(BoardError, match=expected):
        load_board(_file(tmp_path, text, "host-u55"))


def test_values_for_vela_are_those_of_the_file_in_its_spelling() -> None:
    npu = load_board("qemu-mps3-an547-u55").npu
    assert npu is not None
    assert npu.system["core_clock"] == 500e6
    assert npu.system["OffChipFlash_clock_scale"] == 0.125
    assert list(npu.system)[:3] == ["core_clock", "axi0_port", "axi1_port"]
    assert dict(npu.memory_mode) == {
        "const_mem_area": "Axi1",
        "arena_mem_area": "Axi0",
        "cache_mem_area": "Axi0",
    }


def test_table_that_the_port_needs_is_missed(tmp_path: Path) -> None:
    begin, end = GOOD.index("[counter]"), GOOD.index("[emulator]")
    with pytest.raises(BoardError, match=r"port 'cortex_m' needs a \[counter\] table"):
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


def test_own_drivers_of_one_name_are_refused(tmp_path: Path) -> None:
    """What is built of them, and kept beside the board's file, goes by their names."""
    (tmp_path / "a").mkdir()
    for own in ("a/own.c", "own.c"):
        (tmp_path / own).touch()
    text = GOOD.replace('driver = "cmsdk"', 'driver = "a/own.c"')
    text = text.replace("[counter]", '[counter]\ndriver = "own.c"')
    with pytest.raises(BoardError, match=r"'own\.c': another driver's file has this name"):
        load_board(_file(tmp_path, text))


def test_reason_of_a_step_stays_a_comment(tmp_path: Path) -> None:
    path = _with_steps(tmp_path, '{ set = 4, bits = 4, why = "a */ b\\n c" }')
    assert "/* a * / b c */" in setup_macro(load_board(path).setup)


def _with_steps(tmp_path: Path, *steps: str) -> Path:
    return _file(tmp_path, f'{GOOD}\n[setup]\nsource = "a manual"\nsteps = [{", ".join(steps)}]\n')


def test_steps_become_writes_changes_and_waits(tmp_path: Path) -> None:
    path = _with_steps(
        tmp_path,
        '{ write = 0x10, value = 0x80, width = 8, why = "a" }',
        '{ set = 0x20, bits = 6, why = "b" }',
        '{ clear = 0x20, bits = 6, why = "c" }',
        '{ change = 0x20, bits = 6, value = 4, why = "d" }',
        '{ wait = 0x20, bits = 6, why = "e" }',
        '{ wait = 0x20, bits = 6, value = 0, width = 16, why = "f" }',
    )
    setup = load_board(path).setup
    assert setup is not None
    assert [(s.action, s.width, s.address, s.mask, s.value, s.why) for s in setup.steps] == [
        ("write", 8, 0x10, 0xFF, 0x80, "a"),
        ("change", 32, 0x20, 6, 6, "b"),
        ("change", 32, 0x20, 6, 0, "c"),
        ("change", 32, 0x20, 6, 4, "d"),
        ("wait", 32, 0x20, 6, 6, "e"),
        ("wait", 16, 0x20, 6, 0, "f"),
    ]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ('{ write = 4, why = "a" }', "value is missing"),
        ("{ set = 4, bits = 1 }", "why is missing"),
        ('{ bits = 4, why = "a" }', "has one of write, set, clear, change, wait and pairs"),
        ('{ set = 4, clear = 4, bits = 4, why = "a" }', "has one of write, set, clear"),
        ('{ set = 4, value = 4, bits = 4, why = "a" }', "key 'value' is unknown"),
        ('{ set = 5, bits = 4, why = "a" }', "0x5 is no register of 32 bits"),
        ('{ set = 4, bits = 4, width = 9, why = "a" }', "no register of 9 bits"),
        ('{ set = 4, bits = 4, width = -8, why = "a" }', "width = -8 must be above 0"),
        ('{ set = 4, bits = 4, width = 1_000_000_000_000, why = "a" }', "no register of 1000"),
        ('{ set = 4, bits = 256, width = 8, why = "a" }', "0x100 lies outside of bits"),
        ('{ change = 4, bits = 3, value = 4, why = "a" }', "0x4 lies outside of bits 0x3"),
        ('{ wait = 4, bits = 3, value = 4, why = "a" }', "0x4 lies outside of bits 0x3"),
        ('{ pairs = 4, why = "a" }', "count is missing"),
        ('{ pairs = 6, count = 1, why = "a" }', "0x6 is no table of 1 pairs"),
        ('{ pairs = 0xFFFF_FFF0, count = 3, why = "a" }', "is no table of 3 pairs"),
        ('{ pairs = 4, count = 1, value = 4, why = "a" }', "key 'value' is unknown"),
    ],
)
def test_each_mistake_about_a_step_is_named(tmp_path: Path, step: str, expected: str) -> None:
    with pytest.raises(BoardError, match=re.escape(expected)) as caught:
        load_board(_with_steps(tmp_path, step))
    assert "\n" not in str(caught.value)


def test_a_fraction_of_a_nanosecond_lengthens_the_shift(tmp_path: Path) -> None:
    path = _file(tmp_path, GOOD.replace("tick_ns = 50", "tick_ns = 62.5"))
    header = render_header(load_board(path))
    assert "#define EDGE_COUNTER_TICK 125u" in header
    assert "#define EDGE_COUNTER_SHIFT 8u" in header


def test_caches_and_addresses_of_the_npu_reach_the_port(tmp_path: Path) -> None:
    text = _hardware(WITH_NPU)
    assert "EDGE_CACHE" not in render_header(
        load_board(_file(tmp_path, text, "qemu-mps3-an547-u55"))
    )
    text = text.replace('core = "cortex-m55"', 'core = "cortex-m55"\ncaches = ["data"]')
    text = text.replace('holds = ["workspace"]', 'holds = ["workspace"]\nnpu_base = 0x5080_0000')
    header = render_header(load_board(_file(tmp_path, text, "qemu-mps3-an547-u55")))
    assert "#define EDGE_CACHE_DATA 1\n#define EDGE_CACHE_LINE 32u" in header
    assert "EDGE_CACHE_INSTRUCTION" not in header
    assert "#define EDGE_NPU_WORKSPACE_BASE 0x50800000u" in header
    assert "#define EDGE_NPU_MODEL_BASE 0x70040000u" in header


def test_every_check_can_fail() -> None:
    """The list above reaches each check; a new one without a case shows here."""
    assert len(CHECKS) == 17


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD
    for old, new in (
        ('core = "cortex-m55"', 'core = "cortex-m555"'),
        ("clock_hz = 32_000_000", 'clock_hz = "?"'),
        ("base = 0x3000_0000", "base = 0x1004_0000"),
        ("base = 0x3100_0000", "base = 0x1004_0010"),
        ("baud = 115_200", "baud = 0"),
        ("size_bytes = 0x8000", "size_bytes = 100"),
        ("icount_shift = 7", "icount_shift = 6"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    faults = faults_of(_file(tmp_path, text))
    expected = (
        *("core = 'cortex-m555' is none of", 'clock_hz = "?" is still open', "baud = 0 must be"),
        *("'itcm' (0x10000000..0x1007FFFF) overlaps 'dtcm'", "overlaps 'sram' at 0x10040010"),
        *("size_bytes = 100 must be a multiple", "counts are not exact"),
    )
    assert [part for part in expected if not any(part in fault for fault in faults)] == []
    assert len(faults) == len(expected)


def test_missing_table_is_one_fault(tmp_path: Path) -> None:
    begin, end = GOOD.index("[cpu]"), GOOD.index("[compiler]")
    (fault,) = faults_of(_file(tmp_path, GOOD[:begin] + GOOD[end:]))
    assert fault == "qemu-mps3-an547.toml: cpu is missing; add it (docs/porting.md)"
