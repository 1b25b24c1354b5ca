"""Caches of a Cortex-M: emptied before they are turned on, maintained by whole lines."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest
from edgesdk.board.cache import cache_macros, check_caches

HERE = Path(__file__).parent
PORT = HERE.parents[1] / "firmware_templates/ports/cortex_m"
READ, WRITE, BARRIER = range(3)
CCR, CCSIDR, CSSELR = 0xE000ED14, 0xE000ED80, 0xE000ED84
ICIALLU, DCIMVAC, DCISW, DCCMVAC = 0xE000EF50, 0xE000EF5C, 0xE000EF60, 0xE000EF68
INSTRUCTION_ON, DATA_ON, ALIGNED = 1 << 17, 1 << 16, 0x200
BOTH = ("instruction", "data")
M7_16K = (127 << 13) | (3 << 3) | 1  # CCSIDR: 128 sets, 4 ways, lines of 8 words
M7_32K = (255 << 13) | (3 << 3) | 1
ONE_WAY = (3 << 13) | 1

pytestmark = pytest.mark.needs_cc


class Event(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_uint32),
        ("address", ctypes.c_uint32),
        ("value", ctypes.c_uint32),
    )


def _library(folder: Path, caches: tuple[str, ...], text: str | None = None) -> ctypes.CDLL:
    """cache.c with its board's macros as a shared library."""
    folder.mkdir(exist_ok=True)
    source = folder / "cache.c"
    source.write_text(text or (PORT / "cache.c").read_text(encoding="utf-8"), encoding="utf-8")
    shutil.copyfile(PORT / "cache.h", folder / "cache.h")
    (folder / "core.h").write_text("", encoding="utf-8")
    macros = "".join(f"#define {name} {value}\n" for name, value in cache_macros(caches).items())
    (folder / "edge_board.h").write_text(macros, encoding="utf-8")
    library = folder / "cache.so"
    command = ["g++", "-std=c++20", "-O1", "-w", "-shared", "-fPIC", "-x", "c++", f"-I{folder}"]
    command += [f'-DSOURCE="{source}"', "-o", str(library), str(HERE / "cache_model.hpp")]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(library))


def _events(library: ctypes.CDLL) -> list[tuple[int, int, int]]:
    found = ctypes.POINTER(Event)()
    count = library.model_events(ctypes.byref(found))
    return [(found[at].kind, found[at].address, found[at].value) for at in range(count)]


def _enabled(library: ctypes.CDLL, size: int, already: int = 0) -> list[tuple[int, int, int]]:
    library.model_start(size, already)
    library.model_enable()
    return _events(library)


def _writes(events: list[tuple[int, int, int]], address: int) -> list[int]:
    return [value for kind, at, value in events if kind == WRITE and at == address]


def _wrong(library: ctypes.CDLL, size: int) -> str | None:
    """What is wrong with turning both caches on; None where nothing is."""
    events = _enabled(library, size)
    sets, ways = (size >> 13) + 1, (size >> 3 & 0x3FF) + 1
    shift = 32 - (ways - 1).bit_length()
    lines = {s << 5 | (w << shift if ways > 1 else 0) for s in range(sets) for w in range(ways)}
    emptied = _writes(events, DCISW)
    if len(emptied) != len(lines) or set(emptied) != lines:
        return "lines"
    if _writes(events, CCR) != [ALIGNED | INSTRUCTION_ON, ALIGNED | INSTRUCTION_ON | DATA_ON]:
        return "on"
    order = [(WRITE, ICIALLU), BARRIER, (WRITE, CCR), BARRIER, (WRITE, CSSELR), BARRIER]
    order += [(READ, CCSIDR), (WRITE, DCISW), BARRIER, (WRITE, CCR), BARRIER]
    steps = [BARRIER if kind == BARRIER else (kind, at) for kind, at, _ in events]
    steps = [s for s in steps if s != (READ, CCR)]
    found = [s for s, before in zip(steps, [None, *steps], strict=False) if s != before]
    return None if found[found.index((WRITE, ICIALLU)) :] == order else "order"


@pytest.mark.parametrize("size", [M7_16K, M7_32K, ONE_WAY])
def test_caches_are_empty_before_they_are_on(size: int, tmp_path: Path) -> None:
    assert _wrong(_library(tmp_path, BOTH), size) is None


DEFECTS = {
    "a way is left out": ("way <= ways", "way < ways"),
    "ways lie elsewhere": ("(uint32_t)__builtin_clz(ways)", "28"),
    "on before they are empty": (
        "    empty_data_cache();\n    SCB_CCR |= CCR_DATA;",
        "    SCB_CCR |= CCR_DATA;\n    empty_data_cache();",
    ),
    "the size of another cache": ("  SCB_CSSELR = CSSELR_DATA;\n", ""),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_wrong_order_is_found(defect: str, tmp_path: Path) -> None:
    old, new = DEFECTS[defect]
    text = (PORT / "cache.c").read_text(encoding="utf-8")
    assert text.count(old) == 1
    assert _wrong(_library(tmp_path, BOTH, text.replace(old, new)), M7_16K) is not None


def test_a_data_cache_that_a_bootloader_left_on_keeps_what_it_holds(tmp_path: Path) -> None:
    events = _enabled(_library(tmp_path, BOTH), M7_16K, already=DATA_ON)
    assert _writes(events, DCISW) == []
    assert _writes(events, CCR) == [ALIGNED | DATA_ON | INSTRUCTION_ON]


@pytest.mark.parametrize(("name", "register"), [("clean", DCCMVAC), ("drop", DCIMVAC)])
def test_maintenance_takes_whole_lines_between_barriers(
    name: str, register: int, tmp_path: Path
) -> None:
    library = _library(tmp_path, BOTH)
    for start, size, lines in (
        (0x2000_0000, 32, [0x2000_0000]),
        (0x2000_001F, 2, [0x2000_0000, 0x2000_0020]),
        (0x2000_0010, 0x40, [0x2000_0000, 0x2000_0020, 0x2000_0040]),
        (0x2000_0000, 0, []),
    ):
        library.model_start(M7_16K, 0)
        getattr(library, f"model_{name}")(start, size)
        events = _events(library)
        assert [value for _, _, value in events[1:-1]] == lines
        assert {at for _, at, _ in events[1:-1]} <= {register}
        assert [events[0][0], events[-1][0]] == [BARRIER, BARRIER]


def test_only_what_the_board_names_is_touched(tmp_path: Path) -> None:
    events = _enabled(_library(tmp_path / "i", ("instruction",)), M7_16K)
    assert {at for kind, at, _ in events if kind == WRITE} == {ICIALLU, CCR}
    events = _enabled(_library(tmp_path / "d", ("data",)), M7_16K)
    assert {at for kind, at, _ in events if kind == WRITE} == {CSSELR, DCISW, CCR}
    library = _library(tmp_path / "none", ())
    assert _enabled(library, M7_16K) == []
    library.model_clean(0x2000_0000, 64)
    assert _events(library) == []


class _Region:
    def __init__(self, base: int, size_bytes: int, *holds: str) -> None:
        self.name, self.base, self.size_bytes, self.holds = "region", base, size_bytes, holds


def test_board_file_may_only_ask_for_what_there_is() -> None:
    fine = [_Region(0x2000_0000, 0x1000, "workspace"), _Region(0x10, 0x10, "code")]
    assert list(check_caches("cortex-m7", BOTH, fine)) == []
    assert list(check_caches("cortex-m33", (), fine)) == []
    (fault,) = check_caches("cortex-m33", ("data",), fine)
    assert "cortex-m33 has none" in fault
    (fault,) = check_caches("cortex-m55", ("l2",), fine)
    assert "'l2'" in fault
    for region in (_Region(0x2000_0010, 0x20, "model"), _Region(0x20, 0x30, "workspace")):
        (fault,) = check_caches("cortex-m55", ("data",), [region])
        assert "shares a cache line" in fault
        assert list(check_caches("cortex-m55", ("instruction",), [region])) == []
