"""A desk in use: held, flashed, opened, and brought back after a fault."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event
from typing import IO

from edgesdk.bench.desk import EMULATED, Desk, LabgridPort
from edgesdk.bench.lock import DeskLock
from edgesdk.bench.place import Hold
from edgesdk.bench.ports import find_port
from edgesdk.build import BuildOptions, Image, build
from edgesdk.bundle import Bundle
from edgesdk.errors import (
    BuildError,
    DeviceError,
    EdgeError,
    FitError,
    HopelessError,
    IdentityError,
    NoAnswerError,
    WireError,
)
from edgesdk.fit import check_npu
from edgesdk.flash.job import make_job, planned_job
from edgesdk.flash.store import store
from edgesdk.flash.tool import Choice, end_with_children
from edgesdk.flash.write import make_plan, write_board
from edgesdk.folders import desks_dir
from edgesdk.link.device import ANSWER_TIMEOUT_S, HELLO_TIMEOUT_S, Device, open_device
from edgesdk.link.messages import Content
from edgesdk.link.transport import Transport
from edgesdk.needed import needed_options

COMMAND_LIMIT_S = 300
POLL_S = 0.05


class LimitedTransport:
    """A transport that ends with its time, however lively the device is."""

    def __init__(self, transport: Transport, limit_s: float, stop: Event) -> None:
        """`stop` ends it before its time."""
        self.where = transport.where
        self.remedy = transport.remedy
        self.interrupts = transport.interrupts
        self._transport = transport
        self._limit_s = limit_s
        self._deadline = time.monotonic() + limit_s
        self._stop = stop

    def _left_s(self, timeout_s: float) -> float:
        if self._stop.is_set():
            raise NoAnswerError(f"{self.where}: interrupted")
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise NoAnswerError(
                f"{self.where}: not done after {self._limit_s:g} s, the desk's limit_s; raise it, "
                "or give the board less to do"
            )
        return min(timeout_s, left)

    def read(self, timeout_s: float) -> bytes:
        """Some bytes, or none after `timeout_s`."""
        return self._transport.read(self._left_s(timeout_s))

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send all bytes."""
        self._transport.write(data, self._left_s(timeout_s))

    def close(self) -> None:
        """Release the port."""
        self._transport.close()


class Station:
    """One desk, while we hold it. What opens a device closes it before the next one is opened."""

    def __init__(self, desk: Desk, who: str, stop: Event | None = None) -> None:
        """`who` is told to others that wait for the desk; `stop` ends all waiting."""
        self.desk = desk
        self.stop = stop or Event()
        self.lock = DeskLock(desk, who, self.stop)
        self.suspect = False  # set it after a fault: the next open starts from further back
        self._flashed: str | None = None  # digest of the bundle that we flashed, "" for none
        self._image: Image | None = None
        self._place: Hold | None = None
        if isinstance(desk.port, LabgridPort):
            self._place = Hold(desk.port, desk.lock_wait_s, self.stop)

    def close(self) -> None:
        """Let others have the desk."""
        if self._place is not None:
            self._place.close()
        self.lock.release()

    def open(self, bundle: Bundle | None) -> Device:
        """Hold the desk, put firmware and bundle on its board where needed, and say hello.

        Raises:
            EdgeError: what `verdict_of` tells apart.
        """
        self.lock.acquire()
        if self.suspect:
            self._recover()
        try:
            device = self._open(bundle)
        except EdgeError:
            self.suspect = True
            raise
        return device

    def _recover(self) -> None:
        """Make the board start anew, and flash it again."""
        self._flashed = None
        power = self.desk.commands.power
        if self._place is not None:
            self._place.url()  # so that it is ours
            power = power or self._place.power_command()
        for command in (power, self.desk.commands.reset):
            if command:
                try:
                    self._run(command, {})
                except BuildError as error:
                    raise DeviceError(str(error)) from error
        self.suspect = False

    def _open(self, bundle: Bundle | None) -> Device:
        desk = self.desk
        port = self._port()
        self._flash(bundle, port)
        device = open_device(
            desk.board,
            None if desk.emulated else port,
            timeout_s=desk.timeout_s or ANSWER_TIMEOUT_S,
            hello_timeout_s=desk.timeout_s or HELLO_TIMEOUT_S,
            devices=desks_dir() / desk.key,
        )
        try:
            channel = device.channel
            channel.transport = LimitedTransport(channel.transport, desk.limit_s, self.stop)
            self._check_firmware(device)
            if bundle is not None:
                self._give(device, bundle)
        except BaseException:
            device.close()
            raise
        return device

    def _port(self) -> str:
        if self._place is not None:
            return self._place.url()
        return EMULATED if self.desk.emulated else find_port(self.desk)

    def _flash(self, bundle: Bundle | None, port: str) -> None:
        """Put firmware on the board, unless we did or it is to keep its own."""
        digest = "" if bundle is None else bundle.digest
        desk, command = self.desk, self.desk.commands.flash
        if self._flashed == digest or not (desk.emulated or desk.method or command):
            return
        choice = Choice(desk.probe or (port if desk.method == "esptool" else None))
        if command:
            _find_program(command[0])  # before we spend time on building
        if desk.method:
            make_plan(planned_job(desk.board), desk.method, choice)  # likewise
        options = BuildOptions() if bundle is None else needed_options(bundle)
        try:
            if bundle is not None:
                check_npu(desk.board, bundle)
            image = build(desk.board, bundle, options)
        except (FitError, BuildError) as error:  # no wrong result: nothing got to the board
            raise HopelessError(str(error)) from error
        if desk.emulated:
            store(image, desks_dir() / desk.key)
        elif desk.method:
            job = make_job(image)
            write_board(job, desk.method, choice, lambda *_: None, desk.limit_s, self.stop)
        else:
            kept = self._keep(image)
            files = {"firmware": str(image.firmware), "image": str(kept), "port": port}
            self._run(command, files)
        self._flashed, self._image = digest, image

    def _keep(self, image: Image) -> Path:
        """The bundle's image as a file, for the flash command; empty without a bundle."""
        path = desks_dir() / self.desk.key / f"{self.desk.board.name}.image"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(image.bundle or b"")
        except OSError as error:
            raise BuildError(f"{path}: cannot be written ({error.strerror})") from error
        return path

    def _check_firmware(self, device: Device) -> None:
        runs = device.identity.firmware_id
        if self._image is not None and runs != self._image.firmware_id:
            raise IdentityError(
                f"{device.channel.where}: runs firmware {runs}, {self._image.firmware_id} was "
                "flashed; check the desk's flash command"
            )

    def _give(self, device: Device, bundle: Bundle) -> None:
        """Load the bundle over the link, unless it is there as it was built."""
        identity = device.identity
        if self.desk.emulated:
            device.check_bundle(bundle.digest)
            return
        there = identity.content != Content.NONE and identity.bundle_digest == bundle.digest
        if there and not _has_other_tables(device, bundle):
            device.reset()
            return
        try:
            device.load(bundle.device_bytes())
        except IdentityError:
            raise
        except WireError as error:
            raise BuildError(f"the bundle did not get on the board: {error}") from error
        device.check_bundle(bundle.digest)

    def _run(self, command: Sequence[str], files: Mapping[str, str]) -> None:
        """Run one of the desk's commands.

        Raises:
            BuildError: it is not installed, fails, or does not end.
        """
        values = {"board": self.desk.board.name, "probe": self.desk.probe or "", **files}

        def put(match: re.Match[str]) -> str:
            return values.get(match[1], match[0])

        program, *arguments = [re.sub(r"\{(\w+)\}", put, word) for word in command]
        environment = {**os.environ, **(self._place.environment() if self._place else {})}
        # Files and not pipes: what a command leaves running may keep them open.
        with TemporaryFile() as out, TemporaryFile() as err:
            try:
                process = subprocess.Popen(
                    [_find_program(program), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    env=environment,
                    start_new_session=True,  # so that its children end with it
                )
            except OSError as error:
                raise BuildError(f"{program} does not start ({error.strerror})") from error
            code = self._await(process, program)
            if code != 0:
                raise BuildError(f"{program} failed (exit code {code}: {_last_words(err, out)})")

    def _await(self, process: subprocess.Popen[bytes], program: str) -> int:
        """The exit code of a command; one that does not end in time is ended."""
        limit_s = min(COMMAND_LIMIT_S, self.desk.limit_s)
        deadline = time.monotonic() + limit_s
        try:
            while (code := process.poll()) is None:
                if self.stop.wait(POLL_S):
                    raise BuildError(f"{program} was interrupted; run it again")
                if time.monotonic() >= deadline:
                    raise BuildError(f"{program} did not end within {limit_s:g} s; it was ended")
        except BaseException:
            end_with_children(process)
            raise
        return code


def _last_words(*files: IO[bytes]) -> str:
    """The last line of the first file that has one."""
    for file in files:
        file.seek(0)
        said = file.read().decode("utf-8", "replace").strip()
        if said:
            return said.splitlines()[-1].strip()
    return "no word"


def _find_program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise HopelessError(f"{name} is not installed; install it or correct the bench file")
    return path


def _has_other_tables(device: Device, bundle: Bundle) -> bool:
    """Whether bias tables were sent or switched since the bundle came."""
    if not bundle.is_recogniser or not bundle.bias.room_bytes:
        return False
    return any(table.in_room or not table.active for table in device.bias.stored.tables)
