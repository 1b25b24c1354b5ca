"""What a graph keeps between runs: explicit states and resource variables, in the state block."""

from dataclasses import replace

import numpy as np
from edgesdk.errors import ConvertError

from edgesdk_converters.lower.builder import Builder, Draft, View
from edgesdk_converters.lower.context import Context, Variable, size_bytes
from edgesdk_converters.tflite.model import Graph, Operator, Tensor

_STATE, _NEXT = "state.", ".next"
_VARIABLE_REMEDY = "Let one CALL_ONCE assign a constant to each variable, once."


def state_pairs(graph: Graph) -> dict[int, int]:
    """Tensor index of each explicit state's input -> that of its output."""
    results = {graph.tensors[o].name: o for o in graph.outputs}
    pairs = {}
    for index in graph.inputs:
        name = graph.tensors[index].name
        if name.startswith(_STATE) and name + _NEXT in results:
            pairs[index] = results[name + _NEXT]
    return pairs


def bind_state(ctx: Context, index: int, following: int) -> None:
    """Memory for an explicit state; it starts at quantised zero."""
    tensor = ctx.graph.tensors[index]
    _check_pair(ctx, tensor, ctx.graph.tensors[following])
    zero = 0 if tensor.quantisation is None else int(tensor.quantisation.zero_point[0])
    ctx.views[index] = ctx.builder.state(tensor.name, np.full(tensor.shape, zero, tensor.dtype))


def _check_pair(ctx: Context, state: Tensor, following: Tensor) -> None:
    a, b = state.quantisation, following.quantisation
    equal = a is b or (
        a is not None
        and b is not None
        and np.array_equal(a.scale, b.scale)
        and np.array_equal(a.zero_point, b.zero_point)
    )
    if not equal or (state.shape, state.dtype) != (following.shape, following.dtype):
        raise ConvertError(
            f"{ctx.source}: state '{state.name}' and '{following.name}' differ in shape, type or "
            "quantisation; a state must come out as it goes in"
        )


def lower_call_once(ctx: Context, operator: Operator) -> None:
    """CALL_ONCE: its subgraph may only assign constants, which become start values."""
    number = operator.options.get("init_subgraph_index", 0)
    if not isinstance(number, int) or not 1 <= number <= len(ctx.others):
        ctx.refuse(operator, f"its subgraph {number} is not in the file")
    graph, names = ctx.others[number - 1], {}
    for inner in graph.operators:
        if inner.code == "VAR_HANDLE":
            names[inner.outputs[0]] = handle_name(inner)
            continue
        value = graph.tensors[inner.inputs[1]].data if inner.code == "ASSIGN_VARIABLE" else None
        if value is None or inner.inputs[0] not in names:
            ctx.refuse(operator, f"{inner.code} in its subgraph is not covered", _VARIABLE_REMEDY)
        name = names[inner.inputs[0]]
        if name in ctx.states.starts or name in ctx.states.variables:
            ctx.refuse(operator, f"variable '{name}' starts twice", _VARIABLE_REMEDY)
        ctx.states.starts[name] = value


def handle_name(operator: Operator) -> str:
    """Container and name of a VAR_HANDLE, which tell variables apart."""
    parts = (operator.options.get(key, "") for key in ("container", "shared_name"))
    return "/".join(str(part) for part in parts if part)


def lower_var_handle(ctx: Context, operator: Operator) -> None:
    """VAR_HANDLE: a name, known when the plan is made."""
    ctx.states.handles[operator.outputs[0]] = handle_name(operator)


def _variable(ctx: Context, operator: Operator, used_as: Tensor) -> Variable:
    """The variable of input 0, which must have the type and size that it is used with."""
    states = ctx.states
    handle = ctx.graph.tensors[operator.inputs[0]]
    name = states.handles.get(operator.inputs[0])
    if name is None:
        ctx.refuse(operator, f"'{handle.name}' is no VAR_HANDLE", _VARIABLE_REMEDY)
    if name not in states.variables:
        if name not in states.starts:
            ctx.refuse(operator, f"variable '{name}' has no start value", _VARIABLE_REMEDY)
        start = states.starts[name]
        place = ctx.builder.state(name, start)
        states.variables[name] = Variable(name, start, place, place)
    variable = states.variables[name]
    start = variable.start
    if start.dtype.name != used_as.dtype or start.nbytes != size_bytes(used_as):
        ctx.refuse(
            operator,
            f"variable '{name}' starts as {start.dtype}{list(start.shape)}, "
            f"'{used_as.name}' is {used_as.dtype}{list(used_as.shape)}",
            "Give a variable one type and shape.",
        )
    return variable


def lower_read_variable(ctx: Context, operator: Operator) -> None:
    """READ_VARIABLE: another name for the variable's value."""
    variable = _variable(ctx, operator, ctx.tensor(operator, 0, output=True))
    ctx.alias(operator, variable.value)


def lower_assign_variable(ctx: Context, operator: Operator) -> None:
    """ASSIGN_VARIABLE: into the state block at once, or at the end of the run.

    The latter where what is there now is still read by a later operator.
    """
    variable = _variable(ctx, operator, ctx.tensor(operator, 1))
    value, index = ctx.view(operator, 1), operator.inputs[1]
    if _read_later(ctx, operator, variable.place):
        variable.value, variable.tensor = value, index
        return
    _store(ctx, value, variable.place, ctx.graph.tensors[index], index)
    variable.value, variable.tensor = variable.place, None


def _read_later(ctx: Context, operator: Operator, place: View) -> bool:
    """Whether a tensor that lies in `place` is read behind `operator`, or given out."""
    operators = ctx.graph.operators
    later = operators[ctx.builder.operator + 1 :]
    used = {index for following in later for index in following.inputs} | {*ctx.graph.outputs}
    held = {i for i, view in ctx.views.items() if view.buffer is place.buffer}
    variables = ctx.states.variables.values()
    pending = any(v.value.buffer is place.buffer for v in variables if v.tensor is not None)
    return pending or bool(held & used)


def _store(ctx: Context, value: View, place: View, tensor: Tensor, index: int) -> None:
    """`value` goes to `place`: made there at once where it can be, else copied."""
    if value == place or _written_at_once(ctx, value, place):
        return
    copy_whole(ctx.builder, value, place, tensor, index)


def _written_at_once(ctx: Context, value: View, place: View) -> bool:
    """Let the operator that computes `value` write it into `place`, where nothing reads that."""
    old, new = place.buffer, value.buffer
    assert old is not None
    if new is None or new.space != "arena" or new.pinned or not value.whole:
        return False
    if min(new.writers) < 0:
        return False
    if max(old.readers, default=-1) >= min(new.writers) or old.writers:
        return False
    ctx.builder.replace_buffer(new, old)
    for index, view in ctx.views.items():
        if view.buffer is new:
            ctx.views[index] = replace(view, buffer=old)
    for variable in ctx.states.variables.values():
        if variable.value.buffer is new:
            variable.value = replace(variable.value, buffer=old)
    return True


def update_states(ctx: Context) -> None:
    """At the end of a run every state takes its next value.

    Next values that lie in the state block themselves are saved first, as their states may change.
    """
    builder, moves = ctx.builder, []
    for index, result in ctx.states.pairs.items():
        if result not in ctx.views:
            name = ctx.graph.tensors[result].name
            raise ConvertError(f"{ctx.source}: state output '{name}' is never written")
        if ctx.views[result] != ctx.views[index]:
            moves.append((ctx.views[index], result))
    for variable in ctx.states.variables.values():
        if variable.tensor is not None and variable.value != variable.place:
            moves.append((variable.place, variable.tensor))
    _save_outputs(ctx, [place for place, _ in moves])
    copies = []
    for place, result in moves:
        following, tensor = ctx.views[result], ctx.graph.tensors[result]
        if _written_at_once(ctx, following, place):
            continue
        if following.buffer is not None and following.buffer.space == "state":
            saved = builder.buffer(f"{tensor.name}/saved", following.size_bytes)
            copy_whole(builder, following, saved, tensor, None)
            following = saved
        copies.append((following, place, tensor, result))
    for following, place, tensor, result in copies:
        copy_whole(builder, following, place, tensor, result)


def _save_outputs(ctx: Context, places: list[View]) -> None:
    """Outputs that lie where a state is about to change move to the arena."""
    changed = {id(place.buffer) for place in places}
    for index in ctx.graph.outputs:
        view = ctx.views.get(index)
        if view is None or id(view.buffer) not in changed or index in ctx.states.pairs.values():
            continue
        tensor = ctx.graph.tensors[index]
        saved = ctx.builder.buffer(f"{tensor.name}/saved", view.size_bytes)
        copy_whole(ctx.builder, view, saved, tensor, None)
        ctx.views[index] = saved


def copy_whole(
    builder: Builder,
    source: View,
    out: View,
    tensor: Tensor,
    index: int | None,
    code: str = "STATE",
) -> None:
    """A step that copies all bytes of `tensor`; it completes tensor `index`, or none.

    `code` stands where other steps have their operator's name.
    """
    width = np.dtype(tensor.dtype).itemsize
    builder.operator, builder.code = -1, code
    values: dict[str, Draft] = {
        "input": source,
        "input_bytes": source.size_bytes,
        "width": width,
        "dims": (1, 1, 1, source.size_bytes // width),
        "in_strides": (width,) * 4,
        "out_strides": (width,) * 4,
        "out_start": 0,
    }
    builder.emit("COPY", out, tensor.dtype, index, (), values)
