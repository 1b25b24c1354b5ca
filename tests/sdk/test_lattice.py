"""The bytes of results, stated by hand; what is damaged is refused; confidence of words."""

import math
import struct

import pytest
from edgesdk.lattice import (
    Arc,
    Results,
    Word,
    confidence,
    hypothesis_document,
    lattice_document,
    posteriors,
    read_results,
)
from edgesdk.link.payload import PayloadError
from hypothesis import given
from hypothesis import strategies as st

# Two hypotheses, "go on" and "no on", that share their last word; docs/protocol.md, Results.
GOLDEN = bytes.fromhex(
    "409c0000"  # 40000 us per frame
    "02000000"  # 2 tokens committed, with their scores
    "0000ffffffffffff 0080000000000000"
    "0200 0400 0400"  # hypotheses, states, arcs
    "0000fdffffffffff 0080010000000000 0200"  # -3.0, 1.5, two tokens, the last one first
    "09000000 0080ffff 00000000 0500 07e296816f6e2121"
    "07000000 0040ffff 00000100 0400 05e29681676f"
    "0000fbffffffffff 0000000000000000 0200"
    "09000000 0080ffff 00000000 0500 07e296816f6e2121"
    "06000000 0000feff 00000000 0300 05e296816e6f"
    "0200 0300 0a000000 0a000000 0000ffff 00000000 0000"  # the end: 10, no tokens
    "0100 0200 09000000 09000000 0080ffff 00000000 0100 0500 07e296816f6e2121"
    "0000 0100 07000000 07000000 00000000 00000100 0100 0400 05e29681676f"
    "0000 0100 06000000 06000000 0000feff 0080ffff 0100 0300 05e296816e6f"
)


def test_golden_bytes_then_mean_what_the_page_says() -> None:
    results = read_results(GOLDEN)
    assert (results.frame_us, results.committed, results.states) == (40000, 2, 4)
    assert (results.committed_acoustic_q16, results.committed_bias_q16) == (-65536, 32768)
    assert [hypothesis_document(h, results) for h in results.hypotheses] == [
        {
            "text": "go on!!",
            "tokens": ["▁go", "▁on!!"],
            "timestamps": [0.28, 0.36],
            "ys_probs": [-0.75, -0.5],
            "context_scores": [1.0, 0.0],
            "acoustic_score": -3.0,
            "bias_score": 1.5,
        },
        {
            "text": "no on!!",
            "tokens": ["▁no", "▁on!!"],
            "timestamps": [0.24, 0.36],
            "ys_probs": [-2.0, -0.5],
            "context_scores": [0.0, 0.0],
            "acoustic_score": -5.0,
            "bias_score": 0.0,
        },
    ]
    edges = lattice_document(results)["edges"]
    assert [(e["from"], e["to"], e["word"], e["start"], e["end"]) for e in edges] == [
        (2, 3, "", 0.4, 0.44),
        (1, 2, "on!!", 0.36, 0.4),
        (0, 1, "go", 0.28, 0.32),
        (0, 1, "no", 0.24, 0.28),
    ]
    share = 1 / (1 + math.exp(-2.5 - 1.0))  # -2.0 and -0.5 against 0.0 and 1.0
    assert posteriors(results) == pytest.approx((1.0, 1.0, share, 1 - share))
    shares = posteriors(results)
    assert confidence(results, shares, Word("go", 0.28, 0.32, None)) == round(share, 5)
    assert confidence(results, shares, Word("go", 0.33, 0.36, None)) is None
    assert confidence(results, shares, Word("on!!", 0.3, 0.37, None)) == 1.0


@pytest.mark.parametrize("cut", range(len(GOLDEN)))
def test_cut_results_then_are_refused(cut: int) -> None:
    with pytest.raises(PayloadError, match="RESULTS"):
        read_results(GOLDEN[:cut])


@given(st.data())
def test_damaged_results_then_are_refused_or_a_lattice(data: st.DataObject) -> None:
    damaged = bytearray(GOLDEN)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(GOLDEN) - 1))] = data.draw(st.integers(0, 255))
    try:
        results = read_results(bytes(damaged) + data.draw(st.binary(max_size=3)))
    except PayloadError:
        return
    assert all(arc.source < arc.target < results.states for arc in results.arcs)
    assert all(0 <= share <= 1 + 1e-9 for share in posteriors(results))
    lattice_document(results)


def test_arcs_that_lead_back_or_out_then_are_refused() -> None:
    head = struct.pack("<IIqqHHH", 40000, 0, 0, 0, 0, 3, 1)
    for source, target, start, end in [(1, 1, 0, 0), (2, 1, 0, 0), (0, 3, 0, 0), (0, 1, 2, 1)]:
        arc = struct.pack("<HHIIiiH", source, target, start, end, 0, 0, 0)
        with pytest.raises(PayloadError, match="an arc from state"):
            read_results(head + arc)


def test_lattice_without_a_way_to_its_end_then_has_no_confidence() -> None:
    arc = Arc(0, 1, 3, 5, 0, 0, (1,), ("▁a",))
    results = Results(40000, 0, 0, 0, (), 3, (arc,))
    assert posteriors(results) == (0.0,)
    assert posteriors(Results(40000, 0, 0, 0, (), 0, ())) == ()
