"""Power for emulated boards: starts the firmware process or QEMU and connects to it."""

import ctypes
import functools
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from edgesdk.board import Board
from edgesdk.errors import BuildError, DeviceError
from edgesdk.flash.store import Flashed
from edgesdk.link.npu_device import BoardNpu
from edgesdk.link.npu_page import NpuPage, NpuThread, NpuTransport
from edgesdk.link.transport import (
    Mailbox,
    MailboxTransport,
    OwnedSerialTransport,
    PipeTransport,
    Transport,
    stop_process,
)

_PR_SET_PDEATHSIG = 1


def power_on(board: Board, flashed: Flashed) -> Transport:
    """Start an emulated board; closing the transport powers it off.

    Raises:
        BuildError: the emulator is not installed.
        DeviceError: it does not start.
    """
    emulator = board.emulator
    if emulator is None:
        raise DeviceError(f"{board.name} is real hardware; name its port, see `edgesdk devices`")
    if emulator.kind == "process":
        return PipeTransport(_start(process_command(flashed)), f"{board.name} (process)")
    program = board.toolchain.emulator
    if shutil.which(program) is None:
        package = board.toolchain.emulator_package
        raise BuildError(f"{program} is not installed; install it: sudo apt-get install {package}")
    return _start_qemu(board, flashed)


def process_command(flashed: Flashed) -> list[str]:
    """Command line of a firmware process."""
    return [str(flashed.firmware), *([str(flashed.image)] if flashed.image else [])]


def qemu_command(
    board: Board, flashed: Flashed, ram_file: str, uart_fd: str, bell_fd: str = "BELL_SOCKET"
) -> list[str]:
    """Command line of QEMU: exact instruction counts, the image in the model's memory.

    `sleep=on` lets an idle guest sleep; while it computes, one instruction still takes exactly
    2^shift nanoseconds of its clock.
    """
    emulator, counter = board.emulator, board.counter
    assert emulator is not None and counter is not None
    command = [board.toolchain.emulator, "-nodefaults", "-display", "none", "-monitor", "none"]
    command += ["-icount", f"shift={counter.icount_shift},sleep=on,align=off"]
    if emulator.ram_bytes is None:
        command += ["-machine", str(emulator.machine)]
    else:
        ram = f"id=ram,size={emulator.ram_bytes},mem-path={ram_file},share=on"
        command += ["-machine", f"{emulator.machine},memory-backend=ram"]
        command += ["-object", f"memory-backend-file,{ram}"]
    command += [] if emulator.cpu is None else ["-cpu", emulator.cpu]
    command += [*emulator.options, "-kernel", str(flashed.firmware)]
    if flashed.image is not None:
        base = board.memory("model").base
        command += ["-device", f"loader,file={flashed.image},addr=0x{base:x},force-raw=on"]
    if flashed.link == "uart":
        command += ["-serial", "null"] * emulator.serial
        command += ["-chardev", f"socket,id=uart,fd={uart_fd},server=on,wait=off,nodelay=on"]
        command += ["-serial", "chardev:uart"]
    if board.npu is not None and board.npu.doorbell is not None:
        first = emulator.serial + 1 if flashed.link == "uart" else 0
        command += ["-serial", "null"] * (board.npu.doorbell.serial - first)
        command += ["-chardev", f"socket,id=bell,fd={bell_fd}", "-serial", "chardev:bell"]
    return command


def describe(board: Board, flashed: Flashed) -> str:
    """The command that powers the board on, for --dry-run."""
    if board.emulator is None:
        return f"(connect {board.name})"
    if board.emulator.kind == "process":
        return shlex.join(process_command(flashed))
    return shlex.join(qemu_command(board, flashed, "RAM_FILE", "UART_SOCKET"))


def _start_qemu(board: Board, flashed: Flashed) -> Transport:
    emulator = board.emulator
    assert emulator is not None
    with os.fdopen(os.memfd_create("edgesdk-ram"), "r+b") as ram, ExitStack() as on_failure:
        ram.truncate(emulator.ram_bytes or 0)
        bell, npu = None, None
        if board.npu is not None and board.npu.doorbell is not None:
            bell, ours = socket.socketpair()
            on_failure.callback(bell.close)
            on_failure.callback(ours.close)
            device = BoardNpu(board, ram.fileno())
            page = NpuPage(ram.fileno(), board.ram_offset(board.npu.base), device)
            npu = NpuThread(page, ours)
            on_failure.callback(npu.close)
        link = _start_linked(board, flashed, ram.fileno(), bell)
        on_failure.pop_all()
        if bell is None or npu is None:
            return link
        bell.close()  # QEMU has its own
        return NpuTransport(link, npu)


def _start_linked(
    board: Board, flashed: Flashed, ram: int, bell: socket.socket | None
) -> MailboxTransport | OwnedSerialTransport:
    """Start QEMU on RAM backed by file descriptor `ram`, with the link that was flashed."""
    where = f"{board.name} (QEMU)"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptors = [ram, listener.fileno()] + ([] if bell is None else [bell.fileno()])
        files = [f"/proc/self/fd/{ram}", *map(str, descriptors[1:])]
        process = _start(qemu_command(board, flashed, *files), tuple(descriptors))
        try:
            if flashed.link == "uart":
                assert board.uart is not None
                host, port = listener.getsockname()
                url = f"socket://{host}:{port}"
                return OwnedSerialTransport(url, board.uart.baud, process, where)
            memory = board.memory("mailbox")
            offset = board.ram_offset(memory.base)
            return MailboxTransport(Mailbox(ram, offset, memory.size_bytes), process, where)
        except BaseException:
            stop_process(process)
            raise


def _dies_with(parent: int) -> Callable[[], None]:
    """What a child does first: ask to be ended when `parent` ends, however that happens."""
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork, which may find locks held

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before we could ask
            os.kill(os.getpid(), signal.SIGKILL)

    return ask


@functools.cache
def _starter(process: int) -> ThreadPoolExecutor:
    """The thread of this process that starts children for others, and lasts as long as it."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"edgesdk-power-{process}")


def _start(command: list[str], descriptors: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    """Start a child. The kernel ends it with the thread that did, so a lasting one does."""
    if sys.platform != "linux" or threading.current_thread() is threading.main_thread():
        return _spawn(command, descriptors)
    return _starter(os.getpid()).submit(_spawn, command, descriptors).result()


def _spawn(command: list[str], descriptors: tuple[int, ...]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=descriptors,
            preexec_fn=_dies_with(os.getpid()) if sys.platform == "linux" else None,
        )
    except OSError as error:
        raise DeviceError(
            f"{command[0]} does not start ({error.strerror}); flash the board again"
        ) from error
