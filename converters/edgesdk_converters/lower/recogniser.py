"""Three .tflite graphs, tokens and features -> a Bundle."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgesdk.bundle import BiasSection, Bundle, EndpointSection, Search
from edgesdk.bundle.layout import (
    BIAS,
    CATALOG,
    DEBUG,
    ENDPOINT,
    ENDPOINT_GRAPH,
    ENDPOINT_TFLITE,
    FEATURES,
    GRAPHS,
    META,
    SEARCH,
    TFLITES,
    TOKENS,
    align,
)
from edgesdk.bundle.plan import Port
from edgesdk.bundle.sections import encode_tokens
from edgesdk.errors import ConvertError

from edgesdk_converters.lower.graph import Lowered, lower_graph
from edgesdk_converters.lower.packing import Packing
from edgesdk_converters.lower.scorer import lower_scorer
from edgesdk_converters.lower.sections import make_features

_MAX_CONTEXT = 8
_MAX_SYMBOLS = 1000
_RESIDENT = {"adapter": ("keys", "values")}  # inputs that stay from frame to frame


def lower_recogniser(
    encoder: bytes,
    predictor: bytes,
    joiner: bytes,
    tokens: Sequence[str],
    features: Mapping[str, Any],
    *,
    max_symbols: int,
    blank: int = 0,
    window_shift: int | None = None,
    meta: Mapping[str, Any] | None = None,
    name: str = "recogniser",
    packing: Packing | None = None,
    beam: Mapping[str, Any] | None = None,
    bias_bytes: int = 0,
    endpoint: EndpointSection | None = None,
    adapter: bytes | None = None,
    catalog: bytes | None = None,
    endpoint_graph: bytes | None = None,
    compiled: Mapping[str, bytes] | None = None,
) -> Bundle:
    """The bundle of a recogniser.

    `encoder`, `predictor` and `joiner` are .tflite files, `features` is features.json,
    `max_symbols` limits the tokens of one encoder frame, `window_shift` is the feature frames from
    one encoder call to the next (default: the whole window), `packing` says for which core weights
    are packed (default: not at all), `beam` are the fields of Search from `beam` on (default:
    greedy), `bias_bytes` the RAM kept for bias tables, `endpoint` the settings of its end-pointers
    (default: none), `endpoint_graph` the .tflite file of their score (default: linear). `adapter`
    and `catalog` are .tflite files too, for biasing by attention. `compiled` are the files that run
    instead, by role, where an NPU's compiler made some of these graphs.

    Raises:
        ConvertError: an operator is not covered, or the parts do not fit together.
    """
    files = {"encoder": encoder, "predictor": predictor, "joiner": joiner}
    if adapter is not None:
        files["adapter"] = adapter
    run = files | dict(compiled or {})
    graphs = {
        role: lower_graph(run[role], f"{role}.tflite", packing, _RESIDENT.get(role, ()))
        for role in files
    }
    if adapter is not None:
        _check_adapter(graphs)
    x = _encoder_input(graphs["encoder"], features)
    shift = x.shape[1] if window_shift is None else window_shift
    if not 1 <= shift <= x.shape[1]:
        raise ConvertError(f"encoder: window shift {shift} of {x.shape[1]} frames (1 to all)")
    search = _search(graphs, tokens, max_symbols, blank, shift, features)
    search = replace(search, **(beam or {}))
    if search.beam > 1 and graphs["joiner"].plan.state_bytes > 0:
        raise ConvertError(
            f"joiner: it has a state, which {search.beam} hypotheses cannot share; "
            "set beam = 1 in [search]"
        )
    feature_section = make_features(features, x.shape[1], shift, x.scale, x.zero_point)
    sections = {
        FEATURES: feature_section.encode(),
        TOKENS: encode_tokens(list(tokens)),
        SEARCH: search.encode(),
    }
    if catalog is not None:
        sections[CATALOG] = lower_graph(catalog, "catalog.tflite").plan.encode()
        files["catalog"] = catalog
    if bias_bytes:
        sections[BIAS] = BiasSection(align(bias_bytes)).encode()
    if endpoint is not None:
        sections[ENDPOINT] = endpoint.encode()
    if endpoint_graph is not None:
        sections[ENDPOINT_GRAPH] = lower_scorer(endpoint_graph).encode()
        sections[ENDPOINT_TFLITE] = endpoint_graph
    return _bundle(sections, graphs, files, {"features": dict(features), **(meta or {})}, name)


def _check_adapter(graphs: Mapping[str, Lowered]) -> None:
    """It takes the encoder's output and gives the same form back."""
    taken, given = graphs["adapter"].plan.inputs[0], graphs["adapter"].plan.outputs[0]
    frames = _one(graphs["encoder"], "encoder", "output")
    forms = {(p.dtype, _elements(p), p.scale, p.zero_point) for p in (taken, given, frames)}
    if len(forms) != 1:
        raise ConvertError(
            "adapter: its input, its output and the encoder's output differ in size or "
            "quantisation; quantise them alike"
        )


def lower_single(
    tflite: bytes,
    *,
    name: str = "net",
    meta: Mapping[str, Any] | None = None,
    packing: Packing | None = None,
    compiled: bytes | None = None,
) -> Bundle:
    """The bundle of any other full-integer graph; `packing`, `compiled` as in lower_recogniser.

    Raises:
        ConvertError: an operator is not covered.
    """
    graphs = {"net": lower_graph(tflite if compiled is None else compiled, name, packing)}
    return _bundle({}, graphs, {"net": tflite}, dict(meta or {}), name)


def _bundle(
    sections: dict[str, bytes],
    graphs: Mapping[str, Lowered],
    files: Mapping[str, bytes],
    meta: dict[str, Any],
    name: str,
) -> Bundle:
    for role, lowered in graphs.items():
        sections[GRAPHS[role]] = lowered.plan.encode()
    digests = {role: hashlib.sha256(data).hexdigest() for role, data in files.items()}
    draft = Bundle(sections, name)
    memory = {b.name: b.size_bytes for b in draft.memory()}
    about = {"name": name, "tflite_sha256": digests, "workspace": memory, **meta}
    sections[META] = json.dumps(about, ensure_ascii=False).encode()
    sections[DEBUG] = json.dumps({role: g.debug for role, g in graphs.items()}).encode()
    for role, data in files.items():
        sections[TFLITES[role]] = data
    return Bundle(sections, name)


def _encoder_input(encoder: Lowered, features: Mapping[str, Any]) -> Port:
    """The encoder's only input, [1, window, mel] int8."""
    ports = encoder.plan.inputs
    if len(ports) != 1 or len(ports[0].shape) != 3 or ports[0].dtype != "int8":
        shapes = ", ".join(f"{p.dtype}{list(p.shape)}" for p in ports)
        raise ConvertError(
            f"encoder: inputs {shapes}; one int8 [1, frames, mel] is needed "
            "(states are named state.NAME and state.NAME.next)"
        )
    bins = features.get("num_mel_bins")
    if ports[0].shape[0] != 1 or ports[0].shape[2] != bins:
        raise ConvertError(
            f"encoder: input {list(ports[0].shape)} does not take {bins} mel bands at batch 1; "
            "use the features that the model was trained with"
        )
    return ports[0]


def _one(lowered: Lowered, role: str, kind: str) -> Port:
    ports = lowered.plan.inputs if kind == "input" else lowered.plan.outputs
    if len(ports) != 1:
        raise ConvertError(f"{role}: {len(ports)} {kind}s besides states, exactly one is needed")
    return ports[0]


def _elements(port: Port) -> int:
    count = 1
    for size in port.shape:
        count *= size
    return count


def _check_seam(name: str, giver: Port, taker: Port, dim: int) -> None:
    """Both sides of a seam are int8 with the same quantisation, so that bytes pass unchanged."""
    if giver.dtype != "int8" or taker.dtype != "int8":
        raise ConvertError(f"{name}: {giver.dtype} meets {taker.dtype}; both sides must be int8")
    if (giver.scale, giver.zero_point) != (taker.scale, taker.zero_point):
        raise ConvertError(
            f"{name}: scale {giver.scale}, zero point {giver.zero_point} meets scale "
            f"{taker.scale}, zero point {taker.zero_point} at the joiner; "
            "quantise both sides of the seam alike"
        )
    if _elements(taker) != dim or _elements(giver) % dim:
        raise ConvertError(
            f"{name}: {list(giver.shape)} does not fit the joiner's {list(taker.shape)}"
        )


def _joiner_inputs(joiner: Lowered) -> tuple[Port, Port]:
    """Ports of encoder_out and decoder_out; the first input is the encoder's where names differ."""
    if len(joiner.plan.inputs) != 2:
        raise ConvertError(f"joiner: {len(joiner.plan.inputs)} inputs, two are needed")
    names = [tensor.name for tensor in joiner.inputs]
    if "decoder" in names[0] and "encoder" in names[1]:
        raise ConvertError(
            "joiner: its inputs are decoder_out, encoder_out; "
            "export it with encoder_out first, as sherpa-onnx does"
        )
    return joiner.plan.inputs[0], joiner.plan.inputs[1]


def _search(
    graphs: Mapping[str, Lowered],
    tokens: Sequence[str],
    max_symbols: int,
    blank: int,
    shift: int,
    features: Mapping[str, Any],
) -> Search:
    frames, history = (
        _one(graphs["encoder"], "encoder", "output"),
        _one(graphs["predictor"], "predictor", "input"),
    )
    logits = _one(graphs["joiner"], "joiner", "output")
    from_encoder, from_predictor = _joiner_inputs(graphs["joiner"])
    dim, vocab = _elements(from_encoder), _elements(logits)
    _check_seam("encoder_out", frames, from_encoder, dim)
    prediction = _one(graphs["predictor"], "predictor", "output")
    _check_seam("decoder_out", prediction, from_predictor, dim)
    if _elements(prediction) != dim:
        raise ConvertError(f"decoder_out: {_elements(prediction)} values, the joiner takes {dim}")
    if history.dtype != "int32" or not 1 <= _elements(history) <= _MAX_CONTEXT:
        raise ConvertError(
            f"predictor: input {history.dtype}{list(history.shape)}, "
            f"int32 with 1 to {_MAX_CONTEXT} tokens is needed"
        )
    if logits.dtype != "int8" or len(tokens) != vocab or not 0 <= blank < vocab:
        raise ConvertError(
            f"joiner: {vocab} {logits.dtype} logits for {len(tokens)} tokens, blank {blank}; "
            "give the token list that the model was trained with"
        )
    if not 1 <= max_symbols <= _MAX_SYMBOLS:
        raise ConvertError(f"max_symbols is {max_symbols} (1 to {_MAX_SYMBOLS} are possible)")
    frames_out = _elements(frames) // dim
    step_us = round(float(features["frame_shift_ms"]) * 1000 * shift)
    return Search(
        blank=blank,
        start=blank,
        context_size=_elements(history),
        max_symbols=max_symbols,
        vocab=vocab,
        joiner_dim=dim,
        frames_out=frames_out,
        frame_us=step_us // frames_out,
        logit_scale=logits.scale,
    )
