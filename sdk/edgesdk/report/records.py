"""What a run found, as values: records with unit and fidelity, costs, memory, clips.

Fidelity says what a number may be used for:
- functional: exact, and the same on every machine (a transcript, the bytes of an image, an
  emulator's count of executed instructions);
- estimate: derived with an assumption (instructions / clock frequency as time), or counted on a
  stand-in (stack and code of the host's process);
- hardware: measured on a physical board.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from edgesdk.biasing.stored import StoredTables
from edgesdk.endpoints import Decision
from edgesdk.fit import MemoryUse
from edgesdk.report.trade_off import Curves

SCHEMA, VERSION = "edgesdk.report", 1

Fidelity = Literal["functional", "estimate", "hardware"]


@dataclass(frozen=True)
class Record:
    """One figure; `note` says how it came about where the name does not."""

    name: str
    value: float | int | bool | str
    unit: str
    fidelity: Fidelity
    note: str = ""


@dataclass(frozen=True)
class OperatorCost:
    """Cost of one operator of a graph, summed over all its calls; unit as the report's.

    `index` is the operator's in the plan, None for what is spent between operators, or
    for a graph whose operators were not counted.
    """

    graph: str
    index: int | None
    operator: str
    tensor: str
    calls: int
    cost: int

    @property
    def place(self) -> str:
        """Graph and index in words."""
        return self.graph if self.index is None else f"{self.graph} {self.index}"


@dataclass(frozen=True)
class StageCost:
    """Cost of one stage of the recogniser, of a clip or of all; unit as the report's."""

    stage: str
    calls: int | None
    cost: int


@dataclass(frozen=True)
class Difference:
    """The first value that parts between device and laptop; None where a side has none."""

    clip: str
    place: str
    device: float | str | None
    laptop: float | str | None

    def sentence(self) -> str:
        """The difference in words."""
        return f"{self.clip}: {self.place}: device {self.device}, laptop {self.laptop}"


@dataclass(frozen=True)
class ClipRecord:
    """One clip: what was said, heard, and at what cost (None where no cost may be shown).

    `processed_s` is the clip and the silence that the device adds behind it; `end_s` is the true
    end of speech, where known; `endpoints` is None where end-pointing is off; `stages` add up to
    `cost`.
    """

    clip: str
    audio_s: float
    processed_s: float
    reference: str | None
    text: str
    logits_sha256: str
    equal: bool | None
    cost: int | None
    end_s: float | None = None
    endpoints: Sequence[Decision] | None = None
    stages: Sequence[StageCost] = field(default_factory=tuple)


@dataclass(frozen=True)
class Report:
    """Everything that report.json, report.html and the table show."""

    created: str
    board: dict[str, Any]
    bundle: dict[str, Any]
    tools: dict[str, str]
    cost_unit: str
    correct: bool | None
    difference: Difference | None
    records: Sequence[Record]
    clips: Sequence[ClipRecord]
    stages: Sequence[StageCost] = field(default_factory=tuple)
    operators: Sequence[OperatorCost] = field(default_factory=tuple)
    memory: Sequence[MemoryUse] = field(default_factory=tuple)
    endpoint_curves: Curves = field(default_factory=dict)
    bias: StoredTables | None = None

    def document(self) -> dict[str, Any]:
        """The report as plain JSON values, with schema name and version."""
        return {"schema": SCHEMA, "version": VERSION, **asdict(self)}

    def value(self, name: str) -> float | int | bool | str | None:
        """Value of the record called `name`, or None."""
        return next((record.value for record in self.records if record.name == name), None)
