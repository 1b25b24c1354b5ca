"""What a run was made from, beside its report: digests, versions, and the computer that ran it.

Two runs are compared by these facts, so each is a value that was looked at, not one that was
asked for.
"""

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgesdk.errors import EdgeError
from edgesdk.folders import check_can_be_made

MANIFEST = "manifest.json"
SCHEMA, VERSION = "edgesdk.run", 1
GIT_TIMEOUT_S = 10


@dataclass(frozen=True)
class BoardFacts:
    """The board, and the SHA-256 of the file that describes it."""

    name: str
    tier: str
    core: str
    clock_hz: int | None
    sha256: str


@dataclass(frozen=True)
class BundleFacts:
    """What the device held; `kind` is `recogniser` or `single`, `name` is "" where not at hand."""

    kind: str
    name: str
    digest: str


@dataclass(frozen=True)
class FirmwareFacts:
    """The firmware: its own id, and the ELF's SHA-256, None for a device behind a port."""

    id: str
    sha256: str | None


@dataclass(frozen=True)
class ClipFacts:
    """One clip by its samples, as little-endian int16."""

    clip: str
    samples: int
    sha256: str


@dataclass(frozen=True)
class Choices:
    """What the user asked of the run; `bias`: SHA-256 of each table that was sent, by name."""

    endpoint: str
    bias: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GitFacts:
    """Commit of the folder that the run was started in.

    `changed`: files that git tracks differ from it; None where git did not say in time.
    """

    commit: str
    changed: bool | None


@dataclass(frozen=True)
class HostFacts:
    """The computer that ran it."""

    name: str
    system: str
    machine: str
    python: str


@dataclass(frozen=True)
class FileFacts:
    """One file of the folder."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """All that is known about where a run's figures come from; `created` in ISO 8601."""

    created: str
    edgesdk: str
    board: BoardFacts
    bundle: BundleFacts
    firmware: FirmwareFacts
    clock: str
    clips: Sequence[ClipFacts]
    choices: Choices
    tools: Mapping[str, str]
    git: GitFacts | None
    host: HostFacts
    files: Mapping[str, FileFacts] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Plain JSON values, with schema name and version."""
        return {"schema": SCHEMA, "version": VERSION, **asdict(self)}


def file_facts(data: bytes) -> FileFacts:
    """Size and digest of a file's content."""
    return FileFacts(len(data), hashlib.sha256(data).hexdigest())


def host_facts() -> HostFacts:
    """This computer."""
    return HostFacts(
        name=platform.node(),
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        python=platform.python_version(),
    )


def git_facts(folder: Path) -> GitFacts | None:
    """The commit that `folder` stands at; None without git, or outside a repository."""
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return GitFacts(commit, None if changes is None else bool(changes)) if commit else None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        finished = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return finished.stdout.strip()


def check_run_folder(folder: Path) -> None:
    """Refuse a folder whose manifest is of something else, before the long work of a run.

    Raises:
        EdgeError: writing there would replace a manifest that is no run's, or cannot be.
    """
    path = folder / MANIFEST
    check_can_be_made(path, "give --report another folder")
    if not path.exists():
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        ours = found.get("schema") == SCHEMA
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        raise EdgeError(
            f"{path}: is no run's manifest, so it is not replaced; give --report another folder"
        )
