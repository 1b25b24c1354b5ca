"""The C core on this machine: images, graphs, features, search, recogniser."""

from edgesdk.core.bias import Bias, BiasStore
from edgesdk.core.features import Features, LogProbabilities, Tokens
from edgesdk.core.graph import Graph, Image, TensorInfo
from edgesdk.core.library import load_library
from edgesdk.core.recogniser import (
    Costs,
    EndpointEvent,
    EndpointKind,
    EndpointMode,
    Recogniser,
    Runner,
    TokenEvent,
)

__all__ = [
    "Bias",
    "BiasStore",
    "Costs",
    "EndpointEvent",
    "EndpointKind",
    "EndpointMode",
    "Features",
    "Graph",
    "Image",
    "LogProbabilities",
    "Recogniser",
    "Runner",
    "TensorInfo",
    "TokenEvent",
    "Tokens",
    "load_library",
]
