"""What a recipe asks of compression, checked."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from edgesdk.errors import ConvertError
from numpy.typing import NDArray

from edgesdk_converters.compress.pattern import Pattern, parse_pattern
from edgesdk_converters.compress.repair import REPAIRS

LEVELS = ("scan", "even")
SCORES = ("surgeon", "activation", "magnitude")
PALETTES = (0, 2, 4, 8, 16, 32)
MOST_SPARSE = 0.95


@dataclass(frozen=True)
class Compression:
    """How much becomes zero, where, and how few values the rest takes; by default nothing.

    `sparsity` is the share of all product weights, allotted to layers by `levels`: the same in each
    ("even") or where a scan on calibration data says that it costs least ("scan"). `layers` fixes
    single layers, `masks` (layer.parameter -> bool [out, in]) single matrices. `score` chooses the
    blocks; "surgeon" takes them in stages between refits, and without least squares or with N:M
    patterns means "activation".
    """

    sparsity: float = 0.0
    block: str = "8x16"
    levels: str = "scan"
    score: str = "surgeon"
    repair: str = "least-squares"
    palette: int = 0
    palette_rows: int = 0
    layers: Mapping[str, float] = field(default_factory=dict)
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what has no meaning.

        Raises:
            ConvertError: naming the key, its value and what it may be.
        """
        _one_of("levels", self.levels, LEVELS)
        _one_of("score", self.score, SCORES)
        _one_of("repair", self.repair, REPAIRS)
        _one_of("palette", self.palette, PALETTES)
        if self.palette_rows < 0:
            raise ConvertError(f"compress.palette_rows = {self.palette_rows} is negative; 0 is all")
        for name, level in (("sparsity", self.sparsity), *self.layers.items()):
            self._check_level(name, level)

    def _check_level(self, name: str, level: float) -> None:
        if not 0.0 <= level <= MOST_SPARSE:
            raise ConvertError(f"compress: {name} = {level} must lie in 0..{MOST_SPARSE}")
        fixed = self.pattern.fixed_level
        if fixed is not None and level not in (0.0, fixed):
            raise ConvertError(
                f"compress: {name} = {level}, but pattern {self.block} is {fixed:g} only; "
                f"write {fixed:g} or 0, or another block"
            )

    @property
    def pattern(self) -> Pattern:
        """The block pattern."""
        return parse_pattern(self.block)

    @property
    def operates(self) -> bool:
        """Whether blocks go in stages, each followed by a refit."""
        refits = self.repair == "least-squares" and not self.pattern.keep
        return self.score == "surgeon" and refits

    def gives_mask(self, layer: str, params: Iterable[str]) -> bool:
        """Whether a mask is given for one of a layer's matrices."""
        return any(f"{layer}.{name}" in self.masks for name in params)

    @property
    def prunes(self) -> bool:
        """Whether any weight is to become zero."""
        return self.sparsity > 0 or bool(self.masks) or any(self.layers.values())

    def check_names(self, layers: Iterable[str]) -> None:
        """Refuse layers that the model does not have.

        Raises:
            ConvertError: naming the nearest layer that it has.
        """
        known = list(dict.fromkeys(layers))
        for name in self.layers:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known)}"
                raise ConvertError(f"compress.layers: the model has no layer {name!r}; {hint}")


def _one_of(key: str, value: str | int, choices: tuple[str, ...] | tuple[int, ...]) -> None:
    if value not in choices:
        known = ", ".join(map(str, choices))
        raise ConvertError(f"compress.{key} = {value!r} is none of {known}; choose one")


def load_masks(path: Path) -> dict[str, NDArray[np.bool_]]:
    """Masks in an .npz: layer.parameter -> [out, in], true or non-zero where a weight stays.

    Raises:
        ConvertError: the file cannot be read as one.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: np.asarray(stored[name], np.bool_) for name in stored.files}
    except (OSError, ValueError, AttributeError) as error:
        raise ConvertError(f"{path}: no .npz of masks ({error}); write it with numpy.savez") from (
            error
        )
