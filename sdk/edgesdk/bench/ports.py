"""Which of the serial ports that are plugged in belongs to which desk."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from serial.tools import list_ports

from edgesdk.bench.desk import Bench, Desk, LabgridPort, UsbPort
from edgesdk.bench.place import look
from edgesdk.errors import DeviceError

BY_ID = Path("/dev/serial/by-id")


class ListedPort(Protocol):
    """What is known of a port (pyserial's ListPortInfo offers it)."""

    device: str
    description: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    location: str | None


def usb_ports() -> list[ListedPort]:
    """USB serial ports that are plugged in; built-in ones say nothing of what hangs on them."""
    ports: Iterable[ListedPort] = list_ports.comports()
    return sorted((port for port in ports if port.vid is not None), key=lambda port: port.device)


def stable_name(port: str) -> str:
    """The port's link in /dev/serial/by-id, which survives replugging; else its own name."""
    try:
        links = sorted(BY_ID.iterdir())
    except OSError:
        return port
    real = Path(port).resolve()
    return next((str(link) for link in links if link.resolve() == real), port)


@dataclass(frozen=True)
class Match:
    """A desk and the ports that may be its own; a URL and an emulator always match themselves.

    Of a labgrid place, `owner` has it acquired, and `fault` says why it offers no port.
    """

    desk: Desk
    ports: tuple[str, ...]
    owner: str | None = None
    fault: str | None = None

    @property
    def problem(self) -> str | None:
        """Why the desk cannot be used; None where it can."""
        if self.fault is not None:
            return self.fault
        if len(self.ports) == 1:
            return None
        if not self.ports:
            return f"no port is {self.desk.port}; plug it in, see `edgesdk devices`"
        listed = " and ".join(self.ports)
        return f"{len(self.ports)} ports are {self.desk.port}: {listed}; add serial or location"


def _fits(wanted: UsbPort, port: ListedPort) -> bool:
    pairs = (
        (wanted.vid, port.vid),
        (wanted.pid, port.pid),
        (wanted.serial, port.serial_number),
        (wanted.location, port.location),
    )
    return all(want is None or want == have for want, have in pairs)


def match(desk: Desk, plugged: Sequence[ListedPort]) -> Match:
    """The ports of `plugged` that may be the desk's; asks the coordinator of a labgrid place."""
    if isinstance(desk.port, LabgridPort):
        seen = look(desk.port)
        return Match(desk, (seen.url,) if seen.url else (), seen.owner, seen.problem)
    if not isinstance(desk.port, UsbPort):
        return Match(desk, (desk.port,))
    return Match(desk, tuple(stable_name(it.device) for it in plugged if _fits(desk.port, it)))


def match_all(bench: Bench, plugged: Sequence[ListedPort]) -> list[Match]:
    """Every desk with its ports."""
    with ThreadPoolExecutor(max_workers=len(bench.desks)) as pool:
        return list(pool.map(lambda desk: match(desk, plugged), bench.desks))


def clashes(matches: Sequence[Match]) -> list[str]:
    """Ports that more than one desk would take, one sentence each."""
    takers: dict[str, list[str]] = {}
    for found in matches:
        if found.problem is None and not found.desk.emulated:
            takers.setdefault(found.ports[0], []).append(repr(found.desk.name))
    return [
        f"desks {' and '.join(names)} both mean {port}; add serial or location"
        for port, names in takers.items()
        if len(names) > 1
    ]


def find_port(desk: Desk) -> str:
    """The one port of a desk, as a pyserial URL.

    Raises:
        DeviceError: none fits, or several do.
    """
    found = match(desk, usb_ports() if isinstance(desk.port, UsbPort) else ())
    if found.problem is not None:
        raise DeviceError(found.problem)
    return found.ports[0]
