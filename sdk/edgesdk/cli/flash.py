"""`edgesdk flash`: build the firmware and put it on the board with a bundle."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from edgesdk.board import load_board
from edgesdk.build import BuildOptions, Image, build, build_commands
from edgesdk.bundle import Bundle, load_bundle
from edgesdk.cli.memory_view import memory_document, memory_table
from edgesdk.cli.options import BoardOption, JsonOption, terminal
from edgesdk.fit import MemoryUse, check_fit, memory_use
from edgesdk.flash.kept import keep_bundle
from edgesdk.flash.store import store


def needed_kernels(bundle: Bundle) -> tuple[str, ...]:
    """Kernels that the bundle's operators need, in the list's order."""
    return tuple(sorted({record.op for plan in bundle.graphs.values() for record in plan.records}))


def _document(image: Image, uses: tuple[MemoryUse, ...], manifest: Path) -> dict[str, Any]:
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
        "device": str(manifest),
    }


def _views(document: dict[str, Any], uses: tuple[MemoryUse, ...]) -> list[RenderableType]:
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_row("board", f"{document['board']}, link {document['link']}")
    facts.add_row("compiler", document["compiler"])
    facts.add_row("firmware", f"{document['firmware_bytes']:,} bytes, {document['firmware_id']}")
    facts.add_row("image", f"{document['image_bytes']:,} bytes, {document['bundle_digest']}")
    return [facts, "", memory_table(uses), "", f"flashed {document['board']}"]


def command(
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(help="A .edge file.")],
    board: BoardOption,
    compiler: Annotated[
        str | None, typer.Option("--compiler", help="gcc or clang; default: the board's.")
    ] = None,
    link: Annotated[
        str | None, typer.Option("--link", help="mailbox, uart or stdio; default: the board's.")
    ] = None,
    all_kernels: Annotated[
        bool,
        typer.Option("--all-kernels", help="Not only the kernels that this bundle needs."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands; build and write nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build the firmware of a board and put it there with a bundle."""
    term = terminal(context, as_json)
    chosen, loaded = load_board(board), load_bundle(bundle)
    kernels = None if all_kernels else needed_kernels(loaded)
    options = BuildOptions(compiler=compiler, link=link, kernels=kernels)
    check_fit(chosen, loaded, memory_use(chosen, loaded))
    if dry_run:
        commands = build_commands(chosen, options)
        document = {
            "schema": "edgesdk.flash-plan",
            "version": 1,
            "board": chosen.name,
            "commands": commands,
        }
        term.result(document, *commands)
        return
    with term.progress(f"building firmware for {chosen.name}"):
        image = build(chosen, loaded, options)
    uses = memory_use(chosen, loaded, image.sizes)
    check_fit(chosen, loaded, uses)
    manifest = store(image)
    keep_bundle(loaded, chosen.name)
    document = _document(image, uses, manifest)
    term.result(document, *_views(document, uses))
