"""A .edge bundle as plain JSON values, for `edgesdk inspect`."""

from dataclasses import asdict
from typing import Any

from edgesdk.bundle import Bundle, Plan
from edgesdk.bundle.layout import SEARCH
from edgesdk.bundle.plan import Port
from edgesdk.fit import peak_of


def _port(port: Port, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "dtype": port.dtype,
        "shape": list(port.shape),
        "scale": port.scale,
        "zero_point": port.zero_point,
    }


def _names(debug: dict[str, Any], kind: str, count: int) -> list[str]:
    """Names of a graph's inputs or outputs; numbers where the bundle came without any."""
    named = debug.get(kind, [])
    return [str(named[i]) if i < len(named) else f"{kind[:-1]} {i}" for i in range(count)]


def _operators(plan: Plan, debug: dict[str, Any]) -> list[dict[str, Any]]:
    named = debug.get("ops", [])
    found = []
    for index, record in enumerate(plan.records):
        origin = named[index] if index < len(named) else {}
        found.append(
            {
                "index": index,
                "operator": record.op,
                "output": f"{record.out} {record.out_dtype}, {record.out_bytes} bytes",
                "tflite_operator": origin.get("tflite_op"),
                "tensor": origin.get("tensor"),
            }
        )
    return found


def _graph(role: str, plan: Plan, debug: dict[str, Any]) -> dict[str, Any]:
    inputs = _names(debug, "inputs", len(plan.inputs))
    outputs = _names(debug, "outputs", len(plan.outputs))
    return {
        "name": role,
        "inputs": [_port(port, name) for port, name in zip(plan.inputs, inputs, strict=True)],
        "outputs": [_port(port, name) for port, name in zip(plan.outputs, outputs, strict=True)],
        "states": [
            {"name": state["name"], "dtype": "bytes", "shape": [state["bytes"]]}
            for state in debug.get("states", [])
        ],
        "constant_bytes": len(plan.constants),
        "arena_bytes": plan.arena_bytes,
        "state_bytes": plan.state_bytes,
        "operators": _operators(plan, debug),
    }


def describe_bundle(bundle: Bundle) -> dict[str, Any]:
    """Graphs, sections, memory, features, search and origin of a bundle."""
    described: dict[str, Any] = {
        "digest": bundle.digest,
        "device_bytes": len(bundle.device_bytes()),
        "graphs": [
            _graph(role, plan, bundle.debug.get(role, {})) for role, plan in bundle.graphs.items()
        ],
        "sections": [
            {"name": tag, "size_bytes": len(payload)} for tag, payload in bundle.sections.items()
        ],
        "memory": [
            {"name": buffer.name, "size_bytes": buffer.size_bytes} for buffer in bundle.memory()
        ],
        "workspace_bytes": bundle.workspace_bytes,
        "peak": peak_of(bundle),
        "meta": bundle.meta,
    }
    if SEARCH in bundle.sections:
        features, search = bundle.features, bundle.search
        described["tokens"] = bundle.tokens
        described["features"] = {
            "sample_rate_hz": features.sample_rate_hz,
            "mel_bins": features.mel_bins,
            "window_frames": features.window_frames,
            "window_shift": features.window_shift,
            "tail_padding": features.tail_padding,
        }
        described["search"] = {
            "context_size": search.context_size,
            "max_symbols": search.max_symbols,
            "vocab": search.vocab,
            "joiner_dim": search.joiner_dim,
            "frames_out": search.frames_out,
            "beam": search.beam,
            "prune": search.prune,
            "max_tokens": search.max_tokens,
            "cache": search.cache,
            "nbest": search.nbest,
            "max_arcs": search.max_arcs,
        }
    if bundle.endpoint_plan is not None:
        described["graphs"].append(_graph("endpoint", bundle.endpoint_plan, {}))
    if bundle.endpoint is not None:
        described["endpoint"] = asdict(bundle.endpoint)
    return described
