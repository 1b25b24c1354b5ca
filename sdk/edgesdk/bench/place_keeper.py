"""Holds a labgrid place as a process of its own, which gives it back however its parent ends.

    python -m edgesdk.bench.place_keeper hold|look COORDINATOR PLACE WAIT_S

Writes one JSON object per line on standard output: what the place is now, once at first and once
more for each line on standard input. `hold` acquires it, waiting while somebody else has it, and
releases it when standard input ends; `look` only looks, and ends.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from typing import Any

import grpc
from labgrid.remote.client import ClientSession, Error
from labgrid.remote.common import Place
from labgrid.remote.generated import labgrid_coordinator_pb2 as messages
from labgrid.util.proxy import proxymanager

CONNECT_S = 10.0
RELEASE_S = 20.0
EXPORTED_S = 5.0  # for an exporter to say at which port it serves
POLL_S = 0.2
DEFAULT_PORT = 20408


class KeeperError(Exception):
    """Why the place cannot be had; `held` where somebody else has it."""

    def __init__(self, message: str, *, held: bool = False) -> None:
        super().__init__(message)
        self.held = held


class Keeper:
    """One place at one coordinator."""

    def __init__(self, coordinator: str, name: str) -> None:
        self._coordinator = coordinator
        self._name = name
        self._session: ClientSession | None = None
        self._is_mine = False  # whether it was we who acquired it
        self.wanted = True  # False once nobody waits for it any more

    @property
    def _connected(self) -> ClientSession:
        session = self._session
        if session is None or session.stopping.is_set():
            raise KeeperError(f"the labgrid coordinator at {self._coordinator} has gone; start it")
        return session

    @property
    def _place(self) -> Place:
        session = self._connected
        for place in session.places.values():
            if self._name in (place.name, *place.aliases):
                return place
        known = ", ".join(sorted(session.places)) or "none"
        raise KeeperError(
            f"the coordinator at {self._coordinator} has no place {self._name!r}; places: {known}"
        )

    async def connect(self) -> None:
        """Ask the coordinator for all places and resources."""
        fault = KeeperError(
            f"no labgrid coordinator answers at {self._coordinator}; start it, or correct "
            "coordinator or LG_COORDINATOR"
        )
        try:
            address = proxymanager.get_grpc_address(self._coordinator, default_port=DEFAULT_PORT)
            self._session = ClientSession(address, asyncio.get_running_loop())
            await asyncio.wait_for(self._session.start(), CONNECT_S)
        except (Error, TimeoutError, grpc.RpcError, ValueError) as error:
            raise fault from error

    def _owner(self) -> str | None:
        return self._place.acquired or None

    def _me(self) -> str:
        session = self._connected
        return f"{session.gethostname()}/{session.getuser()}"

    async def acquire(self, wait_s: float) -> None:
        """Have the place; one that the user has acquired already is used, and stays acquired."""
        deadline = asyncio.get_running_loop().time() + wait_s
        while self.wanted and (owner := self._owner()) != self._me():
            if owner is None and await self._try():
                return
            if asyncio.get_running_loop().time() >= deadline:
                raise KeeperError(
                    f"place {self._name!r} is held by {self._owner() or 'somebody unknown'}, "
                    f"{wait_s:g} s waited; wait for its end, or ask for its release",
                    held=True,
                )
            await asyncio.sleep(POLL_S)

    async def _try(self) -> bool:
        """Acquire a free place; False where somebody else was faster."""
        session, place = self._connected, self._place
        self._check_exported(place)
        self._is_mine = True  # also where the answer is lost
        try:
            request = messages.AcquirePlaceRequest(placename=place.name)
            await asyncio.wait_for(session.stub.AcquirePlace(request), CONNECT_S)
            await asyncio.wait_for(session.sync_with_coordinator(), CONNECT_S)
        except TimeoutError:
            raise KeeperError(f"the coordinator at {self._coordinator} does not answer") from None
        except grpc.aio.AioRpcError as error:
            self._is_mine = False
            await asyncio.sleep(POLL_S)  # for the news of who was faster
            if self._owner() is not None:
                return False
            said = f"place {self._name!r} cannot be acquired: {error.details()}"
            raise KeeperError(said) from error
        return True

    def _check_exported(self, place: Place) -> None:
        paths = [path for path, _ in self._all_resources()]
        missing = place.unmatched(paths)
        if missing is not None:
            raise KeeperError(
                f"place {self._name!r}: no exporter offers {missing!r}; start its exporter"
            )

    def _all_resources(self) -> list[tuple[tuple[str, str, str, str], Any]]:
        """Of all exporters: (exporter, group, class, name) and what is known of it."""
        return [
            ((exporter, group, entry.cls, name), entry)
            for exporter, groups in sorted(self._connected.resources.items())
            for group, entries in sorted(groups.items())
            for name, entry in sorted(entries.items())
            if entry.data.get("cls")
        ]

    def state(self) -> dict[str, Any]:
        """The place now: who has it, and its resources."""
        place = self._place
        resources = []
        for path, entry in self._all_resources():
            match = place.getmatch(path)
            if match is not None:
                resources.append(
                    {
                        "class": entry.cls,
                        "name": match.rename or path[3],
                        "exporter": path[0],
                        "available": bool(entry.avail),
                        "proxy": bool(entry.extra.get("proxy_required")),
                        **{key: entry.args.get(key) for key in ("host", "port", "speed")},
                        "protocol": entry.args.get("protocol") or "rfc2217",
                    }
                )
        return {"place": place.name, "owner": self._owner(), "resources": resources}

    async def exported_state(self) -> dict[str, Any]:
        """As `state`, once a serial port's exporter has said where it serves, or has had time."""
        deadline = asyncio.get_running_loop().time() + EXPORTED_S
        while True:
            await asyncio.wait_for(self._connected.sync_with_coordinator(), CONNECT_S)
            state = self.state()
            serial = [it for it in state["resources"] if it["class"] == "NetworkSerialPort"]
            waits = any(it["available"] and it["port"] is None for it in serial)
            if not waits or asyncio.get_running_loop().time() >= deadline:
                return state
            await asyncio.sleep(POLL_S)

    async def release(self) -> None:
        """Give the place back where we acquired it, and end the session."""
        if self._is_mine:
            if self._session is None or self._session.stopping.is_set():
                await self.connect()  # a coordinator that was started again may know it
            await self._connected.sync_with_coordinator()
            if self._owner() == self._me():
                request = messages.ReleasePlaceRequest(placename=self._place.name)
                request.fromuser = self._me()
                await self._connected.stub.ReleasePlace(request)
        if self._session is not None:
            await self._session.stop()
            await self._session.close()


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


async def _questions() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, reader.feed_eof)
    return reader


async def _serve(mode: str, keeper: Keeper, wait_s: float) -> None:
    questions = await _questions()
    await keeper.connect()
    if mode == "look":
        _say(keeper.state())
        return
    ended = asyncio.ensure_future(questions.readline())
    acquiring = asyncio.ensure_future(keeper.acquire(wait_s))
    await asyncio.wait((ended, acquiring), return_when=asyncio.FIRST_COMPLETED)
    if not acquiring.done():  # our parent has ended
        # Not cancelled: the coordinator could give us the place in the same moment.
        keeper.wanted = False
    await acquiring
    if not keeper.wanted:
        return
    _say(await keeper.exported_state())
    while await ended:
        _say(await keeper.exported_state())
        ended = asyncio.ensure_future(questions.readline())


async def _main(mode: str, coordinator: str, name: str, wait_s: float) -> None:
    keeper = Keeper(coordinator, name)
    try:
        await _serve(mode, keeper, wait_s)
    except KeeperError as error:
        _say({"problem": str(error), "held": error.held})
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody listens any more
    except TimeoutError:
        _say({"problem": f"the labgrid coordinator at {coordinator} does not answer; restart it"})
    finally:
        await asyncio.wait_for(keeper.release(), RELEASE_S)


def main() -> None:
    """Run it."""
    mode, coordinator, name, wait_s = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    try:
        asyncio.run(_main(mode, coordinator, name, float(wait_s)))
    except (KeeperError, TimeoutError, grpc.RpcError) as error:
        sys.stderr.write(
            f"edgesdk: place {name!r} may still be acquired ({error}); "
            f"labgrid-client -x {coordinator} -p {name} release\n"
        )


if __name__ == "__main__":
    main()
