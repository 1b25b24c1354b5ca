"""The recipe: every choice a user makes when a model is converted, one strict TOML file."""

import difflib
import json
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from edgesdk.errors import ConvertError

SCHEMA = 1
RANGES = ("auto", "minmax", "percentile", "mse")
MOST_SAMPLES = 16
CORES = ("auto", "ref", "dsp", "mve")
WEIGHTS = ("fast", "small", "dense")


def _choice(default: str | int, about: str) -> Any:
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True)
class Recipe:
    """Choices of a conversion; `--print-config` shows them all with what they mean."""

    name: str = _choice("", "what the bundle calls itself; empty: the source's file name")
    ranges: str = _choice(
        "auto", f"how value ranges become scales: {', '.join(RANGES)}; auto takes the least noisy"
    )
    window_frames: int = _choice(0, "feature frames per step; 0: as the model says")
    max_symbols: int = _choice(0, "most tokens per encoder frame; 0: as the model says")
    samples: int = _choice(
        4, "clips tried for validate's samples, the wordiest is kept; of a .tflite: random steps"
    )
    core: str = _choice(
        "auto",
        f"class of cores that weights are packed for: {', '.join(CORES)}; auto takes the board's",
    )
    weights: str = _choice(
        "fast",
        f"packing to prefer: {', '.join(WEIGHTS)}; dense leaves zeros and palettes unused",
    )


def _check(recipe: Recipe, where: str) -> Recipe:
    for name, known in (("ranges", RANGES), ("core", CORES), ("weights", WEIGHTS)):
        value = getattr(recipe, name)
        if value not in known:
            raise ConvertError(
                f"{where}: {name} = {value!r} is none of {', '.join(known)}; choose one"
            )
    limits = {"window_frames": 1024, "max_symbols": 64, "samples": MOST_SAMPLES}
    for name, most in limits.items():
        value = getattr(recipe, name)
        least = 1 if name == "samples" else 0
        if not least <= value <= most:
            raise ConvertError(f"{where}: {name} = {value} must lie in {least}..{most}; correct it")
    return recipe


def _take(values: dict[str, Any], where: str) -> Recipe:
    kinds = {choice.name: type(choice.default) for choice in fields(Recipe)}
    for name, value in values.items():
        if name not in kinds:
            close = difflib.get_close_matches(name, kinds, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(kinds)}"
            raise ConvertError(f"{where}: key {name!r} is unknown; {hint}")
        if type(value) is not kinds[name]:
            raise ConvertError(
                f"{where}: {name} = {value!r} must be of type {kinds[name].__name__}; correct it"
            )
    return _check(Recipe(**values), where)


def load_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file; what it leaves out has its default.

    Raises:
        ConvertError: unreadable, not TOML, another schema, an unknown key or a wrong value.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConvertError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConvertError(f"{path}: not valid TOML ({error}); correct it") from error
    schema = values.pop("schema", None)
    if schema != SCHEMA:
        raise ConvertError(
            f"{path}: schema = {schema!r}, this edgesdk reads {SCHEMA}; start from "
            "`edgesdk convert --print-config`"
        )
    return _take(values, str(path))


def recipe_toml(recipe: Recipe) -> str:
    """The recipe as a TOML file that load_recipe reads back."""
    lines = [f"schema = {SCHEMA}"]
    for choice in fields(Recipe):
        value = json.dumps(getattr(recipe, choice.name), ensure_ascii=False)  # TOML too
        lines += [f"# {choice.metadata['about']}", f"{choice.name} = {value}"]
    return "\n".join(lines) + "\n"
