"""A bench of one desk, and pytest on it, as JUnit tells it."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
import pytest
from edgesdk.bundle import save_bundle
from edgesdk.emulate import Clip, emulate
from small_bundle import recogniser_bundle

BUNDLE = recogniser_bundle()
SILENCE_S = 0.5
LIMIT_S = 30.0
GOOD = ("passed", "passed")

TESTS = """
import hashlib
import numpy as np
import pytest

PCM = np.random.default_rng(6).integers(-9000, 9000, 16000).astype(np.int16)

@pytest.mark.parametrize("when", {names})
def test_desk(device, when):
    heard = device.recognise([PCM[at:at + 160] for at in range(0, 16000, 160)], trace=True)
    assert heard.logits_sha256 == "{digest}"
"""


def write_tests(*names: str) -> str:
    """The text of a test file that knows what is right; the same test under each of `names`."""
    samples = np.random.default_rng(6).integers(-9000, 9000, 16000).astype(np.int16)
    (right,) = emulate(BUNDLE, [Clip("noise", samples)], engine="core").transcripts
    return TESTS.format(names=list(names), digest=right.logits_sha256)


@dataclass(frozen=True)
class Case:
    """What JUnit says of one test."""

    kind: str  # passed, failure, error
    verdict: str
    facts: dict[str, str]
    text: str
    seconds: float


def _case(element: ElementTree.Element) -> Case:
    facts = {it.attrib["name"]: it.attrib["value"] for it in element.iter("property")}
    faults = [child for child in element if child.tag in ("failure", "error")]
    assert len(faults) <= 1
    kind = faults[0].tag if faults else "passed"
    text = faults[0].text or "" if faults else ""
    return Case(kind, facts["verdict"], facts, text, float(element.attrib["time"]))


def kinds(cases: Sequence[Case]) -> list[tuple[str, str]]:
    """What became of each."""
    return [(case.kind, case.verdict) for case in cases]


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(it)}" for key, it in value.items()) + "}"
    return json.dumps(value)


class Bench:
    """A bench file with one desk, and pytest on it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        save_bundle(BUNDLE, pytester.path / "small.edge")

    def write(self, port: str | dict[str, str], board: str = "host", **keys: object) -> None:
        """The bench file."""
        keys = {"name": "bad", "board": board, "port": port, "timeout_s": SILENCE_S, **keys}
        lines = ["schema = 1", "lock_wait_s = 1", "[run]", 'bundle = "small.edge"', "[[desk]]"]
        lines += [f"{key} = {_toml(value)}" for key, value in keys.items()]
        (self.pytester.path / "bench.toml").write_text("\n".join(lines))

    def run(self, *arguments: str, limit_s: float = LIMIT_S) -> list[Case]:
        """pytest in this process, as JUnit tells it."""
        begin = time.monotonic()
        self.outcome = self.pytester.runpytest_inprocess(
            *("-p", "edgesdk.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:randomly"),
            *("--edge-bench", "bench.toml", "--junit-xml", "out.xml", *arguments),
        )
        assert time.monotonic() - begin < limit_s
        root = ElementTree.parse(self.pytester.path / "out.xml")
        return [_case(element) for element in root.iter("testcase")]
