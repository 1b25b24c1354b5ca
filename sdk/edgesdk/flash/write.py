"""Write a real board: choose a method, lay out its files, run its tool."""

import fcntl
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from edgesdk.board import Board
from edgesdk.board.flash import Flash
from edgesdk.errors import EdgeError, FlashError
from edgesdk.flash import esptool, jlink, openocd, picotool, pyocd, stm32, uf2
from edgesdk.flash.job import FlashJob
from edgesdk.flash.tool import Choice, OnProgress, Plan, run_step
from edgesdk.folders import flash_files_dir, locks_dir, replace_file
from edgesdk.toml_table import did_you_mean

VENDOR = "vendor"  # files and words for people; nothing is run
PLANS: dict[str, Callable[[FlashJob, Flash, Choice, Path], Plan]] = {
    "pyocd": pyocd.plan,
    "openocd": openocd.plan,
    "jlink": jlink.plan,
    "stm32": stm32.plan,
    "esptool": esptool.plan,
    "picotool": picotool.plan,
    "uf2": uf2.plan,
}
LEAST_S = 60.0  # for a tool to begin and end
SLOWEST = 4096  # bytes per second
ERASE_S = 300.0  # a large external flash takes minutes


@dataclass(frozen=True)
class Written:
    """A board was written."""

    method: str
    tool: str
    read_back: bool  # and found equal; a boot ROM's drive only takes or refuses
    commands: tuple[str, ...]
    seconds: float


def flash_facts(board: Board) -> Flash:
    """How a real board is flashed.

    Raises:
        EdgeError: it is emulated.
    """
    if board.flash is None:
        raise EdgeError(
            f"{board.name} is emulated: flashing it needs no tool; leave out --with, --probe, "
            "--erase and -o"
        )
    return board.flash


def choose_method(board: Board, method: str | None = None) -> str:
    """`method` where the board offers it, its default where none is named.

    Raises:
        EdgeError: the board has no facts for it.
    """
    flash = flash_facts(board)
    if method is None:
        return flash.default
    if method not in flash.offered:
        offered = ", ".join(flash.offered)
        raise EdgeError(
            f"{board.name} has no [flash.{method}] in its board file"
            f"{did_you_mean(method, flash.offered, f'it has {offered}')}"
        )
    return method


def work_folder(board: Board, choice: Choice) -> Path:
    """Where a tool's files lie: one folder a probe, which only one tool can use at a time."""
    digest = hashlib.sha256((choice.probe or "").encode()).hexdigest()[:8]
    return flash_files_dir() / f"{board.name}-{digest}"


def make_plan(job: FlashJob, method: str, choice: Choice) -> Plan:
    """All that a method would do.

    Raises:
        DeviceError: several devices, or none.
        FlashError: its tool is not installed, or cannot do what was chosen.
    """
    flash = flash_facts(job.board)
    return PLANS[method](job, flash, choice, work_folder(job.board, choice))


def default_limit_s(job: FlashJob, choice: Choice) -> float:
    """The longest that one call of a tool may take."""
    return LEAST_S + job.size_bytes / SLOWEST + (ERASE_S if choice.erase else 0.0)


def write_board(
    job: FlashJob,
    method: str,
    choice: Choice,
    on_progress: OnProgress,
    limit_s: float | None = None,
    stop: Event | None = None,
) -> Written:
    """Write, read back and reset a board; `limit_s` is for each call of the tool.

    Raises:
        DeviceError: no probe or port, or several.
        FlashError: no tool, or it failed; what is on the board then is not known.
    """
    plan = make_plan(job, method, choice)
    folder = work_folder(job.board, choice)
    limit_s = limit_s or default_limit_s(job, choice)
    seconds = 0.0
    with _alone(folder):
        lay_out(folder, plan.files)
        for step in plan.steps:
            seconds += run_step(step, plan.tool, job.board.name, limit_s, on_progress, stop)
    commands = tuple(step.by_hand for step in plan.steps)
    return Written(method, plan.tool.name, plan.tool.reads_back, commands, seconds)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others from replacing a tool's files while it reads them.

    Raises:
        FlashError: somebody else uses the folder, and with it the probe.
    """
    path = locks_dir() / f"flash-{folder.name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise FlashError(f"{path}: cannot be written ({error.strerror}); check it") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FlashError(
                f"{folder.name.rpartition('-')[0]}: somebody else flashes it by the same probe; "
                "wait for the end, or name another one with --probe"
            ) from None
        yield


def lay_out(folder: Path, files: Mapping[str, Callable[[], bytes]]) -> None:
    """Write files where only this user reads them; each is there whole or not at all.

    Raises:
        FlashError: the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in files.items():
            replace_file(folder / name, content(), mode=0o600)
        for path in folder.iterdir():
            if path.name not in files:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise FlashError(f"{folder}: cannot be written ({error.strerror}); check it") from error
