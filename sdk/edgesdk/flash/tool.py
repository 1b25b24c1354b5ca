"""Run a flash tool: with a time limit, its progress passed on, and its failure sorted."""

import contextlib
import os
import re
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from threading import Event

from edgesdk.errors import DeviceError, EdgeError, FlashError, HopelessError

GRACE_S = 3.0  # for a tool to let go of its probe before it is killed
POLL_S = 0.2
STAGES = {  # beginnings of what tools say that they do, in our words
    r"erasing": "erasing",
    r"writing|programming|download in progress|loading into": "writing",
    r"verifying": "verifying",
}
HALF = "the board may hold half a firmware: flash it again"
LONGEST_LINE = 300  # characters of a tool's words in a message
LONGEST_OUTPUT = 1 << 20  # bytes of a tool's words that are kept
ERROR = re.compile(r"(?i)\berror\b")
TROUBLE = re.compile(
    r"\b(error|fail\w*|fatal|cannot|can't|unable|could not|couldn't|invalid)\b", re.I
)


class Fault(Enum):
    """Why a flash tool fails: what it means, and what to do."""

    NO_PROBE = "no probe is connected", "connect it, check its cable and the probe's name"
    SEVERAL = "several probes are connected", "name one with --probe"
    BUSY = "the probe is in use", "end the program that holds it (debugger, IDE, server)"
    PERMISSION = "this user may not open the probe", "install the tool's udev rules"
    NO_TARGET = "the chip does not answer", "check power, wiring and that it is not asleep"
    WRONG_CHIP = "another chip than the board file's", "check --board and the probe's cable"
    VERIFY = "what was read back differs", "flash it again, with --erase; then suspect the chip"
    PROTECTED = "the flash is protected", "remove the protection with the maker's tool"
    UNKNOWN_TARGET = "the tool does not know the board", "update it, or correct [flash]"
    FULL = "it does not fit", "check the board file's memories"
    TIMEOUT = "no end in time", "check cable and power, then try again"
    OTHER = "failed", "run it by hand to see more"

    @property
    def means(self) -> str:
        """The fault in words."""
        return str(self.value[0])

    @property
    def next(self) -> str:
        """What to do about it."""
        return str(self.value[1])

    @property
    def kind(self) -> type[EdgeError]:
        """What is raised: nobody there, what trying again does not help, what it may."""
        if self in (Fault.NO_PROBE, Fault.SEVERAL):
            return DeviceError
        lasting = (Fault.PERMISSION, Fault.WRONG_CHIP, Fault.PROTECTED, Fault.UNKNOWN_TARGET)
        return HopelessError if self in (*lasting, Fault.FULL) else FlashError


@dataclass(frozen=True)
class Tool:
    """How one tool speaks."""

    name: str
    signs: tuple[tuple[str, Fault], ...]  # patterns of its words, the most telling first
    begun: str  # from this pattern on, the flash may have changed
    done: str  # what it says once for each thing verified
    reads_back: bool = True  # else `done` tells of the next best sign
    percent: tuple[str, ...] = (r"(\d{1,3})(?:\.\d+)? ?%",)  # one group: percent; two: done, of all


@dataclass(frozen=True)
class Step:
    """One call: `verifies` is how often the tool has to say that it is done."""

    what: str  # for people, while it runs
    command: tuple[str, ...]
    verifies: int = 1
    folder: Path | None = None  # where it runs

    @property
    def by_hand(self) -> str:
        """The command line, for a shell."""
        there = f"cd {shlex.quote(str(self.folder))} && " if self.folder else ""
        return there + shlex.join(self.command)


@dataclass(frozen=True)
class Plan:
    """All that a method does: files in a folder of its own, then calls."""

    tool: Tool
    files: Mapping[str, Callable[[], bytes]]
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """What the user wants of a method."""

    probe: str | None = None  # serial number, or what else the method selects a probe by
    erase: bool = False  # everything first
    dry_run: bool = False  # then neither tool nor device need be there


OnProgress = Callable[[str, float | None], None]  # what, and how much of it from 0 to 1


@dataclass
class _Run:
    """A call that runs, and what it has said."""

    step: Step
    tool: Tool
    board: str
    on_progress: OnProgress
    lines: list[str] = field(default_factory=list)
    kept: int = 0
    begun: bool = False
    stage: str | None = None  # what it says that it does

    def hear(self, line: str) -> None:
        line = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)
        line = " ".join("".join(c if c.isprintable() else " " for c in line).split())
        if not line:
            return
        self.begun = self.begun or re.search(self.tool.begun, line) is not None
        stage = _stage(line)
        self.stage = stage or self.stage
        shown = _percent(self.tool, line)
        if shown is not None or stage is not None:
            self.on_progress(self.stage or self.step.what, shown)
        if self.kept < LONGEST_OUTPUT:
            self.kept += len(line)
            self.lines.append(line)

    def fault(self, fault: Fault, line: str) -> EdgeError:
        # Of a tool that we end, the last words are lost.
        half = f"; {HALF}" if self.begun or fault is Fault.TIMEOUT else ""
        said = "" if line == fault.means else f" ({line[:LONGEST_LINE]})"
        text = (
            f"{self.board}: {self.tool.name}: {fault.means}{said}; {fault.next}{half}; "
            f"by hand: {self.step.by_hand}"
        )
        return fault.kind(text)

    def sorted_fault(self, code: int) -> EdgeError:
        for pattern, fault in self.tool.signs:
            for line in self.lines:
                if re.search(pattern, line, re.I):
                    return self.fault(fault, line)
        words = (ERROR, TROUBLE, re.compile(""))
        telling = (line for word in words for line in self.lines if word.search(line))
        return self.fault(Fault.OTHER, next(telling, f"no word, exit code {code}"))


def _stage(line: str) -> str | None:
    for pattern, stage in STAGES.items():
        if re.match(rf"(?i)(edgesdk: |J-Link>)?({pattern})", line):
            return stage
    return None


def _percent(tool: Tool, line: str) -> float | None:
    for pattern in tool.percent:
        found = re.search(pattern, line)
        if found is not None:
            done, *of = (int(group) for group in found.groups())
            whole = of[0] if of else 100
            return min(1.0, done / whole) if whole else 1.0
    return None


def run_step(
    step: Step,
    tool: Tool,
    board: str,
    limit_s: float,
    on_progress: OnProgress,
    stop: Event | None = None,
) -> float:
    """Run one call to its end; returns the seconds that it took. Nothing of it outlives this.

    Raises:
        DeviceError: no probe, or several.
        FlashError: it does not start or end, fails, or does not say that it verified.
        HopelessError: it fails, and trying again does not help.
    """
    run = _Run(step, tool, board, on_progress)
    start = time.monotonic()
    try:
        process = subprocess.Popen(
            step.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=step.folder,
            env={**os.environ, "LC_ALL": "C", "PYTHONUNBUFFERED": "1"},  # its words as they come
            start_new_session=True,  # Ctrl-C is ours to pass on
        )
    except OSError as error:
        raise FlashError(
            f"{board}: {step.command[0]} does not start ({error.strerror}); check its installation"
        ) from error
    on_progress(step.what, None)
    try:
        for line in _lines(process, start + limit_s, stop or Event()):
            run.hear(line)
        if stop is not None and stop.is_set():
            raise FlashError(f"{board}: {tool.name}: interrupted; {HALF}")
        left = max(0.1, start + limit_s - time.monotonic())
        code = process.wait(left)
    except subprocess.TimeoutExpired:
        raise run.fault(Fault.TIMEOUT, f"after {limit_s:g} s") from None
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(f"{board}: {HALF}")
        raise
    finally:
        end_with_children(process)
    if code != 0:
        raise run.sorted_fault(code)
    said = sum(1 for line in run.lines if re.search(tool.done, line))
    if said < step.verifies:
        raise _unsaid(run, code)
    return time.monotonic() - start


def _unsaid(run: _Run, code: int) -> EdgeError:
    """A tool that ends well without having verified: some report errors in words only."""
    signs = [pattern for pattern, _ in run.tool.signs] + [TROUBLE.pattern]
    if any(re.search(sign, line, re.I) for sign in signs for line in run.lines):
        return run.sorted_fault(code)
    last = run.lines[-1] if run.lines else "no word"
    return run.fault(Fault.VERIFY, f"it never said that it verified; last: {last}")


def _lines(process: subprocess.Popen[bytes], deadline: float, stop: Event) -> Iterator[str]:
    """What it says, to its end or until `stop`."""
    assert process.stdout is not None
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, 0)
            if stop.is_set():
                return
            if not selector.select(min(left, POLL_S)):
                if process.poll() is None:
                    continue
                # What it has started and left behind may hold its output open for good.
                yield pending.decode("utf-8", "replace")
                return
            data = os.read(process.stdout.fileno(), 65536)
            pieces = re.split(rb"[\r\n\x08]+", pending + data)
            pending = pieces.pop()[-4096:]
            yield from (piece.decode("utf-8", "replace") for piece in pieces)
            if not data:
                yield pending.decode("utf-8", "replace")
                return


def end_with_children(process: subprocess.Popen[bytes]) -> None:
    """Make sure that nothing is left of a program with its own session, nor of its children."""
    try:
        if process.poll() is None:
            _signal(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
    finally:  # also where somebody cannot wait
        _signal(process, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left in its group
        os.killpg(process.pid, number)
