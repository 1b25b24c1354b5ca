"""`edgesdk flash`: build the firmware and put it on the board with a bundle."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from edgesdk.board import Board, load_board
from edgesdk.board.flash import METHODS
from edgesdk.build import BuildOptions, Image, build, build_commands
from edgesdk.bundle import Bundle, load_bundle
from edgesdk.cli.flash_hardware import (
    Asked,
    check_asked,
    check_tool,
    hardware_views,
    plan_hardware,
    write_hardware,
)
from edgesdk.cli.memory_view import check_board_fits, memory_document, memory_table
from edgesdk.cli.options import JsonOption, OptionalBoardOption, TimeoutOption, terminal
from edgesdk.cli.target import find_board, open_target
from edgesdk.cli.terminal import Terminal
from edgesdk.errors import BuildError, EdgeError
from edgesdk.firmware_sources import link_of
from edgesdk.fit import MemoryUse, memory_use
from edgesdk.flash.kept import keep
from edgesdk.flash.store import store
from edgesdk.mlperf_tiny import PROTOCOL as MLPERF_TINY
from edgesdk.mlperf_tiny import check_single
from edgesdk.needed import layout_note, needed_options


class Compiler(StrEnum):
    """What can build firmware."""

    GCC = "gcc"
    CLANG = "clang"


class Link(StrEnum):
    """How the host can talk to firmware; a board offers some of them."""

    MAILBOX = "mailbox"
    UART = "uart"
    STDIO = "stdio"


class HostProtocol(StrEnum):
    """What firmware speaks with its host."""

    EDGESDK = "edgesdk"
    MLPERF_TINY = "mlperf-tiny"


ProtocolOption = Annotated[
    HostProtocol,
    typer.Option(
        "--protocol", help="mlperf-tiny: firmware for MLPerf Tiny's runners, not for edgesdk's."
    ),
]


Method = StrEnum("Method", {name.upper(): name for name in METHODS})  # type: ignore[misc]


def _document(image: Image, uses: tuple[MemoryUse, ...]) -> dict[str, Any]:
    return {
        "schema": "edgesdk.flash",
        "version": 1,
        "board": image.board.name,
        "link": image.link,
        "compiler": image.compiler,
        "firmware_id": image.firmware_id,
        "firmware_sha256": image.firmware_sha256,
        "firmware_bytes": image.sizes.text + image.sizes.data,
        "bundle_digest": image.bundle_digest,
        "image_bytes": len(image.bundle or b""),
        "memory": memory_document(uses),
    }


def _views(document: dict[str, Any], uses: tuple[MemoryUse, ...]) -> list[RenderableType]:
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_row("board", f"{document['board']}, link {document['link']}")
    facts.add_row("compiler", document["compiler"])
    facts.add_row("firmware", f"{document['firmware_bytes']:,} bytes, {document['firmware_id']}")
    facts.add_row("image", f"{document['image_bytes']:,} bytes, {document['bundle_digest']}")
    return [facts, "", memory_table(uses), ""]


def _flash_board(
    term: Terminal,
    board: Board,
    bundle: Bundle,
    options: BuildOptions,
    asked: Asked,
    *,
    dry_run: bool,
) -> None:
    """Build firmware, and put it with the bundle on a board, or in an emulated board's flash."""
    real = board.emulator is None
    if real or asked != Asked():
        check_asked(board, asked)
    if options.protocol == MLPERF_TINY:
        check_single(bundle)
    check_board_fits(board, bundle, memory_use(board, bundle, None, options.protocol))
    _say_layout(term, bundle, board)
    if dry_run and real:
        plan_hardware(term, board, options, asked)
        return
    if real:
        check_tool(board, asked)
    if dry_run:
        commands = build_commands(board, options)
        plan = {"schema": "edgesdk.flash-plan", "version": 1, "board": board.name}
        term.result({**plan, "commands": commands}, *commands)
        return
    with term.progress(f"building firmware for {board.name}"):
        image = build(board, bundle, options)
    uses = memory_use(board, bundle, image.sizes, options.protocol)
    check_board_fits(board, bundle, uses)
    document = _document(image, uses)
    if real:
        facts = write_hardware(term, image, bundle, asked)
        views = [*_views(document, uses), *hardware_views(facts, board)]
        term.result(document | facts, *views)
        return
    document["device"] = str(store(image))
    keep(bundle, board)
    term.result(document, *_views(document, uses), f"flashed {board.name}")


def _say_layout(term: Terminal, bundle: Bundle, board: Board) -> None:
    term.note_if(layout_note(bundle, board))


def _load_over_link(
    term: Terminal, board: str | None, port: str, bundle: Bundle, timeout_s: float | None
) -> None:
    """Replace the bundle of a running device; its firmware stays."""
    with open_target(find_board(board) if board else None, port, None, timeout_s) as device:
        check_board_fits(device.board, bundle, memory_use(device.board, bundle))
        _say_layout(term, bundle, device.board)
        with term.progress(f"loading {bundle.source} to {port}"):
            identity = device.load(bundle.device_bytes())
        device.check_bundle(bundle.digest)
        if device.board.emulator is None:
            keep(bundle, device.board)
    document = {
        "schema": "edgesdk.load",
        "version": 1,
        "board": identity.board,
        "port": port,
        "firmware_id": identity.firmware_id,
        "bundle_digest": identity.bundle_digest,
        "image_bytes": identity.image_bytes,
    }
    size, digest = identity.image_bytes, identity.bundle_digest
    term.result(document, f"loaded {identity.board} at {port}: {size:,} bytes, {digest}")


def command(
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(help="A .edge file.")],
    board: OptionalBoardOption = None,
    port: Annotated[
        str | None,
        typer.Option(
            "--port", help="Replace the bundle of the device running there, over its link."
        ),
    ] = None,
    compiler: Annotated[
        Compiler | None, typer.Option("--compiler", help="gcc or clang; default: the board's.")
    ] = None,
    link: Annotated[
        Link | None, typer.Option("--link", help="mailbox, uart or stdio; default: the board's.")
    ] = None,
    protocol: ProtocolOption = HostProtocol.EDGESDK,
    method: Annotated[
        Method | None,
        typer.Option("--with", help="What writes a real board; default: its board file's."),
    ] = None,
    probe: Annotated[
        str | None,
        typer.Option(
            "--probe",
            help="Which probe, by its serial number; for esptool a port, for uf2 a drive.",
        ),
    ] = None,
    erase: Annotated[bool, typer.Option("--erase", help="Erase the whole flash first.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="With vendor: a folder for files and steps."),
    ] = None,
    all_kernels: Annotated[
        bool,
        typer.Option("--all-kernels", help="All kernels and parts, not only those needed."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands; build and write nothing.")
    ] = False,
    timeout: TimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the firmware of a board and put it there with a bundle."""
    term = terminal(context, as_json)
    loaded = load_bundle(bundle)
    asked = Asked(method, probe, erase, output)
    if port is not None:
        if protocol != HostProtocol.EDGESDK:
            raise EdgeError(
                "--protocol chooses firmware, which --port leaves as it is; name --board instead"
            )
        if asked != Asked():
            raise EdgeError(
                "--port replaces the bundle over the link; --with, --probe, --erase and -o write "
                "firmware: choose one (esptool's port is --probe)"
            )
        _load_over_link(term, board, port, loaded, timeout)
        return
    if board is None:
        raise EdgeError("--board is needed, or --port of a device that runs; see --help")
    needed = BuildOptions() if all_kernels else needed_options(loaded)
    options = replace(needed, compiler=compiler, link=link, protocol=protocol.value)
    chosen = load_board(board)
    try:
        link_of(chosen, options)
    except BuildError as error:
        raise EdgeError(str(error)) from error  # a wrong choice, not a failed build
    _flash_board(term, chosen, loaded, options, asked, dry_run=dry_run)
