"""`edgesdk inspect --npu`: the command streams of a file, operation by operation."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from edgesdk.npu.disassemble import describe, lines
from edgesdk.npu.operands import region_name
from edgesdk.npu.sources import NpuStream

Description = dict[str, Any]


def describe_streams(path: Path, streams: Sequence[NpuStream]) -> Description:
    """All streams of a file as JSON values.

    Raises:
        NpuError: one cannot be read.
    """
    return {
        "schema": "edgesdk.inspect.npu",
        "version": 1,
        "file": str(path),
        "streams": [_stream(stream, f"{path}: {stream.name}") for stream in streams],
    }


def _stream(stream: NpuStream, source: str) -> Description:
    accelerator = stream.accelerator
    return {
        "name": stream.name,
        "accelerator": None if accelerator is None else accelerator.name,
        "product": stream.product,
        "words": len(stream.words),
        "regions": [
            {"region": region_name(region), "size_bytes": size}
            for region, size in enumerate(stream.region_bytes)
        ],
        "operations": list(describe(stream.words, stream.product, source)),
    }


def stream_views(document: Description) -> Iterator[RenderableType]:
    """The same for people."""
    for stream in document["streams"]:
        compiled = stream["accelerator"] or f"an Ethos-{stream['product'].upper()}"
        yield f"{stream['name']}: {stream['words']:,} words for {compiled}"
        kinds = Counter(one["operation"] for one in stream["operations"])
        yield ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        for region in stream["regions"]:
            yield f"{region['region']}: {region['size_bytes']:,} bytes"
        for operation in stream["operations"]:
            yield "\n".join(lines(operation))
        yield ""
