"""A beam search of whole lists and whole histories, with the core's numbers: slow and obvious."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from front_sections import Search
from numpy.typing import NDArray

Int8 = NDArray[np.int8]


@dataclass(eq=False)
class Token:
    """One emission; hypotheses that share it share this very object."""

    id: int
    frame: int
    logprob: int
    bias: int
    acoustic: int  # score of its hypothesis up to here


@dataclass
class Hypothesis:
    tokens: list[Token] = field(default_factory=list)
    acoustic: int = 0
    bias: int = 0
    finished: bool = False

    @property
    def history(self) -> tuple[int, ...]:
        return tuple(token.id for token in self.tokens)

    @property
    def score(self) -> int:
        return self.acoustic + self.bias


class ObviousBeam:
    """`logits_of(history, frame, encoder_out)`, `logprob(logits, token)`, `gain(distance)` and
    `deltas(history)` -> what each token adds (a list), `refund(history)` are functions."""

    def __init__(
        self,
        search: Search,
        logits_of: Callable[[tuple[int, ...], Int8], Int8],
        logprob: Callable[[Int8, int], int],
        gain: Callable[[int], int],
        deltas: Callable[[tuple[int, ...]], list[int]],
        refund: Callable[[tuple[int, ...]], int],
        biased: bool,
    ) -> None:
        self.search, self.logits_of, self.logprob = search, logits_of, logprob
        self.gain, self.deltas, self.refund = gain, deltas, refund
        self.biased = biased
        self.live = [Hypothesis()]
        self.frame = 0
        self.committed = 0
        self.forced = 0
        self.told: list[Token] = []

    def _extensions(self, index: int, encoder_out: Int8) -> list[tuple[object, ...]]:
        """All (-score, index, distance, token, hypothesis) of a live hypothesis."""
        before = self.live[index]
        if before.finished:
            return [(-before.score, index, 0, self.search.blank, before)]
        logits = self.logits_of(before.history, encoder_out)
        deltas = self.deltas(before.history)
        found = []
        allowed = set(range(self.search.vocab))
        if self.search.beam == 1 and self.biased:  # the model alone decides whether to emit
            blank = {self.search.blank}
            allowed = blank if int(logits.argmax()) == self.search.blank else allowed - blank
        for token in sorted(allowed):
            logprob = self.logprob(logits, token)
            after = replace(before, acoustic=before.acoustic + logprob)
            if token == self.search.blank:
                after.finished = True
            else:
                after.bias += deltas[token]
                new = Token(token, self.frame, logprob, deltas[token], after.acoustic)
                after.tokens = [*before.tokens, new]
            distance = int(logits.max()) - int(logits[token])
            found.append((-after.score, index, distance, token, after))
        return found

    def _united(self, found: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        """Finished hypotheses of equal history become one."""
        kept: list[tuple[object, ...]] = []
        for one in found:
            mine = one[4]
            for at, other in enumerate(kept):
                theirs = other[4]
                both = mine.finished and theirs.finished
                if both and mine.history == theirs.history:
                    winner = other if theirs.score >= mine.score else one
                    gain = self.gain(abs(mine.acoustic - theirs.acoustic))
                    sum_ = replace(winner[4], acoustic=winner[4].acoustic + gain)
                    kept[at] = (-sum_.score, *winner[1:4], sum_)
                    break
            else:
                kept.append(one)
        return kept

    def _round(self, encoder_out: Int8) -> None:
        found = [e for i in range(len(self.live)) for e in self._extensions(i, encoder_out)]
        best = sorted(self._united(found), key=lambda e: e[:4])[: self.search.beam]
        if self.search.prune_q16:
            best = [e for e in best if e[0] <= best[0][0] + self.search.prune_q16]
        best = self._make_room(best)
        self.live = [e[4] for e in best]
        self.told += self._common()[len(self.told) :]

    def _common(self) -> list[Token]:
        common = []
        for several in zip(*(h.tokens for h in self.live), strict=False):
            if any(token is not several[0] for token in several):
                break
            common.append(several[0])
        return common

    def _used(self) -> int:
        return len({id(t) for h in self.live for t in h.tokens[self.committed :]})

    def _make_room(self, best: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        needed = sum(not e[4].finished for e in best)
        if self.search.max_tokens - self._used() < needed:
            self.committed = len(self._common())
        if self.search.max_tokens - self._used() < needed:
            self.forced += 1
            origin = self.live[best[0][1]]
            self.told = list(origin.tokens)
            self.committed = len(origin.tokens)
            return best[:1]
        return best

    def decode(self, encoder_out: Int8) -> None:
        for h in self.live:
            h.finished = False
        for _ in range(self.search.max_symbols):
            if all(h.finished for h in self.live):
                break
            self._round(encoder_out)
        if not all(h.finished for h in self.live):
            for h in self.live:
                h.finished = True
            self._round(encoder_out)
        self.frame += 1

    def finish(self) -> None:
        for h in self.live:
            h.bias += self.refund(h.history)
        self.live.sort(key=lambda h: -h.score)
        self.told = list(self.live[0].tokens)
