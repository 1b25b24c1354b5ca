"""An independent reader of MLPerf Tiny's protocol, on pyserial as its runners are.

Written after the facts of mlcommons/tiny benchmark/runner (device_under_test.py, serial_device.py,
script.py): commands end in "%", an answer with the line that holds "m-ready", bytes go 31 a
command, and of what comes only these lines count.
"""

import re
import time
from dataclasses import dataclass, field

import serial

NAME = re.compile(r"^m-name-dut-\[([^]]+)]$")
PROFILE = re.compile(r"^m-(model|profile)-\[([^]]+)]$")
RESULTS = re.compile(r"^m-results-\[([^]]+)\]$")
LAP = re.compile(r"^m-lap-us-([0-9]+)$")
BYTES_A_COMMAND = 31


@dataclass
class Inference:
    """What a runner takes of the answer to `infer`."""

    results: list[float] = field(default_factory=list)
    laps: list[int] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


class Runner:
    """A host at a serial port."""

    def __init__(self, url: str, answer_s: float = 20.0) -> None:
        self.port = serial.serial_for_url(url, baudrate=115200, timeout=0.25)
        self.answer_s = answer_s
        self._heard = b""

    def line(self) -> str:
        """The next line that is not empty."""
        deadline = time.monotonic() + self.answer_s
        while True:
            line, found, rest = self._heard.partition(b"\n")
            if found:
                self._heard = rest
                assert line.endswith(b"\r"), line
                if text := line[:-1].decode("ascii"):
                    return text
                continue
            assert time.monotonic() < deadline, f"silence after {self._heard!r}"
            self._heard += self.port.read(max(1, self._waiting()))

    def _waiting(self) -> int:
        return self.port.in_waiting if hasattr(self.port, "fd") else 1

    def until_ready(self) -> list[str]:
        """Lines up to the one that ends an answer, without it."""
        lines = []
        while "m-ready" not in (line := self.line()):
            lines.append(line)
        return lines

    def flush(self) -> None:
        """Drop whatever the device says, up to half a second of silence after it is there."""
        self.raw(b"%")
        self.until_ready()
        while self.port.read(64) or self.port.read(64):
            continue
        self._heard = b""

    def raw(self, data: bytes) -> None:
        """Bytes as they are."""
        self.port.write(data)

    def send(self, command: str) -> list[str]:
        """A command's answer."""
        self.raw(command.encode() + b"%")
        return self.until_ready()

    def name(self) -> str:
        """What is behind the port."""
        return next(m[1] for line in self.send("name") if (m := NAME.match(line)))

    def profile(self) -> dict[str, str]:
        """Of `profile` and `model`."""
        return {m[1]: m[2] for line in self.send("profile") if (m := PROFILE.match(line))}

    def load(self, data: bytes) -> list[str]:
        """The answer to the last piece."""
        answer = self.send(f"db load {len(data)}")
        assert answer == [f"m-[Expecting {len(data)} bytes]"]
        for at in range(0, len(data), BYTES_A_COMMAND):
            answer = self.send(f"db {data[at : at + BYTES_A_COMMAND].hex()}")
        return answer

    def infer(self, count: int, warmups: int) -> Inference:
        """Lines of an inference, and what counts of them."""
        inference = Inference(lines=self.send(f"infer {count} {warmups}"))
        for line in inference.lines:
            if found := RESULTS.match(line):
                inference.results = [float(word) for word in found[1].split(",")]
            elif found := LAP.match(line):
                inference.laps.append(int(found[1]))
        return inference

    def printed(self, words: str = "") -> bytes:
        """The bytes that `db print` shows."""
        lines = self.send(f"db print {words}")
        assert all(re.fullmatch(r"m-buffer-[0-9a-f]{2}(-[0-9a-f]{2}){0,7}", line) for line in lines)
        return bytes.fromhex("".join(line[9:].replace("-", "") for line in lines))

    def close(self) -> None:
        """Let go of the port."""
        self.port.close()
