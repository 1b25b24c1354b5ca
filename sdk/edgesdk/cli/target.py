"""The device that --board and --port name, and the bundle that it should hold."""

from pathlib import Path

from edgesdk.board import Board, load_board
from edgesdk.bundle import Bundle, load_bundle
from edgesdk.errors import DeviceError
from edgesdk.flash.kept import kept_board, kept_bundle, last_bundle
from edgesdk.flash.store import flashed_boards, load
from edgesdk.link.channel import Channel
from edgesdk.link.device import (
    ANSWER_TIMEOUT_S,
    DEFAULT_BAUD,
    HELLO_TIMEOUT_S,
    Device,
    open_device,
)
from edgesdk.link.transport import SerialTransport


def find_board(name_or_path: str) -> Board:
    """The board of that name or file; of a flashed board, the file that it was flashed with.

    Raises:
        BoardError: unknown, unreadable or contradicting itself.
    """
    is_name = Path(name_or_path).name == name_or_path
    return load_board((kept_board(name_or_path) if is_name else None) or name_or_path)


def find_target(
    board: str | None, port: str | None, bundle: Path | None
) -> tuple[Board | None, Bundle | None]:
    """The board that --board names, and the bundle to compare with.

    Without --board, the only flashed emulated board is taken; with a port alone, None: the device
    says which board it is. Without --bundle, the bundle is what was flashed on the board last, or
    None behind a port where --board does not say which one.

    Raises:
        BoardError: the board is unknown, or its file is wrong.
        BundleError: --bundle names a damaged file.
        DeviceError: no device, several, or hardware without a port; or what was flashed is damaged.
    """
    loaded = None if bundle is None else load_bundle(bundle)
    if port is not None:
        named = find_board(board) if board else None
        return named, loaded or (last_bundle(named) if named else None)
    chosen = find_board(board or _only_flashed_board())
    if chosen.emulator is None:
        raise DeviceError(f"{chosen.name} is real hardware; name its port, see `edgesdk devices`")
    return chosen, loaded or kept_bundle(load(chosen.name))


def open_target(
    board: Board | None, port: str | None, bundle: Bundle | None, timeout_s: float | None
) -> Device:
    """Open the device and make sure that it holds `bundle`, where one is given.

    With a port alone, the device says which board it is.

    Raises:
        DeviceError: a port that does not open.
        NoAnswerError: silence.
        WireError: another protocol, board, firmware or bundle.
    """
    hello_s, answer_s = timeout_s or HELLO_TIMEOUT_S, timeout_s or ANSWER_TIMEOUT_S
    if board is not None:
        device = open_device(board, port, timeout_s=answer_s, hello_timeout_s=hello_s)
    elif port is not None:
        device = _open_port(port, hello_s, answer_s)
    else:
        raise ValueError("neither board nor port")
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
        device = Device(find_board(identity.board), transport, answer_s)
        device.hello(hello_s)
    except BaseException:
        transport.close()
        raise
    return device
