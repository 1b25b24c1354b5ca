"""A trained transducer as three float graphs, with roles, states, tokens and features named."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgesdk_converters.graph import Array, Graph

BLANK = 0

# Kaldi's defaults as icefall and sherpa-onnx use them; normalisation none.
DEFAULT_FEATURES: dict[str, Any] = {
    "kind": "kaldi-fbank",
    "sample_rate": 16000,
    "num_mel_bins": 80,
    "frame_length_ms": 25.0,
    "frame_shift_ms": 10.0,
    "low_freq": 20.0,
    "high_freq": -400.0,
    "preemph_coeff": 0.97,
    "window_type": "povey",
    "remove_dc_offset": True,
    "snip_edges": False,
    "round_to_power_of_two": True,
    "use_power": True,
    "sample_scale": 1.0,
    "tail_padding_ms": 500,
}


@dataclass(frozen=True)
class Attention:
    """What biasing by attention adds to a model (docs/biasing.md).

    catalog: token int64 [1, 1] -> key [1, H * d], value [1, H * d], head by head; has states.
    adapter: encoder_out [1, T, J], keys [H, N, d], values [H, d, N] -> adapted [1, T, J].
    no_phrase: key [H * d] of row 0, whose value is 0. The last coordinate of each head's key is the
    mark of empty rows: 0 in rows that are not.
    """

    catalog: Graph
    adapter: Graph
    no_phrase: Array

    @property
    def heads(self) -> int:
        """Heads of the adapter."""
        return self.adapter.shapes["keys"][0]

    @property
    def rows(self) -> int:
        """Rows of keys and values, the one for no phrase among them."""
        return self.adapter.shapes["keys"][1]


@dataclass(frozen=True)
class Source:
    """A trained model.

    encoder: x [1, window, mel] -> encoder_out [1, frames_out, J]; states in `encoder.states`.
    predictor: y int64 [1, context] -> decoder_out [1, J]; may have states.
    joiner: encoder_out [1, J], decoder_out [1, J] -> logit [1, V].
    `window` feature frames go in per step and `shift` of them are new.
    """

    encoder: Graph
    predictor: Graph
    joiner: Graph
    tokens: tuple[str, ...]
    features: Mapping[str, Any]
    window: int
    shift: int
    max_symbols: int
    notes: tuple[str, ...] = ()
    attention: Attention | None = None

    @property
    def mel_bins(self) -> int:
        """Bands of one feature frame."""
        return self.encoder.shapes[self.encoder.inputs[0]][2]

    @property
    def frames_out(self) -> int:
        """Encoder frames per step."""
        return self.encoder.shapes[self.encoder.outputs[0]][1]

    @property
    def context(self) -> int:
        """Tokens that the predictor reads at once."""
        return self.predictor.shapes[self.predictor.inputs[0]][1]

    @property
    def joiner_dim(self) -> int:
        """Width of the vectors that meet in the joiner."""
        return self.joiner.shapes[self.joiner.inputs[0]][1]

    @property
    def vocab_size(self) -> int:
        """Number of tokens, blank included."""
        return self.joiner.shapes[self.joiner.outputs[0]][1]
