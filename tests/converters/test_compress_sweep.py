"""The sweep: a point per pair, the front, and its three forms."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from edgesdk.board import load_board
from edgesdk.cli.sweep import (
    Point,
    find_spoken,
    folder_sweep,
    front,
    read_grid,
    sweep_document,
    sweep_plot,
)
from edgesdk.errors import EdgeError
from edgesdk.recipe import Recipe
from scipy.io import wavfile

POINT = Point(0.5, 16, 0.5, 10, 100, 2.0, 20.0, None, 0)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    for index in range(3):
        samples = (rng.normal(0, 1500, 16000)).astype(np.int16)
        wavfile.write(folder / f"{index}.wav", 16000, samples)
    lines = "".join(f"{index}.wav\tyes no\n" for index in range(3))
    (folder / "said.tsv").write_text(f"file\ttext\n{lines}")
    return folder


@pytest.mark.needs_cc
def test_sweep_of_a_folder_gets_smaller_and_noisier(tiny_folder: Path, clips: Path) -> None:
    said: list[str] = []
    grid = ([0.0, 0.5], [0, 4])
    spoken = find_spoken([clips], clips / "said.tsv")
    points = folder_sweep(
        tiny_folder, clips, Recipe(), load_board("host"), grid, spoken, said.append
    )
    assert [(it.sparsity, it.palette) for it in points] == [(0.0, 0), (0.5, 0), (0.0, 4), (0.5, 4)]
    dense, half, four, both = points
    assert dense.weight_bytes > max(half.weight_bytes, four.weight_bytes) > both.weight_bytes
    assert dense.sqnr_db > half.sqnr_db
    assert dense.sqnr_db > four.sqnr_db
    assert half.zeros == pytest.approx(0.5, abs=0.1)
    assert all(it.words == 6 and it.word_error_rate_pct is not None for it in points)
    assert any(text.startswith("4 of 4") for text in said)
    document = json.loads(json.dumps(sweep_document(points)))
    assert [it["palette"] for it in document["points"]] == [0, 0, 4, 4]
    assert sweep_plot(points).count("<path") > 4


def test_front_holds_what_no_other_beats() -> None:
    small = replace(POINT, weight_bytes=50, sqnr_db=10.0)
    beaten = replace(POINT, weight_bytes=120, sqnr_db=19.0)
    assert front([POINT, beaten, small]) == [small, POINT]
    heard = [replace(it, word_error_rate_pct=5.0) for it in (POINT, beaten)]
    assert front(heard) == [heard[0]]


def test_grid_is_read_and_nonsense_refused() -> None:
    assert read_grid("0,0.5:0,16") == ([0.0, 0.5], [0, 16])
    assert read_grid("0.25") == ([0.25], [0, 16])
    assert read_grid(":4") == ([0.0, 0.25, 0.5, 0.75], [4])
    with pytest.raises(EdgeError, match="is no list of sparsities"):
        read_grid("half")


def test_clips_without_texts_are_refused(clips: Path) -> None:
    with pytest.raises(EdgeError, match="belong together"):
        find_spoken([clips], None)
    assert find_spoken([], None) == {}
