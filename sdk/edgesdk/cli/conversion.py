"""A model's files and its calibration clips, for `edgesdk convert`; needs the converters."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from edgesdk_converters.frontends.onnx import check_source, load_source
from edgesdk_converters.pipeline import Conversion, convert_graph, convert_model

from edgesdk.biasing.phrases import Phrase, read_phrases
from edgesdk.board import Board
from edgesdk.clips import find_clips
from edgesdk.emulate import load_clips
from edgesdk.errors import ConvertError
from edgesdk.recipe import Recipe

PHRASES_FILE = "phrases.txt"
SOURCE_SUFFIXES = (".onnx", ".txt", ".json")


def find_calibration(source: Path, chosen: Path | None) -> Path:
    """The folder of calibration clips: the chosen one, or `calibration` in or beside the source.

    Raises:
        ConvertError: the source is no folder of ONNX files, or there are no clips.
    """
    check_source(source)
    if chosen is not None:
        return chosen
    for folder in (source / "calibration", source.parent / "calibration"):
        if folder.is_dir():
            return folder
    raise ConvertError(
        f"{source}: no calibration clips in or beside it; name a folder of typical 16 kHz "
        "recordings with --calibration"
    )


def source_digests(source: Path) -> dict[str, str]:
    """SHA-256 of the files that a conversion reads, by name."""
    files = [source] if source.is_file() else sorted(source.iterdir())
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path == source or path.suffix in SOURCE_SUFFIXES
    }


def find_phrases(source: Path, calibration: Path) -> tuple[Phrase, ...]:
    """Phrases to calibrate an adapter with, from beside the model or among the clips; or none.

    Raises:
        BiasError: the file is wrong.
    """
    for folder in (source, calibration):
        path = folder / PHRASES_FILE
        if path.is_file():
            return read_phrases(path, path.stem)
    return ()


def _name_of(source: Path) -> str:
    """Name of a model's folder; the one above where it is only called after the format."""
    folder = source.resolve()
    return folder.parent.name if folder.name == "onnx" else folder.name


def convert_folder(
    source: Path,
    calibration: Path,
    recipe: Recipe,
    board: Board,
    progress: Callable[[str], None] = lambda text: None,
) -> Conversion:
    """Convert a folder of ONNX files for a board; `progress` is told what is being done.

    Raises:
        ConvertError: the model, its features or the clips do not allow it.
    """
    model = load_source(source, recipe.window_frames or None, recipe.attention.phrases)
    clips = load_clips(find_clips([calibration]), int(model.features["sample_rate"]))
    digests = source_digests(source)
    return convert_model(
        model,
        clips,
        recipe,
        name=_name_of(source),
        digests=digests,
        board=board,
        progress=progress,
        phrases=find_phrases(source, calibration),
    )


def convert_tflite(source: Path, recipe: Recipe, board: Board) -> Conversion:
    """Convert a full-integer .tflite file of one graph for a board.

    Raises:
        ConvertError: it cannot be read, is damaged, or holds an operator that is not covered.
    """
    try:
        data = source.read_bytes()
    except OSError as error:
        raise ConvertError(
            f"{source}: cannot be read ({error.strerror}); check the path"
        ) from error
    digests = source_digests(source)
    return convert_graph(data, recipe, name=source.stem, digests=digests, board=board)
