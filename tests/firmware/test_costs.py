"""What the recogniser counts under which name, by a clock that ticks once per reading.

Between its two readings a part takes one tick; the search, in whose time others run, takes one more
for each of them, since only the tick of their own is theirs.
"""

import ctypes
import itertools
from collections import Counter

import numpy as np
import pytest
from edgesdk.biasing.table import Spelling, compile_table
from edgesdk.bundle import BiasSection, Bundle
from edgesdk.core import Image
from edgesdk.core.bias import BiasStore
from edgesdk.core.library import (
    CostsStruct,
    EndpointFn,
    ListenerStruct,
    LogitsFn,
    TokenFn,
    address,
    aligned_zeros,
    load_library,
)
from front_sections import endpoint_section
from small_bundle import VOCAB, recogniser_bundle, with_scorer

pytestmark = pytest.mark.needs_cc

STOP, SEGMENT = 2, 3
SAMPLES = np.random.default_rng(3).normal(0, 3000, 40000).astype(np.int16)


def _with_table(bundle: Bundle) -> Bundle:
    spellings = [Spelling((1 + k, 2 + k, 3 + k), (9, 9, 9)) for k in range(VOCAB - 4)]
    table = compile_table("names", spellings, len(spellings), VOCAB, bundle.tokens_crc)
    return bundle.with_sections(BIAS=BiasSection(0, (table.data,)).encode())


class _Ticking:
    """A recogniser with such a clock, and how often it called its listener."""

    def __init__(self, bundle: Bundle) -> None:
        self.library = load_library()
        self.image = Image(bundle.device_bytes())
        self.heard: Counter[str] = Counter()
        ticks = itertools.count()
        self.clock = ctypes.CFUNCTYPE(ctypes.c_uint64)(lambda: next(ticks))
        self.listener = ListenerStruct(
            None,
            TokenFn(lambda *_: self.heard.update(["token"])),
            LogitsFn(lambda *_: self.heard.update(["logits"])),
            EndpointFn(self._endpoint),
        )
        size = ctypes.c_uint32()
        at_size = ctypes.addressof(size)
        self.library.check("image", "edge_recogniser_workspace", self.image.address, at_size)
        self.struct = self.library.struct("recogniser")
        self.workspace = aligned_zeros(size.value)
        self.call(
            "open",
            *(self.image.address, None, ctypes.addressof(self.listener)),
            ctypes.cast(self.clock, ctypes.c_void_p).value,
            *(address(self.workspace), size.value),
        )

    def _endpoint(self, _: object, event: int) -> None:
        kind = ctypes.c_int.from_address(event).value
        self.heard.update(["final"] if kind == 3 else [])

    def call(self, name: str, *arguments: object) -> None:
        self.library.check("image", f"edge_recogniser_{name}", address(self.struct), *arguments)

    @property
    def bias(self) -> BiasStore:
        at = address(self.struct)
        return BiasStore(self.library.call("edge_binding_recogniser_bias", at))

    def hear(self, mode: int = 0) -> CostsStruct:
        self.heard.clear()
        self.call("endpoint", mode)
        self.call("reset")
        self.call("push", address(SAMPLES), len(SAMPLES))
        self.call("finish")
        at = self.library.call("edge_binding_costs", address(self.struct))
        return CostsStruct.from_buffer_copy(ctypes.string_at(at, ctypes.sizeof(CostsStruct)))


def _search_ticks(costs: CostsStruct) -> int:
    """A tick per window and for the end, and one per part that ran in its time."""
    parts = costs.predictor_calls + costs.joiner_calls + costs.bias + costs.lattice
    return int(costs.encoder_calls + 1 + parts)


@pytest.mark.parametrize("beam", [1, 4])
def test_tables_and_lattice_are_no_part_of_the_search(beam: int) -> None:
    recogniser = _Ticking(_with_table(recogniser_bundle(beam=beam)))
    costs = recogniser.hear()
    assert recogniser.heard["logits"] == costs.joiner_calls > 20
    assert (costs.predictor, costs.joiner) == (costs.predictor_calls, costs.joiner_calls)
    assert costs.search == _search_ticks(costs)
    assert costs.lattice == (beam > 1)
    assert costs.endpoint == costs.endpoint_calls == 0
    if beam == 1:  # deltas of every call, a step per token, the refund at the end
        assert costs.bias == costs.joiner_calls + recogniser.heard["token"] + 1
    else:  # several hypotheses of one call, candidates that live on
        assert costs.bias > costs.joiner_calls + recogniser.heard["token"] + beam
    recogniser.bias.use([])
    plain = recogniser.hear()
    assert plain.bias == 0
    assert plain.search == _search_ticks(plain)


def test_every_utterance_of_a_stream_has_its_lattice_and_the_graph_its_calls() -> None:
    settings = endpoint_section(pause_ms=100)
    recogniser = _Ticking(with_scorer(recogniser_bundle(beam=4).with_sections(ENDP=settings), 15))
    costs = recogniser.hear(SEGMENT)
    assert costs.lattice == recogniser.heard["final"] + 1 >= 2
    assert costs.endpoint_calls > costs.encoder_calls // 2
    stopped = recogniser.hear(STOP)
    assert stopped.lattice == recogniser.heard["final"] == 1
    assert stopped.endpoint_calls < costs.endpoint_calls
