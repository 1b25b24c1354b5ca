"""What a board file alone decides: start-up accesses, drivers of one's own, models in flash."""

import dataclasses
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from edgesdk.board import Board, load_board
from edgesdk.build import BuildOptions, build
from edgesdk.core import Image, Recogniser, TokenEvent
from edgesdk.errors import NoAnswerError
from edgesdk.flash.store import store
from edgesdk.link.channel import RefusedError
from edgesdk.link.device import Device, open_device
from edgesdk.link.messages import ClockKind
from edgesdk.link.status import Status
from edgesdk.resources import resource_dir
from small_bundle import recogniser_bundle

pytestmark = [pytest.mark.needs_gcc, pytest.mark.needs_qemu]

BASE = "qemu-mps2-an386"
MODEL = 'name = "psram_model"\nbase = 0x2104_0000\nsize_bytes = 0xF0_0000'
STEPS = """
[setup]
source = "none: a test"
steps = [
  { write = 0x21FFE000, value = 0x21FFF000, why = "a table: an address" },
  { write = 0x21FFE004, value = 0x11223344, why = "its value" },
  { write = 0x21FFE008, value = 0xFFFFFFFF, why = "the end" },
  { pairs = 0x21FFE000, count = 4, why = "all of a word" },
  { write = 0x21FFF001, value = 0x55, width = 8, why = "one byte of it" },
  { write = 0x21FFF002, value = 0x6677, width = 16, why = "half of it" },
  { set = 0x21FFF000, bits = 0x0F, why = "the lowest bits" },
  { clear = 0x21FFF000, bits = 0x40, why = "one bit" },
  { change = 0x21FFF000, bits = 0xF000, value = 0xA000, why = "a field" },
  { wait = 0x21FFF000, bits = 0xFFFFFFFF, value = 0xVALUE, why = "what came of it" },
]
"""
CAME_OF_IT = 0x6677_A50F  # 11223344, 11225544, 66775544, 6677554F, 6677550F, 6677A50F


def _board(folder: Path, value: int) -> Board:
    """The board with a small model region that it takes for flash, steps, and its own driver."""
    own = resource_dir("firmware_templates") / "ports/bare/uart_cmsdk.c"
    (folder / "my_uart.c").write_text(own.read_text(encoding="utf-8"), encoding="utf-8")
    text = (resource_dir("boards") / f"{BASE}.toml").read_text(encoding="utf-8")
    small = MODEL.replace("0xF0_0000", "0x80_0000") + '\nkind = "flash"'
    for old, new in (
        (f'name = "{BASE}"', 'name = "mine"'),
        (MODEL, small),
        ('driver = "cmsdk"', 'driver = "my_uart.c"'),
        ('default = "mailbox"', 'default = "uart"'),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = folder / "mine.toml"
    path.write_text(text + STEPS.replace("VALUE", f"{value:08X}"), encoding="utf-8")
    return load_board(path)


def _open(folder: Path, board: Board, **options: float) -> Device:
    bundle = recogniser_bundle()
    store(build(board, bundle, BuildOptions()), folder)
    return open_device(board, devices=folder, **options)  # type: ignore[arg-type]


def test_steps_are_done_own_driver_speaks_and_flash_is_not_written(tmp_path: Path) -> None:
    board, bundle = _board(tmp_path, CAME_OF_IT), recogniser_bundle()
    with _open(tmp_path, board) as device:
        device.check_bundle(bundle.digest)
        with pytest.raises(RefusedError, match=r"READ_ONLY: .*; run `edgesdk flash") as caught:
            device.load(bundle.device_bytes())
        assert caught.value.code == Status.READ_ONLY
        assert device.hello().bundle_digest == bundle.digest, "what lies in flash is untouched"


def test_hardware_counts_cycles_of_its_clock(tmp_path: Path) -> None:
    """What a real board's firmware says of its counter; QEMU's ticks stand for its cycles."""
    board = load_board(BASE)
    assert board.counter is not None and board.cpu.clock_hz is not None
    cycles = dataclasses.replace(board.counter, kind="cycles", tick_ns=None, cycles_per_tick=3)
    bundle = recogniser_bundle()
    counts = {}
    for name, counter in (("cycles", cycles), ("instructions", board.counter)):
        with _open(tmp_path, dataclasses.replace(board, counter=counter)) as device:
            clock = device.identity.clock, device.identity.clock_hz
            device.check_bundle(bundle.digest)
            device.recognise([np.zeros(16000, np.int16)])
            counts[name] = device.metrics().encoder
        assert (
            clock
            == {
                "cycles": (ClockKind.CYCLES, board.cpu.clock_hz),
                "instructions": (ClockKind.INSTRUCTIONS, 0),
            }[name]
        )
    ticks = counts["instructions"] * 128 / 40  # an instruction takes 128 ns, a tick 40
    assert counts["cycles"] == pytest.approx(3 * ticks, rel=1e-3)


def test_a_wait_that_never_ends_keeps_the_firmware_silent(tmp_path: Path) -> None:
    board = _board(tmp_path, CAME_OF_IT + 1)
    with pytest.raises(NoAnswerError):
        _open(tmp_path, board, hello_timeout_s=1.0).close()


def _page() -> str:
    return (Path(__file__).parents[2] / "docs/porting.md").read_text(encoding="utf-8")


def _documented() -> list[tuple[str, str]]:
    """Board file and C, where there is some, of each board of the page."""
    blocks = re.findall(r"```toml\n(schema.*?)```(?:\n\n```c\n(.*?)```)?", _page(), re.S)
    return [(toml, code) for toml, code in blocks]


@pytest.mark.parametrize(("toml", "code"), _documented(), ids=["file alone", "with a driver"])
def test_documented_board_runs_as_it_stands(toml: str, code: str, tmp_path: Path) -> None:
    """Fewer than fifty lines make a board of a machine that no shipped file knows."""
    assert len(toml.splitlines()) + len(code.splitlines()) < 50
    facts = tomllib.loads(toml)
    name = facts["name"]
    assert not (resource_dir("boards") / f"{name}.toml").exists()
    path = tmp_path / f"{name}.toml"
    path.write_text(toml, encoding="utf-8")
    if code:
        (tmp_path / facts["counter"]["driver"]).write_text(code, encoding="utf-8")
    bundle = recogniser_bundle()
    with _open(tmp_path, load_board(path)) as device:
        device.check_bundle(bundle.digest)
        samples = np.random.default_rng(5).normal(0, 3000, 16000).astype(np.int16)
        tokens: list[TokenEvent] = []
        laptop = Recogniser(Image(bundle.device_bytes()), None, tokens.append)
        laptop.push(samples)
        laptop.finish()
        heard = device.recognise([samples])
        assert device.metrics().total > 0
    assert [token.id for token in heard.tokens] == [token.token for token in tokens] != []


def test_drivers_are_those_of_the_page() -> None:
    """The page's table names each driver of each port, and no other."""
    rows = re.findall(r"^\| `(\w+)` \| (`.*`) \| (`.*`) \|$", _page(), re.MULTILINE)
    told = {port: [re.findall(r"`(\w+)`", cell) for cell in cells] for port, *cells in rows}
    there = {}
    for path in (resource_dir("firmware_templates") / "ports").glob("*/port.toml"):
        port = tomllib.loads(path.read_text(encoding="utf-8"))
        if "uart_sources" in port:
            there[path.parent.name] = [[*port["uart_sources"]], [*port["counter_sources"]]]
    assert told == there
