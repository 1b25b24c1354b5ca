"""`edgesdk inspect`: what a .edge, .tflite or ONNX file holds."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from edgesdk.bundle import read_bundle
from edgesdk.cli.describe_bundle import describe_bundle
from edgesdk.cli.options import JsonOption, terminal
from edgesdk.cli.stream_view import describe_streams, stream_views
from edgesdk.errors import ConvertError, EdgeError, NpuError
from edgesdk.npu.sources import NpuStream, bundle_streams, raw_stream

Description = dict[str, Any]


def _describe_tflite(data: bytes, source: str) -> Description:
    from edgesdk.cli.describe_models import describe_tflite

    return describe_tflite(data, source)


def _describe_onnx(data: bytes, source: str) -> Description:
    from edgesdk.cli.describe_models import describe_onnx

    return describe_onnx(data, source)


def _describe_edge(data: bytes, source: str) -> Description:
    return describe_bundle(read_bundle(data, source))


def _format_of(data: bytes, path: Path) -> tuple[str, Callable[[bytes, str], Description]]:
    """Name and reader of a file's format, by its first bytes, then by its name."""
    if data[:4] == b"EDGE" or path.suffix == ".edge":
        return "edge", _describe_edge
    if data[4:8] == b"TFL3" or path.suffix == ".tflite":
        return "tflite", _describe_tflite
    if path.suffix == ".onnx":
        return "onnx", _describe_onnx
    raise EdgeError(f"{path}: neither .edge, .tflite nor .onnx; give such a file")


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EdgeError(f"{path}: cannot be read ({error.strerror}); check the path") from error


@contextmanager
def _converters_needed(path: Path) -> Iterator[None]:
    """Says what to install where the converters' packages are missing."""
    try:
        yield
    except ImportError as error:
        raise ConvertError(
            f"{path}: {error.name} is not installed; "
            "install it with: pip install 'edgesdk[convert]'"
        ) from error


def describe_file(path: Path) -> Description:
    """The file's graphs, operators, quantisation, states and memory as JSON values.

    Raises:
        EdgeError: the file cannot be read, or is damaged.
    """
    data = _bytes_of(path)
    kind, describe = _format_of(data, path)
    with _converters_needed(path):
        described = describe(data, str(path))
    return {
        "schema": "edgesdk.inspect",
        "version": 1,
        "file": str(path),
        "format": kind,
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        **described,
    }


def streams_of(path: Path) -> list[NpuStream]:
    """The NPU command streams of a .edge, of a .tflite of Vela's, or of a file of their own.

    Raises:
        EdgeError: the file cannot be read, is damaged, or has none.
    """
    data = _bytes_of(path)
    try:
        found = _streams_in(path, data)
    except NpuError as error:
        raise NpuError(f"{path}: {error}") from error
    if not found:
        raise NpuError(f"{path}: nothing in it runs on an NPU; convert it for a board with one")
    return found


def _streams_in(path: Path, data: bytes) -> list[NpuStream]:
    if data[:4] == b"EDGE" or path.suffix == ".edge":
        return bundle_streams(read_bundle(data, str(path)))
    if data[4:8] == b"TFL3" or path.suffix == ".tflite":
        with _converters_needed(path):
            from edgesdk.cli.describe_models import npu_streams

            return npu_streams(data, str(path))
    return [raw_stream("stream", data)]


def _tensor(tensor: Description) -> str:
    shape = "x".join(map(str, tensor["shape"])) or "scalar"
    text = f"{tensor['name']} {tensor['dtype']}[{shape}]"
    if tensor.get("scale"):
        text += f" = {tensor['scale']:.6g} * (q - {tensor['zero_point']})"
    return text


def _graph_views(graph: Description) -> Iterator[RenderableType]:
    head = Table(box=None, pad_edge=False, show_header=False)
    for kind in ("inputs", "outputs", "states"):
        for tensor in graph[kind]:
            head.add_row(kind[:-1], _tensor(tensor))
    for name in ("parameters", "constant_bytes", "arena_bytes", "state_bytes"):
        if graph.get(name) is not None:
            head.add_row(name.replace("_", " "), f"{graph[name]:,}")
    operators = Table("#", "operator", "output", box=None, pad_edge=False)
    shows_support = any("supported" in operator for operator in graph["operators"])
    if shows_support:
        operators.add_column("supported")
    for operator in graph["operators"]:
        row = [str(operator["index"]), operator["operator"], operator["output"]]
        if shows_support:
            row.append("yes" if operator["supported"] else "NO")
        operators.add_row(*row)
    yield from (f"graph {graph['name']}", head, operators, "")


def _views(document: Description) -> Iterator[RenderableType]:
    yield f"{document['file']}: {document['format']}, {document['size_bytes']:,} bytes"
    yield ""
    for graph in document["graphs"]:
        yield from _graph_views(graph)
    for name in ("sections", "memory"):
        if name in document:
            table = Table(name, "bytes", box=None, pad_edge=False)
            table.columns[1].justify = "right"
            for entry in document[name]:
                table.add_row(entry["name"], f"{entry['size_bytes']:,}")
            yield from (table, "")
    if "peak" in document:
        yield f"peak of the arena: {document['peak']}"
    for name in ("features", "search", "made_by"):
        if document.get(name):
            facts = ", ".join(f"{key} {value}" for key, value in document[name].items())
            yield f"{name.replace('_', ' ')}: {facts}"
    for name in ("speculative", "final"):
        if document.get("endpoint"):
            yield f"{name} end point: {_endpoint(document['endpoint'][name])}"


def _endpoint(settings: dict[str, Any]) -> str:
    """One end-pointer in words."""
    said = []
    for rule in settings["rules"]:
        if rule["enabled"]:
            after = " after a word" if rule["must_speak"] else ""
            long = f" from {rule['length_ms']} ms on" if rule["length_ms"] else ""
            said.append(f"{rule['trailing_ms']} ms of silence{after}{long}")
    if settings["scored"]:
        said.append(f"score {settings['threshold']:g} after {settings['min_pause_ms']} ms")
    return ", or ".join(said) or "never"


def command(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A .edge, .tflite or .onnx file.")],
    npu: Annotated[
        bool,
        typer.Option("--npu", help="Command streams of a .edge, of Vela's .tflite or of a file."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show graphs, operators, quantisation, states and memory plan of a file."""
    term = terminal(context, as_json)
    if npu:
        document = describe_streams(file, streams_of(file))
        term.result(document, *stream_views(document))
    else:
        document = describe_file(file)
        term.result(document, *_views(document))
