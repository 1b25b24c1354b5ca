"""A board at a labgrid place: acquired while a desk is in use, and found through its exporter."""

import importlib.util
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from edgesdk.bench.desk import LabgridPort
from edgesdk.errors import DeviceError, HeldError

COORDINATOR = "127.0.0.1:20408"  # labgrid's own default
ANSWER_S = 60.0  # the keeper's own waits end before
RELEASE_S = 45.0  # likewise: killed, it could not tell that the place stays acquired
POLL_S = 0.25
SERIAL = "NetworkSerialPort"
SCHEMES = {"rfc2217": "rfc2217", "raw": "socket"}
POWER = "PowerPort"  # how classes of resources that switch power end


def coordinator_of(port: LabgridPort) -> str:
    """Where the place's coordinator listens, as host:port."""
    return port.coordinator or os.environ.get("LG_COORDINATOR") or COORDINATOR


@dataclass(frozen=True)
class Look:
    """A place without touching it: where its board would be, who has it, why it cannot be used."""

    url: str | None
    owner: str | None
    problem: str | None


def look(port: LabgridPort) -> Look:
    """What the coordinator says of a place."""
    owner = None
    try:
        keeper = _Keeper(port, "look", 0)
        try:
            state = keeper.ask(Event(), ANSWER_S)
        finally:
            keeper.close()
        owner = state["owner"]
        return Look(_serial_url(port, state), owner, None)
    except DeviceError as error:
        return Look(None, owner, str(error))


class Hold:
    """A place that a desk may acquire; what was acquired is released by `close`.

    The holder is a process of its own, which ends and releases also where we are killed.
    """

    def __init__(self, port: LabgridPort, wait_s: float, stop: Event) -> None:
        """`wait_s` is for somebody else to release it; `stop` ends our waiting."""
        self.port = port
        self._wait_s = wait_s
        self._stop = stop
        self._keeper: _Keeper | None = None
        self._state: Mapping[str, Any] = {}

    def url(self) -> str:
        """Where the board's serial port is served now, as a pyserial URL; acquires the place.

        Raises:
            HeldError: somebody else has it.
            DeviceError: no coordinator, place, exporter or serial port.
        """
        try:
            if self._keeper is None:
                self._keeper = _Keeper(self.port, "hold", self._wait_s)
            else:
                self._keeper.question()
            self._state = self._keeper.ask(self._stop, self._wait_s + ANSWER_S)
        except DeviceError as error:
            if isinstance(error, HeldError):
                self._wait_s = 0.0  # who waited once in vain asks only from then on
            self.close()
            raise
        return _serial_url(self.port, self._state)

    def environment(self) -> dict[str, str]:
        """For the desk's own commands, so that `labgrid-client` means this place."""
        return {"LG_COORDINATOR": coordinator_of(self.port), "LG_PLACE": self.port.place}

    def power_command(self) -> tuple[str, ...]:
        """What switches the board off and on, where the place has something that can."""
        classes = [it["class"] for it in self._state.get("resources", ())]
        if not any(name.endswith(POWER) for name in classes):
            return ()
        beside = Path(sys.executable).with_name("labgrid-client")
        program = str(beside) if beside.is_file() else shutil.which("labgrid-client")
        return (program or "labgrid-client", "power", "cycle")

    def close(self) -> None:
        """Release the place where we acquired it."""
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None


def _serial_url(port: LabgridPort, state: Mapping[str, Any]) -> str:
    found = [it for it in state["resources"] if it["class"] == SERIAL]
    named = [it for it in found if port.resource in (None, it["name"])]
    names = ", ".join(it["name"] for it in found) or "none"
    if not named:
        wanted = f" {port.resource!r}" if port.resource else ""
        raise DeviceError(
            f"{port}: no serial port{wanted} is exported (serial ports: {names}); "
            "start the exporter, see `labgrid-client -p PLACE show`"
        )
    if len(named) > 1:
        raise DeviceError(f"{port}: has several serial ports: {names}; add resource")
    (serial,) = named
    if not serial["available"] or serial["port"] is None:
        raise DeviceError(
            f"{port}: exporter {serial['exporter']} has serial port {serial['name']}, but it is "
            "not available; check the board's cable there"
        )
    if serial["proxy"]:
        raise DeviceError(
            f"{port}: exporter {serial['exporter']} is isolated and reached by SSH alone; forward "
            f"{serial['host']}:{serial['port']} by ssh -L and name that port"
        )
    if serial["protocol"] not in SCHEMES:
        raise DeviceError(f"{port}: serial protocol {serial['protocol']!r} is not rfc2217 or raw")
    return f"{SCHEMES[serial['protocol']]}://{serial['host']}:{serial['port']}"


class _Keeper:
    """The process that holds a place, or looks at it."""

    def __init__(self, port: LabgridPort, mode: str, wait_s: float) -> None:
        if importlib.util.find_spec("labgrid") is None:
            missing = DeviceError(
                f"{port}: labgrid is not installed; install it: pip install 'edgesdk[labgrid]'"
            )
            missing.lasting = True
            raise missing
        self._port = port
        module = "edgesdk.bench.place_keeper"
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, mode, coordinator_of(port), port.place, f"{wait_s:g}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for us: the keeper releases when we end
        )

    def question(self) -> None:
        """Have it say once more what the place is."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"\n")
        except OSError as error:
            raise DeviceError(f"{self._port}: its keeper has ended; try again") from error

    def ask(self, stop: Event, limit_s: float) -> dict[str, Any]:
        """What the place is."""
        line = self._line(stop, limit_s)
        try:
            said = json.loads(line)
        except ValueError as error:
            raise DeviceError(f"{self._port}: its keeper ended without a word") from error
        if "problem" in said:
            kind = HeldError if said.get("held") else DeviceError
            raise kind(str(said["problem"]))
        return dict(said)

    def _line(self, stop: Event, limit_s: float) -> bytes:
        assert self._process.stdout is not None
        deadline, line = time.monotonic() + limit_s, b""
        while not line.endswith(b"\n"):
            if stop.is_set() or time.monotonic() >= deadline:
                said = "interrupted" if stop.is_set() else f"no word of it within {limit_s:g} s"
                raise DeviceError(f"{self._port}: {said}; try again")
            if select.select([self._process.stdout], [], [], POLL_S)[0]:
                data = os.read(self._process.stdout.fileno(), 65536)
                if not data:
                    break
                line += data
        return line

    def close(self) -> None:
        """Have it release the place, and end."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(RELEASE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
