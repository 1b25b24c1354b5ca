"""The whole bundle, kept beside an emulated board's flash: host sections never go to a device."""

from pathlib import Path

from edgesdk.bundle import Bundle, load_bundle, save_bundle
from edgesdk.errors import BuildError, BundleError
from edgesdk.flash.store import Flashed
from edgesdk.folders import devices_dir

KEPT = "whole.edge"


def keep_bundle(bundle: Bundle, board: str, root: Path | None = None) -> None:
    """Keep `bundle` for what has just been flashed on `board`; the next flash removes it.

    Raises:
        BuildError: the device folder cannot be written.
    """
    try:
        save_bundle(bundle, (root or devices_dir()) / board / KEPT)
    except BundleError as error:
        raise BuildError(str(error)) from error


def kept_bundle(flashed: Flashed, root: Path | None = None) -> Bundle | None:
    """The bundle that `flashed` was made from; None where it was not kept or is another one."""
    path = (root or devices_dir()) / flashed.board / KEPT
    try:
        bundle = load_bundle(path)
    except BundleError:
        return None
    return bundle if bundle.digest == flashed.bundle_digest else None
