"""The manifest of a run: what the device said it is, and what it was given."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgesdk import __version__
from edgesdk.biasing.compile import Compiled
from edgesdk.board import Board
from edgesdk.bundle import Bundle
from edgesdk.core import EndpointMode
from edgesdk.emulate import Clip
from edgesdk.errors import EdgeError
from edgesdk.link.messages import Identity
from edgesdk.report.manifest import (
    BoardFacts,
    BundleFacts,
    Choices,
    ClipFacts,
    FirmwareFacts,
    Manifest,
    git_facts,
    host_facts,
)
from edgesdk.report.records import Report


def make_manifest(
    report: Report,
    board: Board,
    identity: Identity,
    bundle: Bundle | None,
    flashed: Mapping[str, Any],
    clips: Sequence[Clip],
    choices: Choices,
) -> Manifest:
    """Where the figures of `report` come from; `flashed` is what flash wrote down, or empty.

    Raises:
        EdgeError: the board's file has gone since the run began.
    """
    firmware = flashed.get("files", {}).get("firmware", {})
    return Manifest(
        created=report.created,
        edgesdk=__version__,
        board=_board_facts(board),
        bundle=BundleFacts(
            kind=identity.content.name.lower(),
            name="" if bundle is None else str(bundle.meta.get("name", "")),
            digest=identity.bundle_digest,
        ),
        firmware=FirmwareFacts(identity.firmware_id, firmware.get("sha256")),
        clock=identity.clock.name.lower(),
        clips=[_clip_facts(clip) for clip in clips],
        choices=choices,
        tools=report.tools,
        git=git_facts(Path.cwd()),
        host=host_facts(),
    )


def make_choices(endpoint: EndpointMode, compiled: Compiled | None) -> Choices:
    """What was asked of the run."""
    tables = compiled.tables if compiled else ()
    sent = {f"{it.name} ({it.kind})": hashlib.sha256(it.data).hexdigest() for it in tables}
    return Choices(endpoint.name.lower(), sent)


def _board_facts(board: Board) -> BoardFacts:
    try:
        sha256 = hashlib.sha256(board.path.read_bytes()).hexdigest()
    except OSError as error:
        raise EdgeError(
            f"{board.path}: the board's file cannot be read any more ({error.strerror}); "
            "put it back and make the run again"
        ) from error
    return BoardFacts(board.name, board.tier, board.cpu.core, board.cpu.clock_hz, sha256)


def _clip_facts(clip: Clip) -> ClipFacts:
    data = np.ascontiguousarray(clip.samples, dtype="<i2").tobytes()
    return ClipFacts(clip.name, len(clip.samples), hashlib.sha256(data).hexdigest())
