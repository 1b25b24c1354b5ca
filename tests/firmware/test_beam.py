"""The beam search against an obvious one, and the lattice against the hypotheses that it holds."""

import dataclasses
import math
from collections.abc import Callable

import front_sections
import numpy as np
import pytest
from edgesdk.biasing.table import Spelling, compile_table
from edgesdk.core.bias import Bias
from edgesdk.core.features import LogProbabilities
from edgesdk.core.library import load_library
from edgesdk.lattice import Arc, Results, posteriors
from front_sections import Search
from obvious_beam import ObviousBeam, Token
from search_in_c import DrawnGraphs, SearchInC

pytestmark = pytest.mark.needs_cc

PIECES = ["<blk>", "▁", "a", "b", "▁c", "d", "e", "▁fg", "h", "i", "▁j", "k"]
BASE = Search(
    vocab=12, joiner_dim=8, context_size=2, max_tokens=400, cache=33, max_arcs=600, frame_us=40500
)
Deltas = Callable[[tuple[int, ...]], list[int]]


def _gain(distance: int) -> int:
    return int(load_library().call("edge_search_gain", distance))


def _bias() -> Bias:
    """Phrases that share beginnings and ends, with boosts that decide."""
    phrases = [((2, 3), 90000), ((3, 4, 5), 150000), ((5, 5), 40000), ((7,), -30000)]
    spellings = [
        Spelling(tokens, tuple(boost * (i + 1) // len(tokens) for i in range(len(tokens))))
        for tokens, boost in phrases
    ]
    table = compile_table("test", spellings, len(phrases), BASE.vocab, 0)
    return Bias([table.data], BASE.vocab, 0)


def _walk(bias: Bias | None, history: tuple[int, ...]) -> Bias:
    assert bias is not None
    bias.reset()
    for token in history:
        bias.step(token)
    return bias


def _compare(
    search: Search, *, stateful: bool, spread: int, seed: int, biased: bool, frames: int = 12
) -> tuple[Results, ObviousBeam, DrawnGraphs]:
    search = dataclasses.replace(search, nbest=search.beam)
    graphs = DrawnGraphs(search, stateful, spread, seed)
    numbers = LogProbabilities(front_sections.search_section(search))
    asked, walked = (_bias(), _bias()) if biased else (None, None)

    def deltas(history: tuple[int, ...]) -> list[int]:
        found = _walk(walked, history).deltas() if biased else None
        return [0] * search.vocab if found is None else found.tolist()

    slow = ObviousBeam(
        search,
        graphs.logits_of,
        numbers.logprob_q16,
        _gain,
        deltas,
        lambda history: _walk(walked, history).finish() if biased else 0,
        biased,
    )
    fast = SearchInC(search, graphs, PIECES, asked)
    paths: dict[tuple[int, ...], int] = {}
    for frame in np.random.default_rng(seed).integers(-128, 128, (frames, search.joiner_dim)):
        fast.decode(frame.astype(np.int8))
        slow.decode(frame.astype(np.int8))
        told = [(t.id, t.logprob, t.frame * search.frame_us // 1000) for t in slow.told]
        assert fast.told == told
        assert paths.setdefault(slow.live[0].history, fast.path) == fast.path
    assert len(set(paths.values())) == len(paths)
    results = fast.finish()
    slow.finish()
    told = [(t.id, t.logprob, t.frame * search.frame_us // 1000) for t in slow.told]
    assert fast.told == told
    assert results.committed == slow.committed
    assert [
        (h.acoustic_q16, h.bias_q16, [(t.id, t.frame, t.logprob_q16, t.bias_q16) for t in h.tokens])
        for h in results.hypotheses
    ] == [
        (
            h.acoustic,
            h.bias,
            [(t.id, t.frame, t.logprob, t.bias) for t in h.tokens[slow.committed :]],
        )
        for h in slow.live
    ]
    if slow.committed:
        committed = slow.live[0].tokens[: slow.committed]
        assert results.committed_acoustic_q16 == committed[-1].acoustic
        assert results.committed_bias_q16 == sum(token.bias for token in committed)
    _check_lattice(results)
    _check_best_path(results, slow)
    return results, slow, graphs


def _check_best_path(results: Results, slow: ObviousBeam) -> None:
    """The best path's words have the scores that its tokens had; arcs of other paths may differ,
    where they carry the difference of an ending that they share."""
    best = slow.live[0].tokens
    (path,) = [p for p in _paths(results) if sum((a.ids for a in p), ()) == _ids(best, slow)]
    before, at = results.committed_acoustic_q16, slow.committed
    for arc in path[:-1]:
        at += len(arc.ids)
        assert arc.acoustic_q16 == best[at - 1].acoustic - before
        assert arc.bias_q16 == sum(token.bias for token in best[at - len(arc.ids) : at])
        before = best[at - 1].acoustic


def _ids(tokens: list[Token], slow: ObviousBeam) -> tuple[int, ...]:
    return tuple(token.id for token in tokens[slow.committed :])


def _paths(results: Results) -> list[list[Arc]]:
    """Every way from state 0 to the last."""
    done, open_ = [], [[arc] for arc in results.arcs if arc.source == 0]
    while open_:
        path = open_.pop()
        if path[-1].target == results.states - 1:
            done.append(path)
        open_ += [[*path, arc] for arc in results.arcs if arc.source == path[-1].target]
    return done


def _check_lattice(results: Results) -> None:
    """Its paths are the hypotheses: tokens, times of words, scores; nothing else is in it."""
    paths = {}
    for path in _paths(results):
        tokens = tuple(token for arc in path for token in arc.ids)
        acoustic = results.committed_acoustic_q16 + sum(arc.acoustic_q16 for arc in path)
        bias = results.committed_bias_q16 + sum(arc.bias_q16 for arc in path)
        times = [t for arc in path[:-1] for t in (arc.start_frame, arc.end_frame)]
        assert times == sorted(times)
        assert tokens not in paths
        paths[tokens] = (acoustic, bias, [(arc.start_frame, arc.end_frame) for arc in path[:-1]])
    expected = {}
    for h in results.hypotheses:
        words: list[list[int]] = []
        for token in h.tokens:
            if not words or token.piece.startswith("▁"):
                words.append([])
            words[-1].append(token.frame)
        spans = [(word[0], word[-1]) for word in words]
        expected[tuple(t.id for t in h.tokens)] = (h.acoustic_q16, h.bias_q16, spans)
    assert paths == expected
    assert sum(len(arc.ids) == 0 for arc in results.arcs) >= 1
    shares = list(zip(results.arcs, posteriors(results), strict=True))
    assert sum(share for arc, share in shares if arc.source == 0) == pytest.approx(1, abs=1e-9)
    leaving = [arc.source for arc in results.arcs]
    lonely = {a.source for a in results.arcs if not a.ids and leaving.count(a.source) == 1}
    assert len(lonely) <= 1, "what only ends is one state"
    assert sum(share for arc, share in shares if not arc.ids) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("stateful", [False, True], ids=["history", "state"])
@pytest.mark.parametrize("symbols", [1, 2, 3, 4])
@pytest.mark.parametrize("beam", [1, 2, 3, 4, 8, 16])
def test_beam_then_equals_the_obvious_one(beam: int, symbols: int, stateful: bool) -> None:
    """Many ties (logits of few values, or of a scale that rounding hides) and few, biased and not,
    pruned and not."""
    cases = [
        (2, 0.1, 0, False),
        (60, 0.1, 0, False),
        (3, 0.1, 3 << 16, False),
        (30, 0.1, 2 << 16, True),
        (2, 0.1, 0, True),
        (9, 4e-6, 0, False),
    ]
    for seed, (spread, scale, prune, biased) in enumerate(cases):
        search = dataclasses.replace(
            BASE,
            beam=beam,
            max_symbols=symbols,
            prune_q16=prune,
            logit_scale=scale,
            cache=beam + 1 + seed % 2 * beam,
            blank=[0, 11][seed % 2],
            start=[0, 3][seed % 2],
        )
        _compare(search, stateful=stateful, spread=spread, seed=seed, biased=biased)


@pytest.mark.parametrize("max_tokens", [4, 5, 7, 12])
def test_full_pool_then_commits_what_is_common_and_at_last_the_best(max_tokens: int) -> None:
    forced = 0
    for seed in range(4):
        search = dataclasses.replace(BASE, beam=4, max_symbols=2, max_tokens=max_tokens)
        results, slow, _ = _compare(search, stateful=False, spread=40, seed=seed, biased=False)
        forced += slow.forced
        assert results.committed > 0
    assert forced > 0 or max_tokens > 7


def test_long_stream_then_neither_wraps_nor_leaks() -> None:
    """Scores far beyond 32 bits, a pool that fills again and again."""
    search = dataclasses.replace(BASE, beam=3, max_tokens=40, logit_scale=20.0, max_symbols=2)
    results, _, _ = _compare(search, stateful=True, spread=127, seed=5, biased=True, frames=120)
    assert results.committed > 40
    search = dataclasses.replace(search, logit_scale=250.0)
    graphs = DrawnGraphs(search, False, 127, 1)
    fast = SearchInC(dataclasses.replace(search, nbest=3), graphs, PIECES)
    for frame in np.random.default_rng(1).integers(-128, 0, (40, search.joiner_dim)):
        fast.decode(frame.astype(np.int8))
    assert all(-(1 << 45) < h.acoustic_q16 <= 0 for h in fast.finish().hypotheses)


def test_predictor_then_runs_once_per_history() -> None:
    search = dataclasses.replace(BASE, beam=8, max_symbols=3, cache=64, context_size=1)
    _, _, graphs = _compare(search, stateful=False, spread=60, seed=3, biased=False, frames=30)
    assert graphs.predictions <= search.vocab  # one for each context of one token
    assert graphs.joins <= 30 * 3 * search.vocab


def test_lattice_without_room_then_holds_the_best_paths() -> None:
    whole, _, _ = _compare(
        dataclasses.replace(BASE, beam=8, max_symbols=2),
        stateful=False,
        spread=60,
        seed=2,
        biased=False,
        frames=20,
    )
    best = {tuple(t.id for t in whole.hypotheses[0].tokens)}
    counts = []
    for room in (0, 3, len(_paths(whole)[0]) + 2, 60):
        search = dataclasses.replace(BASE, beam=8, max_symbols=2, max_arcs=room, nbest=8)
        fast = SearchInC(search, DrawnGraphs(search, False, 60, 2), PIECES)
        for frame in np.random.default_rng(2).integers(-128, 128, (20, search.joiner_dim)):
            fast.decode(frame.astype(np.int8))
        results = fast.finish()
        paths = {tuple(t for arc in path for t in arc.ids) for path in _paths(results)}
        assert not paths or best <= paths
        counts.append(len(paths))
    assert counts == sorted(counts)
    assert counts[0] == 0 < counts[-1]


def test_reset_then_the_next_utterance_is_as_the_first() -> None:
    search = dataclasses.replace(BASE, beam=4, nbest=4, max_tokens=30)
    graphs = DrawnGraphs(search, True, 30, 9)
    fast = SearchInC(search, graphs, PIECES)
    frames = np.random.default_rng(9).integers(-128, 128, (15, 8)).astype(np.int8)
    heard = []
    for count in (15, 7, 15):
        for frame in frames[:count]:
            fast.decode(frame)
        heard.append((fast.finish(), list(fast.told)))
        fast.reset()
        graphs.reset()
    assert heard[0] == heard[2] != heard[1]


def test_gain_then_is_the_log_of_the_sum() -> None:
    for distance in [0, 1, 2, 100, 65535, 65536, 100000, 1 << 19, (1 << 20) - 1, 1 << 20, 1 << 40]:
        exact = math.log1p(math.exp(-distance / 65536)) * 65536
        assert abs(_gain(distance) - exact) <= 0.51
