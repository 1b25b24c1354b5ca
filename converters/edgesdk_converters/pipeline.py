"""From a model and some clips to a bundle: calibrate, quantise, lower, and store samples."""

import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from edgesdk import __version__
from edgesdk.biasing.attention import Spelled, capacity, compile_attention
from edgesdk.biasing.phrases import Phrase
from edgesdk.biasing.spell import TokenSet
from edgesdk.board import Board
from edgesdk.bundle import Bundle, EndpointSection
from edgesdk.bundle.layout import META, SAMPLES
from edgesdk.core import Features
from edgesdk.emulate import Clip, make_samples
from edgesdk.emulate.samples import make_graph_samples
from edgesdk.errors import EdgeError
from edgesdk.recipe import EndpointRecipe, Recipe, SearchRecipe
from numpy.typing import NDArray

from edgesdk_converters.compress.options import Compression, load_masks
from edgesdk_converters.compress.pattern import Pattern, parse_pattern
from edgesdk_converters.compress.prune import Progress
from edgesdk_converters.compress.tensors import given_reports, with_packing
from edgesdk_converters.convert import GraphReport, Options, convert_source
from edgesdk_converters.endpoint import (
    TRAINED,
    EndpointTimes,
    Scorer,
    load_scorer,
    make_endpoint,
)
from edgesdk_converters.lower import Packing, core_of, lower_recogniser, lower_single
from edgesdk_converters.lower.sections import make_features
from edgesdk_converters.npu import ETHOSU, Compiled, VelaConfig, compile_npu, describe
from edgesdk_converters.source import BLANK, Source
from edgesdk_converters.tflite.read import read_tflite


@dataclass(frozen=True)
class Conversion:
    """A bundle, what conversion did to each graph, and what the user should know."""

    bundle: Bundle
    graphs: Mapping[str, GraphReport] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    npu: Mapping[str, Compiled] = field(default_factory=dict)  # by role, where the board has one


def convert_model(
    source: Source,
    clips: Sequence[Clip],
    recipe: Recipe,
    *,
    name: str = "recogniser",
    digests: Mapping[str, str] | None = None,
    board: Board | None = None,
    progress: Progress = lambda text: None,
    phrases: Sequence[Phrase] = (),
) -> Conversion:
    """The bundle of a recogniser, calibrated on whole clips at its own sample rate.

    `phrases` are what the adapter is calibrated with, where the source has one.

    Weights are packed for the recipe's class of cores, else for the board's, else not at all.
    `name` is used where the recipe has none; `digests` are of the files that the model came from;
    `progress` is told what is being done.

    Raises:
        ConvertError: the model, its features or the clips do not allow it.
    """
    options = Options(recipe.ranges, _compression(recipe))
    scorer = chosen_scorer(recipe.endpoint)
    endpoint = chosen_endpoint(recipe.endpoint, scorer)
    spelled = _spelled(source, phrases) if source.attention is not None else []
    converted = convert_source(source, _normalised(source, clips), options, progress, spelled)
    meta = {**_origin(recipe, digests), "calibration_clips": len(clips)}
    compiled = _compiled(board, converted.device_graphs, progress)
    meta |= _about_npu(board, compiled)
    if source.attention is not None:
        meta["attention"] = {"no_phrase_key": converted.no_phrase}
    bundle = lower_recogniser(
        converted.encoder,
        converted.predictor,
        converted.joiner,
        source.tokens,
        source.features,
        max_symbols=recipe.max_symbols or source.max_symbols,
        bias_bytes=recipe.bias_bytes,
        blank=BLANK,
        window_shift=source.shift,
        meta=meta,
        name=recipe.name or name,
        packing=_packing(recipe, board),
        beam=_beam(recipe.search),
        endpoint=endpoint,
        adapter=converted.adapter,
        catalog=converted.catalog,
        endpoint_graph=None if scorer is None else scorer.graph,
        compiled={role: made.tflite for role, made in compiled.items()},
    )
    graphs = {
        role: replace(report, tensors=with_packing(report.tensors, bundle.debug[role]))
        if role in bundle.debug
        else report
        for role, report in converted.report.items()
    }
    about = bundle.meta | {"graphs": {role: asdict(report) for role, report in graphs.items()}}
    bundle = bundle.with_sections(**{META: json.dumps(about, ensure_ascii=False).encode()})
    bundle, notes = _with_samples(bundle, recipe, clips, spelled)
    return Conversion(bundle, graphs, (*converted.notes, *notes), compiled)


def chosen_scorer(chosen: EndpointRecipe) -> Scorer | None:
    """The score; None where the recipe asks for none.

    Raises:
        ConvertError: the file of a score of one's own is not as `load_scorer` wants it.
    """
    if chosen.kind != "scored":
        return None
    return load_scorer(Path(chosen.scorer)) if chosen.scorer else TRAINED


def chosen_endpoint(chosen: EndpointRecipe, scorer: Scorer | None) -> EndpointSection | None:
    """The ENDP section; None where the recipe asks for none."""
    if chosen.kind == "none":
        return None
    times = EndpointTimes(
        no_speech_s=chosen.no_speech,
        pause_s=chosen.pause,
        length_s=chosen.length,
        early_s=chosen.early,
        min_pause_s=chosen.min_pause,
    )
    return make_endpoint(times, scorer)


def _spelled(source: Source, phrases: Sequence[Phrase]) -> list[tuple[int, ...]]:
    """Token ids of each phrase that the source's tokens can write."""
    tokens = TokenSet(source.tokens, BLANK)
    found = [tokens.spellings(phrase) for phrase in phrases]
    return [spellings[0].tokens for spellings in found if spellings]


def _beam(chosen: SearchRecipe) -> dict[str, int | float]:
    """Fields of the bundle's Search: what the recipe leaves open follows from the beam."""
    several = chosen.beam > 1
    return {
        "beam": chosen.beam,
        "prune": chosen.prune,
        "cache": 2 * chosen.beam,
        "nbest": chosen.nbest if chosen.nbest >= 0 else several * chosen.beam,
        "max_arcs": chosen.lattice if chosen.lattice >= 0 else several * 16 * chosen.beam,
        "max_tokens": chosen.max_tokens or (128 + 32 * chosen.beam if several else 1),
    }


def _compression(recipe: Recipe) -> Compression:
    """What the recipe asks of compression, with its masks read."""
    chosen = recipe.compress
    values = {item.name: getattr(chosen, item.name) for item in fields(chosen)}
    values["masks"] = load_masks(Path(chosen.masks)) if chosen.masks else {}
    return Compression(**values)


def convert_graph(
    tflite: bytes,
    recipe: Recipe,
    *,
    name: str = "graph",
    digests: Mapping[str, str] | None = None,
    board: Board | None = None,
) -> Conversion:
    """The bundle of any full-integer .tflite graph; `board` as in convert_model.

    One that Vela compiled already is taken as it is.

    Raises:
        ConvertError: it is damaged, or an operator is not covered.
    """
    packing = _packing(recipe, board)
    given = any(op.code == ETHOSU for op in read_tflite(tflite, name).graphs[0].operators)
    compiled = _compiled(None if given else board, {"net": tflite}, lambda text: None)
    bundle = lower_single(
        tflite,
        name=recipe.name or name,
        meta=_origin(recipe, digests) | (_about_npu(board, compiled) if compiled else {}),
        packing=packing,
        compiled=compiled["net"].tflite if compiled else None,
    )
    graphs = {"net": _given(tflite, recipe, packing, bundle)}
    bundle, notes = _with_random_samples(bundle, recipe)
    chosen = recipe.compress
    if chosen.sparsity or chosen.palette or chosen.masks or chosen.layers:
        notes += ("[compress] changes nothing here: a .tflite keeps its values",)
    if given:
        notes += ("Vela has compiled this file: it is taken as it is, and has no CPU to compare",)
    return Conversion(bundle, graphs, notes, compiled)


def _compiled(
    board: Board | None, graphs: Mapping[str, bytes], progress: Progress
) -> dict[str, Compiled]:
    """What Vela makes of these graphs for the board's NPU; nothing where it has none."""
    if board is None or board.npu is None:
        return {}
    config, made = VelaConfig.of(board.npu), {}
    for role, tflite in graphs.items():
        progress(f"compiling {role} for {config.accelerator}")
        made[role] = compile_npu(tflite, config, f"{role}.tflite")
    return made


def _about_npu(board: Board | None, compiled: Mapping[str, Compiled]) -> dict[str, Any]:
    """What Vela was told and what it said, for the bundle's META."""
    if board is None or board.npu is None:
        return {}
    told = asdict(VelaConfig.of(board.npu))
    return {"npu": told | {"graphs": {role: describe(it) for role, it in compiled.items()}}}


def _given(tflite: bytes, recipe: Recipe, packing: Packing, bundle: Bundle) -> GraphReport:
    """A graph that was quantised by others; blocks are the core's tiles, else the recipe's."""
    graph, tile = read_tflite(tflite).graphs[0], packing.shape
    pattern = Pattern(tile.rows, tile.columns) if tile else parse_pattern(recipe.compress.block)
    constants = [it.data.size for it in graph.tensors if it.data is not None and it.quantisation]
    return GraphReport(
        operators=dict(sorted(Counter(op.code for op in graph.operators).items())),
        parameters=sum(constants),
        bytes=len(tflite),
        method="as given",
        sqnr_db={},
        tried_db={},
        ranges={},
        tensors=with_packing(tuple(given_reports(graph, pattern)), bundle.debug["net"]),
    )


def _packing(recipe: Recipe, board: Board | None) -> Packing:
    core = recipe.core
    if core == "auto":
        core = "ref" if board is None else core_of(board.cpu.isa)
    prefer = recipe.weights
    if prefer == "auto":  # few values are asked for their bytes: indices cost instructions
        prefer = "small" if recipe.compress.palette else "fast"
    return Packing(core, prefer)


def _origin(recipe: Recipe, digests: Mapping[str, str] | None) -> dict[str, Any]:
    tools = {"edgesdk": __version__, "python": platform.python_version()}
    for package in ("numpy", "onnx", "flatbuffers"):
        tools[package] = version(package)
    return {"created_by": tools, "sources": dict(digests or {}), "recipe": asdict(recipe)}


def _normalised(source: Source, clips: Sequence[Clip]) -> list[NDArray[np.float32]]:
    """Features [T, mel] of each clip and its tail of silence, by the device's own code."""
    section = make_features(source.features, source.window, source.shift, 1.0, 0)
    features = Features(section.encode())
    tail = np.zeros(section.tail_padding, np.int16)
    utterances = []
    for clip in clips:
        features.reset()
        log_mel, _ = features.push(np.concatenate([clip.samples, tail]))
        rest, _ = features.flush()
        frames = np.concatenate([log_mel, rest])
        utterances.append((frames - section.mean) * section.inv_std)
    return utterances


def _with_samples(
    bundle: Bundle, recipe: Recipe, clips: Sequence[Clip], phrases: Sequence[tuple[int, ...]]
) -> tuple[Bundle, tuple[str, ...]]:
    try:
        known = [Spelled("samples", phrases[: capacity(bundle)])] if phrases else []
        tables = [table.data for table in compile_attention(known, bundle)] if known else []
        section = make_samples(bundle, clips[: recipe.samples], tables)
    except EdgeError as error:
        return bundle, (f"no validation samples: {error}",)
    return bundle.with_sections(**{SAMPLES: section}), ()


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
