"""`edgesdk new`: what a user starts from."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from edgesdk import __version__
from edgesdk.board import load_board
from edgesdk.build import BuildOptions
from edgesdk.bundle import load_bundle
from edgesdk.cli.flash import HostProtocol, Link, ProtocolOption
from edgesdk.cli.memory_view import check_board_fits
from edgesdk.cli.options import JsonOption, terminal
from edgesdk.cli.output_folder import check_replaceable, check_untouched, write_folder
from edgesdk.errors import BuildError, EdgeError
from edgesdk.firmware_project import project_files
from edgesdk.firmware_sources import link_of
from edgesdk.fit import memory_use
from edgesdk.mlperf_tiny import check_single
from edgesdk.needed import needed_options

PROJECT = "edgesdk.firmware-project"
group = typer.Typer(help="Write what you start from: firmware to take home.")


@group.command("firmware")
def firmware(
    context: typer.Context,
    board: Annotated[
        str, typer.Option("--board", "-b", help="Name of a board, or a board file of your own.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", help="A .edge file: only what it needs. Without: everything."),
    ] = None,
    link: Annotated[
        Link | None, typer.Option("--link", help="mailbox, uart or stdio; default: the board's.")
    ] = None,
    protocol: ProtocolOption = HostProtocol.EDGESDK,
    as_json: JsonOption = False,
) -> None:
    """Write a CMake project of a board's firmware, which builds without edgesdk."""
    term = terminal(context, as_json)
    chosen = load_board(board)
    loaded = None if bundle is None else load_bundle(bundle)
    needed = BuildOptions() if loaded is None else needed_options(loaded)
    options = replace(needed, link=link, protocol=protocol.value)
    try:
        used = link_of(chosen, options)
    except BuildError as error:
        raise EdgeError(str(error)) from error  # a wrong choice, not a failed build
    if loaded is not None:
        if protocol == HostProtocol.MLPERF_TINY:
            check_single(loaded)
        check_board_fits(chosen, loaded, memory_use(chosen, loaded, None, protocol.value))
    check_replaceable(out, PROJECT)
    check_untouched(out, PROJECT)
    files = project_files(chosen, loaded, options)
    digest = None if loaded is None else loaded.digest
    facts = {"edgesdk": __version__, "board": chosen.name, "link": used, "bundle_digest": digest}
    write_folder(out, files, facts, PROJECT)
    document = {
        "schema": "edgesdk.new-firmware",
        "version": 1,
        "folder": str(out),
        "board": chosen.name,
        "link": used,
        "files": sorted(files),
    }
    sources = sum(name.endswith(".c") for name in files)
    term.result(
        document,
        f"{out}: {sources} sources for {chosen.name}, link {used}; README.md says how to go on",
        f"cmake -S {out} -B {out}/build && cmake --build {out}/build",
    )
