"""Live torch modules to a Source, through torch's ONNX export in memory."""

import contextlib
import copy
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from edgesdk.errors import ConvertError

from edgesdk_converters.frontends.onnx import OnnxModels, make_source
from edgesdk_converters.source import Source

_OPSET = 17


@dataclass(frozen=True)
class TorchModels:
    """Modules and one example call each, batch 1, the encoder's with the window that is deployed.

    encoder(x [1, T, mel], *states) -> encoder_out, *new_states
    predictor(y int64 [1, context], *states) -> decoder_out, *new_states
    joiner(encoder_out, decoder_out) -> logit
    States may be nested in tuples or lists; they come back in the order in which they go in.
    """

    encoder: Any
    predictor: Any
    joiner: Any
    encoder_inputs: Sequence[Any]
    predictor_inputs: Sequence[Any]
    joiner_inputs: Sequence[Any]


def load_torch(
    models: TorchModels,
    tokens: Sequence[str],
    features: Mapping[str, Any],
    max_symbols: int = 3,
) -> Source:
    """The recogniser made of three modules.

    Raises:
        ConvertError: torch is missing or cannot export a module, or an operator is unsupported.
    """
    exported = {
        "encoder": _export("encoder", models.encoder, models.encoder_inputs, ["x"], "encoder_out"),
        "predictor": _export(
            "predictor", models.predictor, models.predictor_inputs, ["y"], "decoder_out"
        ),
        "joiner": _export(
            "joiner", models.joiner, models.joiner_inputs, ["encoder_out", "decoder_out"], "logit"
        ),
    }
    onnx.helper.set_model_props(exported["joiner"], {"max_symbols_per_frame": str(max_symbols)})
    files = {role: f"torch {role}" for role in exported}
    return make_source(OnnxModels(**exported, files=files), tuple(tokens), features)


def _export(
    role: str, module: Any, inputs: Sequence[Any], names: list[str], result: str
) -> onnx.ModelProto:
    try:
        import torch
    except ImportError:
        raise ConvertError(
            "torch is not installed; install edgesdk[torch], or export ONNX where it is"
        ) from None
    module = _spell_projections(copy.deepcopy(module).eval())
    buffer = io.BytesIO()
    try:
        with torch.no_grad(), _quiet():
            outputs = list(_leaves(module(*inputs)))
            states = len(list(_leaves(inputs))) - len(names)
            torch.onnx.export(
                module,
                tuple(inputs),
                buffer,
                input_names=[*names, *(f"state_{i}" for i in range(states))],
                output_names=[result, *(f"new_state_{i}" for i in range(len(outputs) - 1))],
                opset_version=_OPSET,
                dynamo=False,
            )
    except Exception as err:  # torch raises many classes, with traces in their texts
        reason = (str(err).strip().splitlines() or [type(err).__name__])[0][:160]
        raise ConvertError(
            f"torch {role}: cannot be exported ({reason}); write it with operators that ONNX has"
        ) from None
    model = onnx.load_from_string(buffer.getvalue())
    _settle_shapes(model, [tuple(o.shape) for o in outputs])
    return model


def _settle_shapes(model: onnx.ModelProto, shapes: Sequence[tuple[int, ...]]) -> None:
    """The shapes that the example call gave, where the exporter left symbols."""
    for value, shape in zip(model.graph.output, shapes, strict=True):
        for dim, size in zip(value.type.tensor_type.shape.dim, shape, strict=False):
            dim.dim_value = size


def _leaves(value: Any) -> Iterator[Any]:
    """Tensors of nested tuples and lists, in order."""
    if isinstance(value, tuple | list):
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield value


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints graphs and deprecations; its error is what matters."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def _spell_projections(module: Any) -> Any:
    """The module with every LSTM that projects spelled step by step: ONNX has no such operator."""
    from torch import nn

    if isinstance(module, nn.LSTM) and module.proj_size > 0:
        return _projected(module)
    for name, child in module.named_children():
        setattr(module, name, _spell_projections(child))
    return module


def _projected(lstm: Any) -> Any:
    """A module that computes what `lstm` does with products and pointwise operators."""
    import torch
    from torch import nn

    if lstm.bidirectional:
        raise ConvertError("a bidirectional LSTM needs future audio; train a unidirectional one")

    class ProjectedLstm(nn.Module):  # type: ignore[misc]  # torch is optional, so Any
        """One row per step; same calls and results as nn.LSTM for batch 1."""

        def __init__(self) -> None:
            super().__init__()
            self.lstm = lstm

        def layer(self, index: int, x: Any, h: Any, c: Any) -> tuple[Any, Any, Any]:
            """x [T, 1, I] -> y [T, 1, P], h [1, P], c [1, H]."""
            named = dict(self.lstm.named_parameters())
            w, r = named[f"weight_ih_l{index}"], named[f"weight_hh_l{index}"]
            bias = None
            if self.lstm.bias:
                bias = named[f"bias_ih_l{index}"] + named[f"bias_hh_l{index}"]
            outputs = []
            for t in range(x.shape[0]):
                gates = nn.functional.linear(x[t], w, bias) + nn.functional.linear(h, r)
                i, f, g, o = gates.chunk(4, dim=1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = nn.functional.linear(
                    torch.sigmoid(o) * torch.tanh(c), named[f"weight_hr_l{index}"]
                )
                outputs.append(h)
            return torch.stack(outputs), h, c

        def forward(self, x: Any, state: Any = None) -> tuple[Any, tuple[Any, Any]]:
            """As nn.LSTM."""
            layers, width = self.lstm.num_layers, self.lstm.proj_size
            if state is None:
                state = (
                    x.new_zeros(layers, 1, width),
                    x.new_zeros(layers, 1, self.lstm.hidden_size),
                )
            x = x.transpose(0, 1) if self.lstm.batch_first else x
            lasts = []
            for index in range(layers):
                x, h, c = self.layer(index, x, state[0][index], state[1][index])
                lasts.append((h, c))
            x = x.transpose(0, 1) if self.lstm.batch_first else x
            hs, cs = zip(*lasts, strict=True)
            return x, (torch.stack(hs), torch.stack(cs))

    return ProjectedLstm()
