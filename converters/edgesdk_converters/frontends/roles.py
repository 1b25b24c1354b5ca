"""Which input and output of a model is what: the audio, the result, and the states in pairs."""

import re
from collections.abc import Mapping, Sequence

from edgesdk.errors import ConvertError

# Words that only say "before" or "after"; the rest of a state's name must be equal on both sides.
_SIDES = {"new", "next", "out", "output", "in", "input", "cached", "cache", "prev", "past", "state"}

Shapes = Mapping[str, tuple[int, ...]]


def state_base(name: str) -> str:
    """A state's name without its side: new_cached_h_0, h_0_out and cached_h_0 are all h_0."""
    words = [w for w in re.split(r"[_./:]+", name.lower()) if w]
    kept = [w for w in words if w not in _SIDES]
    return "_".join(kept or words[-1:])


def pair_states(
    file: str, inputs: Shapes, outputs: Shapes, order: Sequence[str] | None = None
) -> list[tuple[str, str]]:
    """[(state input, state output)] from names, or from order and shapes where names are mute.

    Raises:
        ConvertError: a state has no partner.
    """
    bases = {state_base(name): name for name in outputs}
    named = [(name, bases.get(state_base(name))) for name in inputs]
    partners = [output for _, output in named]
    if len(set(partners)) == len(outputs) == len(inputs) and None not in partners:
        pairs = [(name, str(output)) for name, output in named]
    elif len(inputs) == len(outputs):
        pairs = list(zip(inputs, outputs, strict=True))
    else:
        raise ConvertError(
            f"{file}: states {', '.join(inputs) or 'none'} go in and "
            f"{', '.join(outputs) or 'none'} come out; give every state an input and an output of "
            "one name (cached_h, new_cached_h)"
        )
    for before, after in pairs:
        if inputs[before] != outputs[after]:
            raise ConvertError(
                f"{file}: state {before} {inputs[before]} leaves as {after} {outputs[after]}; "
                "name states alike on both sides (cached_h, new_cached_h) and keep their shape"
            )
    return pairs
