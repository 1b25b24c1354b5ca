"""The end-pointers of docs/endpointing.md, written down as plainly as possible."""

from dataclasses import dataclass, field, replace

from edgesdk.bundle import EndpointSection, EndpointSettings

NONE, SPECULATIVE, RESUMED, FINAL = range(4)


@dataclass(frozen=True)
class Facts:
    """The best hypothesis after an encoder frame."""

    tokens: int
    path: int  # a number for the tokens
    open_word: bool
    margin_q8: int


def part(value: int, share: int) -> int:
    """`value / share`, rounded towards zero."""
    return abs(value) // share * (1 if value >= 0 else -1)


def clamp(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


@dataclass
class ObviousEndpoint:
    """Both end-pointers; `step` returns what an encoder frame means."""

    section: EndpointSection
    frame_us: int
    level_us: int
    levels: tuple[int, int, int] | None = None  # smoothed level, floor, peak; Q8
    quiet_us: int = 0
    last: Facts = field(default_factory=lambda: Facts(0, 0, False, 0))
    margin_q8: int = 0
    first: int = 0
    length_us: int = 0
    trailing_us: int = 0
    same_us: int = 0
    speculating: bool = False
    revised: bool = False
    version: int = 0
    utterance: int = 0

    def level(self, level_q8: int) -> None:
        value = clamp(level_q8, -64 * 256, 64 * 256)
        level, floor, peak = self.levels or (value, value, value)
        level += part(value - level, 2)
        floor += part(level - floor, 4) if level < floor else min(2, level - floor)
        peak += part(level - peak, 2) if level > peak else max(-1, level - peak)
        self.levels = (level, floor, peak)
        noise = max(floor, peak - 8 * 256)
        loud = level >= noise + max(256, part((peak - noise) * 3, 8))
        self.quiet_us = 0 if loud else self.quiet_us + self.level_us

    def features(self) -> list[int]:
        level, floor, peak = self.levels or (0, 0, 0)
        noise = max(floor, peak - 8 * 256)

        def seconds(us: int) -> int:
            return min(us * 256 // 1_000_000, 4 * 256)

        return [
            seconds(self.trailing_us),
            seconds(self.same_us),
            self.margin_q8,
            min(self.last.tokens - self.first, 16) * 16,
            256 if self.last.open_word else 0,
            seconds(self.quiet_us),
            clamp(level - noise, 0, 8 * 256),
            clamp(peak - level, 0, 8 * 256),
        ]

    def score(self, settings: EndpointSettings) -> int:
        weights = [round(weight * 65536) for weight in settings.weights]
        total = sum(w * f for w, f in zip(weights, self.features(), strict=True))
        return round(settings.bias * 65536) + part(total, 256)

    def fires(self, settings: EndpointSettings) -> bool:
        spoke = self.last.tokens > self.first
        for rule in settings.rules:
            silent = self.trailing_us >= 1000 * rule.trailing_ms
            long_enough = self.length_us >= 1000 * rule.length_ms
            if rule.enabled and (spoke or not rule.must_speak) and silent and long_enough:
                return True
        paused = self.trailing_us >= 1000 * settings.min_pause_ms
        high = self.score(settings) >= round(settings.threshold * 65536)
        return settings.scored and spoke and paused and high

    def step(self, facts: Facts) -> int:
        changed = (facts.tokens, facts.path) != (self.last.tokens, self.last.path)
        self.length_us += self.frame_us
        self.trailing_us = (
            0 if facts.tokens > self.last.tokens else self.trailing_us + self.frame_us
        )
        self.same_us = 0 if changed else self.same_us + self.frame_us
        self.revised = self.revised or changed
        self.margin_q8 += part(clamp(facts.margin_q8, -2048, 2048) - self.margin_q8, 2)
        self.last = replace(facts)
        self.first = min(self.first, facts.tokens)
        if self.fires(self.section.final):
            self.version += 0 if self.speculating and not self.revised else 1
            self.speculating = False
            return FINAL
        if self.speculating:
            early = self.section.speculative
            if not self.revised and (
                not early.scored or self.score(early) >= round(self.section.resume * 65536)
            ):
                return NONE
            self.speculating = False
            return RESUMED
        if self.fires(self.section.speculative):
            self.speculating, self.revised = True, False
            self.version += 1
            return SPECULATIVE
        return NONE

    def next(self, tokens: int) -> None:
        """Begin the next utterance of the stream."""
        self.first = tokens
        self.last = replace(self.last, tokens=tokens)
        self.length_us = self.trailing_us = self.same_us = self.version = 0
        self.speculating = self.revised = False
        self.utterance += 1
