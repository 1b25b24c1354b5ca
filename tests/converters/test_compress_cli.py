"""What `edgesdk convert` prints and writes about compression."""

import json
from pathlib import Path

import numpy as np
import pytest
from edgesdk.bundle import load_bundle
from edgesdk.cli import main
from scipy.io import wavfile
from weight_forms import fully_connected, shaped

pytestmark = pytest.mark.needs_cc


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(1)
    for index in range(3):
        samples = rng.normal(0, 1500, 12000).astype(np.int16)
        wavfile.write(folder / f"{index}.wav", 16000, samples)
    return folder


def _run(
    capsys: pytest.CaptureFixture[str], source: Path, noise: Path, *more: object
) -> tuple[int, str, str]:
    fixed = ("convert", source, "--board", "host", "--calibration", noise, *more)
    code = main.main([str(it) for it in fixed])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_convert_tells_what_compression_did_to_each_matrix(
    capsys: pytest.CaptureFixture[str], tiny_folder: Path, noise: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'schema = 1\ncore = "dsp"\n[compress]\nsparsity = 0.5\nblock = "4x4"\npalette = 8\n'
    )
    more = ("--recipe", recipe, "-o", tmp_path / "out")
    code, out, err = _run(capsys, tiny_folder, noise, *more)
    assert code == 0, err
    assert "zero blocks" in out
    assert "all of them" in out
    assert "block 4x4" in out
    code, out, err = _run(capsys, tiny_folder, noise, *more, "--json")
    tensors = [it for graph in json.loads(out)["graphs"].values() for it in graph["tensors"]]
    assert len(tensors) == 28
    assert all(it["distinct"] <= 8 for it in tensors)
    total, empty = (sum(it[key] for it in tensors) for key in ("blocks", "zero_blocks"))
    assert empty / total == pytest.approx(0.5, abs=0.05)
    bundle = load_bundle(tmp_path / "out" / "model.edge")
    for role, graph in json.loads(out)["graphs"].items():
        packed = {it["tensor"]: it for op in bundle.debug[role]["ops"] for it in op["weights"]}
        assert packed.keys() <= {it["name"] for it in graph["tensors"]}
        for it in graph["tensors"]:
            count = it["shape"][0] * it["shape"][1]
            held = packed.get(it["name"], {"form": "plain", "bytes": count})
            assert (it["form"], it["bytes_after"]) == (held["form"], held["bytes"])
            assert it["bits_after"] == pytest.approx(8 * held["bytes"] / count)
    assert any(it["form"] == "sparse palette" for it in tensors)
    assert bundle.meta["graphs"]["encoder"]["tensors"][0]["form"] in out


def test_plain_conversion_shows_no_compression(
    capsys: pytest.CaptureFixture[str], tiny_folder: Path, noise: Path, tmp_path: Path
) -> None:
    code, out, _ = _run(capsys, tiny_folder, noise, "-o", tmp_path / "out")
    assert code == 0
    assert "zero blocks" not in out
    assert "sparsity" not in out


@pytest.mark.parametrize("kind", ["dense", "sparse palette"])
def test_what_a_given_graph_holds_is_found_by_its_values(
    capsys: pytest.CaptureFixture[str], noise: Path, tmp_path: Path, kind: str
) -> None:
    rng = np.random.default_rng(4)
    weights = shaped(rng, (40, 64), kind, "dsp")
    if kind != "dense":
        weights = np.sign(weights)
    source = tmp_path / "given.tflite"
    source.write_bytes(fully_connected(rng, weights, 1))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('schema = 1\ncore = "dsp"\nweights = "small"\n')
    more = ("--recipe", recipe, "-o", tmp_path / "out")
    code, out, err = _run(capsys, source, noise, *more)
    assert code == 0, err
    assert "FULLY_CONNECTED" in out
    assert ("zero blocks" in out) is (kind != "dense")
    assert "SQNR of a matrix" not in out
    code, out, err = _run(capsys, source, noise, *more, "--json")
    (report,) = json.loads(out)["graphs"]["net"]["tensors"]
    tiles = weights.reshape(10, 4, 16, 4).any(axis=(1, 3))
    assert (report["blocks"], report["zero_blocks"]) == (160, 160 - tiles.sum())
    assert report["zeros"] == (weights == 0).sum()
    assert report["distinct"] == len(np.unique(weights))
    assert report["form"] == kind
    assert report["sqnr_db"] is None
    assert (report["bytes_after"] < report["bytes_before"]) is (kind != "dense")


def test_compression_of_a_given_graph_is_said_to_do_nothing(
    capsys: pytest.CaptureFixture[str], noise: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    source = tmp_path / "given.tflite"
    source.write_bytes(fully_connected(rng, shaped(rng, (8, 16), "dense", "dsp"), 1))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("schema = 1\n[compress]\nsparsity = 0.5\n")
    _, out, _ = _run(capsys, source, noise, "--recipe", recipe, "-o", tmp_path / "out")
    assert "[compress] changes nothing here" in out


def test_sweep_writes_table_json_and_plot(
    capsys: pytest.CaptureFixture[str], tiny_folder: Path, noise: Path, tmp_path: Path
) -> None:
    made = tmp_path / "out"
    code, out, err = _run(capsys, tiny_folder, noise, "--sweep", "0,0.5:8", "-o", made)
    assert code == 0, err
    assert "bits per weight" in out
    assert "2 of 2: sparsity 0.5, palette 8" in err
    points = json.loads((made / "sweep.json").read_text())["points"]
    assert [(it["sparsity"], it["palette"]) for it in points] == [(0.0, 8), (0.5, 8)]
    assert (made / "sweep.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--clips", "x"), "belong to --sweep"),
        (("--sweep", "half"), "is no list of sparsities"),
        (("--sweep", "0.5", "--clips", "x"), "belong together"),
        (("--sweep", "0.99:0"), "must lie in 0..0.95"),
    ],
)
def test_wrong_sweep_is_refused(
    capsys: pytest.CaptureFixture[str],
    tiny_folder: Path,
    noise: Path,
    tmp_path: Path,
    more: tuple[str, ...],
    said: str,
) -> None:
    code, _, err = _run(capsys, tiny_folder, noise, *more, "-o", tmp_path / "out")
    assert code != 0
    assert said in err
