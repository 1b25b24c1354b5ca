"""Payloads of Ethos-U command streams, and the accelerators that they name."""

import struct

import pytest
from edgesdk.errors import NpuError
from edgesdk.npu.accelerators import ACCELERATORS, accelerator_of
from edgesdk.npu.payload import read_payload

# As Vela 5.2.0 writes them.
CONFIGS = {
    "ethos-u55-32": 0x1005,
    "ethos-u55-64": 0x1006,
    "ethos-u55-128": 0x1807,
    "ethos-u55-256": 0x3008,
    "ethos-u65-256": 0x10003008,
    "ethos-u65-512": 0x10006009,
}
LUTS = {"ethos-u55-32": 14 << 10, "ethos-u55-128": 22 << 10, "ethos-u65-512": 46 << 10}
CONFIGURE = [1 << 20 | 1, 0x1807, 0x10066001]


def _payload(*words: int) -> bytes:
    return b"COP1" + struct.pack(f"<{len(words)}I", *words)


def test_accelerators_have_the_words_of_their_payloads() -> None:
    assert {name: one.config for name, one in ACCELERATORS.items()} == CONFIGS
    for name, config in CONFIGS.items():
        assert accelerator_of(config).name == name
    assert {name: ACCELERATORS[name].lut_offset for name in LUTS} == LUTS
    with pytest.raises(NpuError, match="0x20000118"):
        accelerator_of(0x20000118)


def test_payload_gives_configuration_and_stream() -> None:
    found = read_payload(_payload(*CONFIGURE, 5, 5, 5, 3 << 16 | 2, 7, 8, 0xFFFF0000))
    assert (found.config, found.id) == (0x1807, 0x10066001)
    assert found.words.tolist() == [7, 8, 0xFFFF0000]


def test_long_stream_keeps_its_high_byte() -> None:
    words = list(range(0x10002))
    found = read_payload(_payload(*CONFIGURE, 2 << 16 | 1 << 8 | 2, *words))
    assert found.words.tolist() == words


BAD = {
    "nothing": (b"", "no COP1 payload"),
    "other mark": (b"COP2" + _payload(*CONFIGURE)[4:], "no COP1 payload"),
    "odd length": (_payload(*CONFIGURE)[:-1], "no COP1 payload"),
    "no stream": (_payload(*CONFIGURE), "no command stream"),
    "no configuration": (_payload(1 << 16 | 2, 0), "no configuration"),
    "cut stream": (_payload(*CONFIGURE, 2 << 16 | 2, 0), "ends 1 words before"),
    "cut configuration": (_payload(1, 0x1807), "ends 1 words before"),
    "two configurations": (_payload(*CONFIGURE, *CONFIGURE), "action 1 at word 4"),
    "read of a register": (_payload(*CONFIGURE, 3), "action 3 at word 4"),
}


@pytest.mark.parametrize(("data", "why"), BAD.values(), ids=BAD)
def test_damaged_payload_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(NpuError, match=why):
        read_payload(data, "graph")
