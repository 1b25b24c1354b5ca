"""The suite's command line; see docs/npu-conformance.md."""

import argparse
import sys
from pathlib import Path

from conformance.catalogue import catalogue
from conformance.compile import GENERATORS, TARGETS
from conformance.report import PAGE, page_text, read_table, summary, write_table
from conformance.store import GOLDENS, check_goldens, make_goldens
from conformance.sweep import CACHE, compare_all


def _compare(words: argparse.Namespace) -> int:
    names = [name for name in catalogue() if words.match in name]
    outcomes = compare_all(names, words.accelerator, words.generator)
    write_table(outcomes, words.table)
    print(summary(outcomes))
    return int(any(outcome.state == "failed" for outcome in outcomes))


def _page(words: argparse.Namespace) -> int:
    text = page_text(read_table(words.table))
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
    verb.set_defaults(run=_compare)
    verb = verbs.add_parser("page", parents=[table], help="write docs/npu-conformance.md")
    verb.add_argument("--check", action="store_true", help="only say whether it is out of date")
    verb.set_defaults(run=_page)
    verb = verbs.add_parser("goldens", help="write the stored streams")
    verb.add_argument("--out", type=Path, default=GOLDENS)
    verb.set_defaults(run=_goldens)
    verb = verbs.add_parser("check", parents=[match], help="emulate the stored streams")
    verb.add_argument("--goldens", type=Path, default=GOLDENS)
    verb.set_defaults(run=_check)
    return parser


if __name__ == "__main__":
    words = _parser().parse_args()
    sys.exit(words.run(words))
