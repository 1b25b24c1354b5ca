"""adapter.onnx and catalog.onnx beside a recogniser: biasing by attention (docs/biasing.md)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from edgesdk.bundle.layout import align
from edgesdk.errors import ConvertError

from edgesdk_converters.frontends.canonical import canonical_graph
from edgesdk_converters.frontends.onnx_model import INTEGERS, import_graph, load_model, signature
from edgesdk_converters.graph import Array, Graph
from edgesdk_converters.source import Attention, Source

DEFAULT_PHRASES = 100  # as of a recipe, which a test holds
_FILES = ("adapter.onnx", "catalog.onnx")
_INPUTS = ("encoder_out", "keys", "values")
_NO_PHRASE = "no_phrase_key"


def load_attention(folder: Path, source: Source, phrases: int) -> Attention | None:
    """Adapter and catalog in `folder`, for at least `phrases` phrases; None where both lack.

    Raises:
        ConvertError: one lacks, is damaged, or does not fit `source` or the other one.
    """
    there = [name for name in _FILES if (folder / name).is_file()]
    if len(there) == 1:
        lacking = _FILES[1 - _FILES.index(there[0])]
        raise ConvertError(f"{folder}: {there[0]} is there, {lacking} is not; export both")
    if not there:
        return None
    adapter, catalog = (load_model(folder / name) for name in _FILES)
    shapes = _adapter_shapes(adapter, source, align(phrases + 1))
    graph, _ = import_graph("adapter", _FILES[0], adapter, shapes, _INPUTS)
    frames = shapes["encoder_out"]
    adapted = canonical_graph(graph, shapes, {"adapted": frames})
    heads, _, width = shapes["keys"]
    return Attention(_catalog(catalog, heads * width), adapted, _no_phrase(catalog, heads, width))


def _adapter_shapes(
    model: onnx.ModelProto, source: Source, rows: int
) -> dict[str, tuple[int, ...]]:
    inputs, outputs = signature(model)
    if set(inputs) != set(_INPUTS) or len(outputs) != 1:
        raise ConvertError(
            f"{_FILES[0]}: inputs {', '.join(inputs)} and {len(outputs)} outputs instead of "
            f"{', '.join(_INPUTS)} and adapted; export it so"
        )
    keys, values = inputs["keys"], inputs["values"]
    if len(keys) != 3 or len(values) != 3 or 0 in (keys[0], keys[2]):
        raise ConvertError(
            f"{_FILES[0]}: keys {keys} and values {values} instead of [heads, rows, width] and "
            "[heads, width, rows]; export it so"
        )
    heads, width = keys[0], keys[2]
    if heads != (values[0] or heads) or width != (values[1] or width):
        raise ConvertError(
            f"{_FILES[0]}: keys {keys} and values {values} do not go together; export it again"
        )
    frames = (1, source.frames_out, source.joiner_dim)
    declared = inputs["encoder_out"]
    if len(declared) != 3 or any(
        d not in (0, own) for d, own in zip(declared, frames, strict=True)
    ):
        raise ConvertError(
            f"{_FILES[0]}: encoder_out is {declared}, the encoder gives {list(frames)}; take both "
            "from one model"
        )
    return {"encoder_out": frames, "keys": (heads, rows, width), "values": (heads, width, rows)}


def _catalog(model: onnx.ModelProto, width: int) -> Graph:
    file = _FILES[1]
    inputs, outputs = signature(model)
    kinds = {v.name: v.type.tensor_type.elem_type for v in model.graph.input}
    tokens = [name for name in inputs if kinds[name] in INTEGERS]
    if len(tokens) != 1 or outputs[:2] != ["key", "value"]:
        raise ConvertError(
            f"{file}: {len(tokens)} inputs of tokens and outputs {', '.join(outputs)} instead of "
            "one and key, value and the next states; export it so"
        )
    shapes: Mapping[str, tuple[int, ...]] = {
        name: tuple(d or 1 for d in dims) for name, dims in inputs.items()
    }
    graph, _ = import_graph("catalog", file, model, shapes, tokens, results=2)
    made = [int(np.prod(graph.shapes[name])) for name in graph.outputs]
    if made != [width, width]:
        raise ConvertError(
            f"{file}: key and value have {made[0]} and {made[1]} numbers, {_FILES[0]} takes "
            f"{width}; export both from one model"
        )
    edges = {"key": (1, width), "value": (1, width)}
    return canonical_graph(graph, {"token": (1, 1)}, edges)


def _no_phrase(model: onnx.ModelProto, heads: int, width: int) -> Array:
    """Key of row 0, from the catalog's metadata."""
    text = {p.key: p.value for p in model.metadata_props}.get(_NO_PHRASE, "")
    try:
        key = np.array([float(number) for number in text.split(",")], np.float32)
    except ValueError:
        key = np.zeros(0, np.float32)
    if key.shape != (heads * width,) or not np.all(np.isfinite(key)):
        raise ConvertError(
            f"{_FILES[1]}: metadata {_NO_PHRASE} does not hold {heads * width} numbers; export the "
            "key of the entry for no phrase there"
        )
    if np.any(key.reshape(heads, width)[:, -1]):
        raise ConvertError(
            f"{_FILES[1]}: {_NO_PHRASE} has the marks of an empty row; the last number of each "
            "head is 0"
        )
    return key
