"""The option --endpoint of `emulate` and `run`."""

from enum import StrEnum
from typing import Annotated

import typer

from edgesdk.bundle import Bundle
from edgesdk.core import EndpointMode
from edgesdk.emulate import default_mode
from edgesdk.errors import EdgeError


class EndpointChoice(StrEnum):
    """What to do with end points."""

    OFF = "off"
    WATCH = "watch"
    STOP = "stop"
    SEGMENT = "segment"


EndpointOption = Annotated[
    EndpointChoice | None,
    typer.Option(
        "--endpoint",
        help="watch: tell end points (default where the bundle has settings); stop: end at the "
        "first; segment: a new utterance at each; off.",
    ),
]


def endpoint_mode(choice: EndpointChoice | None, bundle: Bundle | None) -> EndpointMode:
    """The mode that was asked for, or the bundle's default.

    Raises:
        EdgeError: the bundle has no settings for it.
    """
    if choice is None:
        return EndpointMode.OFF if bundle is None else default_mode(bundle)
    mode = EndpointMode[choice.name]
    if mode is not EndpointMode.OFF and bundle is not None and bundle.endpoint is None:
        raise EdgeError(
            f"{bundle.source}: has no settings for end points; convert the model again with "
            'kind = "scored" in [endpoint] of the recipe'
        )
    return mode
