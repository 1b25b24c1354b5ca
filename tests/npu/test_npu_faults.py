"""Registers of the emulated NPU, and what it does with streams that it cannot run."""

from collections.abc import Callable

import numpy as np
import pytest
from edgesdk.errors import NpuError
from edgesdk.npu.accelerators import ACCELERATORS
from edgesdk.npu.emulator import Npu
from random_operations import Case, Maker, encode, sets

pytestmark = pytest.mark.needs_cc

ID, STATUS, CMD, RESET, QBASE, QREAD, QSIZE = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x18, 0x20
PROT, CONFIG, REGIONCFG, BASEP, PMCR = 0x24, 0x28, 0x3C, 0x80, 0x180
IRQ, BUS, PARSE, END = 1 << 1, 1 << 2, 1 << 4, 1 << 5
RUN, CLEAR = 1, 2
STOP = encode("STOP", 0xFFFF)


@pytest.mark.parametrize("name", ACCELERATORS)
def test_registers_then_name_the_accelerator(name: str) -> None:
    npu = Npu(name)
    assert npu.read(CONFIG) == ACCELERATORS[name].config
    assert npu.read(ID) == 0x10060000
    for offset in (CONFIG, ID, STATUS, 0xFFC, 0x2):
        before = npu.read(offset)
        npu.write(offset, 0xFFFFFFFF)
        assert npu.read(offset) == before


def test_reset_then_takes_the_level_and_clears_the_rest() -> None:
    npu = Npu("ethos-u65-256")
    for offset in (QBASE, QBASE + 4, BASEP, BASEP + 4, BASEP + 56, BASEP + 60):
        npu.write(offset, offset + 5)
        assert npu.read(offset) == offset + 5
    npu.write(RESET, 3)
    assert (npu.read(PROT), npu.read(STATUS)) == (3, 0)
    assert [npu.read(offset) for offset in (QBASE, BASEP, BASEP + 60)] == [0, 0, 0]
    npu.write(RESET, 0)
    assert npu.read(PROT) == 0


def _start(npu: Npu, words: list[int], regions: list[np.ndarray] | None = None) -> None:
    content = np.array(words, np.uint32)
    places = npu.map([content, *(regions or [])])
    for offset, value in ((QBASE, places[0]), (QSIZE, content.nbytes), (CMD, RUN)):
        if offset == CMD:
            for i, place in enumerate(places[1:]):
                npu.write(BASEP + 8 * i, place)
        npu.write(offset, value)


def test_job_then_ends_with_an_interrupt_until_it_is_cleared() -> None:
    npu = Npu("ethos-u55-64")
    _start(npu, STOP)
    assert npu.read(STATUS) == 0xFFFF0000 | IRQ | END
    assert npu.read(QREAD) == 0
    npu.write(CMD, CLEAR)
    assert npu.read(STATUS) == 0xFFFF0000 | END
    npu.write(CMD, 0xFFFF0000)
    assert npu.read(STATUS) == END
    npu.write(QSIZE, 4)
    assert npu.read(STATUS) == 0
    _start(npu, encode("IRQ", 0x10) + encode("STOP", 0x1))
    assert npu.read(STATUS) == 0x00110000 | IRQ | END


def test_job_after_a_fault_then_waits_for_a_reset() -> None:
    npu = Npu("ethos-u55-64")
    _start(npu, [0x3FF, *STOP])
    assert npu.read(STATUS) == PARSE | IRQ
    _start(npu, STOP)
    assert not npu.read(STATUS) & END
    npu.write(RESET, 0)
    _start(npu, STOP)
    assert npu.read(STATUS) & END


def _transfer(**registers: int) -> list[int]:
    start = {"DMA0_SRC_REGION": 0, "DMA0_DST_REGION": 1, "DMA0_LEN": 64}
    return sets(start | registers) + encode("DMA_START", 0) + STOP


def _copied(**registers: int) -> list[int]:
    """The words of a copy of 16 elements, region 0 to 1, by a product with the scalar 1."""
    start = {"OFM_REGION": 1, "OFM_DEPTH_M1": 16, "IFM_DEPTH_M1": 16, "IFM2_SCALAR": 1}
    start |= {"IFM2_BROADCAST": 0x80, "ACTIVATION_MAX": 255}
    return sets(start | registers) + encode("ELEMENTWISE", 0) + STOP


def _memory() -> list[np.ndarray]:
    constants = np.arange(256, dtype=np.uint8)
    constants.flags.writeable = False
    return [constants, np.full(256, 7, np.uint8)]


FAULTS: dict[str, tuple[str, int, Callable[[], list[int]]]] = {
    "cut stream": ("end of the stream", PARSE, lambda: _copied()[:-2]),
    "cut command": ("end of the stream", PARSE, lambda: encode("IFM_BASE0", 4)[:1]),
    "unknown command": ("unknown command", PARSE, lambda: [0x0004, *STOP]),
    "u65 command": ("unknown command", PARSE, lambda: encode("PARALLEL_MODE", 0) + STOP),
    "read behind": ("read outside", BUS, lambda: _copied(IFM_BASE0=241)),
    "read far off": ("read outside", BUS, lambda: _copied(IFM_BASE0=0xFFFFFFF0)),
    "write behind": ("write outside", BUS, lambda: _copied(OFM_BASE0=241)),
    "write to constants": ("only read", BUS, lambda: _copied(OFM_REGION=0)),
    "region without base": ("read outside", BUS, lambda: _copied(IFM_REGION=5)),
    "transfer behind": ("read outside", BUS, lambda: _transfer(DMA0_SRC=200)),
    "transfer to constants": ("only read", BUS, lambda: _transfer(DMA0_DST_REGION=0)),
    "transfer behind the own memory": (
        *("write outside", BUS),
        lambda: _transfer(DMA0_DST_REGION=0x103, DMA0_DST=16 * 1024 - 63),
    ),
    "transfer from the own memory": ("cannot run", PARSE, lambda: _transfer(DMA0_SRC_REGION=0x103)),
    "table outside": ("lookup table", PARSE, lambda: _copied(ACTIVATION=24)),
    "large table outside": (
        "lookup table",
        PARSE,
        lambda: _copied(ACTIVATION=17, OFM_PRECISION=3, IFM_PRECISION=5),
    ),
    "element of 8 bytes": ("cannot run", PARSE, lambda: _copied(IFM_PRECISION=12)),
    "unknown function": ("cannot run", PARSE, lambda: _copied(ACTIVATION=1)),
    "unknown rounding": ("cannot run", PARSE, lambda: _copied(OFM_PRECISION=3 << 14)),
    "unknown mode": (
        *("cannot run", PARSE),
        lambda: sets({"OFM_REGION": 1}) + encode("ELEMENTWISE", 10) + STOP,
    ),
    "no weights": (
        *("weights are damaged", PARSE),
        lambda: sets({"OFM_REGION": 1, "ACTIVATION_MAX": 255}) + encode("CONV", 0) + STOP,
    ),
    "weights outside": (
        *("read outside", BUS),
        lambda: sets({"WEIGHT_BASE": 250, "WEIGHT_LENGTH": 16}) + encode("CONV", 0) + STOP,
    ),
    "row beyond the work memory": (
        *("work memory", PARSE),
        lambda: (
            sets({"IFM_DEPTH_M1": 65536, "KERNEL_HEIGHT_M1": 60, "WEIGHT_LENGTH": 16})
            + encode("CONV", 0)
            + STOP
        ),
    ),
    "taps beyond 32 bits": (
        *("work memory", PARSE),
        lambda: (
            sets({"KERNEL_HEIGHT_M1": 65536, "KERNEL_WIDTH_M1": 65536, "OFM_REGION": 1})
            + encode("DEPTHWISE", 0)
            + STOP
        ),
    ),
    "larger sum than 64 bits hold": (
        *("limit", PARSE),
        lambda: (
            sets({"KERNEL_HEIGHT_M1": 32768, "KERNEL_WIDTH_M1": 16385, "IFM_PRECISION": 9})
            + sets({"OFM_REGION": 1, "OFM_PRECISION": 5})
            + encode("POOL", 1)
            + STOP
        ),
    ),
    "more rows of a transfer than the limit": (
        *("limit", PARSE),
        lambda: _transfer(
            DMA0_SRC_REGION=2 << 9,
            DMA0_SIZE0=65535,
            DMA0_SIZE1=65535,
            DMA0_SKIP0=-64,
        ),
    ),
    "more taps than the limit": (
        *("limit", PARSE),
        lambda: (
            sets({"OFM_HEIGHT_M1": 65536, "OFM_WIDTH_M1": 65536, "OFM_DEPTH_M1": 65536})
            + encode("ELEMENTWISE", 0)
            + STOP
        ),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_stream_that_cannot_run_then_stops_at_its_command(name: str) -> None:
    text, bit, make = FAULTS[name]
    npu, memory, words = Npu("ethos-u55-64", 1 << 20), _memory(), make()
    before = memory[0].copy()
    _start(npu, words, memory)
    assert npu.read(STATUS) & 0xFFFF == bit | IRQ
    assert npu.fault is not None and text in npu.fault.text
    assert npu.read(QREAD) == 4 * npu.fault.at <= 4 * len(words)
    assert (memory[0] == before).all()
    if "write behind" not in name:
        assert (memory[1] == 7).all()
    npu.write(RESET, 0)
    with pytest.raises(NpuError, match=text):
        npu.run(np.array(words, np.uint32), memory)


def test_fault_then_names_the_operation_and_the_place() -> None:
    words = np.array(encode("DMA_WAIT", 0) + _copied(IFM_BASE0=250), np.uint32)
    with pytest.raises(NpuError) as caught:
        Npu("ethos-u55-64").run(words, _memory())
    assert f"word {len(words) - 2} (ELEMENTWISE 0, operation 1): read outside" in str(caught.value)
    assert "(region 0, offset 0xfa)" in str(caught.value)
    with pytest.raises(NpuError, match="no accelerator; known are ethos-u55-32"):
        Npu("ethos-u99")


def test_operation_that_the_emulator_has_no_room_for_then_says_so() -> None:
    text, _, make = FAULTS["row beyond the work memory"]
    with pytest.raises(NpuError, match=rf"{text}.*split the graph, or give the emulator more work"):
        Npu("ethos-u55-64", 1 << 20).run(np.array(make(), np.uint32), _memory())


def test_queue_outside_of_all_memory_then_is_a_bus_error() -> None:
    for change in ({QBASE: 3 << 24}, {QBASE + 4: 1}, {QSIZE: 1 << 20}, {QSIZE: 3}):
        npu = Npu("ethos-u55-64")
        content = np.array(STOP * 8, np.uint32)
        (place,) = npu.map([content])
        for offset, value in ({QBASE: place, QBASE + 4: 0, QSIZE: 32} | change).items():
            npu.write(offset, value)
        npu.write(CMD, RUN)
        assert npu.read(STATUS) == BUS | IRQ, change


def test_transfers_in_rows_and_planes_then_step_over_what_lies_between() -> None:
    source, target = np.arange(256, dtype=np.uint8), np.zeros(256, np.uint8)
    shape = {"DMA0_LEN": 5, "DMA0_SIZE0": 3, "DMA0_SKIP0": 2, "DMA0_SIZE1": 2, "DMA0_SKIP1": 4}
    words = _transfer(DMA0_SRC_REGION=2 << 9, **shape)
    Npu("ethos-u65-256").run(np.array(words, np.uint32), [source, target])
    rows = [plane * 25 + row * 7 + i for plane in (0, 1) for row in range(3) for i in range(5)]
    assert target[:30].tolist() == rows and not target[30:].any()
    target[:] = 0
    words = _transfer(DMA0_DST_REGION=1 | 1 << 9, **shape)
    Npu("ethos-u65-256").run(np.array(words, np.uint32), [source, target])
    assert target[:21].tolist() == [*range(5), 0, 0, *range(5, 10), 0, 0, *range(10, 15), 0, 0]


def test_event_counters_then_count_every_byte_once() -> None:
    npu = Npu("ethos-u55-64")
    events = {0x380: 0x82, 0x384: 0x87, 0x388: 0x182, 0x38C: 0x23}
    for offset, value in (events | {REGIONCFG: 0b10, PMCR: 1, 0x184: 0xF}).items():
        npu.write(offset, value)
    _start(npu, _copied()[:-1] + _transfer(DMA0_SRC_REGION=1, DMA0_DST=64), _memory())
    # region 0 is on the second port: 16 bytes read there; 16 and 64 written, 64 read on the first
    assert [npu.read(offset) for offset in (0x300, 0x304, 0x308, 0x30C)] == [8, 10, 2, 0]
    assert npu.read(0x1A0) == npu.read(0x1A4) == 0
    npu.write(PMCR, 3)
    assert [npu.read(offset) for offset in (0x300, 0x304, 0x308)] == [0, 0, 0]


@pytest.mark.parametrize("name", ["ethos-u55-32", "ethos-u65-512"])
def test_weights_cut_short_then_are_a_fault_of_their_operation(name: str) -> None:
    for seed in range(6):
        case: Case = Maker(seed, ACCELERATORS[name]).make("CONV")
        case.registers["WEIGHT_LENGTH"] //= 2
        memory = [np.frombuffer(bytes(m), np.uint8).copy() for m in case.memory]
        with pytest.raises(NpuError, match=r"CONV 0, operation \d+\): weights are damaged"):
            Npu(name).run(case.words(), memory)
