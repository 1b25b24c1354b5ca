"""A transport that loses, doubles and corrupts bytes, each at a rate of its own, both ways."""

import math
import random
from dataclasses import dataclass

from edgesdk.link.transport import Transport


@dataclass(frozen=True)
class Rates:
    """Faults per byte."""

    lost: float = 0.0
    doubled: float = 0.0
    corrupt: float = 0.0

    @property
    def any(self) -> float:
        """Of any kind."""
        return self.lost + self.doubled + self.corrupt


class FaultyLine:
    """A transport's bytes with faults, the same ones for the same seed and the same bytes."""

    def __init__(self, transport: Transport, rates: Rates, seed: int) -> None:
        self.where = transport.where
        self.remedy = transport.remedy
        self.interrupts = transport.interrupts
        self.transport = transport
        self.rates = rates
        self.faults = {"lost": 0, "doubled": 0, "corrupt": 0}
        self.carried = 0  # bytes, both ways
        self._generators = random.Random(seed), random.Random(seed + 1)
        self._next = [self._gap(generator) for generator in self._generators]

    def read(self, timeout_s: float) -> bytes:
        """Some bytes, or none after `timeout_s`."""
        return self._spoilt(self.transport.read(timeout_s), 0)

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send what is left of the bytes."""
        self.transport.write(self._spoilt(data, 1), timeout_s)

    def close(self) -> None:
        """Release the port."""
        self.transport.close()

    def _gap(self, generator: random.Random) -> int:
        """Whole bytes before the next fault."""
        if not self.rates.any:
            return 1 << 62
        return int(math.log(1.0 - generator.random()) / math.log1p(-self.rates.any))

    def _spoilt(self, data: bytes, way: int) -> bytes:
        self.carried += len(data)
        out, at, generator = bytearray(), 0, self._generators[way]
        while self._next[way] < len(data) - at:
            bad = at + self._next[way]
            out += data[at:bad] + self._fault(data[bad], generator)
            at = bad + 1
            self._next[way] = self._gap(generator)
        self._next[way] -= len(data) - at
        return bytes(out + data[at:])

    def _fault(self, byte: int, generator: random.Random) -> bytes:
        kinds = {"lost": b"", "doubled": bytes([byte, byte])}
        kinds["corrupt"] = bytes([byte ^ generator.randrange(1, 256)])
        rates = [getattr(self.rates, kind) for kind in kinds]
        (kind,) = generator.choices(list(kinds), rates)
        self.faults[kind] += 1
        return kinds[kind]
