"""Where boards/ and firmware_templates/ lie, in a checkout and in an installed wheel."""

from pathlib import Path

from edgesdk.errors import EdgeError

_PACKAGE = Path(__file__).resolve().parent


def resource_dir(name: str) -> Path:
    """Folder `name` ("boards" or "firmware_templates").

    Raises:
        EdgeError: the installation lacks it.
    """
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parents[1] / name):
        if candidate.is_dir():
            return candidate
    raise EdgeError(f"{name}/ is missing from this installation of edgesdk; reinstall it")
