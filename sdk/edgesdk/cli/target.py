"""The device that --board and --port name, and the bundle that it should hold."""

from pathlib import Path

from edgesdk.board import load_board
from edgesdk.bundle import Bundle, load_bundle
from edgesdk.errors import DeviceError
from edgesdk.flash.kept import kept_bundle
from edgesdk.flash.store import flashed_boards
from edgesdk.link.channel import Channel
from edgesdk.link.device import (
    ANSWER_TIMEOUT_S,
    DEFAULT_BAUD,
    HELLO_TIMEOUT_S,
    Device,
    open_device,
)
from edgesdk.link.transport import SerialTransport


def expected_bundle(path: Path | None, board: str | None, port: str | None) -> Bundle | None:
    """The bundle that --bundle names; without it, the one that was flashed on an emulated board.

    Raises:
        BundleError: the file is damaged.
    """
    if path is not None:
        return load_bundle(path)
    if port is not None:
        return None
    name = board or _only_flashed_board()
    return next((kept_bundle(it) for it in flashed_boards() if it.board == name), None)


def open_target(
    board: str | None, port: str | None, bundle: Bundle | None, timeout_s: float | None
) -> Device:
    """Open the device and make sure that it holds `bundle`, where one is given.

    With a port alone, the device says which board it is. With neither, the only flashed emulated
    board is taken.

    Raises:
        DeviceError: none, several, or a port that does not open.
        NoAnswerError: silence.
        WireError: another protocol, board, firmware or bundle.
    """
    hello_s, answer_s = timeout_s or HELLO_TIMEOUT_S, timeout_s or ANSWER_TIMEOUT_S
    if board is None and port is not None:
        device = _open_port(port, hello_s, answer_s)
    else:
        chosen = load_board(board or _only_flashed_board())
        device = open_device(chosen, port, timeout_s=answer_s, hello_timeout_s=hello_s)
    try:
        if bundle is not None:
            device.check_bundle(bundle.digest)
    except BaseException:
        device.close()
        raise
    return device


def _only_flashed_board() -> str:
    boards = [flashed.board for flashed in flashed_boards()]
    if not boards:
        raise DeviceError(
            "no device: no --board or --port was given and nothing is flashed; "
            "run `edgesdk flash BUNDLE --board B`"
        )
    if len(boards) > 1:
        raise DeviceError(f"several devices: {', '.join(boards)}; choose one with --board")
    return boards[0]


def _open_port(port: str, hello_s: float, answer_s: float) -> Device:
    transport = SerialTransport(port, DEFAULT_BAUD)
    try:
        identity = Channel(transport, answer_s).hello(hello_s)
        device = Device(load_board(identity.board), transport, answer_s)
        device.hello(hello_s)
    except BaseException:
        transport.close()
        raise
    return device
