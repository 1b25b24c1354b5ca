"""The integer recogniser against the float one, on real speakers that training never heard."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from edgesdk.bundle import load_bundle
from edgesdk.emulate import Clip, emulate
from edgesdk.report.wer import WordErrors, sum_errors, word_errors

MOST_LOST_POINTS = 0.5


def _errors(texts: list[str], references: list[str]) -> WordErrors:
    return sum_errors(map(word_errors, references, texts))


@pytest.mark.needs_cc
@pytest.mark.needs_shared
def test_integer_word_error_rate_is_within_half_a_point_of_float(
    shared: Path, model: Path, convert: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(model))
    from decode import recognise
    from evaluate import isolated_sets, with_tail
    from model import load_checkpoint

    sets = isolated_sets(shared / "data" / "speech")
    spoken = [clip for clips in sets.values() for clip in clips]
    references = [clip.text for clip in spoken]
    network = load_checkpoint(model / "checkpoint.pt")
    float_texts = recognise(network, [with_tail(clip.samples) for clip in spoken])
    clips = [Clip(str(index), clip.samples) for index, clip in enumerate(spoken)]
    integer = emulate(load_bundle(convert("host")), clips, engine="core")
    float_errors = _errors(float_texts, references)
    integer_errors = _errors([it.text for it in integer.transcripts], references)
    sys.stdout.write(
        f"{len(clips)} clips: float {float_errors.rate_pct:.2f} %, "
        f"integer {integer_errors.rate_pct:.2f} %\n"
    )
    assert integer_errors.rate_pct <= float_errors.rate_pct + MOST_LOST_POINTS
    assert float_errors.rate_pct < 15
