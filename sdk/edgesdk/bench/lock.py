"""One user of a desk at a time, on this computer: a lock file that says who holds it.

The operating system ends a lock with its process, so none is ever left behind.
"""

import fcntl
import json
import os
import time
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import IO

from edgesdk.bench.desk import Desk
from edgesdk.errors import DeviceError, HeldError
from edgesdk.folders import locks_dir

POLL_S = 0.1


class DeskLock:
    """The lock of one desk; may be acquired and released many times."""

    def __init__(self, desk: Desk, who: str, stop: Event | None = None) -> None:
        """`who` is for the others that wait: a test, a command; `stop` ends our own waiting."""
        self.desk = desk
        self.who = who
        self.path = locks_dir() / f"{desk.key}.lock"
        self._stop = stop or Event()
        self._wait_s = desk.lock_wait_s
        self._file: IO[str] | None = None

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return self._file is not None

    def acquire(self) -> None:
        """Wait for it, at most the desk's lock_wait_s.

        Raises:
            HeldError: somebody else keeps it.
            DeviceError: the lock file cannot be written.
        """
        if self._file is not None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = self.path.open("a+", encoding="utf-8")
        except OSError as error:
            raise DeviceError(
                f"{self.path}: the desk cannot be locked ({error.strerror}); check the folder"
            ) from error
        try:
            self._wait(file)
        except BaseException:
            file.close()
            raise
        self._file = file
        self._sign(file)

    def _wait(self, file: IO[str]) -> None:
        deadline = time.monotonic() + self._wait_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline or self._stop.is_set():
                    self._wait_s = 0.0  # who waited once in vain asks only from then on
                    raise HeldError(
                        f"held by {holder(self.path) or 'somebody unknown'}, "
                        f"{self.desk.lock_wait_s:g} s waited; wait for its end, or end it"
                    ) from None
            self._stop.wait(POLL_S)

    def _sign(self, file: IO[str]) -> None:
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        file.seek(0)
        file.truncate()
        json.dump({"pid": os.getpid(), "who": self.who, "since": since}, file)
        file.flush()

    def release(self) -> None:
        """Let others have it."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None


def holder(path: Path) -> str | None:
    """Who signed a lock file, in words; None where nobody did."""
    try:
        signed = json.loads(path.read_text(encoding="utf-8"))
        return f"process {signed['pid']} ({signed['who']}) since {signed['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def who_holds(desk: Desk) -> str | None:
    """Who holds a desk now, in words; None where it is free."""
    path = locks_dir() / f"{desk.key}.lock"
    try:
        with path.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return holder(path) or "somebody unknown"
    except OSError:
        return None  # nobody ever held it
    return None
