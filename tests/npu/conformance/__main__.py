"""The suite's command line; see docs/npu-conformance.md."""

import argparse
import sys
from pathlib import Path

from edgesdk.build import build
from edgesdk.cli.target import find_board, open_target
from edgesdk.errors import EdgeError
from edgesdk.flash.store import store

from conformance.catalogue import catalogue
from conformance.compile import GENERATORS, TARGETS
from conformance.goldens import Golden, load
from conformance.report import PAGE, page_text, read_table, summary, write_table
from conformance.silicon import export, graph_bundle, judge, run_on_device, write_report
from conformance.store import GOLDENS, check_goldens, make_goldens
from conformance.sweep import CACHE, compare_all


def _compare(words: argparse.Namespace) -> int:
    names = [name for name in catalogue() if words.match in name]
    outcomes = compare_all(names, words.accelerator, words.generator, words.rounds)
    write_table(outcomes, words.table)
    print(summary(outcomes))
    return int(any(outcome.state == "failed" for outcome in outcomes))


def _page(words: argparse.Namespace) -> int:
    text = page_text(read_table(words.table), read_table(words.long))
    if words.check:
        return int(text != PAGE.read_text())
    PAGE.write_text(text)
    return 0


def _goldens(words: argparse.Namespace) -> int:
    goldens = make_goldens(words.out)
    print(f"{len(goldens)} streams, {words.out.stat().st_size} bytes")
    return 0


def _check(words: argparse.Namespace) -> int:
    found = check_goldens(words.goldens, words.match)
    for line in found.lines:
        print(line)
    print(f"{found.streams} streams, {found.values} values, {len(found.lines)} streams differ")
    return int(bool(found.lines))


def _chosen(words: argparse.Namespace, accelerator: str) -> tuple[list[Golden], dict[str, str]]:
    """Stored streams of an accelerator, and the versions of what made them."""
    goldens, made = load(words.goldens)
    chosen = [
        golden
        for golden in goldens
        if golden.compiled.accelerator == accelerator and words.match in golden.graph
    ]
    if not chosen:
        known = sorted({golden.compiled.accelerator for golden in goldens})
        raise EdgeError(f"no stored streams for {accelerator}; there are {', '.join(known)}")
    return chosen, made


def _silicon(words: argparse.Namespace) -> int:
    board = find_board(words.board)
    if board.npu is None:
        raise EdgeError(f"{board.name} has no NPU; name a board file with [npu]")
    goldens, made = _chosen(words, board.npu.accelerator)
    if board.emulator is not None:
        store(build(board, graph_bundle(goldens[0])))
    with open_target(board, words.port, None, None) as device:
        identity = device.identity
        about = {
            "made_with": made,
            "accelerator": board.npu.accelerator,
            "board": identity.board,
            "firmware_id": identity.firmware_id,
            "clock_hz": identity.clock_hz,
        }
        counts = write_report(run_on_device(device, goldens), about, words.out)
    print(f"{words.out}: {counts}")
    return int(set(counts) - {"equal", "as emulated"} != set())


def _export(words: argparse.Namespace) -> int:
    print(f"{export(_chosen(words, words.accelerator)[0], words.folder)} graphs")
    return 0


def _judge(words: argparse.Namespace) -> int:
    if not words.folder.is_dir():
        raise EdgeError(f"{words.folder}: no folder; give that which `export` wrote")
    goldens, made = _chosen(words, words.accelerator)
    about = {"made_with": made, "accelerator": words.accelerator}
    counts = write_report(judge(goldens, words.folder), about, words.out)
    print(f"{words.out}: {counts}")
    return int(set(counts) - {"equal", "as emulated"} != set())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="npu_conformance.py", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    table = argparse.ArgumentParser(add_help=False)
    table.add_argument("--table", type=Path, default=CACHE / "table.tsv")
    match = argparse.ArgumentParser(add_help=False)
    match.add_argument("--match", default="", help="only graphs with this in their name")
    verb = verbs.add_parser(
        "compare", parents=[table, match], help="compile, emulate, compare with the reference"
    )
    verb.add_argument("--accelerator", nargs="+", default=list(TARGETS), choices=TARGETS)
    verb.add_argument("--generator", nargs="+", default=list(GENERATORS), choices=GENERATORS)
    verb.add_argument("--rounds", type=int, default=0, help="more random vectors for each graph")
    verb.set_defaults(run=_compare)
    verb = verbs.add_parser("page", parents=[table], help="write docs/npu-conformance.md")
    verb.add_argument("--long", type=Path, default=CACHE / "long.tsv", help="of more vectors")
    verb.add_argument("--check", action="store_true", help="only say whether it is out of date")
    verb.set_defaults(run=_page)
    verb = verbs.add_parser("goldens", help="write the stored streams")
    verb.add_argument("--out", type=Path, default=GOLDENS)
    verb.set_defaults(run=_goldens)
    stored = argparse.ArgumentParser(add_help=False, parents=[match])
    stored.add_argument("--goldens", type=Path, default=GOLDENS)
    verb = verbs.add_parser("check", parents=[stored], help="emulate the stored streams")
    verb.set_defaults(run=_check)
    verb = verbs.add_parser("silicon", parents=[stored], help="the stored streams on a board")
    verb.add_argument("--board", required=True, help="a board with an NPU, or its file")
    verb.add_argument("--port", help="of real hardware that runs the firmware, all kernels in it")
    verb.add_argument("--out", type=Path, default=Path("npu-report.json"))
    verb.set_defaults(run=_silicon)
    folder = argparse.ArgumentParser(add_help=False, parents=[stored])
    folder.add_argument("folder", type=Path)
    folder.add_argument("--accelerator", required=True, choices=TARGETS)
    verb = verbs.add_parser("export", parents=[folder], help="write files for another runtime")
    verb.set_defaults(run=_export)
    verb = verbs.add_parser("judge", parents=[folder], help="report what that runtime found")
    verb.add_argument("--out", type=Path, default=Path("npu-report.json"))
    verb.set_defaults(run=_judge)
    return parser


if __name__ == "__main__":
    words = _parser().parse_args()
    try:
        sys.exit(words.run(words))
    except EdgeError as error:
        sys.exit(f"npu_conformance: {error}")
