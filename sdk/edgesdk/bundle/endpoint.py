"""ENDP, the settings of both end-pointers, as values (docs/image.md has it byte for byte)."""

import struct
from dataclasses import dataclass, field

from edgesdk.errors import BundleError

RULES = 3
FEATURES = (
    "trailing_s",
    "same_s",
    "blank_margin",
    "tokens",
    "open_word",
    "quiet_s",
    "above_noise",
    "below_peak",
)
RANGES = (4.0, 4.0, 8.0, 1.0, 1.0, 4.0, 8.0, 8.0)  # greatest size of each
KIND = 1
ENABLED = 1
MUST_SPEAK = 2
MOST_MS = 3_600_000
MOST_WEIGHT = 256.0  # |weight|; keeps the device's sums from overflowing
_HEAD = "<Ii2I"
_RULE = "<3I"
_SCORER = "<2I2i8i"
SECTION_BYTES = 16 + 2 * (RULES * 12 + 48)


@dataclass(frozen=True)
class EndpointRule:
    """Fires where the trailing silence and the utterance are both long enough; times in ms."""

    trailing_ms: int
    length_ms: int = 0
    must_speak: bool = False
    enabled: bool = True

    def encode(self) -> bytes:
        """Its part of ENDP."""
        flags = ENABLED * self.enabled | MUST_SPEAK * self.must_speak
        return struct.pack(_RULE, flags, self.trailing_ms, self.length_ms)


NO_RULE = EndpointRule(0, enabled=False)


@dataclass(frozen=True)
class EndpointSettings:
    """One end-pointer: three rules, and a score of `FEATURES` in natural log odds."""

    rules: tuple[EndpointRule, EndpointRule, EndpointRule] = (NO_RULE, NO_RULE, NO_RULE)
    scored: bool = False
    min_pause_ms: int = 0
    threshold: float = 0.0
    bias: float = 0.0
    weights: tuple[float, ...] = field(default=(0.0,) * len(FEATURES))

    def encode(self) -> bytes:
        """Its part of ENDP."""
        fixed = [round(value * 65536) for value in (self.threshold, self.bias, *self.weights)]
        scorer = struct.pack(_SCORER, ENABLED * self.scored, self.min_pause_ms, *fixed)
        return b"".join(rule.encode() for rule in self.rules) + scorer


@dataclass(frozen=True)
class EndpointSection:
    """Both end-pointers; below `resume` the speculative score says that speech goes on."""

    speculative: EndpointSettings
    final: EndpointSettings
    resume: float = 0.0

    def encode(self) -> bytes:
        """The ENDP section."""
        head = struct.pack(_HEAD, KIND, round(self.resume * 65536), 0, 0)
        return head + self.speculative.encode() + self.final.encode()


def _read_rule(data: bytes, at: int) -> EndpointRule:
    flags, trailing, length = struct.unpack_from(_RULE, data, at)
    if flags & ~(ENABLED | MUST_SPEAK) or max(trailing, length) > MOST_MS:
        raise ValueError("a rule is out of range")
    if flags & ENABLED and trailing == 0 and length == 0:
        raise ValueError("a rule fires at once")
    return EndpointRule(trailing, length, bool(flags & MUST_SPEAK), bool(flags & ENABLED))


def _read_settings(data: bytes, at: int) -> EndpointSettings:
    first, second, third = (_read_rule(data, at + 12 * i) for i in range(RULES))
    flags, pause, threshold, bias, *weights = struct.unpack_from(_SCORER, data, at + 12 * RULES)
    limit = round(MOST_WEIGHT * 65536)
    if flags & ~ENABLED or pause > MOST_MS or any(abs(weight) > limit for weight in weights):
        raise ValueError("the score is out of range")
    return EndpointSettings(
        rules=(first, second, third),
        scored=bool(flags & ENABLED),
        min_pause_ms=pause,
        threshold=threshold / 65536,
        bias=bias / 65536,
        weights=tuple(weight / 65536 for weight in weights),
    )


def read_endpoint(data: bytes, source: str) -> EndpointSection:
    """The settings in an ENDP section; weights and thresholds come back within 2^-17.

    Raises:
        BundleError: the section is damaged.
    """
    try:
        if len(data) != SECTION_BYTES:
            raise ValueError(f"{len(data)} of {SECTION_BYTES} bytes")
        kind, resume, *reserved = struct.unpack_from(_HEAD, data)
        if kind != KIND or any(reserved):
            raise ValueError(f"kind {kind}")
        early = _read_settings(data, 16)
        late = _read_settings(data, 16 + (SECTION_BYTES - 16) // 2)
    except (struct.error, ValueError) as err:
        raise BundleError(
            f"{source}: damaged section ENDP ({err}); convert the model again"
        ) from None
    return EndpointSection(early, late, resume / 65536)
