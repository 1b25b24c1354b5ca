"""Both end-pointers of the C core against tests/obvious_endpoint.py, and their section."""

import ctypes
import struct

import numpy as np
import pytest
from edgesdk.bundle import EndpointRule, EndpointSection, EndpointSettings
from edgesdk.bundle.endpoint import NO_RULE, SECTION_BYTES, read_endpoint
from edgesdk.core.library import EndpointFactsStruct, address, aligned_copy, load_library
from edgesdk.errors import BundleError
from obvious_endpoint import FINAL, Facts, ObviousEndpoint


def drawn_settings(rng: np.random.Generator, scale: float) -> EndpointSettings:
    """Settings that fire about as often as `scale` seconds; any mix of rules and score."""
    rules = [
        EndpointRule(
            1 + int(rng.integers(2000) * scale),
            int(rng.choice([0, 500, 4000])),
            bool(rng.integers(2)),
        )
        if rng.integers(3)
        else NO_RULE
        for _ in range(3)
    ]
    drawn = rng.normal(size=8) * rng.choice([0, 0.3, 3, 200])
    return EndpointSettings(
        rules=(rules[0], rules[1], rules[2]),
        scored=bool(rng.integers(4)),
        min_pause_ms=int(rng.integers(0, 500)),
        threshold=float(rng.normal()),
        bias=float(rng.normal()),
        weights=tuple(float(w) for w in drawn.clip(-256, 256)),
    )


def drawn_section(rng: np.random.Generator) -> EndpointSection:
    section = EndpointSection(
        drawn_settings(rng, 0.2), drawn_settings(rng, 1.0), float(rng.normal())
    )
    return read_endpoint(section.encode(), "drawn")  # rounded to what the bytes hold


class CoreEndpoint:
    """edge_endpoint_t."""

    def __init__(self, section: bytes, frame_us: int, level_us: int) -> None:
        self.library = load_library()
        self.struct = self.library.struct("endpoint")
        self.at = address(self.struct)
        self.bytes = aligned_copy(section)
        place = address(self.bytes) if section else None
        self.library.check(
            "endpoint", "edge_endpoint_open", self.at, place, len(section), frame_us, level_us
        )
        self.library.call("edge_endpoint_reset", self.at)

    def level(self, level_q8: int) -> None:
        self.library.call("edge_endpoint_level", self.at, level_q8)

    def step(self, facts: Facts) -> int:
        struct_ = EndpointFactsStruct(facts.tokens, facts.path, facts.open_word, facts.margin_q8)
        return int(self.library.call("edge_endpoint_step", self.at, ctypes.addressof(struct_)))

    def features(self) -> list[int]:
        out = np.zeros(8, np.int32)
        self.library.call("edge_endpoint_features", self.at, address(out))
        return [int(value) for value in out]

    def next(self, tokens: int) -> None:
        self.library.call("edge_endpoint_next", self.at, tokens)


def drawn_facts(rng: np.random.Generator, last: Facts) -> Facts:
    """Mostly nothing new; sometimes tokens, another best hypothesis, or a shorter one."""
    kind = rng.integers(20)
    tokens = last.tokens + int(kind < 3) - int(kind == 3 and last.tokens > 0)
    path = int(rng.integers(2**32)) if kind < 5 else last.path
    margin = int(rng.choice([rng.integers(-3000, 3000), -(2**31), 2**31 - 1, 512]))
    return Facts(tokens, path, bool(kind == 0), margin)


@pytest.mark.parametrize("seed", range(60))
def test_core_equals_oracle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    section = drawn_section(rng)
    frame_us, level_us = int(rng.choice([1, 10_000, 40_000, 320_001])), int(rng.choice([1, 10_000]))
    obvious = ObviousEndpoint(section, frame_us, level_us)
    core = CoreEndpoint(section.encode(), frame_us, level_us)
    facts = Facts(0, 0, False, 0)
    level = -2000
    for _ in range(400):
        for _ in range(int(rng.integers(0, 5))):
            level += int(rng.integers(-400, 401))
            drawn = int(rng.choice([level, level, level, -(2**31), 2**31 - 1]))
            obvious.level(drawn)
            core.level(drawn)
        facts = drawn_facts(rng, facts)
        kind = obvious.step(facts)
        assert core.step(facts) == kind
        assert core.features() == obvious.features()
        if kind == FINAL:
            tokens = facts.tokens if rng.integers(2) else 0
            if tokens == 0:
                facts = Facts(0, facts.path, False, 0)
            obvious.next(tokens)
            core.next(tokens)


def test_every_kind_is_drawn() -> None:
    kinds = set()
    for seed in range(10):
        rng = np.random.default_rng(seed)
        obvious = ObviousEndpoint(drawn_section(rng), 40_000, 10_000)
        facts = Facts(0, 0, False, 0)
        for _ in range(200):
            obvious.level(int(rng.integers(-3000, 3000)))
            facts = drawn_facts(rng, facts)
            kind = obvious.step(facts)
            kinds.add(kind)
            if kind == FINAL:
                obvious.next(facts.tokens)
    assert kinds == {0, 1, 2, 3}


GOOD = EndpointSection(
    EndpointSettings(scored=True, weights=(1.0,) * 8),
    EndpointSettings(rules=(EndpointRule(2400), EndpointRule(800, 0, True), NO_RULE)),
).encode()


def spoilt(at: int, value: int) -> bytes:
    return GOOD[:at] + struct.pack("<I", value) + GOOD[at + 4 :]


@pytest.mark.parametrize(
    "section",
    [
        pytest.param(GOOD[:-4], id="short"),
        pytest.param(GOOD + bytes(4), id="long"),
        pytest.param(spoilt(0, 2), id="kind"),
        pytest.param(spoilt(8, 1), id="reserved"),
        pytest.param(spoilt(16, 4), id="flags of a rule"),
        pytest.param(spoilt(16, 1), id="a rule that fires at once"),
        pytest.param(spoilt(20, 3_600_001), id="trailing silence"),
        pytest.param(spoilt(24, 3_600_001), id="length"),
        pytest.param(spoilt(52, 2), id="flags of the score"),
        pytest.param(spoilt(56, 3_600_001), id="pause"),
        pytest.param(spoilt(68, 2**24 + 1), id="weight"),
        pytest.param(spoilt(SECTION_BYTES - 4, 0xFEFFFFFF), id="last weight"),
    ],
)
def test_refuses_damage(section: bytes) -> None:
    with pytest.raises(BundleError):
        CoreEndpoint(section, 40_000, 10_000)
    with pytest.raises(BundleError, match="ENDP"):
        read_endpoint(section, "spoilt")


def test_every_byte_is_read_alike() -> None:
    """Core and Python accept and refuse the same sections."""
    rng = np.random.default_rng(5)
    for at in range(len(GOOD)):
        section = bytearray(GOOD)
        section[at] ^= 1 << int(rng.integers(8))
        try:
            read_endpoint(bytes(section), "flipped")
            accepted = True
        except BundleError:
            accepted = False
        try:
            CoreEndpoint(bytes(section), 40_000, 10_000)
            taken = True
        except BundleError:
            taken = False
        assert taken == accepted, at
