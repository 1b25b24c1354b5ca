"""The .edge bundle: read, write, verify, describe."""

from edgesdk.bundle.bundle import Bundle, load_bundle, read_bundle, save_bundle
from edgesdk.bundle.endpoint import EndpointRule, EndpointSection, EndpointSettings
from edgesdk.bundle.memory import Buffer
from edgesdk.bundle.plan import Plan
from edgesdk.bundle.sections import BiasSection, Features, Search

__all__ = [
    "BiasSection",
    "Buffer",
    "Bundle",
    "EndpointRule",
    "EndpointSection",
    "EndpointSettings",
    "Features",
    "Plan",
    "Search",
    "load_bundle",
    "read_bundle",
    "save_bundle",
]
