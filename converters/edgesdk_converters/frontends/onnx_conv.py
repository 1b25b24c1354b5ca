"""ONNX Conv, Pad and BatchNormalization, from channels-first to channels-last."""

from typing import Any

import numpy as np
import onnx

from edgesdk_converters.frontends.onnx_graph import Importer


def _image(ctx: Importer, value: str, name: str) -> str:
    """[1, C, T] or [1, C, H, W] -> [1, 1, T, C] or [1, H, W, C]."""
    shape = ctx.samples[value].shape
    perm = (0, *range(2, len(shape)), 1)
    moved = ctx.emit("transpose", [value], [f"{name}.last"], perm=perm)
    if len(shape) == 3:
        return ctx.reshape(moved, (1, 1, shape[2], shape[1]), f"{name}.image")
    return moved


def _first(ctx: Importer, value: str, name: str, rank: int) -> str:
    """Back to channels-first of the given rank."""
    shape = ctx.samples[value].shape
    if rank == 3:
        value = ctx.reshape(value, (1, shape[2], shape[3]), f"{name}.sequence")
    perm = (0, rank - 1, *range(1, rank - 1))
    return ctx.emit("transpose", [value], [name], perm=perm)


def conv(ctx: Importer, node: onnx.NodeProto, attrs: dict[str, Any]) -> None:
    """One or two dimensions; groups are depthwise, or made dense with zeros."""
    weight = ctx.constant(node.input[1])
    if weight is None or weight.ndim not in (3, 4) or ctx.shape(node.input[0])[0] != 1:
        ctx.refuse(node, "needs constant weights, 1 or 2 dimensions, batch 1", "export it so")
    has_bias = len(node.input) > 2 and node.input[2]
    bias = ctx.constant(node.input[2]) if has_bias else np.zeros(len(weight))
    if bias is None:
        ctx.refuse(node, "the bias must be a constant", "export it so")
    if attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        ctx.refuse(node, "auto_pad is not supported", "export explicit pads")
    spatial = weight.ndim - 2
    two = (1,) * (2 - spatial)
    stride = two + tuple(attrs.get("strides", (1,) * spatial))
    dilation = two + tuple(attrs.get("dilations", (1,) * spatial))
    pads = list(attrs.get("pads", (0,) * (2 * spatial)))
    if spatial == 1:
        weight = weight[:, :, None, :]
    value = _image(ctx, ctx.names[node.input[0]], node.output[0])
    if any(pads):
        before = (0,) * (3 - spatial) + tuple(pads[:spatial]) + (0,)
        after = (0,) * (3 - spatial) + tuple(pads[spatial:]) + (0,)
        value = ctx.emit("pad", [value], [f"{node.output[0]}.pad"], before=before, after=after)
    channels, groups = ctx.samples[value].shape[3], attrs.get("group", 1)
    op, kernel = "conv", weight
    if groups == channels and groups > 1:
        op, kernel = "depthwise", weight[:, 0].transpose(1, 2, 0)
    else:
        if groups > 1:
            kernel = _dense(weight, groups)
            ctx.notes.append(f"{ctx.file}: {node.name}: {groups} groups made dense with zeros")
        kernel = kernel.transpose(0, 2, 3, 1)
    value = ctx.emit(
        op,
        [value],
        [f"{node.output[0]}.conv"],
        {"weight": kernel, "bias": bias},
        stride=stride,
        dilation=dilation,
    )
    ctx.bind(node.output[0], _first(ctx, value, node.output[0], spatial + 2))


def _dense(weight: Any, groups: int) -> Any:
    """[O, I / groups, ...] -> [O, I, ...] with zeros between the groups."""
    out, part = weight.shape[:2]
    dense = np.zeros((out, part * groups, *weight.shape[2:]), weight.dtype)
    for row in range(out):
        group = row // (out // groups)
        dense[row, group * part : (group + 1) * part] = weight[row]
    return dense


def pad(ctx: Importer, node: onnx.NodeProto, attrs: dict[str, Any]) -> None:
    """Zeros around a value."""
    rank = len(ctx.shape(node.input[0]))
    pads = attrs.get("pads")
    if len(node.input) > 1 and node.input[1]:
        pads = ctx.constants[node.input[1]].tolist()
    fill = ctx.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if pads is None:
        ctx.refuse(node, "the widths depend on the input", "export with fixed shapes")
    zero = float(attrs.get("value", 0.0)) == 0.0 and (fill is None or not np.any(fill))
    plain = len(node.input) < 4 and len(pads) == 2 * rank and min(pads) >= 0
    if attrs.get("mode", "constant") != "constant" or not zero or not plain:
        ctx.refuse(node, "only zeros can be padded", "pad with zeros on all dimensions")
    value = ctx.emit(
        "pad",
        [ctx.names[node.input[0]]],
        [node.output[0]],
        before=tuple(int(p) for p in pads[:rank]),
        after=tuple(int(p) for p in pads[rank:]),
    )
    ctx.bind(node.output[0], value)


def batch_normalization(ctx: Importer, node: onnx.NodeProto, attrs: dict[str, Any]) -> None:
    """An affine map per channel (dimension 1), which later folds into a neighbour."""
    scale, bias, mean, var = (ctx.constants[name] for name in node.input[1:5])
    if attrs.get("training_mode"):
        ctx.refuse(node, "training mode", "export the model in evaluation mode")
    gain = scale / np.sqrt(var + attrs.get("epsilon", 1e-5))
    shift = bias - mean * gain
    rank = len(ctx.shape(node.input[0]))
    value, name = ctx.names[node.input[0]], node.output[0]
    if rank > 2:
        last = (0, *range(2, rank), 1)
        value = ctx.emit("transpose", [value], [f"{name}.last"], perm=last)
    value = ctx.emit("mul_const", [value], [f"{name}.gain"], {"value": gain})
    value = ctx.emit(
        "add_const", [value], [name if rank == 2 else f"{name}.shift"], {"value": shift}
    )
    if rank > 2:
        value = ctx.emit("transpose", [value], [name], perm=(0, rank - 1, *range(1, rank - 1)))
    ctx.bind(name, value)
