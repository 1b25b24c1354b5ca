"""`edgesdk convert --sweep`: size against accuracy over sparsity and bits; needs the converters."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgesdk_converters.pipeline import Conversion
from rich.table import Table

from edgesdk.board import Board
from edgesdk.bundle import Bundle
from edgesdk.cli.clips import find_clips, read_expected
from edgesdk.cli.conversion import convert_folder
from edgesdk.cli.transcripts import clip_errors
from edgesdk.emulate import Clip, emulate, load_clips
from edgesdk.errors import EdgeError
from edgesdk.recipe import Recipe
from edgesdk.report.plots import plot_front

SPARSITIES = (0.0, 0.25, 0.5, 0.75)
PALETTES = (0, 16)


@dataclass(frozen=True)
class Point:
    """One recogniser of a sweep; `word_error_rate_pct` is None where no clips were given."""

    sparsity: float
    palette: int
    zeros: float
    image_bytes: int
    weight_bytes: int
    bits_per_weight: float
    sqnr_db: float
    word_error_rate_pct: float | None
    words: int

    @property
    def bits(self) -> str:
        """Bits that a stored weight may take."""
        return "int8" if not self.palette else f"{self.palette} values"

    @property
    def name(self) -> str:
        """What was asked for, in words."""
        return f"{self.sparsity:.0%}, {self.bits}"

    @property
    def error(self) -> float:
        """Smaller is better: word error rate, or else minus the SQNR."""
        return -self.sqnr_db if self.word_error_rate_pct is None else self.word_error_rate_pct


def read_grid(text: str) -> tuple[list[float], list[int]]:
    """Sparsities and palettes of "0,0.5,0.75:0,16".

    Raises:
        EdgeError: it is no such list.
    """
    first, colon, second = text.partition(":")
    try:
        palettes = [int(it) for it in second.split(",")] if colon else list(PALETTES)
        return [float(it) for it in first.split(",")] if first else list(SPARSITIES), palettes
    except ValueError as error:
        raise EdgeError(
            f"sweep: {text!r} is no list of sparsities and palettes; write 0,0.5,0.75:0,16"
        ) from error


def find_spoken(paths: Sequence[Path], expect: Path | None) -> dict[Path, str]:
    """The clips that word errors are counted on and what is said in them; none where none named.

    Raises:
        EdgeError: clips without what is said in them, or the other way round.
    """
    if bool(paths) != bool(expect):
        raise EdgeError("sweep: --clips and --expect belong together; give both or neither")
    if expect is None:
        return {}
    found = find_clips(paths)
    texts = read_expected(expect, found)
    return {path: texts[path.name] for path in found}


def _weights(made: Conversion) -> tuple[int, int, int]:
    """Weights, zeros and packed bytes of all matrices."""
    tensors = [it for graph in made.graphs.values() for it in graph.tensors]
    count = sum(it.shape[0] * it.shape[1] for it in tensors)
    return count, sum(it.zeros for it in tensors), sum(it.bytes_after for it in tensors)


def _point(made: Conversion, recipe: Recipe, clips: Sequence[Clip]) -> Point:
    count, zeros, packed = _weights(made)
    errors = None
    if clips:
        errors = clip_errors(emulate(made.bundle, clips, engine="core").transcripts)
    noise = [value for graph in made.graphs.values() for value in graph.sqnr_db.values()]
    return Point(
        sparsity=recipe.compress.sparsity,
        palette=recipe.compress.palette,
        zeros=zeros / max(count, 1),
        image_bytes=len(made.bundle.device_bytes()),
        weight_bytes=packed,
        bits_per_weight=8.0 * packed / max(count, 1),
        sqnr_db=min(noise, default=math.nan),
        word_error_rate_pct=errors.rate_pct if errors else None,
        words=errors.words if errors else 0,
    )


def sweep(
    convert: Callable[[Recipe], Conversion],
    recipe: Recipe,
    grid: tuple[Sequence[float], Sequence[int]],
    clips_of: Callable[[Bundle], Sequence[Clip]],
    progress: Callable[[str], None],
) -> list[Point]:
    """A point for every pair of sparsity and palette; the rest is as the recipe says."""
    pairs = [(sparsity, palette) for palette in grid[1] for sparsity in grid[0]]
    points: list[Point] = []
    for number, (sparsity, palette) in enumerate(pairs, 1):
        progress(f"{number} of {len(pairs)}: sparsity {sparsity:g}, palette {palette or 'none'}")
        compress = replace(recipe.compress, sparsity=sparsity, palette=palette)
        chosen = replace(recipe, compress=compress)
        made = convert(chosen)
        points.append(_point(made, chosen, clips_of(made.bundle)))
    return points


def front(points: Sequence[Point]) -> list[Point]:
    """Points that no other beats in bytes and error, the smallest first."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda it: (it.weight_bytes, it.error)):
        if not kept or point.error < kept[-1].error:
            kept.append(point)
    return kept


def sweep_table(points: Sequence[Point]) -> Table:
    """A row per point; those on the front are marked."""
    best = front(points)
    table = Table("sparsity, bits", box=None, pad_edge=False)
    for column in ("zeros", "weight bytes", "bits per weight", "image bytes", "SQNR dB", "WER"):
        table.add_column(column, justify="right")
    table.add_column("")
    for point in points:
        rate = point.word_error_rate_pct
        table.add_row(
            point.name,
            f"{point.zeros:.0%}",
            f"{point.weight_bytes:,}",
            f"{point.bits_per_weight:.2f}",
            f"{point.image_bytes:,}",
            f"{point.sqnr_db:.1f}",
            "" if rate is None else f"{rate:.1f} %",
            "front" if point in best else "",
        )
    return table


def sweep_document(points: Sequence[Point]) -> dict[str, Any]:
    """The sweep as JSON values."""
    best = front(points)
    rows = [{**asdict(point), "front": point in best} for point in points]
    return {"schema": "edgesdk.sweep", "version": 1, "points": rows}


def sweep_plot(points: Sequence[Point]) -> str:
    """The points as an <svg>: weight bytes against error, a line per palette."""
    spoken = any(point.word_error_rate_pct is not None for point in points)
    lines: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        error = point.error if spoken else point.sqnr_db
        lines.setdefault(point.bits, []).append((point.weight_bytes, error))
    return plot_front(lines, "bytes of weights", "word error rate, %" if spoken else "SQNR, dB")


def folder_sweep(
    source: Path,
    calibration: Path,
    recipe: Recipe,
    board: Board,
    grid: tuple[Sequence[float], Sequence[int]],
    spoken: Mapping[Path, str],
    progress: Callable[[str], None],
) -> list[Point]:
    """Sweep the recogniser in a folder for a board; `spoken` are clips and what is said in them."""
    texts = {path.name: text for path, text in spoken.items()}

    def clips_of(bundle: Bundle) -> Sequence[Clip]:
        return load_clips(spoken, bundle.features.sample_rate_hz, texts)

    def convert(chosen: Recipe) -> Conversion:
        return convert_folder(
            source, calibration, chosen, board, lambda text: progress(f"  {text}")
        )

    return sweep(convert, recipe, grid, clips_of, progress)
