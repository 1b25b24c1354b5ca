"""Some seconds of the hour on a bad line, and what would make it fail."""

from dataclasses import replace

import numpy as np
import pytest
import soak
from edgesdk.bundle import Bundle
from edgesdk.emulate import Clip
from faulty_line import FaultyLine, Rates
from soak import Soak, Usage, faults_of, growth, joined

RATES = Rates(1e-4, 1e-4, 1e-4)
CLIPS = [
    Clip(f"noise {seed}", np.random.default_rng(seed).integers(-9000, 9000, 12000).astype(np.int16))
    for seed in (1, 2)
]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return soak.shipped_bundle()


@pytest.mark.needs_cc
@pytest.mark.parametrize("mends", [True, False])
def test_seconds_on_a_bad_line_are_right_and_leave_nothing(mends: bool, bundle: Bundle) -> None:
    rates = RATES if mends else Rates(5e-6, 5e-6, 5e-6)
    done, line = soak.soak(bundle, CLIPS, "host", rates, 9.0, mends)
    assert done.audio_s >= 9 and done.accepted == 12 and done.wrong == done.drifted == 0
    assert sum(line.faults.values()) > 0
    assert (done.mended > 0) == mends
    assert mends or done.began_again["LineError"] > 0
    assert len({it.descriptors for it in (*done.host, *done.device)}) <= 2


@pytest.mark.needs_cc
def test_transcript_that_differs_is_counted_wrong(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = soak.emulate_clips

    def lie(*arguments: object) -> object:
        told = judge(*arguments)  # type: ignore[arg-type]
        wrong = [replace(it, logits_sha256="0") for it in told.transcripts]
        return replace(told, transcripts=tuple(wrong))

    monkeypatch.setattr(soak, "emulate_clips", lie)
    done, _ = soak.soak(bundle, CLIPS, "host", Rates(), 1.0)
    assert done.wrong == done.accepted > 0
    assert faults_of(done)[0] == f"{done.wrong} wrong transcripts were accepted"


def test_leak_and_drift_are_told() -> None:
    flat = [Usage(10.0 * at, 5_000_000, 9) for at in range(40)]
    leaking = [Usage(10.0 * at, 5_000_000 + 50_000 * at, 9 + at // 30) for at in range(40)]
    assert growth(flat) == 0 and growth(leaking) == 950_000
    done = Soak(1.0, host=flat, device=flat)
    assert faults_of(done) == []
    done = Soak(1.0, host=flat, device=leaking, drifted=2)
    assert faults_of(done) == [
        "2 utterances drifted",
        "the device's memory grows by 950,000 bytes",
        "the device's descriptors grow",
    ]


class _Echo:
    where = remedy = "echo"
    interrupts = False

    def __init__(self, data: bytes) -> None:
        self.data, self.written = data, b""

    def read(self, timeout_s: float) -> bytes:
        return self.data

    def write(self, data: bytes, timeout_s: float) -> None:
        self.written += data

    def close(self) -> None:
        return


def test_faults_come_at_their_rates_and_again_for_the_same_seed() -> None:
    data = bytes(range(256)) * 400
    spoilt = [FaultyLine(_Echo(data), Rates(1e-3, 2e-3, 3e-3), 6) for _ in range(2)]
    assert spoilt[0].read(1) == spoilt[1].read(1) != data
    faults = spoilt[0].faults
    for kind, rate in (("lost", 1e-3), ("doubled", 2e-3), ("corrupt", 3e-3)):
        assert faults[kind] == pytest.approx(rate * len(data), rel=0.3)
    whole = _Echo(data)
    line = FaultyLine(whole, Rates(), 6)
    line.write(data, 1)
    assert line.read(1) == whole.written == data and line.carried == 2 * len(data)
    halves = _Echo(data)
    line = FaultyLine(halves, Rates(corrupt=1e-3), 6)
    for at in range(0, len(data), 7):
        line.write(data[at : at + 7], 1)
    wrong = sum(a != b for a, b in zip(halves.written, data, strict=True))
    assert wrong == line.faults["corrupt"] == pytest.approx(102, rel=0.3)


def test_streams_are_as_long_as_asked_and_differ() -> None:
    streams = joined(CLIPS, 2.0)
    assert [len(it.samples) for it in streams] == [36000, 36000]
    assert not np.array_equal(streams[0].samples, streams[1].samples)
    assert joined(CLIPS, 0) == CLIPS
