"""The recipe: every choice a user makes when a model is converted, one strict TOML file."""

import difflib
import json
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from edgesdk.bundle.sections import MAX_BIAS_ROOM
from edgesdk.errors import ConvertError
from edgesdk.toml_table import parse_toml

SCHEMA = 1
RANGES = ("auto", "minmax", "percentile", "mse")
LEVELS = ("scan", "even")
SCORES = ("surgeon", "activation", "magnitude")
REPAIRS = ("least-squares", "bias", "none")
PALETTES = (0, 2, 4, 8, 16, 32)
MOST_SAMPLES = 16
CORES = ("auto", "ref", "dsp", "mve")
WEIGHTS = ("auto", "fast", "small", "dense")
MOST_SPARSE = 0.95
MOST_HYPOTHESES = 16
MOST_WORDS = 1024
MOST_TOKENS = 4096
MOST_PRUNE = 1000.0
ENDPOINTS = ("none", "rules", "scored")
MOST_SECONDS = 3600.0
MOST_PHRASES = 4000


def _choice(default: str | int | float, about: str) -> Any:
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True)
class CompressRecipe:
    """Table [compress]: which weights become zero and how few values the rest takes."""

    sparsity: float = _choice(0.0, f"share of all weights to make zero, 0.0..{MOST_SPARSE}")
    block: str = _choice("8x16", "zeros come in blocks of ROWSxCOLUMNS, or as N:M of a row")
    levels: str = _choice(
        "scan", "scan: more zeros where calibration shows least harm; even: alike in all layers"
    )
    score: str = _choice(
        "surgeon",
        "worth of a block: surgeon (what cannot be repaired), activation (w^2 x its input's power) "
        "or magnitude",
    )
    repair: str = _choice(
        "least-squares", f"what follows pruning: {', '.join(REPAIRS)} (bias correction)"
    )
    palette: int = _choice(0, "most distinct int8 values per matrix: 2, 4, 8, 16, 32; 0: any")
    palette_rows: int = _choice(0, "output rows that share a palette; 0: all of a matrix")
    masks: str = _choice("", ".npz of masks, LAYER.weight -> [out, in], zero where a weight goes")
    layers: dict[str, float] = field(
        default_factory=dict,
        metadata={"about": 'fixed sparsity of single layers, such as "encoder.lstm0" = 0.5'},
    )


@dataclass(frozen=True)
class SearchRecipe:
    """Table [search]: how many hypotheses the device follows, and what it tells of them."""

    beam: int = _choice(1, f"hypotheses, 1..{MOST_HYPOTHESES}; 1: greedy search")
    prune: float = _choice(
        0.0, "drop hypotheses so far below the best, in natural log units; 0: none"
    )
    nbest: int = _choice(-1, "hypotheses in the results, 0..beam; -1: all, but none of a beam of 1")
    lattice: int = _choice(
        -1, f"most words in the results' lattice, 0..{MOST_WORDS}; -1: 16 per hypothesis, or none"
    )
    max_tokens: int = _choice(
        0, f"tokens of one utterance that are kept, beam..{MOST_TOKENS}; 0: as the beam needs"
    )


@dataclass(frozen=True)
class EndpointRecipe:
    """Table [endpoint]: when a device takes an utterance for ended."""

    kind: str = _choice(
        "none", f"{', '.join(ENDPOINTS)}: rules are times alone, scored adds a trained score"
    )
    no_speech: float = _choice(2.4, "seconds of silence that end an utterance without a word")
    pause: float = _choice(1.2, "seconds of silence that end it after words, if nothing did sooner")
    length: float = _choice(20.0, "seconds after which it ends in any case")
    early: float = _choice(0.2, "seconds by which the speculative end-pointer's pause is shorter")
    min_pause: float = _choice(0.12, "seconds of silence below which the score does not count")
    scorer: str = _choice("", ".json of a score of your own; empty: the one that edgesdk ships")


@dataclass(frozen=True)
class AttentionRecipe:
    """Table [attention]: what a model's adapter is prepared for; docs/biasing.md."""

    phrases: int = _choice(
        100,
        f"phrases to attend to at once, 0..{MOST_PHRASES}, where the model has an adapter; "
        "0 leaves it out",
    )


@dataclass(frozen=True)
class Recipe:
    """Choices of a conversion; `--print-config` shows them all with what they mean."""

    name: str = _choice("", "what the bundle calls itself; empty: the source's file name")
    ranges: str = _choice(
        "auto", f"how value ranges become scales: {', '.join(RANGES)}; auto takes the least noisy"
    )
    window_frames: int = _choice(0, "feature frames per step; 0: as the model says")
    max_symbols: int = _choice(0, "most tokens per encoder frame; 0: as the model says")
    bias_bytes: int = _choice(
        0, "bytes of RAM kept for bias tables that arrive over the link; docs/biasing.md"
    )
    samples: int = _choice(
        4, "clips tried for validate's samples, the wordiest is kept; of a .tflite: random steps"
    )
    core: str = _choice(
        "auto",
        f"class of cores that weights are packed for: {', '.join(CORES)}; auto takes the board's",
    )
    weights: str = _choice(
        "auto",
        f"packing to prefer: {', '.join(WEIGHTS)}; auto is small with compress.palette, else fast; "
        "dense leaves zeros and palettes unused",
    )
    search: SearchRecipe = field(
        default_factory=SearchRecipe,
        metadata={"about": "docs/search.md; what it takes of RAM is in convert's table"},
    )
    endpoint: EndpointRecipe = field(
        default_factory=EndpointRecipe, metadata={"about": "docs/endpointing.md"}
    )
    attention: AttentionRecipe = field(
        default_factory=AttentionRecipe,
        metadata={"about": "docs/biasing.md; each phrase takes RAM and instructions per frame"},
    )
    compress: CompressRecipe = field(
        default_factory=CompressRecipe,
        metadata={"about": "docs/compression.md; the .tflite stays an ordinary int8 graph"},
    )


def _check(recipe: Recipe, where: str) -> Recipe:
    for name, known in (("ranges", RANGES), ("core", CORES), ("weights", WEIGHTS)):
        value = getattr(recipe, name)
        if value not in known:
            raise ConvertError(
                f"{where}: {name} = {value!r} is none of {', '.join(known)}; choose one"
            )
    limits = {"window_frames": 1024, "max_symbols": 64, "samples": MOST_SAMPLES}
    limits["bias_bytes"] = MAX_BIAS_ROOM
    for name, most in limits.items():
        value = getattr(recipe, name)
        least = 1 if name == "samples" else 0
        if not least <= value <= most:
            raise ConvertError(f"{where}: {name} = {value} must lie in {least}..{most}; correct it")
    return recipe


def _check_compress(compress: CompressRecipe, where: str) -> None:
    choices: dict[str, tuple[str | int, ...]] = {
        "levels": LEVELS,
        "score": SCORES,
        "repair": REPAIRS,
        "palette": PALETTES,
    }
    for name, known in choices.items():
        value = getattr(compress, name)
        if value not in known:
            raise ConvertError(
                f"{where}: compress.{name} = {value!r} is none of {', '.join(map(str, known))}; "
                "choose one"
            )
    for name, level in {"sparsity": compress.sparsity, **compress.layers}.items():
        if type(level) not in (int, float) or not 0 <= level <= MOST_SPARSE:
            raise ConvertError(
                f"{where}: compress: {name} = {level!r} must lie in 0.0..{MOST_SPARSE}; correct it"
            )
    if compress.palette_rows < 0:
        raise ConvertError(
            f"{where}: compress.palette_rows = {compress.palette_rows} is negative; 0 means all"
        )


def _check_search(search: SearchRecipe, where: str) -> None:
    limits: dict[str, tuple[float, float]] = {
        "beam": (1, MOST_HYPOTHESES),
        "prune": (0, MOST_PRUNE),
        "nbest": (-1, search.beam),
        "lattice": (-1, MOST_WORDS),
        "max_tokens": (search.beam if search.max_tokens else 0, MOST_TOKENS),
    }
    for name, (least, most) in limits.items():
        value = getattr(search, name)
        if not least <= value <= most:
            raise ConvertError(
                f"{where}: search.{name} = {value} must lie in {least:g}..{most:g}; correct it"
            )


def _check_endpoint(endpoint: EndpointRecipe, where: str) -> None:
    if endpoint.kind not in ENDPOINTS:
        raise ConvertError(
            f"{where}: endpoint.kind = {endpoint.kind!r} is none of {', '.join(ENDPOINTS)}; "
            "choose one"
        )
    for name in ("no_speech", "pause", "length", "early", "min_pause"):
        value = getattr(endpoint, name)
        least = 0.0 if name in ("early", "min_pause") else 0.01
        if not least <= value <= MOST_SECONDS:
            raise ConvertError(
                f"{where}: endpoint.{name} = {value} must lie in {least:g}..{MOST_SECONDS:g} "
                "seconds; correct it"
            )


def _check_attention(attention: AttentionRecipe, where: str) -> None:
    if not 0 <= attention.phrases <= MOST_PHRASES:
        raise ConvertError(
            f"{where}: attention.phrases = {attention.phrases} must lie in 0..{MOST_PHRASES}; "
            "correct it"
        )


def _typed(values: dict[str, Any], table: Any, where: str) -> dict[str, Any]:
    """`values` where each is a known key of a dataclass and of the type of its default."""
    default = table()
    kinds = {choice.name: type(getattr(default, choice.name)) for choice in fields(table)}
    for name, value in values.items():
        if name not in kinds:
            close = difflib.get_close_matches(name, kinds, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(kinds)}"
            raise ConvertError(f"{where}: key {name!r} is unknown; {hint}")
        kind = dict if is_dataclass(kinds[name]) else kinds[name]
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise ConvertError(
                f"{where}: {name} = {value!r} must be of type {kind.__name__}; correct it"
            )
    return values


def _take(values: dict[str, Any], where: str) -> Recipe:
    typed = dict(_typed(values, Recipe, where))
    inner = _typed(typed.pop("compress", {}), CompressRecipe, f"{where} [compress]")
    compress = CompressRecipe(**inner)
    _check_compress(compress, where)
    search = SearchRecipe(**_typed(typed.pop("search", {}), SearchRecipe, f"{where} [search]"))
    _check_search(search, where)
    given = _typed(typed.pop("endpoint", {}), EndpointRecipe, f"{where} [endpoint]")
    endpoint = EndpointRecipe(**given)
    _check_endpoint(endpoint, where)
    inner = _typed(typed.pop("attention", {}), AttentionRecipe, f"{where} [attention]")
    attention = AttentionRecipe(**inner)
    _check_attention(attention, where)
    made = Recipe(**typed, search=search, endpoint=endpoint, attention=attention, compress=compress)
    return _check(made, where)


def load_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file; what it leaves out has its default.

    Raises:
        ConvertError: unreadable, not TOML, another schema, an unknown key or a wrong value.
    """
    values = parse_toml(path, ConvertError)
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
    for choice in fields(Recipe):  # in each table, tables come last
        part = getattr(recipe, choice.name)
        lines += _entry(choice, part)
        for inner in fields(part) if choice.name in _TABLES else ():
            lines += _entry(inner, getattr(part, inner.name))
    for layer, level in recipe.compress.layers.items():
        lines.append(f"{json.dumps(layer, ensure_ascii=False)} = {level}")
    return "\n".join(lines) + "\n"


_TABLES = {
    "search": "[search]",
    "endpoint": "[endpoint]",
    "attention": "[attention]",
    "compress": "[compress]",
    "layers": "[compress.layers]",
}


def _entry(choice: Any, value: Any) -> list[str]:
    about = f"# {choice.metadata['about']}"
    if choice.name in _TABLES:
        return ["", about, _TABLES[choice.name]]
    return [about, f"{choice.name} = {json.dumps(value, ensure_ascii=False)}"]  # TOML too
