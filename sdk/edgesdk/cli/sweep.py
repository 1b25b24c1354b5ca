"""`edgesdk convert --sweep`: size, accuracy and instructions over sparsity and bits.

Needs the converters.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgesdk_converters.frontends.onnx import load_source
from edgesdk_converters.pipeline import Conversion
from rich.table import Table

from edgesdk.board import Board
from edgesdk.bundle import Bundle
from edgesdk.cli.conversion import convert_folder
from edgesdk.cli.sweep_cost import instruction_counter
from edgesdk.cli.transcripts import clip_errors
from edgesdk.clips import find_clips, read_expected
from edgesdk.emulate import Clip, emulate, load_clips
from edgesdk.errors import EdgeError
from edgesdk.recipe import Recipe
from edgesdk.report.plots import FrontPoint, plot_front

SPARSITIES = (0.0, 0.25, 0.5, 0.75)
PALETTES = (0, 16)


@dataclass(frozen=True)
class Point:
    """One recogniser of a sweep.

    `word_error_rate_pct` is None where no clips were given, `instructions` (per second of audio)
    where they are not counted. Weight bytes are those of all matrices as the image holds them.
    """

    sparsity: float
    palette: int
    zeros: float
    image_bytes: int
    weight_bytes: int
    bits_per_weight: float
    sqnr_db: float
    word_error_rate_pct: float | None
    words: int
    instructions: int | None

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

    @property
    def costs(self) -> tuple[float, ...]:
        """What one wants less of: bytes, error and, where counted, instructions."""
        counted = () if self.instructions is None else (self.instructions,)
        return (self.image_bytes, self.error, *counted)


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


def _point(
    made: Conversion, recipe: Recipe, clips: Sequence[Clip], instructions: int | None
) -> Point:
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
        instructions=instructions,
    )


def sweep(
    convert: Callable[[Recipe], Conversion],
    recipe: Recipe,
    grid: tuple[Sequence[float], Sequence[int]],
    clips: Sequence[Clip],
    count: Callable[[Bundle], int | None],
    progress: Callable[[str], None],
) -> list[Point]:
    """A point for every pair of sparsity and palette; the rest is as the recipe says.

    Word errors are counted on `clips`; `count` gives instructions per second of audio.
    """
    pairs = [(sparsity, palette) for palette in grid[1] for sparsity in grid[0]]
    points: list[Point] = []
    for number, (sparsity, palette) in enumerate(pairs, 1):
        progress(f"{number} of {len(pairs)}: sparsity {sparsity:g}, palette {palette or 'none'}")
        compress = replace(recipe.compress, sparsity=sparsity, palette=palette)
        chosen = replace(recipe, compress=compress)
        made = convert(chosen)
        points.append(_point(made, chosen, clips, count(made.bundle)))
    return points


def front(points: Sequence[Point]) -> list[Point]:
    """Points that no other beats, that is: is nowhere worse than and somewhere better."""
    return [
        point
        for point in points
        if not any(_beats(other.costs, point.costs) for other in points if other is not point)
    ]


def _beats(ours: tuple[float, ...], theirs: tuple[float, ...]) -> bool:
    """Costs of both sides as far as both have them."""
    pairs = list(zip(ours, theirs, strict=False))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def sweep_table(points: Sequence[Point]) -> Table:
    """A row per point; those on the front are marked."""
    best = front(points)
    counted = any(point.instructions is not None for point in points)
    table = Table("sparsity, bits", box=None, pad_edge=False)
    columns = ["zeros", "image bytes", "weight bytes", "bits per weight", "SQNR dB", "WER"]
    for column in [*columns, *(["instructions / s"] if counted else [])]:
        table.add_column(column, justify="right")
    table.add_column("")
    for point in points:
        rate, cost = point.word_error_rate_pct, point.instructions
        table.add_row(
            point.name,
            f"{point.zeros:.0%}",
            f"{point.image_bytes:,}",
            f"{point.weight_bytes:,}",
            f"{point.bits_per_weight:.2f}",
            f"{point.sqnr_db:.1f}",
            "" if rate is None else f"{rate:.1f} %",
            *(["does not fit" if cost is None else f"{cost:,}"] if counted else []),
            "front" if point in best else "",
        )
    return table


def sweep_document(points: Sequence[Point], note: str = "") -> dict[str, Any]:
    """The sweep as JSON values; `note` says why instructions are not counted."""
    best = front(points)
    rows = [{**asdict(point), "front": point in best} for point in points]
    notes = [note] if note else []
    return {"schema": "edgesdk.sweep", "version": 1, "points": rows, "notes": notes}


def sweep_plot(points: Sequence[Point]) -> str:
    """The points as an <svg>: error against bytes and instructions, a line per palette."""
    spoken = any(point.word_error_rate_pct is not None for point in points)
    counted = any(point.instructions is not None for point in points)
    lines: dict[str, list[FrontPoint]] = {}
    for point in points:
        error = point.error if spoken else point.sqnr_db
        costs = (point.image_bytes, point.instructions) if counted else (point.image_bytes,)
        lines.setdefault(point.bits, []).append(FrontPoint(f"{point.sparsity:.0%}", costs, error))
    axes = ["bytes of the image", "instructions per second of audio"][: 1 + counted]
    return plot_front(lines, axes, "word error rate, %" if spoken else "SQNR, dB")


def folder_sweep(
    source: Path,
    calibration: Path,
    recipe: Recipe,
    board: Board,
    grid: tuple[Sequence[float], Sequence[int]],
    spoken: Mapping[Path, str],
    progress: Callable[[str], None],
) -> tuple[list[Point], str]:
    """Sweep the recogniser in a folder for a board, and why no instructions, where there are none.

    `spoken` are clips and what is said in them. Instructions are of the first of them, or of the
    first calibration clips.
    """
    model = load_source(source, recipe.window_frames or None, phrases=0)
    rate = int(model.features["sample_rate"])
    clips = load_clips(spoken, rate, {path.name: text for path, text in spoken.items()})
    heard = clips or load_clips(find_clips([calibration]), rate)

    def convert(chosen: Recipe) -> Conversion:
        return convert_folder(
            source, calibration, chosen, board, lambda text: progress(f"  {text}")
        )

    with instruction_counter(board) as (count, note):
        progress(note or f"instructions are counted on {board.name}")

        def cost(bundle: Bundle) -> int | None:
            return count(bundle, heard) if count else None

        return sweep(convert, recipe, grid, clips, cost, progress), note
