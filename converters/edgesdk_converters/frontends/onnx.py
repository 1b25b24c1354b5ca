"""A folder of ONNX files, named as sherpa-onnx and icefall name them, to a Source."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from edgesdk.errors import ConvertError

from edgesdk_converters.frontends.canonical import canonical_graph
from edgesdk_converters.frontends.onnx_attention import DEFAULT_PHRASES, load_attention
from edgesdk_converters.frontends.onnx_model import INTEGERS, import_graph, load_model, signature
from edgesdk_converters.graph import Graph
from edgesdk_converters.lower.sections import check_features
from edgesdk_converters.source import DEFAULT_FEATURES, Source

# Role -> names of its file, best first; a variant is <name>-anything.onnx, int8 ones last.
ROLE_FILES = {
    "encoder": ("encoder",),
    "predictor": ("decoder", "predictor", "prediction"),
    "joiner": ("joiner", "joint"),
}
_WINDOWS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64)
_DEFAULT_MAX_SYMBOLS = 3


@dataclass(frozen=True)
class OnnxModels:
    """The three models in memory, with a name for messages."""

    encoder: onnx.ModelProto
    predictor: onnx.ModelProto
    joiner: onnx.ModelProto
    files: Mapping[str, str]


def load_source(folder: Path, window: int | None = None, phrases: int = DEFAULT_PHRASES) -> Source:
    """The recogniser in `folder`: three ONNX files, tokens.txt and features.json.

    `window` (feature frames per step) overrides metadata and input shape. Where adapter.onnx and
    catalog.onnx are there, it can attend to `phrases` phrases; 0 leaves them out.

    Raises:
        ConvertError: a file is missing, damaged, or holds what has no integer form.
    """
    check_source(folder)
    paths = {role: find_role(folder, role) for role in ROLE_FILES}
    models = {role: load_model(path) for role, path in paths.items()}
    files = {role: path.name for role, path in paths.items()}
    tokens = load_tokens(folder / "tokens.txt")
    features, notes = load_features(folder / "features.json")
    source = make_source(OnnxModels(**models, files=files), tokens, features, window)
    attention = load_attention(folder, source, phrases) if phrases else None
    return replace(source, notes=tuple(notes) + source.notes, attention=attention)


def check_source(path: Path) -> None:
    """Refuse what is no folder of ONNX files, before anything is read.

    Raises:
        ConvertError: says what `path` is instead, and what to give.
    """
    wanted = "the folder that holds encoder, decoder and joiner as .onnx"
    if not path.exists():
        raise ConvertError(f"{path}: no such folder or file; give {wanted}, or one .tflite")
    if path.suffix == ".onnx" and path.is_file():
        raise ConvertError(f"{path}: one of three files of a model; give {wanted}")
    if not path.is_dir():
        raise ConvertError(f"{path}: not a model; give {wanted}, or one .tflite")
    if not any(path.glob("*.onnx")):
        raise ConvertError(f"{path}: no .onnx file there; give {wanted}, or one .tflite")


def find_role(folder: Path, role: str) -> Path:
    """The ONNX file of one role: encoder.onnx, encoder-epoch-99-avg-1.onnx, ..."""
    for name in ROLE_FILES[role]:
        exact = folder / f"{name}.onnx"
        if exact.is_file():
            return exact
        found = [p for p in folder.glob("*.onnx") if p.stem.startswith((f"{name}-", f"{name}_"))]
        found = [p for p in found if "int8" not in p.stem] or found
        if len(found) > 1:
            listing = ", ".join(sorted(p.name for p in found))
            raise ConvertError(f"{folder}: {listing} could all be the {role}; leave one of them")
        if found:
            return found[0]
    names = " or ".join(f"{n}.onnx" for n in ROLE_FILES[role])
    raise ConvertError(f"{folder}: no {names}; export the {role} there")


def load_tokens(path: Path) -> tuple[str, ...]:
    """Tokens by index from lines `token index`.

    Raises:
        ConvertError: missing, not UTF-8, or the indices have gaps.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise ConvertError(f"{path}: {err}; write lines `token index`") from None
    tokens: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        token, _, index = line.rstrip().rpartition(" ")
        if not index.isdecimal() or int(index) in tokens:
            raise ConvertError(
                f"{path}: line {number} {line!r} is no new `token index`; correct it"
            )
        tokens[int(index)] = token or " "
    if sorted(tokens) != list(range(len(tokens))) or not tokens:
        raise ConvertError(f"{path}: indices do not run from 0 to {len(tokens) - 1}; correct it")
    return tuple(tokens[i] for i in range(len(tokens)))


def load_features(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The feature configuration, and a note where the default was chosen."""
    if not path.exists():
        return dict(DEFAULT_FEATURES), [
            f"{path.name} is missing: Kaldi's fbank as icefall uses it is assumed"
            " (16 kHz, 25 ms / 10 ms, povey, no normalisation)"
        ]
    try:
        features = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as err:
        raise ConvertError(f"{path}: not JSON ({err}); correct it") from None
    if not isinstance(features, dict) or features.get("kind") != "kaldi-fbank":
        raise ConvertError(f'{path}: kind must be "kaldi-fbank", the only front end; correct it')
    return features, []


def make_source(
    models: OnnxModels,
    tokens: tuple[str, ...],
    features: Mapping[str, Any],
    window: int | None = None,
) -> Source:
    """A Source from models in memory; see load_source."""
    metadata: dict[str, str] = {}
    for model in (models.encoder, models.predictor, models.joiner):
        metadata |= {p.key: p.value for p in model.metadata_props}
    notes: list[str] = []
    encoder, window = _encoder(models, metadata, features, window, notes)
    joiner_dim = _joiner_dim(models.joiner, metadata, encoder)
    predictor = _predictor(models, metadata, joiner_dim, notes)
    joiner = _joiner(models, joiner_dim, notes)
    vocab = joiner.shapes[joiner.outputs[0]][1]
    if len(tokens) != vocab:
        raise ConvertError(
            f"tokens.txt has {len(tokens)} tokens and {models.files['joiner']} {vocab} logits;"
            " take the two from one training run"
        )
    shift = _number(metadata, "decode_chunk_len") or window
    if shift > window:
        shift = window
    mel = encoder.shapes[encoder.inputs[0]][2]
    features = dict(features)
    if "mean" not in features and features.get("num_mel_bins") != mel:
        notes.append(f"features: {mel} mel bins, as the encoder's input says")
        features["num_mel_bins"] = mel
    if features.get("num_mel_bins") != mel:
        raise ConvertError(
            f"features.json gives {features.get('num_mel_bins')} mel bins and"
            f" {models.files['encoder']} takes {mel}; take the two from one training run"
        )
    check_features(features, "features.json")
    max_symbols = _number(metadata, "max_symbols_per_frame") or _DEFAULT_MAX_SYMBOLS
    return Source(
        encoder, predictor, joiner, tokens, features, window, shift, max_symbols, tuple(notes)
    )


def _number(metadata: Mapping[str, str], key: str) -> int | None:
    value = metadata.get(key, "")
    return int(value) if value.isdecimal() and int(value) > 0 else None


def _encoder(
    models: OnnxModels,
    metadata: Mapping[str, str],
    features: Mapping[str, Any],
    window: int | None,
    notes: list[str],
) -> tuple[Graph, int]:
    file, model = models.files["encoder"], models.encoder
    inputs = signature(model)[0]
    audio = next((n for n, dims in inputs.items() if len(dims) == 3), None)
    if audio is None or inputs[audio][0] > 1:
        raise ConvertError(f"{file}: no input [1, T, mel]; export the encoder with batch 1")
    declared, mel = inputs[audio][1], inputs[audio][2] or int(features.get("num_mel_bins", 80))
    chosen = window or declared or _number(metadata, "T") or _number(metadata, "decode_chunk_len")
    if declared and chosen != declared:
        raise ConvertError(f"{file}: {audio} has {declared} frames, not {chosen}; export it again")
    candidates = (chosen,) if chosen else _WINDOWS
    error: ConvertError | None = None
    for frames in candidates:
        shapes = _state_shapes(file, inputs, audio) | {audio: (1, frames, mel)}
        try:
            graph, found = import_graph("encoder", file, model, shapes, [audio])
        except ConvertError as err:
            error = error or err
            continue
        notes.extend(found)
        if not chosen:
            notes.append(f"{file}: no chunk length given; the smallest that works is {frames}")
        shape = graph.shapes[graph.outputs[0]]
        frames_out = int(np.prod(shape[:-1]))
        return canonical_graph(
            graph, {"x": (1, frames, mel)}, {"encoder_out": (1, frames_out, shape[-1])}
        ), frames
    raise error or ConvertError(f"{file}: no chunk length works")


def _state_shapes(
    file: str, inputs: Mapping[str, list[int]], *main: str
) -> dict[str, tuple[int, ...]]:
    """Shapes of the state inputs; a symbolic dimension is the batch, 1."""
    result = {}
    for name, dims in inputs.items():
        if name in main:
            continue
        if sum(d == 0 for d in dims) > 1:
            raise ConvertError(
                f"{file}: state {name} has {sum(d == 0 for d in dims)} open dimensions;"
                " export with fixed shapes"
            )
        result[name] = tuple(d or 1 for d in dims)
    return result


def _joiner_dim(joiner: onnx.ModelProto, metadata: Mapping[str, str], encoder: Graph) -> int:
    return _number(metadata, "joiner_dim") or encoder.shapes[encoder.outputs[0]][-1]


def _predictor(
    models: OnnxModels, metadata: Mapping[str, str], joiner_dim: int, notes: list[str]
) -> Graph:
    file, model = models.files["predictor"], models.predictor
    inputs = signature(model)[0]
    kinds = {v.name: v.type.tensor_type.elem_type for v in model.graph.input}
    tokens = next((n for n in inputs if kinds[n] in INTEGERS and len(inputs[n]) == 2), None)
    if tokens is None:
        raise ConvertError(f"{file}: no input of token indices [1, context]; export it so")
    context = inputs[tokens][1] or _number(metadata, "context_size") or 1
    shapes = _state_shapes(file, inputs, tokens) | {tokens: (1, context)}
    graph, found = import_graph("predictor", file, model, shapes, [tokens])
    notes.extend(found)
    return canonical_graph(graph, {"y": (1, context)}, {"decoder_out": (1, joiner_dim)})


def _joiner(models: OnnxModels, joiner_dim: int, notes: list[str]) -> Graph:
    file, model = models.files["joiner"], _without_softmax(models.joiner, models.files, notes)
    inputs, outputs = signature(model)
    if len(inputs) != 2 or len(outputs) != 1:
        raise ConvertError(
            f"{file}: {len(inputs)} inputs and {len(outputs)} outputs instead of encoder_out,"
            " decoder_out and logit; export it so"
        )
    names = sorted(inputs, key=lambda n: ("dec" in n or "pred" in n, list(inputs).index(n)))
    shapes = {n: (*(1,) * (len(dims) - 1), dims[-1] or joiner_dim) for n, dims in inputs.items()}
    graph, found = import_graph("joiner", file, model, shapes, names)
    notes.extend(found)
    vocab = int(np.prod(graph.shapes[graph.outputs[0]]))
    entries = {
        "encoder_out": (1, shapes[names[0]][-1]),
        "decoder_out": (1, shapes[names[1]][-1]),
    }
    return canonical_graph(graph, entries, {"logit": (1, vocab)})


def _without_softmax(
    model: onnx.ModelProto, files: Mapping[str, str], notes: list[str]
) -> onnx.ModelProto:
    """The joiner up to its logits: the search has its own log softmax, in fixed point."""
    result = model.graph.output[0].name
    last = next((n for n in model.graph.node if result in n.output), None)
    if last is None or last.op_type not in ("LogSoftmax", "Softmax"):
        return model
    notes.append(f"{files['joiner']}: the final {last.op_type} is left to the search")
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    bare.graph.node.remove(last)
    for node in bare.graph.node:
        node.output[:] = [result if n == last.input[0] else n for n in node.output]
    return bare
