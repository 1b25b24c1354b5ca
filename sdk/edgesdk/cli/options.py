"""Options that several verbs share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edgesdk.cli.terminal import Terminal

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
OptionalBoardOption = Annotated[
    str | None,
    typer.Option("--board", "-b", help="Name of a board (edgesdk boards), or a board file."),
]
PortOption = Annotated[
    str | None,
    typer.Option("--port", help="A serial port: /dev/tty..., socket://host:port, rfc2217://..."),
]
ExpectOption = Annotated[
    Path | None,
    typer.Option("--expect", help="Table with columns file and text: adds a word error rate."),
]
LogitsOption = Annotated[bool, typer.Option("--logits", help="Add every int8 logit to the result.")]
BiasOption = Annotated[
    list[str] | None,
    typer.Option(
        "--bias", metavar="[NAME=]PHRASES", help="A file of phrases to prefer; may come repeatedly."
    ),
]


class By(StrEnum):
    """Kinds of tables that phrases become."""

    TABLES = "tables"
    ATTENTION = "attention"
    BOTH = "both"


ByOption = Annotated[
    By | None,
    typer.Option(
        "--by",
        help="How phrases bias: by tables in the search, by attention, or both, which is the "
        "default for a bundle with an adapter.",
    ),
]
BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", help="The .edge file that the device should hold, to compare with."),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", help="Longest silence of the device, in seconds.", min=0.1),
]


def terminal(context: typer.Context, as_json: bool) -> Terminal:
    """The output that the global options chose, for one verb."""
    chosen = context.obj
    assert isinstance(chosen, Terminal)
    chosen.as_json = as_json
    return chosen
