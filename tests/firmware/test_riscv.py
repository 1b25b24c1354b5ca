"""RISC-V: what a boot ROM finds in the image, and a fault before variables have values."""

import dataclasses
import struct
import subprocess
import time
from pathlib import Path

import pytest
from edgesdk.board import load_board
from edgesdk.build import BuildOptions, build
from edgesdk.errors import WireError
from edgesdk.flash.store import load, store
from edgesdk.link.device import open_device
from edgesdk.link.messages import Message
from edgesdk.link.power import qemu_command
from small_bundle import recogniser_bundle
from test_boards import _agree, _noise, _pieces
from uart_model import BARE

pytestmark = pytest.mark.needs_riscv


def _loads(elf: bytes) -> list[tuple[int, int, bytes]]:
    """Address for the processor, address in the image, and content of each part."""
    (start,) = struct.unpack_from("<I", elf, 28)
    (count,) = struct.unpack_from("<H", elf, 44)
    found = []
    for index in range(count):
        kind, at, address, place, size = struct.unpack_from("<5I", elf, start + 32 * index)
        if kind == 1 and size:
            found.append((address, place, elf[at : at + size]))
    return found


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_direct_boot_finds_its_words_and_loads_find_constants(compiler: str) -> None:
    """Espressif's magic, the code behind it, constants where the other cache sees the flash."""
    board = load_board("esp32-c3-devkit")
    elf = build(board, None, BuildOptions(compiler=compiler)).firmware.read_bytes()
    parts = _loads(elf)
    (entry,) = struct.unpack_from("<I", elf, 24)
    assert entry == 0x4200_0008
    code, constants = parts[0], parts[1]
    assert code[:2] == (0x4200_0000, 0x4200_0000)
    assert code[2][:8] == bytes.fromhex("1d04dbae1d04dbae")
    assert constants[0] - 0x3C00_0000 == constants[1] - 0x4200_0000 == len(code[2])
    board_name = board.name.encode() + b"\0"
    assert board_name in constants[2] and board_name not in code[2]
    end = 0
    for _, place, content in parts:  # a flash image without holes or overlaps
        assert end in (0, place)
        end = place + len(content)


def test_fault_at_every_start_ends_after_one_restart(devices: Path) -> None:
    """An interrupt controller that is not there: the first fault restarts, the second stops."""
    known = load_board("qemu-sifive-e")
    assert known.riscv is not None
    wrong = dataclasses.replace(known, riscv=dataclasses.replace(known.riscv, plic=0xB000_0000))
    store(build(wrong), devices)
    log = devices / "faults.txt"
    command = qemu_command(wrong, load(known.name, devices), "", "0")
    for word in ("-chardev", "-serial"):  # nobody listens
        at = command.index(word)
        del command[at : at + 2]
    with subprocess.Popen([*command, "-d", "int", "-D", str(log)]) as process:
        time.sleep(1.5)
        process.kill()
    said = log.read_text(encoding="utf-8")
    assert said.count("fault") == 2, said


def test_uart_still_interrupts_after_a_fault_in_its_handler(tmp_path: Path, devices: Path) -> None:
    """A start by a jump leaves a PLIC what that handler had claimed."""
    known = load_board("qemu-riscv-virt")
    assert known.uart is not None
    assert known.riscv is not None
    text = (BARE / "uart_16550.c").read_text(encoding="utf-8")
    taken = "edge_uart_received(take());"
    assert text.count(taken) == 1
    faulty = """{
      const uint8_t byte = take();
      edge_uart_received(byte);
      if (byte == 0xEEu) { EDGE_REG(0xFFFFFFF0u) = 1; }
    }"""
    (tmp_path / "uart.c").write_text(text.replace(taken, faulty), encoding="utf-8")
    uart = dataclasses.replace(known.uart, driver=str(tmp_path / "uart.c"))
    riscv = dataclasses.replace(known.riscv, restart=None, restart_bits=None)
    board = dataclasses.replace(known, uart=uart, riscv=riscv)
    store(build(board, None, BuildOptions(link="uart")), devices)
    with open_device(board, devices=devices, timeout_s=5) as device:
        with pytest.raises(WireError, match="restarted in the middle"):
            device.channel.request(Message.PING, b"\xee", Message.PONG)
        assert device.hello().boot.faulted
        assert device.channel.request(Message.PING, b"alive", Message.PONG) == b"alive"


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_float_registers_give_the_bits_of_software_floats(compiler: str, devices: Path) -> None:
    """A core with the F extension, by the UART, whose interrupts come between float operations."""
    known = load_board("qemu-riscv-virt")
    target = ("-march=rv32imafc", "-mabi=ilp32f")
    board = dataclasses.replace(known, compiler=dataclasses.replace(known.compiler, target=target))
    bundle = recogniser_bundle()
    store(build(board, bundle, BuildOptions(compiler=compiler, link="uart")), devices)
    with open_device(board, devices=devices) as device:
        samples = _noise(1.0)
        _agree(device.recognise(_pieces(samples, 160), trace=True), bundle, samples)
        metrics = device.metrics()
    assert metrics.receive_lost == 0
    assert 0 < metrics.features < 10_000_000  # a tenth of what software floats take
