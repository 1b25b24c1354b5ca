"""Operators that Vela compiled for an Arm Ethos-U: one step for a whole command stream.

Vela lays its tensors out in one arena, so they lie in one buffer here, at its places. What the NPU
reads is written there by the step that makes it, or copied there before the NPU runs; a place is
free from a tensor's making to its last use. Variables live in the state block as everywhere: they
are copied to their places before the NPU runs, and back behind it.
"""

import numpy as np
from edgesdk.bundle.layout import ALIGN, align
from edgesdk.errors import NpuError
from edgesdk.npu.accelerators import accelerator_of
from edgesdk.npu.payload import Payload, read_payload
from numpy.typing import NDArray

from edgesdk_converters.lower.arena import Buffer
from edgesdk_converters.lower.builder import View
from edgesdk_converters.lower.context import Context, NpuArena, size_bytes
from edgesdk_converters.lower.states import copy_whole
from edgesdk_converters.tflite.model import DTYPES, Operator

ETHOSU = "CUSTOM:ethos-u"
_STREAM, _WEIGHTS, _SCRATCH, _FAST = range(4)
FIRST_INPUT = 4
_MOST_BYTES = 1 << 29
_AGAIN = "Compile the graph again with Vela."


def lay_out(ctx: Context) -> NpuArena | None:
    """The arena of a graph that Vela compiled; None where no operator is for the NPU."""
    graph = ctx.graph
    steps = [i for i, operator in enumerate(graph.operators) if operator.code == ETHOSU]
    if not steps:
        return None
    for index in steps:
        operator = graph.operators[index]
        if len(operator.inputs) <= FIRST_INPUT or not operator.outputs or not graph.places:
            ctx.refuse(operator, "it has not the tensors and places that Vela gives it", _AGAIN)
    fast = {graph.operators[i].inputs[_FAST] for i in steps}
    fast -= {graph.operators[i].inputs[_SCRATCH] for i in steps}  # has an address space of its own
    places = {i: place for i, place in enumerate(graph.places) if place >= 0 and i not in fast}
    places = {i: place for i, place in places.items() if graph.tensors[i].dtype in DTYPES.values()}
    ends = [place + size_bytes(graph.tensors[i]) for i, place in places.items()]
    size = align(max(ends, default=0))
    if size > _MOST_BYTES:
        ctx.refuse(graph.operators[steps[0]], f"its arena has {size} bytes", _AGAIN)
    buffer = Buffer("NPU arena", size, "arena", [], [], pinned=True)
    ctx.builder.buffers.append(buffer)
    read = frozenset(i for step in steps for i in graph.operators[step].inputs[FIRST_INPUT:])
    return NpuArena(buffer, places, steps[-1], read)


def lower_ethosu(ctx: Context, operator: Operator) -> None:
    """One step: its inputs brought to their places, the command stream, variables kept."""
    arena, number = ctx.npu, ctx.builder.operator
    assert arena is not None
    tensors = (operator.inputs[_SCRATCH], *operator.inputs[FIRST_INPUT:], *operator.outputs)
    for index in tensors:
        if index not in arena.places:
            ctx.refuse(operator, f"'{ctx.graph.tensors[index].name}' has no place", _AGAIN)
    fast = ctx.graph.tensors[operator.inputs[_FAST]]
    if fast.dtype not in DTYPES.values():
        ctx.refuse(operator, f"its fast scratch is {fast.dtype}", _AGAIN)
    _bring_inputs(ctx, arena, operator)
    ctx.builder.operator, ctx.builder.code = number, operator.code
    _emit(ctx, arena, operator)
    _keep_variables(ctx, arena, operator)


def _bring_inputs(ctx: Context, arena: NpuArena, operator: Operator) -> None:
    for position in range(FIRST_INPUT, len(operator.inputs)):
        index = operator.inputs[position]
        tensor = ctx.graph.tensors[index]
        place = arena.view(index, tensor)
        if tensor.variable:
            copy_whole(ctx.builder, _variable(ctx, arena, index), place, tensor, None)
        elif ctx.view(operator, position) != place:
            copy_whole(ctx.builder, ctx.view(operator, position), place, tensor, None, "NPU INPUT")


def _variable(ctx: Context, arena: NpuArena, index: int) -> View:
    """A variable's part of the state block: tensors at one place are one variable."""
    tensor, place = ctx.graph.tensors[index], arena.places[index]
    if place not in arena.variables:
        zero = 0 if tensor.quantisation is None else int(tensor.quantisation.zero_point[0])
        start = np.full(tensor.shape, zero, tensor.dtype)
        arena.variables[place] = ctx.builder.state(tensor.name, start)
    return arena.variables[place]


def _payload(ctx: Context, operator: Operator) -> Payload:
    """What the stream was compiled for, and its words."""
    data = ctx.data(operator, _STREAM).tobytes()
    name = ctx.graph.tensors[operator.inputs[_STREAM]].name
    try:
        payload = read_payload(data, name)
        accelerator_of(payload.config, name)
    except NpuError as error:  # says what next itself
        ctx.refuse(operator, str(error), "")
    return payload


def _emit(ctx: Context, arena: NpuArena, operator: Operator) -> None:
    graph, payload = ctx.graph, _payload(ctx, operator)
    constants = graph.tensors[operator.inputs[_WEIGHTS]].data
    weights = None if constants is None else _padded(constants)
    index = operator.inputs[_SCRATCH]
    place = arena.places[index]
    size = align(size_bytes(graph.tensors[index]))
    scratch = fast = View(size, arena.buffer, place)
    own = graph.tensors[operator.inputs[_FAST]]
    if operator.inputs[_FAST] != index and size_bytes(own):
        fast = ctx.builder.buffer(own.name, align(size_bytes(own)))
    if place % ALIGN or place + size > arena.buffer.size_bytes:
        ctx.refuse(operator, f"its scratch has {size} bytes from {place} on", _AGAIN)
    for position, output in enumerate(operator.outputs):
        made = arena.view(output, graph.tensors[output])
        if ctx.views.get(output) != made:  # there already: an earlier operator wrote a part of it
            ctx.alias(operator, made, position)
    shown = next(
        (i for i in operator.outputs if not graph.tensors[i].variable), operator.outputs[0]
    )
    ctx.builder.emit(
        "NPU_ETHOSU",
        ctx.views[shown],
        graph.tensors[shown].dtype,
        shown,
        (scratch, fast),
        {
            "stream": ctx.builder.constant(payload.words.astype("<u4")),
            "weights": None if weights is None else ctx.builder.constant(weights),
            "scratch": scratch,
            "fast": fast,
            "stream_words": len(payload.words),
            "weights_bytes": 0 if weights is None else weights.nbytes,
            "scratch_bytes": size,
            "fast_bytes": fast.size_bytes,
            "config": payload.config,
            "id": payload.id,
        },
    )


def _padded(constants: NDArray[np.generic]) -> NDArray[np.uint8]:
    data = np.frombuffer(constants.tobytes(), np.uint8)
    return np.pad(data, (0, align(data.size) - data.size))


def _keep_variables(ctx: Context, arena: NpuArena, operator: Operator) -> None:
    """Back to the state block, once for each.

    An unrolled operator of Vela's gives every step's value; its older code generator writes over
    what it reads and gives nothing.
    """
    kept: dict[int, int] = {}
    for index in (*operator.inputs[FIRST_INPUT:], *operator.outputs):
        if ctx.graph.tensors[index].variable:
            kept[arena.places[index]] = index
    for index in kept.values():
        tensor = ctx.graph.tensors[index]
        place = arena.view(index, tensor)
        copy_whole(ctx.builder, place, _variable(ctx, arena, index), tensor, None)


def keep_results(ctx: Context, number: int, operator: Operator) -> None:
    """Move results of operator `number`, which is another one, out of places that a later
    NPU operator may use.

    That is where a result is another name for bytes in the arena: Vela holds them for free behind
    the operator.
    """
    arena = ctx.npu
    if arena is None or operator.code == ETHOSU or number > arena.last:
        return
    for index in operator.outputs:
        view, tensor = ctx.views.get(index), ctx.graph.tensors[index]
        if view is None or view.buffer is not arena.buffer:
            continue
        if arena.places.get(index) != view.offset:
            ctx.views[index] = ctx.builder.buffer(tensor.name, view.size_bytes)
            copy_whole(ctx.builder, view, ctx.views[index], tensor, index, "NPU OUTPUT")
    for variable in ctx.states.variables.values():
        if variable.tensor is not None and variable.value.buffer is arena.buffer:
            tensor = ctx.graph.tensors[variable.tensor]
            kept = ctx.builder.buffer(tensor.name, size_bytes(tensor))
            copy_whole(ctx.builder, variable.value, kept, tensor, None, "NPU OUTPUT")
            variable.value = ctx.views[variable.tensor] = kept
