"""Recipes: what is printed reads back, what is wrong is refused by name."""

from pathlib import Path

import pytest
from edgesdk.errors import ConvertError
from edgesdk.recipe import CompressRecipe, Recipe, SearchRecipe, load_recipe, recipe_toml
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]))
COMPRESS = st.builds(
    CompressRecipe,
    sparsity=st.floats(0, 0.95),
    block=st.sampled_from(["8x16", "2:4"]),
    levels=st.sampled_from(["scan", "even"]),
    score=st.sampled_from(["surgeon", "activation", "magnitude"]),
    repair=st.sampled_from(["least-squares", "bias", "none"]),
    palette=st.sampled_from([0, 2, 32]),
    palette_rows=st.integers(0, 99),
    masks=TEXTS,
    layers=st.dictionaries(TEXTS, st.floats(0, 0.95), max_size=3),
)
SEARCH = st.builds(
    SearchRecipe,
    beam=st.integers(4, 16),
    prune=st.floats(0, 1000),
    nbest=st.integers(-1, 4),
    lattice=st.integers(-1, 1024),
    max_tokens=st.just(0) | st.integers(16, 4096),
)
RECIPES = st.builds(
    Recipe,
    name=TEXTS,
    search=SEARCH,
    compress=COMPRESS,
    ranges=st.sampled_from(["auto", "minmax", "percentile", "mse"]),
    window_frames=st.integers(0, 1024),
    max_symbols=st.integers(0, 64),
    samples=st.integers(1, 16),
)


@given(RECIPES)
def test_printed_recipe_reads_back(
    tmp_path_factory: pytest.TempPathFactory, recipe: Recipe
) -> None:
    path = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    path.write_text(recipe_toml(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "schema = None"),
        ("schema = 2", "schema = 2"),
        ("schema = 1\nrange = 'auto'", "'range' is unknown; did you mean 'ranges'"),
        ("schema = 1\nxyzzy = 1", "'xyzzy' is unknown; known: name"),
        ("schema = 1\nranges = 'min'", "none of auto"),
        ("schema = 1\nsamples = '1'", "must be of type int"),
        ("schema = 1\nsamples = true", "must be of type int"),
        ("schema = 1\nsamples = 17", "must lie in 1..16"),
        ("schema = ", "not valid TOML"),
        ("schema = 1\ncompress = 1", "must be of type dict"),
        ("schema = 1\nsearch = 1", "must be of type dict"),
        ("schema = 1\n[search]\nbeem = 1", "'beem' is unknown; did you mean 'beam'"),
        ("schema = 1\n[search]\nbeam = 0", "search.beam = 0 must lie in 1..16"),
        ("schema = 1\n[search]\nbeam = 17", "search.beam = 17 must lie in 1..16"),
        ("schema = 1\n[search]\nbeam = 4\nnbest = 5", "search.nbest = 5 must lie in -1..4"),
        ("schema = 1\n[search]\nprune = nan", "search.prune = nan must lie in 0..1000"),
        ("schema = 1\n[search]\nlattice = 1025", "must lie in -1..1024"),
        ("schema = 1\n[search]\nbeam = 4\nmax_tokens = 3", "must lie in 4..4096"),
        ("schema = 1\nendpoint = 1", "must be of type dict"),
        ("schema = 1\n[endpoint]\nkind = 'rule'", "none of none, rules, scored"),
        ("schema = 1\n[endpoint]\npauses = 1", "'pauses' is unknown; did you mean 'pause'"),
        ("schema = 1\n[endpoint]\npause = 0", "endpoint.pause = 0 must lie in 0.01..3600"),
        ("schema = 1\n[endpoint]\nlength = nan", "endpoint.length = nan must lie in"),
        ("schema = 1\n[endpoint]\nearly = -0.1", "endpoint.early = -0.1 must lie in 0..3600"),
        ("schema = 1\n[compress]\nsparse = 1", "'sparse' is unknown; did you mean 'sparsity'"),
        ("schema = 1\n[compress]\nsparsity = '1'", "must be of type float"),
        ("schema = 1\n[compress]\nsparsity = 1", "sparsity = 1 must lie in 0.0..0.95"),
        ("schema = 1\n[compress]\nsparsity = nan", "must lie in 0.0..0.95"),
        ("schema = 1\n[compress]\npalette = 5", "none of 0, 2, 4, 8, 16, 32"),
        ("schema = 1\n[compress]\nlevels = 'all'", "none of scan, even"),
        ("schema = 1\n[compress]\nscore = 'x'", "none of surgeon, activation, magnitude"),
        ("schema = 1\n[compress]\nrepair = 'x'", "none of least-squares, bias, none"),
        ("schema = 1\n[compress]\npalette_rows = -1", "is negative"),
        ("schema = 1\n[compress.layers]\na = 2", "a = 2 must lie in"),
        ("schema = 1\n[compress.layers]\na = 'x'", "a = 'x' must lie in"),
    ],
)
def test_wrong_recipe_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(ConvertError) as refused:
        load_recipe(path)
    assert said in str(refused.value)
    assert "recipe.toml" in str(refused.value)


def test_absent_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml")
