"""Counts other people's whole models on emulated boards, beside the peer's recorded counts.

The models are the developers' own copies in the data folder: `shared` beside the repository, or
$EDGESDK_SHARED. Every output is compared with TFLite's reference kernels first.

python benchmarks/models.py [--board BOARD]
"""

import argparse
import json
from typing import Any

from kernels import PEER
from rich.table import Table
from single import (
    BOARDS,
    SHARED,
    Case,
    Counts,
    bench,
    figure,
    measure,
    output,
    per_mac,
    ratio,
    table,
)

MODELS = SHARED / "data" / "models"
NAMES = (
    *("ad01_int8", "hey_jarvis", "kws_ref_model", "micro_speech_quantized"),
    *("okay_nabu", "pretrainedResnet_quant", "trained_lstm_int8", "vww_96_int8"),
)


def cases() -> list[Case]:
    """The models as they are."""
    files = {name: (MODELS / f"{name}.tflite").read_bytes() for name in NAMES}
    return [Case(name, "as they are", data, data) for name, data in files.items()]


def _table(board: str, peer: dict[str, Any]) -> Table:
    columns = ["MAC", "instructions", "per MAC", "est. cycles\nper MAC"]
    for build in _builds(peer):
        columns += [f"peer\n{peer[build]}", "ours\nof it"]
    return table((board,), *columns, "constants", "image", "RAM", "peer's", "ours\nof it", "code")


def _builds(peer: dict[str, Any]) -> list[str]:
    """Of the peer: the best one known, and GCC's where another one is better."""
    return [build for build in ("best", "gcc") if build in peer]


def _row(name: str, ours: Counts, peer: dict[str, Any]) -> list[str]:
    theirs = peer.get(name, {})
    counts = [theirs.get(build) for build in _builds(peer)]
    return [
        name,
        figure(ours.macs),
        figure(ours.instructions),
        *per_mac(ours),
        *(text for it in counts for text in (figure(it), ratio(ours.instructions, it))),
        figure(ours.constants),
        figure(ours.image),
        figure(ours.ram),
        figure(theirs.get("ram")),
        ratio(ours.ram, theirs.get("ram")),
        figure(ours.code),
    ]


def main() -> None:
    """Measure every model on the boards and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", choices=BOARDS, action="append")
    chosen = parser.parse_args().board or BOARDS
    console = output()
    if not MODELS.is_dir():
        console.print(f"whole models are left out: there is no {MODELS} (EDGESDK_SHARED)\n")
        return
    peers = json.loads(PEER.read_text(encoding="utf-8"))
    for name in chosen:
        shown = _table(name, peers[name])
        with bench(name) as on:
            for case in cases():
                shown.add_row(*_row(case.name, measure(on, case), peers[name]))
        console.print(shown)
        person = peers[name]["person_detect"]["best"]
        console.print(f"\nall {len(NAMES)}: every output as TFLite's reference kernels give it")
        console.print(f"person_detect: left out, no copy here; the peer takes {person:,}\n")
    console.print("est. cycles: an estimate, not a measurement (docs/benchmarks.md)\n")


if __name__ == "__main__":
    main()
