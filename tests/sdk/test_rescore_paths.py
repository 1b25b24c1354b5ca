"""The second pass equals an obvious one that walks every path of a lattice."""

import itertools
import math
import random
from pathlib import Path

import pytest
from edgesdk.errors import EdgeError
from edgesdk.report.wer import word_errors
from edgesdk.rescore import SecondPass, Weights, best_paths, load_arpa, nearest_words
from edgesdk.rescore.paths import Edge, Lattice, Words, sentence_score

VOCABULARY = ("a", "b", "c")
TRIGRAMS = """
\\data\\
ngram 1=6
ngram 2=5
ngram 3=2

\\1-grams:
-0.7\t</s>
-99\t<s>\t-0.3
-2.5\t<unk>
-0.5\ta\t-0.25
-0.9\tb\t-0.125
-1.25\tc

\\2-grams:
-0.2\t<s> a\t-0.4
-0.6\ta b\t-0.1
-0.3\tb a
-0.8\tb </s>
-0.15\tc c

\\3-grams:
-0.05\t<s> a b
-0.35\ta b a

\\end\\
"""


class Coins:
    """A model whose scores are drawn by lot from few values, so that paths often tie."""

    def __init__(self, reach: int, seed: int) -> None:
        self.reach = reach
        self._seed = seed

    def begin(self) -> Words:
        return ("<s>",)

    def score(self, history: Words, word: str) -> float:
        assert len(history) <= self.reach
        return random.Random(f"{self._seed} {history} {word}").choice((-0.1, -1.0, -2.5))

    def end(self, history: Words) -> float:
        return self.score(history, "</s>")


def _random_lattice(rng: random.Random) -> Lattice:
    """Up to 6 states and 14 edges of 0 to 2 words; not all need lie on a path to the end."""
    states = rng.randint(2, 6)
    edges = []
    for _ in range(rng.randint(1, 14)):
        source, target = sorted(rng.sample(range(states), 2))
        words = tuple(rng.choice(VOCABULARY) for _ in range(rng.choice((0, 1, 1, 1, 2))))
        scores = (rng.choice((-65536, -131072, -70000)), rng.choice((0, 32768, 100_001)))
        edges.append(Edge(source, target, words, *scores))
    return Lattice(states, tuple(edges))


def _all_paths(lattice: Lattice, state: int = 0) -> list[tuple[int, ...]]:
    if state == lattice.states - 1:
        return [()]
    return [
        (number, *rest)
        for number, edge in enumerate(lattice.edges)
        if edge.source == state
        for rest in _all_paths(lattice, edge.target)
    ]


def _score(lattice: Lattice, path: tuple[int, ...], weights: Weights, model: Coins | None) -> int:
    """Term by term, each an integer of 2^-32, in the order of the formula."""
    edges = [lattice.edges[number] for number in path]
    words = [word for edge in edges for word in edge.words]
    total = sum(edge.acoustic_q16 * 65536 for edge in edges)
    total += sum(round(weights.bias * edge.bias_q16 * 65536) for edge in edges)
    total += len(words) * round(weights.word * 2**32)
    if model is None:
        return total
    said = ["<s>", *words, "</s>"]
    for at in range(1, len(said)):
        history = tuple(said[max(0, at - model.reach) : at])
        total += round(weights.lm * model.score(history, said[at]) * 2**32)
    return total


def _obvious(
    lattice: Lattice, weights: Weights, model: Coins | None
) -> list[tuple[Words, tuple[int, ...], int]]:
    best: dict[Words, tuple[int, tuple[int, ...]]] = {}
    for path in _all_paths(lattice):
        words = tuple(word for number in path for word in lattice.edges[number].words)
        rank = (-_score(lattice, path, weights, model), path)
        best[words] = min(best.get(words, rank), rank)
    return [
        (words, path, -lost) for words, (lost, path) in sorted(best.items(), key=lambda b: b[1])
    ]


@pytest.mark.parametrize("reach", [None, 0, 1, 2])
def test_search_equals_all_paths_with_ties(reach: int | None) -> None:
    ties = 0
    for seed in range(150):
        rng = random.Random(seed)
        lattice = _random_lattice(rng)
        weights = Weights(
            rng.choice((0.0, 0.5, 1.0)), rng.choice((0.0, 0.3, 1.0)), rng.choice((0.0, -0.7))
        )
        model = None if reach is None else Coins(reach, seed)
        expected = _obvious(lattice, weights, model)
        ties += len(expected) - len({score for _, _, score in expected})
        for count in (1, 2, 5, 1000):
            found = best_paths(lattice, weights, count, model)
            assert [(p.words, p.edges, p.score) for p in found] == expected[:count]
            assert [p.lm for p in found] == [sentence_score(model, p.words) for p in found]
    assert ties > 20


def test_nearest_words_have_the_fewest_errors_of_all_paths() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        lattice = _random_lattice(rng)
        reference = [rng.choice(VOCABULARY) for _ in range(rng.randint(0, 4))]
        texts = [
            " ".join(word for number in path for word in lattice.edges[number].words)
            for path in _all_paths(lattice)
        ]
        found = nearest_words(lattice, tuple(reference))
        if not texts:
            assert found is None
            continue
        assert found is not None
        assert " ".join(found) in texts
        errors = [word_errors(" ".join(reference), text).total for text in texts]
        assert word_errors(" ".join(reference), " ".join(found)).total == min(errors)


def test_lattice_without_edges_or_way_through_then_has_no_path() -> None:
    for lattice in (Lattice(2, ()), Lattice(4, (Edge(0, 1, ("a",), 0, 0), Edge(2, 3, (), 0, 0)))):
        assert best_paths(lattice, Weights(), 4) == []
        assert nearest_words(lattice, ("a",)) is None


def test_bias_weight_zero_then_takes_the_boost_out() -> None:
    lattice = Lattice(
        2, (Edge(0, 1, ("ana",), -3 * 65536, 5 * 65536), Edge(0, 1, ("anna",), -65536, 0))
    )
    said = {bias: best_paths(lattice, Weights(bias=bias), 2) for bias in (1.0, 0.0)}
    assert [path.words for path in said[1.0]] == [("ana",), ("anna",)]
    assert [path.words for path in said[0.0]] == [("anna",), ("ana",)]
    assert [path.score / 2**32 for path in said[0.0]] == [-1.0, -3.0]


def test_word_penalty_is_added_per_word() -> None:
    lattice = Lattice(2, (Edge(0, 1, ("a", "b"), -65536, 0), Edge(0, 1, ("a",), -81920, 0)))
    for penalty, first in ((0.0, ("a", "b")), (-0.5, ("a",))):
        assert best_paths(lattice, Weights(word=penalty), 1)[0].words == first


def test_callable_ranks_the_best_paths_and_keeps_their_order_on_ties() -> None:
    edges = tuple(Edge(0, 1, (word,), -65536 * at, 0) for at, word in enumerate("abcd"))
    seen: list[list[list[str]]] = []

    def scorer(sequences: list[list[str]]) -> list[float]:
        seen.append(sequences)
        return [{"a": -4.0, "b": -2.0, "c": 0.0}[words[0]] for words in sequences]

    second = SecondPass(Weights(lm=0.5), nbest=3, scorer=scorer, name="m:f")
    ranked = second.rank(Lattice(2, edges))
    assert seen == [[["a"], ["b"], ["c"]]]
    assert [(path.words, path.score / 2**32, path.lm) for path in ranked] == [
        (("a",), -2.0, -4.0),
        (("b",), -2.0, -2.0),
        (("c",), -2.0, 0.0),
    ]


@pytest.fixture
def trigrams(tmp_path: Path) -> Path:
    path = tmp_path / "model.arpa"
    path.write_text(TRIGRAMS, encoding="utf-8")
    return path


def test_ngram_scores_are_the_library_s_own(trigrams: Path) -> None:
    arpa = pytest.importorskip("arpa", reason="arpa is not installed")
    library = arpa.loadf(trigrams)[0]
    model = load_arpa(trigrams, -20.0)
    assert (model.order, model.reach) == (3, 2)
    for length in range(1, 5):
        for words in itertools.product(("a", "b", "c", "new"), repeat=length):
            expected = library.log_s(" ".join(words)) * math.log(10)
            assert sentence_score(model, words) == pytest.approx(expected, abs=1e-12)
    lattice = Lattice(2, (Edge(0, 1, ("a", "b", "a"), 0, 0),))
    only = best_paths(lattice, Weights(lm=2.0), 1, model)[0]
    assert only.lm == pytest.approx((-0.2 - 0.05 - 0.35 - 0.25 - 0.7) * math.log(10))
    assert only.score / 2**32 == pytest.approx(2 * only.lm)


def test_model_without_unknown_word_or_end_then_has_both_choices(trigrams: Path) -> None:
    pytest.importorskip("arpa", reason="arpa is not installed")
    lines = TRIGRAMS.replace("ngram 1=6", "ngram 1=4").replace("ngram 2=5", "ngram 2=4")
    lacking = [line for line in lines.split("\n") if "unk>" not in line and "</s>" not in line]
    trigrams.write_text("\n".join(lacking), encoding="utf-8")
    model = load_arpa(trigrams, -7.0)
    assert model.score(("a",), "new") == -7.0
    assert model.score(("a", "new"), "b") == pytest.approx(-0.9 * math.log(10))
    assert model.end(("b",)) == 0.0
    assert sentence_score(model, ()) == 0.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no n-gram model"),
        ("\\data\\\n\n\\end\\\n", "holds no n-gram model"),
        (TRIGRAMS + TRIGRAMS, "holds no n-gram model"),
        (TRIGRAMS[:-40], "is no ARPA file, or is damaged"),
        (TRIGRAMS.replace("-0.9\tb", "nine b"), "is no ARPA file, or is damaged, at 'nine b"),
        ("\udcff", "is no ARPA file, or is damaged"),
    ],
)
def test_damaged_model_then_one_line(text: str, said: str, tmp_path: Path) -> None:
    pytest.importorskip("arpa", reason="arpa is not installed")
    path = tmp_path / "bad.arpa"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(EdgeError, match=said) as error:
        load_arpa(path, -20.0)
    assert "\n" not in str(error.value)
    with pytest.raises(EdgeError, match="cannot be read"):
        load_arpa(tmp_path / "none.arpa.gz", -20.0)
