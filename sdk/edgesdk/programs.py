"""Which programs this computer has, and what they say about their version."""

import shutil
import subprocess

VERSION_TIMEOUT_S = 20


def program_version(name: str) -> str | None:
    """First line of `name --version`; None where the program is absent or does not run."""
    path = shutil.which(name)
    if path is None:
        return None
    try:
        finished = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(finished.stdout.splitlines()), path)
