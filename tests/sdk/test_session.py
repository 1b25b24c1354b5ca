"""What a device is compared with, and what is sent to it."""

from types import SimpleNamespace

import numpy as np
import pytest
from edgesdk import session
from edgesdk.emulate import Clip
from edgesdk.errors import EdgeError
from edgesdk.link.device import Utterance
from edgesdk.link.messages import GraphId, Token
from small_bundle import recogniser_bundle

CLIP = Clip("a.wav", np.arange(-500, 500, dtype=np.int16), "yes")


@pytest.mark.needs_cc
@pytest.mark.parametrize("lacking", ["absent", "rounds otherwise"])
def test_core_stands_in_for_an_interpreter_that_cannot_equal_a_device(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find() -> SimpleNamespace:
        if lacking == "absent":
            raise EdgeError("no interpreter")
        return SimpleNamespace(caveat="rounds once")

    monkeypatch.setattr(session, "find_interpreter", find)
    emulation = session.emulate_clips(recogniser_bundle(), [CLIP])
    assert emulation.engine == "C core"
    assert emulation.transcripts[0].logits


class _FakeDevice:
    """Takes audio and says one word in two pieces."""

    def recognise(self, pieces, on_token, *, trace: bool, profile: bool) -> Utterance:
        self.pieces = list(pieces)
        tokens = (Token(3, -0.25, 40, "▁ye"), Token(5, -0.5, 80, "s"))
        for token in tokens:
            on_token(token)
        return Utterance(tokens, (b"\x01", b"\x02"), 2, sum(map(len, self.pieces)))

    def metrics(self) -> str:
        return "metrics"

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
    assert session.run_clip(device, CLIP, 16000).operators == {}
