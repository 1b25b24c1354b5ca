"""What a device is compared with, and what is sent to it."""

from types import SimpleNamespace

import numpy as np
import pytest
from edgesdk import session
from edgesdk.core import EndpointMode
from edgesdk.emulate import Clip, NoInterpreterError
from edgesdk.errors import EdgeError
from edgesdk.link.device import Utterance
from edgesdk.link.messages import ClockKind, GraphId, Token

METRICS = SimpleNamespace(adapter_calls=0, endpoint_calls=1)

CLIP = Clip("a.wav", np.arange(-500, 500, dtype=np.int16), "yes")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (NoInterpreterError("none; install one"), "none; install one"),
        (SimpleNamespace(name="x 1", caveat="rounds once"), "x 1 rounds once; install tflite-"),
        (SimpleNamespace(name="x 1", caveat=""), None),
    ],
)
def test_judge_of_devices_is_an_interpreter_that_rounds_as_they_do(
    found: object, why: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find() -> object:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(session, "find_interpreter", find)
    said = session.lacking_interpreter()
    assert said is None if why is None else (said or "").startswith(why)


def test_interpreter_that_does_not_load_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise EdgeError("does not load")

    monkeypatch.setattr(session, "find_interpreter", fail)
    with pytest.raises(EdgeError, match="does not load"):
        session.lacking_interpreter()


class _FakeDevice:
    """Takes audio and says one word in two pieces."""

    identity = SimpleNamespace(clock=ClockKind.NONE)

    def recognise(
        self, pieces, on_token, *, trace: bool, profile: bool, endpoint: EndpointMode, meter: object
    ) -> Utterance:
        self.pieces = list(pieces)
        tokens = (Token(3, -0.25, 40, "▁ye"), Token(5, -0.5, 80, "s"))
        for token in tokens:
            on_token(token)
        return Utterance(tokens, (b"\x01", b"\x02"), 2, sum(map(len, self.pieces)))

    def metrics(self) -> SimpleNamespace:
        return METRICS

    def op_costs(self, graph) -> tuple[str, ...]:
        return (f"costs of {graph.name}",)


def test_clip_is_sent_in_pieces_of_10_ms_and_words_come_back_as_they_grow() -> None:
    device, partial = _FakeDevice(), []
    heard = session.run_clip(
        device, CLIP, 16000, lambda clip, text: partial.append((clip, text)), profile=True
    )
    assert [len(piece) for piece in device.pieces] == [160] * 6 + [40]
    assert np.array_equal(np.concatenate(device.pieces), CLIP.samples)
    assert partial == [("a.wav", "ye"), ("a.wav", "yes")]
    transcript = heard.transcript
    assert (transcript.text, transcript.tokens) == ("yes", ("▁ye", "s"))
    assert (transcript.timestamps, transcript.ys_probs) == ((0.04, 0.08), (-0.25, -0.5))
    assert (transcript.logits_count, transcript.reference) == (2, "yes")
    assert heard.operators[GraphId.ENCODER] == ("costs of ENCODER",)
    assert heard.operators[GraphId.ENDPOINT] == ("costs of ENDPOINT",)
    assert GraphId.ADAPTER not in heard.operators
    assert session.run_clip(device, CLIP, 16000).operators == {}
