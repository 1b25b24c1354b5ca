"""Files of phrases that a verb was given, as tables for its bundle and its device."""

import time
from collections.abc import Sequence

from edgesdk.biasing.compile import Compiled, check_room, compile_files
from edgesdk.biasing.spell import DEFAULT_SPELLINGS
from edgesdk.bundle import Bundle
from edgesdk.cli.options import By
from edgesdk.cli.terminal import Terminal
from edgesdk.errors import BiasError
from edgesdk.link.device import Device


def compile_tables(
    term: Terminal,
    phrases: Sequence[str] | None,
    bundle: Bundle | None,
    *,
    weight: float | None = None,
    spellings: int = DEFAULT_SPELLINGS,
    by: By | None = None,
) -> Compiled | None:
    """The tables of some files, each [NAME=]FILE; None without files. Warnings go to stderr.

    Raises:
        BiasError: a file is wrong, the tables do not fit the bundle's room, or it is not known.
    """
    if not phrases:
        return None
    if bundle is None:
        raise BiasError(
            "the tokens of a device behind a port are not known; name its bundle with --bundle"
        )
    compiled = compile_files(
        phrases,
        bundle,
        weight=weight,
        spellings=spellings,
        by=None if by is None else by.value,
    )
    for warning in compiled.warnings:
        term.note(warning)
    check_room(compiled, bundle)
    return compiled


def compile_shipped(
    phrases: Sequence[str] | None, bundle: Bundle, by: By | None = None
) -> Compiled | None:
    """The tables that go into a bundle, which need none of its room; None without files.

    Raises:
        BiasError: a file is wrong, or the bundle is no recogniser.
    """
    if not phrases:
        return None
    if not bundle.is_recogniser:
        raise BiasError(f"{bundle.source}: a single graph has no tokens; leave --phrases out")
    return compile_files(phrases, bundle, by=None if by is None else by.value)


def load_tables(device: Device, compiled: Compiled) -> list[float]:
    """Send all tables; returns how many seconds of this computer's clock each of them took."""
    seconds = []
    for table in compiled.tables:
        start = time.perf_counter()
        device.bias.load(table.data)
        seconds.append(time.perf_counter() - start)
    return seconds


def load_only(device: Device, compiled: Compiled) -> None:
    """Leave these tables and those of the bundle, all active, as `emulate` starts."""
    tables = device.bias
    tables.clear()
    tables.use(dict.fromkeys(table.name for table in tables.stored.tables))
    load_tables(device, compiled)


def unlike_bundle(device: Device, bundle: Bundle | None) -> str | None:
    """Why a device's tables are not those of its bundle; None where they are."""
    if bundle is None or not bundle.bias.room_bytes:
        return None
    changed = [t.name for t in device.bias.stored.tables if t.in_room or not t.active]
    if not changed:
        return None
    return (
        f"bias tables were sent or switched ({', '.join(changed)}); give their phrases by --bias, "
        "or forget them with `edgesdk bias --clear`"
    )
