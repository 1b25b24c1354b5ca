"""A labgrid coordinator and an exporter on this computer, with one place."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

BIN = Path(sys.executable).parent
START_S = 20.0


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Lab:
    """Place `desk` with the serial port and the power switch that exporter `shelf` offers."""

    def __init__(self, folder: Path, serial_url: str) -> None:
        self._folder = folder
        self.address = f"127.0.0.1:{_free_port()}"
        self._switch = _Switch()
        self.switched = self._switch.values
        target = urlsplit(serial_url)
        protocol = "rfc2217" if target.scheme == "rfc2217" else "raw"
        (folder / "exports.yaml").write_text(
            f"""
board:
  NetworkSerialPort:
    host: {target.hostname}
    port: {target.port}
    protocol: {protocol}
  NetworkPowerPort:
    model: simplerest
    host: 'http://127.0.0.1:{self._switch.port}/{{index}}/{{value}}'
    index: 7
"""
        )
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Lab":
        self.coordinator = self._start("labgrid-coordinator", "-l", self.address)
        until(lambda: self.client("places", check=False)[0] == 0, "no coordinator")
        self.exporter = self.start_exporter()
        self.client("-p", "desk", "create")
        self.client("-p", "desk", "add-match", "shelf/board/*")
        return self

    def start_exporter(self) -> subprocess.Popen[bytes]:
        """Start it, and wait until it offers its resources."""
        exporter = self._start(
            *("labgrid-exporter", "-c", self.address, "-n", "shelf", "--hostname", "localhost"),
            str(self._folder / "exports.yaml"),
        )
        until(lambda: "shelf/board/NetworkSerialPort" in self.client("resources")[1], "no exporter")
        return exporter

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [str(BIN / name), *arguments],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._processes.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Kill one of ours, and wait for it."""
        process.kill()
        process.wait(10)

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            self.end(process)
        self._switch.close()

    def client(self, *arguments: str, user: str = "friend", check: bool = True) -> tuple[int, str]:
        """labgrid-client as somebody; exit code and output."""
        finished = subprocess.run(
            self.command(*arguments),
            env={**os.environ, "LG_USERNAME": user, "LG_HOSTNAME": "elsewhere"},
            capture_output=True,
            text=True,
            timeout=30,
            check=check,
        )
        return finished.returncode, finished.stdout

    def command(self, *arguments: str) -> list[str]:
        """The command line of labgrid-client."""
        return [str(BIN / "labgrid-client"), "-x", self.address, *arguments]

    def is_free(self) -> bool:
        """Whether nobody has the place."""
        return "acquired: None" in self.client("-p", "desk", "show")[1]

    def port(self) -> dict[str, str]:
        """For a bench file."""
        return {"labgrid": "desk", "coordinator": self.address}


class _Switch:
    """A power switch by HTTP, as labgrid's model simplerest drives it."""

    def __init__(self) -> None:
        self.values: list[str] = []
        values = self.values

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                values.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
