"""All graphs of the suite by name."""

from conformance.case import Case
from conformance.large import large_cases
from conformance.movement import movement_cases
from conformance.networks import network_cases
from conformance.pointwise import pointwise_cases
from conformance.weighted import weighted_cases


def catalogue() -> dict[str, Case]:
    """Name -> graph, in the order of the report."""
    parts = (weighted_cases, pointwise_cases, movement_cases, network_cases, large_cases)
    cases = [case for part in parts for case in part()]
    found = {case.name: case for case in cases}
    if len(found) != len(cases):
        raise ValueError("two graphs of the catalogue have one name; rename one")
    return found
