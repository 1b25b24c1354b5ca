"""Vela 5.2.0 on a graph: the command stream, its weights and where every tensor lies."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tflite
from edgesdk.npu.payload import read_payload

from conformance.build import Array

GENERATORS = ("regor", "legacy")
_OFFLINE = b"OfflineMemoryAllocation"
_DTYPES = {tflite.TensorType.INT8: "int8", tflite.TensorType.INT16: "int16"}
_DTYPES |= {tflite.TensorType.UINT8: "uint8", tflite.TensorType.INT32: "int32"}


@dataclass(frozen=True)
class Target:
    """An accelerator and the memory around it, in the names of Vela's own Arm/vela.ini."""

    accelerator: str
    system: str
    memory: str
    optimise: str
    arena_bytes: int = 0  # a limit for the graphs made to be cut into stripes


# Every accelerator with other settings, so that the layouts differ as much as they can.
TARGETS = {
    target.accelerator: target
    for target in (
        Target("ethos-u55-32", "Ethos_U55_Deep_Embedded", "Shared_Sram", "Size"),
        Target("ethos-u55-64", "Ethos_U55_Deep_Embedded", "Sram_Only", "Performance"),
        Target("ethos-u55-128", "Ethos_U55_High_End_Embedded", "Shared_Sram", "Performance", 49152),
        Target("ethos-u55-256", "Ethos_U55_High_End_Embedded", "Shared_Sram", "Size"),
        Target("ethos-u65-256", "Ethos_U65_Embedded", "Shared_Sram", "Performance", 65536),
        Target("ethos-u65-512", "Ethos_U65_High_End", "Dedicated_Sram", "Performance", 65536),
    )
}


class Refusal(Exception):
    """Vela left operators to the CPU, or failed; the text says which or why."""


@dataclass(frozen=True)
class Place:
    """A tensor in the arena."""

    offset: int
    shape: tuple[int, ...]
    dtype: str
    zero: int = 0

    @property
    def bytes(self) -> int:
        """Its size."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Compiled:
    """A graph as one job of the NPU; `words` is uint32[], `weights` uint8[]."""

    accelerator: str
    config: int
    id: int
    words: Array
    weights: Array
    scratch_bytes: int
    fast_bytes: int
    """0: the fast scratch is the scratch. The legacy core names less than it uses."""
    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]
    variables: tuple[Place, ...]
    file: bytes = field(repr=False)
    """All of this as the .tflite file that Vela wrote."""


def compile_graph(data: bytes, target: Target, generator: str) -> Compiled:
    """The graph's job.

    Raises:
        Refusal: some of it is not for the NPU.
    """
    return read_compiled(run_vela(data, target, generator), target)


def run_vela(data: bytes, target: Target, generator: str) -> bytes:
    """The .tflite file that Vela writes, in a process of its own: its legacy core keeps weights.

    Raises:
        Refusal: Vela failed.
    """
    from ethosu.vela import vela  # here, so that the children need not import it

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "graph.tflite"
        source.write_bytes(data)
        words = [str(source), "--output-dir", folder, "--config", "Arm/vela.ini"]
        words += ["--accelerator-config", target.accelerator, "--system-config", target.system]
        words += ["--memory-mode", target.memory, "--optimise", target.optimise]
        if target.arena_bytes:
            words += ["--arena-cache-size", str(target.arena_bytes)]
        core = "--debug-force-legacy-core" if generator == "legacy" else "--debug-force-regor"
        said = Path(folder) / "said.txt"
        child = multiprocessing.get_context("fork").Process(
            target=_vela_main, args=(vela.main, [*words, core], said)
        )
        child.start()
        child.join()
        result = Path(folder) / "graph_vela.tflite"
        if child.exitcode or not result.is_file():
            text = said.read_text(errors="replace").strip()[-200:]
            raise Refusal(f"Vela failed ({child.exitcode}): {text}")
        return result.read_bytes()


def _vela_main(main: Callable[[list[str]], int], words: list[str], said: Path) -> None:
    """Runs in the child; all that Vela's two cores print goes to `said`."""
    with said.open("w") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        sys.stdout = sys.stderr = file
        status = main(words)
    os._exit(status or 0)


def read_compiled(data: bytes, target: Target) -> Compiled:
    """What is in a file that Vela wrote.

    Raises:
        Refusal: it holds operators for the CPU.
    """
    model = tflite.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    names = [_operator_name(model, graph.Operators(i)) for i in range(graph.OperatorsLength())]
    others = sorted({name for name in names if name != "ethos-u"})
    if others:
        share = "partly" if "ethos-u" in names else "wholly"
        raise Refusal(f"{share} on the CPU: {', '.join(others)}")
    if len(names) != 1:
        raise Refusal(f"{len(names)} jobs")
    operator = graph.Operators(0)
    stream, flash, scratch, fast = (operator.Inputs(i) for i in range(4))
    payload = read_payload(_data(model, graph, stream).tobytes())
    offsets = _offsets(model)
    apart = target.memory == "Dedicated_Sram"
    variables = [i for i in range(graph.TensorsLength()) if graph.Tensors(i).IsVariable()]
    return Compiled(
        target.accelerator,
        payload.config,
        payload.id,
        payload.words,
        _data(model, graph, flash),
        _bytes(graph, scratch),
        max(_bytes(graph, fast), target.arena_bytes) if apart else 0,
        tuple(_place(graph, graph.Inputs(i), offsets) for i in range(graph.InputsLength())),
        tuple(_place(graph, graph.Outputs(i), offsets) for i in range(graph.OutputsLength())),
        tuple(_place(graph, i, offsets) for i in variables),
        data,
    )


def _operator_name(model, operator) -> str:
    code = model.OperatorCodes(operator.OpcodeIndex())
    if code.CustomCode():
        return code.CustomCode().decode()
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    return next(k for k, v in vars(tflite.BuiltinOperator).items() if v == number)


def _data(model, graph, index: int) -> Array:
    raw = model.Buffers(graph.Tensors(index).Buffer()).DataAsNumpy()
    return np.zeros(0, np.uint8) if isinstance(raw, int) else np.array(raw, np.uint8)


def _bytes(graph, index: int) -> int:
    return int(np.prod(graph.Tensors(index).ShapeAsNumpy()))


def _offsets(model) -> list[int]:
    for k in range(model.MetadataLength()):
        entry = model.Metadata(k)
        if entry.Name() == _OFFLINE:
            return model.Buffers(entry.Buffer()).DataAsNumpy().view("<i4")[3:].tolist()
    raise Refusal("no OfflineMemoryAllocation")


def _place(graph, index: int, offsets: Sequence[int]) -> Place:
    tensor = graph.Tensors(index)
    shape = tensor.ShapeAsNumpy()
    shape = () if isinstance(shape, int) else tuple(int(n) for n in shape)
    form = tensor.Quantization()
    zero = int(form.ZeroPoint(0)) if form is not None and form.ZeroPointLength() else 0
    return Place(offsets[index], shape, _DTYPES[tensor.Type()], zero)
