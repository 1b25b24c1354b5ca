"""Boards that are silent, speak something else, vanish, or change while they work."""

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from command_line import CommandLine
from edgesdk.bundle import load_bundle

Convert = Callable[[str], Path]
Serve = Callable[[socket.socket], None]
pytestmark = pytest.mark.needs_cc


@contextmanager
def _board_at(serve: Serve) -> Iterator[str]:
    """A pyserial URL behind which `serve` talks."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
        server.close()
        thread.join(10)


def _swallow(connection: socket.socket) -> None:
    while connection.recv(4096):
        continue


def _chatter(connection: socket.socket) -> None:
    for _ in range(100):
        connection.sendall(b"U-Boot 2026.01 (no frames here)\r\n")
        if not connection.recv(4096):
            return


def _flashed_process(edgesdk: CommandLine) -> list[str]:
    """Command line of the host firmware that lies in the device folder."""
    folder = edgesdk.state / "edgesdk" / "devices" / "host"
    (firmware,), (image,) = folder.glob("*.elf"), folder.glob("*.image")
    return [str(firmware), str(image)]


def _firmware(command: list[str], heard_bytes: int | None) -> Serve:
    """The real firmware behind a socket that closes after so many bytes from the host."""

    def serve(connection: socket.socket) -> None:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            output = process.stdout

            def answer() -> None:
                with suppress(OSError, ValueError):  # the process and its pipes have gone
                    while data := output.read(4096):
                        connection.sendall(data)

            threading.Thread(target=answer, daemon=True).start()
            left = heard_bytes
            with suppress(OSError):
                while (left is None or left > 0) and (data := connection.recv(4096)):
                    process.stdin.write(data)
                    left = None if left is None else left - len(data)
            process.kill()

    return serve


@pytest.mark.parametrize("verb", ["run", "validate"])
def test_silent_board_is_exit_5(
    verb: str, edgesdk: CommandLine, convert: Convert, model: Path
) -> None:
    bundle = ("--bundle", convert("host"), "--timeout", "1")
    what = (model / "clips",) if verb == "run" else ()
    with _board_at(_swallow) as port:
        outcome = edgesdk(verb, *what, "--port", port, *bundle)
    assert outcome.code == 5
    assert "no answer to HELLO within 1 s" in outcome.error_line()


def test_board_that_sends_no_frames_is_exit_6(edgesdk: CommandLine, model: Path) -> None:
    with _board_at(_chatter) as port:
        outcome = edgesdk("run", model / "clips", "--port", port, "--timeout", "1")
    assert outcome.code == 6
    assert "none of them a frame; check the baud rate" in outcome.error_line()


def test_port_that_vanishes_mid_stream_is_exit_5(
    edgesdk: CommandLine, convert: Convert, model: Path, tmp_path: Path
) -> None:
    edgesdk.ok("flash", convert("host"), "--board", "host")
    report = tmp_path / "report"
    with _board_at(_firmware(_flashed_process(edgesdk), 30_000)) as port:
        options = ("--port", port, "--report", report, "--quiet", "--json")
        outcome = edgesdk("run", model / "clips", *options)
    assert outcome.code == outcome.document["exit_code"] == 5
    assert "vanished" in outcome.error_line()
    assert not report.exists()


def test_board_behind_a_port_says_itself_which_it_is(
    edgesdk: CommandLine, convert: Convert, model: Path
) -> None:
    bundle = convert("host")
    edgesdk.ok("flash", bundle, "--board", "host")
    clip = sorted((model / "clips").glob("*.wav"))[0]
    with _board_at(_firmware(_flashed_process(edgesdk), None)) as port:
        document = edgesdk.ok("run", clip, "--port", port, "--bundle", bundle, "--json").document
    assert document["source"]["board"] == "host"
    assert document["device_equals_laptop"] is True


def test_bundle_is_replaced_over_the_link(
    edgesdk: CommandLine, convert: Convert, model: Path, tmp_path: Path
) -> None:
    edgesdk.ok("flash", convert("host"), "--board", "host", "--all-kernels")
    recipe, made = tmp_path / "recipe.toml", tmp_path / "made"
    recipe.write_text("schema = 1\nmax_symbols = 1\n")
    convert_other = ("convert", model / "onnx", "--board", "host", "--recipe", recipe, "-o", made)
    edgesdk.ok(*convert_other)
    other, clip = made / "model.edge", sorted((model / "clips").glob("*.wav"))[0]
    flashed = edgesdk.ok("devices", "--json").document["boards"][0]["bundle_digest"]
    with _board_at(_firmware(_flashed_process(edgesdk), None)) as port:
        loaded = edgesdk.ok("flash", other, "--port", port, "--json").document
    assert loaded["bundle_digest"] == load_bundle(other).digest != flashed
    broken = tmp_path / "broken.edge"
    broken.write_bytes(other.read_bytes()[:-16])
    assert edgesdk("flash", broken, "--port", "socket://127.0.0.1:9").code == 2
    assert edgesdk("run", clip, "--board", "host", "--quiet").code == 0  # the flash is as it was


def test_another_board_behind_the_port_is_exit_6(
    edgesdk: CommandLine, convert: Convert, model: Path
) -> None:
    edgesdk.ok("flash", convert("host"), "--board", "host")
    with _board_at(_firmware(_flashed_process(edgesdk), None)) as port:
        outcome = edgesdk("run", model / "clips", "--port", port, "--board", "qemu-mps3-an547")
    assert outcome.code == 6
    assert "this is board 'host', not 'qemu-mps3-an547'" in outcome.error_line()


def test_damaged_device_folder_is_exit_3(
    edgesdk: CommandLine, convert: Convert, model: Path
) -> None:
    edgesdk.ok("flash", convert("host"), "--board", "host")
    _, image = _flashed_process(edgesdk)
    with Path(image).open("r+b") as file:
        file.seek(1000)
        file.write(b"\x00\x01\x02\x03")
    outcome = edgesdk("run", model / "clips", "--board", "host")
    assert outcome.code == 3
    assert "has changed since it was flashed" in outcome.error_line()
