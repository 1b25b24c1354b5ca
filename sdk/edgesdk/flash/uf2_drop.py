"""Write a UF2 file on a boot ROM's drive: `python -m edgesdk.flash.uf2_drop --volume V FILE`.

The ROM programs what is written and restarts the board once it has every block: the drive vanishes.
It cannot be read back, so that a drive that stays is the only sign of a refused file.
"""

import argparse
import os
import re
import sys
import time
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
VOLUMES = Path("/Volumes")  # macOS
INFO = "INFO_UF2.TXT"  # on every such drive, by the UF2 specification
ACCEPTED_S = 15.0
CHUNK = 64 * 1024


def mounted() -> list[Path]:
    """Where drives are mounted."""
    if MOUNTS.is_file():
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
        # Blanks in a name stand there in octal.
        places = [re.sub(r"\\040", " ", line.split(" ")[1]) for line in lines if " " in line]
        return [Path(place) for place in places]
    return list(VOLUMES.glob("*"))


def is_there(drive: Path) -> bool:
    """Whether a drive is mounted and answers, and takes UF2 files."""
    try:
        return (drive / INFO).is_file()
    except OSError:
        return False


def find_drive(volume: str) -> list[Path]:
    """Mounted drives of that name which take UF2 files."""
    return [place for place in mounted() if place.name == volume and is_there(place)]


def say(text: str) -> None:
    """A line for whoever listens."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def drop(source: Path, drive: Path, patience_s: float = ACCEPTED_S) -> int:
    """Write `source` on the drive and wait until it is gone; returns the exit code."""
    data, sent = source.read_bytes(), 0
    try:
        with (drive / source.name).open("wb", buffering=0) as file:
            while sent < len(data):
                say(f"writing {100 * sent // len(data)} %")
                sent += file.write(data[sent : sent + CHUNK])
            os.fsync(file.fileno())
    except OSError as error:
        # With all of it, the board may restart before the system has closed its file.
        if sent < len(data) or is_there(drive):
            say(f"error: {drive}: {error.strerror} after {sent} of {len(data)} bytes")
            return 1
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if not is_there(drive):
            say("accepted: the board has restarted")
            return 0
        time.sleep(0.1)
    say(f"refused: {drive} is still there after {patience_s:g} s, so the file was not taken")
    return 1


def main() -> int:
    """Find the drive and write the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--volume")
    parser.add_argument("--drive", type=Path)
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args()
    if chosen.drive is not None:
        drives = [chosen.drive] if is_there(chosen.drive) else []
        name = str(chosen.drive)
    else:
        drives, name = find_drive(chosen.volume), chosen.volume
    if not drives:
        say(f"no drive {name} with {INFO} is mounted: hold BOOTSEL while you plug the board in")
        return 1
    if len(drives) > 1:
        say(f"several drives: {', '.join(map(str, drives))}")
        return 1
    return drop(chosen.file, drives[0])


if __name__ == "__main__":
    raise SystemExit(main())
