"""From a model's files and some clips to a bundle; needs the converters, so import it late."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from edgesdk_converters.convert import Converted, GraphReport, Options, convert_source
from edgesdk_converters.frontends.onnx import load_source
from edgesdk_converters.lower import Packing, core_of, lower_recogniser, lower_single
from edgesdk_converters.lower.sections import make_features
from edgesdk_converters.source import BLANK, Source

from edgesdk import __version__
from edgesdk.board import Board
from edgesdk.bundle import Bundle
from edgesdk.bundle.layout import SAMPLES
from edgesdk.cli.clips import find_clips
from edgesdk.core import Features
from edgesdk.emulate import Clip, load_clips, make_samples
from edgesdk.emulate.samples import make_graph_samples
from edgesdk.errors import ConvertError, EdgeError
from edgesdk.recipe import Recipe

SOURCE_SUFFIXES = (".onnx", ".txt", ".json")


@dataclass(frozen=True)
class Conversion:
    """A bundle, its .tflite files by name, and what happened on the way."""

    bundle: Bundle
    files: Mapping[str, bytes]
    graphs: Mapping[str, GraphReport]
    notes: tuple[str, ...]


def find_calibration(source: Path, chosen: Path | None) -> Path:
    """The folder of calibration clips: the chosen one, or `calibration` in or beside the source.

    Raises:
        ConvertError: there is none.
    """
    if chosen is not None:
        return chosen
    for folder in (source / "calibration", source.parent / "calibration"):
        if folder.is_dir():
            return folder
    raise ConvertError(
        f"{source}: no calibration clips in or beside it; name a folder of typical 16 kHz "
        "recordings with --calibration"
    )


def _tool_versions() -> dict[str, str]:
    tools = {"edgesdk": __version__, "python": platform.python_version()}
    for package in ("numpy", "onnx", "flatbuffers"):
        tools[package] = version(package)
    return tools


def source_digests(source: Path) -> dict[str, str]:
    """SHA-256 of the files that a conversion reads, by name."""
    files = [source] if source.is_file() else sorted(source.iterdir())
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path == source or path.suffix in SOURCE_SUFFIXES
    }


def _normalised(source: Source, clips: Sequence[Clip]) -> list[np.ndarray[Any, Any]]:
    """Features [T, mel] of each clip and its tail of silence, by the device's own code."""
    section = make_features(source.features, source.window, source.shift, 1.0, 0)
    features = Features(section.encode())
    utterances = []
    for clip in clips:
        features.reset()
        tail = np.zeros(section.tail_padding, np.int16)
        log_mel, _ = features.push(np.concatenate([clip.samples, tail]))
        utterances.append((log_mel - section.mean) * section.inv_std)
    return utterances


def _meta(
    source: Path, recipe: Recipe, clips: Sequence[Clip], converted: Converted
) -> dict[str, Any]:
    return {
        "created_by": _tool_versions(),
        "sources": source_digests(source),
        "calibration_clips": len(clips),
        "recipe": asdict(recipe),
        "graphs": {role: asdict(report) for role, report in converted.report.items()},
    }


def _with_samples(
    bundle: Bundle, recipe: Recipe, clips: Sequence[Clip]
) -> tuple[Bundle, tuple[str, ...]]:
    try:
        section = make_samples(bundle, clips[: recipe.samples])
    except EdgeError as error:
        return bundle, (f"no validation samples: {error}",)
    return bundle.with_sections(**{SAMPLES: section}), ()


def _packing(recipe: Recipe, board: Board | None) -> Packing:
    """How to pack weights: for the recipe's core, else the board's, else not at all."""
    core = recipe.core
    if core == "auto":
        core = "ref" if board is None else core_of(board.cpu.isa)
    return Packing(core, recipe.weights)


def convert_recogniser(
    source: Path, calibration: Path, recipe: Recipe, board: Board | None = None
) -> Conversion:
    """Quantise and lower the recogniser in a folder, its weights packed for the board's core.

    Raises:
        ConvertError: the model, its features or the clips do not allow it.
    """
    model = load_source(source, recipe.window_frames or None)
    rate = int(model.features["sample_rate"])
    clips = load_clips(find_clips([calibration]), rate)
    converted = convert_source(model, _normalised(model, clips), Options(recipe.ranges))
    bundle = lower_recogniser(
        converted.encoder,
        converted.predictor,
        converted.joiner,
        model.tokens,
        model.features,
        max_symbols=recipe.max_symbols or model.max_symbols,
        blank=BLANK,
        window_shift=model.shift,
        meta=_meta(source, recipe, clips, converted),
        name=recipe.name or _name_of(source),
        packing=_packing(recipe, board),
    )
    bundle, notes = _with_samples(bundle, recipe, clips)
    files = {f"{role}.tflite": bundle.tflite(role) for role in bundle.roles}
    return Conversion(bundle, files, converted.report, (*converted.notes, *notes))


def _name_of(source: Path) -> str:
    """Name of a model's folder; the one above where it is only called after the format."""
    folder = source.resolve()
    return folder.parent.name if folder.name == "onnx" else folder.name


def convert_single(source: Path, recipe: Recipe, board: Board | None = None) -> Conversion:
    """Lower a full-integer .tflite file of one graph, its weights packed for the board's core.

    Raises:
        ConvertError: it is damaged, or an operator is not covered.
    """
    try:
        data = source.read_bytes()
    except OSError as error:
        raise ConvertError(
            f"{source}: cannot be read ({error.strerror}); check the path"
        ) from error
    meta = {"created_by": _tool_versions(), "sources": source_digests(source)}
    bundle = lower_single(
        data, name=recipe.name or source.stem, meta=meta, packing=_packing(recipe, board)
    )
    bundle, notes = _with_random_samples(bundle, recipe)
    return Conversion(bundle, {source.name: data}, {}, notes)


def _with_random_samples(bundle: Bundle, recipe: Recipe) -> tuple[Bundle, tuple[str, ...]]:
    """Samples of uniform random inputs, always the same: nothing is known of real ones."""
    generator = np.random.default_rng(0)
    limits = [(port, np.iinfo(port.dtype)) for port in bundle.graphs["net"].inputs]
    steps = [
        [
            generator.integers(it.min, it.max + 1, port.shape).astype(port.dtype)
            for port, it in limits
        ]
        for _ in range(recipe.samples)
    ]
    try:
        section = make_graph_samples(bundle, steps)
    except EdgeError as error:
        return bundle, (f"no validation samples: {error}",)
    return bundle.with_sections(**{SAMPLES: section}), ()
