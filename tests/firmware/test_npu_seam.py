"""The NPU seam of the emulated board: registers, rest and limit, against a device of the test's."""

import dataclasses
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from edgesdk.board import Board, load_board
from edgesdk.board.files import render_header, render_linker_script
from edgesdk.errors import NoAnswerError
from edgesdk.flash.store import Flashed
from edgesdk.link import power
from edgesdk.link.transport import Transport
from edgesdk.resources import resource_dir

HERE = Path(__file__).parent
ROOT = resource_dir("firmware_templates")
LIMIT_MS = 300
MARGIN_S = 5.0  # of a busy machine
READ, WRITE, WAIT, CLEAN, DROP = range(5)
STATUS, CMD, RESET, QREAD, QSIZE, PROT, CONFIG = 0x04, 0x08, 0x0C, 0x18, 0x20, 0x24, 0x28
RUNNING, ENDED = 1, 0x22
JOB = [(WRITE, QSIZE, 16), (WRITE, CMD, 1), (READ, STATUS, 0), (WAIT, 0, 0), (READ, STATUS, 0)]

pytestmark = [pytest.mark.needs_gcc, pytest.mark.needs_qemu]


class FakeDevice:
    """Remembers what is written. A job takes `job_s`, or raises that."""

    def __init__(self) -> None:
        self.writes: list[tuple[int, int]] = []
        self.values = {CONFIG: 0x1234, STATUS: 0}
        self.job_s: float | Exception = 0.0
        self.closed = False

    def read(self, offset: int) -> int:
        return self.values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        self.writes.append((offset, value))
        self.values[offset] = value
        if offset == RESET:
            self.values |= {STATUS: 0, PROT: value}
        if offset == CMD and value & 1:
            if isinstance(self.job_s, Exception):
                raise self.job_s
            time.sleep(self.job_s)
            self.values |= {STATUS: ENDED, QREAD: len(self.writes)}

    def close(self) -> None:
        self.closed = True


class Machine:
    """The board with npu_seam.c in it, once that has started."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        begin, heard = time.monotonic(), b""
        while not heard:
            assert time.monotonic() - begin < 20, "no start"
            transport.write(b"\xff", 5)
            heard = transport.read(0.1)
        transport.write(b"\xfe", 5)
        while len(heard) < 16:
            heard += transport.read(0.1)

    def ask(self, operation: int, offset: int = 0, value: int = 0) -> tuple[int, int]:
        """Result and cost of one operation."""
        self.transport.write(struct.pack("<3I", operation, offset, value), 5)
        return self._answer()

    def _answer(self) -> tuple[int, int]:
        answer = b""
        deadline = time.monotonic() + 20
        while len(answer) < 16:
            assert time.monotonic() < deadline, "no answer"
            answer += self.transport.read(0.25)
        result, _, cost = struct.unpack("<IIQ", answer)
        return result, cost


def _flashed(folder: Path, board: Board, link: str, npu: str = "bare/npu_page.c") -> Flashed:
    assert board.counter is not None
    counters = {"register": "bare/counter_register.c", "dwt": "cortex_m/counter_dwt.c"}
    (folder / "edge_board.h").write_text(render_header(board), encoding="utf-8")
    template = (ROOT / "ports/cortex_m/memory.ld.in").read_text(encoding="utf-8")
    (folder / "memory.ld").write_text(render_linker_script(board, template), encoding="utf-8")
    elf = folder / "npu.elf"
    sources = [
        "cortex_m/core.c",
        "cortex_m/cache.c",
        "bare/port.c",
        "bare/setup.c",
        "bare/start.c",
        f"bare/link_{link}.c",
        npu,
    ]
    sources += [counters[board.counter.driver], *(["bare/uart_cmsdk.c"] if link == "uart" else [])]
    includes = ["app", "runtime/include", "ports/bare"]
    command = ["arm-none-eabi-gcc", *board.compiler.target, "-std=c11", "-O2", "-Wall", "-Wextra"]
    command += ["-Werror", '-DEDGE_FIRMWARE_ID="test"', f"-I{folder}"]
    command += [f"-I{ROOT / name}" for name in includes]
    command += [str(ROOT / "ports" / name) for name in sources]
    command += [str(HERE / "npu_seam.c"), "-nostartfiles", "--specs=nano.specs", "-Wl,-T"]
    command += [str(folder / "memory.ld"), "-Wl,--no-warn-rwx-segments", "-o", str(elf)]
    subprocess.run(command, check=True)
    return Flashed(board.name, link, elf, None, "test", None, {})


def _board(**facts: object) -> Board:
    board = load_board("qemu-mps3-an547-u55")
    assert board.npu is not None
    npu = dataclasses.replace(board.npu, limit_ms=LIMIT_MS, **facts)  # type: ignore[arg-type]
    return dataclasses.replace(board, npu=npu)


@contextmanager
def _machine(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    device: FakeDevice,
    link: str = "mailbox",
    slower: int = 1,
) -> Iterator[Machine]:
    """The board; one that takes its clock for `slower` times as fast rests as much longer."""
    board = _board()
    clock_hz = slower * (board.cpu.clock_hz or 0)
    board = dataclasses.replace(board, cpu=dataclasses.replace(board.cpu, clock_hz=clock_hz))
    monkeypatch.setattr(power, "BoardNpu", lambda board, ram: device)
    transport = power.power_on(board, _flashed(folder, board, link))
    try:
        yield Machine(transport)
    finally:
        transport.close()
    assert device.closed


@pytest.mark.parametrize("link", ["mailbox", "uart"])
def test_registers_are_the_devices_and_waiting_costs_nothing(
    link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, costs = FakeDevice(), []
    with _machine(tmp_path, monkeypatch, device, link) as machine:
        assert machine.ask(READ, CONFIG)[0] == 0x1234
        machine.ask(WRITE, RESET, 1)
        assert [machine.ask(READ, at)[0] for at in (STATUS, PROT)] == [0, 1]
        for job_s in (0.0, 0.05, 0.0):
            device.job_s = job_s
            answers = [machine.ask(*step) for step in JOB]
            assert [answers[at][0] for at in (2, 3, 4)] == [RUNNING, 1, ENDED]
            assert machine.ask(READ, QREAD)[0] == len(device.writes)
            costs.append([cost for _, cost in answers])
    assert costs[0] == costs[1] == costs[2]
    assert max(costs[0]) < 60  # instructions: no rest is among them
    assert device.writes == [(RESET, 1), *[(QSIZE, 16), (CMD, 1)] * 3]


def test_interrupt_ends_the_rest_not_the_timer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = FakeDevice()
    device.job_s = 0.01
    with _machine(tmp_path, monkeypatch, device, "uart", slower=500) as machine:
        begin = time.monotonic()
        for _ in range(12):  # half a second each, were it not for the doorbell
            assert [machine.ask(*step)[0] for step in JOB][-1] == ENDED
        assert time.monotonic() - begin < MARGIN_S


def test_long_row_of_writes_arrives_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = FakeDevice()
    sent = [(0x100 + 4 * (at % 16), at) for at in range(600)]  # the ring takes 256
    with _machine(tmp_path, monkeypatch, device) as machine:
        for offset, value in sent:
            machine.ask(WRITE, offset, value)
        assert [machine.ask(READ, 0x100 + 4 * at)[0] for at in range(16)] == [
            *range(592, 600),
            *range(584, 592),
        ]
    assert device.writes == sent


def test_device_that_takes_too_long_is_given_up_and_may_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = FakeDevice()
    with _machine(tmp_path, monkeypatch, device) as machine:
        device.job_s = LIMIT_MS / 1000 + 1.5
        begin = time.monotonic()
        assert [machine.ask(*step)[0] for step in JOB] == [0, 0, RUNNING, 0, RUNNING]
        machine.ask(WRITE, RESET, 1)
        assert machine.ask(READ, STATUS)[0] == RUNNING
        assert time.monotonic() - begin < LIMIT_MS / 1000 + MARGIN_S
        device.job_s = 0.0
        machine.ask(WRITE, CMD, 1)
        while not machine.ask(WAIT)[0]:
            assert time.monotonic() - begin < 20
        assert machine.ask(READ, STATUS)[0] == ENDED
        assert device.writes[-2:] == [(RESET, 1), (CMD, 1)]
        answers = [machine.ask(*step)[0] for step in JOB]
    assert answers == [0, 0, RUNNING, 1, ENDED]


def test_job_without_an_interrupt_is_given_up_and_the_device_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = FakeDevice()
    with _machine(tmp_path, monkeypatch, device) as machine:
        device.values[STATUS] = RUNNING
        machine.ask(WRITE, QSIZE, 16)
        begin = time.monotonic()
        assert machine.ask(WAIT)[0] == 0
        assert 0.9 * LIMIT_MS / 1000 < time.monotonic() - begin < LIMIT_MS / 1000 + MARGIN_S
        machine.ask(WRITE, RESET, 1)
        assert machine.ask(READ, STATUS)[0] == 0
        assert [machine.ask(*step)[0] for step in JOB] == [0, 0, RUNNING, 1, ENDED]


def test_failure_of_the_device_ends_the_session_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = FakeDevice()
    device.job_s = ZeroDivisionError("of the\ntest")
    with _machine(tmp_path, monkeypatch, device) as machine:
        machine.ask(WRITE, CMD, 1)
        with pytest.raises(NoAnswerError) as caught:
            for _ in range(40):
                machine.ask(WAIT)
    text = "the emulated NPU failed (ZeroDivisionError: of the test); report it with this line"
    assert text in str(caught.value)


def test_interrupt_that_never_falls_silent_then_ends_the_rest_but_not_the_limit(
    tmp_path: Path,
) -> None:
    """A line that something else holds, as where the board file has the wrong number."""
    board = _board(attachment="registers", doorbell=None, interrupt=36)  # UART 1 may send again
    assert board.npu is not None
    base = (0x5930_4000 - (board.npu.base or 0)) & 0xFFFFFFFF  # of UART 1, from the registers on
    flashed = _flashed(tmp_path, board, "mailbox", "cortex_m/npu_registers.c")
    transport = power.power_on(board, flashed)
    try:
        machine = Machine(transport)
        for offset, value in ((16, 16), (8, 0b101), (0, 1)):  # divisor, control, data
            machine.ask(WRITE, base + offset, value)
        assert machine.ask(READ, base + 12)[0] == 1  # it asks for an interrupt
        machine.ask(WRITE, STATUS, RUNNING)
        assert machine.ask(WAIT)[0] == 0
    finally:
        transport.close()


@pytest.mark.parametrize("interrupt", [35, None])
def test_real_registers_are_read_written_and_waited_for(
    interrupt: int | None, tmp_path: Path
) -> None:
    """A page of RAM stands in for them: it keeps what it is told, and never interrupts."""
    board = _board(attachment="registers", doorbell=None, interrupt=interrupt)
    flashed = _flashed(tmp_path, board, "mailbox", "cortex_m/npu_registers.c")
    transport = power.power_on(board, flashed)
    try:
        machine = Machine(transport)
        machine.ask(WRITE, QSIZE, 16)
        assert machine.ask(READ, QSIZE)[0] == 16
        machine.ask(WRITE, STATUS, ENDED)
        assert machine.ask(WAIT)[0] == 1
        machine.ask(WRITE, STATUS, RUNNING)
        assert machine.ask(WAIT)[0] == 0
    finally:
        transport.close()


def test_data_cache_is_maintained_where_the_board_has_one(tmp_path: Path) -> None:
    """QEMU has no caches, but takes the registers; test_cache.py has what they are told."""
    plain = _board(attachment="registers", doorbell=None, interrupt=35)
    cpu = dataclasses.replace(plain.cpu, caches=("instruction", "data"))
    for board, there in ((plain, 0), (dataclasses.replace(plain, cpu=cpu), 1)):
        folder = tmp_path / str(there)
        folder.mkdir()
        flashed = _flashed(folder, board, "mailbox", "cortex_m/npu_registers.c")
        transport = power.power_on(board, flashed)
        try:
            machine = Machine(transport)
            assert [machine.ask(operation, 64, 1000)[0] for operation in (CLEAN, DROP)] == [
                there
            ] * 2
        finally:
            transport.close()


def test_rest_counts_as_cycles_even_if_the_counter_sleeps(tmp_path: Path) -> None:
    """QEMU's DWT stays at 0 for ever, as one does in a sleep that stops the core's clock."""
    board = _board(attachment="registers", doorbell=None, interrupt=35)
    assert board.counter is not None and board.cpu.clock_hz is not None
    counter = dataclasses.replace(
        board.counter, driver="dwt", kind="cycles", tick_ns=None, icount_shift=None
    )
    made = dataclasses.replace(board, counter=counter)
    flashed = _flashed(tmp_path, made, "mailbox", "cortex_m/npu_registers.c")
    transport = power.power_on(board, flashed)
    try:
        machine = Machine(transport)
        machine.ask(WRITE, STATUS, RUNNING)
        ended, cost = machine.ask(WAIT)
    finally:
        transport.close()
    assert ended == 0
    assert cost == pytest.approx(board.cpu.clock_hz * LIMIT_MS / 1000, rel=0.02)
