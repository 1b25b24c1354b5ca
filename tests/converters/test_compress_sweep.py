"""The sweep: a point per pair, the front, and its three forms."""

import io
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
    sweep_table,
)
from edgesdk.errors import EdgeError
from edgesdk.recipe import CompressRecipe, Recipe
from rich.console import Console
from scipy.io import wavfile

POINT = Point(0.5, 16, 0.5, 100, 90, 2.0, 20.0, None, 0, None)


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
    points, note = folder_sweep(
        tiny_folder, clips, Recipe(core="dsp"), load_board("host"), grid, spoken, said.append
    )
    assert "host emulates no processor" in note
    assert all(it.instructions is None for it in points)
    assert [(it.sparsity, it.palette) for it in points] == [(0.0, 0), (0.5, 0), (0.0, 4), (0.5, 4)]
    dense, half, four, both = points
    assert dense.weight_bytes > max(half.weight_bytes, four.weight_bytes) > both.weight_bytes
    assert dense.image_bytes > max(half.image_bytes, four.image_bytes) > both.image_bytes
    assert dense.sqnr_db > half.sqnr_db
    assert dense.sqnr_db > four.sqnr_db
    assert half.zeros == pytest.approx(0.5, abs=0.1)
    assert all(it.words == 6 and it.word_error_rate_pct is not None for it in points)
    assert any(text.startswith("4 of 4") for text in said)
    document = json.loads(json.dumps(sweep_document(points, note)))
    assert document["notes"] == [note]
    assert [it["palette"] for it in document["points"]] == [0, 0, 4, 4]
    assert sweep_plot(points).count("<path") > 4


@pytest.mark.needs_cc
@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
def test_sweep_on_an_emulated_board_counts_instructions(tiny_folder: Path, clips: Path) -> None:
    board = load_board("qemu-mps2-an386")
    recipe = Recipe(compress=CompressRecipe(block="4x4"))
    grid = ([0.0, 0.75], [0])
    (dense, sparse), note = folder_sweep(
        tiny_folder, clips, recipe, board, grid, {}, lambda _: None
    )
    assert not note
    assert dense.instructions and sparse.instructions
    assert 0.5 * dense.instructions < sparse.instructions < dense.instructions
    said = io.StringIO()
    Console(file=said, width=160).print(sweep_table([dense, sparse]))
    assert "instructions / s" in said.getvalue() and f"{dense.instructions:,}" in said.getvalue()
    assert "instructions per second of audio" in sweep_plot([dense, sparse])


def test_front_holds_what_no_other_beats() -> None:
    small = replace(POINT, image_bytes=50, sqnr_db=10.0)
    beaten = replace(POINT, image_bytes=120, sqnr_db=19.0)
    assert front([POINT, beaten, small]) == [POINT, small]
    heard = [replace(it, word_error_rate_pct=5.0) for it in (POINT, beaten)]
    assert front(heard) == [heard[0]]
    quick = [replace(POINT, instructions=9), replace(beaten, instructions=8)]
    assert front(quick) == quick
    assert front([*quick, replace(small, instructions=9)])[1:] == [
        quick[1],
        replace(small, instructions=9),
    ]


def test_model_that_does_not_fit_has_no_count() -> None:
    said = io.StringIO()
    Console(file=said, width=160).print(sweep_table([POINT, replace(POINT, instructions=9)]))
    assert "does not fit" in said.getvalue()
    assert sweep_plot([POINT, replace(POINT, instructions=9)]).startswith("<svg")


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
