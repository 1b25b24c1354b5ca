"""Every desk of a bench through its task, side by side; `edgesdk hil` shows what became of them."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from edgesdk.bench.desk import Bench, Desk
from edgesdk.bench.recogniser import Oracle, Recogniser, check_budgets
from edgesdk.bench.station import Station
from edgesdk.bench.verdict import Verdict, is_retried, one_line, verdict_of
from edgesdk.bundle import load_bundle
from edgesdk.errors import BenchError, EdgeError

TRIES = 2


@dataclass(frozen=True)
class Attempt:
    """One try on a desk; `cause` is one line, empty where all went well."""

    verdict: Verdict
    cause: str
    seconds: float
    exit_code: int = 0
    may_change: bool = False  # in a second try

    def document(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "verdict": self.verdict.value,
            "cause": self.cause,
            "seconds": self.seconds,
            "exit_code": self.exit_code,
        }


@dataclass(frozen=True)
class DeskResult:
    """What became of a desk; the last of its tries counts. A disabled desk has none."""

    desk: str
    board: str
    attempts: tuple[Attempt, ...]
    figures: Mapping[str, float] = field(default_factory=dict)
    disabled: str | None = None

    @property
    def last(self) -> Attempt | None:
        """The try that counts."""
        return self.attempts[-1] if self.attempts else None

    def document(self) -> dict[str, Any]:
        """Plain JSON values."""
        last = self.last
        return {
            "desk": self.desk,
            "board": self.board,
            "verdict": "disabled" if last is None else last.verdict.value,
            "cause": self.disabled if last is None else last.cause,
            "attempts": [attempt.document() for attempt in self.attempts],
            "figures": dict(self.figures),
        }


Progress = Callable[[str], None]


def examine(bench: Bench, oracle: Oracle, progress: Progress | None = None) -> list[DeskResult]:
    """All desks at once, each in a thread of its own; results in the bench's order.

    An interrupt ends what all of them wait for.
    """
    stop = Event()

    def one(desk: Desk) -> DeskResult:
        if desk.disabled is not None:
            return DeskResult(desk.name, desk.board.name, (), disabled=desk.disabled)
        return examine_desk(desk, oracle, progress, stop)

    with ThreadPoolExecutor(max_workers=len(bench.desks), thread_name_prefix="desk") as pool:
        try:
            return list(pool.map(one, bench.desks))
        except BaseException:
            stop.set()
            raise


def examine_desk(
    desk: Desk, oracle: Oracle, progress: Progress | None = None, stop: Event | None = None
) -> DeskResult:
    """One desk through its task, a second time where the first try tells nothing of the board."""
    station = Station(desk, "edgesdk hil", stop)
    attempts: list[Attempt] = []
    try:
        while True:
            attempt, figures = _try(station, oracle)
            attempts.append(attempt)
            stopped = station.stop.is_set()
            again = attempt.may_change and len(attempts) < TRIES and not stopped
            if progress is not None and not stopped:
                cause = f": {attempt.cause}" if attempt.cause else ""
                retry = " (trying again)" if again else ""
                progress(f"{desk.name}: {attempt.verdict}{cause}{retry}")
            if not again:
                return DeskResult(desk.name, desk.board.name, tuple(attempts), figures)
            station.suspect = True
    finally:
        station.close()


def _try(station: Station, oracle: Oracle) -> tuple[Attempt, dict[str, float]]:
    begin = time.monotonic()
    figures: dict[str, float] = {}
    try:
        _perform(station, oracle, figures)
    except EdgeError as error:
        spent = time.monotonic() - begin
        ended = verdict_of(error), one_line(error), spent, error.exit_code, is_retried(error)
        return Attempt(*ended), figures
    return Attempt(Verdict.PASSED, "", time.monotonic() - begin), figures


def _perform(station: Station, oracle: Oracle, figures: dict[str, float]) -> None:
    """The desk's task; `figures` receives what was measured, also where a budget is exceeded."""
    desk, task = station.desk, station.desk.task
    if task.bundle is None or not task.clips:
        raise BenchError(f"{desk.where}: no bundle and clips to run; add them to [run] or its own")
    bundle = load_bundle(task.bundle)
    with station.open(bundle) as device:
        recogniser = Recogniser(device, bundle, oracle)
        recogniser.hear(task.clips, task.expect)
        figures.update(recogniser.figures())
    check_budgets(task.budget, figures)
