"""Write and read back flash with pyOCD: `python -m edgesdk.flash.pyocd_session --target T A=FILE`.

One line for each thing that happens, so that whoever started this can follow and sort what fails.
"""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyocd.core import exceptions
from pyocd.core.helpers import ConnectHelper
from pyocd.core.session import Session
from pyocd.core.target import Target
from pyocd.flash.loader import MemoryLoader

READ_BYTES = 4096
RESETS = {"hardware": Target.ResetType.HARDWARE, "software": Target.ResetType.SYSTEM}


@dataclass(frozen=True)
class Content:
    """Bytes and where they go."""

    address: int
    data: bytes


def say(text: str) -> None:
    """A line for whoever listens."""
    sys.stdout.write(" ".join(text.split()) + "\n")
    sys.stdout.flush()


def write(session: Any, contents: Sequence[Content], *, erase: bool) -> None:
    """Erase the sectors that are written, or the chip, and write."""
    shown, what = -1, "erasing"

    def progress(fraction: float) -> None:
        nonlocal shown, what
        percent = int(100 * fraction)
        if percent < shown:  # pyOCD counts anew once it writes
            what = "writing"
        if percent != shown:
            shown = percent
            say(f"{what} {percent} %")

    say("erasing")
    loader = MemoryLoader(
        session,
        progress=progress,
        chip_erase="chip" if erase else "sector",
        trust_crc=False,
        keep_unwritten=False,
    )
    for content in contents:
        loader.add_data(content.address, content.data)
    loader.commit()


def read_back(session: Any, contents: Sequence[Content]) -> bool:
    """Whether the chip holds what was written; says where it does not."""
    for content in contents:
        for start in range(0, len(content.data), READ_BYTES):
            wanted = content.data[start : start + READ_BYTES]
            found = bytes(session.target.read_memory_block8(content.address + start, len(wanted)))
            if found != wanted:
                at = next(
                    i
                    for i, pair in enumerate(zip(found, wanted, strict=True))
                    if pair[0] != pair[1]
                )
                say(
                    f"verify: 0x{content.address + start + at:08x} holds 0x{found[at]:02x}, "
                    f"0x{wanted[at]:02x} was written"
                )
                return False
    say(f"verified {sum(len(content.data) for content in contents)} bytes")
    return True


def flash(probe: Any, chosen: argparse.Namespace, contents: Sequence[Content]) -> int:
    """Connect, write, read back, reset; returns the exit code."""
    options: dict[str, object] = {
        "target_override": chosen.target,
        "connect_mode": "under-reset" if chosen.reset == "hardware" else "halt",
        "resume_on_disconnect": chosen.reset != "none",
        "hide_programming_progress": True,
        "no_config": True,
        "auto_unlock": chosen.erase,  # a protected chip opens by erasing everything
    }
    if chosen.clock_khz is not None:
        options["frequency"] = 1000 * chosen.clock_khz
    with Session(probe, options=options) as session:
        say(f"connected to {probe.description}")
        write(session, contents, erase=chosen.erase)
        equal = read_back(session, contents)
        if not equal:  # some chips show their flash only after a reset
            session.target.reset_and_halt()
            equal = read_back(session, contents)
        if not equal:
            return 1
        if chosen.reset in RESETS:
            session.target.reset(RESETS[chosen.reset])
    return 0


def _content(text: str) -> Content:
    address, path = text.split("=", 1)
    return Content(int(address, 0), Path(path).read_bytes())


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--pack", help="the CMSIS-Pack that brings the target, for messages")
    parser.add_argument("--probe")
    parser.add_argument("--clock-khz", type=int)
    parser.add_argument("--reset", choices=("hardware", "software", "none"), required=True)
    parser.add_argument("--erase", action="store_true")
    parser.add_argument("content", nargs="+", type=_content)
    return parser.parse_args()


def _end(number: int, frame: object) -> None:
    """Let go of the probe as after an error."""
    raise SystemExit(128 + number)


def main() -> int:
    """Choose the only probe, or the one that is named, and flash."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    signal.signal(signal.SIGTERM, _end)
    chosen = _parse()
    try:
        probes = ConnectHelper.get_all_connected_probes(blocking=False, unique_id=chosen.probe)
        if chosen.probe is not None:  # pyOCD takes any part of a name for it
            names = (chosen.probe, chosen.probe.split(":", 1)[-1])
            probes = [probe for probe in probes if probe.unique_id in names]
        if not probes:
            named = "" if chosen.probe is None else f" with the name {chosen.probe}"
            say(f"no probe{named} is connected")
            return 1
        if len(probes) > 1:
            listed = ", ".join(f"{probe.unique_id} ({probe.description})" for probe in probes)
            say(f"several probes: {listed}")
            return 1
        return flash(probes[0], chosen, chosen.content)
    except exceptions.TargetSupportError as error:
        pack = f" (pack {chosen.pack})" if chosen.pack else ""
        say(f"TargetSupportError: {error}{pack}; try: pyocd pack install {chosen.target}")
    except Exception as error:  # a child of its own: any end is told in one line
        say(f"{type(error).__name__}: {error}")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
