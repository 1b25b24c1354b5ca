"""Command streams in readable form: plain JSON values, and lines for people."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesdk.npu import operands
from edgesdk.npu.operands import FeatureMap, Range, region_name
from edgesdk.npu.stream import Operation, Write, operations

Described = dict[str, Any]

_WAITS = ("DMA_WAIT", "KERNEL_WAIT")
_WORKING = (*operands.BLOCKS, "DMA_START")


def describe(
    words: Sequence[int] | NDArray[np.uint32], product: str, source: str
) -> Iterator[Described]:
    """Each operation up to STOP as JSON values, one by one; `source` names the stream in errors.

    Those that work have the registers that the stream has set since the one before.

    Raises:
        NpuError: the stream cannot be read on; what came before has then been given.
    """
    waiting: list[Write] = []
    for operation in operations(words, product, source):
        waiting += operation.writes
        described = _operation(operation)
        if operation.command.name in _WORKING:
            described["sets"] = [_write(write) for write in waiting]
            waiting = []
        yield described


def _operation(operation: Operation) -> Described:
    described: Described = {
        "index": operation.index,
        "word": operation.at,
        "operation": operands.mode_name(operation),
    }
    if operation.command.name in operands.BLOCKS:
        described |= _block(operation)
    elif operation.command.name == "DMA_START":
        source, destination = operands.transfer(operation)
        described |= {"source": _range(source), "destination": _range(destination)}
    elif operation.command.name in _WAITS:
        described["outstanding"] = operation.param & 15
    return described


def _write(write: Write) -> Described:
    """A register with the number that it is set to, which is one less than a count."""
    value: int | list[int]
    if isinstance(write.value, tuple):
        value = list(write.value)
    else:
        value = write.value - (write.command.form == "count")
    return {"word": write.at, "register": write.command.name, "value": value}


def _block(operation: Operation) -> Described:
    name, number = operation.command.name, operation.number
    ifm = operands.feature_map(operation, "IFM", operands.ifm_shape(operation))
    described: Described = {"ifm": _feature_map(ifm)}
    second, scalar = operands.ifm2_shape(operation), operands.scalar(operation)
    if second is not None:
        described["ifm2"] = _feature_map(operands.feature_map(operation, "IFM2", second))
    if scalar is not None:
        described["scalar"] = scalar
    if name == "ELEMENTWISE":
        described["reversed"] = bool(number("IFM2_BROADCAST") & 0x40)
    ofm = operands.feature_map(operation, "OFM", operands.ofm_shape(operation))
    described["ofm"] = _feature_map(ofm)
    if name != "ELEMENTWISE":
        described |= _window(operation)
    if name in ("CONV", "DEPTHWISE"):
        for key, part in (("weights", "WEIGHT"), ("scales", "SCALE")):
            described[key] = [_range(one) for one in operands.per_core(operation, part)]
    else:
        described |= _scales(operation)
    low, high = operands.clamp(operation)
    return described | {
        "rounding": operands.rounding(operation),
        "activation": operands.activation(operation),
        "clamp": [low, high],
        "block": [number(f"OFM_BLK_{side}_M1") for side in ("HEIGHT", "WIDTH", "DEPTH")],
        "sum_bits": 40 if number("ACC_FORMAT") == 1 else 32,
        "blockdep": number("BLOCKDEP"),
    }


def _window(operation: Operation) -> Described:
    window = operands.kernel(operation)
    return {
        "kernel": list(window.size),
        "stride": list(window.stride),
        "dilation": list(window.dilation),
        "padding": list(window.padding),
        "upscale": operands.upscale(operation),
        "part_kernel": window.part_kernel,
    }


def _scales(operation: Operation) -> Described:
    described: Described = {}
    if operation.number("OFM_PRECISION") >> 8 & 1:
        described["scale"] = list(operation.scale("OFM_SCALE"))
    if operands.mode_name(operation) in ("ELEMENTWISE ADD", "ELEMENTWISE SUB"):
        described["scaled"] = operands.scaled_operand(operation)
        described["operand_scales"] = [
            list(operation.scale("OPA_SCALE")),
            list(operation.scale("OPB_SCALE")),
        ]
    return described


def _feature_map(one: FeatureMap) -> Described:
    described: Described = {
        "region": region_name(one.region),
        "address": one.tiles[0],
        "shape": list(one.shape),
        "dtype": one.dtype,
        "layout": one.layout,
        "zero_point": one.zero_point,
        "strides": list(one.strides),
    }
    if len(one.tiles) > 1:
        described["tiles"] = {str(tile): base for tile, base in one.tiles.items()}
        described["splits"] = list(one.splits)
    return described


def _range(one: Range) -> Described:
    return {
        "region": region_name(one.region),
        "address": one.address,
        "size_bytes": one.size_bytes,
    }


# ---- lines for people


def lines(described: Described) -> Iterator[str]:
    """An operation in lines: its number and word, operands, and what the stream set for it."""
    yield f"#{described['index']} {described['operation']} at word {described['word']}"
    if "outstanding" in described:
        yield f"    until {described['outstanding']} are outstanding"
    if "source" in described:
        source, destination = described["source"], described["destination"]
        yield f"    {source['size_bytes']} bytes from {_place(source)} to {_place(destination)}"
    for name in ("ifm", "ifm2", "ofm"):
        if name in described:
            yield f"    {name:<5}{_shape(described[name])}"
    if "ofm" in described:
        yield from _details(described)
    for group in _groups(described.get("sets", ())):
        yield f"    sets {group}"


def _place(one: Described) -> str:
    return f"{one['region']}+{one['address']:#x}"


def _shape(one: Described) -> str:
    text = f"{'x'.join(map(str, one['shape']))} {one['dtype']} {one['layout']} at {_place(one)}"
    if one["zero_point"]:
        text += f", zero point {one['zero_point']}"
    if "tiles" in one:
        bases = ", ".join(f"{tile}: {base:#x}" for tile, base in one["tiles"].items())
        width, left, right = one["splits"]
        text += f", tiles {bases}, split at width {width}, heights {left} and {right}"
    return text


def _details(one: Described) -> Iterator[str]:
    """Lines of a block operation that are neither its feature maps nor registers."""
    if "kernel" in one:
        parts = [f"kernel {_by(one['kernel'])}"]
        parts += [f"{key} {_by(one[key])}" for key in ("stride", "dilation") if one[key] != [1, 1]]
        if any(one["padding"]):
            sides = zip(("top", "left", "bottom", "right"), one["padding"], strict=True)
            parts.append("padding " + " ".join(f"{side} {size}" for side, size in sides))
        parts += [f"upscaled by {one['upscale']}"] if one["upscale"] != "none" else []
        parts += ["part kernel first"] if one["part_kernel"] else []
        yield "    " + ", ".join(parts)
    for key in ("weights", "scales"):
        if key in one:
            cores = " and ".join(
                f"{core['size_bytes']} bytes at {_place(core)}" for core in one[key]
            )
            yield f"    {key} {cores}"
    numbers = [f"scalar {one['scalar']}"] if "scalar" in one else []
    numbers += ["operands reversed"] if one.get("reversed") else []
    numbers += [f"scale {_scale(one['scale'])}"] if "scale" in one else []
    if "scaled" in one:
        first, second = map(_scale, one["operand_scales"])
        numbers.append(f"operands scaled {one['scaled']} by {first} and {second}")
    numbers.append(f"rounding {one['rounding']}")
    numbers += [one["activation"]] if one["activation"] != "none" else []
    low, high = one["clamp"]
    yield "    " + ", ".join([*numbers, f"clamp {low}..{high}"])
    yield (
        f"    block {_by(one['block'])}, {one['sum_bits']}-bit sums, "
        f"block dependency {one['blockdep']}"
    )


def _by(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))


def _scale(pair: Sequence[int]) -> str:
    return f"{pair[0]}/2^{pair[1]}"


def _groups(sets: Sequence[Described]) -> Iterator[str]:
    """Registers as the stream sets them, a line for each group of names."""
    found: dict[str, list[str]] = {}
    for one in sets:
        group, _, rest = one["register"].partition("_")
        value = one["value"]
        text = _scale(value) if isinstance(value, list) else _number(one["register"], value)
        found.setdefault(group, []).append(f"{rest or group} {text}")
    for group, registers in found.items():
        yield f"{group}: {', '.join(registers)}"


def _number(register: str, value: int) -> str:
    is_place = "BASE" in register or "PRECISION" in register or register in ("DMA0_SRC", "DMA0_DST")
    return f"{value:#x}" if is_place else str(value)
