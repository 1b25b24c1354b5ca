"""The frame codec, in C and in Python: one table, the same properties, each against the other."""

import json
import random
import re
import subprocess
from pathlib import Path
from typing import Any, Protocol

import pytest
from edgesdk.link.frames import Console, Damage, Decoder, Event, Frame, encode
from edgesdk.link.messages import Message
from edgesdk.link.status import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_in_c import CDecoder, c_encode

pytestmark = pytest.mark.needs_cc

HERE = Path(__file__).parent
FIRMWARE = HERE.parents[1] / "firmware_templates"
RUNTIME = FIRMWARE / "runtime"
CASES = json.loads((HERE.parent / "golden/wire_cases.json").read_text(encoding="utf-8"))


class AnyDecoder(Protocol):
    def feed(self, data: bytes) -> list[Event]: ...


def _merge(events: list[Event]) -> list[Event]:
    """Console pieces that touch are one."""
    merged: list[Event] = []
    for event in events:
        if isinstance(event, Console) and merged and isinstance(merged[-1], Console):
            merged[-1] = Console(merged[-1].data + event.data)
        else:
            merged.append(event)
    return merged


def _decode(decoder: AnyDecoder, stream: bytes, piece: int) -> list[Event]:
    events = []
    for at in range(0, len(stream), piece):
        events += decoder.feed(stream[at : at + piece])
    return _merge(events)


def _expected(events: list[list[Any]]) -> list[Event]:
    made: list[Event] = []
    for kind, *values in events:
        if kind == "frame":
            made.append(Frame(values[0], values[1], bytes.fromhex(values[2])))
        elif kind == "console":
            made.append(Console(bytes.fromhex(values[0])))
        else:
            made.append(Damage(Status[values[0]]))
    return made


@pytest.mark.parametrize("piece", [1, 3, 1000])
@pytest.mark.parametrize("decoder", [Decoder, CDecoder], ids=["python", "c"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_decoder_makes_of_each_stream_what_the_table_says(
    case: dict[str, Any], decoder: type[Decoder] | type[CDecoder], piece: int
) -> None:
    stream = bytes.fromhex(case["stream"])
    assert _decode(decoder(case["payload_max"]), stream, piece) == _expected(case["events"])


FLAGGED = st.lists(st.sampled_from([0x7E, 0x7D, 0x5E, 0x5D, 0, 1, 255]), max_size=60).map(bytes)


@settings(max_examples=200)
@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=40) | FLAGGED)
def test_both_encoders_agree_and_both_decoders_return_the_frame(
    kind: int, seq: int, payload: bytes
) -> None:
    encoded = encode(kind, seq, payload)
    worst = 2 * (len(payload) + 6) + 2
    assert c_encode(kind, seq, payload, worst) == (Status.OK, encoded)
    for decoder in (Decoder(64), CDecoder(64)):
        assert decoder.feed(encoded) == [Frame(kind, seq, payload)]


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=30) | FLAGGED, max_size=8), st.integers(1, 9))
def test_both_decoders_see_the_same_in_any_bytes(parts: list[bytes], piece: int) -> None:
    stream = b"".join(encode(5, i, p) if i % 2 else p for i, p in enumerate(parts))
    assert _decode(Decoder(24), stream, piece) == _decode(CDecoder(24), stream, piece)


def test_a_flipped_bit_never_yields_another_frame() -> None:
    stream = encode(0x21, 3, bytes(range(100, 130)))
    for bit in range(8 * len(stream)):
        spoiled = bytearray(stream)
        spoiled[bit // 8] ^= 1 << bit % 8
        for decoder in (Decoder(64), CDecoder(64)):
            frames = [e for e in decoder.feed(bytes(spoiled)) if isinstance(e, Frame)]
            assert not frames, f"bit {bit}"


def test_encoder_refuses_a_buffer_that_is_one_byte_short_and_stays_inside() -> None:
    encoded = encode(2, 7, b"\x7e\x7d")
    for capacity in range(len(encoded)):
        assert c_encode(2, 7, b"\x7e\x7d", capacity) == (Status.NO_MEMORY, encoded[:capacity])


def _c_list(header: str, macro: str) -> dict[str, int]:
    text = (RUNTIME / "include/edge" / header).read_text(encoding="utf-8")
    found = re.findall(rf"^ +{macro}\((\w+), (-?\w+)", text, re.MULTILINE)
    return {name: int(value, 0) for name, value in found}


def test_messages_equal_wire_h() -> None:
    assert {m.name: m.value for m in Message} == _c_list("wire.h", "EDGE_MESSAGE")


def test_status_equals_status_h() -> None:
    assert {s.name: int(s) for s in Status} == _c_list("status.h", "EDGE_STATUS")
    text = (RUNTIME / "include/edge/status.h").read_text(encoding="utf-8")
    assert all(f'"{status.text}"' in text for status in Status)


def test_fuzzed_decoder_stays_in_its_buffers(tmp_path: Path) -> None:
    """Seeded fuzzing under ASan and UBSan: damaged, truncated, concatenated frames."""
    program = tmp_path / "fuzz_wire"
    sources = [HERE / "fuzz_wire.c", RUNTIME / "src/wire.c", RUNTIME / "src/image.c"]
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    flags = ["-std=c11", "-O1", "-g", *sanitize, f"-I{RUNTIME / 'include'}"]
    subprocess.run(["gcc", *flags, *map(str, sources), "-o", str(program)], check=True)
    seed = random.randrange(1 << 31)
    done = subprocess.run(
        [str(program), str(seed), "20000"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
