"""`edgesdk bias`: phrases to prefer, as tables on a device."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table as View

from edgesdk.biasing.compile import Compiled
from edgesdk.biasing.spell import (
    DEFAULT_SPELLINGS,
    LETTER_WEIGHT,
    MAX_SPELLINGS,
    SUBWORD_WEIGHT,
)
from edgesdk.biasing.stored import StoredTables
from edgesdk.bundle import Bundle, load_bundle
from edgesdk.cli.bias_tables import compile_tables, load_tables
from edgesdk.cli.options import (
    BundleOption,
    ByOption,
    JsonOption,
    OptionalBoardOption,
    PortOption,
    TimeoutOption,
    terminal,
)
from edgesdk.cli.target import find_target, open_target
from edgesdk.cli.terminal import Terminal
from edgesdk.errors import BiasError
from edgesdk.link.device import Device


def _compiled_view(compiled: Compiled) -> View:
    view = View("table", "by", box=None, pad_edge=False)
    for column in ("phrases", "spellings", "nodes", "bytes"):
        view.add_column(column, justify="right")
    for table in compiled.tables:
        numbers = (table.phrases, table.spellings, table.nodes, table.size_bytes)
        view.add_row(table.name, table.kind, *(f"{number:,}" for number in numbers))
    return view


def _stored_view(stored: StoredTables) -> View:
    view = View("on the device", "by", "active", "from", box=None, pad_edge=False)
    for column in ("phrases", "nodes", "bytes"):
        view.add_column(column, justify="right")
    for table in stored.tables:
        numbers = (table.phrases, table.nodes, table.size_bytes)
        origin = "the link" if table.in_room else "the bundle"
        row = (table.name, table.kind, "yes" if table.active else "no", origin)
        view.add_row(*row, *(f"{number:,}" for number in numbers))
    return view


def _compiled_document(compiled: Compiled | None, seconds: Sequence[float]) -> list[dict[str, Any]]:
    tables = [] if compiled is None else compiled.tables
    return [
        {
            "name": table.name,
            "kind": table.kind,
            "phrases": table.phrases,
            "spellings": table.spellings,
            "nodes": table.nodes,
            "size_bytes": table.size_bytes,
            "transfer_s": round(seconds[at], 6) if at < len(seconds) else None,
        }
        for at, table in enumerate(tables)
    ]


def _check(term: Terminal, compiled: Compiled, bundle: Bundle) -> None:
    """Tell what the tables would take, without a device."""
    document = {
        "schema": "edgesdk.bias",
        "version": 1,
        "tables": _compiled_document(compiled, ()),
        "warnings": list(compiled.warnings),
        "room_bytes": bundle.bias.room_bytes,
        "stored": None,
    }
    words = f"{compiled.size_bytes:,} of {bundle.bias.room_bytes:,} bytes of room"
    term.result(document, _compiled_view(compiled), words)


def _work(
    term: Terminal, device: Device, compiled: Compiled | None, clear: bool, use: list[str] | None
) -> None:
    """Clear, send, switch, and show what is there then."""
    if clear:
        device.bias.clear()
    seconds = [] if compiled is None else load_tables(device, compiled)
    if use is not None:
        device.bias.use([name for name in use if name])
    stored = device.bias.stored
    document = {
        "schema": "edgesdk.bias",
        "version": 1,
        "tables": _compiled_document(compiled, seconds),
        "warnings": [] if compiled is None else list(compiled.warnings),
        "room_bytes": stored.room_bytes,
        "stored": [dataclasses.asdict(table) for table in stored.tables],
    }
    views: list[Any] = [] if compiled is None else [_compiled_view(compiled)]
    if compiled is not None:
        views += [
            f"{table.name} ({table.kind}): replaced in {took * 1000:.1f} ms on this computer's "
            f"clock, over {device.channel.where}"
            for table, took in zip(compiled.tables, seconds, strict=True)
        ]
        views.append("")
    views += [_stored_view(stored)] if stored.tables else ["no tables on the device"]
    views.append(f"{stored.used_bytes:,} of {stored.room_bytes:,} bytes of room used")
    if compiled is not None and device.board.emulator is not None:
        views.append("an emulated board forgets them with this command; see --bias of edgesdk run")
    term.result(document, *views)


def command(
    context: typer.Context,
    phrases: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=]PHRASES...",
            help="Files of phrases, one a line: WORDS [:WEIGHT] [@CLASS]; a table per class.",
        ),
    ] = None,
    board: OptionalBoardOption = None,
    port: PortOption = None,
    bundle: BundleOption = None,
    use: Annotated[
        list[str] | None,
        typer.Option("--use", help="A table that shall be active, and no others; '' for none."),
    ] = None,
    list_tables: Annotated[
        bool, typer.Option("--list", help="Show the device's tables, which is always done.")
    ] = False,
    clear: Annotated[
        bool, typer.Option("--clear", help="Forget all tables that were sent, first of all.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only tell what the tables take; needs no device.")
    ] = False,
    weight: Annotated[
        float | None,
        typer.Option(
            "--weight",
            help="Of phrases without one: natural log per token; default "
            f"{SUBWORD_WEIGHT:g}, where tokens are letters {LETTER_WEIGHT:g}.",
        ),
    ] = None,
    spellings: Annotated[
        int,
        typer.Option("--spellings", help="Most ways to spell a phrase.", min=1, max=MAX_SPELLINGS),
    ] = DEFAULT_SPELLINGS,
    by: ByOption = None,
    timeout: TimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load tables of phrases onto a device, switch between them, list or clear them."""
    term = terminal(context, as_json)
    if not (phrases or use or list_tables or clear):
        raise BiasError("nothing to do: give phrases, --use, --list or --clear")
    if check:
        if not phrases:
            raise BiasError("--check needs phrases; give a file of them")
        loaded = load_bundle(bundle) if bundle else find_target(board, port, None)[1]
        compiled = compile_tables(term, phrases, loaded, weight=weight, spellings=spellings, by=by)
        assert compiled is not None and loaded is not None
        _check(term, compiled, loaded)
        return
    target, loaded = find_target(board, port, bundle)
    compiled = compile_tables(term, phrases, loaded, weight=weight, spellings=spellings, by=by)
    with open_target(target, port, loaded, timeout) as device:
        _work(term, device, compiled, clear, use)
