"""A .tflite graph on the laptop's interpreter, with its states in reach."""

import importlib
import importlib.metadata
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesdk.core import TensorInfo
from edgesdk.emulate.flatbuffer import (
    has_resources,
    operator_outputs,
    variable_tensors,
    with_outputs,
)
from edgesdk.errors import BundleError, EdgeError

Array = npt.NDArray[Any]
State = Mapping[str, Array]

_NEXT = ".next"
_STATE = "state."
_VARIABLE = "variable."
_SOURCE_PLACE = re.compile(r"\.(cc|h|cpp):\d+$")


@dataclass(frozen=True)
class InterpreterKind:
    """The interpreter that this machine has; `caveat` says where it cannot equal a device."""

    name: str
    caveat: str
    module: Any


class NoInterpreterError(EdgeError):
    """No TFLite interpreter is installed."""


@lru_cache(maxsize=1)
def find_interpreter() -> InterpreterKind:
    """tflite-runtime, or its successor ai-edge-litert.

    Raises:
        NoInterpreterError: neither is installed.
        EdgeError: one is, and does not load.
    """
    kinds = (
        ("tflite-runtime", "tflite_runtime.interpreter", ""),
        (
            "ai-edge-litert",
            "ai_edge_litert.interpreter",
            "rounds once where devices round twice: compare within 1",
        ),
    )
    for package, module, caveat in kinds:
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        except ImportError as error:
            raise EdgeError(
                f"{package}: installed, but does not load ({error}); install it again: "
                "pip install --force-reinstall 'edgesdk[emulate]'"
            ) from error
        version = importlib.metadata.version(package)
        return InterpreterKind(f"{package} {version} BUILTIN_REF", caveat, found)
    raise NoInterpreterError(
        "no TFLite interpreter in this Python; install one: pip install 'edgesdk[emulate]'"
    )


def _info(detail: Mapping[str, Any]) -> TensorInfo:
    scale, zero_point = detail["quantization"]
    shape = tuple(int(dim) for dim in detail["shape"])
    return TensorInfo(detail["dtype"], shape, float(scale), int(zero_point))


def _reason(error: Exception) -> str:
    """The interpreter's message in one line, without places in its own source."""
    words = [word for word in str(error).split() if not _SOURCE_PLACE.search(word)]
    return " ".join(words).rstrip(".") or type(error).__name__


class TfliteGraph:
    """One graph on the reference kernels; not for use by two threads at once.

    States are both the variable tensors of fused operators and the inputs named `state.X` that
    come back as outputs `state.X.next`. Resource variables go on from run to run and start again
    with `reset`, but no interpreter shows them: `state` does not hold them.
    """

    def __init__(self, model: bytes, source: str) -> None:
        """Load `model`.

        Raises:
            BundleError: the interpreter refuses it; `source` names it.
        """
        self._model, self._source = model, source
        self._variables = variable_tensors(model, source)
        self._resources = has_resources(model, source)
        self._interpreter = self._load()
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        following = {o["name"]: o for o in outputs if o["name"].endswith(_NEXT)}
        states = [i for i in inputs if i["name"] + _NEXT in following]
        self._states = {i["name"]: (i, following[i["name"] + _NEXT]["index"]) for i in states}
        carried = {index for _, index in self._states.values()}
        self._inputs = [i for i in inputs if i["name"] not in self._states]
        self._outputs = [o for o in outputs if o["index"] not in carried]
        self.inputs = tuple(_info(detail) for detail in self._inputs)
        self.outputs = tuple(_info(detail) for detail in self._outputs)
        self._explicit: dict[str, Array] = {}
        self.reset()

    @property
    def keeps_resources(self) -> bool:
        """Whether it has resource variables, which `state` does not hold."""
        return self._resources

    def _load(self) -> Any:
        kind = find_interpreter()
        try:
            interpreter = kind.module.Interpreter(
                model_content=self._model,
                num_threads=1,
                experimental_op_resolver_type=kind.module.OpResolverType.BUILTIN_REF,
            )
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(
                f"{self._source}: the interpreter refuses it: {_reason(error)}; "
                "copy it or convert the model again"
            ) from error
        return interpreter

    def reset(self) -> None:
        """Set all states to their start values: quantised zero, or what CALL_ONCE assigns."""
        if self._resources:
            self._interpreter = self._load()
        self._interpreter.reset_all_variables()
        self._explicit = {
            name: np.full(detail["shape"], detail["quantization"][1], detail["dtype"])
            for name, (detail, _) in self._states.items()
        }

    @property
    def state(self) -> dict[str, Array]:
        """A copy of all states, by name or `variable.<tensor index>`; assign to restore."""
        variables = {f"{_VARIABLE}{i}": self._interpreter.get_tensor(i) for i in self._variables}
        return variables | {name: value.copy() for name, value in self._explicit.items()}

    @state.setter
    def state(self, values: State) -> None:
        expected = self.state
        if set(values) != set(expected):
            raise BundleError(
                f"{self._source}: states {sorted(values)} given, it has {sorted(expected)}"
            )
        for name, value in values.items():
            if name.startswith(_VARIABLE):
                self._interpreter.set_tensor(int(name.removeprefix(_VARIABLE)), value)
            else:
                self._explicit[name] = np.array(value)

    def run(self, *inputs: Array) -> list[Array]:
        """Outputs for `inputs`, which may be flat; states go on from the last run.

        Raises:
            BundleError: number, type or size of the inputs do not fit.
        """
        if len(inputs) != len(self._inputs):
            raise BundleError(
                f"{self._source}: {len(inputs)} inputs given, it takes {len(self._inputs)}"
            )
        for index, (values, detail) in enumerate(zip(inputs, self._inputs, strict=True)):
            shape = detail["shape"]
            if values.dtype != detail["dtype"] or values.size != int(np.prod(shape)):
                wanted = f"{np.dtype(detail['dtype'])}{[int(dim) for dim in shape]}"
                raise BundleError(
                    f"{self._source}: input {index} is {values.dtype}{list(values.shape)}, "
                    f"it takes {wanted}"
                )
            self._interpreter.set_tensor(detail["index"], values.reshape(shape))
        for name, (detail, _) in self._states.items():
            self._interpreter.set_tensor(detail["index"], self._explicit[name])
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise BundleError(
                f"{self._source}: the interpreter failed: {_reason(error)}; "
                "copy it or convert the model again"
            ) from error
        for name, (_, following) in self._states.items():
            self._explicit[name] = self._interpreter.get_tensor(following)
        return [self.tensor(o["index"]) for o in self._outputs]

    def tensor(self, index: int) -> Array:
        """A copy of a tensor, valid after `run` where it is an input, an output or a state."""
        values: Array = self._interpreter.get_tensor(index)
        return values


def op_outputs(
    model: bytes,
    inputs: Sequence[Array],
    state: State | None = None,
    source: str = "graph",
    earlier: Sequence[Sequence[Array]] = (),
) -> dict[int, Array]:
    """Outputs of all operators in one run from `state` (None: the start), by tensor index.

    `earlier` are the inputs of the runs since the start, which bring resource variables to where
    they are: no `state` holds those.

    The bundle's `dbug` section names the tensor index of every plan operator. Every tensor is made
    an output of the graph, since tflite-runtime's experimental_preserve_all_tensors does not keep
    those that the next operator overwrites in place.
    """
    indices = operator_outputs(model, source)
    graph = TfliteGraph(with_outputs(model, indices, source), source)
    for step in earlier if has_resources(model, source) else ():
        graph.run(*step)
    if state is not None:
        graph.state = state
    graph.run(*inputs)
    return {index: graph.tensor(index) for index in indices}
