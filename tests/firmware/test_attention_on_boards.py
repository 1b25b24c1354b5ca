"""Biasing by attention on every board: the laptop's bits, without and with phrases."""

import struct
import zlib

import pytest
from attention_bundle import ROOM, attention_bundle, base_bundle, noise
from edgesdk.biasing.compile import compile_phrases
from edgesdk.biasing.phrases import Phrase
from edgesdk.emulate import Clip, Emulator
from edgesdk.link.channel import RefusedError
from edgesdk.link.device import Device
from edgesdk.link.messages import ClockKind, GraphId, Message
from edgesdk.link.status import Status
from edgesdk.link.validate import validate
from edgesdk.session import Heard, run_clip

RATE = 16000
CLIP = Clip("noise", noise(0.5, 21))


def _run(device: Device) -> Heard:
    return run_clip(device, CLIP, RATE, profile=True)


def test_device_attends_to_phrases_as_the_laptop_does(device: Device) -> None:
    bundle = attention_bundle()
    device.load(bundle.device_bytes())
    expected = Emulator(base_bundle()).recognise(CLIP, keep_logits=True)
    silent = _run(device)
    assert (silent.transcript, silent.metrics.adapter_calls) == (expected, 0)
    phrases = [Phrase("dean"), Phrase("bell"), Phrase("jam"), Phrase("a fig")]
    tables = compile_phrases(phrases, bundle).tables
    for table in tables:
        device.bias.load(table.data)
    stored = device.bias.stored
    assert [(t.kind, t.nodes, t.active) for t in stored.tables] == [
        ("tables", tables[0].nodes, True),
        ("attention", 5, True),
    ]
    expected = Emulator(bundle, tables=[t.data for t in tables]).recognise(CLIP, keep_logits=True)
    heard = _run(device)
    assert heard.transcript == expected != silent.transcript
    metrics = heard.metrics
    assert metrics.adapter_calls == metrics.encoder_calls > 0
    assert metrics.workspace_bytes == bundle.workspace_bytes
    if device.identity.clock is not ClockKind.NONE:
        operators = heard.operators[GraphId.ADAPTER]
        assert len(operators) == len(bundle.graphs["adapter"].records)
        assert 0 < sum(it.cost for it in operators) <= metrics.adapter
    other = compile_phrases([Phrase("egg")], bundle, by="attention").tables[0].data
    device.channel.request(Message.BIAS_BEGIN, struct.pack("<II", len(other), zlib.crc32(other)))
    device.channel.request(Message.BIAS_DATA, bytes(4) + other[:100])
    with pytest.raises(RefusedError) as caught:
        device.channel.request(Message.BIAS_END)
    assert caught.value.code == Status.TRUNCATED
    device.reset()
    assert validate(device, bundle).steps["adapter"] == 2  # which overwrites keys and values
    assert validate(device, bundle).equal
    assert device.bias.stored == stored and stored.room_bytes == ROOM
    assert _run(device).transcript == expected
    device.bias.clear("phrases")
    assert device.bias.stored.tables == ()
    assert _run(device).transcript == silent.transcript
