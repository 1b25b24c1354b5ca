"""One graph to Vela's .tflite, with the table of its operators."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from edgesdk.errors import ConvertError

from edgesdk_converters.lower.states import handle_name
from edgesdk_converters.npu.reads import constant_reads
from edgesdk_converters.npu.table import NOWHERE, NpuOperator, read_table
from edgesdk_converters.npu.vela import VELA_VERSION, VelaConfig, VelaRun, run_vela
from edgesdk_converters.tflite.model import Graph, Model
from edgesdk_converters.tflite.read import read_tflite
from edgesdk_converters.tflite.write import write_tflite

ETHOSU = "CUSTOM:ethos-u"


@dataclass(frozen=True)
class Compiled:
    """Vela's .tflite for one graph, and what became of each operator.

    `weight_bytes` are the graph's weights as they are (int8), `stored_weight_bytes` as Vela stores
    them; `constant_bytes` are all that the NPU reads: weights, scales, tables. `stream_bytes` are
    its commands. `cycles` are Vela's estimate for the NPU's part.
    """

    tflite: bytes
    operators: tuple[NpuOperator, ...]
    weight_bytes: int
    stored_weight_bytes: int
    constant_bytes: int
    stream_bytes: int

    @property
    def cycles(self) -> int:
        """Vela's estimate of the NPU's cycles for one run."""
        return sum(row.cycles for row in self.operators)

    @property
    def ratio(self) -> float:
        """Stored weights to int8 weights; 1.0 where there are none."""
        return self.stored_weight_bytes / self.weight_bytes if self.weight_bytes else 1.0


def compile_npu(
    tflite: bytes, config: VelaConfig, source: str = "model.tflite", options: Sequence[str] = ()
) -> Compiled:
    """Vela's .tflite for a full-integer one, the same bytes each time; `source` names it in errors.

    Raises:
        ConvertError: Vela is not there, refuses, stops, or changed the graph's inputs, outputs or
            the order in which it uses its variables.
    """
    model = read_tflite(tflite, source)
    graph = model.graphs[0]
    run = run_vela(tflite, config, source, options)
    compiled = read_tflite(run.tflite, f"{source} (by Vela)").graphs[0]
    _check_ports(graph, compiled, source)
    _check_variables(graph, compiled, source)
    if len(model.graphs) == 1:
        operators = _table(graph, run, compiled, source)
    else:  # Vela's estimates are of the file's last subgraph alone, which CALL_ONCE names
        operators = _table_without_calls(model, config, source, options)
    steps = [operator for operator in compiled.operators if operator.code == ETHOSU]
    return Compiled(
        tflite=run.tflite,
        operators=operators,
        weight_bytes=int(run.summary["total_original_weights"]),
        stored_weight_bytes=int(run.summary["total_npu_encoded_weights"]),
        constant_bytes=sum(_bytes(compiled, index) for index in {op.inputs[1] for op in steps}),
        stream_bytes=sum(_bytes(compiled, operator.inputs[0]) for operator in steps),
    )


def _bytes(graph: Graph, index: int) -> int:
    data = graph.tensors[index].data
    return 0 if data is None else data.nbytes


def _check_ports(graph: Graph, compiled: Graph, source: str) -> None:
    """Names tell inputs, outputs and explicit states apart, so they have to stay."""
    for kind in ("inputs", "outputs"):
        given = [graph.tensors[index].name for index in getattr(graph, kind)]
        found = [compiled.tensors[index].name for index in getattr(compiled, kind)]
        if given != found:
            raise ConvertError(
                f"{source}: Vela turned the {kind} {', '.join(given)} into {', '.join(found)}; "
                "give each its own operator, or convert for a board without an NPU"
            )


@dataclass
class _Uses:
    """Of one variable: assignments before each read, by that one's tensor; what is assigned."""

    reads: dict[str, int] = field(default_factory=dict)
    assigned: list[str] = field(default_factory=list)

    def kept_by(self, found: "_Uses") -> bool:
        """Whether every read that is left gives the same value; Vela leaves out those in vain."""
        same = all(self.reads.get(name) == count for name, count in found.reads.items())
        several = len(self.assigned) > 1  # a single one may be known by another name
        given, written = self.assigned, found.assigned
        return same and (given == written if several else len(given) == len(written))


def _uses(graph: Graph) -> dict[str, _Uses]:
    handles: dict[int, str] = {}
    found: dict[str, _Uses] = {}
    for operator in graph.operators:
        if operator.code == "VAR_HANDLE":
            handles[operator.outputs[0]] = handle_name(operator)
        elif operator.code in ("READ_VARIABLE", "ASSIGN_VARIABLE"):
            uses = found.setdefault(handles.get(operator.inputs[0], ""), _Uses())
            if operator.code == "READ_VARIABLE":
                uses.reads[graph.tensors[operator.outputs[0]].name] = len(uses.assigned)
            else:
                uses.assigned.append(graph.tensors[operator.inputs[1]].name)
    return found


def _check_variables(graph: Graph, compiled: Graph, source: str) -> None:
    """Vela 5.2.0 orders operators by their tensors alone, so that a read may pass an assignment."""
    found = _uses(compiled)
    for name, uses in _uses(graph).items():
        if uses.reads and not uses.kept_by(found.get(name, _Uses())):
            raise ConvertError(
                f"{source}: Vela reads or assigns the variable '{name}' in another order than the"
                " graph; make it an input 'state.x' with an output 'state.x.next', or convert for"
                " a board without an NPU"
            )


def _table(graph: Graph, run: VelaRun, compiled: Graph, source: str) -> tuple[NpuOperator, ...]:
    steps = [operator for operator in compiled.operators if operator.code == ETHOSU]
    payloads = [compiled.tensors[operator.inputs[0]].data for operator in steps]
    streams = [payload.tobytes() for payload in payloads if payload is not None]
    return read_table(graph, run, constant_reads(streams, source))


def _table_without_calls(
    model: Model, config: VelaConfig, source: str, options: Sequence[str]
) -> tuple[NpuOperator, ...]:
    """The table of a file's first graph without CALL_ONCE, which only gives start values."""
    graph = model.graphs[0]
    kept = [i for i, operator in enumerate(graph.operators) if operator.code != "CALL_ONCE"]
    single = replace(graph, operators=tuple(graph.operators[i] for i in kept))
    run = run_vela(write_tflite(Model((single,), model.description)), config, source, options)
    rows = _table(single, run, read_tflite(run.tflite, source).graphs[0], source)
    found = {index: replace(row, index=index) for index, row in zip(kept, rows, strict=True)}
    return tuple(
        found.get(index, NpuOperator(index, operator.code, "", NOWHERE, "", 0, "", 0, 0))
        for index, operator in enumerate(graph.operators)
    )


def describe(compiled: Compiled) -> dict[str, Any]:
    """Plain JSON values of all but the file itself."""
    return {
        "vela": VELA_VERSION,
        "cycles_estimate": compiled.cycles,
        "weight_bytes": compiled.weight_bytes,
        "stored_weight_bytes": compiled.stored_weight_bytes,
        "ratio": round(compiled.ratio, 4),
        "constant_bytes": compiled.constant_bytes,
        "stream_bytes": compiled.stream_bytes,
        "operators": [asdict(row) for row in compiled.operators],
    }
