"""`edgesdk validate`: the bundle's samples on the device, and the first operator that parts."""

from typing import Any

import typer

from edgesdk.cli.options import (
    BundleOption,
    JsonOption,
    OptionalBoardOption,
    PortOption,
    TimeoutOption,
    terminal,
)
from edgesdk.cli.target import find_target, open_target
from edgesdk.errors import EdgeError
from edgesdk.flash.kept import stale_note
from edgesdk.link.validate import validate


def command(
    context: typer.Context,
    board: OptionalBoardOption = None,
    port: PortOption = None,
    bundle: BundleOption = None,
    timeout: TimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Feed the bundle's samples to the device; exit 1 and name the operator where it differs."""
    term = terminal(context, as_json)
    target, loaded = find_target(board, port, bundle)
    term.note_if(stale_note(target))
    if loaded is None:
        raise EdgeError("the samples lie in the bundle; name its file with --bundle")
    with open_target(target, port, loaded, timeout) as device:
        identity = device.identity
        doing = f"validating {identity.board}"
        with term.progress(doing) as say:
            done = validate(
                device,
                loaded,
                lambda role, at, steps: say(f"{doing}: {role}, step {at} of {steps}"),
            )
    document: dict[str, Any] = {
        "schema": "edgesdk.validate",
        "version": 1,
        "board": identity.board,
        "firmware_id": identity.firmware_id,
        "bundle_digest": identity.bundle_digest,
        **done.document(),
    }
    steps = ", ".join(f"{role} {count}" for role, count in done.steps.items())
    compared = f"{identity.board}: {done.values:,} values compared in steps of: {steps}"
    verdict = "device == laptop: yes" if done.equal else "device == laptop: NO"
    where = [] if done.difference is None else [done.difference.sentence()]
    term.result(document, compared, verdict, *where)
    if not done.equal:
        raise typer.Exit(1)
