"""Standard output, which may be full, closed, or unable to hold every character."""

import io
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from edgesdk.errors import EdgeError


def accept_any_text() -> None:
    """From now on, characters that stdout's encoding lacks become `?`, not an error."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def write_json(document: Mapping[str, Any]) -> None:
    """One JSON object and a newline; characters beyond stdout's encoding are escaped."""
    unicode = (sys.stdout.encoding or "ascii").lower().startswith("utf")
    sys.stdout.write(json.dumps(document, ensure_ascii=not unicode, indent=2) + "\n")


def cannot_write(error: OSError) -> EdgeError:
    """What to say where stdout takes no more."""
    return EdgeError(
        f"standard output cannot be written ({error.strerror}); free space or send it elsewhere"
    )


def drop() -> None:
    """Send what is still to be written nowhere, so that Python does not complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
