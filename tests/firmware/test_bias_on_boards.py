"""Bias tables over the link of every board: replaced, switched, cut off, kept, forgotten."""

import random
import struct
import zlib

import numpy as np
import pytest
from edgesdk.biasing.compile import Compiled
from edgesdk.biasing.table import Spelling, Table, compile_table
from edgesdk.bundle import BiasSection, Bundle
from edgesdk.cli.bias_tables import load_only, unlike_bundle
from edgesdk.link.channel import RefusedError
from edgesdk.link.device import Device
from edgesdk.link.messages import Message, Reset
from edgesdk.link.status import Status
from small_bundle import VOCAB, recogniser_bundle, single_bundle

PLAIN = recogniser_bundle()


def _table(name: str, nodes: int, seed: int = 1, crc: int = PLAIN.tokens_crc) -> Table:
    rng = random.Random(seed)
    phrases = [tuple(rng.choices(range(1, VOCAB), k=9)) for _ in range(nodes // 9)]
    spellings = [Spelling(p, tuple(range(1, 10))) for p in phrases]
    return compile_table(name, spellings, len(phrases), VOCAB, crc)


def _bundle(room: int, *shipped: Table) -> Bundle:
    section = BiasSection(room, tuple(table.data for table in shipped))
    return PLAIN.with_sections(BIAS=section.encode())


def _load(device: Device, bundle: Bundle) -> None:
    device.load(bundle.device_bytes())
    device.check_bundle(bundle.digest)


def _crcs(device: Device) -> dict[str, tuple[int, bool]]:
    return {t.name: (t.crc, t.active) for t in device.bias.stored.tables}


def _refused(device: Device, code: Status, message: Message, payload: bytes = b"") -> None:
    with pytest.raises(RefusedError) as caught:
        device.channel.request(message, payload)
    assert caught.value.code == code


def test_tables_replace_each_other_and_outlive_resets_and_utterances(device: Device) -> None:
    shipped, contacts = _table("devices", 50), _table("contacts", 400)
    _load(device, _bundle(32768, shipped))
    device.bias.load(contacts.data)
    stored = device.bias.stored
    assert (stored.room_bytes, stored.used_bytes) == (32768, contacts.size_bytes)
    first, second = stored.tables
    assert (first.name, first.active, first.in_room) == ("devices", True, False)
    assert (second.nodes, second.phrases, second.size_bytes) == (
        contacts.nodes,
        contacts.phrases,
        contacts.size_bytes,
    )
    noise = np.random.default_rng(1).integers(-3000, 3000, 8000).astype(np.int16)
    device.recognise([noise])
    costs = device.metrics()
    assert (costs.bias > 0) == (costs.total > 0)
    device.reset()
    assert device.bias.stored == stored
    device.bias.use([])
    device.recognise([noise])
    assert device.metrics().bias == 0
    device.bias.use(["devices", "contacts"])
    other = _table("devices", 120, seed=9)
    device.bias.load(other.data)
    device.bias.use(["contacts"])
    newer = _table("contacts", 900, seed=5)
    device.bias.load(newer.data)
    expected = {"devices": (other, False), "contacts": (newer, True)}
    assert _crcs(device) == {n: (zlib.crc32(t.data), on) for n, (t, on) in expected.items()}
    assert device.metrics().workspace_bytes == _bundle(32768).workspace_bytes
    device.bias.clear("devices")
    assert _crcs(device)["devices"] == (zlib.crc32(shipped.data), False)
    device.reset(Reset.REBOOT)
    if device.hello().bundle_digest:  # flash keeps the image, and only that
        assert _crcs(device) == {"devices": (zlib.crc32(shipped.data), True)}


def test_table_that_is_cut_off_damaged_or_foreign_leaves_the_old_one(device: Device) -> None:
    old, new = _table("contacts", 200), _table("contacts", 300, seed=2)
    _load(device, _bundle(old.size_bytes + new.size_bytes))
    device.bias.load(old.data)
    before = device.bias.stored
    begin = struct.pack("<II", len(new.data), zlib.crc32(new.data))

    def send(data: bytes) -> None:
        step = device.identity.payload_max - 4
        for at in range(0, len(data), step):
            part = struct.pack("<I", at) + data[at : at + step]
            device.channel.request(Message.BIAS_DATA, part)

    device.channel.request(Message.BIAS_BEGIN, begin)
    send(new.data[:-16])
    _refused(device, Status.TRUNCATED, Message.BIAS_END)
    device.channel.request(Message.BIAS_BEGIN, begin)
    send(new.data[:100])
    device.reset()  # as after a host that vanished
    _refused(
        device, Status.BAD_STATE, Message.BIAS_DATA, struct.pack("<I", 100) + new.data[100:200]
    )
    device.channel.request(Message.BIAS_BEGIN, begin)
    send(new.data[:64] + bytes([new.data[64] ^ 1]) + new.data[65:])
    _refused(device, Status.BAD_CRC, Message.BIAS_END)
    foreign = _table("contacts", 200, crc=5)
    for data, code in (
        (foreign.data, Status.FOREIGN),
        (new.data[:-16], Status.TRUNCATED),
        (new.data[:66] + b"\xff" + new.data[67:], Status.BAD_LAYOUT),
        (bytes(new.size_bytes + 16), Status.NO_MEMORY),
    ):
        with pytest.raises(RefusedError) as caught:
            device.bias.load(data)
        assert caught.value.code == code
        assert device.bias.stored == before
    device.bias.load(new.data)
    assert _crcs(device) == {"contacts": (zlib.crc32(new.data), True)}


def test_tables_may_arrive_during_an_utterance_but_change_only_afterwards(device: Device) -> None:
    old, new = _table("contacts", 100), _table("contacts", 100, seed=2)
    _load(device, _bundle(8192, _table("devices", 20)))
    device.bias.load(old.data)
    before = device.bias.stored
    channel = device.channel
    channel.request(Message.START, bytes(4))
    channel.request(Message.AUDIO, bytes(4) + bytes(3200), Message.AUDIO_TAKEN)
    channel.request(Message.BIAS_BEGIN, struct.pack("<II", len(new.data), zlib.crc32(new.data)))
    channel.request(Message.BIAS_DATA, bytes(4) + new.data)
    _refused(device, Status.BAD_STATE, Message.BIAS_END)
    _refused(device, Status.BAD_STATE, Message.BIAS_USE, b"\x07devices")
    _refused(device, Status.BAD_STATE, Message.BIAS_CLEAR)
    assert device.bias.stored == before
    channel.request(Message.FINISH, b"", Message.FINAL)
    channel.request(Message.BIAS_END)
    assert _crcs(device)["contacts"] == (zlib.crc32(new.data), True)
    _refused(device, Status.BAD_ARGUMENT, Message.BIAS_USE, b"\x07devicesX")
    _refused(device, Status.BAD_ARGUMENT, Message.BIAS_CLEAR, b"devices")
    with pytest.raises(
        RefusedError, match=r"BIAS_USE.*its tables are devices, contacts,.*each once"
    ):
        device.bias.use(["nobody"])
    for name in ("second", "third", "fourth"):
        device.bias.load(_table(name, 1).data)
    with pytest.raises(RefusedError, match=r"BIAS_END.*third, fourth, .* bytes used.*clear some"):
        device.bias.load(_table("fifth", 1).data)
    device.bias.clear()
    assert device.bias.stored.used_bytes == 0


def test_device_without_a_recogniser_or_without_room_refuses_tables(device: Device) -> None:
    _load(device, PLAIN)
    assert device.bias.stored.tables == ()
    with pytest.raises(RefusedError, match="NO_MEMORY"):
        device.bias.load(_table("contacts", 20).data)
    device.bias.use([])
    _load(device, single_bundle())
    _refused(device, Status.BAD_STATE, Message.BIAS_LIST, b"\0")


def test_tables_that_a_laptop_cannot_know_are_noticed_and_replaced(device: Device) -> None:
    bundle = _bundle(8192, _table("devices", 20))
    _load(device, bundle)
    assert unlike_bundle(device, bundle) is None
    device.bias.use([])
    assert "sent or switched (devices)" in (unlike_bundle(device, bundle) or "")
    device.bias.load(_table("contacts", 50).data)
    device.bias.use(["contacts"])
    table = _table("names", 60)
    load_only(device, Compiled((table,), ()))
    assert _crcs(device) == {
        "devices": (zlib.crc32(bundle.bias.tables[0]), True),
        "names": (zlib.crc32(table.data), True),
    }
    assert "(names)" in (unlike_bundle(device, bundle) or "")
    assert unlike_bundle(device, PLAIN) is None  # which has no room: nothing is asked
