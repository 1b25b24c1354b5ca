"""Runs that no device made: a small report with its manifest, to be changed and written."""

import dataclasses
from pathlib import Path
from typing import Any

from edgesdk.fit import MemoryUse
from edgesdk.report.manifest import (
    BoardFacts,
    BundleFacts,
    Choices,
    ClipFacts,
    FirmwareFacts,
    GitFacts,
    HostFacts,
    Manifest,
    file_facts,
)
from edgesdk.report.records import ClipRecord, OperatorCost, Record, Report, StageCost
from edgesdk.report.write import as_json, write_files

CREATED = "2026-01-02T03:04:05+00:00"
MANIFEST = Manifest(
    created=CREATED,
    edgesdk="0.1.0",
    board=BoardFacts("made-up", "emulated", "cortex-m55", 32_000_000, "0a" * 32),
    bundle=BundleFacts("recogniser", "commands", "00112233"),
    firmware=FirmwareFacts("f1f2", "0b" * 32),
    clock="instructions",
    clips=(ClipFacts("a.wav", 24_000, "0c" * 32), ClipFacts("b.wav", 8_000, "0d" * 32)),
    choices=Choices("off"),
    tools={"edgesdk": "0.1.0", "compiler": "gcc 12.2 -O3"},
    git=GitFacts("ab" * 20, changed=False),
    host=HostFacts("desk", "Linux 6", "x86_64", "3.11.9"),
)


def _stages(features: int, encoder: int) -> tuple[StageCost, ...]:
    return StageCost("features", None, features), StageCost("encoder", 40, encoder)


REPORT = Report(
    created=CREATED,
    board={"name": "made-up", "title": "A made-up board", "tier": "emulated"},
    bundle={"name": "commands", "digest": "00112233", "image_bytes": 1000},
    tools=dict(MANIFEST.tools),
    cost_unit="instructions",
    correct=True,
    difference=None,
    records=(
        Record("device == laptop", True, "", "functional"),
        Record("word error rate", 12.5, "%", "functional", "1 of 8 words"),
        Record("audio", 2.0, "s", "functional"),
        Record("cost of a second of audio", 1_000_000, "instructions", "functional"),
        Record("real-time factor", 0.03125, "", "estimate", "one instruction per cycle"),
        Record("arena", 4096, "bytes", "functional"),
        Record("stack high-water", 1500, "bytes", "functional"),
        Record("firmware", 30_000, "bytes", "functional"),
    ),
    clips=(
        ClipRecord(
            *("a.wav", 1.5, 1.5, "yes no", "yes go", "00", True, 1_400_000),
            stages=_stages(900_000, 500_000),
        ),
        ClipRecord(
            *("b.wav", 0.5, 0.5, "stop", "stop", "01", True, 600_000),
            stages=_stages(400_000, 200_000),
        ),
    ),
    stages=_stages(1_300_000, 700_000),
    operators=(
        OperatorCost("encoder", 0, "FULLY_CONNECTED", "hidden", 40, 600_000),
        OperatorCost("encoder", 1, "TANH", "out", 40, 70_000),
        OperatorCost("encoder", None, "between operators", "", 40, 30_000),
    ),
    memory=(MemoryUse("sram", 10_000, (("stack", 2000), ("arena", 4096))),),
)


def with_record(report: Report, name: str, value: float | str | None) -> Report:
    """The report with another value of a record, or without it."""
    kept = [it for it in report.records if it.name != name]
    if value is None:
        return dataclasses.replace(report, records=tuple(kept))
    changed = [
        dataclasses.replace(it, value=value) if it.name == name else it for it in report.records
    ]
    return dataclasses.replace(report, records=tuple(changed))


def save_run(folder: Path, report: Report = REPORT, **facts: Any) -> Path:
    """Write a run without its page, with other facts in its manifest; returns the folder."""
    text = as_json(report.document())
    files = {"report.json": file_facts(text.encode())}
    manifest = dataclasses.replace(MANIFEST, files=files, **facts)
    write_files(folder, {"report.json": text, "manifest.json": as_json(manifest.document())})
    return folder
