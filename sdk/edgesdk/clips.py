"""The clips that files and folders hold, and what is said in them."""

import csv
from collections.abc import Sequence
from pathlib import Path

from edgesdk.errors import EdgeError


def find_clips(arguments: Sequence[Path]) -> list[Path]:
    """The .wav files named, and those inside the folders named, in order.

    Raises:
        EdgeError: a path is missing, a folder holds no .wav, or two clips share a file name.
    """
    clips: list[Path] = []
    for argument in arguments:
        if argument.is_dir():
            found = sorted(argument.glob("*.wav"))
            if not found:
                raise EdgeError(f"clips: {argument}: no .wav file in this folder; name another")
            clips.extend(found)
        elif argument.is_file():
            clips.append(argument)
        else:
            raise EdgeError(f"clips: {argument}: no such file or folder; check the path")
    seen: dict[str, Path] = {}
    for clip in clips:
        if clip.name in seen:
            raise EdgeError(
                f"clips: {seen[clip.name]} and {clip} share a file name, by which results are "
                "told apart; rename one or run them one after the other"
            )
        seen[clip.name] = clip
    return clips


def read_expected(path: Path, clips: Sequence[Path]) -> dict[str, str]:
    """What is said in each clip, from a table with the columns `file` and `text`.

    Raises:
        EdgeError: the table cannot be read, or lacks a column or a clip.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EdgeError(f"expect: {path}: cannot be read ({error}); give a .tsv table") from error
    if not rows or not {"file", "text"} <= rows[0].keys():
        raise EdgeError(
            f"expect: {path}: a table with the columns 'file' and 'text', separated by tabs, was "
            "expected; add that first line"
        )
    texts = {row["file"]: row["text"] or "" for row in rows}
    missing = [clip.name for clip in clips if clip.name not in texts]
    if missing:
        raise EdgeError(
            f"expect: {path}: no line for {missing[0]}"
            f"{f' and {len(missing) - 1} more' if missing[1:] else ''}; add what is said in it"
        )
    return {clip.name: texts[clip.name] for clip in clips}


def read_ends(path: Path) -> dict[str, float]:
    """When speech ends in each clip, in seconds, from the column `end` of a table that
    read_expected took; empty where it has none.

    Raises:
        EdgeError: a value is no number of seconds.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    ends = {}
    for row in rows:
        value = row.get("end") or ""
        try:
            if value:
                ends[row["file"]] = float(value)
        except ValueError:
            raise EdgeError(
                f"expect: {path}: end = {value!r} of {row['file']} is no number of seconds; "
                "correct it"
            ) from None
    return ends
