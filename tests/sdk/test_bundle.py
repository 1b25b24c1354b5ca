"""The .edge format: round trips, every kind of damage, the device copy, atomic writing."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from edgesdk.bundle import Bundle, Features, Search, load_bundle, read_bundle, save_bundle
from edgesdk.bundle.plan import OPERATORS, Plan, Ref, read_plan
from edgesdk.bundle.sections import (
    MelBand,
    encode_tokens,
    read_features,
    read_search,
    read_tokens,
)
from edgesdk.core.graph import Image
from edgesdk.core.recogniser import Recogniser
from edgesdk.errors import BundleError
from front_sections import FrontEnd, features_section, search_section, tokens_section
from front_sections import Search as SearchFields
from hypothesis import given
from hypothesis import strategies as st
from small_bundle import echo_plan, recogniser_bundle

DEVICE = {"GNET": b"device part" * 3, "FEAT": b""}
HOST = {"meta": json.dumps({"name": "x"}).encode(), "tnet": b"\0" * 100}


def test_sections_come_back_in_order() -> None:
    bundle = Bundle({**DEVICE, **HOST})
    again = read_bundle(bundle.to_bytes())
    assert list(again.sections.items()) == list(bundle.sections.items())
    assert again.meta == {"name": "x"} and again.tflite("net") == HOST["tnet"]


@given(
    st.dictionaries(
        st.text("ABCxyz12", min_size=4, max_size=4), st.binary(max_size=100), min_size=1, max_size=9
    )
)
def test_any_sections_round_trip(sections: dict[str, bytes]) -> None:
    data = Bundle(sections).to_bytes()
    assert len(data) % 16 == 0
    assert read_bundle(data).sections == sections


def test_what_lies_between_sections_is_zero_for_both_readers() -> None:
    data = Bundle({"GNET": b"x", "FEAT": b"y" * 17}).to_bytes()
    gaps = sorted(set(range(len(data))) - _covered(data))
    assert len(gaps) == 15 + 15
    Image(data)
    for at in gaps:
        spoiled = data[:at] + b"\x01" + data[at + 1 :]
        with pytest.raises(BundleError, match="between its sections is not zero"):
            read_bundle(spoiled)
        with pytest.raises(BundleError, match="section, tensor or operator lies outside"):
            Image(spoiled)


def test_device_copy_has_the_same_digest_and_no_host_sections() -> None:
    bundle = Bundle({**HOST, **DEVICE})
    device = read_bundle(bundle.device_bytes())
    assert list(device.sections) == list(DEVICE)
    assert device.digest == bundle.digest == Bundle(DEVICE).digest
    assert Bundle({**DEVICE, "GNET": b"other"}).digest != bundle.digest


def test_every_flipped_bit_and_every_truncation_is_found() -> None:
    data = Bundle({**DEVICE, **HOST}).to_bytes()
    for i in range(len(data)):
        damaged = bytearray(data)
        damaged[i] ^= 1 << i % 8
        with pytest.raises(BundleError):
            read_bundle(bytes(damaged))
    for size in range(len(data)):
        with pytest.raises(BundleError):
            read_bundle(data[:size])


def _covered(data: bytes) -> set[int]:
    """Bytes that a checksum protects: all but the padding between sections."""
    count = struct.unpack_from("<H", data, 6)[0]
    covered = set(range(32 + 16 * count))
    for i in range(count):
        _, offset, size, _ = struct.unpack_from("<4sIII", data, 32 + 16 * i)
        covered |= set(range(offset, offset + size))
    return covered


def _with_header(data: bytes, at: int, form: str, value: int) -> bytes:
    """A field of the header changed, its checksum made right again."""
    changed = bytearray(data)
    struct.pack_into(form, changed, at, value)
    count = min(struct.unpack_from("<H", changed, 6)[0], 32)
    table = bytes(changed[32 : 32 + 16 * count])
    struct.pack_into("<I", changed, 28, zlib.crc32(table, zlib.crc32(bytes(changed[:28]))))
    return bytes(changed)


@pytest.mark.parametrize(
    ("at", "form", "value", "message"),
    [
        (4, "<H", 2, "image version 2, this edgesdk reads version 1"),
        (6, "<H", 0, "damaged header"),
        (6, "<H", 33, "damaged header"),
        (8, "<I", 1 << 20, "truncated, .* of 1048576 bytes"),
        (12, "<I", 1, "rounding 1 is not supported"),
        (16, "<B", 99, "the digest does not match"),
        (36, "<I", 16, "lies outside the image"),
        (36, "<I", 1 << 30, "lies outside the image"),
        (40, "<I", 0xFFFFFFFF, "lies outside the image"),
        (48, "<I", int.from_bytes(b"GNET", "little"), "comes twice"),
    ],
)
def test_damage_behind_a_right_checksum_is_named(
    at: int, form: str, value: int, message: str
) -> None:
    data = _with_header(Bundle(DEVICE).to_bytes(), at, form, value)
    with pytest.raises(BundleError, match=f"b\\.edge: .*{message}"):
        read_bundle(data, "b.edge")


def test_what_is_no_image_is_said_so() -> None:
    for data in (b"", b"EDGE", b"\x7fELF" + bytes(100)):
        with pytest.raises(BundleError, match=r"not an \.edge image"):
            read_bundle(data)


def test_a_missing_section_is_named_with_what_is_there() -> None:
    with pytest.raises(BundleError, match=r"no section FEAT; it holds GNET"):
        Bundle({"GNET": b""}).section("FEAT")


@pytest.mark.parametrize("tag", ["", "ABC", "ABCDE", "A/BC", "Äbcd"])
def test_a_bad_tag_is_refused(tag: str) -> None:
    with pytest.raises(BundleError, match="four ASCII letters"):
        Bundle({tag: b""}).to_bytes()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.edge"
    save_bundle(Bundle(DEVICE), path)
    before = path.read_bytes()

    def refuse(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(BundleError, match=r"a\.edge: cannot be written \(No space"):
        save_bundle(Bundle({**DEVICE, **HOST}), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert load_bundle(path).sections == DEVICE


def test_unreadable_and_unwritable_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"nothing\.edge: cannot be read"):
        load_bundle(tmp_path / "nothing.edge")
    with pytest.raises(BundleError, match="cannot be written"):
        save_bundle(Bundle(DEVICE), tmp_path / "no" / "folder.edge")


def test_plan_round_trip() -> None:
    plan = echo_plan()
    again = read_plan(plan.encode(), "p")
    assert again.encode() == plan.encode()
    assert (again.records, again.fills, again.constants) == (
        plan.records,
        plan.fills,
        plan.constants,
    )


def test_a_damaged_plan_is_refused_whatever_is_changed() -> None:
    """Any word of the plan's tables: either still a plan, or one clear error."""
    section = echo_plan().encode()
    rng = np.random.default_rng(1)
    for _ in range(2000):
        damaged = bytearray(section)
        at = int(rng.integers(0, len(section) // 4)) * 4
        struct.pack_into("<I", damaged, at, int(rng.choice([0, 1, 0xFF, 1 << 16, 0xFFFFFFFF])))
        try:
            assert isinstance(read_plan(bytes(damaged), "p"), Plan)
        except BundleError as err:
            assert "damaged plan" in str(err)


def test_references_round_trip() -> None:
    for space in ("none", "const", "arena", "state"):
        ref = Ref(space, 0 if space == "none" else 12345)
        assert Ref.decode(ref.encode()) == ref


def test_record_lengths_are_whole_words() -> None:
    for operator in OPERATORS.values():
        assert operator.record_bytes % 4 == 0 and operator.record_bytes // 4 < 1 << 16


def test_features_agree_with_the_page() -> None:
    """Against the packer written from docs/image.md alone."""
    front = FrontEnd(mel_bins=24, window_frames=8, window_shift=4, tail_padding=3200)
    section = features_section(front)
    features = read_features(section, "f")
    assert features.encode() == section
    assert (features.mel_bins, features.fft_size) == (24, 512)
    assert (features.window_frames, features.window_shift) == (8, 4)
    assert features.padding_q == front.padding_q
    assert features.flags == 7 and features.window_type == "povey"


def test_search_agrees_with_the_page() -> None:
    section = search_section(SearchFields(vocab=29, frames_out=2, logit_scale=0.125))
    search = read_search(section, "s")
    assert (search.vocab, search.frames_out, search.logit_scale) == (29, 2, 0.125)
    assert search.encode() == section


def test_tokens_agree_with_the_page() -> None:
    pieces = ["<blk>", "▁yes", "", "ß", "o" * 300]
    assert encode_tokens(pieces) == tokens_section(pieces)
    assert read_tokens(encode_tokens(pieces), "t") == pieces


def test_damaged_sections_are_named() -> None:
    features = features_section(FrontEnd())
    for size in range(0, len(features), 97):
        with pytest.raises(BundleError, match="FEAT"):
            read_features(features[:size], "f")
    tokens = encode_tokens(["a", "bc", "ü"])
    for size in range(len(tokens)):
        with pytest.raises(BundleError, match="TOKS"):
            read_tokens(tokens[:size], "t")
    with pytest.raises(BundleError, match="SRCH"):
        read_search(search_section(SearchFields())[:-4], "s")


def test_workspace_is_the_sum_of_its_parts() -> None:
    bundle = recogniser_bundle()
    parts = {b.name: b.size_bytes for b in bundle.memory()}
    assert list(parts)[:4] == ["arena", "encoder state", "predictor state", "joiner state"]
    assert all(size % 16 == 0 for size in parts.values())
    assert bundle.workspace_bytes == sum(parts.values())


@pytest.mark.needs_cc
def test_the_device_needs_exactly_the_predicted_workspace() -> None:
    for seed in range(3):
        bundle = recogniser_bundle(seed)
        device = Recogniser(Image(bundle.device_bytes()))
        assert device.workspace_bytes == bundle.workspace_bytes


def test_values_of_features_and_search_are_plain() -> None:
    bundle = recogniser_bundle()
    assert isinstance(bundle.features, Features) and isinstance(bundle.search, Search)
    assert isinstance(bundle.features.bands[0], MelBand)
    assert bundle.tokens[0] == "<blk>" and bundle.roles == ("encoder", "predictor", "joiner")
