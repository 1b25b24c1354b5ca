"""Names that the example's recogniser never heard: a table of them lets it write them."""

import csv
from pathlib import Path

import pytest
from command_line import CommandLine
from edgesdk.biasing.compile import By, compile_files
from edgesdk.bundle import Bundle, load_bundle
from edgesdk.emulate import Clip, Emulator, load_clips

pytestmark = pytest.mark.needs_cc
STRONG = 1.0


@pytest.fixture(scope="module")
def example(repository: Path) -> Path:
    return repository / "examples" / "contacts"


@pytest.fixture(scope="module")
def bundle(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("contacts")
    CommandLine(folder / "state").ok(
        *("convert", example / "onnx", "--calibration", example / "calibration"),
        *("--recipe", example / "recipe.toml", "--board", "host", "-o", folder / "bundle"),
    )
    return load_bundle(folder / "bundle" / "model.edge")


@pytest.fixture(scope="module")
def clips(example: Path, bundle: Bundle) -> list[Clip]:
    paths = sorted((example / "clips").glob("*.wav"))
    return load_clips(paths, bundle.features.sample_rate_hz)


def _heard(bundle: Bundle, clips: list[Clip], phrases: Path | None, by: By) -> list[str]:
    tables = []
    if phrases is not None:
        compiled = compile_files([str(phrases)], bundle, weight=STRONG, by=by)
        tables = [table.data for table in compiled.tables]
    emulator = Emulator(bundle, "core", tables)
    return [emulator.recognise(clip).text for clip in clips]


@pytest.mark.parametrize(("by", "least"), [("tables", 4), ("both", 4), ("attention", 0)])
def test_phrases_find_names_and_leave_other_sentences(
    by: By, least: int, bundle: Bundle, clips: list[Clip], example: Path
) -> None:
    with (example / "clips" / "clips.tsv").open(newline="", encoding="utf-8") as file:
        expected = [row["text"] for row in csv.DictReader(file, delimiter="\t")]
    names = (example / "phrases.txt").read_text(encoding="utf-8").splitlines()
    contact = [next((n for n in names if n in text), "") for text in expected]
    plain = _heard(bundle, clips, None, by)
    biased = _heard(bundle, clips, example / "phrases.txt", by)

    def found(texts: list[str]) -> int:
        return sum(bool(n) and n in text for n, text in zip(contact, texts, strict=True))

    def errors(texts: list[str]) -> int:
        """Words that are missing in the sentences without a name."""
        return sum(
            len(set(right.split()) - set(text.split()))
            for right, text, n in zip(expected, texts, contact, strict=True)
            if not n
        )

    assert sum(map(bool, contact)) == 8 and found(plain) == 0
    assert found(biased) >= least
    assert biased != plain
    assert errors(biased) <= errors(plain) + 1


def test_a_thousand_distractors_fit_the_recipes_room(bundle: Bundle, example: Path) -> None:
    compiled = compile_files([str(example / "distractors.txt")], bundle, by="tables")
    assert 100_000 < compiled.size_bytes < bundle.bias.room_bytes
    assert compiled.warnings == ()
